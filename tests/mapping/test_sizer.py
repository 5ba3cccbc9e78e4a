from __future__ import annotations

import math

import pytest

from parmagic.mapping.sizer import (
    HAND_BACK,
    MOST_BYTES,
    MOST_GROWTH,
    TARGET_SECONDS,
    ChunkSizer,
)


def learned(item_seconds: float, *, nbytes: int = 0, chunks: int = 20) -> int:
    """Return the size after ``chunks`` chunks of items that are all alike."""
    sizer = ChunkSizer()
    for _ in range(chunks):
        size = sizer.size(None, 2)
        sizer.learn(size, size * item_seconds, size * nbytes)
    return sizer.size(None, 2)


def test_the_first_chunk_is_one_item() -> None:
    assert ChunkSizer().size(None, 2) == ChunkSizer().size(1000, 2) == 1


@pytest.mark.parametrize("seconds", [10, 1, TARGET_SECONDS, 0.001, 1e-6])
def test_a_chunk_comes_to_take_the_target(seconds: float) -> None:
    assert learned(seconds) == max(1, round(TARGET_SECONDS / seconds))


def test_items_that_take_no_time_are_no_error() -> None:
    assert learned(0.0) > 1000


def test_it_grows_by_a_limited_factor() -> None:
    assert [learned(0.0, chunks=chunks) for chunks in range(4)] == [
        MOST_GROWTH**chunks for chunks in range(4)
    ]


@pytest.mark.parametrize("nbytes", [1000, MOST_BYTES // 7, MOST_BYTES, 100 * MOST_BYTES])
def test_a_chunk_has_no_more_bytes_than_the_limit(nbytes: int) -> None:
    assert learned(1e-9, nbytes=nbytes) == max(1, MOST_BYTES // nbytes)


def test_one_slow_chunk_is_half_of_the_measure() -> None:
    sizer = ChunkSizer()
    for seconds in (0.001, 0.003):
        sizer.learn(100, 100 * seconds, 0)
    assert sizer.size(None, 2) == math.floor(TARGET_SECONDS / 0.002)


@pytest.mark.parametrize(
    ("rest", "workers", "size"), [(1000, 2, 50), (100, 2, 25), (100, 5, 10), (3, 2, 1), (0, 2, 1)]
)
def test_the_last_chunks_are_small(rest: int, workers: int, size: int) -> None:
    sizer = ChunkSizer()
    for _ in range(10):
        sizer.learn(50, TARGET_SECONDS, 0)
    assert sizer.size(rest, workers) == size


@pytest.mark.parametrize("rest", [None, 0, 1, 1000])
def test_a_fixed_size_is_kept(rest: int | None) -> None:
    sizer = ChunkSizer(7)
    sizer.learn(7, 100.0, 100 * MOST_BYTES)
    assert sizer.size(rest, 2) == 7
    assert sizer.hand_back_seconds == math.inf


def test_an_empty_chunk_teaches_nothing() -> None:
    sizer = ChunkSizer()
    sizer.learn(0, 0.0, 0)
    assert sizer.size(None, 2) == 1


def test_a_chunk_far_past_its_time_hands_back() -> None:
    assert ChunkSizer().hand_back_seconds == HAND_BACK * TARGET_SECONDS
