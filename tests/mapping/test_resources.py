"""Memory and descriptors: results stay whole, and nothing grows."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from support import Script, wait_until

import parmagic
from parmagic.pool.default import default_pool
from parmagic.pool.stock import stock
from parmagic.worker.loans import most_kept

MEGABYTE = 1024 * 1024


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def descriptors_of_workers() -> int:
    return sum(psutil.Process(worker.pid).num_fds() for worker in default_pool().workers)


def memory() -> int:
    processes = [psutil.Process(), *(psutil.Process(w.pid) for w in default_pool().workers)]
    return sum(process.memory_info().rss for process in processes)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((3,), "f8"), ((100, 1000), "f8"), ((1000, 100), "f4"), ((0, 5), "i4"), ((200_000,), "U2")],
)
def test_arrays_come_back_right_and_writable(shape: tuple[int, ...], dtype: str) -> None:
    def fn(number: int) -> np.ndarray:
        return np.full(shape, number, dtype)

    results = parmagic.map(fn, range(6))
    for number, array in enumerate(results):
        np.testing.assert_array_equal(array, np.full(shape, number, dtype))
        array[:] = 0


def test_an_array_s_rows_are_items() -> None:
    rows = np.arange(600_000.0).reshape(600, 1000)
    assert parmagic.map(lambda row: row.sum(), rows) == list(rows.sum(axis=1))
    assert parmagic.map(lambda row: row.sum(), rows.T[::2]) == list(rows.T[::2].sum(axis=1))


def test_thousands_of_large_results_may_live() -> None:
    before = descriptors()
    results = parmagic.map(lambda n: np.full(20_000, n), range(2000), chunksize=1)
    assert descriptors() - before <= 2 * 256 + most_kept()
    assert [(array[0], array[-1]) for array in results] == [(n, n) for n in range(2000)]


def test_maps_leave_descriptors_and_memory_where_they_were() -> None:
    captured = np.ones(40_000)

    def some(count: int) -> None:
        for number in range(count):
            rows = np.full((4, 40_000), number)
            results = parmagic.map(lambda row: row * captured, rows, chunksize=1)
            assert [array[0] for array in results] == [number] * 4
            assert parmagic.map(lambda x, number=number: x + number, [1]) == [1 + number]
        parmagic.jobs.clear()
        gc.collect()
        stock.clear()

    some(100)
    before, of_workers, resident = descriptors(), descriptors_of_workers(), memory()
    some(300)
    assert wait_until(lambda: stock.clear() or descriptors() <= before)
    assert wait_until(lambda: descriptors_of_workers() <= of_workers + 2)
    assert memory() - resident < 30 * MEGABYTE


FEW_DESCRIPTORS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
import numpy as np
import parmagic

results = parmagic.map(lambda n: np.full(30_000, n), range(200), chunksize=1)
assert [array[-1] for array in results] == list(range(200))
rows = np.arange(3_000_000).reshape(100, 30_000)
assert parmagic.map(lambda row: row.sum(), rows, chunksize=1) == list(rows.sum(axis=1))
kept = parmagic.map(lambda row: row.copy(), rows, chunksize=1)
assert all((one == other).all() for one, other in zip(rows, kept))
"""
# Files, and so segments, of no more than this many bytes.
SMALL_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
import numpy as np
import parmagic

results = parmagic.map(lambda n: np.full(300_000, n), range(20))
assert [array[-1] for array in results] == list(range(20))
rows = np.arange(3_000_000).reshape(10, 300_000)
assert parmagic.map(lambda row: row.sum(), rows) == list(rows.sum(axis=1))
big = np.ones(1_000_000)
assert parmagic.map(lambda n: big.sum() + n, range(4)) == [1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3]
"""


@pytest.mark.parametrize("source", [FEW_DESCRIPTORS, SMALL_FILES], ids=["descriptors", "memory"])
def test_where_there_is_little_it_is_slower_and_right(
    script: Callable[..., Script], source: str
) -> None:
    ended = script(source).end()
    assert (ended.code, ended.output) == (0, "")
    assert ended.errors.count("RuntimeWarning: there is no shared memory to be had") <= 1


def test_a_large_item_and_result_pass_beside_large_prints(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fn(text: str) -> bytes:
        print(text)
        return text.encode()

    texts = [letter * 3_000_000 for letter in "abcd"]
    assert parmagic.map(fn, texts) == [text.encode() for text in texts]
    assert Counter(capsys.readouterr().out) == Counter("".join(texts) + 4 * "\n")
