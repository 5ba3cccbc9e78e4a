from __future__ import annotations

import gc
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Script

from parmagic.worker import kinds
from parmagic.worker.segment import (
    ALIGNMENT,
    KNOWN,
    PRIVATE,
    READ,
    WRITE,
    Segment,
    offsets,
    size_class,
)

PARTS = {
    "none": [],
    "one": [b"abc"],
    "empty": [b"", b"x"],
    "several": [b"a" * 63, b"b" * 64, b"c" * 65, b"d"],
    "large": [bytes(range(256)) * 12_000, b"end"],
}


@pytest.fixture
def segment(kind: str) -> Iterator[Segment]:
    segment = Segment.holding([memoryview(b"0123456789")])
    yield segment
    segment.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def names() -> set[Path]:
    """Return what our segments have in the file system; other tests run beside us."""
    return set(Path("/dev/shm").glob(f"parmagic-{os.getpid()}-*"))


def opened(segment: Segment) -> Segment:
    """Open ``segment`` again, as the process does that it is sent to."""
    descriptor = None if segment.named else os.dup(segment.descriptor)
    return Segment.arrived(segment.shipped(), descriptor)


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


K = 1024


@pytest.mark.parametrize(
    ("nbytes", "size"),
    [
        (0, 64 * K),
        (1, 64 * K),
        (64 * K, 64 * K),
        (64 * K + 1, 80 * K),
        (80 * K, 80 * K),
        (112 * K + 1, 128 * K),
        (128 * K, 128 * K),
        (128 * K + 1, 160 * K),
        (2**40 + 1, 2**40 + 2**38),
    ],
)
def test_sizes_are_quarters_of_powers_of_two(nbytes: int, size: int) -> None:
    assert size_class(nbytes) == size


def test_a_size_class_is_enough_and_wastes_little() -> None:
    for nbytes in range(64 * K, 3000 * K, 997):
        size = size_class(nbytes)
        assert nbytes <= size < nbytes * 1.25
        assert size_class(size) == size
        assert size % (16 * K) == 0


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_segment_holds_its_parts(kind: str, parts: list[bytes]) -> None:
    segment = Segment.holding([memoryview(part) for part in parts])
    starts, nbytes = offsets(map(len, parts))
    places = list(zip(starts, map(len, parts), strict=True))
    with segment.map() as mapping:
        held = [mapping[start : start + length] for start, length in places]
    copies = [segment.read(start, length) for start, length in places]
    segment.close()
    assert held == copies == parts
    assert segment.nbytes == nbytes


def test_a_part_may_be_of_any_form(kind: str) -> None:
    numbers = memoryview(bytes(range(48))).cast("d", (2, 3))
    segment = Segment.holding([numbers])
    assert segment.read(0, 48) == bytes(range(48))
    segment.close()


def test_a_part_is_written_where_it_belongs(segment: Segment) -> None:
    segment.write(memoryview(b"ab"), 3)
    segment.write(memoryview(b""), 9)
    assert segment.read(0, 10) == b"012ab56789"


def test_what_is_read_is_a_copy(segment: Segment) -> None:
    part = segment.read(2, 3)
    part[:] = b"abc"
    assert segment.read(0, 5) == b"01234"


def test_a_private_mapping_keeps_its_writes_to_itself(segment: Segment) -> None:
    with segment.map(PRIVATE) as private, segment.map() as shared:
        private[:3] = b"abc"
        assert (private[:5], shared[:5]) == (b"abc34", b"01234")


def test_shared_mappings_see_each_other(segment: Segment) -> None:
    with segment.map(WRITE) as one, segment.map(WRITE) as other, segment.map(READ) as reader:
        one[:3] = b"abc"
        assert other[:5] == reader[:5] == b"abc34"


def test_a_mapping_to_read_refuses_to_be_written(segment: Segment) -> None:
    with segment.map(READ) as mapping, pytest.raises(TypeError, match="readonly"):
        mapping[0] = 0


def test_a_mapping_outlives_the_segment(segment: Segment) -> None:
    with segment.map() as mapping:
        segment.close()
        assert mapping[:3] == b"012"


def test_to_close_twice_is_to_close_once(segment: Segment) -> None:
    before = descriptors()
    segment.close()
    segment.close()
    assert descriptors() == before - 1


def test_one_that_is_lost_closes_itself(kind: str) -> None:
    before = descriptors()
    segment = Segment.make(1)
    assert descriptors() == before + 1
    del segment
    gc.collect()
    assert descriptors() == before
    assert names() == set()


def test_each_has_a_number_of_its_own(kind: str) -> None:
    segments = [Segment.make(1) for _ in range(20)]
    assert len({segment.number for segment in segments}) == 20


def test_no_program_inherits_it(segment: Segment) -> None:
    assert not os.get_inheritable(segment.descriptor)


def test_a_file_needs_no_memory(segment: Segment, kind: str) -> None:
    file = Segment.make_file(1)
    assert lies_on_disk(file)
    assert lies_on_disk(segment) == (kind == "file")
    file.close()


def lies_on_disk(segment: Segment) -> bool:
    name = os.readlink(f"/proc/self/fd/{segment.descriptor}")
    return name.startswith(tempfile.gettempdir())


