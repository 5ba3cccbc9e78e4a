from dataclasses import FrozenInstanceError, replace

import pytest

from parmagic.report.report import FailedItem, Report

RUNNING = Report(
    what="seed in range(200)",
    state="running",
    items=200,
    done=134,
    failed=1,
    workers=2,
    busy_workers=2,
    chunks=12,
    wall_seconds=3.5,
    item_seconds=5.25,
    start_seconds=0.5,
)
DONE = replace(RUNNING, state="done", done=200, failed=0, wall_seconds=2.0, start_seconds=0.0)


def test_a_report_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        RUNNING.done = 1


def test_equal_reports_are_one_in_a_set():
    failures = (FailedItem(0, "0", "ValueError: no"),)
    assert len({replace(DONE, failures=failures), replace(DONE, failures=failures)}) == 1


def test_pending_is_what_has_neither_value_nor_error():
    assert RUNNING.pending == 65
    assert DONE.pending == 0


def test_what_is_pending_is_unknown_while_the_length_is():
    assert replace(RUNNING, items=None).pending is None


def test_speedup_is_the_items_own_time_over_the_time_that_passed():
    assert RUNNING.speedup == 1.5
    assert RUNNING.efficiency == 0.75


@pytest.mark.parametrize(
    "changes",
    [
        {"wall_seconds": 0.0},
        {"done": 0, "failed": 0, "item_seconds": 0.0},
        {"items": 0, "done": 0, "item_seconds": 0.0, "wall_seconds": 0.0},
        {"workers": 0},
    ],
    ids=["no time passed", "nothing finished", "no items", "in the kernel"],
)
def test_there_is_no_speedup_where_it_means_nothing(changes):
    report = replace(DONE, **changes)
    assert report.speedup is None
    assert report.efficiency is None
    assert report.remark == ""


def test_the_rate_leaves_out_the_start_of_the_workers():
    assert RUNNING.rate == 135 / 3


def test_the_rest_takes_as_long_as_the_rate_says():
    assert RUNNING.remaining_seconds == pytest.approx(65 / 45)


@pytest.mark.parametrize(
    "changes",
    [{"items": None}, {"done": 0, "failed": 0}, {"state": "interrupted"}, {"state": "failed"}],
    ids=["length unknown", "nothing finished", "interrupted", "failed"],
)
def test_nobody_knows_how_long_the_rest_takes(changes):
    assert replace(RUNNING, **changes).remaining_seconds is None


def test_a_job_starts_until_its_first_worker_is_ready():
    waiting = replace(RUNNING, done=0, failed=0, item_seconds=0.0, wall_seconds=0.2)
    assert replace(waiting, start_seconds=0.2).starting
    assert not replace(waiting, start_seconds=0.1).starting
    assert not replace(waiting, start_seconds=0.0).starting
    assert replace(waiting, start_seconds=0.2).rate is None


def test_a_job_that_gained_needs_no_remark():
    assert replace(DONE, item_seconds=3.8).remark == ""


def test_items_that_are_too_short_are_said_to_be():
    report = replace(DONE, items=15, done=15, wall_seconds=0.031, item_seconds=0.003)
    assert report.remark == (
        "The items are too short to gain from processes: 200 µs each; "
        "a serial loop would have taken 3 ms."
    )


def test_short_items_are_the_reason_even_when_the_workers_had_to_start():
    short = replace(DONE, items=15, done=15, wall_seconds=0.031, item_seconds=0.003)
    assert replace(short, wall_seconds=0.331, start_seconds=0.3).remark == short.remark


def test_a_start_that_ate_the_gain_is_said_to_be_paid_once():
    report = replace(DONE, wall_seconds=0.8, item_seconds=0.9, start_seconds=0.31)
    assert report.remark == (
        "310 ms of this was the start of the workers: the next cell will not pay it."
    )


def test_a_start_that_hardly_counts_is_not_mentioned():
    assert replace(DONE, wall_seconds=2.0, item_seconds=3.3, start_seconds=0.3).remark == ""


def test_long_items_that_lost_are_not_called_short():
    report = replace(DONE, items=4, done=4, wall_seconds=8.0, item_seconds=2.2)
    assert report.remark == (
        "Only 2.2 s of this was the work itself: the rest was making and sending items."
    )


def test_short_items_that_were_slow_to_make_are_not_called_too_short():
    report = replace(DONE, items=100, done=100, wall_seconds=10.0, item_seconds=0.5)
    assert report.remark.startswith("Only 500 ms of this was the work itself")


def test_one_item_that_lost_a_little_needs_no_remark():
    assert replace(DONE, items=1, done=1, wall_seconds=0.006, item_seconds=0.005).remark == ""


@pytest.mark.parametrize("state", ["running", "failed", "interrupted"])
def test_only_a_job_that_is_done_gets_a_remark(state):
    assert replace(DONE, state=state, wall_seconds=8.0, item_seconds=0.2).remark == ""
