from __future__ import annotations

import itertools
import operator
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Gate, wait_until

from parmagic import PayloadError, ProcessPoolExecutor, WorkerDied
from parmagic.worker.memory import memory

Pool = ProcessPoolExecutor


def loaded_functions(pool: Pool) -> int:
    return sum(len(worker._loaded) for worker in pool.dispatcher._crew.workers)


@pytest.mark.parametrize("buffersize", [None, 1, 3, 100])
@pytest.mark.parametrize("chunksize", [1, 2, 7, 100])
def test_values_are_in_the_order_of_the_items(
    pool: Pool, chunksize: int, buffersize: int | None
) -> None:
    values = pool.map(operator.neg, range(20), chunksize=chunksize, buffersize=buffersize)
    assert list(values) == [-number for number in range(20)]


@pytest.mark.parametrize(
    ("iterables", "values"),
    [
        ((), []),
        (([],), []),
        (([1, 2], [10, 20]), [11, 22]),
        (([1, 2, 3], itertools.count(10)), [11, 13, 15]),
        ((range(2), (x for x in (5, 6)), {7: 0, 8: 0}), [12, 15]),
    ],
)
def test_one_item_of_each_is_taken_until_the_shortest_ends(
    pool: Pool, iterables: tuple[Any, ...], values: list[int]
) -> None:
    assert list(pool.map(lambda *args: sum(args), *iterables)) == values


def test_all_is_submitted_at_once_even_if_nobody_asks(pool: Pool, tmp_path: Path) -> None:
    pool.map(Gate(tmp_path).note, range(10))
    assert wait_until(lambda: len(Gate(tmp_path).names) == 10)
    assert wait_until(lambda: loaded_functions(pool) == 0)


def test_with_a_buffersize_items_are_taken_as_values_are(pool: Pool) -> None:
    taken: list[int] = []
    values = pool.map(abs, (taken.append(n) or n for n in itertools.count()), buffersize=3)
    assert len(taken) == 3
    assert list(itertools.islice(values, 5)) == list(range(5))
    assert len(taken) == 8
    values.close()  # type: ignore[attr-defined]


class Countable:
    pass


@pytest.mark.parametrize("buffersize", [None, 2])
def test_values_are_kept_by_nobody_but_their_reader(pool: Pool, buffersize: int | None) -> None:
    for value in pool.map(lambda _: Countable(), range(6), chunksize=2, buffersize=buffersize):
        known = weakref.ref(value)
        del value
        assert known() is None


@pytest.mark.parametrize("buffersize", [None, 2])
def test_an_executor_that_is_dropped_still_gives_its_values(buffersize: int | None) -> None:
    values = ProcessPoolExecutor(1).map(abs, range(10), buffersize=buffersize)
    assert list(values) == list(range(10))


def test_no_more_items_are_taken_after_shutdown(pool: Pool) -> None:
    items = iter(range(10))
    values = pool.map(abs, items, buffersize=2)
    pool.shutdown()
    assert next(items) == 2
    with pytest.raises(RuntimeError, match="after shutdown"):
        next(values)


def test_who_stops_asking_cancels_the_rest(pool: Pool, gate: Gate) -> None:
    values = pool.map(lambda n: gate.enter(n) if n else n, range(20))
    assert next(values) == 0
    gate.wait_for(2)
    values.close()  # type: ignore[attr-defined]
    gate.open()
    pool.shutdown()
    assert len(gate.names) < 5


def test_the_first_error_comes_in_its_turn(pool: Pool) -> None:
    values = pool.map(lambda n: 1 // (2 - n), range(5))
    assert [next(values), next(values)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(values)
    with pytest.raises(StopIteration):
        next(values)


def test_a_timeout_counts_from_the_call(pool: Pool, gate: Gate) -> None:
    pool.submit(abs, -1).result()
    values = pool.map(lambda n: gate.enter() if n else n, range(3), timeout=2)
    assert next(values) == 0
    with pytest.raises(TimeoutError):
        next(values)


def test_a_time_that_is_long_over_is_over(pool: Pool, gate: Gate) -> None:
    values = pool.map(gate.enter, range(2), timeout=-1)
    gate.wait_for()
    with pytest.raises(TimeoutError):
        next(values)


def broken_items() -> Iterator[int]:
    yield 1
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda pool: pool.map(abs, [1], chunksize=0), ValueError),
        (lambda pool: pool.map(abs, [1], buffersize=0), ValueError),
        (lambda pool: pool.map(abs, [1], buffersize=2.0), TypeError),
        (lambda pool: pool.map(abs, 1), TypeError),
        (lambda pool: pool.map(abs, broken_items()), ZeroDivisionError),
        (lambda pool: pool.map(threading.Lock().acquire, [1]), PayloadError),
        (lambda pool: list(pool.map(type, [threading.Lock()])), PayloadError),
        (lambda pool: list(pool.map(os._exit, [3])), WorkerDied),
    ],
)
def test_what_goes_wrong_is_raised_and_the_pool_stays(
    pool: Pool, call: Callable[[Pool], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(pool)
    assert list(pool.map(abs, [-1])) == [1]


@pytest.mark.parametrize("buffersize", [None, 2])
def test_the_workers_forget_the_function(pool: Pool, buffersize: int | None) -> None:
    for _ in range(3):
        assert len(list(pool.map(lambda x: x, range(5), buffersize=buffersize))) == 5
    assert wait_until(lambda: loaded_functions(pool) == 0)


@pytest.mark.timeout(20)
def test_a_map_may_be_collected_where_the_memory_is_locked(nothing_held: None) -> None:
    captured = np.ones(500_000)
    with Pool(1) as pool:
        values = pool.map(lambda number: captured[number], range(8), buffersize=1)
        assert next(values) == 1
        assert wait_until(lambda: nobody_hears_after_a_call(pool))
        with memory._lock:
            del values


def nobody_hears_after_a_call(pool: Pool) -> bool:
    pool.submit(abs, -1).result()
    reactor = pool.dispatcher._running()
    return reactor._aside and not reactor._turn.locked()


def test_a_map_that_nobody_looks_at_frees_what_it_holds(nothing_held: None) -> None:
    captured = np.ones(500_000)
    with Pool(1) as pool:
        pool.map(lambda number: captured[number], range(8), buffersize=2)
