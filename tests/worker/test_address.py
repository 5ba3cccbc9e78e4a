from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Script

from parmagic.worker.address import _THREADS, _WORTH_THREADS_BYTES, address_of, same_bytes

NUMBERS = np.arange(1000.0)
BUFFERS: dict[str, tuple[Any, int]] = {
    "an array": (NUMBERS, NUMBERS.ctypes.data),
    "a part of it": (NUMBERS[5:], NUMBERS.ctypes.data + 40),
    "a memoryview": (memoryview(NUMBERS), NUMBERS.ctypes.data),
    "a part of a memoryview": (memoryview(NUMBERS)[7:9], NUMBERS.ctypes.data + 56),
    "rows": (NUMBERS.reshape(10, 100)[3:], NUMBERS.ctypes.data + 2400),
    "its bytes": (memoryview(NUMBERS).cast("B")[1:], NUMBERS.ctypes.data + 1),
}


@pytest.mark.parametrize(("buffer", "address"), BUFFERS.values(), ids=BUFFERS)
def test_the_address_is_that_of_the_first_byte(buffer: Any, address: int) -> None:
    assert address_of(buffer) == address


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"abc",
        lambda: bytearray(b"abc"),
        lambda: np.frombuffer(b"abc", "u1"),
        lambda: (ctypes.c_char * 3).from_buffer(bytearray(b"abc")),
    ],
    ids=["bytes", "bytearray", "read-only array", "array of ctypes"],
)
def test_whatever_has_memory_has_an_address(make: Callable[[], Any]) -> None:
    buffer = make()
    assert ctypes.string_at(address_of(buffer), 3) == b"abc"


def test_a_buffer_can_be_closed_after_it_was_asked() -> None:
    mapping = mmap.mmap(-1, 4096)
    address_of(mapping)
    mapping.close()  # BufferError if it was not released


def test_what_is_not_in_one_piece_has_no_one_address() -> None:
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        address_of(NUMBERS[::2])


@pytest.mark.parametrize("length", [0, 1, 7, 4096, 100_003])
def test_bytes_are_the_same_if_all_are(length: int) -> None:
    one, other = bytearray(length), bytearray(length)
    assert same_bytes(memoryview(one), memoryview(other))
    for place in {0, length // 2, length - 1} if length else set():
        other[place] = 1
        assert not same_bytes(memoryview(one), memoryview(other))
        other[place] = 0


@pytest.mark.parametrize("more", [-1, 0, 1, 999])
def test_of_many_bytes_each_is_looked_at(more: int) -> None:
    length = _WORTH_THREADS_BYTES + more
    one, other = np.zeros(length, "u1"), np.zeros(length, "u1")
    assert same_bytes(memoryview(one), memoryview(other))
    part = -(-length // _THREADS)
    seams = {start + step for start in range(0, length, part) for step in (-1, 0)}
    for place in seams & {*range(length)} | {length // 3, length - 1}:
        other[place] = 1
        assert not same_bytes(memoryview(one), memoryview(other))
        other[place] = 0


AT_EXIT = f"""
import atexit
from parmagic.worker.address import same_bytes

large = memoryview(bytes({_WORTH_THREADS_BYTES}))
atexit.register(lambda: print(same_bytes(large, memoryview(bytes(large)))))
import concurrent.futures.thread  # which lets no thread begin once Python ends
"""


def test_they_are_compared_also_while_python_ends(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(AT_EXIT)
    ended = Script(tmp_path / "script.py").end()
    assert (ended.output, ended.errors) == ("True\n", "")


def test_equal_numbers_may_be_other_bytes() -> None:
    assert not same_bytes(memoryview(np.array([0.0])), memoryview(np.array([-0.0])))
    assert same_bytes(memoryview(np.array([np.nan])), memoryview(np.array([np.nan])))
