"""The kernel's segments in a worker, which has none of its own."""

from __future__ import annotations

import os
import sys
import time
from collections import deque

from parmagic.worker.memory import CloseAll, Keeper, descriptors_to_spend
from parmagic.worker.messages import Released
from parmagic.worker.segment import PRIVATE, Segment, Shipped

# The windows of segments that come again and again are kept, as long as the kernel keeps the
# segments. Under Linux what it gives back is freed at once, wherever it is mapped; elsewhere that
# takes until this worker lets go, too.
KEPT_SECONDS = 30.0 if sys.platform == "linux" else 5.0
LOOK_AGAIN_SECONDS = 5.0
MOST_KEPT = 128


def most_kept() -> int:
    """Return how many free segments a process keeps: each costs it two descriptors."""
    return min(MOST_KEPT, descriptors_to_spend() // 2)


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
        # All three are added to wherever an array dies.
        self._released: deque[int] = deque()
        self._unclean: deque[int] = deque()
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
        """Let go of ``segment``, and say so."""
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
            self._unclean.append(segment.number)
            segment.close()

    def __bool__(self) -> bool:
        return bool(self._released or self._unclean)

    def take_released(self) -> Released:
        """Return what was let go since the last time."""
        return Released(_taken(self._released), _taken(self._unclean))

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
        while len(self._kept) > most_kept():
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


def _taken(numbers: deque[int]) -> tuple[int, ...]:
    # More may come meanwhile.
    return tuple(numbers.popleft() for _ in range(len(numbers)))
