"""Who gives chunks to workers, and hears of their answers and deaths.

::

    a caller                  the dispatcher                        the workers
    ────────                  ──────────────                        ───────────
    submit(chunk) ────────▶   queue ──▶ an idle worker ──pipe──▶    calls the function
                                                                        │
    chunk.listener ◀──────────  Done  ◀──────────────────pipe───────────┘
                   ◀──────────  Lost  ◀─────────sentinel── †

One thread at a time does all this, see `Reactor`: no lock is held across processes, and
a worker that dies costs the one chunk that is known to be there.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from parmagic.pool import tracker
from parmagic.pool.broken import PoolBroken
from parmagic.pool.chunk import (
    Chunk,
    ChunkDone,
    ChunkDropped,
    ChunkLost,
    ChunkPrinted,
    Event,
)
from parmagic.pool.cpus import usable_cpus
from parmagic.pool.payload import Payload
from parmagic.pool.process import WorkerProcess
from parmagic.pool.queue import ChunkQueue
from parmagic.pool.reactor import Reactor
from parmagic.worker.failure import unpack
from parmagic.worker.messages import Done, FromWorker, Printed, Ready

# An item that is asked to stop has this long before its worker is killed, so that an
# interrupted cell is free within a second.
GRACE_SECONDS = 0.6
# A worker that was told to end and does not.
STOP_SECONDS = 2.0
START_ATTEMPTS = 3


class WorkerState(NamedTuple):
    """A worker at one moment."""

    number: int
    pid: int
    state: str
    chunks_done: int


class Dispatcher:
    """Keep ``size`` workers, and give them chunks.

    Parameters
    ----------
    size
        How many workers; they are started at the first chunk, in the background.
    initializer
        A pickled function without parameters that each worker calls first.
    """

    def __init__(self, size: int, initializer: bytes | None = None) -> None:
        self._size = size
        self._initializer = initializer
        self._pid = os.getpid()
        self._workers: list[WorkerProcess] = []
        self._queue = ChunkQueue()
        self._lock = threading.Lock()
        self._reactor: Reactor | None = None
        self._closing = False
        self._killed = False
        self._numbers = 0
        self._failed_starts = 0
        self._replace_later = False

    # For any thread.

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        return self._size

    @property
    def closed(self) -> bool:
        """Whether it takes no more chunks."""
        return self._closing

    @property
    def foreign(self) -> bool:
        """Whether this process is a fork of the one whose pool this is."""
        return self._pid != os.getpid()

    def states(self) -> list[WorkerState]:
        """Describe the workers, by number."""
        return [
            WorkerState(worker.number, worker.pid, _state(worker), worker.chunks_done)
            for worker in list(self._workers)
        ]

    @property
    def busy_workers(self) -> int:
        """How many workers run something."""
        return sum(worker.chunk is not None for worker in self._workers)

    @property
    def warm(self) -> bool:
        """Whether a worker is ready."""
        return any(worker.ready for worker in self._workers)

    def start(self) -> None:
        """Start the workers, without waiting for them."""
        self._running().post(self._refill)

    def submit(self, chunk: Chunk) -> None:
        """Run ``chunk`` as soon as a worker is idle.

        No KeyboardInterrupt may come in here, nor in the next three, see `Interrupts`.
        """
        self._running().do(partial(self._enqueue, chunk))

    def cancel(self, job: int) -> None:
        """Drop the chunks of ``job`` that wait, and stop those that run."""
        self._running().do(partial(self._cancel, job))

    def forget(self, payload: Payload) -> None:
        """Free what ``payload`` holds here and in the workers: its job is over."""
        self._running().do(partial(self._forget, payload))

    def lend_thread(self, until: Callable[[], bool], seconds: float) -> None:
        """Hear the workers in this thread, which waits for them anyway: that saves time."""
        self._running().drive(until, seconds)

    def resume(self) -> None:
        """Hear the workers in our own thread again."""
        self._running().come_back()

    def resize(self, size: int) -> None:
        """Have ``size`` workers from now on; those too many end after their chunk."""
        self._size = size
        self._running().post(self._fit)

    def close(self, *, drop: bool = False, kill: bool = False) -> None:
        """Take no more chunks, and end the workers when all is done.

        Parameters
        ----------
        drop
            Do not run the chunks that wait.
        kill
            Do not wait for those that run either.
        """
        self._closing = True
        if self._reactor is not None and not self.foreign:
            self._reactor.post(partial(self._close, drop=drop or kill, kill=kill))

    def join(self, seconds: float | None = None) -> None:
        """Wait until the workers have ended, after `close`."""
        if self._reactor is not None and not self.foreign:
            self._reactor.join(seconds)

    def _running(self) -> Reactor:
        if self.foreign:
            raise RuntimeError(
                "this process is a fork of the one that made the pool, and has none of its"
                " workers: make a ProcessPoolExecutor of its own here"
            )
        with self._lock:
            if self._reactor is None:
                self._reactor = Reactor(self._finished, self._expecting, self._break)
            return self._reactor

    # For the thread that has the turn, from here on.

    def _finished(self) -> bool:
        return self._closing and not self._workers and not self._queue

    def _expecting(self) -> bool:
        return bool(self._queue) or any(worker.chunk is not None for worker in self._workers)

    def _enqueue(self, chunk: Chunk) -> None:
        if self._killed or self._running().ended:
            self._drop([chunk], PoolBroken.stopped())
            return
        self._queue.add(chunk)
        self._replace_later = False
        self._refill()
        self._dispatch()

    def _dispatch(self) -> None:
        for worker in self._workers:
            if worker.idle:
                chunk = self._next_chunk()
                if chunk is None:
                    break
                try:
                    worker.run(chunk)
                except OSError:  # it is gone, or out of reach: its sentinel tells the rest
                    worker.end_unless_leaving()

    def _next_chunk(self) -> Chunk | None:
        while self._queue:
            chunk = self._queue.take()
            if chunk.begin():
                return chunk
            self._drop([chunk], None)
        return None

    # Workers come and go.

    def _missing(self) -> int:
        wanted = self._size if self._queue or not self._closing else 0
        return wanted - sum(not worker.leaving for worker in self._workers)

    def _refill(self) -> None:
        # On Linux a worker is ended with the *thread* that started it (PR_SET_PDEATHSIG).
        if self._missing() > 0:
            self._running().post_own(self._add_workers)

    def _add_workers(self) -> None:
        if not self._workers:
            tracker.start()
        for _ in range(min(self._missing(), self._to_start_at_once())):
            self._add_worker()

    def _to_start_at_once(self) -> int:
        # While none is ready, one processor is left to the kernel and the tracker, which is an
        # interpreter that starts as well: a first result comes 20 to 30 ms sooner. Not so where
        # an initializer comes before, which may load models for minutes.
        if self.warm or self._initializer is not None:
            return self._size
        return max(1, usable_cpus() - 1) - len(self._workers)

    def _add_worker(self) -> None:
        self._numbers += 1
        worker = WorkerProcess(self._numbers, self._initializer)
        self._workers.append(worker)
        watch = self._running().watch
        watch.add(worker.channel.inbox, partial(self._hear, worker))
        watch.add(worker.sentinel, partial(self._bury, worker))

    def _fit(self) -> None:
        staying = [worker for worker in self._workers if not worker.leaving]
        for worker in staying[self._size :]:
            self._dismiss(worker)
        if self._workers:
            self._refill()

    def _dismiss(self, worker: WorkerProcess) -> None:
        worker.stop()
        if worker.chunk is None:
            self._running().timers.add(STOP_SECONDS, partial(self._kill, worker))

    def _dismiss_if_closing(self, worker: WorkerProcess) -> None:
        if self._closing and worker.idle:
            self._dismiss(worker)

    def _kill(self, worker: WorkerProcess) -> None:
        if worker in self._workers:
            worker.kill()

    def _bury(self, worker: WorkerProcess) -> None:
        while worker.reachable and worker.channel.inbox.poll(0):
            self._hear(worker)  # what it said before it died
        self._remove(worker)
        if worker.chunk is not None:
            chunk, worker_item = worker.chunk, worker.item
            _tell(chunk, ChunkLost(chunk, worker_item, worker.number, worker.exitcode))
        if not worker.ready and not worker.leaving:
            self._count_failed_start(worker)
        self._replace(worker)

    def _remove(self, worker: WorkerProcess) -> None:
        self._workers.remove(worker)
        self._stop_hearing(worker)
        self._running().watch.remove(worker.sentinel)
        worker.close()

    def _replace(self, worker: WorkerProcess) -> None:
        # ipykernel's shutdown sends SIGTERM to the kernel's children until none is left:
        # replacing them at once would be a race that nobody wins.
        self._replace_later = self._replace_later or worker.exitcode == -signal.SIGTERM
        if not self._replace_later or self._queue:
            self._refill()
        self._dispatch()

    def _count_failed_start(self, worker: WorkerProcess) -> None:
        self._failed_starts += 1
        if self._failed_starts >= START_ATTEMPTS:
            self._break(PoolBroken.no_start(self._failed_starts, worker.exitcode))

    def _break(self, error: Exception) -> None:
        self._failed_starts = 0
        self._replace_later = True
        self._end_all(error)

    def _end_all(self, error: Exception) -> None:
        """End the workers now, and drop what they run and what waits for them."""
        running = [worker.chunk for worker in self._workers if worker.chunk is not None]
        for worker in self._workers:
            worker.kill()
            worker.chunk = None
            self._stop_hearing(worker)
        self._drop([*running, *self._queue.drop_all()], error)

    # Workers speak.

    def _hear(self, worker: WorkerProcess) -> None:
        try:
            all_received = worker.channel.receive()
        except (EOFError, OSError):
            self._stop_hearing(worker)
            worker.end_unless_leaving()  # dead, or out of reach because it closed its pipes
            return
        for message, descriptor in all_received:
            self._take(worker, message, descriptor)

    def _take(self, worker: WorkerProcess, message: FromWorker, descriptor: int | None) -> None:
        if isinstance(message, Done):
            self._on_done(worker, message, descriptor)
        elif isinstance(message, Printed):
            self._on_printed(worker, message)
        else:
            self._on_ready(worker, message)

    def _stop_hearing(self, worker: WorkerProcess) -> None:
        if worker.reachable:
            worker.reachable = False
            self._running().watch.remove(worker.channel.inbox)

    def _on_ready(self, worker: WorkerProcess, message: Ready) -> None:
        if message.failure is not None:
            worker.leaving = True
            self._break(PoolBroken.bad_initializer(unpack(message.failure)))
            return
        self._failed_starts = 0
        worker.ready = True
        self._dispatch()
        self._refill()
        self._dismiss_if_closing(worker)

    def _on_done(self, worker: WorkerProcess, done: Done, descriptor: int | None) -> None:
        chunk = worker.chunk
        assert chunk is not None
        worker.chunk = None
        worker.chunks_done += 1
        self._dispatch()  # before anything else: the worker must not wait
        if worker.leaving:
            self._running().timers.add(STOP_SECONDS, partial(self._kill, worker))
        self._dismiss_if_closing(worker)
        _tell(chunk, ChunkDone(chunk, done, descriptor, worker.number))

    def _on_printed(self, worker: WorkerProcess, printed: Printed) -> None:
        if worker.chunk is not None:
            _tell(worker.chunk, ChunkPrinted(worker.chunk, printed, worker.number))

    # Jobs end.

    def _cancel(self, job: int) -> None:
        self._drop(self._queue.drop(job), None)
        for worker in self._workers:
            if worker.chunk is not None and worker.chunk.payload.job == job:
                worker.cancel()
                self._running().timers.add(
                    GRACE_SECONDS, partial(self._kill_if_at, worker, worker.chunk)
                )

    def _kill_if_at(self, worker: WorkerProcess, chunk: Chunk) -> None:
        if worker in self._workers and worker.chunk is chunk:
            worker.kill()

    def _drop(self, chunks: Iterable[Chunk], error: Exception | None) -> None:
        for chunk in chunks:
            chunk.close()
            _tell(chunk, ChunkDropped(chunk, error))

    def _forget(self, payload: Payload) -> None:
        for worker in self._workers:
            worker.forget(payload)
        payload.close()

    def _close(self, *, drop: bool, kill: bool) -> None:
        if kill:
            self._killed = True
            self._end_all(PoolBroken.stopped())
            return
        if drop:
            self._drop(self._queue.drop_all(), None)
        for worker in self._workers:
            if worker.chunk is None and not self._queue:
                self._dismiss(worker)


def _tell(chunk: Chunk, event: Event) -> None:
    try:
        chunk.listener(event)
    except Exception:
        raise
    except BaseException:
        pass  # a future's callback asked for the result of a call that ended in SystemExit


def _state(worker: WorkerProcess) -> str:
    if worker.leaving:
        return "leaving"
    if not worker.ready:
        return "starting"
    return "busy" if worker.chunk is not None else "idle"
