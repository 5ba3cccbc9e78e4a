"""Several threads map at once, and processes fork or stand still meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults.trial import Trial

EIGHT_THREADS = """
from concurrent.futures import ThreadPoolExecutor

def fn(number):
    if number == 3:
        {fault}
    return number ** 2

def work(thread):
    return [odd_ones(fn, chunksize=4) for _ in range(3)]

with ThreadPoolExecutor(8) as threads:
    for odd in threads.map(work, range(8)):
        tell(odd)
check()
"""
# What an item of each map does, and what becomes of it.
DURING = {
    "nothing": ("pass", None),
    "fails": ("1 / 0", "ZeroDivisionError"),
    "dies": ("os._exit(5)", ("WorkerDied", 3, "3", 5)),
    "maps": ("parmagic.map(abs, [number])", None),
}


@pytest.mark.parametrize(("fault", "outcome"), DURING.values(), ids=DURING)
def test_eight_threads_map_at_once(
    trial: Callable[..., Trial], fault: str, outcome: object
) -> None:
    odd = {} if outcome is None else {3: outcome}
    assert trial(EIGHT_THREADS.format(fault=fault)).told() == [[odd] * 3] * 8 + ["well"]


INTERRUPTED_BESIDE = """
def fn(number):
    gate.note(number)
    wait_until(lambda: "interrupted" in gate.names)
    return number ** 2

thread = threading.Thread(target=lambda: tell(odd_ones(fn, range(4), chunksize=1)))
thread.start()
gate.wait_for(2)
tell("busy")
try:
    parmagic.map(lambda _: time.sleep(600), range(4)) if {main_maps} else time.sleep(600)
except KeyboardInterrupt:
    gate.note("interrupted")
thread.join()
check()
"""


@pytest.mark.parametrize("main_maps", [True, False])
def test_an_interrupt_does_not_stop_the_map_of_another_thread(
    trial: Callable[..., Trial], main_maps: bool
) -> None:
    program = trial(INTERRUPTED_BESIDE.format(main_maps=main_maps)).wait_for("busy")
    program.interrupt()
    assert program.told() == ["busy", {}, "well"]


# What threads do that are not waited for when the program ends.
WORK = {
    "map": "parmagic.map(rest, range(9))",
    "map many": "parmagic.map(abs, iter(range(10 ** 9)))",
    "make pools": "parmagic.ProcessPoolExecutor(1).submit(abs, 1).result()",
}
END_BESIDE = """
def rest(number):
    gate.note(number)
    time.sleep(600)

def work():
    while True:
        {work}

parmagic.map(abs, range(4), workers=2)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
wait_until(lambda: default_pool().busy_workers, 0.1)
"""


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_program_ends_while_its_threads_work(trial: Callable[..., Trial], work: str) -> None:
    ended = trial(END_BESIDE.format(work=work)).end()
    assert ended.code == 0


# What the child of a fork does, and its exit code. Where it ends itself is its end.
FORKS = {
    "exits": ("sys.exit(3)", 3),
    "fails": ("sys.stderr = None; 1 / 0", 1),
    "maps": ("os._exit(parmagic.map(abs, [-1, -2]) != [1, 2])", 0),
    "maps and dies": ("parmagic.map(abs, [-1]); os.abort()", -6),
    "checks": ("check(); os._exit(0)", 0),
    "asks for a result": ("os._exit(type(caught(job.result, 1)) is not str)", 0),
    "collects": ("import gc; del job; parmagic.jobs.clear(); gc.collect(); os._exit(0)", 0),
}
# What the program does when it forks.
MOMENTS = {
    "busy": "job = parmagic.map_async(rest, range(4), workers=2); gate.wait_for(2)",
    "starting": "job = parmagic.map_async(rest, range(4), workers=2)",
}
FORKED = [(fork, "busy") for fork in FORKS] + [(fork, "starting") for fork in ("exits", "maps")]
FORK = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # fork() with threads, from 3.12 on

def rest(number):
    gate.enter(number)
    return number ** 2

{moment}
child = os.fork()
if not child:
    signal.alarm(10)
    {fault}
tell(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
gate.open()
tell(job.result())
check()
"""


@pytest.mark.parametrize(("fork", "moment"), FORKED)
def test_a_fork_harms_neither_itself_nor_its_parent(
    trial: Callable[..., Trial], fork: str, moment: str
) -> None:
    fault, code = FORKS[fork]
    told = trial(FORK.format(fault=fault, moment=MOMENTS[moment])).told()
    expected = [code, [0, 1, 4, 9], "well"]
    assert told == ["well", *expected] if fork == "checks" else expected


# Workers that stand still.
STOPPED = """
def rest(number):
    gate.note(number)
    time.sleep(600)

def stop(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

pool = default_pool(2)
parmagic.map(abs, range(4))
before = idle_pids()
{fault}
check()
"""
STANDSTILLS = {
    "shutdown": "stop(before); pool.shutdown()",
    "kill": "stop(before); pool.kill()",
    "cancelled": """
job = parmagic.map_async(rest, range(9))
gate.wait_for(2)
stop(before)
job.cancel()
assert wait_until(job.done, 1)
""",
    "shutdown of busy ones": """
job = parmagic.map_async(rest, range(9))
gate.wait_for(2)
stop(before)
pool.kill()
assert caught(job.result) == "PoolBroken"
""",
}


@pytest.mark.parametrize("fault", STANDSTILLS.values(), ids=STANDSTILLS)
def test_stopped_workers_stop_nobody_else(trial: Callable[..., Trial], fault: str) -> None:
    assert trial(STOPPED.format(fault=fault)).told() == ["well"]


STOPPED_INTERRUPT = """
def rest(number):
    gate.note(number)
    time.sleep(600)

parmagic.map(abs, range(4), workers=2)
pids = idle_pids()

def interrupt():
    gate.wait_for(2)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    begun.append(time.monotonic())
    os.killpg(0, signal.SIGINT)

begun = []
threading.Thread(target=interrupt).start()
tell(caught(parmagic.map, rest, range(9)))
tell(time.monotonic() - begun[0] < 1)
check()
"""


def test_an_interrupt_with_stopped_workers_frees_the_caller(
    trial: Callable[..., Trial],
) -> None:
    assert trial(STOPPED_INTERRUPT).told() == ["KeyboardInterrupt", True, "well"]
