"""Limits of time and of memory, on real workers."""

from __future__ import annotations

import builtins
import contextlib
import os
import signal
import time
from typing import Any

import pytest
from support import Gate

import parmagic
from parmagic.mapping.job import Job
from parmagic.mapping.options import Options
from parmagic.pool.default import default_pool
from parmagic.worker.loop import inside_worker

MEGABYTE = 1024 * 1024

SLOW = {
    "sleeps": lambda: time.sleep(100),
    "computes": lambda: all(True for _ in iter(int, 1)),
    "catches every Exception": lambda: catch(Exception),
}
STUBBORN = {
    "catches all": lambda: catch(BaseException),
    "is stuck in C": lambda: sum(range(10**12)),
    "stops itself": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


def catch(kind: type[BaseException]) -> None:
    while True:
        with contextlib.suppress(kind):
            time.sleep(100)


def late(item: int, slow: Any) -> int:
    if item == 2:
        slow()
    return item * item


def pids() -> set[int]:
    return {worker.pid for worker in default_pool().workers}


@pytest.mark.parametrize("slow", [*SLOW.values(), *STUBBORN.values()], ids=[*SLOW, *STUBBORN])
@pytest.mark.parametrize("chunksize", [1, 5])
def test_an_item_that_takes_too_long_fails_alone(slow: Any, chunksize: int) -> None:
    results: Any = parmagic.map(
        lambda item: late(item, slow),
        range(5),
        chunksize=chunksize,
        timeout=0.2,
        return_exceptions=True,
    )
    assert type(results[2]) is TimeoutError
    assert str(results[2]).startswith("took longer than 0.2 s")
    assert results[2].__notes__ == ["in item 2: 2"]
    assert [*results[:2], *results[3:]] == [0, 1, 9, 16]


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_a_worker_that_yields_at_the_timeout_stays(slow: Any) -> None:
    parmagic.map(abs, range(9), workers=1)
    before = pids()
    with pytest.raises(TimeoutError) as raised:
        parmagic.map(lambda item: late(item, slow), range(5), timeout=0.2)
    assert pids() == before
    frames = []
    traceback = raised.value.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert "late" in frames  # which says where the time went


class SlowToArrive:
    def __reduce__(self) -> Any:
        return _arrive, ()


def _arrive() -> SlowToArrive:
    if inside_worker():
        time.sleep(0.6)
    return SlowToArrive()


def test_the_way_of_an_item_does_not_count() -> None:
    arrived = parmagic.map(lambda item: type(item).__name__, [SlowToArrive()], timeout=0.2)
    assert arrived == ["SlowToArrive"]


def test_items_in_time_are_not_stopped_however_many_there_are(gate: Gate) -> None:
    assert parmagic.map(abs, range(2000), timeout=0.5) == list(range(2000))
    late_ones = parmagic.map(lambda _: time.sleep(0.1), range(8), chunksize=4, timeout=0.3)
    assert late_ones == [None] * 8


def test_an_item_that_was_too_late_is_tried_again(gate: Gate) -> None:
    def slow_at_first(item: int) -> int:
        if item == 2 and not gate.names:
            gate.note(item)
            time.sleep(100)
        return item

    assert parmagic.map(slow_at_first, range(4), timeout=0.3, retries=1) == [0, 1, 2, 3]


@pytest.mark.parametrize("end", [lambda: os._exit(3), lambda: 1 / 0, lambda: os.abort()])
@pytest.mark.parametrize("chunksize", [1, 6])
def test_an_item_is_tried_again_as_often_as_told(gate: Gate, end: Any, chunksize: int) -> None:
    def flaky(item: int) -> int:
        if item == 2 and len(gate.names) < 3:
            gate.note(len(gate.names))
            end()
        return item

    assert parmagic.map(flaky, range(6), chunksize=chunksize, retries=3) == list(range(6))
    assert gate.names == {"0", "1", "2"}


def test_after_the_last_try_the_error_says_how_many_there_were(gate: Gate) -> None:
    def fail(item: int) -> float:
        gate.note(f"{item} {len(gate.names)}")
        return 1 / (item - 1)

    results: Any = parmagic.map(fail, range(3), retries=2, return_exceptions=True)
    assert results[1].__notes__ == ["in item 1: 1", "after 3 tries"]
    assert (results[0], results[2]) == (-1.0, 1.0)
    assert len(gate.names) == 5


def test_a_serial_run_tries_again_too() -> None:
    tried = []

    def flaky(item: int) -> int:
        tried.append(item)
        return item if len(tried) > 2 else tried[99]

    assert parmagic.map(flaky, [7], serial=True, retries=2) == [7]
    assert tried == [7, 7, 7]


def hoard(item: int) -> int:
    hoarded = builtins.__dict__.setdefault("hoarded", [])
    hoarded.append(bytearray(30 * MEGABYTE))
    return os.getpid()


@pytest.mark.parametrize("chunksize", [1, 10, None])
def test_a_worker_that_grows_too_large_is_replaced_between_items(chunksize: int | None) -> None:
    options = Options(workers=1, chunksize=chunksize, worker_memory_limit=100 * MEGABYTE)
    seen = Job(hoard, range(10), options).run()
    assert len(seen) == 10
    assert max(map(seen.count, seen)) <= 4
    assert len(set(seen)) >= 3


def test_a_worker_within_its_limit_stays() -> None:
    options = Options(workers=1, worker_memory_limit=1000 * MEGABYTE)
    assert len(set(Job(hoard, range(5), options).run())) == 1


def most_at_once(spans: list[tuple[float, float]]) -> int:
    return max(sum(begin <= other < end for begin, end in spans) for other, _ in spans)


def occupy(_: int) -> tuple[float, float]:
    block = bytearray(100 * MEGABYTE)
    begun = time.monotonic()
    time.sleep(0.05)
    assert len(block) == 100 * MEGABYTE
    return begun, time.monotonic()


def test_items_that_do_not_fit_beside_each_other_do_not_run_so_once_that_is_known() -> None:
    default_pool(3)
    parmagic.map(abs, range(9))
    limited = Job(occupy, range(12), Options(memory_limit=300 * MEGABYTE)).run()
    # On a busy machine each worker may have another one before the first is heard of.
    assert most_at_once(sorted(limited)[6:]) <= 2
    alone = Job(occupy, range(12), Options(memory_limit=MEGABYTE)).run()
    assert most_at_once(sorted(alone)[6:]) == 1
