"""The workers of a pool: as many as are wanted, heard, and replaced when they die.

::

    refill ──▶ starting ──Ready──▶ idle ⇄ busy ──Stop──▶ leaving ──▶ † ──▶ refill
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from parmagic.pool import tracker
from parmagic.pool.broken import PoolBroken
from parmagic.pool.cpus import usable_cpus
from parmagic.pool.process import WorkerProcess, in_a_folder
from parmagic.pool.reactor import Reactor
from parmagic.worker.failure import unpack
from parmagic.worker.messages import Done, FromWorker, Printed, Ready

# A worker that was told to end and does not.
STOP_SECONDS = 2.0
# Between the end of a dying worker's pipes and its own.
DYING_SECONDS = 0.1
START_ATTEMPTS = 3


class WorkerState(NamedTuple):
    """A worker at one moment."""

    number: int
    pid: int
    state: str
    chunks_done: int


class Employer(Protocol):
    """Who gives the workers something to do."""

    def has_need(self) -> bool:
        """Tell whether workers are to be there."""

    def on_ready(self) -> None:
        """Hear that a worker can be given something."""

    def on_message(
        self, worker: WorkerProcess, message: Done | Printed, descriptor: int | None
    ) -> None:
        """Hear what a worker says of its chunk."""

    def on_death(self, worker: WorkerProcess) -> None:
        """Hear that a worker is no more; its ``chunk`` is lost."""

    def on_broken(self, error: Exception) -> None:
        """Hear that no worker can be started."""


class Crew:
    """The workers of one dispatcher. For the thread that has the turn, but for its properties.

    Parameters
    ----------
    size
        How many workers there are to be.
    initializer
        A pickled function without parameters that each worker calls first.
    reactor
        Returns what waits for the workers.
    """

    def __init__(
        self,
        size: int,
        initializer: bytes | None,
        employer: Employer,
        reactor: Callable[[], Reactor],
    ) -> None:
        self.size = size
        self.workers: list[WorkerProcess] = []
        self._initializer = initializer
        self._employer = employer
        self._reactor = reactor
        self._numbers = 0
        self._failed_starts = 0
        self._replace_later = False

    @property
    def warm(self) -> bool:
        """Whether a worker is ready."""
        return any(worker.ready for worker in self.workers)

    @property
    def busy(self) -> list[WorkerProcess]:
        """Those that have a chunk."""
        return [worker for worker in list(self.workers) if worker.chunk is not None]

    def states(self) -> list[WorkerState]:
        """Describe the workers, by number."""
        return [
            WorkerState(worker.number, worker.pid, _state(worker), worker.chunks_done)
            for worker in list(self.workers)
        ]

    # They come.

    def refill(self) -> None:
        """Start those that are missing, soon."""
        # On Linux a worker is ended with the *thread* that started it (PR_SET_PDEATHSIG).
        if self._missing() > 0:
            self._reactor().post_own(self._add_workers)

    def refill_at_once(self) -> None:
        """Start those that are missing, also where `on_death` thought it better to wait."""
        self._replace_later = False
        self.refill()

    def _missing(self) -> int:
        wanted = self.size if self._employer.has_need() else 0
        return wanted - sum(not worker.leaving for worker in self.workers)

    def _add_workers(self) -> None:
        try:
            with in_a_folder():
                if not self.workers:
                    tracker.start()
                for _ in range(min(self._missing(), self._to_start_at_once())):
                    self._add_worker()
        except OSError as error:  # no descriptors, no processes
            self._employer.on_broken(PoolBroken.refused(error))

    def _to_start_at_once(self) -> int:
        # While none is ready, one processor is left to the kernel and the tracker, which is an
        # interpreter that starts as well: a first result comes 20 to 30 ms sooner. Not so where
        # an initializer comes before, which may load models for minutes.
        if self.warm or self._initializer is not None:
            return self.size
        return max(1, usable_cpus() - 1) - len(self.workers)

    def _add_worker(self) -> None:
        self._numbers += 1
        worker = WorkerProcess(self._numbers, self._initializer)
        self.workers.append(worker)
        watch = self._reactor().watch
        watch.add(worker.channel.inbox, partial(self._hear, worker))
        watch.add(worker.sentinel, partial(self._bury, worker))

    # They speak.

    def _hear(self, worker: WorkerProcess) -> None:
        try:
            all_received = worker.channel.receive()
        except (EOFError, OSError):
            self.lose_touch(worker)
            return
        for message, descriptor in all_received:
            self._take(worker, message, descriptor)

    def _take(self, worker: WorkerProcess, message: FromWorker, descriptor: int | None) -> None:
        if isinstance(message, Ready):
            self._on_ready(worker, message)
        else:
            self._employer.on_message(worker, message, descriptor)

    def _on_ready(self, worker: WorkerProcess, message: Ready) -> None:
        if message.failure is not None:
            worker.leaving = True
            self._employer.on_broken(PoolBroken.bad_initializer(unpack(message.failure)))
            return
        self._failed_starts = 0
        worker.ready = True
        self._employer.on_ready()
        self.refill()
        self.dismiss_if_needless(worker)

    def lose_touch(self, worker: WorkerProcess) -> None:
        """End ``worker``, whose pipes are closed, unless it is dead or about to be."""
        self._stop_hearing(worker)
        self._reactor().timers.add(DYING_SECONDS, partial(self._end_out_of_reach, worker))

    def _end_out_of_reach(self, worker: WorkerProcess) -> None:
        if worker in self.workers:
            worker.end_out_of_reach()

    def _stop_hearing(self, worker: WorkerProcess) -> None:
        if worker.reachable:
            worker.reachable = False
            self._reactor().watch.remove(worker.channel.inbox)

    # They go.

    def fit(self, size: int) -> None:
        """Have ``size`` workers from now on; those too many end after their chunk."""
        staying = [worker for worker in self.workers if not worker.leaving]
        for worker in staying[size:]:
            self.dismiss(worker)
        if self.workers:
            self.refill()

    def dismiss(self, worker: WorkerProcess) -> None:
        """Let ``worker`` end when it has answered."""
        worker.stop()
        self.see_off(worker)

    def see_off(self, worker: WorkerProcess) -> None:
        """End ``worker``, which is leaving, if it has nothing to do and stays too long."""
        if worker.chunk is None:
            self._reactor().timers.add(STOP_SECONDS, partial(self._kill, worker))

    def dismiss_if_needless(self, worker: WorkerProcess) -> None:
        """Let ``worker`` end if nothing will come any more."""
        if worker.idle and not self._employer.has_need():
            self.dismiss(worker)

    def dismiss_idle(self) -> None:
        """Let those end that have nothing to do."""
        for worker in self.workers:
            if worker.chunk is None:
                self.dismiss(worker)

    def give_up(self) -> None:
        """End the workers now, with what they run; start none before there is something new."""
        self._failed_starts = 0
        self._replace_later = True
        for worker in self.workers:
            worker.kill()
            worker.chunk = None
            self._stop_hearing(worker)

    def _kill(self, worker: WorkerProcess) -> None:
        if worker in self.workers:
            worker.kill()

    def _bury(self, worker: WorkerProcess) -> None:
        while worker.reachable and worker.channel.inbox.poll(0):
            self._hear(worker)  # what it said before it died
        self._remove(worker)
        if worker.chunk is not None:
            self._employer.on_death(worker)
        worker.close()
        if not worker.ready and not worker.leaving:
            self._count_failed_start(worker)
        self._replace(worker)

    def _remove(self, worker: WorkerProcess) -> None:
        self.workers.remove(worker)
        self._stop_hearing(worker)
        self._reactor().watch.remove(worker.sentinel)
        worker.reap()

    def _replace(self, worker: WorkerProcess) -> None:
        # ipykernel's shutdown sends SIGTERM to the kernel's children until none is left:
        # replacing them at once would be a race that nobody wins.
        self._replace_later = self._replace_later or worker.exitcode == -signal.SIGTERM
        if not self._replace_later:
            self.refill()
        self._employer.on_ready()

    def _count_failed_start(self, worker: WorkerProcess) -> None:
        self._failed_starts += 1
        if self._failed_starts >= START_ATTEMPTS:
            error = PoolBroken.no_start(self._failed_starts, worker.exitcode)
            self._employer.on_broken(error)


def _state(worker: WorkerProcess) -> str:
    if worker.leaving:
        return "leaving"
    if not worker.ready:
        return "starting"
    return "busy" if worker.chunk is not None else "idle"
