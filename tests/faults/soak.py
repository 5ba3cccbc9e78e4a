"""Run mixed jobs for a while, with workers killed at random, and count what went wrong.

::

    PYTHONPATH=tests python tests/faults/soak.py --seconds 600
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psutil
from support import wait_until

import parmagic
from parmagic.mapping.job import Job
from parmagic.mapping.options import Options
from parmagic.pool.default import default_pool, stop_default_pool

WORKERS = 3
WRONGS = ("lost", "duplicated", "wrong")


def square(number: int) -> int:
    return number * number


def slow_square(number: int) -> int:
    time.sleep(0.002)
    return number * number


def large_square(number: int) -> bytes:
    return number.to_bytes(4, "big") * 60_000


def picky_square(number: int) -> int:
    if number % 7 == 3:
        raise ValueError(number)
    return number * number


FUNCTIONS: Sequence[Callable[[int], Any]] = (square, slow_square, large_square, picky_square)


class Killer(threading.Thread):
    """Kill a worker now and then."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self._chance = chance
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._chance.expovariate(3)):
            # Three that end before they are ready, one after the other, are an error.
            ready = [each for each in default_pool().workers if each.state != "starting"]
            with suppress(IndexError, ProcessLookupError):
                worker = self._chance.choice(ready)
                os.kill(worker.pid, self._chance.choice([signal.SIGKILL, signal.SIGTERM]))
                self.kills += 1

    def stop(self) -> None:
        self._over.set()
        self.join()


class Failed:
    """Equal to the error of an item."""

    def __init__(self, index: int) -> None:
        self._index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValueError) and other.args == (self._index,)

    def __hash__(self) -> int:
        return self._index


class Run:
    """A job and its items, and how often a value came that was there already."""

    def __init__(self, job: Job[Any], items: range) -> None:
        self.job = job
        self.items = items
        self._noted = Counter[int]()
        job.outcomes.note = self._note

    def _note(self, first: int, values: Sequence[Any]) -> None:
        self._noted.update(range(first, first + len(values)))

    @property
    def repeated(self) -> int:
        return self._noted.total() - len(self._noted)


class Soak:
    """Jobs one after the other, some of them side by side, each checked to the last item."""

    def __init__(self, chance: random.Random) -> None:
        self.counts = Counter[str]()
        self._chance = chance

    def turn(self) -> None:
        """Run one to three jobs at once, and resume what they did not finish."""
        runs = [self._run() for _ in range(self._chance.choice([1, 1, 1, 2, 3]))]
        for run in runs:
            run.job.start()
        for run in runs:
            self._check(run)
            self._finish(run)

    def _run(self) -> Run:
        chance = self._chance
        items = range(chance.choice([1, 2, 10, 100, 1000]))
        options = Options(
            chunksize=chance.choice([None, None, 1, 7]),
            retries=chance.choice([0, 3]),
            return_exceptions=chance.random() < 0.7,
        )
        shape = chance.choice([tuple, list, iter])
        return Run(Job(chance.choice(FUNCTIONS), shape(items), options), items)

    def _check(self, run: Run) -> None:
        job = run.job
        with suppress(Exception):
            job.result()
        self.counts["jobs"] += 1
        self.counts["items"] += job.outcomes.finished
        self.counts["duplicated"] += run.repeated
        for index, value in job.values.items():
            self.counts["wrong"] += value != job.fn(index)
        for index, error in job.errors.items():
            self.counts["wrong"] += not _may_fail(job.fn, index, error)

    def _finish(self, run: Run) -> None:
        """Resume a job until each item has what it can have."""
        options = Options(return_exceptions=True, retries=99, resume=run.job)
        results = Job(run.job.fn, run.items, options).run()
        self.counts["lost"] += len(run.items) - len(results)
        for index, value in zip(run.items, results, strict=False):
            expected = _expected(run.job.fn, index)
            self.counts["lost" if isinstance(value, Exception) else "wrong"] += value != expected


def _expected(fn: Callable[[int], Any], index: int) -> Any:
    try:
        return fn(index)
    except ValueError:
        return Failed(index)


def _may_fail(fn: Callable[[int], Any], index: int, error: BaseException) -> bool:
    if isinstance(error, parmagic.WorkerDied):
        return error.item == index
    return Failed(index) == error and _expected(fn, index) == error


def _belongings() -> dict[str, int]:
    """Count what may leak."""
    process = psutil.Process()
    return {
        "processes": len(process.children(recursive=True)),
        "descriptors": process.num_fds(),
        "threads": threading.active_count(),
    }


def soak(seconds: float, seed: int) -> dict[str, int]:
    """Return what was done and what went wrong: ``lost``, ``duplicated``, ``wrong``, ``leaked``."""
    chance = random.Random(seed)
    default_pool(WORKERS)
    parmagic.map(square, range(100))
    stop_default_pool(kill=True)
    before = _belongings()
    default_pool(WORKERS)
    killer = Killer(random.Random(seed + 1))
    killer.start()
    soaked = Soak(chance)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        soaked.turn()
    killer.stop()
    stop_default_pool(kill=True)
    parmagic.jobs.clear()
    wait_until(lambda: _leaked(before) == 0)
    wrongs = {
        what: soaked.counts[what] for what in ("jobs", "items", "lost", "duplicated", "wrong")
    }
    return {**wrongs, "killed workers": killer.kills, "leaked": _leaked(before)}


def _leaked(before: dict[str, int]) -> int:
    after = _belongings()
    return sum(max(0, after[what] - before[what]) for what in before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1000))
    asked = parser.parse_args()
    print("seed", asked.seed)
    counts = soak(asked.seconds, asked.seed)
    for what, count in counts.items():
        print(f"{count:>10,}  {what}")
    sys.exit(any(counts[what] for what in (*WRONGS, "leaked")))


if __name__ == "__main__":
    main()
