from __future__ import annotations

import ctypes
import functools
import itertools
import math
import operator
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import Gate, wait_until

import parmagic
from parmagic import PayloadError, WorkerDied
from parmagic.pool.default import default_pool
from parmagic.worker.capture import FLUSH_SECONDS

WORKERS = 2
EXITS = [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit, StopAsyncIteration]


@pytest.fixture(autouse=True)
def two_workers() -> None:
    default_pool(WORKERS)


def same_pids() -> set[int]:
    return {worker.pid for worker in default_pool().workers}


# The same as the built-in


class Doubler:
    def __call__(self, x: int) -> int:
        return 2 * x

    def method(self, x: int) -> int:
        return 2 * x


Doubler.__module__ = "__main__"

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "lambda": lambda x: 2 * x,
    "partial": functools.partial(operator.mul, 2),
    "built-in": abs,
    "class": str,
    "method descriptor": int.bit_length,
    "built-in method": (2).__mul__,
    "callable": Doubler(),
    "bound method": Doubler().method,
    "attribute getter": operator.attrgetter("real"),
    "recursive": lambda x: [math.factorial(x)],
}


@pytest.mark.parametrize("fn", FUNCTIONS.values(), ids=FUNCTIONS)
def test_any_callable_can_be_mapped(fn: Callable[[Any], Any]) -> None:
    assert parmagic.map(fn, range(10)) == list(map(fn, range(10)))


ITERABLES: dict[str, Callable[[], Any]] = {
    "range": lambda: range(50),
    "list": lambda: list(range(50)),
    "generator": lambda: (n for n in range(50)),
    "dict": lambda: dict.fromkeys(range(50)),
    "one": lambda: [1],
    "none": list,
    "none generated": lambda: iter(()),
}


@pytest.mark.parametrize("chunksize", [None, 1, 7, 1000])
@pytest.mark.parametrize("make", ITERABLES.values(), ids=ITERABLES)
def test_results_are_in_the_order_of_the_items(
    make: Callable[[], Any], chunksize: int | None
) -> None:
    def fn(number: int) -> int:
        time.sleep(0.002 if number % 7 == 0 else 0)
        return -number

    assert parmagic.map(fn, make(), chunksize=chunksize) == [-number for number in make()]


@pytest.mark.parametrize(
    ("iterables", "results"),
    [
        (([1, 2], [10, 20]), [11, 22]),
        (([1, 2, 3], itertools.count(10)), [11, 13, 15]),
        (([], [1]), []),
    ],
)
def test_of_several_iterables_one_item_each_is_taken(iterables: Any, results: list[int]) -> None:
    assert parmagic.map(lambda x, y: x + y, *iterables) == results


def test_with_star_an_item_is_the_arguments() -> None:
    assert parmagic.map(pow, [(2, 3), (5, 2, 7)], star=True) == [8, 4]


def test_coroutine_functions_are_run() -> None:
    async def fn(x: int) -> int:
        return -x

    assert parmagic.map(fn, range(5)) == [0, -1, -2, -3, -4]


def test_a_million_items(two_workers: None) -> None:
    assert parmagic.map(operator.neg, range(1_000_000)) == list(range(0, -1_000_000, -1))


