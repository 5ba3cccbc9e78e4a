from __future__ import annotations

import ctypes
import gc
import mmap
import os
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parmagic.worker import memory as module
from parmagic.worker.memory import Found, Memory, descriptors_are_scarce
from parmagic.worker.segment import PRIVATE, READ, WRITE, Segment, size_class

K = 1024


class Shelf:
    """A keeper that remembers what it was given."""

    def __init__(self) -> None:
        self.free: list[Segment] = []
        self.got: list[tuple[Segment, bool]] = []

    def take(self, nbytes: int) -> Segment | None:
        return self.free.pop() if self.free and self.free[-1].nbytes >= nbytes else None

    def put(self, segment: Segment, *, clean: bool) -> None:
        self.got.append((segment, clean))

    def close(self) -> None:
        for segment in [*self.free, *(segment for segment, _ in self.got)]:
            segment.close()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()
    yield shelf
    shelf.close()


@pytest.fixture
def memory(shelf: Shelf) -> Memory:
    memory = Memory()
    memory.keeper = shelf
    return memory


def looked(memory: Memory, segment: Segment, access: int = WRITE) -> Any:
    """Return the bytes of ``segment`` as an array."""
    return np.frombuffer(memory.look(segment, access), "u1")


# Holds.


def test_what_is_taken_has_one_hold(memory: Memory, shelf: Shelf) -> None:
    assert not memory.busy
    segment = memory.take(100_000)
    assert memory.busy
    assert memory.holds(segment) == 1
    assert segment.nbytes == size_class(100_000)
    memory.release(segment)
    assert not memory.busy
    assert shelf.got == [(segment, True)]


def test_what_is_free_is_taken_first(memory: Memory, shelf: Shelf) -> None:
    free = Segment.make(128 * K)
    shelf.free.append(free)
    assert memory.take(100 * K) is free
    another = memory.take(100 * K)
    assert another is not free
    assert memory.holds(free) == memory.holds(another) == 1
    memory.release(free, another)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_last_to_let_go_gives_it_away(memory: Memory, shelf: Shelf, count: int) -> None:
    segment = memory.take(1)
    for _ in range(count):
        memory.hold(segment)
    assert memory.holds(segment) == count + 1
    for left in range(count, 0, -1):
        memory.release(segment)
        assert memory.holds(segment) == left
        assert shelf.got == []
    memory.release(segment)
    assert shelf.got == [(segment, True)]


def test_many_are_held_and_let_go_at_once(memory: Memory, shelf: Shelf) -> None:
    one, other = memory.take(1), memory.take(1)
    memory.hold(one, other, one)
    assert (memory.holds(one), memory.holds(other)) == (3, 2)
    memory.release(one, other, one, other, one)
    assert {segment for segment, _ in shelf.got} == {one, other}


def test_what_was_never_held_has_no_holds(memory: Memory) -> None:
    segment = Segment.make(1)
    assert memory.holds(segment) == 0
    assert not memory.busy
    segment.close()


@pytest.mark.parametrize("doubts", [[0], [1], [2], [0, 1, 2]])
def test_whoever_is_in_doubt_it_is_never_clean(
    memory: Memory, shelf: Shelf, doubts: list[int]
) -> None:
    segment = memory.take(1)
    memory.hold(segment, segment)
    for turn in range(3):
        memory.release(segment, clean=turn not in doubts)
    assert shelf.got == [(segment, False)]


def test_doubts_end_with_the_segment_s_use(memory: Memory, shelf: Shelf) -> None:
    segment, other = memory.take(1), memory.take(1)
    memory.release(segment, clean=False)
    memory.release(other)
    memory.hold(segment)
    memory.release(segment)
    assert shelf.got == [(segment, False), (other, True), (segment, True)]


def test_threads_hold_and_let_go_at_a_time(memory: Memory, shelf: Shelf) -> None:
    segment = memory.take(1)

    def use() -> None:
        for _ in range(300):
            memory.hold(segment)
            array = looked(memory, segment)
            memory.release(segment)
            del array

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.holds(segment) == 1
    assert shelf.got == []
    memory.release(segment)
    assert shelf.got == [(segment, True)]


