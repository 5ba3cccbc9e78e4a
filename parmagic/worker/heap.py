"""Let the C library keep the memory of large arrays between items, and no longer.

By itself glibc gives an array of a megabyte or more back when it dies, and the next one comes
page by page from the system, zeroed: for 8 MiB that takes longer than to fill them.
"""

from __future__ import annotations

import sys
from typing import Any

# mallopt(3): the sizes from which on memory is mapped for itself, 32 MiB at the most, and up to
# which the free end of the heap is kept.
_M_MMAP_THRESHOLD, _MAPPED_BYTES = -3, 32 * 1024 * 1024
_M_TRIM_THRESHOLD, _KEPT_BYTES = -1, 128 * 1024 * 1024


def keep_freed() -> None:
    """Keep the memory that is freed, up to a limit."""
    if _libc is not None:
        _libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        _libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back() -> None:
    """Give back what is kept."""
    if _libc is not None:
        _libc.malloc_trim(0)


def _glibc() -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


_libc = _glibc()
