"""What CPython's own tests assert of ``multiprocessing.Pool``, and what it should do besides."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import multiprocessing.pool
import operator
import os
import pickle
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.pool import AsyncResult, MaybeEncodingError
from pathlib import Path
from typing import Any

import pytest
from support import Gate, Script, alive, wait_until

from parmagic import PayloadError, Pool, PoolBroken, ProcessPoolExecutor, WorkerDied

NUMBERS = list(range(20))
SQUARES = [number**2 for number in NUMBERS]
PAIRS = list(zip(NUMBERS, reversed(NUMBERS), strict=True))
PRODUCTS = list(itertools.starmap(operator.mul, PAIRS))


def square(number: int) -> int:
    return number**2


@pytest.fixture(scope="module")
def shared() -> Iterator[Pool]:
    """A pool whose workers nobody ends."""
    pool = Pool(processes=2)
    assert wait_until(lambda: [each.state for each in pool._dispatcher.states()] == ["idle"] * 2)
    yield pool
    pool.terminate()
    pool.join()


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(processes=2)
    yield pool
    pool.terminate()
    pool.join()


# Values.

WAYS: dict[str, tuple[Callable[[Pool], Any], Any]] = {
    "apply": (lambda pool: pool.apply(pow, (2, 5)), 32),
    "apply, by name": (lambda pool: pool.apply(int, ("101",), {"base": 2}), 5),
    "apply_async": (lambda pool: pool.apply_async(pow, (2, 5)).get(), 32),
    "map": (lambda pool: pool.map(square, NUMBERS), SQUARES),
    "map, in chunks": (lambda pool: pool.map(square, NUMBERS, chunksize=7), SQUARES),
    "map, one by one": (lambda pool: pool.map(square, NUMBERS, 1), SQUARES),
    "map of a generator": (lambda pool: pool.map(square, (n for n in NUMBERS)), SQUARES),
    "map of a dict": (lambda pool: pool.map(square, dict.fromkeys(NUMBERS)), SQUARES),
    "map of a lambda": (lambda pool: pool.map(lambda n: n**2, NUMBERS), SQUARES),
    "map_async": (lambda pool: pool.map_async(square, NUMBERS).get(), SQUARES),
    "map_async, one by one": (lambda pool: pool.map_async(square, NUMBERS, 1).get(), SQUARES),
    "starmap": (lambda pool: pool.starmap(operator.mul, PAIRS), PRODUCTS),
    "starmap_async": (lambda pool: pool.starmap_async(operator.mul, PAIRS, 3).get(), PRODUCTS),
    "imap": (lambda pool: list(pool.imap(square, NUMBERS)), SQUARES),
    "imap, in chunks": (lambda pool: list(pool.imap(square, NUMBERS, chunksize=7)), SQUARES),
    "imap_unordered": (lambda pool: sorted(pool.imap_unordered(square, NUMBERS)), SQUARES),
    "imap_unordered, in chunks": (
        lambda pool: sorted(pool.imap_unordered(square, NUMBERS, 7)),
        SQUARES,
    ),
    "map of nothing": (lambda pool: pool.map(square, []), []),
    "map_async of nothing": (lambda pool: pool.map_async(square, [], chunksize=1).get(), []),
    "imap of nothing": (lambda pool: list(pool.imap(square, [])), []),
    "imap_unordered of nothing": (lambda pool: list(pool.imap_unordered(square, [])), []),
}


@pytest.mark.parametrize(("way", "values"), WAYS.values(), ids=WAYS)
def test_it_gives_what_a_loop_gives(shared: Pool, way: Callable[[Pool], Any], values: Any) -> None:
    assert way(shared) == values


def test_calls_run_in_processes_of_its_own(shared: Pool) -> None:
    pids = set(shared.imap_unordered(lambda _: os.getpid(), range(50)))
    assert pids <= {each.pid for each in shared._dispatcher.states()}
    assert os.getpid() not in pids


def test_it_is_one_of_multiprocessing_s(shared: Pool) -> None:
    assert isinstance(shared, multiprocessing.pool.Pool)
    assert isinstance(shared.apply_async(abs, (-1,)), AsyncResult)


# Results to come.


def test_a_result_is_ready_when_its_call_is(shared: Pool, gate: Gate) -> None:
    result = shared.apply_async(gate.enter)
    gate.wait_for(1)
    assert not result.ready()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    with pytest.raises(multiprocessing.TimeoutError):
        result.get(timeout=0.01)
    gate.open()
    result.wait(10)
    assert result.ready()
    assert result.successful()
    assert result.get(0) is None


@pytest.mark.parametrize(
    ("start", "value"),
    [
        (lambda pool, text, **called: pool.apply_async(int, (text,), **called), 1),
        (lambda pool, text, **called: pool.map_async(int, [text], **called), [1]),
        (lambda pool, text, **called: pool.starmap_async(int, [(text,)], **called), [1]),
        (lambda pool, text, **called: pool.map_async(int, [text] * 40, 1, **called), [1] * 40),
    ],
    ids=["apply", "map", "starmap", "long map"],
)
def test_who_has_waited_knows_that_the_callback_was_called(
    shared: Pool, start: Callable[..., AsyncResult[Any]], value: Any
) -> None:
    values: list[Any] = []
    errors: list[BaseException] = []
    for text in ("1", "a"):
        start(shared, text, callback=values.append, error_callback=errors.append).wait()
    assert values == [value]
    assert [type(error) for error in errors] == [ValueError]


def test_a_callback_that_raises_is_logged_and_keeps_nobody_waiting(
    shared: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    assert shared.apply_async(abs, (-1,), callback=lambda _: 1 // 0).get(10) == 1
    assert wait_until(lambda: "ZeroDivisionError" in caplog.text)
    caplog.clear()


def test_a_callback_may_ask_for_more(shared: Pool) -> None:
    more: list[AsyncResult[int]] = []
    ask = lambda value: more.append(shared.apply_async(abs, (value - 3,)))  # noqa: E731
    shared.apply_async(abs, (-1,), callback=ask).wait()
    assert more[0].get(10) == 2


# Errors.


def inverse(number: int) -> float:
    return 1 / number


@pytest.mark.parametrize("chunksize", [1, 2, 6])
def test_the_error_is_that_of_the_first_item_that_fails(shared: Pool, chunksize: int) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        shared.map(inverse, [1, 2, 0, 3, 0, 4], chunksize)
    assert caught.value.__notes__ == ["in item 2: 0"]
    assert caught.traceback[-1].name == "inverse"


def test_the_other_chunks_are_run_after_an_error(shared: Pool, tmp_path: Path) -> None:
    def note(number: int) -> None:
        Gate(tmp_path).note(number)
        assert number

    with pytest.raises(AssertionError):
        shared.map(note, range(6), chunksize=2)
    assert Gate(tmp_path).names == {"0", "2", "3", "4", "5"}


def test_its_own_cause_comes_along(shared: Pool) -> None:
    def fail() -> None:
        try:
            inverse(0)
        except ZeroDivisionError as error:
            raise KeyError("k") from error

    with pytest.raises(KeyError) as caught:
        shared.apply(fail)
    assert type(caught.value.__cause__) is ZeroDivisionError


def raising(kind: type[BaseException]) -> Callable[[Any], Any]:
    def fn(_: Any) -> None:
        raise kind("from the worker")

    return fn


@pytest.mark.parametrize("kind", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_ends_other_pools_is_an_item_s_error(shared: Pool, kind: type[BaseException]) -> None:
    for call in (shared.map, lambda fn, items: shared.map_async(fn, items).get(10)):
        with pytest.raises(kind, match="from the worker"):
            call(raising(kind), range(3))
    assert shared.apply(abs, (-1,)) == 1


@pytest.mark.parametrize("chunksize", [1, 3])
def test_stop_iteration_is_not_taken_for_the_end(shared: Pool, chunksize: int) -> None:
    values = shared.imap(raising(StopIteration), range(3), chunksize)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            next(values)
    assert list(values) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda pool, fn: pool.apply(fn, (0,)),
        lambda pool, fn: pool.map(fn, [0]),
        lambda pool, fn: next(pool.imap(fn, [0])),
    ],
    ids=["apply", "map", "imap"],
)
def test_a_result_that_cannot_be_sent_is_named(shared: Pool, call: Callable[..., Any]) -> None:
    with pytest.raises(MaybeEncodingError, match="the result of item 0.*lock") as caught:
        call(shared, lambda _: [threading.Lock()])
    assert isinstance(caught.value, PayloadError)
    assert "locked _thread.lock" in caught.value.value
    assert "cannot pickle" in caught.value.exc
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


class Unsendable:
    def __reduce__(self) -> Any:
        raise RuntimeError("not this one")


@pytest.mark.parametrize(
    ("items", "chunksize", "named"),
    [([Unsendable()], 1, "item 0"), ([1, 2, 3, Unsendable()], 2, "items 2 to 3")],
)
def test_an_item_that_cannot_be_sent_is_named(
    shared: Pool, items: list[Any], chunksize: int, named: str
) -> None:
    with pytest.raises(pickle.PicklingError, match=f"cannot send {named} to") as caught:
        shared.map(abs, items, chunksize)
    assert repr(caught.value.__cause__) == "RuntimeError('not this one')"


def test_a_dead_worker_costs_only_its_own_chunk(pool: Pool) -> None:
    values = pool.imap(lambda n: os._exit(3) if n == 3 else n, range(6))
    assert [next(values) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(WorkerDied, match=r"while it ran item 3 \(3\)") as caught:
        next(values)
    assert isinstance(caught.value, BrokenProcessPool)
    assert list(values) == [4, 5]
    with pytest.raises(WorkerDied, match=r"item 7 \(7\)"):
        pool.map(lambda n: os._exit(3) if n == 7 else n, range(10), chunksize=5)
    assert pool.map(abs, NUMBERS) == NUMBERS


# Values as they come.


def items_that_fail(count: int, at: int) -> Iterator[int]:
    yield from range(at)
    if at < count:
        raise LookupError("no more items")


@pytest.mark.parametrize("method", [Pool.imap, Pool.imap_unordered])
@pytest.mark.parametrize(
    ("chunksize", "at", "before"), [(1, 0, 0), (1, 3, 3), (2, 7, 6), (4, 7, 4)]
)
def test_what_the_iterable_raises_comes_after_its_items(
    shared: Pool, method: Callable[..., Iterator[int]], chunksize: int, at: int, before: int
) -> None:
    values = method(shared, square, items_that_fail(20, at), chunksize)
    assert sorted(next(values) for _ in range(before)) == SQUARES[:before]
    with pytest.raises(LookupError, match="no more items"):
        next(values)
    with pytest.raises(StopIteration):
        next(values)


class Short(list[int]):
    """It has a length, and raises when it is looked through."""

    def __iter__(self) -> Iterator[int]:
        return items_that_fail(20, 3)


@pytest.mark.parametrize("items", [items_that_fail(20, 3), Short([1])], ids=["generator", "sized"])
def test_what_the_iterable_of_a_map_raises_is_raised(shared: Pool, items: Iterable[int]) -> None:
    with pytest.raises(LookupError, match="no more items"):
        shared.map(square, items, 1)


@pytest.mark.parametrize("chunksize", [1, 2, 5])
def test_an_iterator_goes_on_after_an_error(shared: Pool, chunksize: int) -> None:
    values = shared.imap(inverse, [1, 0, 2, 0, 4], chunksize)
    assert next(values) == 1
    with pytest.raises(ZeroDivisionError) as caught:
        next(values)
    assert caught.value.__notes__ == ["in item 1: 0"]
    assert next(values) == 0.5
    with pytest.raises(ZeroDivisionError):
        next(values)
    assert list(values) == [0.25]


def test_there_may_be_no_end_of_items(pool: Pool) -> None:
    values = pool.imap(square, itertools.count())
    assert list(itertools.islice(values, 20)) == SQUARES
    assert pool.apply_async(abs, (-1,)).get(10) == 1  # it does not wait for that end
    pool.terminate()
    with pytest.raises(PoolBroken, match="was stopped"):
        for _ in values:
            pass


def test_items_are_waited_for_in_the_background(shared: Pool) -> None:
    may_go_on = threading.Event()

    def slow_items() -> Iterator[int]:
        yield 1
        may_go_on.wait(10)
        yield 2

    values = shared.imap(square, slow_items())
    assert next(values) == 1
    with pytest.raises(multiprocessing.TimeoutError):
        values.next(timeout=0.01)
    may_go_on.set()
    assert values.next(timeout=10) == 4
    assert list(values) == []


def test_the_first_that_is_ready_comes_first(shared: Pool, gate: Gate) -> None:
    values = shared.imap_unordered(lambda n: n or gate.enter(), [0, 1, 2])
    assert [next(values), next(values)] == [1, 2]
    gate.open()
    assert list(values) == [None]


@pytest.mark.parametrize("method", [Pool.map, Pool.map_async, Pool.imap, Pool.imap_unordered])
def test_no_chunk_is_empty(shared: Pool, method: Callable[..., Any]) -> None:
    for chunksize in (0, -1):
        with pytest.raises(ValueError, match="Chunksize must be 1"):
            method(shared, abs, [1], chunksize)


# Its life.


def test_a_pool_says_what_it_is() -> None:
    with Pool(processes=3) as pool:
        assert repr(pool) == "<parmagic.pool.multiprocessing.Pool state=RUN pool_size=3>"
        assert wait_until(lambda: len(pool._dispatcher.states()) == 3)
    assert "state=TERMINATE" in repr(pool)
    pool.join()


STARTS = {
    "apply": lambda pool: pool.apply(abs, (-1,)),
    "apply_async": lambda pool: pool.apply_async(abs, (-1,)),
    "map": lambda pool: pool.map(abs, [-1]),
    "map_async": lambda pool: pool.map_async(abs, [-1]),
    "starmap": lambda pool: pool.starmap(abs, [(-1,)]),
    "starmap_async": lambda pool: pool.starmap_async(abs, [(-1,)]),
    "imap": lambda pool: pool.imap(abs, [-1]),
    "imap_unordered": lambda pool: pool.imap_unordered(abs, [-1]),
    "with": lambda pool: pool.__enter__(),
}


def test_what_has_begun_is_done_after_close_and_no_more_is_taken(gate: Gate) -> None:
    pool = Pool(processes=2)
    with pytest.raises(ValueError, match="Pool is still running"):
        pool.join()
    results = [
        pool.apply_async(gate.enter, ("first",)),
        pool.map_async(gate.enter, range(10), chunksize=1),
    ]
    values = pool.imap(gate.enter, (f"later {n}" for n in range(10)))
    gate.wait_for(2)
    pool.close()
    assert "state=CLOSE" in repr(pool)
    for start in STARTS.values():
        with pytest.raises(ValueError, match="Pool not running"):
            start(pool)
    gate.open()
    pool.join()
    assert len(gate.names) == 21
    assert [result.get(0) for result in results] == [None, [None] * 10]
    assert list(values) == [None] * 10
    assert not any(map(alive, gate.pids))


def test_terminate_ends_what_runs_and_nobody_waits_for_ever(gate: Gate) -> None:
    with Pool(processes=2) as pool:
        many = pool.map_async(gate.enter, range(10_000), chunksize=1)
        last = pool.apply_async(gate.enter)
        values = pool.imap(gate.enter, itertools.count())
        gate.wait_for(2)
    assert not any(map(alive, gate.pids))
    for get in (many.get, last.get, values.next):
        with pytest.raises(PoolBroken, match="the pool was stopped"):
            get(10)
    with pytest.raises(ValueError, match="Pool not running"), pool:
        pass
    pool.terminate()
    pool.close()
    pool.join()


def test_a_callback_may_terminate_the_pool() -> None:
    pool = Pool(processes=1)
    begun = time.monotonic()
    assert pool.apply_async(abs, (-1,), callback=lambda _: pool.terminate()).get(10) == 1
    pool.join()
    assert time.monotonic() - begun < 4


def test_a_pool_cannot_be_sent(shared: Pool) -> None:
    with pytest.raises(NotImplementedError, match="cannot be passed between processes or pickled"):
        pickle.dumps(shared)


def test_a_pool_that_nobody_has_closed_ends_with_a_warning(gate: Gate) -> None:
    pool = Pool(processes=1)
    pool.apply(gate.note)
    with pytest.warns(ResourceWarning, match="unclosed running multiprocessing pool .*state=RUN"):
        del pool
    assert wait_until(lambda: not any(map(alive, gate.pids)))


@pytest.mark.filterwarnings("ignore:unclosed running:ResourceWarning")
def test_a_pool_lives_until_its_results_are_there() -> None:
    assert Pool(processes=1).map_async(square, NUMBERS, chunksize=1).get(30) == SQUARES
    assert list(Pool(processes=1).imap(square, NUMBERS)) == SQUARES


class Countable:
    pass


def test_items_and_values_are_let_go(shared: Pool) -> None:
    items = [Countable() for _ in range(10)]
    known = [weakref.ref(item) for item in items]
    known += [weakref.ref(value) for value in shared.map(lambda item: item, items)]
    del items
    assert wait_until(lambda: gc.collect() >= 0 and not any(ref() for ref in known))


def test_workers_are_replaced_after_so_many_calls() -> None:
    with Pool(processes=1, maxtasksperchild=2) as pool:
        pids = [pool.apply(os.getpid) for _ in range(3)]
        assert [len(set(pids[:2])), len(set(pids))] == [1, 2]
        last = pool.map_async(lambda _: os.getpid(), range(3), chunksize=1)
        pool.close()
        pool.join()
        assert [len(set(last.get(0)[1:])), len({*pids, *last.get(0)})] == [1, 3]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"processes": 0}, ValueError, "Number of processes must be at least 1"),
        ({"processes": -1}, ValueError, "Number of processes must be at least 1"),
        ({"processes": 1.5}, TypeError, "integer"),
        ({"initializer": 1}, TypeError, "initializer must be a callable"),
        *[
            ({"maxtasksperchild": most}, ValueError, "must be a positive int or None")
            for most in (0, -1, 0.5, "12")
        ],
        ({"context": multiprocessing.get_context("fork")}, ValueError, "cannot with 'fork'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Pool(**options)


# The initializer.

INITIALIZED = """
import functools