# Looks.

# What can be made of a buffer, one from the other, so that the last one alone is kept.
VIEWS: dict[str, Callable[[Any], Any]] = {
    "the buffer itself": lambda look: look,
    "a memoryview": memoryview,
    "a part of a memoryview": lambda look: memoryview(look)[3:5],
    "a memoryview of another form": lambda look: memoryview(look).cast("B").cast("d")[1:],
    "a memoryview to be read": lambda look: memoryview(look).toreadonly()[::2],
    "an array": lambda look: np.frombuffer(look, "u1"),
    "an array of a memoryview": lambda look: np.frombuffer(memoryview(look)[8:16], "f8"),
    "a slice": lambda look: np.frombuffer(look, "u1")[5:6],
    "a slice of a slice of a slice": lambda look: np.frombuffer(look, "u1")[5:][5:][::-3],
    "rows and columns": lambda look: np.frombuffer(look, "f8").reshape(-1, 8).T[::2],
    "another type": lambda look: np.frombuffer(look, "u1").view("M8[s]"),
    "no numbers": lambda look: np.frombuffer(look, "u1")[:0],
    "spread": lambda look: np.broadcast_to(np.frombuffer(look, "u1")[:1], (3, 3)),
    "a walk": lambda look: iter(np.frombuffer(look, "u1")),
    "a flat walk": lambda look: np.frombuffer(look, "u1").flat,
    "an array on an array": lambda look: np.ndarray((2, 2), "u1", np.frombuffer(look, "u1")),
    "an array of a subclass": lambda look: np.frombuffer(look, "u1").view(np.recarray),
    "masked": lambda look: np.ma.asarray(np.frombuffer(look, "u1")),
    "a record of records": lambda look: np.frombuffer(look, [("a", "u1"), ("b", "u1")])[0],
    "a memoryview of an array": lambda look: memoryview(np.frombuffer(look, "u1")[4:]),
    "an array of ctypes": lambda look: np.ctypeslib.as_ctypes(np.frombuffer(look, "u1")),
}


def of_ctypes_too(access: int, name: str) -> bool:
    return access != READ or name != "an array of ctypes"  # which must be writable


@pytest.mark.parametrize(
    ("access", "name"),
    [
        (access, name)
        for access in (PRIVATE, READ, WRITE)
        for name in VIEWS
        if of_ctypes_too(access, name)
    ],
)
def test_it_is_held_until_the_last_view_is_gone(
    memory: Memory, shelf: Shelf, access: int, name: str
) -> None:
    segment = memory.take(1)
    segment.access = access
    view = VIEWS[name](memory.look(segment, access))
    memory.release(segment)
    gc.collect()
    assert memory.holds(segment) == 1
    assert shelf.got == []
    del view
    gc.collect()
    assert memory.holds(segment) == 0
    assert shelf.got == [(segment, True)]


def test_of_two_looks_each_holds_it(memory: Memory, shelf: Shelf) -> None:
    segment = memory.take(1)
    one, other = looked(memory, segment), looked(memory, segment)
    assert memory.holds(segment) == 3
    memory.release(segment)
    del one
    assert memory.holds(segment) == 1
    assert not other[0]
    del other
    assert shelf.got == [(segment, True)]


def test_copies_do_not_hold_it(memory: Memory) -> None:
    segment = memory.take(1)
    array = looked(memory, segment)
    copies = [array.copy(), array + 1, array[[1, 2]], array.tobytes(), int(array[0])]
    del array
    assert memory.holds(segment) == 1
    assert len(copies) == 5
    memory.release(segment)


def test_a_view_in_a_circle_holds_it_until_that_is_collected(memory: Memory) -> None:
    segment = memory.take(1)
    circle: list[Any] = [looked(memory, segment)[5:]]
    circle.append(circle)
    del circle
    gc.collect()
    assert memory.holds(segment) == 1
    memory.release(segment)


