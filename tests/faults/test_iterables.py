"""An iterable fails, lies or never ends: what finished is kept, and the error is its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults.trial import Trial

# How an iterable ends after its first four items, and what the map raises.
ENDS = {
    "an error": ("1 / 0", "ZeroDivisionError"),
    "KeyError": ("{}[0]", "KeyError"),
    "SystemExit": ("sys.exit(3)", "SystemExit"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "its own BaseException": ("raise type('Stop', (BaseException,), {})", "Stop"),
    "StopIteration": ("next(iter([]))", "RuntimeError"),  # as generators turn it into
}
FAILING = """
def items():
    yield from range(4)
    idle_pids()  # all four have been run
    {fault}

for return_exceptions in (False, True):
    parmagic.map(abs, range(4), workers=2)
    options = {{"chunksize": 1, "return_exceptions": return_exceptions}}
    tell(caught(parmagic.map, lambda n: n ** 2, items(), **options))
    tell(parmagic.jobs[-1].outcomes.values)
check()
"""


@pytest.mark.parametrize(("fault", "error"), ENDS.values(), ids=ENDS)
def test_what_came_before_the_error_of_an_iterable_is_kept(
    trial: Callable[..., Trial], fault: str, error: str
) -> None:
    kept = [0, 1, 4, 9]
    assert trial(FAILING.format(fault=fault)).told() == [error, kept, error, kept, "well"]


# Iterables of the numbers from 0 to 15 that say something else of themselves.
LIARS = {
    "too short": "__len__ = lambda self: 3",
    "too long": "__len__ = lambda self: 1_000",
    "far too long": "__len__ = lambda self: sys.maxsize",
    "negative": "__len__ = lambda self: -1",
    "no number": "__len__ = lambda self: 'sixteen'",
    "too long for Python": "__len__ = lambda self: 10 ** 30",
    "len raises": "__len__ = lambda self: 1 / 0",
}
LIAR = """
class Items{base}:
    def __iter__(self):
        return iter(range(16))
    {says}

tell(parmagic.map(lambda n: n ** 2, Items(), workers=2))
tell(parmagic.map(lambda n: n ** 2, Items(), workers=2, return_exceptions=True))
tell(caught(parmagic.map, lambda n: n / (n - 3), Items()))
check()
"""
SQUARES = [n**2 for n in range(16)]


@pytest.mark.parametrize("says", LIARS.values(), ids=LIARS)
def test_what_an_iterable_says_of_itself_is_not_believed(
    trial: Callable[..., Trial], says: str
) -> None:
    expected = [SQUARES, SQUARES, "ZeroDivisionError", "well"]
    assert trial(LIAR.format(base="", says=says)).told() == expected


@pytest.mark.parametrize("base", ["(list)", "(tuple)"])
def test_a_container_that_iterates_otherwise_is_iterated(
    trial: Callable[..., Trial], base: str
) -> None:
    expected = [SQUARES, SQUARES, "ZeroDivisionError", "well"]
    assert trial(LIAR.format(base=base, says="pass")).told() == expected


# More items than anyone can hold, the fourth of which fails.
ENDLESS = {
    "count": "itertools.count()",
    "cycle": "itertools.cycle(range(9))",
    "range": "range(10 ** 12)",
    "a larger range": "range(10 ** 30)",
}
ENDLESS_WITH_ERROR = """
import itertools

tell(caught(parmagic.map, lambda n: 1 // (3 - n), {items}, workers=2))
tell(parmagic.jobs[-1].outcomes.first_error is parmagic.jobs[-1].outcomes.errors[3])
tell(take_peak() < 200_000_000)
check()
"""


@pytest.mark.parametrize("items", ENDLESS.values(), ids=ENDLESS)
def test_an_endless_iterable_ends_with_the_first_error(
    trial: Callable[..., Trial], items: str
) -> None:
    expected = ["ZeroDivisionError", True, True, "well"]
    assert trial(ENDLESS_WITH_ERROR.format(items=items)).told() == expected


ENDLESS_INTERRUPTED = """
import itertools

def fn(number):
    if number == 100:
        gate.note("hundred")
    return number ** 2 if number % 10 else 1 / 0

tell(caught(parmagic.map, fn, {items}, return_exceptions=True, workers=2))
outcomes = parmagic.jobs[-1].outcomes
tell(all(outcomes.values[n] == n ** 2 or n in outcomes.pending() for n in range(1, 10)))
tell(outcomes.done > 50)
tell({{type(error) for error in outcomes.errors.values()}} == {{ZeroDivisionError}})
check()
"""


@pytest.mark.parametrize("items", ["itertools.count()", "iter(range(10 ** 12))"])
def test_an_endless_iterable_can_be_interrupted(trial: Callable[..., Trial], items: str) -> None:
    program = trial(ENDLESS_INTERRUPTED.format(items=items))
    program.gate.wait_for(1)
    program.interrupt()
    assert program.told() == ["KeyboardInterrupt", True, True, True, "well"]


# What a generator may do while a map asks it for items.
MAKERS = {
    "maps": "yield parmagic.map(abs, [-n])[0]",
    "fails to map": "yield n if caught(parmagic.map, lambda _: 1 / 0, [1]) else None",
    "resizes the pool": "parmagic.map(abs, [1], workers=1 + n % 3); yield n",
    "kills a worker": ("[os.kill(w.pid, 9) for w in default_pool().workers[:n == 5]]; yield n"),
    "forks": "os.waitpid(os.fork() or os._exit(0), 0); yield n",
}
MAKING = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)

def items():
    for n in range(16):
        {fault}

tell(caught(parmagic.map, lambda n: n ** 2, items(), workers=2, chunksize=2))
check()
"""


@pytest.mark.parametrize("fault", MAKERS.values(), ids=MAKERS)
def test_a_generator_may_do_anything_meanwhile(trial: Callable[..., Trial], fault: str) -> None:
    assert trial(MAKING.format(fault=fault)).told() == [SQUARES, "well"]
