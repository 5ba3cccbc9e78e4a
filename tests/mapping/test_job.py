from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import pytest
import zoo
from support import Gate, alive, wait_until

import parmagic
from parmagic import PoolBroken
from parmagic.mapping.job import Job, Options
from parmagic.pool.default import default_pool, stop_default_pool


@pytest.fixture(autouse=True)
def two_workers() -> None:
    default_pool(2)


def waiting_job(gate: Gate, count: int = 4, **options: Any) -> Job[Any]:
    """Start a job whose items wait at the gate."""
    job = parmagic.map_async(gate.enter, range(count), chunksize=1, **options)
    gate.wait_for(2)
    return job


# A future


def test_it_is_a_future_of_its_results(gate: Gate) -> None:
    job = waiting_job(gate)
    assert isinstance(job, concurrent.futures.Future)
    assert (job.running(), job.done()) == (True, False)
    with pytest.raises(TimeoutError):
        job.result(0.01)
    gate.open()
    assert job.result(10) == [None] * 4
    assert (job.running(), job.done(), job.exception()) == (False, True, None)


def test_several_can_be_waited_for() -> None:
    jobs = [parmagic.map_async(lambda x, n=n: x * n, range(10)) for n in range(5)]
    done, _ = concurrent.futures.wait(jobs, 10)
    assert done == set(jobs)
    assert [job.result() for job in jobs] == [[x * n for x in range(10)] for n in range(5)]


@pytest.mark.parametrize("serial", [False, True])
def test_in_the_end_there_are_as_many_items_as_came(serial: bool) -> None:
    parmagic.map(abs, zoo.SaysFifty(), serial=serial)
    job = parmagic.jobs[-1]
    report = job.report()
    assert (job.pending, report.items, report.done, report.pending) == ([], 3, 3, 0)


def test_it_can_be_awaited() -> None:
    async def main() -> tuple[Any, Any]:
        one, other = parmagic.map_async(abs, [-1]), parmagic.map_async(lambda x: 1 / x, [0])
        return await asyncio.gather(one, other, return_exceptions=True)

    results, error = asyncio.run(main())
    assert results == [1]
    assert isinstance(error, ZeroDivisionError)


def test_who_stops_awaiting_cancels_it(gate: Gate) -> None:
    async def main(job: Job[Any]) -> None:
        await asyncio.wait_for(job, 0.01)

    job = waiting_job(gate)
    with pytest.raises(TimeoutError):
        asyncio.run(main(job))
    assert wait_until(job.done)
    assert job.cancelled()


CALLBACKS = [
    (abs, [[1], None]),
    (lambda x: 1 / (x + 1), [None, ZeroDivisionError]),
]


@pytest.mark.parametrize(("fn", "called"), CALLBACKS, ids=["results", "error"])
def test_its_callbacks_get_results_or_error(fn: Callable[[int], Any], called: list[Any]) -> None:
    over = threading.Event()
    got: list[Any] = [None, None]

    def note(place: int, value: Any) -> None:
        got[place] = value
        over.set()

    parmagic.map_async(
        fn,
        [-1],
        callback=lambda results: note(0, results),
        error_callback=lambda error: note(1, type(error)),
    )
    assert over.wait(10)
    assert got == called


# Cancelled


def test_to_cancel_stops_the_items_and_keeps_what_finished(gate: Gate) -> None:
    job = parmagic.map_async(lambda n: gate.enter(n) if n > 1 else n, range(100), chunksize=1)
    gate.wait_for(2)
    before = {worker.pid for worker in default_pool().workers}
    assert job.cancel()
    with pytest.raises(CancelledError):
        job.result(10)
    assert job.cancelled()
    assert job.outcomes.values[:2] == [0, 1]
    assert job.outcomes.pending() == list(range(2, 100))
    assert parmagic.map(os.getpid, []) == []
    assert {worker.pid for worker in default_pool().workers} == before


def test_to_cancel_what_is_over_changes_nothing() -> None:
    job = parmagic.map_async(abs, [-1])
    assert job.result(10) == [1]
    assert not job.cancel()
    assert not job.cancelled()
    assert job.result() == [1]


def test_to_cancel_what_has_run_all_its_items_changes_nothing() -> None:
    jobs: deque[Job[int]] = deque()

    def value_of(value: int) -> int:  # asked when they have run
        return value if jobs[0].cancel() else -1

    jobs.append(Job(abs, range(3), Options(serial=True), value_of=value_of))
    assert jobs[0].start().result(10) == [0, 1, 2]
    assert not jobs[0].cancelled()


@pytest.mark.parametrize("serial", [False, True])
def test_a_job_that_has_begun_and_nobody_drives_can_be_given_up(serial: bool) -> None:
    job = Job(abs, range(3), Options(serial=serial))
    job.begin()
    job.abandon()
    assert (job.cancelled(), job.pending) == (True, [0, 1, 2])
    assert parmagic.map(abs, range(3), resume=job) == [0, 1, 2]


