"""Free segments, kept for a while to be used again.

The first touch of a page of memory costs three times as much as to write to it again, so the
memory of results that are no longer needed carries the next items, and the next results.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Container

from parmagic.worker.loans import Loans, most_kept
from parmagic.worker.memory import memory
from parmagic.worker.segment import PRIVATE, Segment, size_class

MOST_BYTES = 1 << 30
# People run a cell again within a minute, or do something else.
IDLE_SECONDS = 30.0
# A segment of up to this many times the wanted size will do.
_GENEROUS = 2


class Stock:
    """The kernel's `Keeper`: what nobody holds, by size.

    It keeps nothing unless a pool looks after it, see `open` and `trim`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools = 0
        # Segments come from wherever an array dies, also below this very lock.
        self._arrived: deque[tuple[float, Segment]] = deque()
        self._free: list[tuple[float, Segment]] = []

    @property
    def free_bytes(self) -> int:
        """How much it keeps."""
        return sum(segment.nbytes for _, segment in [*self._free, *self._arrived])

    @property
    def is_open(self) -> bool:
        """Whether it keeps anything."""
        return self._pools > 0

    def open(self) -> None:
        """Keep segments from now on, for one pool more."""
        with self._lock:
            self._pools += 1

    def close(self) -> None:
        """Keep none for this pool any longer."""
        with self._lock:
            self._pools -= 1
        if not self._pools:
            self.clear()

    def put(self, segment: Segment, *, clean: bool) -> None:
        """Keep ``segment``, unless it may still be looked at or is a special one."""
        if clean and self._pools and _is_ordinary(segment):
            self._arrived.append((time.monotonic(), segment))
            if len(self._arrived) > most_kept() and self._lock.acquire(blocking=False):
                try:
                    superfluous = self._sort_in()
                finally:
                    self._lock.release()
                _discard(superfluous)
        elif clean and segment.access != PRIVATE:
            segment.discard()  # was shared
        else:
            segment.close()

    def take(self, nbytes: int, known: Container[int] = ()) -> Segment | None:
        """Return the smallest free segment of ``nbytes`` or somewhat more.

        Parameters
        ----------
        known
            Numbers of those to be preferred: who is to write there has done so before.
        """
        with self._lock:
            superfluous = self._sort_in()
            segment = self._taken(nbytes, known)
        _discard(superfluous)
        if segment is not None:
            segment.uses += 1
        return segment

    def _taken(self, nbytes: int, known: Container[int]) -> Segment | None:
        fitting = [
            (segment.nbytes, segment.number not in known, number)
            for number, (_, segment) in enumerate(self._free)
            if nbytes <= segment.nbytes <= _GENEROUS * size_class(nbytes)
        ]
        return self._free.pop(min(fitting)[2])[1] if fitting else None

    def trim(self) -> None:
        """Give back what was not needed for a while."""
        self._give_back(before=time.monotonic() - IDLE_SECONDS)

    def clear(self) -> None:
        """Give back all."""
        self._give_back(before=math.inf)

    def _give_back(self, before: float) -> None:
        with self._lock:
            given_back = self._sort_in()
            while self._free and self._free[0][0] < before:
                given_back.append(self._free.pop(0)[1])
        _discard(given_back)

    def _sort_in(self) -> list[Segment]:
        """Return those that are too many."""
        while self._arrived:
            self._free.append(self._arrived.popleft())
        kept = sum(segment.nbytes for _, segment in self._free)
        superfluous: list[Segment] = []
        while kept > MOST_BYTES or len(self._free) > most_kept():
            _, oldest = self._free.pop(0)
            kept -= oldest.nbytes
            superfluous.append(oldest)
        return superfluous

    def after_fork(self) -> None:
        """Keep nothing in a child: its parent uses the same memory again."""
        self._lock = threading.Lock()
        self._pools = 0
        for kept in (self._free, self._arrived):
            while kept:
                kept.pop()[1].close()


def _discard(segments: list[Segment]) -> None:
    # Not under a lock that chunks wait for: to free 1 GB takes 50 ms.
    for segment in segments:
        segment.discard()


def _is_ordinary(segment: Segment) -> bool:
    return segment.access == PRIVATE and not segment.on_disk and not segment.given


stock = Stock()
if isinstance(memory.keeper, Loans):  # in a worker, which has a pool of its own
    memory.keeper.others = stock
else:
    memory.keeper = stock
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=stock.after_fork)
