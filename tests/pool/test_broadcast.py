from __future__ import annotations

import gc
import itertools
import os
import resource
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support import Script

from parmagic.pool import broadcast as module
from parmagic.pool.broadcast import _BLOCK_BYTES, LEAST_BYTES, Broadcasts, broadcasts
from parmagic.pool.payload import Payload
from parmagic.worker.memory import Found, memory
from parmagic.worker.parcel import unwrap
from parmagic.worker.segment import READ, Segment

pytestmark = pytest.mark.usefixtures("nothing_held")

N = 3 * _BLOCK_BYTES + 12_345
# Where a byte may change: at the ends, at the borders of blocks, in between.
PLACES = {
    "the first": 0,
    "the last": N - 1,
    "before a border": _BLOCK_BYTES - 1,
    "after a border": _BLOCK_BYTES,
    "in the last block": 3 * _BLOCK_BYTES,
    "in between": 2 * _BLOCK_BYTES + 4711,
}


@pytest.fixture
def kept() -> Iterator[Broadcasts]:
    kept = Broadcasts()
    yield kept
    kept.clear()


@pytest.fixture
def payloads() -> Iterator[Callable[..., Payload]]:
    """Make payloads; at the end none is left, and nothing of what they captured."""
    made: list[Payload] = []

    def make(fn: Callable[..., object]) -> Payload:
        made.append(Payload.of(fn, star=False, keep_going=True))
        return made[-1]

    yield make
    for payload in made:
        payload.close()
    broadcasts.clear()


def numbers(seed: int = 0, count: int = N) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, count, np.uint8)


class Job:
    """What one payload gets, until it is over."""

    def __init__(self, kept: Broadcasts, *arrays: np.ndarray) -> None:
        used: set[Segment] = set()
        self.found = [kept.place(memoryview(array), used) for array in arrays]
        self._used = used

    @property
    def segments(self) -> list[Segment]:
        return [found.segment for found in self.found if found is not None]

    def over(self) -> Job:
        memory.release(*self._used)
        self._used.clear()
        return self


def content(found: Found | None, count: int = N) -> np.ndarray:
    assert found is not None
    return np.frombuffer(found.segment.read(found.start, count), np.uint8)


def test_what_is_captured_is_copied_once(kept: Broadcasts) -> None:
    array = numbers()
    job = Job(kept, array)
    assert np.array_equal(content(job.found[0]), array)
    assert kept.kept_bytes == N
    assert memory.holds(job.segments[0]) == 2
    job.over()
    assert memory.holds(job.segments[0]) == 1


def test_unchanged_it_is_found_again(kept: Broadcasts) -> None:
    array = numbers()
    first = Job(kept, array)
    during = Job(kept, array)
    first.over()
    during.over()
    after = Job(kept, array.copy()).over()
    assert first.segments == during.segments == after.segments
    assert kept.kept_bytes == N


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_one_byte_that_has_changed_is_seen_and_written(kept: Broadcasts, place: int) -> None:
    array = numbers()
    first = Job(kept, array).over()
    array[place] += 1
    second = Job(kept, array).over()
    assert np.array_equal(content(second.found[0]), array)
    assert first.segments == second.segments  # of no use to anybody else
    assert kept.kept_bytes == N


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_a_job_looks_at_is_not_written_to(kept: Broadcasts, place: int) -> None:
    array = numbers()
    before = array.copy()
    first = Job(kept, array)
    array[place] += 1
    second = Job(kept, array)
    assert np.array_equal(content(first.found[0]), before)
    assert np.array_equal(content(second.found[0]), array)
    assert first.segments != second.segments
    first.over()
    second.over()


def test_what_a_worker_looks_at_is_not_written_to(kept: Broadcasts) -> None:
    array = numbers()
    first = Job(kept, array).over()
    memory.hold(*first.segments)  # as for a worker that it was sent to
    second = Job(kept, numbers(1)).over()
    assert first.segments != second.segments
    assert np.array_equal(content(first.found[0]), array)
    memory.release(*first.segments)
    third = Job(kept, numbers(2)).over()
    assert third.segments == first.segments


def test_what_a_dead_worker_s_fork_may_look_at_is_not_written_to(kept: Broadcasts) -> None:
    first = Job(kept, numbers()).over()
    memory.hold(*first.segments)
    memory.release(*first.segments, clean=False)
    second = Job(kept, numbers(1)).over()
    assert first.segments != second.segments


def test_another_size_is_another_segment(kept: Broadcasts) -> None:
    jobs = [Job(kept, numbers(0, N + more)).over() for more in (0, 1, -1)]
    assert len({segment for job in jobs for segment in job.segments}) == 3
    assert kept.kept_bytes == 3 * N