kept, level, limits = {}, 0, [1]

def connect(name):
    global connection, level
    connection, level = name.upper(), level + 1
    kept[name] = len(kept)
    print("connected")

def whole():
    return connection, level, dict(kept), limits

def ask(number):
    return number, *whole()
"""


@pytest.mark.parametrize("kind", [Pool, ProcessPoolExecutor])
def test_functions_of_a_notebook_see_what_the_initializer_has_set(
    kind: Callable[..., Any], notebook: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.run(INITIALIZED)
    ask = notebook["ask"]
    with kind(1, initializer=notebook["connect"], initargs=("db",)) as pool:
        first = list(pool.map(ask, [1, 2]))
        notebook.run("limits = [2]")
        second = list(pool.map(ask, [3]))
        call = pool.apply if kind is Pool else lambda fn, args: pool.submit(fn, *args).result()
        third = call(ask, (4,))
    assert first == [(number, "DB", 1, {"db": 0}, [1]) for number in (1, 2)]
    assert [*second, third] == [(number, "DB", 1, {"db": 0}, [2]) for number in (3, 4)]
    assert capsys.readouterr().out == "connected\n"


def test_if_the_initializer_fails_so_do_the_calls() -> None:
    with Pool(2, initializer=raising(ValueError), initargs=(1,)) as pool:
        for _ in range(2):
            with pytest.raises(BrokenProcessPool, match="the initializer failed.*ValueError"):
                pool.map(abs, NUMBERS)


# How workers end.

Ends = Callable[[Any], None]


def wait_for_a_signal(folder: Path, handler: str) -> None:
    import signal

    def on_sigterm(*_: object) -> None:
        if handler == "tidies up":
            Gate(folder).note("tidied up")
            sys.exit()

    signal.signal(signal.SIGTERM, on_sigterm)
    Gate(folder).enter("entered")


@pytest.mark.parametrize(
    ("kind", "end", "handler", "left"),
    [
        (Pool, Pool.terminate, "tidies up", {"entered", "tidied up"}),
        (Pool, Pool.terminate, "does not care", {"entered"}),
        (
            ProcessPoolExecutor,
            ProcessPoolExecutor.terminate_workers,
            "tidies up",
            {"entered", "tidied up"},
        ),
        (ProcessPoolExecutor, ProcessPoolExecutor.kill_workers, "tidies up", {"entered"}),
    ],
)
def test_to_terminate_lets_an_item_tidy_up_and_to_kill_does_not(
    gate: Gate, kind: Callable[[int], Any], end: Ends, handler: str, left: set[str]
) -> None:
    pool = kind(1)
    start = getattr(pool, "submit", None) or (lambda fn, *args: pool.apply_async(fn, args))
    start(wait_for_a_signal, gate.folder, handler)
    gate.wait_for(1)
    end(pool)
    assert wait_until(lambda: not any(map(alive, gate.pids)))
    assert gate.names == left
    partial(pool.join if kind is Pool else pool.shutdown)()


# Interrupts.

INTERRUPTED = """
import sys, time
from pathlib import Path
import parmagic
from support import Gate

