"""The memory of a process and of all its descendants."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from glob import glob  # which overlooks a folder that vanishes, as Path.glob does not
from pathlib import Path
from typing import NamedTuple

import psutil

PROC = Path("/proc")
SHARED = Path("/dev/shm")
# What is written to these lies in memory, mapped or not.
MEMORY_FILES = ("/memfd:", f"{SHARED}/")


class Footprint(NamedTuple):
    """Bytes in all.

    Attributes
    ----------
    mapped
        The sum of their PSS: each page is shared out among the processes that have used it.
    unmapped
        Shared memory beyond that: nobody has touched it yet, or does so any more.
    """

    mapped: int
    unmapped: int

    @property
    def nbytes(self) -> int:
        return self.mapped + self.unmapped

    @classmethod
    def of(cls, pid: int) -> Footprint:
        pids = list(_family(pid))
        mapped, shared = (sum(sizes) for sizes in zip(*map(_mapped, pids), strict=True))
        files = {file: nbytes for each in pids for file, nbytes in _memory_files(each)}
        return cls(mapped, max(0, sum(files.values()) - shared))


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(psutil.NoSuchProcess):
        yield from (child.pid for child in psutil.Process(pid).children(recursive=True))


def _mapped(pid: int) -> tuple[int, int]:
    """Return the PSS, and what of it is shared memory."""
    sizes = {"Pss:": 0, "Pss_Shmem:": 0}
    with suppress(OSError):  # it may end while we look
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            name, size, *_ = line.split()
            if name in sizes:
                sizes[name] = int(size) * 1024
    return sizes["Pss:"], sizes["Pss_Shmem:"]


def _memory_files(pid: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the identity and the bytes of each that is open, or has the process in its name."""
    descriptors = [link for link in glob(f"{PROC}/{pid}/fd/*") if _is_in_memory(link)]
    for path in [*descriptors, *glob(f"{SHARED}/*_{pid}_*/*")]:  # joblib's
        with suppress(OSError):
            file = os.stat(path)
            yield (file.st_dev, file.st_ino), file.st_blocks * 512


def _is_in_memory(link: str) -> bool:
    with suppress(OSError):
        return os.readlink(link).startswith(MEMORY_FILES)
    return False