def test_an_iterable_may_have_another_length_than_it_says() -> None:
    class Liar:
        def __init__(self, length: int) -> None:
            self._length = length

        def __len__(self) -> int:
            return self._length

        def __iter__(self) -> Iterator[int]:
            return iter(range(5))

    for length in (0, 3, 5, 9):
        assert parmagic.map(abs, Liar(length)) == list(range(5))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: parmagic.map(1, [1]), TypeError, "must be a function, not int"),
        (lambda: parmagic.map(abs), TypeError, "at least two arguments"),
        (lambda: parmagic.map(abs, 1), TypeError, "not iterable"),
        (lambda: parmagic.map(abs, [1], chunksize=0), ValueError, "chunksize must be 1 or more"),
        (lambda: parmagic.map(abs, [1], workers=0), ValueError, "workers must be 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("workers", [1, 3])
def test_it_runs_on_as_many_workers_as_asked(workers: int, gate: Gate) -> None:
    job = parmagic.map_async(gate.enter, range(5), workers=workers, chunksize=1)
    gate.wait_for(workers)
    assert default_pool().max_workers == workers
    gate.open()
    job.result(10)
    assert len(set(gate.pids)) == workers


def test_serially_it_runs_here() -> None:
    assert set(parmagic.map(lambda _: os.getpid(), range(3), serial=True)) == {os.getpid()}


# Lazily


def test_a_generator_is_read_no_further_than_needed(gate: Gate) -> None:
    numbers = itertools.count()
    job = parmagic.map_async(gate.enter, (n for n in numbers), chunksize=1)
    gate.wait_for(WORKERS)
    assert wait_until(lambda: default_pool().busy_workers == WORKERS)
    assert next(numbers) <= 2 * WORKERS
    job.cancel()
    assert wait_until(job.done)


def test_an_infinite_generator_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        parmagic.map(lambda n: 1 / (1000 - n), itertools.count())


def test_items_that_are_slow_to_make_are_sent_as_they_come(gate: Gate) -> None:
    def slow() -> Iterator[int]:
        for number in range(20):
            yield number
            assert wait_until(lambda number=number: str(number) in gate.names)

    parmagic.map(gate.note, slow(), chunksize=1)
    assert len(gate.names) == 20


def test_an_iterable_that_fails_raises_its_error_and_what_finished_is_kept(gate: Gate) -> None:
    def broken() -> Iterator[int]:
        yield from range(3)
        assert wait_until(lambda: len(gate.names) == 3)
        raise ZeroDivisionError("made this")

    def fn(number: int) -> int:
        gate.note(number)
        return number

    with pytest.raises(ZeroDivisionError, match="made this"):
        parmagic.map(fn, broken(), chunksize=1)
    outcomes = parmagic.jobs[-1].outcomes
    assert set(range(outcomes.done)) <= set(outcomes.values)
    assert parmagic.map(abs, [-1]) == [1]


def test_the_next_items_are_not_run_after_an_error(gate: Gate) -> None:
    def fn(number: int) -> None:
        gate.note(number)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        parmagic.map(fn, range(1000), chunksize=1)
    assert len(gate.names) <= 2 * WORKERS


# Errors


@pytest.mark.parametrize("kind", [ValueError, *EXITS])
@pytest.mark.parametrize("chunksize", [None, 4])
def test_what_an_item_raises_is_raised_with_a_note(
    kind: type[BaseException], chunksize: int | None
) -> None:
    def fn(number: int) -> int:
        if number == 5:
            raise kind("from the worker")
        return number

    with pytest.raises(kind, match="from the worker") as raised:
        parmagic.map(fn, range(10), chunksize=chunksize)
    assert "in item 5: 5" in raised.value.__notes__
    assert raised.traceback[-1].frame.code.name == "fn"
    assert parmagic.map(abs, [-1]) == [1]


@pytest.mark.parametrize("kind", [ValueError, *EXITS])
def test_exceptions_are_returned_in_their_places(kind: type[BaseException]) -> None:
    def fn(number: int) -> int:
        if number % 3 == 0:
            raise kind(number)
        return number

    results = parmagic.map(fn, range(20), return_exceptions=True)
    for number, result in enumerate(results):
        if number % 3:
            assert result == number
        else:
            assert (type(result), result.args) == (kind, (number,))
            assert f"in item {number}: {number}" in result.__notes__


def test_of_several_errors_that_of_the_first_item_is_raised(gate: Gate) -> None:
    def fn(number: int) -> None:
        gate.note(number)
        assert wait_until(lambda: len(gate.names) == 2)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        parmagic.map(fn, range(2), chunksize=1)


def test_an_exception_that_refuses_notes_is_raised_all_the_same() -> None:
    def fn(_: int) -> None:
        error = ValueError("from the worker")
        error.__notes__ = "no list"  # type: ignore[assignment]
        raise error

    with pytest.raises(ValueError, match="from the worker"):
        parmagic.map(fn, [1])


class Odd:
    """An object that fails where its name says."""

    def __init__(self, fails: str) -> None:
        self.fails = fails

    def __reduce__(self) -> Any:
        if self.fails == "here":
            raise TypeError("cannot leave")
        return (_unpickled, (self.fails, os.getpid()))

    def __repr__(self) -> str:
        return f"Odd({self.fails!r})"


def _unpickled(fails: str, pid: int) -> Odd:
    if fails == "there" and os.getpid() != pid:
        raise ValueError("cannot arrive")
    return Odd(fails)


for _each in (Odd, _unpickled):
    _each.__module__ = "__main__"

ODD_ITEMS = {
    "cannot be pickled": (threading.Lock(), PayloadError, "cannot send item 3 to the workers"),
    "refuses to be": (Odd("here"), PayloadError, "cannot send item 3 to the workers"),
    "cannot be unpickled": (Odd("there"), ValueError, "cannot arrive"),
}


@pytest.mark.parametrize("chunksize", [None, 4])
@pytest.mark.parametrize(("item", "kind", "message"), ODD_ITEMS.values(), ids=ODD_ITEMS)
def test_an_item_that_cannot_travel_is_named_and_the_others_run(
    item: Any, kind: type[Exception], message: str, chunksize: int | None
) -> None:
    items = [0, 1, 2, item, 4, 5]
    fn = lambda each: each if isinstance(each, int) else None  # noqa: E731
    with pytest.raises(kind, match=message):
        parmagic.map(fn, items, chunksize=chunksize)
    results = parmagic.map(fn, items, chunksize=chunksize, return_exceptions=True)
    assert type(results[3]) is kind
    assert results[:3] + results[4:] == [0, 1, 2, 4, 5]


def test_the_first_item_that_cannot_be_sent_stops_the_job() -> None:
    endless = itertools.chain([0], (threading.Lock() for _ in itertools.count()))
    with pytest.raises(PayloadError, match="cannot send item 1 to the workers"):
        parmagic.map(abs, endless, chunksize=1)
    assert len(parmagic.jobs[-1].errors) == 1


ODD_RESULTS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "an open file": (Path(__file__).open, PayloadError, "it is an open file"),
    "cannot be pickled": (threading.Lock, PayloadError, "cannot send the result of item 3 back"),
    "refuses to be": (lambda: Odd("here"), PayloadError, "cannot send the result of item 3 back"),
    "cannot be unpickled": (lambda: Odd("there"), ValueError, "cannot arrive"),
}


