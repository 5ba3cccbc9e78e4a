"""A worker dies, at whatever moment: its item is named, and all others have their values."""

from __future__ import annotations

import signal
from collections.abc import Callable
from textwrap import dedent

import pytest
from faults.trial import GUILTY, Trial, died, faulty_item

# What kills a worker while it calls the function, and the exit code.
DEATHS = {
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    "abort": ("os.abort()", -signal.SIGABRT),
    "exit 0": ("os._exit(0)", 0),
    "exit 7": ("os._exit(7)", 7),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "SIGHUP": ("os.kill(os.getpid(), signal.SIGHUP)", -signal.SIGHUP),
    "stack overflow in C": (
        "iterator = iter([1])\nfor _ in range(10 ** 6):\n    iterator = map(abs, iterator)\n"
        "next(iterator)",
        -signal.SIGSEGV,
    ),
}
# What kills it when the item is done, and its result is on the way.
DEATHS_OF_RESULTS = {
    "in __reduce__": """
        class Fatal:
            def __reduce__(self):
                os._exit(5)
        return Fatal()
    """,
    "in __reduce__, after 100 MB": """
        class Fatal:
            def __reduce__(self):
                os._exit(5)
        return bytes(100_000_000), Fatal()
    """,
    "half written to memory": """
        def write_half(descriptor, part, start, write=os.pwrite):
            write(descriptor, part[:len(part) // 2], start)
            os._exit(5)
        os.pwrite = write_half
        return bytes(100_000_000)
    """,
    "between descriptor and message": """
        import socket
        def send_and_die(*arguments, send=socket.send_fds):
            send(*arguments)
            os._exit(5)
        socket.send_fds = send_and_die
        return bytes(100_000_000)
    """,
    "half sent": """
        from multiprocessing.connection import Connection
        def send_half(self, message, write=Connection._write):
            write(self._handle, message[:len(message) // 2])
            os._exit(5)
        Connection._send = send_half
    """,
}


@pytest.mark.parametrize(("fault", "exitcode"), DEATHS.values(), ids=DEATHS)
def test_a_death_costs_its_own_item_only(
    trial: Callable[..., Trial], fault: str, exitcode: int
) -> None:
    assert trial(faulty_item(fault)).told() == [{GUILTY: died(exitcode)}, "well"]


@pytest.mark.parametrize("fault", DEATHS_OF_RESULTS.values(), ids=DEATHS_OF_RESULTS)
def test_a_death_with_a_result_costs_its_own_item_only(
    trial: Callable[..., Trial], fault: str
) -> None:
    assert trial(faulty_item(fault)).told() == [{GUILTY: died(5)}, "well"]


# What kills a worker that unpickles.
ARRIVALS = {
    "__reduce__": "def __reduce__(self): return os._exit, (5,)",
    "__setstate__": "def __setstate__(self, _): os._exit(5)",
    "__del__": "def __del__(self): os.getpid() == kernel or os._exit(5)",
}
FATAL = """
kernel = os.getpid()

class Fatal(int):
    {method}

fatal = Fatal(3)
fatal.state = "some"
"""
FATAL_ITEM = """
tell(odd_ones(lambda number: number ** 2, [0, 1, 2, fatal, *range(4, 16)]))
check()
"""
FATAL_FUNCTION = """
def fn(number):
    return fatal

def note_and_die():
    gate.note("died")
    os._exit({code})

class Fatal:
    def __reduce__(self):
        return note_and_die, ()

fatal = Fatal()
tell(caught(parmagic.map, fn, range(30), workers=2)[0])
tell(caught(odd_ones, fn, range(30))[0])
tell(len(gate.pids) < 25)  # not some for each item
check()
"""


@pytest.mark.parametrize("method", ARRIVALS.values(), ids=ARRIVALS)
def test_a_death_with_an_item_on_its_way_costs_that_item_only(
    trial: Callable[..., Trial], method: str
) -> None:
    source = FATAL.format(method=method) + FATAL_ITEM
    assert trial(source).told() == [{GUILTY: died(5)}, "well"]


@pytest.mark.parametrize("code", [5, 0])
def test_a_function_that_kills_whoever_unpickles_it_kills_few(
    trial: Callable[..., Trial], code: int
) -> None:
    assert trial(FATAL_FUNCTION.replace("{code}", str(code))).told() == [
        "WorkerDied",
        "WorkerDied",
        True,
        "well",
    ]


RAISED = """
def fn(number):
    if number == 3:
        os._exit(5)
    return number ** 2

tell(caught(parmagic.map, fn, range(16), chunksize=8, workers=2))
job = parmagic.jobs[-1]
tell([plain(error) for error in job.outcomes.errors.values()])
tell({n for n, value in job.values.items() if value == n * n} | set(job.pending))
check()
"""


def test_a_death_is_raised_and_what_finished_is_kept(trial: Callable[..., Trial]) -> None:
    rest = {*range(16)} - {GUILTY}
    assert trial(RAISED).told() == [died(5), [died(5)], rest, "well"]


ALL_DIE = """
tell(odd_ones(lambda number: os._exit(number), range(6), chunksize=3))
check()
"""


def test_each_of_many_deaths_is_that_of_its_item(trial: Callable[..., Trial]) -> None:
    expected = {number: died(number, number) for number in range(6)}
    assert trial(ALL_DIE).told() == [expected, "well"]


