from dataclasses import FrozenInstanceError, replace

import pytest

from parmagic.report.remark import remark
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
    assert remark(report) == ""


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


def test_what_was_measured_goes_before_the_rate():
    assert replace(RUNNING, left_seconds=9.0).remaining_seconds == 9.0
    assert replace(RUNNING, left_seconds=9.0, items=None).remaining_seconds == 9.0
    assert replace(RUNNING, left_seconds=9.0, state="interrupted").remaining_seconds is None


def test_a_job_starts_until_its_first_worker_is_ready():
    waiting = replace(RUNNING, done=0, failed=0, item_seconds=0.0, wall_seconds=0.2)
    assert replace(waiting, start_seconds=0.2).starting
    assert not replace(waiting, start_seconds=0.1).starting
    assert not replace(waiting, start_seconds=0.0).starting
    assert replace(waiting, start_seconds=0.2).rate is None
