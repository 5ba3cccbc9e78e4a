"""An item does what it should not: that costs no other item anything, and no other map."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent

import pytest
from faults.trial import GUILTY, Trial, faulty_item

# What an item raises, each with the class of its error.
RAISES = {
    "SystemExit": ("sys.exit(3)", "SystemExit"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
    "StopIteration": ("next(iter([]))", "StopIteration"),
    "StopAsyncIteration": ("raise StopAsyncIteration", "StopAsyncIteration"),
    "CancelledError": ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
    "BaseExceptionGroup": (
        "raise BaseExceptionGroup('two', [KeyboardInterrupt(), SystemExit(1)])",
        "BaseExceptionGroup",
    ),
    "its own BaseException": (
        "class Stop(BaseException): pass\nraise Stop",
        "Stop",
    ),
    "our own Cancelled": (
        "from parmagic.worker.cancel import Cancelled\nraise Cancelled",
        "Cancelled",
    ),
    "endless recursion": ("return fn(number)", "RecursionError"),
    "a huge text": ("raise ValueError('x' * 50_000_000)", "ValueError"),
}
RAISED = """
def fn(number):
    if number == 3:
{fault}
    return number ** 2

tell(odd_ones(fn))
tell(caught(parmagic.map, fn, range(16), chunksize=8))
tell(parmagic.jobs[-1].outcomes.values[:3])
check()
"""


@pytest.mark.parametrize(("fault", "error"), RAISES.values(), ids=RAISES)
def test_what_an_item_raises_is_the_outcome_of_that_item(
    trial: Callable[..., Trial], fault: str, error: str
) -> None:
    source = RAISED.format(fault=indent(fault, " " * 8))
    assert trial(source).told() == [{GUILTY: error}, error, [0, 1, 4], "well"]


# What an item leaves in its worker.
TRACES = {
    # Streams.
    "closed stdout": "sys.stdout.close()",
    "stdout of its own": "import io; sys.stdout = io.StringIO()",
    "no stdout": "sys.stdout = sys.__stdout__ = None",
    "closed descriptors 0 to 2": "os.closerange(0, 3)",
    # Surroundings.
    "another folder": "os.chdir('/')",
    "a removed folder": "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
    "an empty environment": "os.environ.clear()",
    "an environment of its own": "os.environ = {}",
    "an empty path": "sys.path.clear()",
    # The process.
    "ignored signals": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 14, 15, 17)]",
    "blocked signals": "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    "signals without end": (
        "signal.signal(14, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)"
    ),
    "no more descriptors": "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (3, 3))",
    "no more files": "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (0, 0))",
    # The interpreter.
    "warnings as errors": "import warnings; warnings.simplefilter('error')",
    "a decimal context": "import decimal; decimal.getcontext().prec = 1",
    "a locale": "import locale; locale.setlocale(locale.LC_ALL, 'C')",
    "little recursion": "sys.setrecursionlimit(100)",
    "no collector": "import gc; gc.disable()",
    "a tracer": "tracer = lambda *_: tracer\nsys.settrace(tracer); threading.settrace(tracer)",
    "hooks that raise": "sys.excepthook = sys.unraisablehook = lambda *_: 1 / 0",
    # Threads.
    "a thread": "threading.Thread(target=threading.Event().wait).start()",
    "a daemon thread": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "a busy thread": (
        "def spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()"
    ),
}
# What an item leaves so that its worker is of no use any more.
RUINS = {
    "a result that kills when it is let go": """
        class Fatal:
            def __del__(self):
                os._exit(5)
            def __reduce__(self):
                return int, (9,)
        return Fatal()
    """,
    "closed descriptors": "os.closerange(3, 256)",
    "closed descriptors, and a long rest": "os.closerange(3, 256); time.sleep(100)",
    "a broken built-in": "import builtins; builtins.len = None",
    "no built-ins": "import builtins; vars(builtins).clear()",
    "no modules": "sys.modules.clear()",
    "no parmagic in sys.modules": (
        "[sys.modules.pop(name) for name in [*sys.modules] if 'parmagic' in name]"
    ),
}


@pytest.mark.parametrize("fault", TRACES.values(), ids=TRACES)
def test_what_an_item_leaves_harms_nobody(trial: Callable[..., Trial], fault: str) -> None:
    assert trial(faulty_item(fault)).told() == [{}, "well"]


@pytest.mark.parametrize("fault", RUINS.values(), ids=RUINS)
def test_an_item_that_ruins_its_worker_harms_itself_only(
    trial: Callable[..., Trial], fault: str
) -> None:
    odd_ones, well = trial(faulty_item(fault)).told(noisy=True)
    assert set(odd_ones) <= {GUILTY}
    assert well == "well"


# Who reads the terminal in a worker finds it at its end.
READS = {
    "input": "tell(caught(input))",
    "sys.stdin": "tell(sys.stdin.read() or 'EOFError')",
    "descriptor 0": "tell(os.read(0, 1).decode() or 'EOFError')",
    "a subprocess": "import subprocess as s; tell(s.check_output('cat').decode() or 'EOFError')",
}


@pytest.mark.parametrize("fault", READS.values(), ids=READS)
def test_an_item_that_reads_stdin_does_not_hang(trial: Callable[..., Trial], fault: str) -> None:
    assert trial(faulty_item(fault)).told() == ["EOFError", {}, "well"]


# What a process does that an item has forked.
FORKS = {
    "ends at once": "os._exit(0)",
    "ends by SystemExit": "sys.exit()",
    "raises": "1 / 0",
    "returns": "return 'from the fork'",
    "maps": "os._exit(parmagic.map(abs, [-1]) != [1])",
    "closes all": "os.closerange(3, 256); return 'from the fork'",
}
FORK = """
def fn(number):
    gate.note(number)
    if number == 3:
        child = os.fork()
        if not child:
            {fault}
        os.waitpid(child, 0)
    return number ** 2