def test_none_but_the_named_can_be_found_in_the_file_system(segment: Segment, kind: str) -> None:
    assert segment.named == (kind == "named")
    assert len(names()) == (kind == "named")
    segment.close()
    assert names() == set()


@pytest.mark.parametrize("access", [PRIVATE, READ, WRITE])
def test_the_receiver_knows_it_by_its_number_and_how_to_map_it(
    segment: Segment, access: int
) -> None:
    segment.access = access
    there = opened(segment)
    assert (there.number, there.nbytes, there.access) == (segment.number, segment.nbytes, access)
    there.close()


def test_sender_and_receiver_look_at_the_same_memory(segment: Segment) -> None:
    there = opened(segment)
    there.write(memoryview(b"abc"), 0)
    assert segment.read(0, 5) == b"abc34"
    segment.close()
    assert there.read(0, 5) == b"abc34"
    there.close()


def test_a_receiver_that_lets_go_leaves_it_to_the_others(segment: Segment) -> None:
    opened(segment).close()
    another = opened(segment)
    assert another.read(0, 3) == b"012"
    another.close()


def test_the_receiver_can_be_the_one_that_takes_the_name_away(segment: Segment) -> None:
    there = opened(segment)
    there.own(there.named)
    segment.own(False)
    segment.close()
    another = opened(there)
    assert another.read(0, 3) == b"012"
    another.close()
    there.close()
    assert names() == set()


@pytest.mark.parametrize("known_there", [False, True])
@pytest.mark.parametrize("to_kernel", [False, True])
def test_what_the_kernel_has_made_goes_back_to_it_by_its_number_alone(
    segment: Segment, known_there: bool, to_kernel: bool
) -> None:
    segment.known_there = known_there
    shipped = segment.shipped(to_kernel=to_kernel)
    assert (shipped.number, shipped.nbytes) == (segment.number, segment.nbytes)
    assert (shipped.route == KNOWN) == (known_there and to_kernel)


@pytest.mark.parametrize("kind", [*kinds.MAKERS, "any, as a file"])
def test_where_there_is_no_room_it_is_an_error_that_leaves_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch, lowered: Any
) -> None:
    monkeypatch.setattr(kinds, "KIND", kind)
    make = Segment.make if kind in kinds.MAKERS else Segment.make_file
    before = descriptors(), names()
    with lowered(resource.RLIMIT_FSIZE, 1_000_000), pytest.raises(OSError, match="too large"):
        make(2_000_000)
    after = descriptors(), names()
    for name in after[1] - before[1]:
        name.unlink()
    assert after == before


def test_where_memory_runs_out_while_it_is_written_that_is_an_error(
    kind: str, lowered: Any
) -> None:
    segment = Segment.make(2_000_000)
    with lowered(resource.RLIMIT_FSIZE, 1_000_000), pytest.raises(OSError, match="too large"):
        segment.write(memoryview(bytes(2_000_000)), 0)
    segment.close()


def test_without_descriptors_there_is_no_segment(kind: str, lowered: Any) -> None:
    before = names()
    with lowered(resource.RLIMIT_NOFILE, 1), pytest.raises(OSError, match="Too many open files"):
        Segment.make(1)
    assert names() == before


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ("memfd", "memfd"),
        ("shm", "shm"),
        ("named", "named"),
        ("file", "file"),
        ("", "memfd"),
        ("nonsense", "memfd"),
    ],
)
def test_the_environment_chooses_the_kind(
    script: Callable[..., Script], monkeypatch: pytest.MonkeyPatch, chosen: str, found: str
) -> None:
    monkeypatch.setenv("PARMAGIC_MEMORY", chosen)
    ended = script("from parmagic.worker.kinds import KIND; print(KIND)").end()
    assert ended == (0, f"{found}\n", "")


ENDS = {
    "in silence": "",
    "sys.exit": "sys.exit()",
    "held by a module": "sys.kept = segment",
    "in a cycle": "cycle = [segment]; cycle.append(cycle); del segment",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_name_does_not_outlast_the_program(script: Callable[..., Script], end: str) -> None:
    made = "import sys; from parmagic.worker import kinds; from parmagic.worker.segment import *\n"
    named = "kinds.KIND = 'named'; segment = Segment.make(1000); print(segment._name)\n"
    ended = script(made + named + end).end()
    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.startswith("/dev/shm/parmagic-")
    assert not Path(ended.output.strip()).exists()


FORK = """
import os, sys
from parmagic.worker import kinds
from parmagic.worker.segment import Segment
kinds.KIND = "{kind}"
segment = Segment.make(1000)
segment.write(memoryview(b"abc"), 0)
child = os.fork()
if child == 0:
    {end}
assert os.waitpid(child, 0)[1] == 0
assert not segment.named or os.path.exists(segment._name)
assert segment.read(0, 3) == b"abc"
"""


@pytest.mark.parametrize("kind", kinds.MAKERS)
@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit()"])
def test_a_fork_that_ends_takes_nothing_from_its_parent(
    script: Callable[..., Script], kind: str, end: str
) -> None:
    assert script(FORK.format(kind=kind, end=end)).end() == (0, "", "")