def test_a_view_may_end_in_any_thread(memory: Memory, shelf: Shelf) -> None:
    segment = memory.take(1)
    kept = [looked(memory, segment)]
    memory.release(segment)
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert shelf.got == [(segment, True)]


def test_a_view_may_end_while_somebody_is_at_it(memory: Memory, shelf: Shelf) -> None:
    segment = memory.take(1)
    kept = [looked(memory, segment)]
    memory.release(segment)
    with memory._lock:  # as when a collection of garbage comes in between, in the same thread
        kept.clear()
        gc.collect()
    assert shelf.got == []
    memory.settle()
    assert shelf.got == [(segment, True)]


def test_what_ends_while_somebody_is_at_it_is_seen_by_who_asks(memory: Memory) -> None:
    segment = memory.take(1)
    kept = [looked(memory, segment)]
    with memory._lock:
        kept.clear()
    assert memory.holds(segment) == 1
    memory.release(segment)


def test_private_looks_keep_what_is_written_to_themselves(memory: Memory) -> None:
    segment = memory.take(1)
    segment.write(memoryview(b"abc"), 0)
    private = looked(memory, segment, PRIVATE)
    private[0] = 0
    assert segment.read(0, 3) == b"abc"
    del private
    memory.release(segment)


def test_a_look_to_read_refuses_to_be_written(memory: Memory) -> None:
    segment = memory.take(1)
    segment.access = READ
    array = looked(memory, segment, READ)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    del array
    memory.release(segment)


@pytest.mark.parametrize("access", [READ, WRITE])
def test_what_all_share_is_mapped_once(memory: Memory, access: int) -> None:
    segment = memory.take(1)
    segment.access = access
    one, other = looked(memory, segment, access), looked(memory, segment, access)
    assert one.ctypes.data == other.ctypes.data
    del one, other
    memory.release(segment)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a mapping costs no descriptor")
def test_without_descriptors_it_is_an_error_that_holds_nothing(
    memory: Memory, lowered: Any
) -> None:
    segment = memory.take(1)
    gc.collect()
    with lowered(resource.RLIMIT_NOFILE, 1), pytest.raises(OSError, match="Too many open files"):
        memory.look(segment, WRITE)
    assert memory.holds(segment) == 1
    memory.release(segment)


def test_looks_are_counted_until_they_end(memory: Memory) -> None:
    segment = memory.take(1)
    looks = []
    while not memory.full:
        looks.append(looked(memory, segment, PRIVATE))
    assert 64 <= len(looks) <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4
    looks.pop()
    assert not memory.full
    looks.clear()
    memory.release(segment)


@pytest.mark.parametrize(("limit", "most"), [(64, 8), (1024, 128), (5000, 256)])
def test_a_part_of_the_descriptors_is_spent(lowered: Any, limit: int, most: int) -> None:
    with lowered(resource.RLIMIT_NOFILE, limit):
        memory = Memory()
    segment = memory.take(1)
    looks = [looked(memory, segment) for _ in range(most - 1)]
    assert not memory.full
    looks.append(looked(memory, segment))
    assert memory.full
    looks.clear()
    memory.release(segment)


@pytest.mark.parametrize(("spare", "scarce"), [(0, True), (5, True), (15, True), (100, False)])
def test_descriptors_are_scarce_when_few_are_left(lowered: Any, spare: int, scarce: bool) -> None:
    with open(os.devnull) as file:
        lowest = os.dup(file.fileno())
        os.close(lowest)
        with lowered(resource.RLIMIT_NOFILE, lowest + spare):
            assert descriptors_are_scarce(file.fileno()) == scarce


# Where things lie.


