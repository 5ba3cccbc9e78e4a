"""Memory between the kernel and its workers is never used twice at once, and never left behind."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from faults.trial import GUILTY, Trial, died, faulty_item
from support import wait_until

import parmagic
from parmagic.pool import broadcast, idle, stock
from parmagic.pool.default import default_pool

MEGABYTE = 1 << 20
# What has a name, as on Windows, is left by who is killed elsewhere.
NAMELESS = ("memfd", "shm", "file")


def checksum(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array))


def keep(item: Any) -> Any:
    """Keep ``item`` in the worker, with its checksum."""
    sys.__dict__.setdefault("kept_items", []).append((item, checksum(item)))
    del sys.kept_items[:-20]
    return item


def changed(_: int) -> list[int]:
    """Return which of the items that the worker keeps are not what they were."""
    kept = sys.__dict__.get("kept_items", [])
    return [n for n, (item, before) in enumerate(kept) if checksum(item) != before]


def none_changed() -> bool:
    return not any(map(len, parmagic.map(changed, range(4), chunksize=1, workers=2)))


# Never used again while somebody looks at it.


def test_an_item_that_a_worker_keeps_never_changes() -> None:
    for number in range(40):
        rows = np.full((4, 40_000), number)
        parmagic.map(keep, rows, chunksize=1, workers=2)
        assert none_changed()


def test_a_part_of_an_item_that_a_worker_keeps_never_changes() -> None:
    for number in range(20):
        rows = np.full((4, 40_000), number)
        parmagic.map(lambda row: keep(row[::-2][5:]).sum(), rows, chunksize=1, workers=2)
        assert none_changed()


@pytest.mark.parametrize("count", [40_000, 400_000], ids=["of one job", "kept for the next"])
def test_what_a_worker_keeps_of_a_function_never_changes(count: int) -> None:
    captured = np.zeros(count)

    def fn(number: int) -> float:
        keep(captured)
        return captured.sum()

    for number in range(20):
        captured[:] = number
        assert parmagic.map(fn, range(4), chunksize=1, workers=2) == [count * number] * 4
        assert none_changed()


def test_views_of_views_of_results_never_change() -> None:
    views = []
    for number in range(60):
        results = parmagic.map(lambda n, k=number: np.full(40_000, k + n), range(3), workers=2)
        views.append((results[1][8:][::-2].reshape(2, -1)[1:].T, number + 1))
        views.append((memoryview(results[2]).cast("B")[800:], number + 2))
    wrong = [n for view, n in views if set(np.frombuffer(bytes(view), "i8")) != {n}]
    del views, results
    assert not wrong


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_kept_stays_as_it_was(seed: int) -> None:
    chance = random.Random(seed)
    kept: list[tuple[np.ndarray, int]] = []
    captured = np.zeros(200_000)

    def make(number: int) -> np.ndarray:
        return np.full(20_000 + number % 30_000, number)

    def add(item: np.ndarray) -> np.ndarray:
        return keep(item) + captured[0]

    def cut(item: np.ndarray) -> np.ndarray:
        return item[1:-1]

    for _ in range(130):
        seeds = [chance.randrange(10**6) for _ in range(chance.randrange(1, 5))]
        items = [array for array, _ in chance.sample(kept, min(len(kept), len(seeds)))]
        options = {"chunksize": chance.randrange(1, 4), "workers": 2}
        match chance.randrange(5):
            case 0 | 1:
                results = parmagic.map(make, seeds, **options)
                expected = [make(number) for number in seeds]
            case 2:
                captured[:] = chance.random()
                results = parmagic.map(add, items, **options)
                expected = [item + captured[0] for item in items]
            case 3:
                results = parmagic.map(cut, items, **options)
                expected = [item[1:-1] for item in items]
            case 4:
                results = parmagic.map(lambda n, items=items: items[n], range(len(items)))
                expected = items
        assert all(map(np.array_equal, results, expected))
        views = [array[chance.randrange(3) :][:: chance.choice([1, -1, 2])] for array in results]
        found = [array for array in (*results, *views) if array.size > 10]
        found = chance.sample(found, min(len(found), len(seeds)))
        kept += [(array, checksum(array)) for array in found]
        del results, views, found, expected, items
        chance.shuffle(kept)
        del kept[15:]
        assert all(checksum(array) == before for array, before in kept)
    assert none_changed()


# Nothing grows.


def belongings() -> dict[str, int]:
    gc.collect()
    pids = [os.getpid(), *(worker.pid for worker in default_pool().workers)]
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return {
        "descriptors": sum(psutil.Process(pid).num_fds() for pid in pids),
        "memory": sum(int(text.partition("\nPss:")[2].split()[0]) * 1024 for text in rollups),
        "maps": sum(len(Path(f"/proc/{pid}/maps").read_text().splitlines()) for pid in pids),
    }


def test_a_thousand_maps_leave_everything_where_it_was() -> None:
    captured = np.zeros(150_000)
    rows = np.zeros((2, 150_000))

    def some(count: int) -> None:
        for number in range(count):
            captured[::1000] = number
            rows[:, 5] = number
            results = parmagic.map(lambda row: row + captured, rows, chunksize=1, workers=2)
            assert [array[5] for array in results] == [number] * 2
        del results
        parmagic.jobs.clear()

    some(150)
    before = belongings()
    some(850)
    after = belongings()
    # How many segments lie free depends on how results and chunks met; a leak has one a map.
    assert after["descriptors"] <= before["descriptors"] + 50
    assert after["maps"] <= before["maps"] + 50
    assert after["memory"] - before["memory"] < 40 * MEGABYTE


def test_what_is_free_is_given_back_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(stock, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(broadcast, "IDLE_SECONDS", 0.1)
    captured = np.ones(1_000_000)
    parmagic.map(lambda n: n, range(4), workers=2)
    before = belongings()
    results = parmagic.map(lambda n: captured + n, range(6), chunksize=1, workers=2)
    assert [array[-1] for array in results] == [n + 1 for n in range(6)]
    del results
    parmagic.jobs.clear()
    assert wait_until(lambda: stock.stock.free_bytes == broadcast.broadcasts.kept_bytes == 0)
    assert wait_until(lambda: belongings()["descriptors"] <= before["descriptors"] + 2)
    assert wait_until(lambda: belongings()["memory"] - before["memory"] < 40 * MEGABYTE)
    assert parmagic.map(lambda n: captured[n], range(2)) == [1, 1]


# Very large.


def _available_bytes() -> int:
    return psutil.virtual_memory().available


@pytest.mark.skipif(_available_bytes() < 12 << 30, reason="needs 12 GB of free memory")
@pytest.mark.parametrize("kind", ["array", "bytes"])
def test_more_than_two_gigabytes_come_back(kind: str) -> None:
    def fn(count: int) -> Any:
        large = np.zeros(count, "u1") if kind == "array" else bytearray(count)
        large[0], large[1 << 31], large[-1] = 1, 2, 3
        return large if kind == "array" else bytes(large)

    count = 2_200_000_000 if kind == "array" else (1 << 31) + 5
    [result] = parmagic.map(fn, [count], workers=1)
    assert len(result) == count
    assert (result[0], result[1 << 31], result[-1]) == (1, 2, 3)
    assert not any(result[1:1000])


# Forks.


def test_a_fork_of_the_kernel_has_results_of_its_own() -> None:
    results = parmagic.map(lambda n: np.full(100_000, n), range(4), chunksize=1, workers=2)
    pid = os.fork()
    if not pid:
        own = [int(array[-1]) for array in results]
        del results
        gc.collect()
        os._exit(own == [0, 1, 2, 3])
    for number in range(10):
        parmagic.map(lambda n, k=number: np.full(100_000, n + k), range(4), chunksize=1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert [array.max() for array in results] == [0, 1, 2, 3]
    assert [array.min() for array in results] == [0, 1, 2, 3]


def test_what_a_fork_looks_at_is_not_used_again(tmp_path: Path) -> None:
    results = parmagic.map(lambda n: np.full(100_000, n), range(4), chunksize=1, workers=2)
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writer)
        os.read(reader, 1)  # until the kernel has run more
        os._exit([int(array.max()) for array in results] == [0, 1, 2, 3])
    os.close(reader)
    del results
    parmagic.jobs.clear()
    for number in range(10, 20):
        parmagic.map(lambda n, k=number: np.full(100_000, n + k), range(4), chunksize=1)
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


FORKED_MAP = """
import warnings
import numpy as np
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
results = parmagic.map(lambda n: np.full(100_000, n), range(4), chunksize=1, workers=2)
pid = os.fork()
if not pid:
    own = parmagic.map(lambda array: array + 1, results, chunksize=1, workers=2)
    right = [array.max() for array in own] == [1, 2, 3, 4]
    parmagic.pool.default.stop_default_pool(kill=True)
    os._exit(0 if right else 3)
