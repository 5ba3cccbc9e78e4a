"""joblib, and with it scikit-learn, on the warm pool."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.svm import SVC
from support import Script

import parmagic
from parmagic.pool.default import default_pool, running_pool

parmagic.register_joblib()


def in_workers(fn: Callable[..., Any], *items: Any, **options: Any) -> list[Any]:
    """Call ``fn``, which is to be a function of the caller, on each of ``items``."""
    parallel = Parallel(**{"backend": "parmagic", "n_jobs": 2, **options})
    values = parallel(delayed(fn)(item) for item in items)
    return values if isinstance(values, list) else list(values)


def test_scikit_learn_gives_what_it_gives_without() -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[:400], y[:400]

    def results() -> list[Any]:
        search = GridSearchCV(SVC(), {"C": [0.1, 1.0], "gamma": [1e-3, 1e-2]}, cv=2).fit(X, y)
        forest = RandomForestClassifier(8, random_state=0).fit(X, y)
        scores = cross_val_score(SVC(), X, y, cv=3).tolist()
        return [scores, search.cv_results_["mean_test_score"].tolist(), forest.predict(X).tolist()]

    with joblib.parallel_config(backend="parmagic", n_jobs=2):
        ours = results()
        first = _pids()
        assert results() == ours
    assert len(first) == 2  # it did run there, and the workers are the same ones still
    assert _pids() == first
    with joblib.parallel_config(backend="sequential"):
        assert results() == ours


def _pids() -> set[int]:
    pool = running_pool()
    return set() if pool is None else {worker.pid for worker in pool.workers}


def test_values_come_as_they_are_asked_for() -> None:
    items = list(range(300))
    double = lambda number: 2 * number  # noqa: E731
    doubled = [2 * number for number in items]
    assert in_workers(double, *items) == doubled
    assert in_workers(double, *items, batch_size=7, pre_dispatch="all") == doubled
    assert in_workers(double, *items, return_as="generator") == doubled
    assert sorted(in_workers(double, *items, return_as="generator_unordered")) == doubled
    with Parallel(n_jobs=2, backend="parmagic") as parallel:
        for _ in range(3):
            assert parallel(delayed(double)(number) for number in items[:9]) == doubled[:9]
    half = Parallel(n_jobs=2, backend="parmagic", return_as="generator")(
        delayed(double)(number) for number in items
    )
    assert next(half) == 0
    with pytest.warns(UserWarning, match="tasks which were still being processed"):
        del half
    assert in_workers(double, 1, 2) == [2, 4]


def test_what_a_call_raises_ends_the_others() -> None:
    class Odd(Exception):
        pass

    def check(number: int) -> int:
        if number == 3:
            raise Odd(number)
        if number > 3:
            time.sleep(100)
        return number

    with pytest.raises(Odd, match="3") as caught:
        in_workers(check, *range(8), pre_dispatch="all", batch_size=1)
    assert ", in check" in str(caught.value.__cause__)
    assert in_workers(check, 1, 2) == [1, 2]
    with pytest.raises(multiprocessing.TimeoutError):
        in_workers(check, 100, 100, timeout=0.1)
    assert in_workers(check, 1, 2) == [1, 2]

    def end(number: int) -> None:
        os._exit(number)

    with pytest.raises(parmagic.WorkerDied, match="exit code 7"):
        in_workers(end, 7, 7)
    assert in_workers(check, 1, 2) == [1, 2]


def test_n_jobs_counts_from_the_size_of_the_pool() -> None:
    pool = default_pool(3)
    of = Parallel(backend="parmagic", n_jobs=-1)._effective_n_jobs
    assert of() == 3
    assert Parallel(backend="parmagic", n_jobs=-2)._effective_n_jobs() == 2
    assert Parallel(backend="parmagic", n_jobs=-9)._effective_n_jobs() == 1
    assert Parallel(backend="parmagic")._effective_n_jobs() == 1
    with pytest.raises(ValueError, match="n_jobs == 0"):
        in_workers(abs, -1, n_jobs=0)
    assert in_workers(lambda _: os.getpid(), 1, 2, n_jobs=1) == [os.getpid()] * 2
    # Of three workers at most two run at the same time.
    spans = in_workers(_span(), *range(8), n_jobs=2, pre_dispatch="all", batch_size=1)
    most = max(sum(begin <= each < end for begin, end in spans) for each, _ in spans)
    assert 1 <= most <= 2
    in_workers(abs, *range(8), n_jobs=4)
    assert pool.max_workers == 4


def _span() -> Callable[[int], tuple[float, float]]:
    def span(_: int) -> tuple[float, float]:
        begin = time.monotonic()
        time.sleep(0.02)
        return begin, time.monotonic()

    return span


def test_calls_inside_a_worker_make_no_processes() -> None:
    def nested(_: int) -> tuple[int, set[int], set[int]]:
        by_default = Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(4))
        by_name = Parallel(n_jobs=2, backend="parmagic")(delayed(os.getpid)() for _ in range(4))
        return os.getpid(), set(by_default), set(by_name)

    for pid, by_default, by_name in in_workers(nested, 1, 2):
        assert by_default == by_name == {pid}
        assert pid in _pids()


def test_libraries_have_their_share_of_threads_during_the_call_only() -> None:
    def threads(_: int) -> tuple[set[int], str | None]:
        import numpy  # noqa: F401
        import threadpoolctl

        found = {each["num_threads"] for each in threadpoolctl.threadpool_info()}
        return found, os.environ.get("OMP_NUM_THREADS")

    def after_import(_: int) -> tuple[set[int], str | None]:
        return threads(0)

    before = parmagic.map(after_import, range(1), workers=2)[0]
    with joblib.parallel_config(backend="parmagic", n_jobs=2, inner_max_num_threads=3):
        assert Parallel()(delayed(threads)(number) for number in (1, 2)) == [({3}, "3")] * 2
    share = max(joblib.cpu_count() // 2, 1)
    assert in_workers(threads, 1, 2) == [({share}, str(share))] * 2
    # A worker that was first asked to import NumPy for joblib is as the others, too.
    assert set(map(str, parmagic.map(threads, range(20), chunksize=1))) == {str(before)}


def test_an_array_is_in_memory_once_and_what_changes_is_seen() -> None:
    array = np.zeros(2_000_000)

    def look(array: Any) -> tuple[float, int]:
        address = array.__array_interface__["data"][0]
        with open("/proc/self/maps") as maps:
            for line in maps:
                first, last = line.split()[0].split("-")
                if int(first, 16) <= address < int(last, 16):
                    return float(array[-1]), int(line.split()[4])  # the number of its file
        raise AssertionError

    files = set()
    for number in range(3):
        array[-1] = number
        seen = in_workers(look, *[array] * 6, batch_size=1)
        assert {value for value, _ in seen} == {number}
        files |= {file for _, file in seen}
    assert len(files) <= 2
    assert 0 not in files


def test_an_initializer_has_a_pool_of_its_own() -> None:
    def note(word: str) -> None:
        sys.word = word  # type: ignore[attr-defined]

    def read(_: int) -> str | None:
        return getattr(sys, "word", None)

    assert in_workers(read, 1, 2, initializer=note, initargs=("hello",)) == ["hello"] * 2
    assert in_workers(read, 1, 2) == [None] * 2


SCRIPT = """
import sys, parmagic
from parmagic.pool import registry
from parmagic.pool.default import running_pool
registry.watch()
assert "joblib" not in sys.modules
import time
from pathlib import Path
from joblib import Parallel, delayed
from support import Gate
gate = Gate(Path(sys.argv[1]))

def wait(number):
    gate.note(number)
    time.sleep(100)

parallel = Parallel(n_jobs=2, backend="parmagic")
pids = lambda: sorted(worker.pid for worker in running_pool().workers)
parallel(delayed(abs)(number) for number in range(4))
before = pids()
try:
    parallel(delayed(wait)(number) for number in range(4))
except KeyboardInterrupt:
    print("interrupted", parallel(delayed(abs)(-number) for number in range(4)), pids() == before)
"""


def test_an_interrupt_keeps_the_workers(script: Callable[..., Script], gate: Any) -> None:
    running = script(SCRIPT, gate.folder)
    gate.wait_for(2)
    running.interrupt()
    assert running.end() == (0, "interrupted [0, 1, 2, 3] True\n", "")
