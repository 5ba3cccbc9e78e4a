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
import threading
from collections.abc import Callable, Iterable
from functools import partial

from parmagic.pool.broken import PoolBroken
from parmagic.pool.chunk import (
    Chunk,
    ChunkDone,
    ChunkDropped,
    ChunkLost,
    ChunkPrinted,
    Event,
)
from parmagic.pool.clock import GRACE_SECONDS, ItemClock
from parmagic.pool.crew import Crew, WorkerState
from parmagic.pool.payload import Payload
from parmagic.pool.process import WorkerProcess
from parmagic.pool.queue import ChunkQueue
from parmagic.pool.reactor import Reactor
from parmagic.worker.messages import Done, Printed


class Dispatcher:
    """Keep ``size`` workers, and give them chunks.

    Parameters
    ----------
    size
        How many workers; they are started at the first chunk, in the background.
    initializer
        A pickled function without parameters that each worker calls first.
    most_chunks
        After how many chunks a worker is replaced; by default never.
    """

    def __init__(
        self, size: int, initializer: bytes | None = None, most_chunks: int | None = None
    ) -> None:
        self._most_chunks = most_chunks
        self._pid = os.getpid()
        self._crew = Crew(size, initializer, self, self._running)
        self._queue = ChunkQueue()
        self._lock = threading.Lock()
        self._reactor: Reactor | None = None
        self._closing = False
        self._killed = False

    # For any thread.

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        return self._crew.size

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
        return self._crew.states()

    @property
    def busy_workers(self) -> int:
        """How many workers run something."""
        return len(self._crew.busy)

    @property
    def warm(self) -> bool:
        """Whether a worker is ready."""
        return self._crew.warm

    @property
    def pids(self) -> list[int]:
        """The workers' processes."""
        return [worker.pid for worker in list(self._crew.workers)]

    def start(self) -> None:
        """Start the workers, without waiting for them."""
        self._running().post(self._crew.refill)

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
        self._crew.size = size
        self._running().post(partial(self._crew.fit, size))

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
                self._reactor = self._new_reactor()
            return self._reactor

    def _new_reactor(self) -> Reactor:
        try:
            return Reactor(self._finished, self._expecting, self.on_broken)
        except OSError as error:  # no descriptors
            raise PoolBroken.refused(error) from error

    # For the thread that has the turn, from here on.

    def _finished(self) -> bool:
        return self._closing and not self._crew.workers and not self._queue

    def _expecting(self) -> bool:
        return bool(self._queue) or bool(self._crew.busy)

    def _enqueue(self, chunk: Chunk) -> None:
        if self._killed or self._running().ended:
            self._drop([chunk], PoolBroken.stopped())
            return
        self._queue.add(chunk)
        self._crew.refill_at_once()
        self._dispatch()

    def _dispatch(self) -> None:
        for worker in self._crew.workers:
            if worker.idle:
                chunk = self._next_chunk()
                if chunk is None:
                    break
                self._send(worker, chunk)

    def _next_chunk(self) -> Chunk | None:
        while (chunk := self._queue.take(self._may_run)) is not None:
            if chunk.begin():
                return chunk
            self._drop([chunk], None)
        return None

    def _may_run(self, chunk: Chunk) -> bool:
        most = chunk.payload.most_running
        return most is None or self._running_of(chunk.payload) < most

    def _running_of(self, payload: Payload) -> int:
        chunks = [worker.chunk for worker in self._crew.busy]
        return sum(chunk is not None and chunk.payload is payload for chunk in chunks)

    def _send(self, worker: WorkerProcess, chunk: Chunk) -> None:
        try:
            worker.run(chunk)
        except OSError:  # it is gone, or out of reach: its sentinel tells the rest
            self._crew.lose_touch(worker)
        if chunk.payload.load.timeout_seconds is not None:
            ItemClock(self._running().timers, worker, chunk)

    # What the crew says.

    def has_need(self) -> bool:
        """Tell whether workers are to be there."""
        return bool(self._queue) or not self._closing

    def on_ready(self) -> None:
        """Give the workers what waits."""
        self._dispatch()
        if self._queue:
            self._crew.refill()

    def on_broken(self, error: Exception) -> None:
        """Drop all that runs and waits: the pool cannot do it."""
        running = [worker.chunk for worker in self._crew.busy if worker.chunk is not None]
        self._crew.give_up()
        self._drop([*running, *self._queue.drop_all()], error)

    def on_death(self, worker: WorkerProcess) -> None:
        """Say that a worker's chunk is lost."""
        chunk = worker.chunk
        assert chunk is not None
        lost = ChunkLost(
            chunk,
            worker.place,
            worker.number,
            worker.exitcode,
            worker.last_words(),
            expired=worker.expired is not None and worker.expired == worker.place,
        )
        _tell(chunk, lost)

    def on_message(
        self, worker: WorkerProcess, message: Done | Printed, descriptor: int | None
    ) -> None:
        """Hear what a worker says of its chunk."""
        if isinstance(message, Done):
            self._on_done(worker, message, descriptor)
        elif worker.chunk is not None:
            _tell(worker.chunk, ChunkPrinted(worker.chunk, message, worker.number))

    def _on_done(self, worker: WorkerProcess, done: Done, descriptor: int | None) -> None:
        chunk = worker.chunk
        assert chunk is not None
        worker.finish(ends=done.ends)
        if worker.chunks_done == self._most_chunks:
            self._crew.dismiss(worker)
        self._dispatch()  # before anything else: the worker must not wait
        if worker.leaving:
            self._crew.see_off(worker)
            self._crew.refill()
        self._crew.dismiss_if_needless(worker)
        _tell(chunk, ChunkDone(chunk, done, descriptor, worker.number))

    # Jobs end.

    def _cancel(self, job: int) -> None:
        self._drop(self._queue.drop(job), None)
        for worker in self._crew.busy:
            if worker.chunk is not None and worker.chunk.payload.job == job:
                worker.cancel()
                self._running().timers.add(
                    GRACE_SECONDS, partial(self._kill_if_at, worker, worker.chunk)
                )

    def _kill_if_at(self, worker: WorkerProcess, chunk: Chunk) -> None:
        if worker in self._crew.workers and worker.chunk is chunk:
            worker.kill()

    def _drop(self, chunks: Iterable[Chunk], error: Exception | None) -> None:
        for chunk in chunks:
            chunk.close()
            _tell(chunk, ChunkDropped(chunk, error))

    def _forget(self, payload: Payload) -> None:
        for worker in self._crew.workers:
            worker.forget(payload)
        payload.close()

    def _close(self, *, drop: bool, kill: bool) -> None:
        if kill:
            self._killed = True
            self.on_broken(PoolBroken.stopped())
            return
        if drop:
            self._drop(self._queue.drop_all(), None)
        if not self._queue:
            self._crew.dismiss_idle()


def _tell(chunk: Chunk, event: Event) -> None:
    try:
        chunk.listener(event)
    except Exception:
        raise
    except BaseException:
        pass  # a future's callback asked for the result of a call that ended in SystemExit
