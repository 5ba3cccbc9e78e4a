from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support import Script, wait_until

from parmagic import ProcessPoolExecutor, share
from parmagic.pool import stock as module
from parmagic.pool.stock import Stock, stock
from parmagic.worker.memory import memory
from parmagic.worker.segment import READ, WRITE, Segment, size_class

K = 1024
MANY = 300_000  # numbers of 8 bytes, which travel in a segment


@pytest.fixture
def shelf() -> Iterator[Stock]:
    """A stock of its own, which a pool looks after."""
    shelf = Stock()
    shelf.open()
    yield shelf
    shelf.clear()


def put(stock: Stock, *sizes: int) -> list[Segment]:
    segments = [Segment.make(size) for size in sizes]
    for segment in segments:
        stock.put(segment, clean=True)
    return segments


def is_closed(segment: Segment) -> bool:
    return segment.descriptor < 0


def test_what_is_put_there_is_found_again_once(shelf: Stock) -> None:
    (segment,) = put(shelf, 64 * K)
    assert shelf.free_bytes == 64 * K
    assert shelf.take(64 * K) is segment
    assert shelf.take(64 * K) is None
    assert shelf.free_bytes == 0
    segment.close()


@pytest.mark.parametrize(
    ("free", "wanted", "taken"),
    [
        ([64], 1, 64),
        ([64], 64, 64),
        ([128], 1, 128),
        ([160], 1, None),
        ([64], 65, None),
        ([1024, 128, 512, 256], 100, 128),
        ([1024, 512, 256], 300, 512),
        ([1024, 512, 256], 256, 256),
        ([1024, 512, 256], 1024, 1024),
        ([1024, 512, 256], 1025, None),
        ([4096], 1000, None),
        ([2048], 1000, 2048),
        ([256, 256], 256, 256),
        ([], 1, None),
    ],
)
def test_the_smallest_that_is_large_enough_is_taken_and_no_giant(
    shelf: Stock, free: list[int], wanted: int, taken: int | None
) -> None:
    put(shelf, *(size * K for size in free))
    found = shelf.take(wanted * K)
    assert (found and found.nbytes) == (taken and taken * K)
    if found:
        found.close()


SPECIAL: dict[str, Callable[[Segment], object]] = {
    "shared to be read": lambda segment: setattr(segment, "access", READ),
    "shared to be written": lambda segment: setattr(segment, "access", WRITE),
    "special in another way": lambda segment: setattr(segment, "on_disk", True),
}


@pytest.mark.parametrize("make_special", SPECIAL.values(), ids=SPECIAL)
def test_special_ones_are_not_used_again(
    shelf: Stock, make_special: Callable[[Segment], object]
) -> None:
    segment = Segment.make(64 * K)
    make_special(segment)
    shelf.put(segment, clean=True)
    assert is_closed(segment)
    assert shelf.take(1) is None


def test_a_file_is_not_used_again(shelf: Stock) -> None:
    segment = Segment.make_file(64 * K)
    shelf.put(segment, clean=True)
    assert is_closed(segment)


def test_what_may_still_be_looked_at_is_not_used_again(shelf: Stock) -> None:
    segment = Segment.make(64 * K)
    shelf.put(segment, clean=False)
    assert is_closed(segment)
    assert shelf.take(1) is None


def test_without_a_pool_nothing_is_kept() -> None:
    unopened = Stock()
    assert not unopened.is_open
    (segment,) = put(unopened, 64 * K)
    assert is_closed(segment)
    assert unopened.free_bytes == 0


def test_it_keeps_until_the_last_pool_has_ended(shelf: Stock) -> None:
    shelf.open()
    (segment,) = put(shelf, 64 * K)
    shelf.close()
    assert shelf.is_open
    assert not is_closed(segment)
    shelf.close()
    assert not shelf.is_open
    assert is_closed(segment)
    (late,) = put(shelf, 64 * K)
    assert is_closed(late)


def test_cleared_it_is_empty_and_goes_on(shelf: Stock) -> None:
    segments = put(shelf, 64 * K, 128 * K)
    shelf.clear()
    assert all(map(is_closed, segments))
    assert shelf.free_bytes == 0
    (another,) = put(shelf, 64 * K)
    assert shelf.take(1) is another
    another.close()


@pytest.mark.parametrize("late", [False, True])
def test_the_oldest_go_when_it_is_too_much(
    shelf: Stock, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 300 * K)
    segments = put(shelf, 128 * K, 64 * K, 64 * K)
    if late:  # those that were sorted in before are the older ones
        assert shelf.take(1024 * K) is None
    segments += put(shelf, 128 * K)
    assert shelf.take(1024 * K) is None
    assert [is_closed(segment) for segment in segments] == [True, False, False, False]
    assert shelf.free_bytes == 256 * K


def test_one_that_is_too_much_alone_is_not_kept(
    shelf: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100 * K)
    (segment,) = put(shelf, 128 * K)
    assert shelf.take(128 * K) is None
    assert is_closed(segment)


