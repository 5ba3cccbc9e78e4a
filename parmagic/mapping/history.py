"""The jobs that one may want to come back to."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

from parmagic.mapping.resume import ResumeError


class Remembered(Protocol):
    """A job, as far as it matters here."""

    what: str
    origin: str | None

    @property
    def succeeded(self) -> bool:
        """Whether every item has a value."""

    def done(self) -> bool:
        """Tell whether it is over."""


#: The last job, ``jobs[-1]``, and before it those that did not finish well. Jobs that did
#: are let go when the next one starts, or twenty notebooks' worth of arrays would be kept.
jobs: deque[Any] = deque(maxlen=20)


_lock = threading.Lock()


def remember(job: Remembered, instead_of: Remembered | None = None) -> None:
    """Put ``job`` at the end of `jobs`; it has taken over all of another, perhaps."""
    with _lock:  # several threads may map at once
        unfinished: list[Any] = []
        for earlier in jobs:
            if earlier.succeeded:  # and with it what the same cell had left unfinished
                unfinished = [each for each in unfinished if not _same_cell(each, earlier)]
            elif earlier is not instead_of:
                unfinished.append(earlier)
        jobs.clear()
        jobs.extend([*unfinished, job])


def _same_cell(one: Remembered, other: Remembered) -> bool:
    return one.origin is not None and (one.origin, one.what) == (other.origin, other.what)


def find_unfinished(what: str, origin: str | None) -> Any | None:
    """Return the newest job that did not finish well: of the same cell, else of the same header.

    None where there is nothing to resume, or such a job has finished well since.

    Parameters
    ----------
    what, origin
        As in `Job`.

    Raises
    ------
    ResumeError
        The last job of all is unfinished, and is another one: it may well be meant.
    """
    with _lock:
        newest_first = [job for job in reversed(jobs) if job.done()]
    of_cell = [job for job in newest_first if origin is not None and job.origin == origin]
    of_header = [job for job in newest_first if job.what == what]
    for job in (of_cell or of_header)[:1]:
        return None if job.succeeded else job
    if newest_first and not newest_first[0].succeeded:
        raise ResumeError.other_job(what, newest_first[0].what)
    return None
