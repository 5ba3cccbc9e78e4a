"""What a job tells of its items while it runs, and afterwards."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from support import Gate, wait_until

import parmagic
from parmagic.mapping.job import Job
from parmagic.mapping.options import Options


def test_the_report_says_when_each_item_ran_and_where() -> None:
    parmagic.map(abs, range(4), workers=2)  # bars that are thin beside a start are drawn as one
    report = parmagic.map(lambda x: sum(range(400_000)), range(6), workers=2, chunksize=1).report
    bars = [bar for lane in report.lanes for bar in lane.bars]
    assert sorted(bar.first for bar in bars) == list(range(6))
    assert all(0 <= bar.start <= report.wall_seconds for bar in bars)
    for lane in report.lanes:
        ends = [bar.start + bar.seconds for bar in lane.bars]
        assert all(bar.start >= end - 1e-3 for bar, end in zip(lane.bars[1:], ends, strict=False))


def test_the_report_says_where_the_time_went() -> None:
    parmagic.map(abs, range(4), workers=2)
    report = parmagic.map(lambda x: sum(range(400_000)), range(20), workers=2, chunksize=1).report
    time = report.time
    assert time is not None
    working = time.compute + time.serialise + time.transfer + time.load
    total = working + time.start + time.wait
    assert total == pytest.approx(2 * report.wall_seconds, rel=0.05)
    assert time.compute == pytest.approx(report.item_seconds)
    assert time.compute > total / 4
    assert min(time.serialise, time.transfer, time.wait) >= 0
    assert report.nbytes > 0


def test_the_slowest_items_are_named() -> None:
    def work(count: int) -> int:
        return sum(range(count))

    report = parmagic.map(work, [10, 3_000_000, 10], workers=1, chunksize=1).report
    assert (report.slowest[0].index, report.slowest[0].item) == (1, "3000000")


def test_failed_items_have_their_kind_and_line() -> None:
    results = parmagic.map(lambda x: 1 / x, [1, 0], return_exceptions=True, chunksize=1)
    (failed,) = results.report.failures
    assert failed.kind == "ZeroDivisionError"
    assert failed.line.endswith("of test_record.py")


def test_the_report_has_the_output_of_the_items() -> None:
    def speak(x: int) -> None:
        print("item", x)

    outputs = parmagic.map(speak, [3, 4]).report.outputs
    assert [(each.index, each.item, each.parts[0].text) for each in outputs] == [
        (0, "3", "item 3\n"),
        (1, "4", "item 4\n"),
    ]


def test_a_job_in_the_kernel_has_one_lane() -> None:
    report = parmagic.map(abs, range(3), serial=True).report
    assert [(lane.worker, len(lane.bars)) for lane in report.lanes] == [(0, 3)]
    assert report.time is None


def test_many_items_make_a_drawing_of_bounded_size() -> None:
    report = parmagic.map(abs, range(60_000), workers=2, chunksize=1000).report
    assert sum(len(lane.bars) for lane in report.lanes) <= 1_100


def test_a_job_under_way_says_what_each_worker_does(gate: Gate) -> None:
    def work(x: int) -> None:
        parmagic.progress(x, 10, "at it")
        gate.enter(x)

    job = Job(work, [3, 4], Options(workers=2, chunksize=1)).start()
    gate.wait_for(2)
    assert wait_until(lambda: len(job.progress().now) == 2)
    assert wait_until(lambda: all(each.done is not None for each in job.progress().now))
    now = job.progress().now
    gate.open()
    job.result()
    assert [(each.index, each.done, each.total, each.text) for each in now] == [
        (0, 3, 10, "at it"),
        (1, 4, 10, "at it"),
    ]
    assert job.progress().now == ()


def test_the_rest_of_a_job_under_way_is_estimated(gate: Gate) -> None:
    job = Job(
        lambda x: x if x < 2 else gate.enter(x), range(4), Options(workers=2, chunksize=1)
    ).start()
    gate.wait_for(2)
    assert wait_until(lambda: job.progress().left_seconds is not None)
    gate.open()
    job.result()
    assert job.progress().left_seconds is None


def test_results_do_not_keep_large_items_alive() -> None:
    items = [np.zeros(10), np.ones(10)]
    alive = weakref.ref(items[0])
    results = parmagic.map(np.sum, items)
    del items
    parmagic.jobs.clear()
    gc.collect()
    assert alive() is None
    assert results == [0, 10]


def test_an_item_in_the_kernel_moves_its_bar_too() -> None:
    seen: list[tuple[int, float | None]] = []

    def look_up(job: Job[None]) -> None:
        seen.extend((each.index, each.done) for each in job.progress().now)

    options = Options(serial=True)
    Job(lambda x: parmagic.progress(x, 10), [3, 4], options, look_up=look_up).run()
    assert {(0, 3), (1, 4)} <= set(seen)
    parmagic.progress(1)  # of no job, and no harm


def test_a_job_is_gone_with_its_last_reference() -> None:
    gc.collect()
    gc.disable()
    try:
        results = parmagic.map(lambda x: np.full(50_000, x), [1, 2], chunksize=1)
        alive = weakref.ref(parmagic.jobs[-1])
        parmagic.jobs.clear()
        assert alive() is None
        assert results[1][0] == 2
    finally:
        gc.enable()
