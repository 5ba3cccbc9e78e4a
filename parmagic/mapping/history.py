"""The jobs that one may want to come back to."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, NamedTuple, Protocol

from parmagic.mapping.resume import ResumeError

# Of a cell that fails again and again: its results may be large.
MOST_OF_A_CELL = 3
# Only names are kept of jobs that finished well.
_MOST_TRACES = 1000


class Origin(NamedTuple):
    """Where a job comes from, in a way that stays when its code is mended.

    Attributes
    ----------
    cell
        The front end's name for the cell, or None where it gives none.
    header
        What follows ``for``, or names the items.
    turn
        How many jobs came before it when the cell was run.
    """

    cell: str | None
    header: str
    turn: int


class Remembered(Protocol):
    """A job, as far as it matters here."""

    what: str
    origin: Origin | None

    @property
    def succeeded(self) -> bool:
        """Whether every item has a value."""

    def done(self) -> bool:
        """Tell whether it is over."""


#: The last job, ``jobs[-1]``, and before it those that did not finish well. Jobs that did
#: are let go when the next one starts, or twenty notebooks' worth of arrays would be kept.
jobs: deque[Any] = deque(maxlen=20)

_finished: deque[Origin] = deque(maxlen=_MOST_TRACES)
_lock = threading.Lock()


def remember(job: Remembered, instead_of: Remembered | None = None) -> None:
    """Put ``job`` at the end of `jobs`; it has taken over all of another, perhaps."""
    with _lock:  # several threads may map at once
        unfinished: list[Any] = []
        for earlier in jobs:
            if earlier.succeeded:
                unfinished = _without_those_of(earlier, unfinished)
            elif earlier is not instead_of:
                unfinished.append(earlier)
        jobs.clear()
        jobs.extend([*_newest_of_each(unfinished), job])


def _without_those_of(finished: Remembered, unfinished: list[Any]) -> list[Any]:
    """Let go what a cell had left unfinished before it finished well."""
    if finished.origin is None:
        return unfinished
    _finished.append(finished.origin)
    return [job for job in unfinished if not _is_of_cell(job, finished.origin)]


def _newest_of_each(unfinished: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for job in reversed(unfinished):
        origin = job.origin
        of_cell = sum(1 for each in kept if origin is not None and _is_of_cell(each, origin))
        if of_cell < MOST_OF_A_CELL:
            kept.append(job)
    return kept[::-1]


def _is_of_cell(job: Remembered, origin: Origin) -> bool:
    return origin.cell is not None and job.origin == origin


def find_unfinished(what: str, origin: Origin | None) -> Any | None:
    """Return the job to resume: the newest that did not finish well, of the same cell.

    Where the front end does not name its cells, or this one is new, it is the newest with
    the same header; in a script, the last job. None where there is none, or where such a job
    has finished well since.

    Raises
    ------
    ResumeError
        The job still runs; or the last of all is unfinished, and is another one: it may well
        be meant.
    """
    with _lock:
        newest_first = [job for job in reversed(jobs) if job.done()]
        running = [job for job in jobs if not job.done()]
    for job in running:
        if _is_run_again(job.origin, origin):
            raise ResumeError.running(job.what)
    if not newest_first:
        return None
    if origin is None:
        return _last(what, newest_first[0])
    for is_same in (_same_cell, _same_header):
        for job in newest_first:
            if job.origin is not None and is_same(job.origin, origin):
                return None if job.succeeded else job
        if any(is_same(each, origin) for each in _finished):
            return None
    return _last(what, newest_first[0])


def _is_run_again(one: Origin | None, other: Origin | None) -> bool:
    if one is None or other is None:
        return False
    return _same_cell(one, other) or (other.cell is None and _same_header(one, other))


def _same_cell(one: Origin, other: Origin) -> bool:
    return one.cell is not None and (one.cell, one.turn) == (other.cell, other.turn)


def _same_header(one: Origin, other: Origin) -> bool:
    return (one.header, one.turn) == (other.header, other.turn)


def _last(what: str, last: Any) -> Any | None:
    if last.succeeded:
        return None
    if last.what != what or last.origin is not None:
        raise ResumeError.other_job(what, last.what)
    return last
