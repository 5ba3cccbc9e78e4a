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
from parmagic.pool.start_up import ShownStarts, Starts
from parmagic.worker.failure import unpack
from parmagic.worker.messages import Done, FromWorker, Printed, Ready, Released
from parmagic.worker.segment import Segment

# A worker that was told to end and does not.
STOP_SECONDS = 2.0
# Between the end of a dying worker's pipes and its own.
DYING_SECONDS = 0.1
START_ATTEMPTS = 3
# After so many that died before they were given anything, the next are replaced when they are
# needed: what an initializer has started may kill them all, a moment after they are ready.
MOST_UNUSED_DEATHS = 3


class WorkerState(NamedTuple):
    """A worker at one moment."""

    number: int
    pid: int
    state: str
    chunks_done: int
    items_done: int = 0


class Employer(Protocol):
    """Who gives the workers something to do."""

    def has_need(self) -> bool:
        """Tell whether workers are to be there."""

    def needs(self, size: int) -> int:
        """Tell how many of ``size`` workers are to be there at least."""

    def on_ready(self) -> None:
        """Hear that a worker can be given something."""

    def on_message(
        self, worker: WorkerProcess, message: Done | Printed, segments: tuple[Segment, ...]
    ) -> None:
        """Hear what a worker says of its chunk."""

    def on_death(self, worker: WorkerProcess) -> None:
        """Hear that a worker is no more; its ``chunk`` is lost."""

    def on_broken(self, error: Exception) -> None:
        """Hear that there is no worker, and none can be started."""

    def on_bad_initializer(self, error: PoolBroken) -> None:
        """Hear that the initializer fails."""


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
        self._unused_deaths = 0
        self._replace_later = False
        self._starts: Starts = ShownStarts()
        self._starting: dict[int, Starts] = {}

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
            WorkerState(each.number, each.pid, _state(each), each.chunks_done, each.items_done)
            for each in list(self.workers)
        ]

    # They come.

    def refill(self) -> None:
        """Start those that are missing, soon."""
        # On Linux a worker is ended with the *thread* that started it (PR_SET_PDEATHSIG).
        if self._missing() > 0:
            self._reactor().post_own(self._add_workers)

    def refill_at_once(self) -> None:
        """Start those that are missing, also where `on_death` thought it better to wait."""
        self._unused_deaths = 0
        self._replace_later = False
        self.refill()

    def _missing(self) -> int:
        wanted = self._employer.needs(self.size) if self._employer.has_need() else 0
        return wanted - sum(not worker.leaving for worker in self.workers)

    def _add_workers(self) -> None:
        try:
            with in_a_folder():
                if not self.workers:
                    tracker.start()
                for _ in range(min(self._missing(), self._to_start_at_once())):
                    self._add_worker()
        except OSError as error:  # no descriptors, no processes
            refused = PoolBroken.refused(error)
            self._starts.started(0, refused)
            if not self.workers:  # those who are there go on; at the end of each we try again
                self._employer.on_broken(refused)

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
        self._starting[worker.number] = self._starts
        watch = self._reactor().watch
        watch.add(worker.channel.inbox, partial(self._hear, worker))
        watch.add(worker.sentinel, partial(self._bury, worker))

    # They speak.

    def _hear(self, worker: WorkerProcess) -> None:
        try:
            arrivals = worker.receive()
        except (EOFError, OSError):
            self.lose_touch(worker)
            return
        for arrival in arrivals:
            self._take(worker, arrival.message, arrival.segments)

    def _take(
        self, worker: WorkerProcess, message: FromWorker, segments: tuple[Segment, ...]
    ) -> None:
        if isinstance(message, Ready):
            self._on_ready(worker, message)
        elif isinstance(message, Printed) and not worker.ready:
            self._starting[worker.number].printed(worker.number, message.output)
        elif not isinstance(message, Released):
            self._employer.on_message(worker, message, segments)

    def _on_ready(self, worker: WorkerProcess, message: Ready) -> None:
        starts = self._starting[worker.number]
        if message.failure is not None:
            if worker.leaving:
                return  # it is not wanted any more, nor is what became of it
            worker.leaving = True
            error = unpack(message.failure)
            starts.started(worker.number, error)
            self._failed_starts += 1
            # While others work, a replacement that fails, of a network perhaps, is tried again.
            if not self.warm or self._failed_starts >= START_ATTEMPTS:
                self._employer.on_bad_initializer(PoolBroken.bad_initializer(error))
            return
        starts.started(worker.number, None)
        self._failed_starts = 0
        worker.ready = True
        self._employer.on_ready()
        if not self._replace_later:
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
            self.refill_at_once()

    def exchange(self, number: int) -> None:
        """Have a new worker instead of that one: now, whatever it does."""
        for worker in [each for each in self.workers if each.number == number]:
            if worker.idle:
                self.dismiss(worker)
                self.refill()
            else:
                worker.recall()

    def renew(self, initializer: bytes | None, starts: Starts) -> None:
        """Replace all workers, each after its chunk, by some that call another function first."""
        self._initializer = initializer
        self._starts = starts
        for worker in self.workers:
            if not worker.leaving:
                self.dismiss(worker)
        self.refill_at_once()

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

    def give_up(self, *, politely: bool = False) -> None:
        """End the workers now, with what they run; start none before there is something new.

        Parameters
        ----------
        politely
            By SIGTERM, and those that stay are killed.
        """
        self._failed_starts = 0
        self._replace_later = True
        for worker in self.workers:
            worker.kill(politely=politely)
            worker.chunk = None
            if politely:
                self.see_off(worker)
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
            worker.chunk = None
        elif worker.idle and not worker.chunks_done:
            self._unused_deaths += 1
        worker.close()
        if not worker.ready and not worker.leaving:
            self._count_failed_start(worker)
        del self._starting[worker.number]
        self._replace(worker)

    def _remove(self, worker: WorkerProcess) -> None:
        self.workers.remove(worker)
        self._stop_hearing(worker)
        self._reactor().watch.remove(worker.sentinel)
        worker.reap()

    def _replace(self, worker: WorkerProcess) -> None:
        # ipykernel's shutdown sends SIGTERM to the kernel's children until none is left:
        # replacing them at once would be a race that nobody wins.
        if worker.exitcode == -signal.SIGTERM or self._unused_deaths >= MOST_UNUSED_DEATHS:
            self._replace_later = True
        if not self._replace_later:
            self.refill()
        self._employer.on_ready()

    def _count_failed_start(self, worker: WorkerProcess) -> None:
        self._failed_starts += 1
        if self._failed_starts >= START_ATTEMPTS:
            error = PoolBroken.no_start(self._failed_starts, worker.exitcode)
            self._starting[worker.number].started(worker.number, error)
            self._employer.on_broken(error)


def _state(worker: WorkerProcess) -> str:
    if worker.leaving:
        return "leaving"
    if not worker.ready:
        return "starting"
    return "busy" if worker.chunk is not None else "idle"
