"""Anonymous shared memory between the kernel and its workers.

A segment has no name: its descriptor travels over a Unix socket, and the memory
goes back to the system when the last process that holds it lets go. Nothing is
left in ``/dev/shm`` whatever is killed, and no resource tracker is needed.
"""

from __future__ import annotations

import mmap
import os
import sys
import weakref
from collections.abc import Iterable, Sequence
from multiprocessing import reduction
from typing import Any

# Buffers start at multiples of a cache line, as NumPy's own allocations do.
ALIGNMENT = 64


class Segment:
    """A block of anonymous memory, known by its descriptor.

    Raises
    ------
    OSError
        ENOSPC where the memory is not to be had, EMFILE where descriptors are not.
    """

    def __init__(self, descriptor: int, nbytes: int) -> None:
        self.descriptor = descriptor
        self.nbytes = nbytes

    @classmethod
    def holding(cls, parts: Sequence[memoryview]) -> Segment:
        """Make a segment that holds ``parts`` one after the other, each at `offsets`."""
        starts, nbytes = offsets(part.nbytes for part in parts)
        segment = cls(_anonymous_file(), nbytes)
        try:
            for start, part in zip(starts, parts, strict=True):
                segment._write(part, start)
            os.truncate(segment.descriptor, nbytes)
        except OSError:
            segment.close()
            raise
        return segment

    def _write(self, part: memoryview, start: int) -> None:
        # The first touch of a page through a mapping is SIGBUS where memory is full;
        # through write it is ENOSPC, and also faster (7.0 against 12.4 ms for 8 MiB).
        part = part.cast("B")
        while part.nbytes:
            written = os.pwrite(self.descriptor, part, start)
            part, start = part[written:], start + written

    def map(self, *, private: bool = False) -> mmap.mmap:
        """Map the whole segment; with ``private`` what is written stays in this process."""
        flags = mmap.MAP_PRIVATE if private else mmap.MAP_SHARED
        return mmap.mmap(self.descriptor, self.nbytes, flags=flags)

    def close(self) -> None:
        """Give up the descriptor; mappings stay."""
        os.close(self.descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        # Into a process that is being spawned, and nowhere else.
        return _arrived, (reduction.DupFd(self.descriptor), self.nbytes)


def _arrived(descriptor: Any, nbytes: int) -> Segment:
    return Segment(descriptor.detach(), nbytes)


def offsets(lengths: Iterable[int]) -> tuple[list[int], int]:
    """Lay ``lengths`` bytes out one after the other; return where each starts, and the end."""
    starts, end = [], 0
    for length in lengths:
        starts.append(end)
        end += -(-length // ALIGNMENT) * ALIGNMENT
    return starts, max(end, ALIGNMENT)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        # Not bound by the size of /dev/shm, which is 64 MB in most containers.
        return os.memfd_create("parmagic", os.MFD_CLOEXEC)
    import tempfile  # 4 ms, and not for Linux

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class LiveMappings:
    """Count the mappings that someone still looks at.

    Each holds a descriptor for as long as it lives (Python's mmap duplicates it), so
    their number must stay well under the process's limit.
    """

    def __init__(self) -> None:
        self._count = 0
        self._most = _descriptors_to_spend()

    @property
    def full(self) -> bool:
        """Whether one more would be too many: copy instead."""
        return self._count >= self._most

    def add(self, mapping: mmap.mmap) -> None:
        """Count ``mapping`` until it dies."""
        self._count += 1
        weakref.finalize(mapping, self._remove).atexit = False

    def _remove(self) -> None:
        self._count -= 1


def _descriptors_to_spend() -> int:
    if sys.platform == "win32":
        return 256
    import resource

    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 256 if soft_limit == resource.RLIM_INFINITY else min(256, soft_limit // 4)


live_mappings = LiveMappings()
