"""The kernel's segments in a worker, which has none of its own."""

from __future__ import annotations

import os
import time
from collections import deque

from parmagic.worker.memory import CloseAll, Keeper, descriptors_to_spend
from parmagic.worker.segment import PRIVATE, Segment, Shipped

# The windows of segments that come again and again are kept, as long as the kernel keeps the
# segments. What it gives back is freed here at once, and let go when this worker looks for it.
KEPT_SECONDS = 30.0
LOOK_SECONDS = 5.0
MOST_KEPT = 128


class Loans:
    """A worker's `Keeper`: notes what it no longer needs, for the kernel to use again.

    Attributes
    ----------
    loan
        A segment for the next values.
    others
        Where segments are kept that are not the kernel's.
    """

    def __init__(self) -> None:
        self.loan: Segment | None = None
        self.others: Keeper = CloseAll()
        # Both are added to wherever an array dies.
        self._released: deque[int] = deque()
        self._returned: deque[Segment] = deque()
        self._kept: dict[int, tuple[float, Segment]] = {}

    def take(self, nbytes: int) -> Segment | None:
        """Return the loan if it is large enough, once."""
        loan = self.loan
        if loan is None or loan.lost or loan.nbytes < nbytes:
            return self.others.take(nbytes)
        self.loan = None
        return loan

    def put(self, segment: Segment, *, clean: bool) -> None:
        """Let go of ``segment``, and say so if that is certain."""
        if segment.given and clean and not segment.on_disk:
            # The kernel has it; it may lend it to us some time.
            segment.known_there, segment.given = True, False
            self._returned.append(segment)
        elif not segment.known_there:
            self.others.put(segment, clean=clean)
        elif clean:
            self._returned.append(segment)
            self._released.append(segment.number)
        else:
            segment.close()

    def __bool__(self) -> bool:
        return bool(self._released)

    def take_released(self) -> tuple[int, ...]:
        """Return what was let go since the last time."""
        released = []
        while self._released:
            released.append(self._released.popleft())
        return tuple(released)

    @property
    def keeps_any(self) -> bool:
        """Whether there is something for `recall`."""
        return bool(self._kept or self._returned)

    def recall(self, shipped: Shipped, descriptor: int | None) -> Segment | None:
        """Return a segment that has come before, with its windows, instead of a new one."""
        self.sort_in()
        _, segment = self._kept.pop(shipped.number, (0.0, None))
        if segment is None:
            return None
        if descriptor is not None:
            os.close(descriptor)
        segment.access, segment.filled = shipped.access, shipped.filled
        segment.uses += 1
        return segment

    def sort_in(self) -> None:
        """Look through what was let go: for a large segment that takes a while."""
        while self._returned:
            self._keep(self._returned.popleft())
        while len(self._kept) > min(MOST_KEPT, descriptors_to_spend() // 2):
            _, oldest = self._kept.pop(next(iter(self._kept)))
            oldest.close()

    def drop_old(self) -> None:
        """Let go of what did not come again for a while, or never will."""
        self.sort_in()
        before = time.monotonic() - KEPT_SECONDS
        for number, (since, segment) in list(self._kept.items()):
            if since < before or segment.discarded:
                del self._kept[number]
                segment.close()

    def _keep(self, segment: Segment) -> None:
        # The same may be here twice: as items of two chunks.
        if segment.lost or segment.number in self._kept:
            segment.close()
            return
        if segment.is_written():
            segment.drop_window(PRIVATE)
        self._kept[segment.number] = (time.monotonic(), segment)