gate = Gate(Path(sys.argv[1]))

def report(name, before):
    print(name, time.monotonic() - before < 3, flush=True)

pool = parmagic.Pool(2)
calls = [
    lambda: pool.map(gate.enter, "abcd", 1),
    lambda: pool.map(gate.enter, "jkl", 1),  # all of it is sent, and one waits
    lambda: pool.apply(gate.enter, ("e",)),
]
for call in calls:
    try:
        pool.apply(abs, [-1])
        print("running", flush=True)
        call()
    except KeyboardInterrupt:
        before = time.monotonic()
        pool.map(abs, range(10))
        report("pool", before)
pool.terminate()
pool.join()

try:
    with parmagic.ProcessPoolExecutor(2) as executor:
        executor.submit(abs, -1).result()
        print("running", flush=True)
        executor.map(gate.enter, "fghi")
except KeyboardInterrupt:
    before = time.monotonic()
    executor.shutdown()
    report("executor", before)
"""


def test_an_interrupt_frees_the_workers(script: Callable[..., Script], gate: Gate) -> None:
    program = script(INTERRUPTED, gate.folder)
    for entered, name in ((2, "pool"), (4, "pool"), (5, "pool"), (7, "executor")):
        assert program.line() == "running"
        gate.wait_for(entered)
        program.interrupt()
        assert program.line() == f"{name} True"
    assert program.end() == (0, "", "")
    assert len(gate.names) == 7
