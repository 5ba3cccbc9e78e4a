"""The jobs that must give the same wherever they run: `run` takes a backend through all of them.

The functions of the cases travel by value, as those of a notebook's cell do.
"""

from __future__ import annotations

import os
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from mapping.test_kinds import KINDS
from support import Gate, Notebook

import parmagic
from parmagic.pool import output
from parmagic.report.output import ItemOutput
from parmagic.report.report import Report


class There(NamedTuple):
    """A backend, and what may be expected of it.

    Attributes
    ----------
    on
        What the user has.
    name
        What parmagic calls it.
    main
        The notebook, as a module.
    folder
        For the files of the cases; items may look there after a case has ended.
    workers
        How many it has.
    survives
        Whether it goes on after one of its workers has died.
    stops
        Whether no other item of a chunk begins after a job was cancelled.
    crashes
        In chunks of how many items one is to crash: not all replace the worker.
    settle
        Waits until the workers have heard of a cancellation.
    copies
        Whether items see copies of the notebook's objects.
    """

    on: Any
    name: str
    main: ModuleType
    folder: Path
    workers: int = 2
    survives: bool = True
    stops: bool = True
    crashes: int = 4
    settle: Callable[[], object] = lambda: None

    def gate(self, name: str) -> Gate:
        """Return a new one."""
        folder = self.folder / name
        folder.mkdir()
        return Gate(folder)

    copies: bool = True


def run(there: There) -> list[str]:
    """Run all cases with `parmagic.use`, and return their names."""
    with parmagic.use(there.on):
        for case in CASES:
            try:
                case(there)
            except BaseException as error:
                error.add_note(f"in {case.__name__} on {there.name}")
                raise
    assert parmagic.backend_name() is None
    return [case.__name__ for case in CASES]


def both(fn: Callable[..., Any], *items: Any, **options: Any) -> tuple[Any, Any]:
    """Return the results of our own pool, and of the backend in use."""
    fn = by_value(fn)
    return parmagic.map(fn, *items, on="local", **options), parmagic.map(fn, *items, **options)


def by_value(fn: Any) -> Any:
    """Return a function as one of the notebook, which no other process can import."""
    names = {**fn.__globals__, "__name__": "__main__"}
    made = FunctionType(fn.__code__, names, fn.__name__, fn.__defaults__, fn.__closure__)
    made.__module__ = "__main__"
    return made


def what_a_notebook_defines(there: There) -> None:
    notebook = Notebook(there.main)
    for kind, cell in KINDS.items():
        notebook.run(cell)
        expected = [notebook["fn"](item) for item in range(4)]
        results = parmagic.map(notebook["fn"], range(4))
        assert results == expected, kind
        assert [type(result) for result in results] == [type(value) for value in expected], kind
        back = parmagic.map(lambda item: (item, type(item).__name__), expected)
        assert back == [(item, type(item).__name__) for item in expected], kind


def ten_thousand_items(there: There) -> None:
    local, here = both(lambda x: x * x, range(10_000))
    assert local == here == [x * x for x in range(10_000)]
    report = here.report
    same(local.report, report)
    assert report.chunks < 200
    assert report.workers == there.workers
    assert report.backend == there.name
    assert {lane.worker for lane in report.lanes} <= report.names.keys()
    bars = [bar for lane in report.lanes for bar in lane.bars]
    assert sum(bar.count for bar in bars) == 10_000
    assert all(0 <= bar.start <= report.wall_seconds for bar in bars)


def same(local: Report, here: Report) -> None:
    """Assert that two reports say the same, but for times and workers."""
    for field in ("what", "state", "items", "done", "failed", "preview", "failures"):
        assert getattr(local, field) == getattr(here, field), field
    assert [shown(each) for each in local.outputs] == [shown(each) for each in here.outputs]


def shown(output: ItemOutput) -> tuple[Any, ...]:
    parts = [(part.kind, part.text, sorted(part.bundle or ())) for part in output.parts]
    return output.index, output.item, parts


