from __future__ import annotations

import mmap
import os
import sys
from contextlib import closing

import pytest

from parmagic.worker.footprint import private_bytes, take_peak
from parmagic.worker.memory import Segment

MEGABYTE = 1024 * 1024

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured on Linux only")


def fresh_pages(nbytes: int) -> mmap.mmap:
    """Return memory of the system's, touched; an allocator may give what was freed before."""
    pages = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for start in range(0, nbytes, mmap.PAGESIZE):
        pages[start] = 1
    return pages


def test_what_is_allocated_counts_and_what_is_freed_does_not() -> None:
    before = private_bytes()
    with closing(fresh_pages(50 * MEGABYTE)):
        assert private_bytes() - before > 45 * MEGABYTE
    assert private_bytes() - before < 5 * MEGABYTE


def test_what_is_shared_does_not_count() -> None:
    segment = Segment.holding([memoryview(bytearray(50 * MEGABYTE))])
    before = private_bytes()
    with segment.map() as mapping:
        assert set(mapping[::4096]) == {0}
        assert private_bytes() - before < 5 * MEGABYTE
    segment.close()


def test_the_peak_is_that_since_it_was_last_taken() -> None:
    take_peak()
    before = take_peak()
    fresh_pages(50 * MEGABYTE).close()
    assert take_peak() - before > 45 * MEGABYTE
    assert take_peak() - before < 5 * MEGABYTE


def test_another_process_is_measured_until_it_is_gone() -> None:
    assert private_bytes(os.getpid()) > MEGABYTE
    assert private_bytes(2**22 + 1) == 0
