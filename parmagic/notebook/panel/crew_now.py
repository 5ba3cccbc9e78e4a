"""The workers at one moment, as plain data: those of the shared pool, and others that run items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from parmagic.backends.use import described, workforce_in_use
from parmagic.notebook.panel.vitals import Vital, Vitals
from parmagic.pool.crew import WorkerState
from parmagic.pool.default import running_pool, start_up_cell
from parmagic.report.now import WorkerNow
from parmagic.report.units import count

_UNKNOWN = Vital()


class ItemNow(NamedTuple):
    """An item that runs.

    Attributes
    ----------
    item
        Its short repr; empty where that is not known.
    backend
        Where; empty for the shared pool.
    name
        What its worker is called, where a number does not say it.
    """

    now: WorkerNow
    item: str = ""
    backend: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker, and what it does.

    Attributes
    ----------
    state
        ``starting``, ``idle``, ``busy``, ``leaving``.
    now
        The item that it runs; None where it runs none, or one of a job that nobody looks at.
    item
        Its short repr; empty where that is not known.
    name
        What it is called.
    """

    number: int
    pid: int | None
    state: str
    items_done: int
    now: WorkerNow | None = None
    item: str = ""
    vital: Vital = _UNKNOWN
    name: str = ""


@dataclass(frozen=True, slots=True)
class CrewNow:
    """The pool at one moment.

    Attributes
    ----------
    size
        How many workers the pool is to have; 0 where there is none.
    workers
        Those of the pool.
    others
        Those of backends, as far as they run items.
    backend
        What runs the next job, with its size; empty for the pool.
    start_up
        The cell that each worker of the pool runs first; empty if there is none.
    """

    size: int = 0
    workers: tuple[WorkerRow, ...] = ()
    others: tuple[WorkerRow, ...] = ()
    backend: str = ""
    start_up: str = ""

    @property
    def missing(self) -> int:
        """How many are still to start."""
        there = sum(worker.state != "leaving" for worker in self.workers)
        return max(self.size - there, 0)

    def count(self, state: str) -> int:
        """Return how many are in that state."""
        return sum(worker.state == state for worker in self.workers)


def crew_now(vitals: Vitals, running: Iterable[ItemNow]) -> CrewNow:
    """Look at the shared pool, and at the items that run."""
    own, others = {}, []
    for each in running:
        if each.backend:
            others.append(_other(each))
        else:
            own[each.now.worker] = each
    pool = running_pool()
    if pool is None:
        return CrewNow(others=tuple(others), backend=_backend(), start_up=_start_up())
    states = pool.workers
    found = vitals.of([state.pid for state in states])
    rows = tuple(_row(each, own.get(each.number), found[each.pid]) for each in states)
    return CrewNow(pool.max_workers, rows, tuple(others), _backend(), _start_up())


def _row(state: WorkerState, run: ItemNow | None, vital: Vital) -> WorkerRow:
    number, pid, name, _, items_done = state
    now, item = (None, "") if run is None or name != "busy" else run[:2]
    return WorkerRow(number, pid, name, items_done, now, item, vital, f"worker {number}")


def _other(run: ItemNow) -> WorkerRow:
    name = run.name or f"worker {run.now.worker}"
    return WorkerRow(run.now.worker, None, "busy", 0, run.now, run.item, name=name)


def _start_up() -> str:
    return start_up_cell() or ""


def _backend() -> str:
    elsewhere = workforce_in_use()
    return "" if elsewhere is None else f"{described(elsewhere)}: {count(elsewhere.size, 'worker')}"