@pytest.mark.parametrize("access", [READ, WRITE])
@pytest.mark.parametrize("start", [0, 1, 4095, 4096, 64 * K - 1])
def test_what_lies_in_a_segment_is_found(memory: Memory, access: int, start: int) -> None:
    segment = memory.take(1)
    segment.access = access
    array = looked(memory, segment, access)
    assert memory.find(memoryview(array[start:])) == Found(segment, start)
    del array
    memory.release(segment)


def test_each_is_found_in_its_own(memory: Memory) -> None:
    segments = [memory.take(size * K) for size in (64, 200, 1000, 64, 5000)]
    arrays = [looked(memory, segment) for segment in segments]
    for segment, array in zip(segments, arrays, strict=True):
        for start in (0, array.nbytes // 2, array.nbytes - 1):
            assert memory.find(memoryview(array[start:])) == Found(segment, start)
    arrays.clear()
    del array
    memory.release(*segments)


OTHERS: dict[str, Callable[[], Any]] = {
    "bytes": lambda: b"abc",
    "a large array": lambda: np.zeros(10**6),
    "no bytes": lambda: b"",
    "anonymous memory": lambda: mmap.mmap(-1, 64 * K),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_lies_elsewhere_is_not_found(memory: Memory, other: Callable[[], Any]) -> None:
    assert memory.find(memoryview(other())) is None
    segment = memory.take(1)
    array = looked(memory, segment)
    assert memory.find(memoryview(other())) is None
    del array
    memory.release(segment)


def test_what_is_private_is_not_found(memory: Memory) -> None:
    segment = memory.take(1)
    array = looked(memory, segment, PRIVATE)
    assert memory.find(memoryview(array)) is None
    del array
    memory.release(segment)


def test_it_is_found_whoever_of_many_has_ended(memory: Memory) -> None:
    segment = memory.take(1)
    one, other = looked(memory, segment), looked(memory, segment)
    del one
    assert memory.find(memoryview(other)) == Found(segment, 0)
    del other
    again = looked(memory, segment)
    assert memory.find(memoryview(again)) == Found(segment, 0)
    del again
    memory.release(segment)


def has_gone(segment: Segment, memory: Memory, access: int) -> int:
    """Map ``segment``, and return the address where it was."""
    array = looked(memory, segment, access)
    assert memory.find(memoryview(array)) == Found(segment, 0)
    address: int = array.ctypes.data
    del array
    segment.drop_window(access)
    gc.collect()
    return address


_MAP_FIXED_NOREPLACE = 0x100000


def other_memory_at(address: int, nbytes: int) -> Any:
    """Return memory at ``address``, whoever has put it there."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED_NOREPLACE
    libc.mmap(address, nbytes, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    return (ctypes.c_char * nbytes).from_address(address)


def unmap(address: int, nbytes: int) -> None:
    libc = ctypes.CDLL(None)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    libc.munmap(address, nbytes)


FAR = 1 << 34  # so large that there is no gap between others where it would fit


@pytest.mark.parametrize("access", [READ, WRITE])
def test_other_memory_where_a_segment_was_is_not_found(memory: Memory, access: int) -> None:
    segment = Segment.make(FAR)
    memory.hold(segment)
    segment.access = access
    address = has_gone(segment, memory, access)
    other = other_memory_at(address, 64 * K)
    try:
        assert memory.find(memoryview(other)) is None
        assert memory.find(memoryview(other)[500:]) is None
    finally:
        unmap(address, 64 * K)
    memory.release(segment)


@pytest.mark.parametrize("access", [READ, WRITE])
def test_another_segment_where_some_were_is_found(memory: Memory, access: int) -> None:
    # Two that lie side by side, and then one in the place of both, or two in that of one.
    parts, whole = [Segment.make(FAR) for _ in range(2)], Segment.make(2 * FAR)
    for segment in (*parts, whole):
        memory.hold(segment)
        segment.access = access
    kept = [looked(memory, segment, access) for segment in parts]
    places = sorted(array.ctypes.data for array in kept)
    kept.clear()
    for segment in parts:
        segment.drop_window(access)
    array = looked(memory, whole, access)
    assert array.ctypes.data <= places[0] < array.ctypes.data + 2 * FAR
    assert places[1] - places[0] == FAR
    for start in (0, FAR - 1, FAR, FAR + 1, 2 * FAR - 1):
        assert memory.find(memoryview(array[start:])) == Found(whole, start)
    del array
    whole.drop_window(access)
    again = [looked(memory, segment, access) for segment in parts]
    for segment, each in zip(parts, again, strict=True):
        for start in (0, FAR // 2, FAR - 1):
            assert memory.find(memoryview(each[start:])) == Found(segment, start)
    again.clear()
    del each
    memory.release(*parts, whole)


# What workers may write.


@pytest.mark.parametrize("access", [PRIVATE, READ, WRITE])
def test_memory_is_writable_while_workers_may_write_to_some(memory: Memory, access: int) -> None:
    segment = memory.take(1)
    segment.access = access
    array = looked(memory, segment, access)
    assert memory.writable == (access == WRITE)
    del array
    memory.release(segment)


def test_memory_is_writable_no_longer_than_that(memory: Memory, shelf: Shelf) -> None:
    segment = memory.take(1)
    segment.access = WRITE
    array = looked(memory, segment)
    memory.release(segment)
    del array
    shelf.close()
    memory.settle()
    assert not memory.writable


def test_a_segment_can_cease_to_be_shared(memory: Memory) -> None:
    one, other = memory.take(1), memory.take(1)
    one.access = other.access = WRITE
    arrays = [looked(memory, one), looked(memory, other)]
    memory.unshare(one)
    assert (one.access, other.access, memory.writable) == (PRIVATE, WRITE, True)
    memory.unshare(other)
    assert not memory.writable
    arrays.clear()
    memory.release(one, other)


# Forks.


def in_a_fork(check: Callable[[], bool]) -> bool:
    """Return what ``check`` tells in a fork of this process."""
    with warnings.catch_warnings():  # of threads, from Python 3.12 on
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(20)
            code = 0 if check() else 1
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


@pytest.fixture
def own(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """The memory of this process, which hears of forks."""
    monkeypatch.setattr(module.memory, "keeper", shelf)
    return module.memory


def test_after_a_fork_what_was_held_is_never_clean(own: Memory, shelf: Shelf) -> None:
    held, let_go = own.take(1), own.take(1)
    array = looked(own, held)
    own.release(held, let_go)
    assert in_a_fork(lambda: True)
    later = own.take(1)
    own.release(later)
    del array
    assert shelf.got == [(let_go, True), (later, True), (held, False)]


def test_a_fork_trusts_nobody_either(own: Memory, shelf: Shelf) -> None:
    segment = own.take(1)

    def let_go() -> bool:
        own.release(segment)
        return shelf.got == [(segment, False)]

    assert in_a_fork(let_go)
    own.release(segment)


def test_a_fork_sees_what_it_saw(own: Memory) -> None:
    segment = own.take(1)
    segment.write(memoryview(b"abc"), 0)
    array = looked(own, segment)
    assert in_a_fork(lambda array=array: bytes(array[:3]) == b"abc" and own.holds(segment) == 2)
    del array
    own.release(segment)


def test_a_fork_may_come_at_any_moment(own: Memory) -> None:
    segment = own.take(1)
    with own._lock:  # another thread's, which is not in the fork
        assert in_a_fork(lambda: own.holds(segment) == 1)
    own.release(segment)


def test_a_fork_looks_at_the_same_memory(own: Memory) -> None:
    segment = own.take(1)
    array = looked(own, segment)  # as the kernel looks at results
    own.release(segment)

    def write() -> bool:
        array[0] = 1
        return True

    assert in_a_fork(write)
    assert array[0] == 1


def test_each_look_costs_few_descriptors(memory: Memory) -> None:
    segment = memory.take(1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    looks = [looked(memory, segment, access) for access in (PRIVATE, WRITE) for _ in range(20)]
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 2
    looks.clear()
    memory.release(segment)