def an_exception(there: There) -> None:
    def reciprocal(x: int) -> float:
        print(f"item {x}")
        return 1 / (x - 3)

    errors = []
    for on in ("local", None):
        with pytest.raises(ZeroDivisionError) as caught:
            parmagic.map(by_value(reciprocal), range(8), chunksize=8, on=on)
        errors.append(caught.value)
        assert parmagic.jobs[-1].values == {x: 1 / (x - 3) for x in range(3)}
        assert parmagic.jobs[-1].pending == [4, 5, 6, 7]
    local, here = errors
    assert str(local) == str(here)
    assert local.__notes__ == here.__notes__
    lines = [traceback.extract_tb(each.__traceback__)[-1].lineno for each in errors]
    assert lines[0] == lines[1]


def exceptions_in_their_places(there: There) -> None:
    def odd(x: int) -> int:
        if x % 3 == 2:
            raise KeyError(x)
        return x

    local, here = both(odd, range(30), return_exceptions=True)
    assert [repr(each) for each in local] == [repr(each) for each in here]
    same(local.report, here.report)


def prints_displays_and_a_figure(there: There) -> None:
    def talk(x: int) -> int:
        import sys
        import warnings

        from matplotlib.figure import Figure

        print(f"item {x}")
        print("on stderr", file=sys.stderr)
        warnings.warn(f"beware of {x}", stacklevel=1)
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, x])
        display(figure)  # type: ignore[name-defined]  # noqa: F821  # as in a notebook
        parmagic.progress(x, 4, "done")
        return x

    with unheard(), warnings.catch_warnings():
        warnings.simplefilter("default")
        local, here = both(talk, range(4), chunksize=2)
    same(local.report, here.report)
    assert "image/png" in shown(here.report.outputs[2])[2][-1][2]


@contextmanager
def unheard() -> Iterator[None]:
    """Keep what items display off the terminal."""
    before, output.show_display = output.show_display, lambda bundle, update: None
    try:
        yield
    finally:
        output.show_display = before


def pyplot_figures_that_are_left_open(there: There) -> None:
    def draw(x: int) -> int:
        import matplotlib.pyplot as plt

        plt.figure(figsize=(1, 1))
        plt.plot([0, x])
        return len(plt.get_fignums())

    if not there.copies:
        return  # threads draw into the notebook's own figures
    with unheard():
        local, here = both(draw, range(3), chunksize=3)
    assert local == here == [1, 1, 1]
    same(local.report, here.report)


def large_arrays(there: There) -> None:
    array = np.arange(400_000.0)
    rows = [np.full(50_000, each) for each in range(12)]

    def scale(row: Any) -> Any:
        row = row + array[:50_000]
        return row * array[-1]

    local, here = both(scale, rows)
    assert all(np.array_equal(*pair) for pair in zip(local, here, strict=True))
    assert all(each.flags.writeable for each in here)


def resuming(there: There) -> None:
    gate = there.gate("resuming")

    def mended(x: int) -> int:
        if x == 6 and "mended" not in gate.names:
            raise OSError("not yet")
        return x

    fn, file = by_value(mended), gate.folder / "results"
    with pytest.raises(OSError, match="not yet"):
        parmagic.map(fn, range(12), chunksize=3, checkpoint=file)
    gate.note("mended")
    job = parmagic.jobs[-1]
    kept = len(job.values)
    results = parmagic.map(fn, range(12), resume=job)
    assert results == list(range(12))
    assert results.report.kept == kept
    assert parmagic.map(fn, range(12), checkpoint=file, on="local").report.kept == kept


def a_second_try(there: There) -> None:
    gate = there.gate("a_second_try")

    def second(x: int) -> int:
        if str(x) not in gate.names:
            gate.note(x)
            raise OSError("once")
        return x

    assert parmagic.map(by_value(second), range(6), retries=1) == list(range(6))


def a_map_within_an_item(there: There) -> None:
    def inner(x: int) -> int:
        return sum(parmagic.map(lambda y: x * y, range(3)))

    local, here = both(inner, range(4))
    assert local == here


