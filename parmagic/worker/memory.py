"""The segments that this process holds, and what looks at them.

A *hold* keeps a segment from being used for something else: a message under way has one, a
*look* has one until the last array made of it is gone, and in the kernel each worker has one
for whatever it was sent. The last one to let go gives the segment to the `Keeper`.

::

    Segment ──look──▶ Look ◀── memoryview ◀── array, slices of it, views of those
       ▲               │
       └──── hold ─────┘ until the look dies, which no view of it outlives
"""

from __future__ import annotations

import bisect
import mmap
import os
import sys
import threading
import weakref
from collections import Counter, deque
from typing import Any, NamedTuple, Protocol

from parmagic.worker.segment import PRIVATE, READ, WRITE, Segment, size_class


class Keeper(Protocol):
    """Where segments come from, and where they go."""

    def take(self, nbytes: int) -> Segment | None:
        """Return one of ``nbytes`` or more that nobody holds, or None if there is none."""

    def put(self, segment: Segment, *, clean: bool) -> None:
        """Take a segment that nobody holds any more.

        Parameters
        ----------
        clean
            Whether that is certain: it may be used again.
        """


class Found(NamedTuple):
    """Where a buffer lies."""

    segment: Segment
    start: int


class _Mapped(NamedTuple):
    start: int
    end: int
    mapping: weakref.ref[mmap.mmap]
    segment: Segment
    access: int


class CloseAll:
    """The `Keeper` that keeps nothing."""

    def take(self, nbytes: int) -> Segment | None:  # noqa: ARG002
        return None

    def put(self, segment: Segment, *, clean: bool) -> None:  # noqa: ARG002
        segment.close()