tell(odd_ones(fn))
tell(len(gate.pids))
check()
"""


@pytest.mark.parametrize("fault", FORKS.values(), ids=FORKS)
def test_a_fork_of_an_item_does_nothing_in_the_name_of_its_worker(
    trial: Callable[..., Trial], fault: str
) -> None:
    assert trial(FORK.format(fault=fault)).told() == [{}, 16, "well"]


# Processes that an item starts, and waits for.
PROCESSES = {
    "multiprocessing": """
        import multiprocessing
        process = multiprocessing.get_context("fork").Process(target=os._exit, args=(9,))
        process.start()
        process.join()
        return process.exitcode
    """,
    "a spawned process": """
        import multiprocessing
        process = multiprocessing.get_context("spawn").Process(target=os._exit, args=(9,))
        process.start()
        process.join()
        return process.exitcode
    """,
    "an executor": """
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(1) as pool:
            return pool.submit(pow, 3, 2).result()
    """,
    "an executor of ours": """
        with parmagic.ProcessPoolExecutor(1) as pool:
            return pool.submit(pow, 3, 2).result()
    """,
    "an executor of ours, left open": """
        global pool
        pool = parmagic.ProcessPoolExecutor(1)
        return pool.submit(pow, 3, 2).result()
    """,
    "a map": "return sum(parmagic.map(abs, [-4, -5]))",
}


@pytest.mark.parametrize("fault", PROCESSES.values(), ids=PROCESSES)
def test_an_item_may_start_processes(trial: Callable[..., Trial], fault: str) -> None:
    assert trial(faulty_item(fault)).told() == [{}, "well"]


# Objects on their way, each with the class of the error.

TRAVELLERS = {
    "refuses to leave": ("zoo.FailsToLeave(RuntimeError)", "PayloadError"),
    "exits instead of leaving": ("zoo.FailsToLeave(SystemExit)", "PayloadError"),
    "interrupts instead of leaving": ("zoo.FailsToLeave(KeyboardInterrupt)", "PayloadError"),
    "refuses to arrive": ("zoo.FailsToArrive(RuntimeError)", "RuntimeError"),
    "exits instead of arriving": ("zoo.FailsToArrive(SystemExit)", "SystemExit"),
    "interrupts instead of arriving": ("zoo.FailsToArrive(KeyboardInterrupt)", "KeyboardInterrupt"),
    "is too deep": ("zoo.deep_list()", "PayloadError"),
    "is of a hostile class": ("zoo.OfHostileClass()", "PayloadError"),
}
# Those that travel well, and do nothing else well.
UNHELPFUL = {
    "everything raises": "zoo.AllRaises()",
    "repr exits": "zoo.ReprExits()",
    "repr recurses": "zoo.ReprRecurses()",
    "del raises": "zoo.DelRaises()",
    "equals everything": "zoo.EqualsAll()",
}
TRAVEL = """
import zoo