again = parmagic.map(lambda array: array + 5, results, chunksize=1, workers=2)
tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
tell([int(array.min()) for array in (*results, *again)])
check()
"""


def test_parent_and_child_of_a_fork_both_map(trial: Callable[..., Trial]) -> None:
    assert trial(FORKED_MAP).told() == [0, [0, 1, 2, 3, 5, 6, 7, 8], "well"]


FORKING_ITEM = """
import numpy as np

def fn(array):
    pid = os.fork()
    if not pid:
        array[:] = -1
        os._exit(int(array.max() != -1))
    assert os.waitpid(pid, 0)[1] == 0
    forked = os.fork()  # one that goes on to look at it
    if not forked:
        os.setsid()
        before = array.copy()
        gate.enter(int(array[0]))
        gate.note("right" if (array == before).all() else "wrong")
        os._exit(0)
    return array

rows = np.arange(4).repeat(50_000).reshape(4, -1)
results = parmagic.map(fn, rows, chunksize=1, workers=2)
for number in range(10):
    parmagic.map(np.sum, rows + number, chunksize=1, workers=2)
gate.open()
tell([int(array.max()) for array in results] == [int(array.min()) for array in results])
wait_until(lambda: sum(name in ("right", "wrong") for name in gate.names) and
           len([p for p in gate.pids]) >= 8)