def an_async_function(there: There) -> None:
    async def later(x: int) -> int:
        import asyncio

        await asyncio.sleep(0)
        return x + 1

    local, here = both(later, range(4))
    assert local == here


def random_numbers(there: There) -> None:
    def draw(x: int) -> tuple[float, float]:
        import random

        return random.random(), float(np.random.default_rng().random())

    if there.copies:
        local, here = both(draw, range(8), seed=3)
        assert local == here
    else:
        with pytest.raises(parmagic.BackendError, match="seed"):
            parmagic.map(draw, range(8), seed=3)


def what_cannot_be_sent(there: There) -> None:
    lock = threading.Lock()

    def locked(x: int) -> int:
        with lock:
            return x

    fn = by_value(locked)
    if not there.copies:
        assert parmagic.map(fn, range(3)) == [0, 1, 2]
        return
    messages = [str(refusal(fn, on)) for on in ("local", None)]
    assert messages[0] == messages[1]


def refusal(fn: Callable[..., Any], on: Any) -> parmagic.PayloadError:
    with pytest.raises(parmagic.PayloadError) as caught:
        parmagic.map(fn, range(3), on=on)
    return caught.value


def memory_that_all_write_to(there: There) -> None:
    shared = parmagic.share(np.zeros(100_000), writable=True)

    def fill(x: int) -> None:
        shared[x] = x

    if there.copies:
        with pytest.raises(parmagic.PayloadError, match=r"share\(writable=True\)"):
            parmagic.map(by_value(fill), range(3))
    else:
        parmagic.map(by_value(fill), range(3))
        assert list(shared[:3]) == [0, 1, 2]


def what_only_our_pool_does(there: There) -> None:
    for option in ({"workers": 2}, {"timeout": 1.0}):
        with pytest.raises(parmagic.BackendError, match=f"{there.name}.* {next(iter(option))}"):
            parmagic.map(abs, [1], **option)


def cancellation(there: There) -> None:
    gate = there.gate("cancellation")

    def hold(x: int) -> int:
        gate.enter(x)
        return x

    job = parmagic.map_async(by_value(hold), range(20), chunksize=5)
    gate.wait_for(there.workers)
    job.cancel()
    with pytest.raises(CancelledError):
        job.result(20)
    assert len(job.pending) == 20
    there.settle()
    gate.open()
    assert parmagic.map(by_value(lambda x: x + 1), range(4)) == [1, 2, 3, 4]
    if there.stops:  # the first of each chunk, at most
        assert len(gate.names) <= 2 * there.workers


def a_crash(there: There) -> None:
    def crash(x: int) -> int:
        if x == 5:
            os._exit(3)
        return x

    if not there.copies:
        return  # it would be ours
    if not there.survives:
        with pytest.raises(parmagic.BackendError, match=f"{there.name} broke"):
            parmagic.map(by_value(crash), range(8), chunksize=1)
        return
    local, here = both(crash, range(8), chunksize=there.crashes, return_exceptions=True)
    assert local[:5] + local[6:] == here[:5] + here[6:] == [0, 1, 2, 3, 4, 6, 7]
    assert type(here[5]) is parmagic.WorkerDied
    assert "while it ran item 5 (5)" in str(here[5])
    assert (here.report.done, here.report.failed) == (7, 1)
    assert parmagic.map(by_value(lambda x: x + 1), range(4)) == [1, 2, 3, 4]


CASES: tuple[Callable[[There], None], ...] = (
    what_a_notebook_defines,
    ten_thousand_items,
    an_exception,
    exceptions_in_their_places,
    prints_displays_and_a_figure,
    pyplot_figures_that_are_left_open,
    large_arrays,
    resuming,
    a_second_try,
    a_map_within_an_item,
    an_async_function,
    random_numbers,
    what_cannot_be_sent,
    memory_that_all_write_to,
    what_only_our_pool_does,
    cancellation,
    a_crash,  # last: not all survive it
)
