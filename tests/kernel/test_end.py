"""The end of a kernel is the end of all that it started, whatever it was doing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from kernels import Kernel
from support import Gate, wait_until

# The beginning of a cell that a kernel is in when it ends; None: it is idle.
DOINGS = {
    "idle": None,
    "in a map": "%%parmap --workers 2 --chunksize 1 x in range(9)\ngate.enter(x)",
    "in a map that computes": (
        "%%parmap --workers 2 --chunksize 1 x in range(9)\ngate.note(x)\nwhile True:\n    pass"
    ),
    "in a map that is stuck in C": (
        "%%parmap --workers 2 --chunksize 1 x in range(9)\ngate.note(x)\nsum(range(10 ** 12))"
    ),
    "in a map that ignores signals": (
        "%%parmap --workers 2 --chunksize 1 x in range(9)\nimport signal\n"
        "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
        "    signal.signal(number, signal.SIG_IGN)\ngate.note(x)\ntime.sleep(600)"
    ),
    "in a background job": "job = parmagic.map_async(gate.enter, range(9))",
    "in a cell of its own": "gate.note('a'); gate.note('b'); time.sleep(600)",
}


def occupy(kernel: Kernel, gate: Gate, doing: str) -> None:
    kernel.run("%parpool --workers 2\n%parmap x for x in range(4)")
    assert wait_until(lambda: len(kernel.worker_pids()) == 2)
    if code := DOINGS[doing]:
        kernel.give(gate)
        kernel.start(code)
        gate.wait_for(2)
    assert len(kernel.processes()) > 2  # multiprocessing's tracker too, which ignores SIGTERM


@pytest.mark.parametrize("doing", DOINGS)
def test_workers_of_a_killed_kernel_end_by_themselves(
    new_kernel: Callable[[], Kernel], gate: Gate, doing: str
) -> None:
    kernel = new_kernel()
    occupy(kernel, gate, doing)
    kernel.kill()
    assert wait_until(lambda: not kernel.left_over(), 5)


@pytest.mark.parametrize("doing", ["idle", "in a map", "in a map that ignores signals"])
def test_a_shutdown_takes_no_time_and_leaves_nothing(
    new_kernel: Callable[[], Kernel], gate: Gate, doing: str
) -> None:
    kernel = new_kernel()
    occupy(kernel, gate, doing)
    assert kernel.shut_down() < 5
    assert kernel.left_over() == []


@pytest.mark.parametrize("end", ["exit", "quit()", "import os, signal; os.kill(os.getpid(), 15)"])
def test_a_kernel_that_ends_itself_leaves_nothing(
    new_kernel: Callable[[], Kernel], end: str
) -> None:
    kernel = new_kernel()
    kernel.run("%parmap x for x in range(4)")
    assert kernel.processes()
    kernel.start(end)
    assert wait_until(lambda: not kernel.left_over(), 5)


def test_a_restarted_kernel_starts_anew(new_kernel: Callable[[], Kernel]) -> None:
    kernel = new_kernel()
    kernel.run("n = 1\n%parmap n for _ in range(4)")
    begun = time.monotonic()
    kernel.restart()
    assert time.monotonic() - begun < 5
    assert kernel.left_over() == []
    assert kernel.run("n").error == "NameError: name 'n' is not defined"
    kernel.run("%load_ext parmagic")
    assert kernel.run("%parmap x for x in range(3)").result["text/plain"] == "[0, 1, 2]"


def test_a_kernel_that_only_loads_the_extension_starts_no_process(
    new_kernel: Callable[[], Kernel],
) -> None:
    kernel = new_kernel()
    assert kernel.processes() == []


def test_a_fork_of_the_kernel_ends_without_harm(kernel: Kernel) -> None:
    kernel.run("%parmap x for x in range(4)")
    before = kernel.worker_pids()
    cell = kernel.run(
        "import multiprocessing\n"
        "def child():\n    assert parmagic.map(abs, [-1]) == [1]\n"
        "fork = multiprocessing.get_context('fork').Process(target=child)\n"
        "fork.start()\nfork.join()\nfork.exitcode"
    )
    assert cell.result["text/plain"] == "0"
    assert kernel.run("%parmap x for x in range(3)").result["text/plain"] == "[0, 1, 2]"
    assert kernel.worker_pids() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_from_outside_is_replaced(kernel: Kernel, number: int) -> None:
    kernel.run("%parpool --workers 1\n%parmap x for x in range(4)")
    assert wait_until(lambda: len(kernel.worker_pids()) == 1)
    (pid,) = kernel.worker_pids()
    kernel.run(f"os.kill({pid}, {int(number)})")
    assert kernel.run("%parmap x for x in range(3)").result["text/plain"] == "[0, 1, 2]"
    assert pid not in kernel.worker_pids()


SHARED = """
import multiprocessing
spawn = multiprocessing.get_context("spawn")
queue, lock, manager = spawn.Queue(), spawn.Lock(), multiprocessing.Manager()
"""


def test_queues_and_locks_neither_delay_a_shutdown_nor_leak(
    new_kernel: Callable[[], Kernel],
) -> None:
    kernel = new_kernel()
    kernel.run(SHARED)  # which starts multiprocessing's tracker, before we have a worker
    assert kernel.run("%parmap --workers 2 queue.put(x) for x in range(4)").succeeded
    assert kernel.run("%unload_ext parmagic").succeeded
    assert kernel.run("%reload_ext parmagic\n%parmap lock.acquire() for x in range(1)").succeeded
    assert kernel.run("%%parpool\nqueue.put(5)").succeeded
    assert kernel.shut_down() < 5
    assert "leaked" not in kernel.log