tell("wrong" in gate.names)
check()
"""


def test_a_fork_in_an_item_does_not_lose_its_array(trial: Callable[..., Trial]) -> None:
    assert trial(FORKING_ITEM).told() == [True, False, "well"]


# Killed.

TRANSFER = """
import gc
import numpy as np
captured = np.ones(300_000)
tell("go")
while True:
    rows = np.ones((8, 300_000))
    parmagic.map(lambda row: row + captured, rows, chunksize=1, workers=2)
    captured[5] += 1
"""


@pytest.mark.parametrize("transport", NAMELESS)
@pytest.mark.parametrize("after", [0.0, 0.35, 0.62])
def test_a_kernel_killed_in_a_transfer_leaves_nothing(
    trial: Callable[..., Trial],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
    after: float,
) -> None:
    monkeypatch.setenv("PARMAGIC_MEMORY", transport)
    run = trial(TRANSFER).wait_for("go")
    # Whatever it is at: there is nothing to wait for.
    signal.sigtimedwait([], after)
    run.signal(signal.SIGKILL)
    assert run.end().code == -signal.SIGKILL  # and nothing is left


LARGE_DEATHS = {
    "while it writes a result": """
        write = os.pwrite
        def write_half(descriptor, part, start):
            write(descriptor, part[:len(part) // 2], start)
            os.kill(os.getpid(), signal.SIGKILL)
        os.pwrite = write_half
        import numpy
        return numpy.ones(5_000_000)
    """,
    "while it writes to a loan": """
        import numpy
        class Fatal:
            def __reduce__(self):
                os.kill(os.getpid(), signal.SIGKILL)
        return [numpy.ones(100_000), Fatal()]
    """,
}


@pytest.mark.parametrize("fault", LARGE_DEATHS.values(), ids=LARGE_DEATHS)
def test_a_worker_killed_with_a_large_result_costs_that_item(
    trial: Callable[..., Trial], fault: str
) -> None:
    assert trial(faulty_item(fault)).told() == [{GUILTY: died(-signal.SIGKILL)}, "well"]


KILLED_READER = """
import numpy as np

class Fatal:
    def __init__(self, array):
        self.array = array
    def __reduce__(self):
        return rebuilt, (self.array, kernel)

def rebuilt(array, kernel):
    if array[0] == 3 and os.getppid() == kernel:
        array.sum()
        os.kill(os.getpid(), signal.SIGKILL)
    return array

kernel = os.getpid()
items = [Fatal(np.full(300_000, n)) for n in range(8)]
results = parmagic.map(np.max, items, chunksize=2, workers=2, return_exceptions=True)
tell([plain(each)[0] if isinstance(plain(each), tuple) else int(each) for each in results])
tell([results[3].item, results[3].exitcode])
check()
"""


def test_a_worker_killed_with_large_items_costs_that_item(trial: Callable[..., Trial]) -> None:
    values = [0, 1, 2, "WorkerDied", 4, 5, 6, 7]
    assert trial(KILLED_READER).told() == [values, [3, -signal.SIGKILL], "well"]


MANY_DEATHS = """
import numpy as np, random
chance = random.Random(5)
captured = np.arange(300_000)

def fn(row):
    if row[1] and not os.path.exists(flag := f"{folder}/{int(row[0])}"):
        open(flag, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return row + captured

folder = str(gate.folder)
rows = np.zeros((30, 300_000))
rows[:, 0] = range(30)
rows[::5, 1] = 1
results = parmagic.map(fn, rows, chunksize=2, workers=2, retries=2)
tell(all((result == row + captured).all() for result, row in zip(results, rows)))
check()
"""


def test_after_many_deaths_all_large_results_are_right(trial: Callable[..., Trial]) -> None:
    assert trial(MANY_DEATHS).told() == [True, "well"]
