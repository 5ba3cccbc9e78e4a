"""Queues, locks, pipes, shared values and managers' proxies between the items of one job."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from typing import Any, NamedTuple

import pytest
from support import Gate, Notebook, Script

import parmagic
from parmagic.pool.default import running_pool
from parmagic.pool.share import is_written_by_all

SPAWN = multiprocessing.get_context("spawn")
WAYS = ("captured", "passed as an item")
CALLS = (
    "parmagic.map(captured, range({0}), workers=2)",
    "parmagic.map(passed, [shared] * {0}, range({0}), workers=2)",
)


class Shared(NamedTuple):
    """How to make it, what item ``i`` of two does with it, and what is true afterwards."""

    make: str
    item: str
    seen: str


def counted_with(lock: str) -> Shared:
    item = "for _ in range(200):\n        with shared[0]: shared[1].value += 1"
    return Shared(f"{lock}, multiprocessing.RawValue('i', 0)", item, "shared[1].value == 400")


# An item writes its place in the row, or what it has heard.
SLOTS = "multiprocessing.RawArray('i', 2)"
SHARED = {
    **{
        kind: Shared(f"SPAWN.{kind}()", "shared.put(i)", "{shared.get(), shared.get()} == {0, 1}")
        for kind in ("Queue", "SimpleQueue", "JoinableQueue")
    },
    **{
        kind: counted_with(f"SPAWN.{kind}()")
        for kind in ("Lock", "RLock", "Semaphore", "BoundedSemaphore")
    },
    "Event": Shared("SPAWN.Event()", "shared.wait(20) if i else shared.set()", "shared.is_set()"),
    "Condition": Shared(
        f"SPAWN.Condition(), {SLOTS}",
        "with shared[0]:\n        shared[1][i] = 1\n        shared[0].notify_all()\n"
        "        shared[0].wait_for(lambda: sum(shared[1]) == 2, 20)",
        "sum(shared[1]) == 2",
    ),
    "Barrier": Shared(
        f"SPAWN.Barrier(2), {SLOTS}", "shared[1][shared[0].wait(20)] = 1", "sum(shared[1]) == 2"
    ),
    "Value": Shared(
        "SPAWN.Value('i', 0)",
        "for _ in range(200):\n        with shared.get_lock(): shared.value += 1",
        "shared.value == 400",
    ),
    "Array": Shared("SPAWN.Array('d', 2)", "shared[i] = i + 1", "shared[:] == [1, 2]"),
    "RawArray": Shared(SLOTS, "shared[i] = i + 1", "list(shared) == [1, 2]"),
    "Pipe": Shared(
        "multiprocessing.Pipe()",
        "shared[0].send('back ' + shared[0].recv()) if i else shared[1].send('there')",
        "shared[1].recv() == 'back there'",
    ),
    "SharedMemory": Shared(
        "SharedMemory(f'parmagic-{os.getpid()}', create=True, size=2)",
        "shared.buf[i] = i + 1",
        "unlinked(shared, bytes(shared.buf[:2])) == bytes([1, 2])",
    ),
    "ShareableList": Shared(
        "ShareableList([5, 5], name=f'parmagic-{os.getpid()}')",
        "shared[i] = i",
        "unlinked(shared.shm, list(shared)) == [0, 1]",
    ),
}
CELL = """
import multiprocessing, os, parmagic
from multiprocessing.shared_memory import ShareableList, SharedMemory
SPAWN = multiprocessing.get_context("spawn")

def unlinked(block, content):
    block.close(), block.unlink()
    return content

shared = {make}

def captured(i):
    {item}

def passed(shared, i):
    {item}