def sent(item):
    return item ** 2 if type(item) is int else 9

def made(number):
    return {thing} if number == 3 else number ** 2

tell(odd_ones(sent, [0, 1, 2, {thing}, *range(4, 16)]))
tell(odd_ones(made))
tell(caught(parmagic.map, sent, [0, 1, 2, {thing}, *range(4, 16)], chunksize=8) == 0)
check()
"""
UNHELPFUL_TRAVEL = """
import zoo

def sent(item):
    return item ** 2 if type(item) is int else 9

def made(number):
    return {thing} if number == 3 else number ** 2

def fails(item):
    if type(item) is not int:
        raise ValueError(item)
    return item ** 2

things = [0, 1, 2, {thing}, *range(4, 16)]
tell(odd_ones(sent, things))
tell(odd_ones(made))
tell(odd_ones(fails, things))
del things
check()
"""


@pytest.mark.parametrize(("thing", "error"), TRAVELLERS.values(), ids=TRAVELLERS)
def test_what_cannot_travel_is_the_error_of_its_item(
    trial: Callable[..., Trial], thing: str, error: str
) -> None:
    expected = [{GUILTY: error}, {GUILTY: error}, False, "well"]
    assert trial(TRAVEL.format(thing=thing)).told() == expected


@pytest.mark.parametrize("thing", UNHELPFUL.values(), ids=UNHELPFUL)
def test_an_unhelpful_object_travels(trial: Callable[..., Trial], thing: str) -> None:
    kind = thing.removeprefix("zoo.").removesuffix("()")
    told = trial(UNHELPFUL_TRAVEL.format(thing=thing)).told(noisy=thing == "zoo.DelRaises()")
    assert told == [{}, {GUILTY: kind}, {GUILTY: "ValueError"}, "well"]


ZOO = """
import zoo

MADE = {
    "TakesTwo": lambda: zoo.TakesTwo(1, "a"),
    "KeywordOnly": lambda: zoo.KeywordOnly(code=1),
    "TakesTwoAsOSError": lambda: zoo.TakesTwoAsOSError(1, "a"),
    "HasSlots": lambda: zoo.HasSlots(1, ndim=2),
    "NewTakesKeyword": lambda: zoo.NewTakesKeyword(code=1),
    "CustomGroup": lambda: zoo.CustomGroup("a", [ValueError()]),
}
kinds = sorted(
    name for name, kind in vars(zoo).items()
    if isinstance(kind, type) and type(kind) is type and issubclass(kind, Exception)
)

def fn(name):
    if name:
        raise MADE.get(name, lambda: getattr(zoo, name)(1))()
    return "fine"

names = [name for kind in kinds for name in (kind, "")]
results = parmagic.map(fn, names, chunksize=8, workers=2, return_exceptions=True)
tell({name for name, each in zip(names, results) if name and not isinstance(each, Exception)})
tell({each for name, each in zip(names, results) if not name})
tell(len(kinds) > 20)
check()
"""


def test_hostile_exceptions_are_outcomes_of_their_items(trial: Callable[..., Trial]) -> None:
    assert trial(ZOO).told() == [set(), {"fine"}, True, "well"]


PRINTS = """
import io

def fn(number):
    if number == 3:
        for _ in range(2_000):
            print("x" * 99_999)
    return number ** 2

streams = sys.stdout, sys.stderr
sys.stdout, sys.stderr = open(gate.folder / "output", "w"), io.StringIO()
odd, said = odd_ones(fn), sys.stderr.getvalue()
sys.stdout.close()
sys.stdout, sys.stderr = streams
tell(odd)
tell("characters left out" in said)
tell(os.path.getsize(gate.folder / "output"))
tell(take_peak() < 300_000_000)
os.remove(gate.folder / "output")
check()
"""


def test_200_mb_of_prints_arrive_in_a_script(trial: Callable[..., Trial]) -> None:
    assert trial(PRINTS).told() == [{}, False, 200_000_000, True, "well"]
