from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable

import pytest
from support import Script

from parmagic import ProcessPoolExecutor

Pool = ProcessPoolExecutor

UNGUARDED = """
import dataclasses, enum
import parmagic
from parmagic import ProcessPoolExecutor
print("the script runs")

@dataclasses.dataclass
class Point:
    x: int

class Shade(enum.Enum):
    DARK = 1

def helper(x):
    return Point(x)

def fn(x):
    return helper(x), Shade.DARK

assert parmagic.map(fn, range(3)) == [(Point(n), Shade.DARK) for n in range(3)]
assert type(parmagic.map(fn, [1])[0][0]) is Point
assert parmagic.map(fn, [1])[0][1] is Shade.DARK
with ProcessPoolExecutor(2) as pool:
    assert pool.submit(fn, 1).result() == (Point(1), Shade.DARK)
    assert list(pool.map(fn, [1, 2])) == [(Point(1), Shade.DARK), (Point(2), Shade.DARK)]
"""


def test_a_script_needs_no_guard_and_runs_once(script: Callable[..., Script]) -> None:
    assert script(UNGUARDED).end() == (0, "the script runs\n", "")


BESIDE_OTHERS = """
import multiprocessing, threading
from parmagic import ProcessPoolExecutor

def fn(x):
    return x + 1

def start_workers():
    for _ in range(5):
        with ProcessPoolExecutor(2) as pool:
            assert pool.submit(fn, 1).result() == 2

if __name__ == "__main__":
    thread = threading.Thread(target=start_workers)
    thread.start()
    for _ in range(3):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.map(fn, [1, 2]) == [2, 3]
    thread.join()
"""


def test_processes_of_others_are_prepared_as_ever(script: Callable[..., Script]) -> None:
    assert script(BESIDE_OTHERS).end() == (0, "", "")


def test_others_do_not_meet_our_workers(pool: Pool) -> None:
    pool.submit(abs, -1).result()
    assert multiprocessing.active_children() == []


def in_a_process_of_its_own() -> int | None:
    process = multiprocessing.get_context("spawn").Process(target=sys.exit, args=(7,))
    process.start()
    process.join()
    return process.exitcode


def in_a_pool_of_its_own() -> int:
    from parmagic import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as pool:
        return pool.submit(int, 7).result()


IN_A_WORKER: dict[str, tuple[Callable[[], object], object]] = {
    "nothing can be read from stdin": (lambda: sys.stdin.read(), ""),
    "interrupts are not blocked": (lambda: signal.pthread_sigmask(signal.SIG_BLOCK, []), set()),
    "it is no daemon": (lambda: multiprocessing.current_process().daemon, False),
    "a process can be started": (in_a_process_of_its_own, 7),
    "a pool can be started": (in_a_pool_of_its_own, 7),
    "it is the kernel's child": (os.getppid, os.getpid()),
}


@pytest.mark.parametrize(("fn", "value"), IN_A_WORKER.values(), ids=IN_A_WORKER)
def test_in_a_worker(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, fn: Callable[[], object], value: object
) -> None:
    for function in (in_a_process_of_its_own, in_a_pool_of_its_own):
        monkeypatch.setattr(function, "__module__", "__main__")
    assert pool.submit(fn).result() == value