def test_there_are_not_too_many(shelf: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "most_kept", lambda: 3)
    segments = put(shelf, *[64 * K] * 20)
    assert sum(map(is_closed, segments)) >= 14  # also where nobody takes or trims
    assert shelf.take(1024 * K) is None
    assert [is_closed(segment) for segment in segments] == [True] * 17 + [False] * 3


@pytest.mark.parametrize(("idle_seconds", "kept"), [(-1.0, 0), (60.0, 2)])
def test_what_was_not_needed_for_a_while_is_given_back(
    shelf: Stock, monkeypatch: pytest.MonkeyPatch, idle_seconds: float, kept: int
) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", idle_seconds)
    segments = put(shelf, 64 * K, 128 * K)
    shelf.trim()
    assert sum(not is_closed(segment) for segment in segments) == kept


def test_those_that_are_known_are_preferred(shelf: Stock) -> None:
    first, second, larger = put(shelf, 64 * K, 64 * K, 80 * K)
    assert shelf.take(1, known={second.number, larger.number}) is second
    assert shelf.take(1, known={larger.number}) is first
    assert shelf.take(1) is larger
    for segment in (first, second, larger):
        segment.close()


def test_uses_are_counted(shelf: Stock) -> None:
    (segment,) = put(shelf, 64 * K)
    for uses in range(1, 4):
        assert shelf.take(1) is segment
        assert segment.uses == uses
        shelf.put(segment, clean=True)


def test_no_two_threads_get_the_same(shelf: Stock) -> None:
    put(shelf, *[64 * K] * 8)
    taken: set[Segment] = set()
    twice: list[Segment] = []

    def use() -> None:
        for _ in range(500):
            if segment := shelf.take(64 * K):
                twice.extend({segment} & taken)
                taken.add(segment)
                taken.remove(segment)
                shelf.put(segment, clean=True)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert twice == []
    assert shelf.free_bytes == 8 * 64 * K


# The kernel's own stock.


def test_the_memory_of_dead_results_is_used_again(pool: ProcessPoolExecutor) -> None:
    before, used = set(memory._holds), set()
    for number in range(12):
        result = pool.submit(np.full, MANY, number).result()
        assert (result == number).all()
        used |= set(memory._holds) - before
        del result
    assert len({segment.number for segment in used}) <= 6


def test_free_memory_is_kept_while_there_is_a_pool() -> None:
    assert not stock.is_open
    with ProcessPoolExecutor(1) as pool:
        result = pool.submit(np.zeros, MANY).result()
        assert stock.is_open
        del result
        assert wait_until(lambda: stock.free_bytes == size_class(8 * MANY))
    assert not stock.is_open
    assert stock.free_bytes == 0


@pytest.mark.usefixtures("nothing_held")
def test_results_that_somebody_looks_at_are_never_written_over() -> None:
    with ProcessPoolExecutor(2) as pool:
        kept: dict[int, np.ndarray] = {}
        for turn in range(6):
            results = list(pool.map(lambda n: np.full(MANY, n), range(8 * turn, 8 * turn + 8)))
            for number, result in enumerate(results, 8 * turn):
                if number % 3 == 0:  # of some a view is kept, however small
                    kept[number] = result[5:6] if number % 2 else result[::-7]
            del results, result
            gc.collect()
        assert len(kept) == 16
        for number, view in kept.items():
            assert (view == number).all()
        del view
        kept.clear()


@pytest.mark.usefixtures("nothing_held")
def test_items_that_a_worker_keeps_are_never_written_over() -> None:
    def keep(array: np.ndarray) -> list[float]:
        import sys

        kept = sys.__dict__.setdefault("kept", [])
        kept.append(array[3::5])
        return [float(each.min()) for each in kept if each.min() == each.max()]

    with ProcessPoolExecutor(1) as pool:
        for number in range(10):
            assert pool.submit(keep, np.full(MANY, number)).result() == list(range(number + 1))


