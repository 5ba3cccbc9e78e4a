"""The last twenty jobs as reports: their values may be gone, what they were is kept."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, Protocol

from parmagic.mapping.record import Record
from parmagic.mapping.spans import Spans
from parmagic.report.report import Report

MOST_ENTRIES = 20
# A shorter job is over before one could ask what took how long; to find out would take longer.
_WORTH_SECONDS = 0.005


class Logged(Protocol):
    """A job, as far as it matters here."""

    record: Record

    def progress(self) -> Report:
        """Describe in short how far it is."""

    def in_short(self) -> Report:
        """Describe it without lanes, outputs, and values that are slow to print."""

    def preview(self) -> tuple[str, ...]:
        """Return short texts of the first values."""


class _Past(NamedTuple):
    """What is kept of a job that is over: numbers and short texts."""

    report: Report
    spans: Spans
    began: float
    failed: frozenset[int]

    @classmethod
    def of(cls, job: Logged, report: Report) -> _Past:
        record = job.record
        return cls(report, record.spans, record.usage.began, frozenset(record.errors))


class Entry:
    """One job: itself while it runs, afterwards its report.

    Attributes
    ----------
    number
        Counts the jobs of this process, from 1 on.
    began
        When, as ``time.time()`` tells it.
    job
        None once it is over.
    """

    def __init__(self, number: int, job: Logged) -> None:
        self.number = number
        self.began = time.time()
        self.job: Logged | None = job
        self._whole = weakref.ref(job)
        self._past: _Past | None = None

    def end(self) -> None:
        """Let go of the job, and keep its report."""
        job = self.job
        if job is not None:
            report = job.progress()
            if report.wall_seconds >= _WORTH_SECONDS:
                with suppress(Exception):  # of a value that is asked for its texts
                    report = job.in_short()
            self._past = _Past.of(job, report)
            self.job = None

    def summary(self) -> Report:
        """Describe the job in short."""
        job, past = self.job, self._past
        return past.report if past is not None else job.progress()  # type: ignore[union-attr]

    def report(self) -> Report:
        """Describe the job: all that is left of it, but for what the items wrote."""
        job, past = self._whole(), self._past
        if past is None:
            assert job is not None
            past = _Past.of(job, job.in_short())
        lanes = past.spans.lanes(past.began, past.failed, past.report.wall_seconds)
        preview = past.report.preview if job is None else job.preview()
        return replace(past.report, lanes=lanes, preview=preview)

    def seconds(self) -> Sequence[float]:
        """Return how long its items took."""
        job, past = self.job, self._past
        spans = past.spans if past is not None else job.record.spans  # type: ignore[union-attr]
        return spans.seconds()


class Logbook:
    """Entries from the oldest to the newest; a new one takes the place of the oldest."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MOST_ENTRIES)
        self._count = 0
        self._lock = threading.Lock()

    def begin(self, job: Logged) -> Entry:
        """Note that ``job`` begins; say to what is returned when it ends."""
        with self._lock:  # several threads may map at once
            self._count += 1
            entry = Entry(self._count, job)
            self._entries.append(entry)
        return entry

    def entries(self) -> list[Entry]:
        """Return them, the oldest first."""
        with self._lock:
            return list(self._entries)


logbook = Logbook()