"""


@pytest.mark.parametrize("kind", SHARED)
def test_what_processes_share_reaches_them(kind: str, notebook: Notebook) -> None:
    make, item, seen = SHARED[kind]
    for call in CALLS:
        notebook.run(CELL.format(make=make, item=item))
        notebook.run(f"{call.format(2)}\nseen = {seen}\ndel shared")
        assert notebook["seen"]


@pytest.mark.parametrize("call", CALLS)
def test_items_that_wait_for_each_other_run_at_the_same_time(call: str, notebook: Notebook) -> None:
    # In chunks of several items one worker would be left with a single one, and wait for ever.
    notebook.run(CELL.format(make="SPAWN.Barrier(2)", item="return shared.wait(30)"))
    notebook.run(f"met = {call.format(300)}")
    assert sum(notebook["met"]) == 150


def test_items_become_single_where_the_first_have_nothing_to_wait_with() -> None:
    barrier = SPAWN.Barrier(2)
    items = [None] * 2000 + [barrier] * 100
    met = parmagic.map(lambda each: each and each.wait(30), items, workers=2)
    assert sum(met[2000:]) == 50


def test_proxies_of_a_manager_can_be_waited_with() -> None:
    with multiprocessing.Manager() as manager:
        squares, queue, barrier = manager.dict(), manager.Queue(), manager.Barrier(2)

        def note(number: int) -> int:
            squares[number] = number**2
            queue.put(number)
            return barrier.wait(30)

        assert sum(parmagic.map(note, range(20), workers=2)) == 10
        assert squares.copy() == {number: number**2 for number in range(20)}
        assert sorted(queue.get() for _ in range(20)) == list(range(20))
        assert parmagic.map(lambda number: squares, range(1))[0][3] == 9  # comes back, too
        with pytest.raises(parmagic.PayloadError, match=r"Pass what it has made"):
            parmagic.map(lambda _: manager.dict(), range(1))


def test_an_executor_shares_with_calls_and_initializers(pool: parmagic.ProcessPoolExecutor) -> None:
    queue, lock = SPAWN.Queue(), SPAWN.Lock()
    pool.submit(lambda q, number: q.put(number), queue, 1).result()
    assert list(pool.map(lambda both: both[0].put(both[1]), [(queue, 2)])) == [None]
    assert {queue.get(timeout=10), queue.get(timeout=10)} == {1, 2}

    def greet(queue: Any, lock: Any) -> None:
        with lock:
            queue.put("ready")

    with parmagic.ProcessPoolExecutor(2, initializer=greet, initargs=(queue, lock)) as other:
        other.submit(int).result()
        assert queue.get(timeout=10) == "ready"
    forked = multiprocessing.get_context("fork").Lock()
    with pytest.raises(parmagic.PayloadError, match=r'get_context\("spawn"\)\.Lock\(\)'):
        parmagic.ProcessPoolExecutor(2, initializer=greet, initargs=(queue, forked))


def test_a_pool_shares_what_its_initializer_is_given(notebook: Notebook) -> None:
    notebook.run(
        "import multiprocessing, parmagic\n"
        "SPAWN = multiprocessing.get_context('spawn')\n"
        "barrier, queue = SPAWN.Barrier(2), SPAWN.Queue()\n"
        "def begin(given):\n    global shared\n    shared = given\n"
        "def note(number):\n    shared.put(number)\n"
        "with parmagic.Pool(2, initializer=begin, initargs=(queue,)) as pool:\n"
        "    pool.map(note, range(4))\n"
        # Nine to a chunk, of which the last has one only, whose partner would never come.
        "    met = pool.map(lambda _: barrier.wait(30), range(66))\n"
        "heard = sorted(queue.get(timeout=10) for _ in range(4))\n"
        "del barrier, queue, pool"
    )
    assert notebook["heard"] == [0, 1, 2, 3]
    assert sum(notebook["met"]) == 33


def test_a_cell_may_change_what_all_see() -> None:
    for value in (SPAWN.Value("i"), SPAWN.Array("i", 2), multiprocessing.RawArray("i", 2)):
        assert is_written_by_all(value)
    assert not is_written_by_all(ctypes.c_int(1))
    assert not is_written_by_all([1])


WAITS: dict[str, Callable[[Any], object]] = {
    "Queue": lambda queue: queue.get(),
    "Queue with a timeout": lambda queue: queue.get(timeout=100),
    "SimpleQueue": lambda queue: queue.get(),
    "Event": lambda event: event.wait(),
    "Pipe": lambda ends: ends[0].recv(),
}


@pytest.mark.parametrize("kind", WAITS)
def test_an_interrupt_frees_items_that_wait_and_what_they_wait_for(kind: str, gate: Gate) -> None:
    wait = WAITS[kind]
    shared = (SPAWN.Pipe if kind == "Pipe" else getattr(SPAWN, kind.split()[0]))()

    def item(name: str) -> None:
        gate.note(name)
        wait(shared)

    for turn in range(3):
        job = parmagic.map_async(item, [f"{turn}, {number}" for number in range(4)], workers=2)
        gate.wait_for(2 * turn + 2)
        pids = _pids()
        job.interrupt()
        with pytest.raises(KeyboardInterrupt):
            job.result(10)
        assert _pids() == pids
    # The lock of a queue was given to the second item when the first one was stopped.
    if "Queue" in kind:
        shared.put(5)
        assert parmagic.map(lambda _: shared.get(), range(1)) == [5]


def _pids() -> set[int]:
    pool = running_pool()
    return set() if pool is None else {worker.pid for worker in pool.workers}


@pytest.mark.parametrize("way", WAYS)
def test_a_pipe_ends_with_the_job_that_wrote_to_it(way: str) -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    if way == "captured":
        parmagic.map(lambda number: writer.send(number), range(3), workers=2)
    else:
        parmagic.map(lambda writer, number: writer.send(number), [writer] * 3, range(3), workers=2)
    writer.close()
    heard = []
    with pytest.raises(EOFError):
        while reader.poll(20):
            heard.append(reader.recv())
    assert sorted(heard) == [0, 1, 2]
    reader.close()


def test_a_call_can_have_more_pipes_than_travel_at_once() -> None:
    pipes = [multiprocessing.Pipe(duplex=False) for _ in range(130)]
    parmagic.map(lambda ends: [end.send(n) for n, (_, end) in enumerate(ends)], [pipes], workers=1)
    assert [reader.recv() for reader, _ in pipes] == list(range(130))
    for ends in pipes:
        for end in ends:
            end.close()


def test_what_the_kernel_has_let_go_lasts_as_long_as_the_job(notebook: Notebook) -> None:
    notebook.run(CELL.format(make="SPAWN.Queue(), SPAWN.Value('i', 1)", item="pass"))
    notebook.run(
        "queue, value = shared\n"
        "job = parmagic.map_async(lambda i: (value.value, queue.get()), range(2), workers=1)\n"
        "feed = queue.put\n"
        "value = SPAWN.Value('i', 7); value = shared = None\n"
        "import gc; gc.collect()\n"
        "feed('a'); feed('b'); heard = job.result(20)\n"
        "del queue, feed, job"
    )
    assert notebook["heard"] == [(1, "a"), (1, "b")]


def test_only_our_pickling_may_take_them() -> None:
    lock = SPAWN.Lock()
    refused: list[str] = []

    def elsewhere() -> None:
        try:
            pickle.dumps(lock)
        except RuntimeError as error:
            refused.append(str(error))

    class Item:
        def __reduce__(self) -> Any:
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            return int, ()

    parmagic.map(lambda item: lock and item, [Item()], workers=1)
    elsewhere()
    assert len(refused) >= 2
    assert set(refused) == {
        "Lock objects should only be shared between processes through inheritance"
    }


@pytest.mark.parametrize("make", [multiprocessing.Pipe, SPAWN.Lock], ids=["pipe", "lock"])
def test_what_a_worker_has_made_stays_there(make: Callable[[], object]) -> None:
    with pytest.raises(parmagic.PayloadError, match=r"result of item 0.* Leave it out"):
        parmagic.map(lambda _: make(), range(2), workers=1)


def test_an_explanation_says_that_items_go_one_by_one() -> None:
    queue = SPAWN.Queue()
    assert "one item each" in repr(parmagic.explain(lambda number: queue.put(number), range(3)))
    lock = SPAWN.Lock()  # who has it runs
    assert "one item each" not in repr(parmagic.explain(lambda number: lock and number, range(3)))


SCRIPT = """
import multiprocessing, os, parmagic
from multiprocessing.shared_memory import SharedMemory
spawn = multiprocessing.get_context("spawn")
queue, lock, value, event = spawn.Queue(), spawn.Lock(), spawn.Value("i", 0), spawn.Event()
block = SharedMemory(f"parmagic-{os.getpid()}", create=True, size=10)

def work(number):
    with lock, value.get_lock():
        value.value += 1
        block.buf[number] = 1
    queue.put(number)

if __name__ == "__main__":
    parmagic.map(work, range(4), workers=2)
    print(sorted(queue.get() for _ in range(4)), value.value, sum(block.buf[:4]))
    block.close()
    block.unlink()
"""


def test_nothing_leaks_at_the_end_of_a_script(script: Callable[..., Script]) -> None:
    ended = script(SCRIPT, options=("-W", "error")).end()
    assert ended == (0, "[0, 1, 2, 3] 4 4\n", "")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="memory is always tracked")
def test_memory_that_nobody_tracks_is_not_tracked_by_workers() -> None:
    # Their tracker would unlink it when the kernel ends.
    name = f"parmagic-{os.getpid()}-untracked"
    block = SharedMemory(name, create=True, size=2, track=False)  # type: ignore[call-arg]
    tracked = parmagic.map(lambda block: block._track, [block])
    block.close()
    block.unlink()
    assert tracked == [False]
