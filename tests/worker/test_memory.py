from __future__ import annotations

import gc
import mmap
import os
import resource
from collections.abc import Iterator

import pytest

from parmagic.worker.memory import ALIGNMENT, LiveMappings, Segment, offsets

PARTS = {
    "none": [],
    "one": [b"abc"],
    "empty": [b"", b"x"],
    "several": [b"a" * 63, b"b" * 64, b"c" * 65, b"d"],
    "large": [os.urandom(3_000_000), b"end"],
}


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.holding([memoryview(b"0123456789")])
    yield segment
    segment.close()


@pytest.mark.parametrize(
    ("lengths", "starts", "nbytes"),
    [
        ([], [], ALIGNMENT),
        ([0], [0], ALIGNMENT),
        ([1], [0], ALIGNMENT),
        ([64, 1], [0, 64], 128),
        ([65, 0, 3], [0, 128, 128], 192),
    ],
)
def test_parts_start_at_cache_lines(lengths: list[int], starts: list[int], nbytes: int) -> None:
    assert offsets(lengths) == (starts, nbytes)


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_segment_holds_its_parts(parts: list[bytes]) -> None:
    segment = Segment.holding([memoryview(part) for part in parts])
    starts, nbytes = offsets(map(len, parts))
    with segment.map() as mapping:
        held = [
            mapping[start : start + len(part)] for start, part in zip(starts, parts, strict=True)
        ]
    segment.close()
    assert held == parts
    assert segment.nbytes == nbytes


def test_a_private_mapping_keeps_its_writes_to_itself(segment: Segment) -> None:
    with segment.map(private=True) as private, segment.map() as shared:
        private[:3] = b"abc"
        assert (private[:5], shared[:5]) == (b"abc34", b"01234")


def test_shared_mappings_see_each_other(segment: Segment) -> None:
    with segment.map() as one, segment.map() as other:
        one[:3] = b"abc"
        assert other[:5] == b"abc34"


def test_a_mapping_outlives_the_descriptor() -> None:
    segment = Segment.holding([memoryview(b"abc")])
    with segment.map() as mapping:
        segment.close()
        assert mapping[:3] == b"abc"


def test_where_memory_is_full_it_is_an_error_that_leaves_no_descriptor() -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            Segment.holding([memoryview(bytes(2_000_000))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_live_mappings_are_counted_until_they_die() -> None:
    live = LiveMappings()
    mappings = []
    while not live.full:
        mappings.append(mmap.mmap(-1, 64))
        live.add(mappings[-1])
    assert 64 <= len(mappings) <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4
    mappings.pop()
    gc.collect()
    assert not live.full