@pytest.mark.parametrize("chunksize", [None, 4])
@pytest.mark.parametrize(("make", "kind", "message"), ODD_RESULTS.values(), ids=ODD_RESULTS)
def test_a_result_that_cannot_travel_is_named_and_the_others_stay(
    make: Callable[[], Any], kind: type[Exception], message: str, chunksize: int | None
) -> None:
    fn = lambda number: make() if number == 3 else number  # noqa: E731
    with pytest.raises(kind, match=message):
        parmagic.map(fn, range(6), chunksize=chunksize)
    results = parmagic.map(fn, range(6), chunksize=chunksize, return_exceptions=True)
    assert type(results[3]) is kind
    assert results[:3] + results[4:] == [0, 1, 2, 4, 5]


def test_a_function_that_cannot_be_sent_is_named() -> None:
    lock = threading.Lock()

    def fn(number: int) -> bool:
        return lock.locked()

    named = "cannot send 'fn' to the workers: it uses 'lock'"
    with pytest.raises(PayloadError, match=named) as raised:
        parmagic.map(fn, range(3))
    assert len(raised.traceback) <= 3  # ours, and not all the way to where it was noticed
    assert parmagic.map(abs, [-1]) == [1]


@pytest.mark.parametrize("return_exceptions", [False, True])
def test_a_function_that_cannot_arrive_is_the_error_of_all(return_exceptions: bool) -> None:
    odd = Odd("there")
    call = functools.partial(
        parmagic.map, lambda _: odd, range(3), return_exceptions=return_exceptions
    )
    if return_exceptions:
        assert [type(result) for result in call()] == [ValueError] * 3
    else:
        with pytest.raises(ValueError, match="cannot arrive"):
            call()
    assert parmagic.map(abs, [-1]) == [1]


# Deaths

DEATHS: dict[str, tuple[Callable[[], Any], str]] = {
    "exit": (lambda: os._exit(3), "with exit code 3"),
    "SIGKILL": (lambda: os.kill(os.getpid(), signal.SIGKILL), "memory ran out"),
    "segmentation fault": (lambda: ctypes.string_at(0), "segmentation fault"),
    "abort": (lambda: os.abort(), "was killed by signal 6"),
}


@pytest.mark.parametrize("chunksize", [None, 5])
@pytest.mark.parametrize(("die", "message"), DEATHS.values(), ids=DEATHS)
def test_a_dead_worker_costs_only_its_own_item(
    die: Callable[[], Any], message: str, chunksize: int | None
) -> None:
    fn = lambda item: die() if item == "i7" else item  # noqa: E731
    items = [f"i{number}" for number in range(20)]
    with pytest.raises(WorkerDied, match=message) as died:
        parmagic.map(fn, items, chunksize=chunksize)
    assert (died.value.item, died.value.item_repr) == (7, "'i7'")
    results = parmagic.map(fn, items, chunksize=chunksize, return_exceptions=True)
    assert isinstance(results[7], WorkerDied)
    assert results[7].item == 7
    assert results[:7] + results[8:] == items[:7] + items[8:]


def test_many_deaths_cost_only_their_own_items() -> None:
    def fn(number: int) -> int:
        if number % 50 == 7:
            os._exit(1)
        return number

    results = parmagic.map(fn, range(400), return_exceptions=True)
    assert {n for n, result in enumerate(results) if result != n} == set(range(7, 400, 50))
    assert all(result.item == n for n, result in enumerate(results) if result != n)


