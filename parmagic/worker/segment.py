"""Blocks of shared memory between the kernel and its workers.

A segment has no name that anyone could open: its descriptor travels over a Unix socket, and
the memory goes back to the system when the last process that holds it lets go. Nothing is
left in ``/dev/shm`` whatever is killed, and no resource tracker is needed. Only Windows,
where descriptors do not travel, opens it by a name, which ends with the last process, too.
"""

from __future__ import annotations

import atexit
import mmap
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any, NamedTuple

from parmagic.worker import kinds

if TYPE_CHECKING:
    from parmagic.worker.window import Window

# Buffers start at multiples of a cache line, as NumPy's own allocations do.
ALIGNMENT = 64

PRIVATE = mmap.ACCESS_COPY  # what is written stays in the process that writes
READ = mmap.ACCESS_READ
WRITE = mmap.ACCESS_WRITE  # what is written is seen by all

BESIDE = None  # a descriptor travels beside the message
KNOWN = ""  # the receiver is the one that it came from


class Shipped(NamedTuple):
    """A segment as a message speaks of it.

    ``route`` says how the receiver gets it: `BESIDE`, `KNOWN`, or the name to open.
    """

    number: int
    nbytes: int
    filled: int
    access: int
    route: str | None


class Segment:
    """A block of shared memory, as one process holds it.

    Attributes
    ----------
    number
        One that no other segment of any process has.
    access
        How a worker is to map it: `PRIVATE`, `READ` or `WRITE`.
    known_there
        Whether it has come from the kernel, to this worker.
    on_disk
        Whether it is a file, which is slower than memory.
    given
        Whether another process has it as its own now.
    filled
        Up to where it was written: there are pages.
    uses
        How often it was used before.
    """

    lost = False

    def __init__(
        self, nbytes: int, descriptor: int, name: str | None = BESIDE, *, number: int | None = None
    ) -> None:
        self.number = int.from_bytes(os.urandom(8)) if number is None else number
        self.nbytes = nbytes
        self.descriptor = descriptor
        self.access = PRIVATE
        self.known_there = False
        self.on_disk = False
        self.given = False
        self.filled = 0
        self.uses = 0
        self._windows: dict[int, Window] = {}
        self._name = name
        self._owner = 0
        # On Windows the memory is there as long as somebody maps it.
        if descriptor < 0 and name:
            self.window(WRITE)

    @classmethod
    def make(cls, nbytes: int) -> Segment:
        """Make one of ``nbytes`` at the least, whose memory is taken as it is written.

        Raises
        ------
        OSError
            ENOSPC or ENOMEM where there is no memory, EMFILE where there are no descriptors.
        """
        return cls._of(kinds.make_memory(), nbytes, on_disk=kinds.KIND == "file")

    @classmethod
    def make_file(cls, nbytes: int) -> Segment:
        """Make one that is a file, and needs no memory.

        Raises
        ------
        OSError
            There is no room on the disk, or there are no descriptors.
        """
        return cls._of(kinds.make_file(), nbytes, on_disk=True)

    @classmethod
    def _of(cls, block: kinds.Block, nbytes: int, *, on_disk: bool) -> Segment:
        segment = cls(nbytes, block.descriptor, block.name)
        segment.on_disk = on_disk
        segment.own(segment.named)
        if block.descriptor != kinds.NOWHERE:
            try:
                os.truncate(block.descriptor, nbytes)
            except BaseException:
                segment.close()
                raise
        return segment

    @classmethod
    def holding(cls, parts: Sequence[memoryview]) -> Segment:
        """Make a segment that holds ``parts`` one after the other, each at `offsets`.

        Raises
        ------
        OSError
            Neither in memory nor on disk.
        """
        try:
            return cls._filled(cls.make, parts)
        except OSError as error:
            try:
                return cls._filled(cls.make_file, parts)
            except OSError:
                raise error from None

    @classmethod
    def _filled(cls, make: Callable[[int], Segment], parts: Sequence[memoryview]) -> Segment:
        starts, nbytes = offsets(part.nbytes for part in parts)
        segment = make(nbytes)
        try:
            segment.fill(parts, starts)
        except BaseException:
            segment.close()
            raise
        return segment

    @classmethod
    def arrived(cls, shipped: Shipped, descriptor: int | None) -> Segment:
        """Open what a message speaks of; a ``descriptor`` is the segment's from here on."""
        name = shipped.route
        if descriptor is None and sys.platform != "win32":
            assert name
            descriptor = os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        segment = cls(
            shipped.nbytes, -1 if descriptor is None else descriptor, name, number=shipped.number
        )
        segment.access, segment.filled = shipped.access, shipped.filled
        return segment

    def shipped(self, *, to_kernel: bool = False) -> Shipped:
        """Describe it for a message."""
        route = KNOWN if to_kernel and self.known_there else self._name
        return Shipped(self.number, self.nbytes, self.filled, self.access, route)

    def own(self, yes: bool = True, /) -> None:
        """Be the one that takes the name away in the end, or leave that to the receiver."""
        self._owner = os.getpid() if yes else 0
        if yes:
            _to_unlink.add(self)

    @property
    def named(self) -> bool:
        """Whether it lasts only as long as the process that made it holds it."""
        return self._name is not BESIDE

    def fill(self, parts: Sequence[memoryview], starts: Sequence[int]) -> None:
        """Write each of ``parts`` from its start on; raise as `write` does."""
        for part, start in zip(parts, starts, strict=True):
            self.write(part, start)

    def write(self, part: memoryview, start: int) -> None:
        """Write ``part`` from ``start`` on.

        Raises
        ------
        OSError
            ENOSPC where memory is full.
        """
        end = start + part.nbytes
        if not _WRITES_THROUGH or (end <= self.filled and self._is_worth_a_window):
            self._window_to_write().write(part, start)
        else:
            self._write_through(part, start)
            self.filled = max(self.filled, end)

    @property
    def _is_worth_a_window(self) -> bool:
        return WRITE in self._windows or self.uses >= _USES_FOR_A_WINDOW

    def _window_to_write(self) -> Window:
        is_new = WRITE not in self._windows
        window = self.window(WRITE)
        if is_new:
            window.make_ready(self.filled)
        return window

    def _write_through(self, part: memoryview, start: int) -> None:
        # The first touch of a page through a mapping is SIGBUS where memory is full;
        # through write it is ENOSPC, and also faster: 3.4 against 8.5 ms for 8 MiB.
        while part.nbytes:
            written = os.pwrite(self.descriptor, part, start)
            part, start = part[written:], start + written

    def window(self, access: int) -> Window:
        """Return the window that is kept for ``access``."""
        if access not in self._windows:
            from parmagic.worker.window import Window  # ctypes, 8 ms

            self._windows[access] = Window(self.map(access))
        return self._windows[access]

    def drop_window(self, access: int) -> None:
        """Keep the window for ``access`` no longer."""
        self._windows.pop(access, None)

    def is_written(self) -> bool:
        """Tell whether this process has pages of its own in it."""
        window = self._windows.get(PRIVATE)
        return window is not None and window.is_private()

    def map(self, access: int = WRITE) -> mmap.mmap:
        """Map the whole segment."""
        if sys.platform == "win32":
            return mmap.mmap(-1, self.nbytes, tagname=self._name, access=access)
        return mmap.mmap(self.descriptor, self.nbytes, access=access, **_NO_DESCRIPTOR)

    def read(self, start: int, nbytes: int) -> bytearray:
        """Copy a part of it."""
        if sys.platform == "win32" or not hasattr(os, "preadv"):
            with self.map(READ) as window:
                return bytearray(window[start : start + nbytes])
        part = bytearray(nbytes)
        rest = memoryview(part)
        while rest:
            count = os.preadv(self.descriptor, [rest], start)
            rest, start = rest[count:], start + count
        return part

    def discard(self) -> None:
        """Let go of what nobody looks at, and free the memory, also where a window is kept."""
        if sys.platform == "linux":
            with suppress(OSError):
                os.ftruncate(self.descriptor, 0)
        self.close()

    @property
    def discarded(self) -> bool:
        """Whether its memory was freed, by whomever."""
        if sys.platform != "linux":
            return False
        try:
            return os.fstat(self.descriptor).st_size < self.nbytes
        except OSError:  # an item has closed whatever there was
            return True

    def close(self) -> None:
        """Let go; mappings stay. The memory is freed when no process holds it."""
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)
            if self._owner == os.getpid() and self._name:
                os.unlink(self._name)
        self._windows.clear()

    def __del__(self, _is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # An Interrupt at the wrong moment may lose one that is still open.
        if not _is_finalizing():
            self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # Into a process that is being spawned, and nowhere else.
        return _spawned, (reduction.DupFd(self.descriptor), self.nbytes)


def _spawned(descriptor: Any, nbytes: int) -> Segment:
    return Segment(nbytes, descriptor.detach())


def offsets(lengths: Iterable[int]) -> tuple[list[int], int]:
    """Lay ``lengths`` bytes out one after the other; return where each starts, and the end."""
    starts, end = [], 0
    for length in lengths:
        starts.append(end)
        end += -(-length // ALIGNMENT) * ALIGNMENT
    return starts, max(end, ALIGNMENT)


def size_class(nbytes: int) -> int:
    """Round up to a quarter power of two, so that segments of a like size can be reused.

    (As allocators do, jemalloc among them: at most a fifth is wasted, and of address space
    only, since the end of a segment is not touched.)
    """
    if nbytes <= _LEAST_BYTES:
        return _LEAST_BYTES
    quarter = 1 << ((nbytes - 1).bit_length() - 3)
    return -(-nbytes // quarter) * quarter


_LEAST_BYTES = 64 * 1024
# To write through a new window takes twice as long as without one, through an old one a quarter.
_USES_FOR_A_WINDOW = 1
# A mapping needs a descriptor of its own, before Python 3.13.
_NO_DESCRIPTOR: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}


# A file in /dev/shm outlasts the process; results may live until its end.
_to_unlink: weakref.WeakSet[Segment] = weakref.WeakSet()


@atexit.register
def _unlink_all() -> None:
    for segment in list(_to_unlink):
        segment.close()


# macOS writes to shared memory through mappings only.
_WRITES_THROUGH = sys.platform not in ("win32", "darwin")