def test_two_equal_arrays_of_one_payload_get_two_segments(kept: Broadcasts) -> None:
    array = numbers()
    for _ in range(2):
        job = Job(kept, array, array.copy(), array.copy())
        assert len(set(job.segments)) == 3
        assert all(np.array_equal(content(found), array) for found in job.found)
        job.over()
    assert kept.kept_bytes == 3 * N


def test_two_jobs_at_a_time_may_have_the_same(kept: Broadcasts) -> None:
    one, other = Job(kept, numbers(), numbers(1)), Job(kept, numbers(1), numbers())
    assert one.segments == other.segments[::-1]
    one.over()
    other.over()


@pytest.mark.parametrize(
    ("count", "is_kept"), [(0, False), (1, False), (LEAST_BYTES - 1, False), (LEAST_BYTES, True)]
)
def test_few_bytes_are_not_kept(kept: Broadcasts, count: int, is_kept: bool) -> None:
    job = Job(kept, numbers(0, count)).over()
    assert bool(job.segments) == is_kept
    assert kept.kept_bytes == count * is_kept


def test_the_oldest_goes_when_it_is_too_much(
    kept: Broadcasts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3 * N)
    first, second, third = (numbers(seed, N + seed) for seed in range(3))
    jobs = [Job(kept, first).over(), Job(kept, second).over(), Job(kept, first).over()]
    jobs.append(Job(kept, third).over())  # a little too much: the second is the oldest now
    assert kept.kept_bytes == 2 * N + 2
    assert Job(kept, first).over().segments == jobs[0].segments
    assert memory.holds(jobs[1].segments[0]) == 0


def test_what_jobs_look_at_stays_though_it_is_too_much(
    kept: Broadcasts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", N)
    one, other = Job(kept, numbers()), Job(kept, numbers(1))
    assert kept.kept_bytes == 2 * N
    assert np.array_equal(content(one.found[0]), numbers())
    one.over()
    other.over()


def test_there_are_not_too_many(kept: Broadcasts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    jobs = [Job(kept, numbers(seed)) for seed in range(3)]
    assert [len(job.segments) for job in jobs] == [1, 1, 0]
    for job in jobs:
        job.over()
    assert len(Job(kept, numbers(3)).over().segments) == 1  # written over an old one


@pytest.mark.parametrize(("idle_seconds", "left"), [(-1.0, 1), (60.0, 2)])
def test_what_was_not_used_for_a_while_is_given_back(
    kept: Broadcasts, monkeypatch: pytest.MonkeyPatch, idle_seconds: float, left: int
) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", idle_seconds)
    under_way, idle = Job(kept, numbers()), Job(kept, numbers(1)).over()
    kept.trim()
    assert kept.kept_bytes == left * N
    assert memory.holds(idle.segments[0]) == left - 1
    assert np.array_equal(content(under_way.found[0]), numbers())
    under_way.over()
    kept.trim()
    assert kept.kept_bytes == (left - 1) * 2 * N


def test_cleared_it_forgets_all_and_jobs_keep_theirs(kept: Broadcasts) -> None:
    job = Job(kept, numbers())
    kept.clear()
    assert kept.kept_bytes == 0
    assert memory.holds(job.segments[0]) == 1
    assert np.array_equal(content(job.found[0]), numbers())
    another = Job(kept, numbers()).over()
    assert another.segments != job.segments
    job.over()


def lowest_descriptor() -> int:
    descriptor = os.dup(0)
    os.close(descriptor)
    return descriptor


# What is missing: the descriptor of the segment, that of its mapping, or room.
MISSING = {
    "descriptors": (resource.RLIMIT_NOFILE, lambda: lowest_descriptor()),
    "the second descriptor": (resource.RLIMIT_NOFILE, lambda: lowest_descriptor() + 1),
    "room": (resource.RLIMIT_FSIZE, lambda: 1_000_000),
}


# From Python 3.13 on, a mapping has no descriptor of its own.
NO_SECOND = pytest.mark.skipif(sys.version_info >= (3, 13), reason="there is no second one")


@pytest.mark.parametrize(
    "missing", ["descriptors", pytest.param("the second descriptor", marks=NO_SECOND), "room"]
)
def test_where_there_is_none_to_be_had_it_says_so(kept: Broadcasts, missing: str) -> None:
    which, limit = MISSING[missing]
    array, before = numbers(), set(memory._holds)
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (limit(), hard))
    try:
        found, error = kept.place(memoryview(array), set()), None
    except OSError as raised:
        found, error = None, str(raised)
    finally:
        resource.setrlimit(which, (soft, hard))
    lost = set(memory._holds) - before
    memory.release(*lost)
    assert (found, error, lost) == (None, None, set())
    assert kept.kept_bytes == 0


def segments_of(payload: Payload) -> list[int]:
    return [segment.number for segment in payload.load.parcel.segments]


def test_jobs_that_capture_the_same_array_share_it(payloads: Callable[..., Payload]) -> None:
    array = numbers()
    first = payloads(lambda x: array[x])
    array_of_another_cell = array.copy()
    second = payloads(lambda x: array_of_another_cell[-x])
    assert segments_of(first) == segments_of(second)
    array[5] += 1
    third = payloads(lambda x: array[x])
    assert segments_of(third) != segments_of(first)
    for payload, expected in ((first, numbers()), (third, array)):
        fn = unwrap(payload.load.parcel, payload.shipment.segments)
        assert fn(5) == expected[5]


def test_equal_arrays_of_one_function_stay_two(payloads: Callable[..., Payload]) -> None:
    one, other = numbers(), numbers()
    payload = payloads(lambda: (one, other))
    assert len(set(segments_of(payload))) == 2
    first, second = unwrap(payload.load.parcel, payload.shipment.segments)()
    first[:] = 0
    assert np.array_equal(second, other)


def test_one_array_under_two_names_stays_one(payloads: Callable[..., Payload]) -> None:
    one = other = numbers()
    payload = payloads(lambda: (one, other))
    assert len(segments_of(payload)) == 1
    first, second = unwrap(payload.load.parcel, payload.shipment.segments)()
    assert first is second


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "all": lambda a: a,
    "a part": lambda a: a[1000:],
    "in the order of Fortran": lambda a: np.asfortranarray(a[: 10**6].reshape(1000, 1000)),
    "read-only": lambda a: read_only(a),
    "of records": lambda a: a[: 10**6 * 3].view([("a", "u1"), ("b", "<u2")]),
}


