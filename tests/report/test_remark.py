from dataclasses import replace

import pytest
from report.pages import RUNNING

from parmagic.report.lane import Bar, Lane
from parmagic.report.remark import remark
from parmagic.report.report import TimeSpent

DONE = replace(RUNNING, state="done", done=200, wall_seconds=2.0, item_seconds=5.25)
# Four workers, eight seconds each.
SLOW = replace(DONE, workers=4, wall_seconds=8.0, item_seconds=8.0)


def lanes(*ends):
    return tuple(Lane(number, (Bar(number, number, 0, end),)) for number, end in enumerate(ends, 1))


def test_a_job_that_gained_needs_no_remark():
    assert remark(replace(DONE, item_seconds=3.8)) == ""


def test_items_that_are_too_short_are_said_to_be():
    report = replace(DONE, items=15, done=15, wall_seconds=0.031, item_seconds=0.003)
    assert remark(report) == (
        "The items are too short to gain from processes: 200 µs each; "
        "a serial loop would have taken 3 ms."
    )


def test_short_items_are_the_reason_even_when_the_workers_had_to_start():
    short = replace(DONE, items=15, done=15, wall_seconds=0.031, item_seconds=0.003)
    assert remark(replace(short, wall_seconds=0.331, start_seconds=0.3)) == remark(short)


def test_a_start_that_ate_the_gain_is_said_to_be_paid_once():
    report = replace(DONE, wall_seconds=0.8, item_seconds=0.9, start_seconds=0.31)
    assert remark(report) == (
        "310 ms of this was the start of the workers: the next cell will not pay it."
    )


def test_a_start_that_hardly_counts_is_not_mentioned():
    assert remark(replace(DONE, wall_seconds=2.0, item_seconds=3.3, start_seconds=0.3)) == ""


def test_long_items_that_lost_are_not_called_short():
    report = replace(DONE, items=4, done=4, wall_seconds=8.0, item_seconds=2.2)
    assert remark(report) == (
        "Only 2.2 s of this was the work itself: the rest was making and sending items."
    )


def test_short_items_that_were_slow_to_make_are_not_called_too_short():
    report = replace(DONE, items=100, done=100, wall_seconds=10.0, item_seconds=0.5)
    assert remark(report).startswith("Only 500 ms of this was the work itself")


def test_one_item_that_lost_a_little_needs_no_remark():
    assert remark(replace(DONE, items=1, done=1, wall_seconds=0.006, item_seconds=0.005)) == ""


@pytest.mark.parametrize("state", ["running", "failed", "interrupted"])
def test_only_a_job_that_is_done_gets_a_remark(state):
    assert remark(replace(DONE, state=state, wall_seconds=8.0, item_seconds=0.2)) == ""


def test_short_items_that_add_up_should_be_fewer():
    report = replace(DONE, items=9_000, done=9_000, wall_seconds=4.0, item_seconds=2.0)
    assert remark(report).endswith("2 s; fewer, larger items would gain.")


def test_fewer_items_than_workers_leave_some_idle():
    assert remark(replace(SLOW, items=1, done=1)) == (
        "Only 1 of 4 workers had an item: smaller items, and more of them, would use the others."
    )


def test_a_last_item_that_ran_alone_is_named():
    last = Lane(4, (Bar(3, 3, 0, 1), Bar(17, 17, 1, 7)))
    assert remark(replace(SLOW, lanes=(*lanes(1, 2, 2), last))) == (
        "The last worker worked alone for 6 s of this: item 17 took 7 s; "
        "start the long items first."
    )


def test_a_last_chunk_that_ran_alone_should_be_smaller():
    last = Lane(4, (Bar(100, 147, 1, 7),))
    assert remark(replace(SLOW, lanes=(*lanes(1, 2, 2), last))) == (
        "The last worker worked alone for 6 s of this, with 48 items: "
        "a smaller chunksize would share them."
    )


def test_large_values_are_weighed():
    time = TimeSpent(compute=8, serialise=10, transfer=6, start=0, wait=8)
    report = replace(SLOW, time=time, nbytes=1_200_000_000, lanes=lanes(8, 8, 8, 8))
    assert remark(report) == (
        "1.2 GB travelled between the kernel and the workers, 50 % of the time: "
        "send and return less."
    )


def test_workers_that_waited_for_items_blame_the_kernel():
    time = TimeSpent(compute=8, serialise=0, transfer=0, start=0, wait=24)
    assert remark(replace(SLOW, time=time, lanes=lanes(8, 8, 8, 8))) == (
        "The workers waited 75 % of the time for the kernel, which makes the items "
        "one after the other: let the function do that work."
    )


def test_workers_that_had_nothing_left_did_not_wait_for_the_kernel():
    time = TimeSpent(compute=15, serialise=0, transfer=0, start=0, wait=17)
    report = replace(SLOW, item_seconds=15.0, time=time, lanes=lanes(0.5, 0.5, 6.5, 8))
    assert remark(report) == ""


def test_items_that_take_longer_to_send_than_to_run_should_be_larger():
    time = TimeSpent(compute=8, serialise=14, transfer=2, start=0, wait=8)
    assert remark(replace(SLOW, time=time, lanes=lanes(8, 8, 8, 8))) == (
        "Sending an item took longer than running it (80 ms, and 40 ms): "
        "fewer, larger items would gain."
    )


@pytest.mark.parametrize("changes", [{"item_seconds": 17.0}, {"workers": 1}])
def test_a_job_that_used_half_of_its_workers_needs_no_remark(changes):
    time = TimeSpent(compute=8, serialise=20, transfer=0, start=0, wait=4)
    assert remark(replace(SLOW, time=time, **changes)) == ""


def test_imports_in_the_workers_are_named() -> None:
    time = TimeSpent(compute=1.0, serialise=0.1, transfer=0.1, start=0.1, wait=0.7, load=2.0)
    report = replace(DONE, items=6, done=6, wall_seconds=2.0, item_seconds=1.0, time=time)
    assert "50 % of the time went into importing what the function uses" in remark(report)