@pytest.mark.usefixtures("nothing_held")
def test_what_a_worker_writes_to_its_items_is_gone_with_them() -> None:
    def scribble(array: np.ndarray) -> tuple[float, float]:
        first = float(array.sum())
        array[::1000] += 1  # pages of its own
        return first, float(array.sum())

    with ProcessPoolExecutor(1) as pool:
        for number in range(12):
            first, then = pool.submit(scribble, np.full(MANY, number)).result()
            assert (first, then) == (MANY * number, MANY * number + MANY // 1000)


@pytest.mark.usefixtures("nothing_held")
def test_what_a_pool_of_the_worker_has_made_is_returned_as_a_copy() -> None:
    def from_a_pool_of_its_own(_: int) -> np.ndarray:
        import sys

        if not hasattr(sys, "kept"):
            inner = sys.__dict__["inner"] = ProcessPoolExecutor(1)
            sys.__dict__["kept"] = inner.submit(np.full, MANY, 5.0).result()
        return sys.__dict__["kept"]

    with ProcessPoolExecutor(1) as pool:
        first, second = (pool.submit(from_a_pool_of_its_own, n).result() for n in range(2))
        assert first[0] == 5.0
        del first
        gc.collect()
        others = [pool.submit(np.full, MANY, 9.0).result() for _ in range(3)]
        assert (second == 5.0).all()
        del second, others
        gc.collect()
        stock.clear()
        assert (pool.submit(from_a_pool_of_its_own, 2).result() == 5.0).all()


@pytest.mark.usefixtures("nothing_held")
def test_a_worker_may_not_write_to_what_was_writable_when_it_was_something_else() -> None:
    def keep(array: np.ndarray) -> bool:
        import sys

        sys.__dict__["kept"] = array
        return array.flags.writeable

    with ProcessPoolExecutor(1) as pool:
        with share(np.zeros(MANY), writable=True) as sums:
            assert pool.submit(keep, sums).result()
            assert pool.submit(keep, np.zeros(1)).result()
        with share(np.full(MANY, 7.0)) as images:
            del sums
            assert not pool.submit(keep, images).result()
            assert images[0] == 7.0
        del images
        gc.collect()
        stock.clear()
        assert pool.submit(lambda: __import__("sys").kept.sum()).result() == 7.0 * MANY


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_what_an_item_that_forked_was_lent_is_given_back() -> None:
    def fork(number: int) -> np.ndarray:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        return np.full(MANY, number)

    with ProcessPoolExecutor(1) as pool:
        before = len(memory._holds)
        for number in range(10):
            assert pool.submit(fork, number).result()[-1] == number
        assert wait_until(lambda: memory.settle() or len(memory._holds) <= before + 2)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory lasts until all let go")
def test_shared_memory_is_freed_also_where_a_worker_keeps_a_window() -> None:
    with ProcessPoolExecutor(1) as pool:
        shared = share(np.ones(MANY))
        assert pool.submit(np.sum, shared).result() == MANY
        (segment,) = (each for each in memory._holds if each.access == READ)
        descriptor = os.dup(segment.descriptor)
        del shared, segment
        assert wait_until(lambda: gc.collect() >= 0 and os.fstat(descriptor).st_blocks == 0)
        os.close(descriptor)


DEATH = """
import os, sys
import numpy as np
from parmagic import ProcessPoolExecutor, WorkerDied
from parmagic.pool.stock import stock

def die(array):
    os.kill(os.getpid(), 9)

with ProcessPoolExecutor(1) as pool:
    try:
        pool.submit(die, np.zeros(300_000)).result()
    except WorkerDied:
        pass
    assert pool.submit(abs, -1).result() == 1
    assert stock.free_bytes == 0
"""


def test_what_a_dead_worker_had_is_not_used_again(script: Callable[..., Script]) -> None:
    assert script(DEATH).end() == (0, "", "")


FORK = """
import os, signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # fork() with threads, from 3.12 on
import numpy as np
from parmagic import ProcessPoolExecutor, share
from parmagic.pool.stock import stock
from parmagic.worker.memory import memory

def until(condition):
    while not condition():
        pass

def descriptors():
    folder = "/proc/self/fd"
    return sum("parmagic" in os.path.realpath(f"{folder}/{name}") for name in os.listdir(folder))

signal.alarm(60)
pool = ProcessPoolExecutor(1)
kept, dead = pool.submit(np.full, 300_000, 1).result(), pool.submit(np.full, 300_000, 2).result()
del dead
until(lambda: stock.free_bytes)
free_bytes, before = stock.free_bytes, descriptors()
there, here = os.pipe()
child = os.fork()
signal.alarm(60)
"""
IN_CHILD = """
if not child:
    os.close(here)
    assert stock.free_bytes == 0 and not stock.is_open
    os.read(there, 1)
    os._exit(not ((kept == 1).all()))
os.close(there)
"""
PARENT_GOES_ON = """
assert stock.free_bytes == free_bytes
del kept
until(lambda: memory.settle() or not memory.busy)
assert stock.free_bytes == free_bytes  # what the child looks at, too, was not kept
for number in range(5):
    assert (pool.submit(np.full, 300_000, number).result() == number).all()
os.close(here)
assert os.waitpid(child, 0)[1] == 0
pool.kill()
"""


def test_after_a_fork_what_both_look_at_is_never_written_over(
    script: Callable[..., Script],
) -> None:
    assert script(FORK + IN_CHILD + PARENT_GOES_ON).end() == (0, "", "")


FORK_USES_ITS_OWN = """
if not child:
    with ProcessPoolExecutor(1) as own:
        for number in range(5):
            assert (own.submit(np.full, 300_000, number).result() == number).all()
        assert stock.is_open
    assert stock.free_bytes == 0 and (kept == 1).all()
    os._exit(0)
assert (pool.submit(np.full, 300_000, 3).result() == 3).all()
assert os.waitpid(child, 0)[1] == 0
assert (kept == 1).all()
pool.kill()
"""


def test_a_fork_has_a_stock_of_its_own(script: Callable[..., Script]) -> None:
    assert script(FORK + FORK_USES_ITS_OWN).end() == (0, "", "")


KEEPS_NOTHING = """
if not child:
    os._exit(descriptors() == before)
assert os.waitpid(child, 0)[1] == 0
pool.kill()
"""


def test_a_fork_does_not_keep_its_parent_s_free_memory(script: Callable[..., Script]) -> None:
    assert script(FORK + KEEPS_NOTHING).end() == (0, "", "")
