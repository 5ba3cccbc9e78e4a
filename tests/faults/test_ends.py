"""The end of a program is the end of all that it started, whatever it was doing.

As a kernel ends: tests/kernel/test_end.py.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from faults.trial import Trial

# What the program does when its end comes, after which it does not come back.
DOINGS = {
    "idle": "parmagic.map(abs, [-1] * 4, workers=2); idle_pids()",
    "in a Python loop": "parmagic.map_async(loop, range(9), workers=2); gate.wait_for(2)",
    "asleep": "parmagic.map_async(rest, range(9), workers=2); gate.wait_for(2)",
    "stuck in C": "parmagic.map_async(stick, range(9), workers=2); gate.wait_for(2)",
    "deaf to signals": "parmagic.map_async(ignore, range(9), workers=2); gate.wait_for(2)",
    "printing": "parmagic.map_async(talk, range(9), workers=2); gate.wait_for(2)",
    "sending a lot": "parmagic.map_async(give, range(9999), workers=2); gate.wait_for(2)",
    "starting workers": "default_pool(2)",
    "in a pool of an item": "parmagic.map_async(nest, range(2), workers=2); gate.wait_for(2)",
    "with workers stopped": (
        "parmagic.map(abs, [-1] * 4, workers=2); [os.kill(pid, 19) for pid in idle_pids()]"
    ),
}
# How it ends by itself, each with the exit code.
EXITS = {
    "plain": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "error": ("1 / 0", 1),
    "os._exit": ("os._exit(3)", 3),
}
PROGRAM = """
sys.stdout = open(os.devnull, "w")

def loop(number):
    gate.note(number)
    while True:
        pass

def rest(number):
    gate.note(number)
    time.sleep(600)

def stick(number):
    gate.note(number)
    sum(range(10 ** 12))

def ignore(number):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    rest(number)

def talk(number):
    gate.note(number)
    while True:
        print("x" * 100_000)

def give(number):
    gate.note(number)
    return bytes(10_000_000)

def nest(number):
    with parmagic.ProcessPoolExecutor(1) as pool:
        pool.submit(rest, number).result()

{doing}
tell("doing")
{end}
"""


# Of each doing one end of either sort; of these all.
THOROUGH = ["stuck in C", "starting workers"]
KILLS = [(doing, signal.SIGKILL) for doing in DOINGS] + [
    (doing, number) for doing in THOROUGH for number in (signal.SIGTERM, signal.SIGHUP)
]
ENDS = [(doing, "plain") for doing in DOINGS] + [
    (doing, end) for doing in THOROUGH for end in EXITS if end != "plain"
]


@pytest.mark.parametrize(("doing", "number"), KILLS)
def test_of_a_killed_program_nothing_is_left(
    trial: Callable[..., Trial], doing: str, number: int
) -> None:
    program = trial(PROGRAM.format(doing=DOINGS[doing], end="signal.pause()"))
    program.wait_for("doing")
    program.signal(number)
    assert program.end().code == -number


@pytest.mark.parametrize(("doing", "end"), ENDS)
def test_of_a_program_that_ends_nothing_is_left(
    trial: Callable[..., Trial], doing: str, end: str
) -> None:
    source, code = EXITS[end]
    ended = trial(PROGRAM.format(doing=DOINGS[doing], end=source)).end()
    assert (ended.code, ended.facts) == (code, ["doing"])
    assert "parmagic/" not in ended.errors
