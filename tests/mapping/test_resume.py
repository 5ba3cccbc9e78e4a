"""What was finished is kept, and only the rest is run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Gate, Notebook

import parmagic
from parmagic.checkpoint.entry import Kind
from parmagic.mapping.resume import ResumeError
from parmagic.worker.loop import inside_worker


class Counted:
    """A function that fails on some items, and notes on which it was called."""

    def __init__(self, gate: Gate, bad: set[int], fail: Callable[[], Any]) -> None:
        self.gate = gate
        self.bad = bad
        self.fail = fail
        self.__name__ = "counted"

    def __call__(self, item: Any) -> Any:
        number = int(np.max(item))
        self.gate.note(number)
        if number in self.bad:
            self.fail()
        return number * number


FAILURES = {"raises": lambda: 1 / 0, "dies": lambda: os._exit(3)}
ITEMS: dict[str, Callable[[], Iterable[Any]]] = {
    "range": lambda: range(12),
    "list": lambda: list(range(12)),
    "generator": lambda: (number for number in range(12)),
    "array": lambda: np.arange(12),
    "arrays": lambda: [np.full(3, number) for number in range(12)],
    "zip": lambda: map(list, zip(range(12), [0] * 12, strict=True)),
}


def run(gate: Gate, name: str, fn: Callable[..., Any], items: Any, **options: Any) -> set[str]:
    """Map, and return on which items the function was called."""
    folder = gate.folder / name
    folder.mkdir()
    fn.gate = Gate(folder)  # type: ignore[attr-defined]
    parmagic.map(fn, items, **options)
    return Gate(folder).names


@pytest.mark.parametrize("items", ITEMS.values(), ids=ITEMS)
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_only_the_rest_is_run_with_the_code_as_it_now_is(
    gate: Gate, items: Callable[[], Any], failure: Callable[[], Any]
) -> None:
    fn = Counted(gate, {4, 9}, failure)
    with pytest.raises((ZeroDivisionError, parmagic.WorkerDied)):
        run(gate, "first", fn, items(), chunksize=2, workers=1)
    before = parmagic.jobs[-1]
    assert 4 in before.errors
    assert before.values[0] == 0
    fn.bad = set()
    ran = run(gate, "second", fn, items(), resume=True)
    assert ran == {str(index) for index in range(12) if index not in before.values}
    assert parmagic.jobs[-1].outcomes.with_errors() == [number**2 for number in range(12)]
    assert parmagic.jobs[-1].report().kept == len(before.values) > 0
    assert before not in parmagic.jobs


def test_failures_that_stood_in_their_places_are_run_again(gate: Gate) -> None:
    fn = Counted(gate, {1, 5}, FAILURES["raises"])
    run(gate, "first", fn, range(6), return_exceptions=True)
    fn.bad = set()
    assert run(gate, "second", fn, range(6), resume=True) == {"1", "5"}


def test_a_job_can_be_resumed_again_and_again(gate: Gate) -> None:
    fn = Counted(gate, {3, 7, 8}, FAILURES["raises"])
    for turn, mended in enumerate([3, 7, 8]):
        with pytest.raises(ZeroDivisionError):
            run(gate, str(turn), fn, (n for n in range(9)), chunksize=1, workers=1, resume=turn > 0)
        fn.bad.remove(mended)
    assert run(gate, "last", fn, (n for n in range(9)), resume=True) == {"8"}


def test_any_job_can_be_asked_for(gate: Gate) -> None:
    fn = Counted(gate, {2}, FAILURES["raises"])
    with pytest.raises(ZeroDivisionError):
        run(gate, "first", fn, range(3), chunksize=1, workers=1)
    assert parmagic.map(abs, range(3), resume=parmagic.jobs[-1]) == [0, 1, 2]


def test_where_there_is_nothing_to_resume_all_is_run(gate: Gate) -> None:
    assert parmagic.map(abs, range(3), resume=True) == [0, 1, 2]
    assert parmagic.map(abs, range(3), resume=True) == [0, 1, 2]
    assert parmagic.jobs[-1].report().kept == 0


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (range(13), "had 12 of them, and now there are 13"),
        (range(1, 13), "at item 0 or behind it .now item 0 is 1."),
        ([*range(4), 99, *range(5, 12)], "the items differ"),
        ((number + 1 for number in range(12)), "the items differ"),
        (iter(()), "now they end behind 0 items"),
    ],
    ids=["length", "moved", "one", "generator", "fewer"],
)
def test_other_items_are_refused_and_nothing_is_lost(gate: Gate, items: Any, said: str) -> None:
    fn = Counted(gate, {4}, FAILURES["raises"])
    with pytest.raises(ZeroDivisionError):
        run(gate, "first", fn, range(12), chunksize=1, workers=1)
    before = parmagic.jobs[-1]
    with pytest.raises(ResumeError, match=said):
        parmagic.map(fn, items, resume=before)
    assert parmagic.jobs[-1] is before
    fn.bad = set()
    assert run(gate, "second", fn, range(12), resume=True) >= {"4", "11"}


def test_items_that_were_changed_in_place_are_refused(gate: Gate) -> None:
    items = [np.full(3, number) for number in range(6)]
    fn = Counted(gate, {3}, FAILURES["raises"])
    with pytest.raises(ZeroDivisionError):
        run(gate, "first", fn, items, chunksize=1, workers=1)
    items[1] += 1
    with pytest.raises(ResumeError, match="the items differ"):
        parmagic.map(fn, items, resume=True)


def test_a_job_over_something_else_is_not_taken_for_this_one(gate: Gate) -> None:
    with pytest.raises(ZeroDivisionError):
        run(gate, "first", Counted(gate, {1}, FAILURES["raises"]), range(3))
    with pytest.raises(ResumeError, match="no unfinished job over 'abs over range'"):
        parmagic.map(abs, range(3), resume=True)


def test_a_job_that_runs_cannot_be_resumed(gate: Gate) -> None:
    job = parmagic.map_async(gate.enter, [1])
    gate.wait_for()
    with pytest.raises(ResumeError, match="still runs"):
        parmagic.map(abs, [1], resume=job)
    gate.open()
    job.result()


def test_a_job_says_what_became_of_its_items() -> None:
    with pytest.raises(ZeroDivisionError):
        parmagic.map(lambda x: 1 / x, [2, 1, 0, 4], chunksize=4)
    job = parmagic.jobs[-1]
    assert job.values == {0: 0.5, 1: 1.0}
    assert list(job.errors) == [2]
    assert job.pending == [3]
    assert repr(job) == "<Job <lambda> over list: 2 of 4 items done, 1 failed, 1 pending>"


def test_an_item_can_be_run_again_in_the_kernel() -> None:
    with pytest.raises(ZeroDivisionError):
        parmagic.map(lambda x, y: x / len(y), [1, 1], [[2], []])
    job = parmagic.jobs[-1]
    assert job.item(1) == (1, [])
    with pytest.raises(ZeroDivisionError):
        job.rerun(1)
    with pytest.raises(LookupError, match="item 0 is gone"):
        job.rerun(0)


def test_plain_items_of_a_generator_are_kept() -> None:
    with pytest.raises(ZeroDivisionError):
        parmagic.map(lambda x, y: x / y, [1, 1], [1, 0])
    assert parmagic.jobs[-1].rerun(0) == 1.0


def test_an_item_that_ended_its_worker_is_not_run_in_the_kernel_unless_forced() -> None:
    parent = os.getpid()

    def end(_: int) -> int:
        return os.getpid() if os.getpid() == parent else os._exit(3)

    with pytest.raises(parmagic.WorkerDied):
        parmagic.map(end, [1])
    with pytest.raises(parmagic.WorkerDied):
        parmagic.jobs[-1].rerun(0)
    assert parmagic.jobs[-1].rerun(0, force=True) == parent


def test_a_checkpoint_is_gone_on_from(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    fn = Counted(gate, {4}, FAILURES["raises"])
    with pytest.raises(ZeroDivisionError):
        run(gate, "first", fn, range(8), chunksize=1, workers=1, checkpoint=path)
    parmagic.jobs.clear()
    fn.bad = set()
    again = run(gate, "second", fn, range(8), checkpoint=path, resume=True)
    assert "0" not in again
    assert "7" in again
    assert run(gate, "third", fn, range(8), checkpoint=path, resume=True) == set()
    assert parmagic.jobs[-1].outcomes.with_errors() == [number**2 for number in range(8)]


@pytest.mark.parametrize("items", ITEMS.values(), ids=ITEMS)
def test_a_checkpoint_can_be_gone_on_from_again_and_again(
    gate: Gate, tmp_path: Path, items: Callable[[], Any]
) -> None:
    options = {"checkpoint": tmp_path / "run.db", "chunksize": 1, "workers": 1, "resume": True}
    fn = Counted(gate, {3, 5, 7, 9}, FAILURES["raises"])
    for turn, mended in enumerate([3, 5, 7, 9]):
        if turn == 3:
            parmagic.jobs.clear()
        with pytest.raises(ZeroDivisionError):
            run(gate, str(turn), fn, items(), **options)
        fn.bad.remove(mended)
    parmagic.jobs.clear()
    assert run(gate, "last", fn, items(), **options).isdisjoint(map(str, range(9)))
    assert parmagic.jobs[-1].outcomes.with_errors() == [number**2 for number in range(12)]


LOST = {"first": {0}, "some": {2, 3, 5}, "last": {6, 7, 8}, "all": set(range(9))}


@pytest.mark.parametrize("items", ITEMS.values(), ids=ITEMS)
@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_items_whose_marks_a_damaged_checkpoint_has_lost_run_again(
    gate: Gate, tmp_path: Path, lost: set[int], items: Callable[[], Any]
) -> None:
    path = tmp_path / "run.db"
    options = {"checkpoint": path, "serial": True}
    fn = Counted(gate, {8}, FAILURES["raises"])
    with pytest.raises(ZeroDivisionError):
        run(gate, "first", fn, items(), **options)
    lose_marks(path, lost)
    fn.bad.clear()
    for name, expected in [("second", lost | {8, 9, 10, 11}), ("third", set())]:
        parmagic.jobs.clear()
        assert run(gate, name, fn, items(), resume=True, **options) == set(map(str, expected))
        report = parmagic.jobs[-1].report()
        assert (report.done, report.kept) == (12, 12 - len(expected))
        assert parmagic.jobs[-1].outcomes.with_errors() == [number**2 for number in range(12)]


def lose_marks(path: Path, lost: set[int]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for first in lost:
            delete = "DELETE FROM entries WHERE kind = ? AND first = ?"
            connection.execute(delete, (Kind.ITEMS, first))


def test_a_value_whose_mark_was_lost_is_not_that_of_another_item(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    parmagic.map(abs, range(6), checkpoint=path, chunksize=2)
    lose_marks(path, {2})
    for _ in range(2):
        parmagic.jobs.clear()
        assert parmagic.map(abs, [0, 1, 7, 8, 4, 5], checkpoint=path) == [0, 1, 7, 8, 4, 5]
    assert parmagic.jobs[-1].report().kept == 6


def test_what_a_job_has_kept_replaces_values_of_other_items(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    options = {"chunksize": 1, "workers": 1}
    with pytest.raises(ZeroDivisionError):
        parmagic.map(lambda x: 6 // x, [1, 2, 0, 3, 6], checkpoint=path, **options)
    parmagic.jobs.clear()
    with pytest.raises(ZeroDivisionError):
        parmagic.map(lambda x: 6 // x, [-1, -2, -3, -6, 0], **options)
    for _ in range(2):
        values = parmagic.map(
            lambda x: x and 6 // x, [-1, -2, -3, -6, 0], checkpoint=path, resume=True
        )
        assert values == [-6, -3, -2, -1, 0]
        parmagic.jobs.clear()


def test_a_function_that_has_changed_is_said_and_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    assert parmagic.map(lambda x: x + 1, range(3), checkpoint=path) == [1, 2, 3]
    assert parmagic.map(lambda x: x + 1, range(3), checkpoint=path) == [1, 2, 3]
    assert parmagic.jobs[-1].report().kept == 3
    with pytest.raises(ResumeError, match="is not the one that made the 3 results"):
        parmagic.map(lambda x: x + 2, range(3), checkpoint=path)
    assert parmagic.map(lambda x: x + 2, range(3), checkpoint=path, resume=True) == [1, 2, 3]


def test_other_items_leave_the_checkpoint_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    parmagic.map(abs, range(3), checkpoint=path)
    with pytest.raises(ResumeError, match="the items differ"):
        parmagic.map(abs, range(1, 4), checkpoint=path)
    assert parmagic.map(abs, range(3), checkpoint=path) == [0, 1, 2]
    assert parmagic.jobs[-1].report().kept == 3


def test_a_checkpoint_can_begin_with_what_a_job_has_kept(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    fn = Counted(gate, {2, 5}, FAILURES["raises"])
    with pytest.raises(ZeroDivisionError):
        run(gate, "first", fn, range(8), chunksize=1, workers=1)
    fn.bad.remove(2)
    with pytest.raises(ZeroDivisionError):
        run(gate, "second", fn, range(8), chunksize=1, workers=1, resume=True, checkpoint=path)
    parmagic.jobs.clear()
    fn.bad.clear()
    third = run(gate, "third", fn, range(8), resume=True, checkpoint=path)
    assert third.isdisjoint({"0", "1", "2"})


def test_the_memory_counts_where_it_has_more_than_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with pytest.warns(RuntimeWarning, match="is not in the checkpoint"), pytest.raises(ValueError):
        parmagic.map(odd_from_4_on, range(9), chunksize=1, workers=1, checkpoint=path)
    kept = len(parmagic.jobs[-1].values)
    with pytest.warns(RuntimeWarning, match="is not in the checkpoint"):
        parmagic.map(lambda _: None, range(9), checkpoint=path, resume=parmagic.jobs[-1])
    assert parmagic.jobs[-1].report().kept == kept >= 7


class StaysHere:
    """Comes from a worker, and cannot be pickled here."""

    def __reduce__(self) -> Any:
        if not inside_worker():
            raise TypeError("no")
        return StaysHere, ()


def odd_from_4_on(item: int) -> Any:
    if item == 7:
        raise ValueError(item)
    return item if item < 4 else StaysHere()


def test_methods_of_the_items_are_code_of_the_job(notebook: Notebook, tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    cell = "class Item:\n    def run(self): return {}\nitems = [Item(), Item()]"
    notebook.run(cell.format(1))
    notebook.run("def fn(item): return item.run()")
    assert parmagic.map(notebook["fn"], notebook["items"], checkpoint=path) == [1, 1]
    notebook.run(cell.format(1))
    assert parmagic.map(notebook["fn"], notebook["items"], checkpoint=path) == [1, 1]
    assert parmagic.jobs[-1].report().kept == 2
    notebook.run(cell.format(2))
    with pytest.raises(ResumeError, match="is not the one that made the 2 results"):
        parmagic.map(notebook["fn"], notebook["items"], checkpoint=path)


def test_other_functions_are_other_items(notebook: Notebook) -> None:
    notebook.run("fs = [lambda x=x: 100 for x in (1, 2)] + [None]")
    with pytest.raises(TypeError):
        parmagic.map(lambda f: f(), notebook["fs"], chunksize=1, workers=1)
    notebook.run("fs = [lambda x=x: 200 for x in (1, 2)] + [None]")
    with pytest.raises(ResumeError, match="the items differ"):
        parmagic.map(lambda f: f and f(), notebook["fs"], resume=True)


# An iterable that raises.


def broken(*items: int) -> Iterator[int]:
    yield from items
    raise LookupError("no more")


@pytest.mark.parametrize("how", [{}, {"chunksize": 1}, {"serial": True}], ids=str)
@pytest.mark.parametrize("return_exceptions", [False, True])
def test_what_an_iterable_gave_before_its_error_is_run_and_kept(
    how: dict[str, Any], return_exceptions: bool
) -> None:
    options = {"return_exceptions": return_exceptions, **how}
    with pytest.raises(LookupError, match="no more") as raised:
        parmagic.map(abs, broken(-1, -2), **options)
    assert raised.value.__notes__ == [
        "2 results kept in parmagic.jobs[-1]. resume=True runs the rest."
    ]
    assert parmagic.jobs[-1].values == {0: 1, 1: 2}
    assert parmagic.map(abs, (n for n in (-1, -2, -3)), resume=True, **options) == [1, 2, 3]
    assert parmagic.jobs[-1].report().kept == 2


def test_an_item_that_failed_before_the_iterable_did_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        parmagic.map(lambda n: 1 // n, broken(0))
    with pytest.raises(LookupError):
        parmagic.map(lambda n: 1 // n, broken(0), return_exceptions=True)


def test_of_an_iterable_that_gives_nothing_nothing_is_kept() -> None:
    with pytest.raises(LookupError) as raised:
        parmagic.map(abs, broken())
    assert not hasattr(raised.value, "__notes__")
