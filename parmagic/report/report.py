"""A job at one moment, as plain data."""

from dataclasses import dataclass
from typing import Literal

from parmagic.report.units import duration

# Where an item takes longer than this from end to end, sending it is not what takes the time.
_SHORT_ITEM_SECONDS = 0.01


State = Literal["running", "done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that raised: its place, its short repr, and what it raised."""

    index: int
    item: str
    error: str


@dataclass(frozen=True, slots=True)
class Report:
    """A job at one moment, as plain data: numbers and strings only.

    Attributes
    ----------
    what
        The header as typed: ``seed in range(200)``, or ``square over numbers``.
    items
        None while the length of the iterable is unknown.
    done, failed
        Items with a value, and items with an error.
    workers, busy_workers
        Zero workers: the items ran in the kernel, one after the other.
    item_seconds
        The items' own seconds, summed: what a serial loop would have taken.
    start_seconds
        The part of ``wall_seconds`` before the first worker was ready: all of it until then,
        none with warm workers.
    kept
        Items of ``done`` whose values were taken over from an earlier job.
    preview
        Short reprs of the first results.
    """

    what: str
    state: State
    items: int | None
    done: int
    failed: int
    workers: int
    busy_workers: int
    chunks: int
    wall_seconds: float
    item_seconds: float
    start_seconds: float
    kept: int = 0
    preview: tuple[str, ...] = ()
    failures: tuple[FailedItem, ...] = ()

    @property
    def finished(self) -> int:
        """Items that have run, well or badly."""
        return self.done + self.failed

    @property
    def pending(self) -> int | None:
        """Items that have not run to their end; None while the length is unknown."""
        return None if self.items is None else max(self.items - self.finished, 0)

    @property
    def starting(self) -> bool:
        """Whether the job still waits for its first worker."""
        return self.state == "running" and 0 < self.wall_seconds <= self.start_seconds

    @property
    def rate(self) -> float | None:
        """Items a second since the first worker was ready; None before the first item."""
        return _ratio(self._ran, self._warm_seconds)

    @property
    def remaining_seconds(self) -> float | None:
        """How long the rest will take at this rate; None where nobody can know."""
        if self.state != "running" or self.pending is None or self.rate is None:
            return None
        return self.pending / self.rate

    @property
    def speedup(self) -> float | None:
        """How many times as fast as a serial loop; None before the first item, or in the kernel."""
        return _ratio(self.item_seconds, self.wall_seconds) if self.workers else None

    @property
    def efficiency(self) -> float | None:
        """The part of the workers' time that the items used: 1.0 is ideal."""
        return None if self.speedup is None else self.speedup / self.workers

    @property
    def remark(self) -> str:
        """One sentence on why a job that is done gained little, or the empty string."""
        if self.state != "done" or self.speedup is None:
            return ""
        if self._items_are_too_short:
            return self._short_items_remark()
        if self.start_seconds >= self.wall_seconds / 4:
            return self._start_remark()
        return self._overhead_remark() if self.speedup < 0.5 else ""

    @property
    def _ran(self) -> int:
        return self.finished - self.kept

    @property
    def _warm_seconds(self) -> float:
        return self.wall_seconds - self.start_seconds

    @property
    def _items_are_too_short(self) -> bool:
        longest = self._ran * _SHORT_ITEM_SECONDS
        return self._ran > 1 and self.item_seconds < self._warm_seconds < longest

    def _short_items_remark(self) -> str:
        each = duration(self.item_seconds / self._ran, digits=2)
        serial = duration(self.item_seconds, digits=2)
        return (
            f"The items are too short to gain from processes: {each} each; "
            f"a serial loop would have taken {serial}."
        )

    def _start_remark(self) -> str:
        start = duration(self.start_seconds, digits=2)
        return f"{start} of this was the start of the workers: the next cell will not pay it."

    def _overhead_remark(self) -> str:
        work = duration(self.item_seconds, digits=2)
        return f"Only {work} of this was the work itself: the rest was making and sending items."


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if part > 0 and whole > 0 else None
