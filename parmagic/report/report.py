"""A job at one moment, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from parmagic.report.lane import Lane
from parmagic.report.now import WorkerNow
from parmagic.report.output import ItemOutput

State = Literal["running", "done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that raised.

    Attributes
    ----------
    item
        Its short repr.
    error
        What it raised: class and message, in one line.
    kind
        The class alone.
    line
        Where in the user's code: ``line 2``, or ``line 2 of model.py``. Empty if unknown.
    """

    index: int
    item: str
    error: str
    kind: str = ""
    line: str = ""

    @property
    def class_name(self) -> str:
        """The class of what it raised; taken from ``error`` where ``kind`` is empty."""
        return self.kind or self.error.partition(":")[0]

    @property
    def message(self) -> str:
        """What it raised, without the class."""
        return self.error.removeprefix(self.class_name).removeprefix(":").strip()


@dataclass(frozen=True, slots=True)
class SlowItem:
    """One of the items that took longest; ``item`` is its short repr, if it is still known."""

    index: int
    item: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """Where the workers' time went: seconds, of all workers together.

    Attributes
    ----------
    compute
        In the function.
    serialise
        Unpickling items, and pickling their values.
    transfer
        On the way from the kernel and back.
    start
        Before the first worker was ready.
    load
        Unpickling the function, and importing what it uses.
    wait
        The rest: with nothing to do, because the kernel was making or reading items, or
        because none were left.
    """

    compute: float
    serialise: float
    transfer: float
    start: float
    wait: float
    load: float = 0.0


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
    failures
        The first hundred of those that failed.
    slowest
        The items that took longest, the slowest first.
    time
        Where the workers' time went; None while the job runs, and in the kernel.
    nbytes
        How many bytes the items and their values had together.
    lanes
        What each worker ran, by time: at most about a thousand bars in all.
    outputs
        What the items printed and displayed, by index.
    left_seconds
        How long the rest will take, as far as measured times tell; None where nobody can know.
    now
        What each worker does while the job runs.
    backend
        Whose the workers are, if they are not ours.
    names
        What they are called, by number, if they have names.
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
    slowest: tuple[SlowItem, ...] = ()
    time: TimeSpent | None = None
    nbytes: int = 0
    lanes: tuple[Lane, ...] = ()
    outputs: tuple[ItemOutput, ...] = ()
    left_seconds: float | None = None
    now: tuple[WorkerNow, ...] = ()
    backend: str = ""
    names: Mapping[int, str] = field(default_factory=dict, hash=False)

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
        return _ratio(self.ran, self.warm_seconds)

    @property
    def remaining_seconds(self) -> float | None:
        """How long the rest will take: as measured, or else at this rate; None if unknown."""
        if self.state != "running":
            return None
        if self.left_seconds is not None:
            return self.left_seconds
        if self.pending is None or self.rate is None:
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
    def ran(self) -> int:
        """Items that this job itself has run, well or badly."""
        return self.finished - self.kept

    @property
    def warm_seconds(self) -> float:
        """The time since the first worker was ready."""
        return self.wall_seconds - self.start_seconds


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if part > 0 and whole > 0 else None
