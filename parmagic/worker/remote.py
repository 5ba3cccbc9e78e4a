"""Run chunks in somebody else's process: a worker of dask, ray, ipyparallel or an executor.

::

    order: versions, job, chunk ──▶ run ──▶ answer ──▶ Answer: where, when, Done
    payload: the function ────────▶ kept until the job is over

All that goes there and comes back is bytes: how it travels is the other's own affair.
"""

from __future__ import annotations

import pickle
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import parmagic
from parmagic.worker.answer import Call, answer
from parmagic.worker.arrival import Arrival
from parmagic.worker.errors import BackendError
from parmagic.worker.function import LoadedFunction
from parmagic.worker.messages import Load, Run

# Of jobs that nobody has said are over, such as those of a kernel that was killed.
MOST_JOBS = 4


class Answer(NamedTuple):
    """What became of an order.

    Attributes
    ----------
    worker
        Who ran it, for people.
    thread
        Which of its threads.
    clock
        ``time.time() - time.monotonic()`` there: each machine has a monotonic clock of its own.
    done
        The pickled `Done`.
    """

    worker: str
    thread: int
    clock: float
    done: bytes


def versions() -> tuple[str, str]:
    """Return those of Python and of parmagic: functions travel as the bytecode of one Python."""
    return f"{sys.version_info.major}.{sys.version_info.minor}", parmagic.__version__


def order(job: str, over: tuple[str, ...], run: Run) -> bytes:
    """Return what asks for a chunk; ``over`` are jobs whose functions need not be kept."""
    return pickle.dumps((versions(), job, over, pickle.dumps(run, 5)), 5)


def run(
    order: bytes,
    payload: Callable[[], bytes | None],
    *,
    worker: str,
    stopped: Callable[[], bool] | None = None,
) -> Answer | None:
    """Run a chunk in this process; None if its job's function is not here.

    Parameters
    ----------
    payload
        Returns the pickled `Load`; asked if this process has not seen the job yet.
    worker
        The name of this process, for people.
    stopped
        As for `answer`.

    Raises
    ------
    BackendError
        This process has another version of Python or of parmagic.
    """
    theirs, job, over, pickled = pickle.loads(order)
    _check(theirs, worker)
    forget(over)
    function = _function(job, payload)
    if function is None:
        return None
    chunk: Run = pickle.loads(pickled)
    done = answer(chunk, function.load, function.call, job=job, stopped=stopped)
    clock = time.time() - time.monotonic()
    return Answer(worker, threading.get_ident(), clock, pickle.dumps(done, 5))


def _check(theirs: tuple[str, str], worker: str) -> None:
    ours = versions()
    if theirs != ours:
        raise BackendError(
            f"worker {worker} has Python {ours[0]} and parmagic {ours[1]}, the notebook has"
            f" Python {theirs[0]} and parmagic {theirs[1]}: install the same there as here"
        )


class _Function:
    """A job's function, unpickled at the first call; for all threads of this process."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self._loaded = LoadedFunction(Arrival(load, ()), None)
        self._lock = threading.Lock()

    def call(self) -> Call:
        with self._lock:
            return self._loaded.call()


_functions: OrderedDict[str, _Function] = OrderedDict()
_lock = threading.Lock()


def _function(job: str, payload: Callable[[], bytes | None]) -> _Function | None:
    with _lock:
        if job not in _functions:
            pickled = payload()
            if pickled is None:
                return None
            _functions[job] = _Function(pickle.loads(pickled))
        _functions.move_to_end(job)
        while len(_functions) > MOST_JOBS:
            _functions.popitem(last=False)
        return _functions[job]


def forget(jobs: tuple[str, ...]) -> None:
    """Let go of the functions of ``jobs``."""
    with _lock:
        for job in jobs:
            _functions.pop(job, None)