def read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_a_function_gets_is_what_it_has_captured(
    payloads: Callable[..., Payload], form: Callable[[np.ndarray], np.ndarray]
) -> None:
    array = form(numbers())
    for _ in range(3):
        payload = payloads(lambda: array)
        back = unwrap(payload.load.parcel, payload.shipment.segments)()
        assert (back.dtype, back.shape, back.strides) == (array.dtype, array.shape, array.strides)
        assert back.flags.writeable == array.flags.writeable
        assert back.tobytes() == array.tobytes()
        payload.close()
        if array.flags.writeable:
            array[1:5] = array[:4]


def test_whatever_changes_between_jobs_is_seen(payloads: Callable[..., Payload]) -> None:
    array = numbers()
    random = np.random.default_rng(0)
    before = b""
    for turn in range(30):
        array[random.integers(N)] += 1
        payload = payloads(lambda: array)
        back = unwrap(payload.load.parcel, payload.shipment.segments)()
        assert back.tobytes() == array.tobytes() != before
        before = array.tobytes()
        if turn % 3:
            payload.close()
        del back
    assert len(set(itertools.chain.from_iterable(map(segments_of, [payload])))) == 1


def test_what_is_shared_already_is_not_copied(payloads: Callable[..., Payload]) -> None:
    from parmagic import share

    shared = share(numbers())
    payload = payloads(lambda: shared)
    assert segments_of(payload) == [shared.segment.number]
    assert payload.load.parcel.segments[0].access == READ
    assert broadcasts.kept_bytes == 0
    payload.close()
    gc.collect()


FORK = """
import os, signal, sys
import numpy as np
from parmagic.pool.broadcast import broadcasts
from parmagic.pool.payload import Payload
from parmagic.worker.memory import memory
from parmagic.worker.parcel import unwrap

def descriptors():
    folder = "/proc/self/fd"
    return sum("parmagic" in os.path.realpath(f"{folder}/{name}") for name in os.listdir(folder))

def content(payload):
    return unwrap(payload.load.parcel, payload.shipment.segments)()

def payload_of(array):
    return Payload.of(lambda: array, star=False, keep_going=True)

signal.alarm(60)
array = np.arange(1_000_000)
payload = payload_of(array)
segment = payload.shipment.segments[0]
"""
CHILD_MAKES_ITS_OWN = """
payload.close()
there, here = os.pipe()
child = os.fork()
if not child:
    os.read(there, 1)  # until the parent uses its copy
    assert broadcasts.kept_bytes == 0
    array[0] = 7
    own = payload_of(array)
    assert own.shipment.segments[0].number != segment.number
    assert content(own)[0] == 7
    os._exit(0)
payload = payload_of(array)
assert payload.shipment.segments[0] is segment
os.write(here, b"!")
code = os.waitpid(child, 0)[1]
assert content(payload)[0] == 0
assert code == 0
"""
CHILD_KEEPS_NOTHING = """
child = os.fork()
if not child:
    payload.close()
    sys.exit(descriptors())
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_fork_writes_nothing_into_its_parent_s_copies(script: Callable[..., Script]) -> None:
    assert script(FORK + CHILD_MAKES_ITS_OWN).end() == (0, "", "")


def test_a_fork_does_not_keep_its_parent_s_copies(script: Callable[..., Script]) -> None:
    assert script(FORK + CHILD_KEEPS_NOTHING).end() == (0, "", "")