# Memory runs out.

NO_MEMORY = """
import resource
hoard = []

def fn(number):
    if number == 3:
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, resource.RLIM_INFINITY))
        {fault}
    return number ** 2

tell(odd_ones(fn))
check()
"""
OUT_OF_MEMORY = {
    "a large block": ("return bytes(10 ** 9)", "MemoryError"),
    "small ones": ("return [bytes(1_000) for _ in range(10 ** 6)]", "MemoryError"),
    "a result that is twice there when pickled": (
        "return [bytes([n % 250]) * 100_000 for n in range(400)]",
        "PayloadError",
    ),
    "small ones that stay": (
        "while True: hoard.append(hoard and [bytes(500)] * 20)",
        ("WorkerDied", GUILTY, str(GUILTY), 1),  # it cannot even send the MemoryError
    ),
}


@pytest.mark.parametrize(("fault", "error"), OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY)
def test_an_item_without_memory_fails_alone(
    trial: Callable[..., Trial], fault: str, error: str
) -> None:
    assert trial(NO_MEMORY.format(fault=fault)).told() == [{GUILTY: error}, "well"]


# Workers die that run nothing.

IDLE = """
parmagic.map(abs, range(4), workers=2)
for pid in sorted(idle_pids()):
    os.kill(pid, {number})
tell(odd_ones(lambda number: number ** 2))
check()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_death_between_maps_costs_nothing(trial: Callable[..., Trial], number: int) -> None:
    assert trial(IDLE.format(number=int(number))).told() == [{}, "well"]


STARTING = """
pool = default_pool(2)
for count in (1, 2):
    wait_until(lambda: len(starting := [w for w in pool.workers if w.state == "starting"]) > 0)
    os.kill(pool.workers[-1].pid, signal.SIGKILL)
tell(odd_ones(lambda number: number ** 2))
check()
"""


def test_two_deaths_at_the_start_cost_nothing(trial: Callable[..., Trial]) -> None:
    assert trial(STARTING).told() == [{}, "well"]


# Why no worker can start, and what mends it.
HINDRANCES = {
    "sitecustomize": (
        """
        from pathlib import Path
        path = Path("site/sitecustomize.py").absolute()
        path.parent.mkdir()
        path.write_text(
            "import os, sys, pathlib\\n"
            "if '--multiprocessing-fork' in sys.orig_argv:\\n"
            "    pathlib.Path(__file__).with_name(str(os.getpid())).touch()\\n"
            "    os._exit(13)\\n"
        )
        os.environ["PYTHONPATH"] = f"{path.parent}:{os.environ['PYTHONPATH']}"
        """,
        "path.unlink(); assert 3 <= len(os.listdir(path.parent)) <= 4",
    ),
    "no interpreter": (
        """
        import multiprocessing, multiprocessing.resource_tracker
        multiprocessing.resource_tracker.ensure_running()
        multiprocessing.set_executable("/no/python")
        """,
        "multiprocessing.set_executable(sys.executable)",
    ),
    "no descriptors": (
        """
        import resource
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = len(os.listdir("/proc/self/fd")) + 5
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, before[1]))
        """,
        "resource.setrlimit(resource.RLIMIT_NOFILE, before)",
    ),
}
UNABLE = """
{hinder}
tell(caught(parmagic.map, abs, range(16), workers=2))
{mend}
check()
"""


@pytest.mark.parametrize(("hinder", "mend"), HINDRANCES.values(), ids=HINDRANCES)
def test_workers_that_cannot_start_are_an_error_until_they_can(
    trial: Callable[..., Trial], hinder: str, mend: str
) -> None:
    source = UNABLE.format(hinder=dedent(hinder), mend=mend)
    assert trial(source).told() == ["PoolBroken", "well"]


GONE = """
os.mkdir("gone")
os.chdir("gone")
os.rmdir("../gone")
tell(parmagic.map(abs, range(3)))
os.chdir(gate.folder)
check()
"""


def test_workers_start_also_where_the_folder_is_gone(trial: Callable[..., Trial]) -> None:
    assert trial(GONE).told() == [[0, 1, 2], "well"]


INITIALIZER = """
pool = parmagic.ProcessPoolExecutor(2, initializer=os._exit, initargs=(3,))
tell(caught(pool.submit(abs, -1).result))
tell(caught(pool.submit(abs, -1).result))
pool.shutdown()
check()
"""


def test_an_initializer_that_kills_workers_breaks_its_pool_only(
    trial: Callable[..., Trial],
) -> None:
    assert trial(INITIALIZER).told() == ["PoolBroken", "PoolBroken", "well"]


EXECUTOR = """
with parmagic.ProcessPoolExecutor(2) as pool:
    futures = [pool.submit(os._exit if number == 3 else abs, number) for number in range(16)]
    tell({n: each for n, future in enumerate(futures) if (each := caught(future.result)) != n})
    tell(caught(list, pool.map(lambda n: os._exit(5) if n == 3 else n, range(16), chunksize=8)))
    tell(list(pool.map(abs, range(3))))
check()
"""


def test_in_an_executor_a_death_fails_its_own_call_only(trial: Callable[..., Trial]) -> None:
    of_call, of_item = ("WorkerDied", None, None, 3), ("WorkerDied", 3, "3", 5)
    assert trial(EXECUTOR).told() == [{3: of_call}, of_item, [0, 1, 2], "well"]
