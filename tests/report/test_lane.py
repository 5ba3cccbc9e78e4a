import time

import pytest

from parmagic.report.lane import Bar, merged


def row(count, seconds=1.0, gap=0.0, failed=()):
    return [Bar(n, n, n * (seconds + gap), seconds, failed=n in failed) for n in range(count)]


def test_bars_that_can_be_told_apart_stay_as_they_are():
    assert merged(row(10), 10, 10.0) == tuple(row(10))


@pytest.mark.parametrize("most", [1, 7, 120])
@pytest.mark.parametrize("count", [1, 8, 1_000, 5_000])
def test_no_more_bars_are_left_than_asked_for_and_no_item_is_lost(count, most):
    bars = merged(row(count), most, float(count))
    assert len(bars) <= most
    assert sum(bar.count for bar in bars) == count
    assert (bars[0].first, bars[-1].last) == (0, count - 1)
    assert bars[-1].end == pytest.approx(count)


def test_bars_too_thin_to_point_at_are_joined_even_if_they_are_few():
    assert merged(row(5, seconds=0.001), 100, 100.0) == (Bar(0, 4, 0.0, pytest.approx(0.005)),)


def test_a_failed_item_marks_the_bar_that_it_is_part_of():
    bars = merged(row(1_000, failed={777}), 10, 1_000.0)
    assert [bar.first <= 777 <= bar.last for bar in bars] == [bar.failed for bar in bars]


def test_time_between_two_items_stays_free_where_it_can_be_seen():
    assert len(merged([Bar(0, 0, 0, 1), Bar(1, 1, 50, 1)], 10, 100.0)) == 2


def test_a_bar_of_every_second_item_says_how_many_they_are():
    bars = [Bar(2 * n, 2 * n, n, 1) for n in range(10)]
    (bar,) = merged(bars, 1, 10.0)
    assert (bar.first, bar.last, bar.items, bar.count) == (0, 18, 10, 10)


def test_an_item_that_ran_twice_counts_once():
    (bar,) = merged([Bar(0, 0, 0, 1), Bar(0, 0, 1, 1), Bar(1, 1, 2, 1)], 1, 3.0)
    assert (bar.items, bar.count) == (None, 2)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_bars_beyond_the_end_are_joined_all_the_same(seconds):
    assert len(merged(row(1_000), 10, seconds)) <= 10


def test_no_bars_are_none():
    assert merged([], 10, 1.0) == ()


def test_100_000_bars_are_joined_in_a_third_of_a_second():
    bars = row(100_000)
    began = time.process_time()
    assert len(merged(bars, 120, 100_000.0)) <= 120
    assert time.process_time() - began < 0.3