def test_a_job_for_which_there_is_no_thread_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    job = Job(abs, range(3), Options(serial=True))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            job.start()
    assert job.cancelled()


def test_what_is_cancelled_before_it_begins_runs_nothing(gate: Gate) -> None:
    job = Job(gate.note, range(3))
    assert job.cancel()
    with pytest.raises(CancelledError):
        job.run()
    assert job.cancelled()
    assert gate.names == set()


def test_cancelled_at_any_moment_it_ends_and_the_next_one_runs() -> None:
    for delay in range(0, 40, 2):
        job = parmagic.map_async(lambda x: x, range(100_000))
        assert not wait_until(lambda: False, delay / 1000)
        job.cancel()
        assert wait_until(job.done)
        assert job.cancelled() or job.result() == list(range(100_000))
        assert parmagic.map(abs, [-1, -2]) == [1, 2]


def swallow(gate: Gate) -> None:
    while True:
        try:
            gate.note()
            time.sleep(100)
        except BaseException:
            pass


def call_c(gate: Gate) -> None:
    # In C from the note on: no signal is handled between the two.
    note = map(os.mkdir, [gate.folder / f"C@{os.getpid()}"])
    deque(itertools.chain(note, itertools.repeat(0)), maxlen=0)  # for ever, and deaf to signals


@pytest.mark.parametrize("fn", [swallow, call_c])
def test_an_item_that_does_not_yield_is_ended_with_its_worker(
    fn: Callable[[Gate], None], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fn, "__module__", "__main__")
    job = parmagic.map_async(fn, [gate, gate], chunksize=1)
    gate.wait_for(2)
    job.cancel()
    assert wait_until(job.done, 5)
    assert wait_until(lambda: not any(map(alive, gate.pids)), 5)
    assert parmagic.map(abs, [-1, -2]) == [1, 2]


def test_half_a_message_is_never_sent(capsys: pytest.CaptureFixture[str]) -> None:
    def chatter(_: int) -> None:
        while True:
            print("x" * 1_000_000)

    for _ in range(5):
        job = parmagic.map_async(chatter, range(4))
        assert wait_until(lambda: capsys.readouterr().out)
        job.cancel()
        assert wait_until(job.done)
        assert parmagic.map(abs, [-1, -2]) == [1, 2]


def test_a_job_ends_with_its_pool(gate: Gate) -> None:
    job = waiting_job(gate)
    stop_default_pool(kill=True)
    with pytest.raises(PoolBroken, match="was stopped"):
        job.result(10)
    assert parmagic.map(abs, [-1]) == [1]


def test_other_jobs_go_on(gate: Gate) -> None:
    job = waiting_job(gate)
    infinite = parmagic.map_async(abs, itertools.count())
    infinite.cancel()
    assert wait_until(infinite.done)
    gate.open()
    assert job.result(10) == [None] * 4


# Its state


ENDS: dict[str, tuple[Callable[[int], Any], bool, str, int, int]] = {
    "done": (lambda x: x, False, "done", 4, 0),
    "failed": (lambda x: 1 / (x - 3), False, "failed", 3, 1),
    "with exceptions": (lambda x: 1 / (x - 3), True, "done", 3, 1),
}


@pytest.mark.parametrize(("fn", "keep", "state", "done", "failed"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("serial", [False, True])
def test_its_report_says_how_it_ended(
    fn: Callable[[int], Any], keep: bool, state: str, done: int, failed: int, serial: bool
) -> None:
    job = Job(fn, range(4), Options(chunksize=4, return_exceptions=keep, serial=serial))
    job.start()
    job.exception(10)
    report = job.report()
    assert (report.state, report.items, report.done, report.failed) == (state, 4, done, failed)
    assert [(item.index, item.item) for item in report.failures] == [(3, "3")] * failed
    assert job.succeeded == (failed == 0)
    assert parmagic.jobs[-1] is job


def test_its_report_says_how_far_it_is(gate: Gate) -> None:
    job = waiting_job(gate)
    report = job.report()
    assert (report.state, report.done, report.busy_workers, report.workers) == ("running", 0, 2, 2)
    job.cancel()
    assert wait_until(job.done)
    assert job.report().state == "interrupted"


def test_it_looks_up_while_it_runs(gate: Gate) -> None:
    looks: list[Job[Any]] = []
    job: Job[Any] = Job(gate.enter, range(2), look_up=looks.append)
    job.start()
    assert wait_until(lambda: len(looks) > 2)
    assert set(looks) == {job}
    gate.open()
    job.result(10)


def test_what_was_kept_is_said_with_the_error() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        parmagic.map(lambda x: 1 / (x - 3), range(5), chunksize=5)
    assert (
        raised.value.__notes__[-1]
        == "3 results kept in parmagic.jobs[-1]. resume=True runs the rest."
    )
    assert parmagic.jobs[-1].outcomes.values[:3] == [1 / -3, 1 / -2, -1.0]