class Memory:
    """Who holds which segment in this process. For all threads.

    Attributes
    ----------
    keeper
        Where free segments go.
    shares
        Whether there is memory that is the same for all, so that a copy is no substitute.
    writable
        Whether workers may write to any of it.
    """

    def __init__(self) -> None:
        self.keeper: Keeper = CloseAll()
        self.shares = False
        self.writable = False
        self._lock = threading.Lock()
        self._holds: Counter[Segment] = Counter()
        self._unclean: set[Segment] = set()
        # A look dies in whatever thread and moment: what ends is noted here, without a lock.
        self._ended: deque[_Hold] = deque()
        self._looks = 0
        self._most_looks = descriptors_to_spend()
        self._mapped: list[_Mapped] = []

    @property
    def busy(self) -> bool:
        """Whether any segment is held."""
        return bool(self._holds)

    @property
    def full(self) -> bool:
        """Whether one more look would be too many: copy instead.

        Each may cost two descriptors, so their number must stay well under the process's limit.
        """
        self.settle(wait=False)
        return self._looks >= self._most_looks

    def take(self, nbytes: int) -> Segment:
        """Return a segment of ``nbytes`` or more, with one hold.

        Raises
        ------
        OSError
            There is no memory, or there are no descriptors.
        """
        segment = self.keeper.take(nbytes) or Segment.make(size_class(nbytes))
        self.hold(segment)
        return segment

    def holds(self, segment: Segment) -> int:
        """Return how many holds there are on ``segment``."""
        self.settle()
        return self._holds[segment]

    def is_clean(self, segment: Segment) -> bool:
        """Tell whether all who had looked at ``segment`` are known to have let go."""
        return segment not in self._unclean

    def hold(self, *segments: Segment) -> None:
        """Keep ``segments`` until `release`."""
        with self._lock:
            self._holds.update(segments)

    def release(self, *segments: Segment, clean: bool = True) -> None:
        """Let go of ``segments``; without ``clean``, somebody unknown may still look at them."""
        if not clean:
            self._unclean.update(segments)
        self._ended.extend(_Hold(segment) for segment in segments)
        self.settle()

    def look(self, segment: Segment, access: int) -> Any:
        """Return a buffer that is ``segment``, which is held until no array is made of it.

        Raises
        ------
        OSError
            There are no descriptors.
        """
        look = self._mapping_of(segment) if access == READ else None
        if look is not None:  # one is enough for all who may only read
            return look
        mapping, look = self._opened(segment, access)
        with self._lock:
            self._holds[segment] += 1
            self._looks += 1
            if segment.access != PRIVATE:  # its window may be an old one, remembered as private
                self._note_writable()
        weakref.finalize(look, self._on_death, segment).atexit = False
        if mapping is not None:
            self._remember(mapping, segment, access)
        return look

    def _opened(self, segment: Segment, access: int) -> tuple[mmap.mmap | None, Any]:
        """Return a look, and the mapping under it that is to be remembered."""
        if access == READ:
            mapping = segment.map(READ)
            return mapping, mapping
        window = segment.window(access)
        if access == PRIVATE or window.remembered:
            return None, window.look()
        window.remembered = True
        return window.mapping, window.look()

    def _mapping_of(self, segment: Segment) -> mmap.mmap | None:
        with self._lock:
            # A window to write may be kept of the segment, from when it was something else.
            own = (each for each in self._mapped if each.segment is segment)
            found = [each.mapping() for each in own if each.access == READ]
        return next((mapping for mapping in found if mapping is not None), None)

    def _remember(self, mapping: mmap.mmap, segment: Segment, access: int) -> None:
        from parmagic.worker.address import address_of  # ctypes, 8 ms

        start = address_of(mapping)
        mapped = _Mapped(start, start + segment.nbytes, weakref.ref(mapping), segment, access)
        with self._lock:
            self._forget_dead()  # one of them may have been in the same place
            bisect.insort(self._mapped, mapped, key=_start)
            self._note_writable()

    def _forget_dead(self) -> None:
        self._mapped = [each for each in self._mapped if each.mapping() is not None]

    def find(self, buffer: memoryview) -> Found | None:
        """Tell where ``buffer`` lies, if that is in a segment that others may look at."""
        if not self._mapped:
            return None
        from parmagic.worker.address import address_of

        address = address_of(buffer)
        with self._lock:
            place = bisect.bisect_right(self._mapped, address, key=_start) - 1
            mapped = self._mapped[place] if place >= 0 else None
        # What was mapped there may have gone, and something else have come; but then there is
        # nothing to get from the reference, from the first moment on.
        if mapped is None or address >= mapped.end or mapped.mapping() is None:
            return None
        return Found(mapped.segment, address - mapped.start)

    def unshare(self, segment: Segment) -> None:
        """Let workers look at ``segment`` as at any other: what they write stays with them."""
        with self._lock:
            segment.access = PRIVATE
            self._note_writable()

    def _note_writable(self) -> None:
        # A window may be kept of what nobody looks at.
        kinds = {each.segment.access for each in self._mapped if each.segment in self._holds}
        self.shares, self.writable = bool(kinds - {PRIVATE}), WRITE in kinds

    def access_of(self, buffer: memoryview) -> int:
        """Return how workers look at the memory of ``buffer``: `PRIVATE` where they have copies."""
        found = self.find(buffer)
        return PRIVATE if found is None else found.segment.access

    def _on_death(self, segment: Segment) -> None:
        self._ended.append(_Hold(segment, by_look=True))
        self.settle(wait=False)

    def settle(self, *, wait: bool = True) -> None:
        """Take note of the holds that have ended, and give free segments to the keeper.

        Parameters
        ----------
        wait
            Whether to do so too where somebody else is at it, perhaps this thread further up.
        """
        if not self._lock.acquire(blocking=wait):
            return
        try:
            free = self._settled()
        finally:
            self._lock.release()
        for segment, clean in free:
            self.keeper.put(segment, clean=clean)

    def _settled(self) -> list[tuple[Segment, bool]]:
        free = []
        while self._ended:
            segment, by_look = self._ended.popleft()
            self._looks -= by_look
            self._holds[segment] -= 1
            if not self._holds[segment]:
                del self._holds[segment]
                free.append((segment, segment not in self._unclean))
                self._unclean.discard(segment)
        if free:
            self._forget_dead()
            self._note_writable()
        return free

    def after_fork(self, *, child: bool) -> None:
        """Trust nobody to have let go of what is held now: both processes look at it."""
        if child:
            self._lock = threading.Lock()
        self._unclean.update(self._holds)


class _Hold(NamedTuple):
    segment: Segment
    by_look: bool = False


def _start(mapped: _Mapped) -> int:
    return mapped.start


def descriptors_to_spend() -> int:
    """Return how many looks this process may have at once."""
    if sys.platform == "win32":
        return 256
    import resource

    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 256 if soft_limit == resource.RLIM_INFINITY else min(256, soft_limit // 8)


_SPARE_DESCRIPTORS = 16


def descriptors_are_scarce(descriptor: int) -> bool:
    """Tell by a copy of ``descriptor`` whether this process can have few more, or none (1 µs)."""
    if sys.platform == "win32":
        return False
    import resource

    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        lowest = os.dup(descriptor)
    except OSError:
        return True
    os.close(lowest)
    return soft_limit != resource.RLIM_INFINITY and lowest > soft_limit - _SPARE_DESCRIPTORS


memory = Memory()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        after_in_parent=lambda: memory.after_fork(child=False),
        after_in_child=lambda: memory.after_fork(child=True),
    )
