from __future__ import annotations

from collections.abc import Callable

import pytest
from support import Script, alive, wait_until

# What a worker does while the kernel is killed.
OCCUPATIONS = {
    "idle": ("pass", "idle"),
    "sleeping": ("time.sleep(100)", "busy"),
    "stuck in C, with the lock": ("ctypes.PyDLL(None).sleep(100)", "busy"),
    "stuck in C, without the lock": ("ctypes.CDLL(None).sleep(100)", "busy"),
    "swallowing": ("swallow()", "busy"),
    "initializing": ("pass", "starting"),
}
SCRIPT = """
import ctypes, sys, time
from parmagic import ProcessPoolExecutor
from support import wait_until

def swallow():
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass

def occupy():
    {code}

initializer = (lambda: time.sleep(100)) if {state!r} == "starting" else None
pool = ProcessPoolExecutor(2, initializer=initializer)
futures = [pool.submit(occupy) for _ in range(2)]
wait_until(lambda: [worker.state for worker in pool.workers] == [{state!r}] * 2)
print(*(worker.pid for worker in pool.workers), flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize(("code", "state"), OCCUPATIONS.values(), ids=OCCUPATIONS)
def test_workers_die_with_the_kernel(
    script: Callable[..., Script], code: str, state: str
) -> None:
    kernel = script(SCRIPT.format(code=code, state=state))
    pids = [int(pid) for pid in kernel.line().split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    kernel.kill()
    assert wait_until(lambda: not any(map(alive, pids)), 5)


def test_workers_that_are_being_started_die_with_the_kernel(
    script: Callable[..., Script],
) -> None:
    kernel = script(
        "import os, signal\n"
        "from parmagic import ProcessPoolExecutor\n"
        "pool = ProcessPoolExecutor(2)\n"
        "pool.dispatcher.start()\n"
        "while len(pool.workers) < 2: pass\n"
        "print(*(worker.pid for worker in pool.workers), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    pids = [int(pid) for pid in kernel.line().split()]
    assert wait_until(lambda: not any(map(alive, pids)), 5)
