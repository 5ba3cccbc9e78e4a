"""The last jobs as reports."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest
from support import Gate, wait_until

import parmagic
from parmagic.mapping.job import Job
from parmagic.mapping.logbook import MOST_ENTRIES, Entry, logbook
from parmagic.report.report import Report


def newest() -> Entry:
    return logbook.entries()[-1]


def slow(number: int) -> int:
    import time

    print(number)
    time.sleep(0.01)
    return 1 // number


def test_a_running_job_is_described_as_it_is(gate: Gate) -> None:
    folder = str(gate.folder)

    def enter(name: str) -> str:
        from pathlib import Path

        Gate(Path(folder)).enter(name)
        return name

    job = parmagic.map_async(enter, "ab", workers=2)
    gate.wait_for(2)
    entry = newest()
    assert entry.job is job
    assert (entry.summary().state, entry.report().done) == ("running", 0)
    assert {each.index for each in entry.summary().now} == {0, 1}
    gate.open()
    assert job.result(10) == ["a", "b"]
    assert entry.summary().state == "done"


@pytest.mark.parametrize("number", [1, 0])
def test_of_a_job_that_is_over_the_report_is_kept_and_nothing_else(number: int) -> None:
    job = parmagic.map_async(slow, [number, 2, 3], return_exceptions=not number)
    job.exception(10)
    entry, gone = newest(), weakref.ref(job)
    assert wait_until(lambda: entry.job is None)
    whole = job.report()
    report = entry.report()
    assert report.lanes == whole.lanes
    assert report.slowest == whole.slowest
    assert report.failures == whole.failures
    assert report.preview == whole.preview
    assert report.outputs == ()
    assert len(entry.seconds()) == 3
    parmagic.jobs.clear()
    del job, whole
    assert wait_until(lambda: gc.collect() >= 0 and gone() is None)


class Slow:
    """A value that is slow to print, like a frame."""

    printed = 0

    def __repr__(self) -> str:
        Slow.printed += 1
        return "slow"


def test_large_values_are_described_when_asked_for_as_long_as_they_are_there() -> None:
    parmagic.map(lambda number: (slow(number), Slow())[1], [1, 2], serial=True)
    assert Slow.printed == 0
    entry = newest()
    report = entry.report()
    assert report.preview == ("slow", "slow")
    assert report == replace(entry.summary(), lanes=report.lanes, preview=report.preview)
    parmagic.jobs.clear()
    assert wait_until(lambda: gc.collect() >= 0 and entry.report().preview == ())
    assert entry.report().done == 2


def test_not_more_than_twenty_are_kept() -> None:
    for _ in range(MOST_ENTRIES + 2):
        parmagic.map(abs, [-1], serial=True)
    numbers = [entry.number for entry in logbook.entries()]
    assert numbers == list(range(numbers[0], numbers[0] + MOST_ENTRIES))


def test_a_job_that_cannot_be_described_at_length_is_described_in_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: Job[int]) -> Report:
        raise RuntimeError

    monkeypatch.setattr(Job, "in_short", refuse)
    assert parmagic.map_async(slow, [1, 2]).result(10) == [1, 0]
    assert newest().job is None
    assert newest().summary().done == 2


def test_a_job_that_could_not_begin_is_none() -> None:
    failed = failed_job()
    last = newest()
    with pytest.raises(parmagic.ResumeError):
        parmagic.map(abs, [1], resume=failed)
    assert newest() is last


def failed_job() -> parmagic.Job[int]:
    with pytest.raises(ZeroDivisionError):
        parmagic.map(slow, [0, 1], serial=True)
    job: parmagic.Job[int] = parmagic.jobs[-1]
    return job
