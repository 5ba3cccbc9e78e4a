"""A `dask.distributed.Client`."""

from __future__ import annotations

import asyncio
import socket
import uuid
from concurrent.futures import CancelledError
from typing import Any
from urllib.parse import urlsplit

from parmagic.backends.backend import Adapter, Order, Tell
from parmagic.worker import remote
from parmagic.worker.errors import BackendError

# Of more, dask complains that it is part of a graph.
GRAPH_BYTES = 1024 * 1024
CONNECT_SECONDS = 5.0


class DaskBackend(Adapter):
    """A client of dask.

    A call that runs cannot be stopped in dask, but no other item of its chunk begins.

    Parameters
    ----------
    client
        One that is not asynchronous.
    owned
        Whether it was made for parmagic, and is to be closed.
    """

    name = "dask"
    loses_neighbours = True  # dask blames all that was assigned to the worker

    def __init__(self, client: Any, *, owned: bool = False) -> None:
        if client.asynchronous:
            raise BackendError(
                "this dask client is asynchronous: make one without asynchronous=True"
            )
        self.client = client
        if self.closed:
            raise BackendError("this dask client is closed: make a new one")
        self.address = str(client.scheduler.address)
        self._owned = owned

    @property
    def closed(self) -> bool:
        """Whether the client is closed, as one is that has tried in vain to connect again."""
        return self.client.status in ("closing", "closed")

    def size(self) -> int:
        """Return how many threads the workers have together."""
        return sum(self.client.nthreads().values())

    def put(self, payload: bytes) -> Any:
        """Scatter the function to all workers."""
        return self.client.scatter(payload, broadcast=True, hash=False)

    def drop(self, payload: Any) -> None:
        """Let the workers drop it."""
        payload.release()

    def submit(self, order: Order, tell: Tell) -> Any:
        """Submit a chunk."""
        message: Any = order.message
        if len(message) > GRAPH_BYTES:
            message = self.client.scatter(message, hash=False)
        future = self.client.submit(
            _run, message, order.payload, key=f"parmagic-{uuid.uuid4().hex}", pure=False
        )
        self.client.loop.add_callback(self._follow, future, tell)
        return future

    async def _follow(self, future: Any, tell: Tell) -> None:
        # In the client's own loop, many at a time: its callbacks have one thread for all, which
        # would fetch one answer after the other.
        try:
            (answer,) = await self.client.gather([future], asynchronous=True)
        except (CancelledError, asyncio.CancelledError, Exception) as error:
            tell(None, error)
        else:
            tell(answer, None)
        future.release()

    def cancel(self, submitted: list[Any]) -> None:
        """Cancel what waits, and let what runs know."""
        self.client.cancel(submitted, asynchronous=False)

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether dask has given up on a chunk that kills workers."""
        from distributed import KilledWorker

        return isinstance(error, KilledWorker)

    def lost_worker(self, error: BaseException) -> str:
        """Return the address of the last worker that died of it."""
        last = getattr(error, "last_worker", None)
        return f"worker {last.address}" if last is not None else "a worker of dask"

    def close(self) -> None:
        """Close the connection if it is ours."""
        if self._owned:
            self.client.close()


def connected(address: str) -> DaskBackend:
    """Return the scheduler at ``address`` as a backend."""
    try:
        from distributed import Client
    except ImportError as error:
        raise BackendError("dask is not installed: pip install 'parmagic[dask]'") from error
    try:
        _knock(address)
        client = Client(address, set_as_default=False)
    except OSError as error:
        raise BackendError(f"no dask scheduler answers at {address}: {error}") from error
    return DaskBackend(client, owned=True)


def _knock(address: str) -> None:
    # A client that gets no answer tries for half a minute.
    place = urlsplit(address)
    if place.scheme == "tcp" and place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()


def _run(message: bytes, payload: bytes | None) -> remote.Answer | None:
    from distributed.worker import get_worker, thread_state

    worker, key = get_worker(), thread_state.key
    tasks = worker.state.tasks

    def stopped() -> bool:
        return key not in tasks or tasks[key].state == "cancelled"

    return remote.run(message, lambda: payload, worker=worker.address, stopped=stopped)
