"""Give chunks to a backend, and hear what becomes of them.

::

    submit(chunk) ──▶ Order ──▶ Backend ──▶ somebody's worker: parmagic.worker.remote.run
                                                │
    chunk.listener ◀── event ◀── Answer ◀───────┘
"""

from __future__ import annotations

import math
import os
import pickle
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError
from functools import partial
from typing import Any

from parmagic.backends.backend import Backend, Here, Order
from parmagic.pool.chunk import Chunk, ChunkDone, ChunkDropped, ChunkLost, Event
from parmagic.pool.clock import GRACE_SECONDS
from parmagic.pool.payload import Payload, Way
from parmagic.worker import remote
from parmagic.worker.board import SOMEWHERE
from parmagic.worker.errors import BackendError
from parmagic.worker.messages import Done
from parmagic.worker.parcel import INLINE_BYTES
from parmagic.worker.remote import Answer
from parmagic.worker.stage import stage

# How often to ask how many workers there are: they come and go, and dask takes 5 ms to tell.
SIZE_SECONDS = 5.0
# How many finished jobs each order tells of: a worker need not hear of all.
MOST_OVER = 16

_notebook = uuid.uuid4().hex


class BackendDispatcher:
    """A `Workforce` of somebody else's workers.

    It may be closed at any time, and opens again when a job needs it: so whoever has it, such
    as the end of a ``with`` block, need not know what happened meanwhile.

    Parameters
    ----------
    make
        Returns the backend: called at once, and again after that one was closed.

    Attributes
    ----------
    backend
        The one in use, or the last one.
    """

    warm = True

    def __init__(self, make: Callable[[], Backend]) -> None:
        self.backend = make()
        self._make = make
        self._closed = False
        self._opening = threading.Lock()
        self._lock = threading.Lock()
        self._flights: dict[Chunk, _Flight] = {}
        self._payloads: dict[int, _Payload] = {}
        self._over: deque[str] = deque(maxlen=MOST_OVER)
        self._workers = _Workers()
        self._size = 0
        self._next_look = 0.0
        stage.home = os.getpid()

    def open(self) -> None:
        """Make a new backend if this one is closed, by us or by itself."""
        with self._opening:
            self._open()

    def _open(self) -> None:
        if self._closed or self.backend.closed:
            self.backend = self._make()
            self._closed = False
            self._next_look = 0.0

    def close(self) -> None:
        """Close the backend, unless a job is under way, which may be one in the background."""
        with self._opening:
            if not (self._payloads or self._closed):
                self._closed = True
                self.backend.close()

    @property
    def way(self) -> Way:
        """How functions, items and values get there and back."""
        return self.backend.way

    @property
    def name(self) -> str:
        """What people call the backend."""
        return self.backend.name

    @property
    def size(self) -> int:
        """How many workers there are, at least one: some clusters grow with what they are given."""
        if not self._size:
            self.open()
            self._look()
        elif time.monotonic() >= self._next_look:
            self._next_look = math.inf  # one asks at a time
            _in_background(self._look_again)
        return self._size

    def _look(self) -> None:
        self._size = max(self.backend.size(), 1)
        self._next_look = time.monotonic() + SIZE_SECONDS

    def _look_again(self) -> None:
        try:
            self._look()
        except Exception:  # out of reach: what was known is as good as anything
            self._next_look = time.monotonic() + SIZE_SECONDS

    @property
    def busy_workers(self) -> int:
        """How many workers run something, as far as one can tell from here."""
        return min(len(self._flights), self._size)

    @property
    def pids(self) -> list[int]:
        """The workers' processes: none is ours."""
        return []

    def places(self, job: int) -> dict[int, int]:  # noqa: ARG002
        """Return nothing: which item runs is known when its chunk comes back."""
        return {}

    def sent(self, job: int) -> dict[int, tuple[int, float]]:  # noqa: ARG002
        """Return nothing: nor is it known who has what."""
        return {}

    def names(self) -> dict[int, str]:
        """Return what the workers are called, by number."""
        return self._workers.names

    def lend_thread(self, until: Callable[[], bool], seconds: float) -> None:
        """Do nothing: the backend hears its workers in threads of its own."""

    def resume(self) -> None:
        """Do nothing."""

    def submit(self, chunk: Chunk) -> None:
        """Hand ``chunk`` over to the backend."""
        self._flights[chunk] = _Flight()
        try:
            self._send(chunk, self._payload_of(chunk.payload).passed())
        except Exception as error:
            self._end(chunk, partial(self._failed, error))

    def _send(self, chunk: Chunk, payload: Any) -> None:
        message = b""
        if self.way is not Way.DIRECT:
            job = _job_name(chunk.payload)
            message = remote.order(job, tuple(self._over), chunk.run)
        flight = self._flights.get(chunk)
        if flight is not None:
            order = Order(message, payload, chunk)
            flight.submitted = self.backend.submit(order, partial(self._hear, chunk))

    def _payload_of(self, payload: Payload) -> _Payload:
        known = self._payloads.get(payload.job)
        if known is None:
            with self._opening:  # from now on it is not closed
                self._open()
                known = self._payloads[payload.job] = _Payload(payload, self.backend)
        return known

    def cancel(self, job: int) -> None:
        """Stop the chunks of ``job``; those that do not stop in time are given up."""
        flights = {
            chunk: flight
            for chunk, flight in list(self._flights.items())
            if chunk.payload.job == job
        }
        if not flights:
            return
        timer = threading.Timer(GRACE_SECONDS, self._give_up, (list(flights),))
        timer.daemon = True
        timer.start()
        for flight in flights.values():
            flight.timer = timer
        _in_background(self._cancel, flights)  # a scheduler may take its time, or hang

    def _cancel(self, flights: dict[Chunk, _Flight]) -> None:
        try:
            self.backend.cancel([each.submitted for each in flights.values()])
        except Exception:
            self._give_up(list(flights))  # it is out of reach

    def _give_up(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            self._end(chunk, lambda chunk, _: ChunkDropped(chunk, None))

    def forget(self, payload: Payload) -> None:
        """Free what ``payload`` holds, here and there."""
        kept = self._payloads.pop(payload.job, None)
        if kept is not None:
            kept.drop()
            self._over.append(_job_name(payload))
        payload.close()

    # What the backend says, in threads of its own.

    def _hear(
        self, chunk: Chunk, answer: Answer | Here | None, error: BaseException | None
    ) -> None:
        if error is not None:
            self._end(chunk, partial(self._failed, error))
        elif answer is None:
            self._send_with_function(chunk)
        else:
            self._end(chunk, partial(self._done, answer))

    def _send_with_function(self, chunk: Chunk) -> None:
        """Send a chunk again, to a worker that lacks the function."""
        flight = self._flights.get(chunk)
        if flight is None or flight.timer is not None:
            self._give_up([chunk])  # its job is cancelled
            return
        try:
            self._send(chunk, self._payloads[chunk.payload.job].pickled)
        except Exception as error:
            self._end(chunk, partial(self._failed, error))

    def _end(self, chunk: Chunk, event: Callable[[Chunk, _Flight], Event]) -> None:
        with self._lock:
            flight = self._flights.pop(chunk, None)
        if flight is None:
            return  # it was given up
        if flight.timer is not None and not self._is_awaited(flight.timer):
            flight.timer.cancel()
        try:
            ended = event(chunk, flight)
        except Exception as error:  # the adapter's, or an answer that cannot be unpickled
            ended = ChunkDropped(chunk, _explained(error, self.name))
        chunk.listener(ended)

    def _is_awaited(self, timer: threading.Timer) -> bool:
        return any(flight.timer is timer for flight in list(self._flights.values()))

    def _done(self, answer: Answer | Here, chunk: Chunk, flight: _Flight) -> Event:
        received = time.monotonic()
        worker = self._workers.number(answer.worker, answer.thread)
        if isinstance(answer, Here):
            done = answer.done
        else:
            shift = answer.clock - (time.time() - time.monotonic())
            done = _on_our_clock(pickle.loads(answer.done), shift, flight.sent, received)
        return ChunkDone(chunk, done, (), worker, flight.sent, received)

    def _failed(self, error: BaseException, chunk: Chunk, flight: _Flight) -> Event:
        if self.backend.is_loss(error):
            worker = self.backend.lost_worker(error)
            shared = self.backend.loses_neighbours
            return ChunkLost(chunk, SOMEWHERE, worker, None, cause=error, shared=shared)
        if flight.timer is not None and _is_cancel(error):
            return ChunkDropped(chunk, None)
        return ChunkDropped(chunk, _explained(error, self.name))


class _Flight:
    """A chunk that the backend has."""

    def __init__(self) -> None:
        self.sent = time.monotonic()
        self.submitted: Any = None
        self.timer: threading.Timer | None = None


class _Payload:
    """A job's function on its way to the workers of a backend."""

    def __init__(self, payload: Payload, backend: Backend) -> None:
        self._backend = backend
        self.pickled = b"" if backend.way is Way.DIRECT else pickle.dumps(payload.load, 5)
        self._put: Any = None
        # A small one goes with each chunk: that costs less than to ask who has it.
        self._is_small = len(self.pickled) <= INLINE_BYTES

    def passed(self) -> Any:
        """Return what goes with a chunk."""
        if self._is_small:
            return self.pickled
        if self._put is None:
            self._put = self._backend.put(self.pickled)
        return self._put

    def drop(self) -> None:
        if self._put is not None:
            self._backend.drop(self._put)


class _Workers:
    """Number the workers in the order in which they are first heard of."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._numbers: dict[tuple[str, int], int] = {}

    def number(self, name: str, thread: int) -> int:
        known = self._numbers.get((name, thread))
        if known is None:
            known = self._numbers[name, thread] = len(self._numbers) + 1
            self.names[known] = name
        return known


def _in_background(call: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=call, args=arguments, name="parmagic-backend", daemon=True).start()


def _job_name(payload: Payload) -> str:
    return f"{_notebook}/{payload.job}"


def _on_our_clock(done: Done, shift: float, sent: float, received: float) -> Done:
    """Say when a chunk was run as this machine's clock has it, as far as the other's is right."""
    latest = max(received - done.worked_seconds, sent)
    started = min(max(done.started + shift, sent), latest)
    return done._replace(started=started, began=done.began + started - done.started)


def _is_cancel(error: BaseException) -> bool:
    return isinstance(error, CancelledError) or "Cancel" in type(error).__name__


def _explained(error: BaseException, name: str) -> Exception:
    """Return what to raise when a backend cannot run a chunk."""
    if isinstance(error, ModuleNotFoundError) and error.name == "parmagic":
        return _chained(f"parmagic is not installed where {name} runs: install it there", error)
    if isinstance(error, BrokenExecutor):
        return _chained(
            f"{name} broke, and takes no more: one of its workers died. What has finished is kept;"
            " make a new one. Backends that survive a worker, such as parmagic's own pool, name"
            " the item",
            error,
        )
    if isinstance(error, BackendError):
        return error
    return _chained(f"{name} could not run a chunk: {type(error).__name__}: {error}", error)


def _chained(message: str, error: BaseException) -> BackendError:
    explained = BackendError(message)
    explained.__cause__ = error
    return explained