def test_workers_that_are_killed_from_outside_lose_nothing(gate: Gate) -> None:
    def fn(number: int) -> int:
        time.sleep(0.001)
        return number

    parmagic.map(abs, range(4))
    job = parmagic.map_async(fn, range(1500), return_exceptions=True)
    killed = 0
    while not job.done():
        before = job.outcomes.done
        for pid in list(same_pids())[:1]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        wait_until(lambda before=before: job.done() or job.outcomes.done > before + 300)
    results = job.result()
    lost = [n for n, result in enumerate(results) if result != n]
    assert killed > 0
    assert len(lost) <= killed
    assert all(isinstance(results[n], WorkerDied) and results[n].item == n for n in lost)


def test_a_function_that_kills_the_worker_before_its_first_item_is_an_error() -> None:
    class Deadly:
        def __reduce__(self) -> Any:
            return os._exit, (5,)

    deadly = Deadly()
    with pytest.raises(WorkerDied, match="exit code 5"):
        parmagic.map(lambda _: deadly, range(3))
    assert parmagic.map(abs, [-1]) == [1]


# Several at once


def test_several_threads_map_at_once() -> None:
    def many(number: int) -> list[list[int]]:
        return [parmagic.map(lambda x: x * number, range(30)) for _ in range(20)]

    with ThreadPoolExecutor(6) as threads:
        for number, results in enumerate(threads.map(many, range(6))):
            assert results == [[x * number for x in range(30)]] * 20


def test_a_map_within_a_map_runs_in_the_worker_that_asks() -> None:
    def fn(number: int) -> tuple[list[int], bool]:
        import parmagic

        inner = parmagic.map(lambda x: (x * number, os.getpid()), range(3))
        return [value for value, _ in inner], {pid for _, pid in inner} == {os.getpid()}

    assert parmagic.map(fn, range(4)) == [([0, n, 2 * n], True) for n in range(4)]


# What is printed


def test_what_items_print_is_shown_here(capsys: pytest.CaptureFixture[str]) -> None:
    def fn(number: int) -> None:
        print("out", number)
        print("err", number, file=sys.stderr)

    parmagic.map(fn, range(20))
    shown = capsys.readouterr()
    assert sorted(shown.out.splitlines()) == sorted(f"out {number}" for number in range(20))
    assert sorted(shown.err.splitlines()) == sorted(f"err {number}" for number in range(20))


def test_lines_of_several_workers_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    def fn(number: int) -> None:
        for _ in range(3):
            time.sleep(FLUSH_SECONDS)
            print("number", number)

    parmagic.map(fn, range(4), chunksize=1)
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(
        3 * [f"number {n}" for n in range(4)]
    )


@pytest.mark.parametrize("ends", ["pass", "1 / 0"])
def test_what_an_item_printed_is_shown_whatever_becomes_of_it(
    ends: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fn(number: int) -> None:
        print("x" * 200_000)
        exec(ends)

    parmagic.map(fn, [1], return_exceptions=True)
    assert capsys.readouterr().out == "x" * 200_000 + "\n"


def test_a_long_item_s_prints_do_not_wait_for_its_end(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    def fn(_: int) -> None:
        while True:
            print("here")
            time.sleep(0.01)

    shown = ""

    def seen() -> bool:
        nonlocal shown
        shown += capsys.readouterr().out
        return "here" in shown

    job = parmagic.map_async(fn, [1])
    assert wait_until(seen)
    job.cancel()
    assert wait_until(job.done)


# What is around


def test_the_next_map_sees_folder_environment_and_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fn(_: int) -> tuple[str, str | None, str]:
        return os.getcwd(), os.environ.get("COLOUR"), sys.path[0]

    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("COLOUR", name)
        monkeypatch.syspath_prepend(f"/{name}")
        assert set(parmagic.map(fn, range(8))) == {(str(tmp_path / name), name, f"/{name}")}
    monkeypatch.delenv("COLOUR")
    assert {colour for _, colour, _ in parmagic.map(fn, range(8))} == {None}


def test_the_next_map_does_not_see_what_items_changed(tmp_path: Path) -> None:
    def change(_: int) -> None:
        os.chdir(tmp_path)
        os.environ["COLOUR"] = "red"
        sys.path.insert(0, "/elsewhere")

    def look(_: int) -> tuple[str, str | None, bool]:
        return os.getcwd(), os.environ.get("COLOUR"), "/elsewhere" in sys.path

    parmagic.map(change, range(8))
    assert set(parmagic.map(look, range(8))) == {(os.getcwd(), None, False)}


def test_a_map_that_was_stopped_at_once_does_not_spoil_the_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parmagic.map(abs, range(4))
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        with pytest.raises(ZeroDivisionError):
            parmagic.map(lambda n: 1 / n, [0, 1, 1, 1], chunksize=1)
        folders = parmagic.map(lambda _: os.getcwd(), range(4), chunksize=1)
        assert set(folders) == {str(tmp_path / str(number))}
