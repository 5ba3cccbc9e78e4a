"""A `ThreadPoolExecutor`: items run in this process, on the notebook's own objects."""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from parmagic.backends.backend import Adapter, Here, Order, Tell, tell_when_done
from parmagic.pool.chunk import Chunk, ChunkPrinted
from parmagic.pool.payload import Payload, Way
from parmagic.worker.answer import Call, answer
from parmagic.worker.capture import Output
from parmagic.worker.function import of_one_argument
from parmagic.worker.messages import Printed


class ThreadsBackend(Adapter):
    """Threads of this process. Nothing is pickled, and nobody has a copy."""

    way = Way.DIRECT

    def __init__(self, executor: ThreadPoolExecutor, name: str = "") -> None:
        self.name = name or type(executor).__name__
        self._executor = executor
        self._jobs: weakref.WeakKeyDictionary[Payload, _Job] = weakref.WeakKeyDictionary()

    def size(self) -> int:
        """Return how many threads there may be."""
        size: int = self._executor._max_workers  # noqa: SLF001  # nothing public tells
        return size

    def submit(self, order: Order, tell: Tell) -> Any:
        """Submit a chunk."""
        payload = order.chunk.payload
        job = self._jobs.get(payload)
        if job is None:
            job = self._jobs[payload] = _Job(payload)
        future = self._executor.submit(job.run, order.chunk)
        tell_when_done(future, tell)
        return future, job

    def cancel(self, submitted: list[Any]) -> None:
        """Begin no other item; one that runs cannot be stopped."""
        for future, job in submitted:
            job.stopped.set()
            future.cancel()

    def lost_worker(self, error: BaseException) -> str:  # noqa: ARG002
        """Never be asked: a thread dies with the notebook."""
        return ""


class _Job:
    """A job's function, and whether it is to stop."""

    def __init__(self, payload: Payload) -> None:
        self.stopped = threading.Event()
        self._load = payload.load
        self._fn = payload.load.parcel.value  # type: ignore[union-attr]  # it is Direct
        self._name = f"{os.getpid()}/{payload.job}"

    def run(self, chunk: Chunk) -> Here:
        done = answer(
            chunk.run,
            self._load,
            self._call,
            job=self._name,
            send=partial(self._send, chunk),
            stopped=self.stopped.is_set,
        )
        return Here(threading.current_thread().name, threading.get_ident(), done)

    def _call(self) -> Call:
        return of_one_argument(self._fn, star=self._load.star)

    def _send(self, chunk: Chunk, output: Output) -> None:
        chunk.listener(ChunkPrinted(chunk, Printed(chunk.payload.job, output), 0))
