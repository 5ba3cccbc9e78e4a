from __future__ import annotations

from collections.abc import Callable

import pytest
from support import Gate, Script, alive, wait_until

BUSY = """
import os, signal, sys, threading, time
from pathlib import Path
import parmagic
from parmagic import ProcessPoolExecutor
from support import Gate

gate = Gate(Path(sys.argv[1]))
pool = ProcessPoolExecutor(2)
futures = [pool.submit(gate.enter, number) for number in range(4)]
gate.wait_for(2)
"""
# How a program may end whose executor has two calls that run and two that wait, and its exit code.
PATIENT_ENDS = {
    "in silence": ("", 0),
    "after a shutdown": ("pool.shutdown(wait=False)", 0),
    "without its pool": ("del pool", 0),
    "by sys.exit": ("sys.exit(3)", 3),
    "by an error": ("1 / 0", 1),
    "after an error in a thread": ("threading.Thread(target=lambda: 1 / 0).start()", 0),
}
OTHER_ENDS = {
    "killed pool": ("pool.kill()", 0),
    "killed workers": ("pool.kill_workers()", 0),
    "os._exit": ("os._exit(3)", 3),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", -15),
    "Ctrl-C": ("os.kill(os.getpid(), signal.SIGINT)", -2),
    "unfinished job": (
        "pool.kill(); parmagic.map_async(gate.enter, 'abcd'); gate.wait_for(4)",
        0,
    ),
}


@pytest.mark.parametrize(("end", "code"), PATIENT_ENDS.values(), ids=PATIENT_ENDS)
def test_what_was_submitted_is_done_before_the_program_ends(
    script: Callable[..., Script], gate: Gate, end: str, code: int
) -> None:
    program = script(BUSY + end, gate.folder)
    gate.wait_for(2)
    gate.open()
    ended = program.end()
    assert ended.code == code
    assert gate.names == {"0", "1", "2", "3"}
    assert not any(map(alive, gate.pids))
    assert "parmagic" not in ended.errors


@pytest.mark.parametrize(("end", "code"), OTHER_ENDS.values(), ids=OTHER_ENDS)
def test_workers_end_with_their_program(
    script: Callable[..., Script], gate: Gate, end: str, code: int
) -> None:
    ended = script(BUSY + end, gate.folder).end()
    assert ended.code == code
    assert wait_until(lambda: not any(map(alive, gate.pids)), 5)
    assert "parmagic" not in ended.errors


def test_ctrl_c_ends_a_program_that_waits_for_its_calls(
    script: Callable[..., Script], gate: Gate
) -> None:
    program = script(BUSY + "print('the last line', flush=True)", gate.folder)
    program.line()
    program.interrupt()
    assert program.end().code in (0, -2)  # it may not have got beyond the last line
    assert wait_until(lambda: not any(map(alive, gate.pids)), 5)


LATE = """
import atexit
from parmagic import Pool, ProcessPoolExecutor

executor = ProcessPoolExecutor(1)
pool = Pool(1)

@atexit.register
def ask_for_more():
    for ask in (lambda: executor.submit(abs, -1), lambda: executor.map(abs, [-1])):
        try:
            ask()
        except RuntimeError as error:
            print(error)

assert executor.submit(abs, -1).result() == pool.apply(abs, [-1])
"""


def test_at_its_end_a_program_is_given_no_more_workers(script: Callable[..., Script]) -> None:
    ended = script(LATE).end()
    assert ended.output == 2 * "cannot schedule new futures after interpreter shutdown\n"
    assert (ended.code, ended.errors) == (0, "")


QUIET = """
import parmagic
from parmagic import ProcessPoolExecutor

pools = [ProcessPoolExecutor(1) for _ in range(3)]
with ProcessPoolExecutor(1) as pool:
    assert list(pool.map(abs, [-1])) == [1]
assert pools[0].submit(abs, -1).result() == 1
assert parmagic.map(abs, [-1]) == [1]
pools[1].shutdown()
"""


def test_after_a_program_nothing_is_said(script: Callable[..., Script]) -> None:
    assert script(QUIET).end() == (0, "", "")


BESIDE_OTHERS = """
import multiprocessing
import parmagic

assert parmagic.map(abs, [-1]) == [1]
context = multiprocessing.get_context("spawn")
kept = [context.Lock(), context.Queue(), context.Semaphore()]
"""


def test_what_others_keep_until_the_end_is_theirs(script: Callable[..., Script]) -> None:
    assert script(BESIDE_OTHERS).end() == (0, "", "")


FORK = """
import os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # fork() with threads, from 3.12 on
import parmagic
from parmagic import ProcessPoolExecutor

pool = ProcessPoolExecutor(1)
future = pool.submit(time.sleep, 1.5)
assert parmagic.map(abs, [-1]) == [1]
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    assert future.result() is None
    assert parmagic.map(abs, [-1, -2]) == [1, 2]
    assert pool.submit(abs, -1).result() == 1
else:
    import signal
    signal.alarm(20)
    {child}
"""
# What a fork of a program that has pools may do.
FORKS = {
    "end": "os._exit(0)",
    "end as programs do": "sys.exit()",
    "map": "assert parmagic.map(abs, [-1]) == [1]",
    "use a pool of its own": "assert ProcessPoolExecutor(2).submit(abs, -1).result() == 1",
    "close its parent's pool": "pool.shutdown(); pool.kill(); del pool",
    "ask for its parent's result": """
    try:
        future.result()
    except RuntimeError as error:
        assert "a fork of the one that made the pool" in str(error)
    else:
        os._exit(1)
    """,
    "use its parent's pool": """
    try:
        pool.submit(abs, -1)
    except RuntimeError as error:
        assert "a fork of the one that made the pool" in str(error)
    else:
        os._exit(1)
    """,
}


@pytest.mark.parametrize("child", FORKS.values(), ids=FORKS)
def test_a_fork_leaves_its_parent_s_pool_alone(script: Callable[..., Script], child: str) -> None:
    assert script(FORK.format(child=child)).end() == (0, "", "")


FORK_WHILE_STARTING = """
import os, signal, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from parmagic import ProcessPoolExecutor

for number in range(20):
    pool = ProcessPoolExecutor(2)
    pool.dispatcher.start()
    time.sleep(0.002 * number)
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
    else:
        signal.alarm(20)
        os._exit(ProcessPoolExecutor(1).submit(abs, 0).result(10))
    pool.kill()
"""


def test_a_fork_may_happen_while_workers_start(script: Callable[..., Script]) -> None:
    assert script(FORK_WHILE_STARTING).end() == (0, "", "")


FORK_THAT_STAYS = """
import os, signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import parmagic

assert parmagic.map(abs, [-1]) == [1]
print(os.fork() or signal.pause(), flush=True)
"""


def test_a_program_ends_before_its_forks(script: Callable[..., Script]) -> None:
    program = script(FORK_THAT_STAYS)
    fork = int(program.line())
    assert wait_until(lambda: not alive(program.pid), 5)
    assert alive(fork)
