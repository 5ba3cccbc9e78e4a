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
import time
from collections.abc import Callable, Iterable
from functools import partial

from parmagic.pool import idle
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
from parmagic.pool.output import show_safely
from parmagic.pool.payload import Payload, Way
from parmagic.pool.process import WorkerProcess
from parmagic.pool.queue import ChunkQueue
from parmagic.pool.reactor import Reactor
from parmagic.pool.start_up import Starts
from parmagic.pool.stock import stock
from parmagic.worker.messages import Done, Printed
from parmagic.worker.segment import Segment


class Dispatcher:
    """Keep ``size`` workers, and give them chunks.

    Parameters
    ----------
    size
        How many workers; they are started in the background, at the first chunk or by `start`.
    initializer
        A pickled function without parameters that each worker calls first.
    most_chunks
        After how many chunks a worker is replaced; by default never.
    on_demand
        Start no more workers than there are chunks, unless told to `start`.

    Attributes
    ----------
    broken
        What the initializer's failure was reported as, if it has failed.
    """

    def __init__(
        self,
        size: int,
        initializer: bytes | None = None,
        most_chunks: int | None = None,
        *,
        on_demand: bool = False,
    ) -> None:
        self._on_demand = on_demand
        self._most_chunks = most_chunks
        self._pid = os.getpid()
        self._crew = Crew(size, initializer, self, self._running)
        self._queue = ChunkQueue()
        self._lock = threading.Lock()
        self._reactor: Reactor | None = None
        self._closing = False
        self._killed = False
        self.broken: PoolBroken | None = None
        self._value_bytes = 0
        self._looks_after_memory = False

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

    @property
    def way(self) -> Way:
        """How functions, items and values get to the workers and back."""
        return Way.SHARED

    @property
    def name(self) -> str:
        """What it is called where it is not our own pool: it is."""
        return ""

    def names(self) -> dict[int, str]:
        """Return what workers are called: their numbers say it."""
        return {}

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

    def places(self, job: int) -> dict[int, int]:
        """Return which item each worker runs of ``job``, by the worker's number."""
        found = {}
        for worker in list(self._crew.busy):
            chunk = worker.chunk
            place = worker.place
            if chunk is not None and chunk.payload.job == job and place is not None and place >= 0:
                found[worker.number] = place
        return found

    def sent(self, job: int) -> dict[int, tuple[int, float]]:
        """Return the first item of what each worker has of ``job``, and when it was sent."""
        chunks = [(worker, worker.chunk) for worker in self._crew.busy]
        return {
            worker.number: (chunk.run.first, worker.sent)
            for worker, chunk in chunks
            if chunk is not None and chunk.payload.job == job
        }

    @property
    def pids(self) -> list[int]:
        """The workers' processes."""
        return [worker.pid for worker in list(self._crew.workers)]

    def start(self) -> None:
        """Start all workers, without waiting for them."""
        self._on_demand = False
        self._running().post(self._crew.refill_at_once)

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

    def forget_soon(self, payload: Payload) -> None:
        """Let another thread do so: this one may hold a lock that it takes.

        Such as where garbage is collected, which can happen anywhere.
        """
        self._running().post(partial(self._forget, payload))

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

    def restart(self, number: int) -> None:
        """Replace a worker now; what it runs is run again, from its beginning, by another."""
        self._running().post(partial(self._crew.exchange, number))

    def renew(self, initializer: bytes | None, starts: Starts) -> None:
        """Replace the workers, each after its chunk, by some that call ``initializer`` first.

        All of them, also where they would else be started on demand.

        Parameters
        ----------
        starts
            Hears of those.
        """
        self._on_demand = False
        self.broken = None
        self._running().post(partial(self._crew.renew, initializer, starts))

    def close(self, *, drop: bool = False, kill: bool = False, politely: bool = False) -> None:
        """Take no more chunks, and end the workers when all is done.

        Parameters
        ----------
        drop
            Do not run the chunks that wait.
        kill
            Do not wait for those that run either.
        politely
            Let these workers know by SIGTERM, and kill only those that stay.
        """
        self._closing = True
        if self._reactor is not None and not self.foreign:
            end = partial(self._kill, politely=politely) if kill else partial(self._close, drop)
            self._reactor.post(end)

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
            reactor = Reactor(self._finished, self._expecting, self.on_broken, idle.close)
        except OSError as error:  # no descriptors
            raise PoolBroken.refused(error) from error
        stock.open()
        return reactor

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
        chunk.payload.value_bytes = chunk.payload.value_bytes or self._value_bytes
        try:
            worker.run(chunk)
        except OSError:  # it is gone, or out of reach: its sentinel tells the rest
            self._crew.lose_touch(worker)
        if chunk.payload.load.timeout_seconds is not None:
            ItemClock(self._running().timers, worker, chunk)

    def _look_after_memory(self) -> None:
        """Give back free segments after a while, as long as there are any, or will be."""
        if not self._looks_after_memory and idle.there_is_any():
            self._looks_after_memory = True
            self._running().timers.add(idle.LOOK_SECONDS, self._trim)

    def _trim(self) -> None:
        idle.trim()
        self._looks_after_memory = False
        self._look_after_memory()

    # What the crew says.

    def has_need(self) -> bool:
        """Tell whether workers are to be there."""
        return bool(self._queue) or not self._closing

    def needs(self, size: int) -> int:
        """Tell how many of ``size`` workers are to be there at least."""
        return min(size, len(self._crew.busy) + len(self._queue)) if self._on_demand else size

    def on_ready(self) -> None:
        """Give the workers what waits."""
        self._dispatch()
        if self._queue:
            self._crew.refill()

    def on_broken(self, error: Exception) -> None:
        """Drop all that runs and waits: the pool cannot do it."""
        self._break(error)

    def on_bad_initializer(self, error: PoolBroken) -> None:
        """Drop all: no worker will ever be ready."""
        self.broken = error
        self._break(error)

    def _break(self, error: Exception, *, politely: bool = False) -> None:
        running = [worker.chunk for worker in self._crew.busy if worker.chunk is not None]
        self._crew.give_up(politely=politely)
        self._drop([*running, *self._queue.drop_all()], error)

    def on_death(self, worker: WorkerProcess) -> None:
        """Say that a worker's chunk is lost."""
        chunk = worker.chunk
        assert chunk is not None
        lost = ChunkLost(
            chunk,
            None if worker.recalled else worker.place,
            worker.number,
            worker.own_exitcode,
            worker.last_words(),
            expired=worker.expired is not None and worker.expired == worker.place,
        )
        _tell(chunk, lost)

    def on_message(
        self, worker: WorkerProcess, message: Done | Printed, segments: tuple[Segment, ...]
    ) -> None:
        """Hear what a worker says of its chunk."""
        if isinstance(message, Done):
            self._on_done(worker, message, segments)
        elif worker.chunk is not None:
            _tell(worker.chunk, ChunkPrinted(worker.chunk, message, worker.number))
        else:  # a thread that an item has left behind
            show_safely(message.output)

    def _on_done(self, worker: WorkerProcess, done: Done, segments: tuple[Segment, ...]) -> None:
        received = time.monotonic()
        chunk = worker.chunk
        assert chunk is not None
        if segments:
            value_bytes = -(-done.parcel.nbytes // max(done.length, 1))
            self._value_bytes = chunk.payload.value_bytes = value_bytes
        self._look_after_memory()
        event = ChunkDone(chunk, done, segments, worker.number, worker.sent, received)
        worker.finish(done.length, ends=done.ends)
        try:
            self._go_on(worker)  # before anything else: the worker must not wait
        finally:  # what is here is not lost with what cannot be sent
            _tell(chunk, event)

    def _go_on(self, worker: WorkerProcess) -> None:
        if worker.chunks_done == self._most_chunks:
            self._crew.dismiss(worker)
        self._dispatch()
        if worker.leaving:
            self._crew.see_off(worker)
            self._crew.refill()
        self._crew.dismiss_if_needless(worker)

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

    def _kill(self, *, politely: bool) -> None:
        self._killed = True
        self._break(PoolBroken.stopped(), politely=politely)

    def _close(self, drop: bool) -> None:
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
