"""What one worker has of the kernel's memory, from the moment it is sent until it is let go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from parmagic.pool.stock import stock
from parmagic.worker.loans import most_kept
from parmagic.worker.memory import memory
from parmagic.worker.segment import KNOWN

if TYPE_CHECKING:
    from parmagic.worker.messages import Run
    from parmagic.worker.segment import Segment, Shipped

Segments = tuple["Segment", ...]


class Custody:
    """The holds on segments that a worker has been sent."""

    def __init__(self) -> None:
        self._held: dict[int, list[Segment]] = {}
        # It may have windows on these: to write there is fastest.
        self._seen: dict[int, None] = {}
        self._most_seen = most_kept()  # asks the system, which no message need wait for

    def lend(self, run: Run, segments: Segments, nbytes: int) -> tuple[Run, Segments]:
        """Add a free segment to ``run``, for values of ``nbytes``, if there is one."""
        loan = stock.take(nbytes, self._seen)
        if loan is None:
            return run, segments
        return run._replace(loan=loan.shipped()), (*segments, loan)

    def begin(self, segments: Sequence[Segment]) -> None:
        """Hold ``segments``, which are about to be sent."""
        memory.hold(*segments)
        for segment in segments:
            self._held.setdefault(segment.number, []).append(segment)
        self.note(segments)

    def note(self, segments: Sequence[Segment]) -> None:
        """Remember that the worker knows ``segments``."""
        for segment in segments:
            self._seen.pop(segment.number, None)
            self._seen[segment.number] = None
        while len(self._seen) > self._most_seen:
            del self._seen[next(iter(self._seen))]

    def find(self, shipped: Shipped, _: int | None) -> Segment | None:
        """Return the segment that the worker speaks of as known."""
        return self._held[shipped.number][-1] if shipped.route == KNOWN else None

    def end(self, numbers: Iterable[int], *, clean: bool = True) -> None:
        """Let go of segments that the worker does not look at any more.

        Parameters
        ----------
        clean
            Whether nobody else there does.
        """
        for number in numbers:
            held = self._held[number]
            memory.release(held.pop(), clean=clean)
            if not held:
                del self._held[number]

    def close(self) -> None:
        """Let go of all: the worker is dead."""
        # A process that it has made may still look at what it was sent.
        memory.release(*chain.from_iterable(self._held.values()), clean=False)
        self._held.clear()
