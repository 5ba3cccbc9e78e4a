from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator

import pytest
from support import Gate, Script, alive, wait_until

from parmagic import ProcessPoolExecutor

# What a worker does while the kernel is killed.
OCCUPATIONS = {
    "sleeping": "time.sleep(100)",
    "stuck in C, with the lock": "ctypes.PyDLL(None).sleep(100)",
    "stuck in C, without the lock": "ctypes.CDLL(None).sleep(100)",
    "swallowing": "swallow()",
}
SCRIPT = """
import ctypes, sys, time
from pathlib import Path
from parmagic import ProcessPoolExecutor
from support import Gate

def swallow():
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass

def occupy(gate):
    gate.note()
    {code}

gate = Gate(Path(sys.argv[1]))
initializer = occupy if sys.argv[2] == "initializer" else None
pool = ProcessPoolExecutor(2, initializer=initializer, initargs=(gate,))
futures = [pool.submit(occupy, gate) for _ in range(2)]
time.sleep(100)
"""


def assert_they_die_with(kernel: Script, pids: list[int]) -> None:
    assert all(map(alive, pids))
    kernel.kill()
    assert wait_until(lambda: not any(map(alive, pids)), 5)


@pytest.mark.parametrize("where", ["call", "initializer"])
@pytest.mark.parametrize("code", OCCUPATIONS.values(), ids=OCCUPATIONS)
def test_busy_workers_die_with_the_kernel(
    script: Callable[..., Script], gate: Gate, code: str, where: str
) -> None:
    kernel = script(SCRIPT.format(code=code), gate.folder, where)
    gate.wait_for(2)
    assert_they_die_with(kernel, gate.pids)


@pytest.mark.parametrize("state", ["starting", "idle"])
def test_workers_that_do_nothing_die_with_the_kernel(
    script: Callable[..., Script], state: str
) -> None:
    kernel = script(
        "import time\n"
        "from parmagic import ProcessPoolExecutor\n"
        "pool = ProcessPoolExecutor(2)\n"
        "pool.dispatcher.start()\n"
        f"while {{worker.state for worker in pool.workers}} != {{{state!r}}}: pass\n"
        "print(*(worker.pid for worker in pool.workers), flush=True)\n"
        "time.sleep(100)\n"
    )
    assert_they_die_with(kernel, [int(pid) for pid in kernel.line().split()])


class Refusing:
    """An import hook that lets nobody have ctypes, and notes who asks."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._times: Iterator[int] = itertools.count()

    def find_spec(self, name: str, *_: object) -> None:
        if name == "ctypes":
            self._gate.note(next(self._times))
            raise ModuleNotFoundError(name)


def refuse(gate: Gate) -> None:
    sys.modules.pop("ctypes", None)
    sys.meta_path.insert(0, Refusing(gate))


def test_a_worker_that_cannot_import_what_ties_it_to_the_kernel_tries_again(gate: Gate) -> None:
    with ProcessPoolExecutor(1, initializer=refuse, initargs=(gate,)) as pool:
        pid = pool.submit(os.getpid).result()
        gate.wait_for(1)
        assert pool.submit(os.getpid).result() == pid
        gate.wait_for(2)
        assert pool.submit(os.getpid).result() == pid
