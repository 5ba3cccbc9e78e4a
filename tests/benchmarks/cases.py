"""What is measured."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from statistics import median
from time import sleep

from case import Case
from cell import run_cell
from functions import increment, nap
from large import large_cases
from peers import Peer
from targets import AtLeast, AtMost, Ratio
from timing import timed

# A short call is made several times a turn, and the turn is their median.
CALLS = 20


# Cold: the peer's name is all that is used of it.


def _first_result(peer: Peer, where: str) -> float:
    return float(_cold_run(peer, where))


def _whole_script(peer: Peer) -> float:
    return timed(partial(_cold_run, peer, "module"))


def _cold_run(peer: Peer, where: str) -> str:
    script = Path(__file__).with_name("cold.py")
    command = [sys.executable, str(script), peer.name, str(peer.workers), where]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# Warm and short.


def _two_items(peer: Peer) -> float:
    return median(_pair(peer) for _ in range(CALLS))


def _two_items_after_a_pause(peer: Peer) -> float:
    return median(_pair_after_a_pause(peer) for _ in range(CALLS // 2))


def _pair(peer: Peer) -> float:
    return timed(lambda: peer.map(increment, [1, 2]), [2, 3])


def _pair_after_a_pause(peer: Peer) -> float:
    # Nobody runs a cell every millisecond: processors sleep meanwhile, and caches go cold.
    sleep(0.01)
    return _pair(peer)


def _hundred_items(peer: Peer) -> float:
    expected = list(range(1, 101))
    return median(timed(lambda: peer.map(increment, range(100)), expected) for _ in range(CALLS))


def _one_call(peer: Peer) -> float:
    return median(timed(lambda: peer.call(increment, 1)) for _ in range(CALLS))


_cells = itertools.count(1)


def _redefined(peer: Peer) -> float:
    return median(_first_of_a_cell(peer, next(_cells)) for _ in range(CALLS))


def _first_of_a_cell(peer: Peer, number: int) -> float:
    source = f"import math\nOFFSET = {number}\ndef cell(x):\n    return x + math.ceil(OFFSET)\n"
    fn = run_cell(source, "cell")
    return timed(lambda: peer.map(fn, [1, 2]), [1 + number, 2 + number])


# Warm and long.

MILLION = 1_000_000


@cache
def _million_and_one() -> list[int]:
    return list(range(1, MILLION + 1))


def _million(peer: Peer) -> float:
    return timed(lambda: peer.map(increment, range(MILLION)), _million_and_one())


def _naps(seconds: Sequence[float], peer: Peer) -> float:
    return timed(lambda: peer.map(nap, seconds), list(seconds))


def _bound_of(seconds: Sequence[float], workers: int) -> float:
    return max(sum(seconds) / workers, *seconds)


def _heavy_tail(length: int, total: float) -> list[float]:
    """Return Pareto times that add up to ``total`` seconds, the longest last.

    Whoever hands them to two workers one by one, in their order, reaches 96 % of the bound.
    """
    chance = random.Random(3)
    lengths = sorted(chance.paretovariate(1.5) for _ in range(length))
    return [total * each / sum(lengths) for each in lengths]


def all_cases(workers: int) -> list[Case]:
    millis = [0.001] * 2000
    tail = _heavy_tail(400, 4.0 * workers)
    return [
        Case(
            "cold",
            "first result, cold",
            partial(_first_result, where="module"),
            15,
            (Ratio("executor", 1.0),),
            cold=True,
        ),
        Case(
            "cold-main",
            "  ... function of __main__",
            partial(_first_result, where="main"),
            15,
            cold=True,
        ),
        Case("cold-script", "  ... interpreter to exit", _whole_script, 10, cold=True),
        Case(
            "pair",
            "map, two items",
            _two_items,
            30,
            (Ratio("executor", 0.35), Ratio("joblib", 0.05)),
        ),
        Case("pair-paused", "  ... after a pause", _two_items_after_a_pause, 15),
        Case("hundred", "map, 100 items", _hundred_items, 15),
        Case("submit", "submit().result()", _one_call, 30, (Ratio("executor", 0.3),)),
        Case(
            "redefined",
            "redefined function",
            _redefined,
            30,
            (AtMost(0.002),),
            needs_cells=True,
        ),
        Case(
            "million",
            "map, 1,000,000 items",
            _million,
            7,
            (Ratio("Pool", 1.0), Ratio("executor", 1.0), Ratio("joblib", 1.0)),
        ),
        Case(
            "millis",
            "2,000 x 1 ms",
            partial(_naps, millis),
            7,
            (AtLeast(0.95),),
            bound=partial(_bound_of, millis),
        ),
        Case(
            "tail",
            "400, heavy tail last",
            partial(_naps, tail),
            5,
            (AtLeast(0.9),),
            bound=partial(_bound_of, tail),
        ),
        *large_cases(),
    ]
