import pytest

from parmagic.report.units import about, count, duration, percent, rate, size


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (1e-12, "0 s"),
        (3e-9, "3 ns"),
        (0.00018, "180 µs"),
        (0.0032, "3.2 ms"),
        (0.25, "250 ms"),
        (3.2149, "3.21 s"),
        (2, "2 s"),
        (59.9, "59.9 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3_600, "1 h"),
        (7_530, "2 h 5 min"),
        (86_400 * 3 + 3_600 * 4 + 59, "3 d 4 h"),
        (86_400 * 4_000, "4,000 d"),
    ],
)
def test_a_duration_is_written_in_the_unit_that_suits_it(seconds, written):
    assert duration(seconds) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.0009999, "1 ms"), (0.9996, "1 s"), (59.96, "1 min"), (119.9, "2 min"), (3599.7, "1 h")],
)
def test_rounding_up_moves_a_duration_to_the_next_unit(seconds, written):
    assert duration(seconds) == written


def test_a_duration_can_be_written_in_fewer_digits():
    assert duration(0.000187, digits=2) == "190 µs"
    assert duration(3.2149, digits=2) == "3.2 s"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.01, "about 1 s"), (2.4, "about 2 s"), (95, "about 1 min 35 s"), (2_422, "about 40 min")],
)
def test_a_guess_does_not_claim_to_be_exact(seconds, written):
    assert about(seconds) == written


@pytest.mark.parametrize(
    ("per_second", "written"),
    [
        (41.4, "41 items/s"),
        (12_345, "12,000 items/s"),
        (1_250_000, "1,200,000 items/s"),
        (99.6, "100 items/s"),
        (4.13, "4.1 items/s"),
        (1, "1 item/s"),
        (0.996, "1 item/s"),
        (0.5, "30 items/min"),
        (1 / 300, "12 items/h"),
        (1 / 43_200, "2 items/d"),
        (1 / 864_000, "0.1 items/d"),
    ],
)
def test_a_rate_has_two_digits_and_a_unit_in_which_it_is_at_least_one(per_second, written):
    assert rate(per_second) == written


@pytest.mark.parametrize(
    ("number", "of", "written"),
    [
        (0, None, "0 items"),
        (1, None, "1 item"),
        (100_000, None, "100,000 items"),
        (134, 200, "134 of 200 items"),
        (0, 1, "0 of 1 item"),
        (200, 200, "200 items"),
    ],
)
def test_a_count_agrees_with_its_noun(number, of, written):
    assert count(number, "item", of=of) == written


@pytest.mark.parametrize(
    ("nbytes", "written"),
    [
        (0, "0 B"),
        (740, "740 B"),
        (999_999, "1 MB"),
        (1_234_567_890, "1.2 GB"),
        (5 * 10**12, "5,000 GB"),
    ],
)
def test_a_size_has_two_digits(nbytes, written):
    assert size(nbytes) == written


def test_a_part_is_written_in_percent():
    assert percent(1.9, 2) == "95 %"
