from __future__ import annotations

import os

import pytest

from parmagic.mapping.room import Room
from parmagic.pool.memory import room_for_workers


def room(limit_bytes: int | None) -> Room:
    return Room(limit_bytes, lambda: [os.getpid()])


def test_nothing_is_known_before_a_peak_was_measured() -> None:
    assert room(1000).most_workers() is None


@pytest.mark.parametrize(
    ("peaks", "most"), [([400], 2), ([100, 400, 200], 2), ([1000], 1), ([1001], 1), ([10], 100)]
)
def test_as_many_run_as_fit_with_the_highest_peak_and_always_one(
    peaks: list[int], most: int
) -> None:
    limited = room(1000)
    for peak in peaks:
        limited.learn(peak)
    assert limited.most_workers() == most


def test_without_a_limit_what_is_free_counts_and_what_the_workers_use() -> None:
    free = room_for_workers([])
    here = room_for_workers([os.getpid()])
    assert free is not None
    assert here is not None
    assert here > 0
    unlimited = room(None)
    unlimited.learn(max(1, free // 10))
    assert 5 <= (unlimited.most_workers() or 0) <= 15
