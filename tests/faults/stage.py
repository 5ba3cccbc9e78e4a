"""What the programs of the trials have at hand. They import all of it."""

from __future__ import annotations

import io
import os
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support import Gate, wait_until

import parmagic

# Not ru_maxrss, which a program has from the one that has started it.
from parmagic.worker.footprint import take_peak

__all__ = [
    "caught",
    "check",
    "gate",
    "idle_pids",
    "odd_ones",
    "plain",
    "take_peak",
    "tell",
    "wait_until",
]

gate = Gate(Path(os.environ.get("TRIAL", "")) / "gate")

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # many die here, and none is to be buried


def tell(fact: Any) -> None:
    """Note ``fact``, plain data, for the test."""
    with gate.folder.with_name("facts").open("a") as facts:
        facts.write(f"{fact!r}\n")


def plain(outcome: Any) -> Any:
    """Describe an error, or an odd object, by its class; a death by item and exit code too."""
    if isinstance(outcome, parmagic.WorkerDied):
        return "WorkerDied", outcome.item, outcome.item_repr, outcome.exitcode
    return outcome if type(outcome) in (int, str) else type(outcome).__name__


def odd_ones(
    fn: Callable[[Any], Any], items: Sequence[Any] = range(16), **options: Any
) -> dict[int, Any]:
    """Map ``fn``, which squares its items' indices, in chunks of 8; return what is no square."""
    options = {"chunksize": 8, "workers": 2, "return_exceptions": True} | options
    results = parmagic.map(fn, items, **options)
    assert len(results) == len(items)
    return {n: odd for n, each in enumerate(results) if (odd := plain(each)) != n * n}


def caught(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return the error of ``call``, as `plain` does, or what it returned."""
    try:
        return call(*arguments, **options)
    except BaseException as error:
        return plain(error)


def idle_pids() -> set[int]:
    """Wait until two workers are idle, and return their pids."""
    from parmagic.pool.default import default_pool  # which no worker needs, and they import this

    pool = default_pool()
    assert wait_until(lambda: [each.state for each in pool.workers] == ["idle"] * 2), pool.workers
    return {worker.pid for worker in pool.workers}


def check() -> None:
    """Map on both workers: they find what this process has, and what they print is shown."""
    with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()) as output:
        reports = parmagic.map(partial(_report, Path(folder)), range(2), workers=2, chunksize=1)
    assert reports == [(0, *_surroundings()), (1, *_surroundings())], reports
    assert sorted(output.getvalue().splitlines()) == ["item 0", "item 1"], output.getvalue()
    assert parmagic.map(abs, range(-1000, 0)) == list(range(1000, 0, -1))
    tell("well")


def _report(folder: Path, number: int) -> tuple[int, str, dict[str, str], list[str]]:
    (folder / str(os.getpid())).touch()
    assert wait_until(lambda: len(list(folder.iterdir())) == 2), "a worker is missing"
    print("item", number)
    return (number, *_surroundings())


def _surroundings() -> tuple[str, dict[str, str], list[str]]:
    return os.getcwd(), dict(os.environ), sys.path
