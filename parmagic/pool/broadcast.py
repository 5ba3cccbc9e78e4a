"""What functions capture, in memory once for all workers and for one job after the other.

An array that the function of the next job captures, too, is not sent again if it is the same,
byte for byte: to compare 400 MB takes 30 ms, to write them 150. Whatever has changed in place,
be it one number, is seen, and written.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from parmagic.pool.stock import IDLE_SECONDS, MOST_BYTES
from parmagic.worker.address import same_bytes
from parmagic.worker.memory import Found, memory
from parmagic.worker.parcel import Shipment, filled, wrap
from parmagic.worker.pickling import Pickled
from parmagic.worker.segment import WRITE, Segment

# Smaller ones are sent with the function, for each job.
LEAST_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
# Each costs descriptors here and in the workers.
_MOST = 64


@dataclass(eq=False)
class _Broadcast:
    """A copy of what was captured, and a hold on its segment."""

    segment: Segment
    nbytes: int
    used: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._window = self.segment.window(WRITE)
        self._copy = memoryview(self._window.mapping)[: self.nbytes]

    @property
    def is_unused(self) -> bool:
        """Whether no job and no worker is known to look at it."""
        return memory.holds(self.segment) == 1

    @property
    def is_idle(self) -> bool:
        """Whether nobody looks at it, for certain."""
        return self.is_unused and memory.is_clean(self.segment)

    def equals(self, raw: memoryview) -> bool:
        """Tell whether it holds the same bytes."""
        return raw.nbytes == self.nbytes and same_bytes(raw, self._copy)

    def rewrite(self, raw: memoryview) -> None:
        """Hold the bytes of ``raw``, which is as long, from now on."""
        # All pages are there, so to write through the mapping cannot fail, and is fastest.
        for start in range(0, self.nbytes, _BLOCK_BYTES):
            block = slice(start, start + _BLOCK_BYTES)
            if not same_bytes(raw[block], self._copy[block]):
                self._window.write(raw[block], start)

    def close(self) -> None:
        self._copy.release()
        if self.is_idle:
            self.segment.discard()
        memory.release(self.segment, clean=False)  # not to be kept any longer, by the stock


Place = Callable[[memoryview, set[Segment]], Found | None]


class Broadcasts:
    """The copies of what was captured lately."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[_Broadcast] = []

    def place(self, raw: memoryview, used: set[Segment]) -> Found | None:
        """Return where the bytes of ``raw`` lie for all workers; None if they are too few.

        Parameters
        ----------
        used
            The segments of the same payload, which are not to be given twice: a worker may write
            to one of two arrays that are equal. The caller has a hold on each.
        """
        if raw.nbytes < LEAST_BYTES:
            return None
        with self._lock:
            broadcast = self._equal(raw, used) or self._rewritten(raw, used) or self._new(raw, used)
            if broadcast is None:
                return None
            broadcast.used = time.monotonic()
            memory.hold(broadcast.segment)
        used.add(broadcast.segment)
        return Found(broadcast.segment, 0)

    def ship(self, pickled: Pickled, place: Place | None = None) -> Shipment:
        """Make what was pickled ready to travel, with its large buffers where `place` has them.

        Parameters
        ----------
        place
            Another such function.
        """
        place = place or self.place
        used: set[Segment] = set()

        def found(raw: memoryview) -> Found | None:
            return memory.find(raw) or place(raw, used)

        try:
            return wrap(*pickled, place=found)
        finally:
            memory.release(*used)

    def _equal(self, raw: memoryview, used: set[Segment]) -> _Broadcast | None:
        unused = (each for each in self._kept if each.segment not in used)
        return next((each for each in unused if each.equals(raw)), None)

    def _rewritten(self, raw: memoryview, used: set[Segment]) -> _Broadcast | None:
        for each in self._kept:
            if each.nbytes == raw.nbytes and each.segment not in used and each.is_idle:
                each.rewrite(raw)
                return each
        return None

    def _new(self, raw: memoryview, used: set[Segment]) -> _Broadcast | None:
        self._make_room(raw.nbytes, used)
        if len(self._kept) >= _MOST or memory.full:
            return None
        try:
            segment, trouble = filled([raw], [0], raw.nbytes)
        except OSError:  # who asks will meet it, too
            return None
        try:
            if trouble:
                return None
            memory.hold(segment)
            self._kept.append(_Broadcast(segment, raw.nbytes))
            return self._kept[-1]
        except OSError:  # no descriptor for the window
            memory.release(segment)
            return None
        finally:
            memory.release(segment)

    def _make_room(self, nbytes: int, used: set[Segment]) -> None:
        # The oldest first; those of jobs under way stay.
        for each in sorted(self._kept, key=lambda each: each.used):
            kept = sum(each.nbytes for each in self._kept)
            if kept + nbytes > MOST_BYTES and each.segment not in used and each.is_unused:
                self._drop(each)

    def trim(self) -> None:
        """Give back what was not used for a while."""
        before = time.monotonic() - IDLE_SECONDS
        with self._lock:
            for each in list(self._kept):
                if each.used < before and each.is_unused:
                    self._drop(each)

    def clear(self) -> None:
        """Give back all that no job needs."""
        with self._lock:
            for each in list(self._kept):
                self._drop(each)

    def _drop(self, broadcast: _Broadcast) -> None:
        self._kept.remove(broadcast)
        broadcast.close()

    @property
    def kept_bytes(self) -> int:
        """How much there is."""
        return sum(each.nbytes for each in self._kept)

    def after_fork(self) -> None:
        """Forget all in a child: its parent writes there."""
        self._lock = threading.Lock()
        while self._kept:
            self._kept.pop().close()


broadcasts = Broadcasts()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=broadcasts.after_fork)
