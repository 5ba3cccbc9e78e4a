from __future__ import annotations

import gc
import mmap
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from parmagic.worker.segment import PRIVATE, READ, WRITE, Segment
from parmagic.worker.window import Window

PAGE = mmap.PAGESIZE
NBYTES = 64 * PAGE


@pytest.fixture
def segment(kind: str) -> Iterator[Segment]:
    segment = Segment.make(NBYTES)
    segment.write(memoryview(bytes(range(256)) * (NBYTES // 256)), 0)
    yield segment
    segment.close()


def test_a_look_is_the_memory_itself(segment: Segment) -> None:
    window = Window(segment.map(WRITE))
    one, other = (np.frombuffer(window.look(), "u1") for _ in range(2))
    assert one.nbytes == NBYTES
    one[5] = 77
    assert other[5] == window.mapping[5] == segment.read(5, 1)[0] == 77


@pytest.mark.parametrize(
    "made",
    [
        lambda look: np.frombuffer(look, "u1")[5:6],
        lambda look: memoryview(look).cast("B")[3:][::2],
        lambda look: np.ndarray((2,), "u1", memoryview(look)),
    ],
    ids=["a slice of an array", "a slice of a memoryview", "an array of a memoryview"],
)
def test_a_look_lives_as_long_as_what_is_made_of_it(
    segment: Segment, made: Callable[[Any], Any]
) -> None:
    window = Window(segment.map(WRITE))
    look = window.look()
    alive = weakref.ref(look)
    kept = made(look)
    del look
    gc.collect()
    assert alive() is not None
    del kept
    gc.collect()
    assert alive() is None
    assert window.mapping[:2] == b"\0\1"


def test_looks_are_told_apart(segment: Segment) -> None:
    window = Window(segment.map(WRITE))
    one, other = window.look(), window.look()
    alive = weakref.ref(one)
    del one
    assert alive() is None
    assert bytes(other[:2]) == b"\0\1"


def test_a_look_may_outlive_the_window(segment: Segment) -> None:
    window = Window(segment.map(WRITE))
    array = np.frombuffer(window.look(), "u1")
    del window
    gc.collect()
    array[7] = 42
    assert segment.read(7, 1)[0] == 42


def test_it_writes_where_it_should(segment: Segment) -> None:
    window = Window(segment.map(WRITE))
    window.write(memoryview(b"abc"), 1000)
    window.write(memoryview(b""), 5)
    window.write(memoryview(np.arange(2.0)), 2048)
    assert segment.read(999, 5) == bytes([231]) + b"abc" + bytes([235])
    assert np.frombuffer(segment.read(2048, 16)).tolist() == [0, 1]


# What may be done with a private window, and whether that leaves pages of its own.
DEEDS: dict[str, tuple[Callable[[mmap.mmap], object], bool]] = {
    "nothing": (lambda mapping: None, False),
    "a page is read": (lambda mapping: mapping[5], False),
    "all is read": (lambda mapping: bytes(mapping), False),
    "the first byte is written": (lambda mapping: mapping.__setitem__(0, 1), True),
    "the last byte is written": (lambda mapping: mapping.__setitem__(NBYTES - 1, 1), True),
    "the same is written": (lambda mapping: mapping.__setitem__(3, 3), True),
    "all is written": (lambda mapping: mapping.__setitem__(slice(0, NBYTES), bytes(NBYTES)), True),
    "a page is read and one is written": (
        lambda mapping: (mapping[0], mapping.__setitem__(9 * PAGE, 0)),
        True,
    ),
}


@pytest.mark.parametrize(("deed", "private"), DEEDS.values(), ids=DEEDS)
def test_it_knows_whether_it_has_pages_of_its_own(
    segment: Segment, deed: Callable[[mmap.mmap], object], private: bool
) -> None:
    window = Window(segment.map(PRIVATE))
    deed(window.mapping)
    assert window.is_private() == private


@pytest.mark.parametrize("access", [READ, WRITE])
def test_what_all_see_is_never_its_own(segment: Segment, access: int) -> None:
    window = Window(segment.map(access))
    assert bytes(window.mapping)[:2] == b"\0\1"
    if access == WRITE:
        window.mapping[:5] = b"abcde"
    assert not window.is_private()


def test_of_a_segment_that_nobody_has_written_there_are_no_pages(kind: str) -> None:
    segment = Segment.make(NBYTES)
    window = Window(segment.map(PRIVATE))
    assert not window.is_private()
    assert bytes(window.mapping) == bytes(NBYTES)
    assert not window.is_private()
    segment.close()


def test_a_clean_window_shows_what_others_write(segment: Segment) -> None:
    window = Window(segment.map(PRIVATE))
    assert window.mapping[:2] == b"\0\1"
    segment.write(memoryview(b"xy"), 0)
    assert window.mapping[:2] == b"xy"
