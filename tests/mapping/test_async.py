"""Coroutine functions: items that wait do so beside each other."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import time
from typing import Any

import pytest
from support import Gate, wait_until

import parmagic
from parmagic.mapping.job import Job
from parmagic.mapping.options import Options
from parmagic.mapping.sizer import MOST_TOGETHER
from parmagic.pool.default import default_pool


@pytest.fixture(autouse=True)
def one_worker() -> None:
    default_pool(1)


async def wait_for_all(x: int, folder: Any, count: int) -> int:
    """Wait until so many items are here."""
    (folder / f"{x}").touch()
    while len(list(folder.iterdir())) < count:
        await asyncio.sleep(0.001)
    return x


async def tenfold(x: int, y: int = 0) -> int:
    await asyncio.sleep(0)
    return 10 * x + y


class Tenfold:
    async def __call__(self, x: int) -> int:
        return await tenfold(x)


FUNCTIONS: dict[str, tuple[Any, list[Any], dict[str, Any]]] = {
    "function": (tenfold, [1, 2], {}),
    "partial": (functools.partial(tenfold, y=5), [1, 2], {}),
    "star": (tenfold, [(1, 1), (2, 2)], {"star": True}),
    "object": (Tenfold(), [1, 2], {}),
    "method": (Tenfold().__call__, [1, 2], {}),
    "one by one": (tenfold, [1, 2], {"seed": 1}),
}


@pytest.mark.parametrize(("fn", "items", "options"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_whatever_is_awaited_gives_the_same_in_the_kernel(
    fn: Any, items: list[Any], options: dict[str, Any]
) -> None:
    expected = parmagic.map(fn, items, serial=True, **options)
    assert parmagic.map(fn, items, **options) == expected
    assert expected[0] in (10, 11, 15)


@pytest.mark.parametrize("options", [{}, {"chunksize": 50}])
def test_as_many_as_a_chunk_has_wait_beside_each_other(tmp_path: Any, options: Any) -> None:
    together = options.get("chunksize", MOST_TOGETHER)
    fn = functools.partial(wait_for_all, folder=tmp_path, count=together)
    results = parmagic.map(fn, range(together), **options)
    assert results == list(range(together))
    assert results.report.chunks == 1
    (lane,) = results.report.lanes
    assert len(lane.bars) == 1
    assert lane.end <= results.report.wall_seconds + 0.1


def test_few_items_are_shared_out_among_the_workers() -> None:
    default_pool(2)
    results = parmagic.map(tenfold, range(10))
    assert (results, results.report.chunks) == ([10 * x for x in range(10)], 2)


def test_what_they_print_is_known_by_item_from_tasks_and_threads_too() -> None:
    async def speak(x: int) -> None:
        async def say(what: str) -> None:
            await asyncio.sleep(random.random() / 100)
            print(x, what)

        print(x, "begins")
        await asyncio.gather(say("in a task"), say("in a task"), asyncio.sleep(0.02))
        await asyncio.to_thread(print, x, "in a thread")

    results = parmagic.map(speak, range(9))
    for x, outcome in enumerate(results.outcomes):
        lines = [f"{x} begins", f"{x} in a task", f"{x} in a task", f"{x} in a thread"]
        assert outcome.output.splitlines() == lines
        assert outcome.seconds is not None
        assert outcome.seconds > 0.01


async def failing(x: int) -> int:
    await asyncio.sleep(0.02 if x == 3 else 0 if x < 6 else 30)
    return 1 // (x - 3)


def test_the_first_failure_stops_the_others_and_keeps_what_had_finished() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        parmagic.map(failing, range(20))
    assert raised.value.__notes__[0] == "in item 3: 3"
    job = parmagic.jobs[-1]
    assert sorted(job.values) == [0, 1, 2, 4, 5]
    assert job.pending == list(range(6, 20))
    assert parmagic.map(tenfold, range(20), resume=job)[:4] == [-1, -1, -1, 30]


@pytest.mark.parametrize("in_a_task", [False, True])
def test_failures_are_those_of_their_items(in_a_task: bool) -> None:
    async def fn(x: int) -> int:
        await asyncio.sleep(0)
        if x == 1:
            raise asyncio.CancelledError
        if x == 2:
            raise SystemExit(3)
        return x

    async def task(x: int) -> int:
        return await asyncio.create_task(fn(x)) if in_a_task and x != 2 else await fn(x)

    values = parmagic.map(task, range(4), return_exceptions=True)
    assert [type(value) for value in values] == [int, asyncio.CancelledError, SystemExit, int]


async def slow(x: int) -> int:
    if x == 1:
        await asyncio.sleep(30)
    if x == 2:
        time.sleep(30)
    return x


def test_each_has_its_own_time_whether_it_waits_or_computes() -> None:
    values = parmagic.map(slow, range(5), timeout=0.4, return_exceptions=True)
    assert [values[0], *values[3:]] == [0, 3, 4]
    assert [str(error) for error in values[1:3]] == ["took longer than 0.4 s"] * 2
    assert [_last_line(error) for error in values[1:3]] == ["return await future", "time.sleep(30)"]


def _last_line(error: Any) -> str:
    import traceback

    return str(traceback.extract_tb(error.__traceback__)[-1].line)


def test_an_error_of_time_of_the_items_own_is_its_own() -> None:
    async def impatient(x: int) -> None:
        await asyncio.wait_for(asyncio.sleep(30), 0.01)

    with pytest.raises(TimeoutError) as raised:
        parmagic.map(impatient, [0], timeout=20)
    assert "took longer" not in str(raised.value)


def test_a_dead_worker_costs_only_its_own_item() -> None:
    async def fn(x: int) -> int:
        await asyncio.sleep(0.01)
        if x == 2:
            os._exit(1)
        await asyncio.sleep(0.05)
        return x

    values = parmagic.map(fn, range(5), return_exceptions=True)
    assert values[:2] + values[3:] == [0, 1, 3, 4]
    assert "while it ran item 2 (2)" in str(values[2])


def test_to_cancel_keeps_what_has_finished_in_whatever_order(gate: Gate) -> None:
    async def fn(x: int) -> int:
        try:
            if x % 2 == 0:
                await asyncio.sleep(30)
        except asyncio.CancelledError:
            gate.note(f"tidied {x}")
            raise
        gate.note(x)
        return x

    job = parmagic.map_async(fn, range(8))
    gate.wait_for(4)
    job.cancel()
    assert wait_until(job.done)
    assert sorted(job.values) == [1, 3, 5, 7]
    assert gate.names >= {f"tidied {x}" for x in range(0, 8, 2)}
    before = [worker.pid for worker in default_pool().workers]
    assert parmagic.map(tenfold, [1]) == [10]
    assert [worker.pid for worker in default_pool().workers] == before


def test_a_job_has_one_loop_which_is_closed_with_it(gate: Gate) -> None:
    async def connection() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            gate.note("closed")

    async def fn(x: int) -> tuple[int, bool]:
        loop = asyncio.get_running_loop()
        vars(loop).setdefault("_shared", []).append(asyncio.create_task(connection()))
        await asyncio.sleep(0)
        return len(vars(loop)["_shared"]), vars(loop)["_shared"][0].done()

    assert parmagic.map(fn, range(3), chunksize=1) == [(1, False), (2, False), (3, False)]
    assert wait_until(lambda: "closed" in gate.names)
    assert parmagic.map(fn, range(1)) == [(1, False)]


def test_with_a_seed_they_run_one_by_one_and_give_the_same_numbers() -> None:
    async def draw(_: int) -> list[float]:
        numbers = [random.random()]
        await asyncio.sleep(0.001)
        return [*numbers, random.random()]

    numbers = parmagic.map(draw, range(6), seed=1)
    assert numbers == parmagic.map(draw, range(6), seed=1, chunksize=1)
    assert numbers == Job(draw, range(6), Options(seed=1, serial=True)).run()


class SlowToLoad:
    """What waits at a gate where it is unpickled."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __reduce__(self) -> Any:
        return Gate.enter, (self._gate, "loading")


@pytest.mark.parametrize("kind", ["function", "coroutine function"])
def test_an_item_whose_function_was_still_being_loaded_has_not_failed(
    kind: str, gate: Gate
) -> None:
    slow = SlowToLoad(gate)

    def plain(x: int) -> object:
        return slow

    async def later(x: int) -> object:
        return slow

    job = parmagic.map_async(plain if kind == "function" else later, range(3))
    gate.wait_for(1)
    job.interrupt()
    with pytest.raises(KeyboardInterrupt):
        job.result(10)
    assert (job.errors, job.values, job.pending) == ({}, {}, [0, 1, 2])
