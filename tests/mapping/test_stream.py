"""Jobs in the background: several at once, and their outcomes as they come."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from concurrent.futures import CancelledError
from typing import Any

import pytest
from support import Gate, Notebook, wait_until

import parmagic
from parmagic.mapping.job import Job
from parmagic.mapping.outcome import Outcome
from parmagic.pool.default import default_pool


@pytest.fixture(autouse=True)
def two_workers() -> None:
    default_pool(2)


async def collected(job: Job[Any], found: list[Outcome]) -> list[Outcome]:
    async for outcome in job:
        found.append(outcome)
    return found


def test_outcomes_come_as_the_items_finish_each_once(gate: Gate) -> None:
    def fn(x: int) -> int:
        print("x is", x)
        return gate.enter(x) or x if x == 0 else x

    async def main() -> None:
        job = parmagic.map_async(fn, range(200), chunksize=1)
        early: list[Outcome] = []
        async for outcome in job:
            early.append(outcome)
            if len(early) == 199:
                gate.open()
        assert sorted(each.index for each in early) == list(range(200))
        assert early[-1].index == 0
        assert [each.value for each in early] == [each.item for each in early]
        assert {each.output for each in early[:3]} <= {f"x is {x}\n" for x in range(200)}
        assert all(each.seconds is not None and each.worker for each in early)
        # Who comes late sees the same.
        late = await collected(job, [])
        assert [each.index for each in late] == [each.index for each in early]

    asyncio.run(main())


FAILING = {"first": False, "all": True}


@pytest.mark.parametrize("keep_going", FAILING.values(), ids=FAILING)
def test_failures_are_outcomes_and_end_in_the_exception_unless_told_to_go_on(
    keep_going: bool,
) -> None:
    found: list[Outcome] = []
    job = parmagic.map_async(
        lambda x: 1 / (x - 2), range(4), chunksize=4, return_exceptions=keep_going, retries=1
    )
    if keep_going:
        asyncio.run(collected(job, found))
    else:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(collected(job, found))
    failed = [each for each in found if each.error is not None]
    assert [(each.index, each.item, each.value) for each in failed] == [(2, 2, None)]
    assert {each.index for each in found} >= {0, 1, 2}


def test_who_stops_asking_does_not_stop_the_job(gate: Gate) -> None:
    job = parmagic.map_async(gate.enter, range(3), chunksize=1)

    async def main() -> None:
        await asyncio.wait_for(collected(job, []), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert not job.done()
    gate.open()
    assert job.result(10) == [None] * 3
    assert job.listeners == []


def test_a_cancelled_job_ends_its_stream(gate: Gate) -> None:
    async def main() -> None:
        job = parmagic.map_async(lambda x: gate.enter() if x else x, range(9), chunksize=1)
        async for outcome in job:
            assert outcome.index == 0
            job.cancel()

    with pytest.raises(asyncio.CancelledError, match="1 result kept"):
        asyncio.run(main())


def test_a_shielded_job_outlives_who_awaits_it(gate: Gate) -> None:
    job = parmagic.map_async(gate.enter, range(2), chunksize=1)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(job), 0.05)
        gate.open()
        assert await job == [None, None]

    asyncio.run(main())


def test_a_short_job_does_not_wait_for_a_long_one() -> None:
    parmagic.map(abs, [0, 1], chunksize=1)  # both workers are there
    long = parmagic.map_async(lambda _: time.sleep(0.01), range(500))
    assert wait_until(lambda: long.outcomes.finished > 10)
    short = parmagic.map_async(lambda x: time.sleep(0.01) or x, range(20))
    foreground = parmagic.map(lambda x: -x, range(100))
    assert short.result(10) == list(range(20))
    assert foreground == [-x for x in range(100)]
    assert long.outcomes.finished < 300
    done = set(concurrent.futures.as_completed([long, short], 30))
    assert done == {long, short}


def test_a_queued_job_can_be_cancelled_without_a_trace(gate: Gate) -> None:
    running = parmagic.map_async(gate.enter, range(2), chunksize=1)
    gate.wait_for(2)
    queued = parmagic.map_async(gate.note, ["queued"])
    assert queued.cancel()
    with pytest.raises(CancelledError):
        queued.result(10)
    gate.open()
    assert running.result(10) == [None, None]
    assert "queued" not in gate.names


def test_a_job_sees_the_notebook_as_it_was_when_it_was_started(
    gate: Gate, notebook: Notebook
) -> None:
    notebook.run("factor = 2\ndef times(x):\n    return x * factor")
    items = [1, 2, 3]
    table = {"a": 1, "b": 2}
    blocking = parmagic.map_async(gate.enter, range(2), chunksize=1)
    gate.wait_for(2)
    job = parmagic.map_async(notebook["times"], items, chunksize=1)
    other = parmagic.map_async(str.upper, table.keys(), chunksize=1)
    notebook.run("factor = 100")
    items[:] = [7] * 9
    table.clear()
    gate.open()
    assert job.result(10) == [2, 4, 6]
    assert other.result(10) == ["A", "B"]
    assert blocking.result(10) == [None, None]
