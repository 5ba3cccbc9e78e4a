"""What an adapter of somebody else's executor has to do: a few calls, and no more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, NamedTuple, Protocol

from parmagic.pool.chunk import Chunk
from parmagic.pool.payload import Way
from parmagic.worker.messages import Done
from parmagic.worker.remote import Answer


class Here(NamedTuple):
    """What became of a chunk that was run in a thread of this process."""

    worker: str
    thread: int
    done: Done


#: Told once what became of a chunk: an answer, or None where the function was not there; or
#: what the executor raised. In any thread.
Tell = Callable[[Answer | Here | None, BaseException | None], None]


class Order(NamedTuple):
    """A chunk for an executor.

    Attributes
    ----------
    message
        What `parmagic.worker.remote.run` takes first; empty where nothing is pickled.
    payload
        The job's function: its bytes, what `Backend.put` made of them, or None.
    chunk
        The same as an object, for executors in this process.
    """

    message: bytes
    payload: Any
    chunk: Chunk


class Backend(Protocol):
    """Somebody else's executor.

    Attributes
    ----------
    name
        What people call it, such as ``dask``.
    address
        Where it is; empty where that says nothing.
    way
        How functions, items and values get there.
    loses_neighbours
        Whether a worker that dies may take along chunks that it had not begun.
    """

    name: str
    address: str
    way: Way
    loses_neighbours: bool

    @property
    def closed(self) -> bool:
        """Whether it runs nothing any more: then a new one is made when somebody needs it."""

    def size(self) -> int:
        """Return how many chunks it runs at once."""

    def put(self, payload: bytes) -> Any:
        """Bring a large function to all workers, once; return what stands for it in an `Order`."""

    def drop(self, payload: Any) -> None:
        """Free what `put` has returned."""

    def submit(self, order: Order, tell: Tell) -> Any:
        """Run a chunk, and return something to cancel it by."""

    def cancel(self, submitted: list[Any]) -> None:
        """Stop these chunks as far as it can."""

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether ``error`` is that of a worker which died."""

    def lost_worker(self, error: BaseException) -> str:
        """Return what to call the worker that died."""

    def close(self) -> None:
        """Give up what was opened for parmagic only."""


class Adapter:
    """What most adapters have in common."""

    address = ""
    way = Way.INLINE
    loses_neighbours = False

    @property
    def closed(self) -> bool:
        """Know of no end."""
        return False

    def put(self, payload: bytes) -> Any:  # noqa: ARG002
        """Bring the function with a chunk, to those workers that lack it."""
        return None

    def drop(self, payload: Any) -> None:
        """Free nothing."""

    def is_loss(self, error: BaseException) -> bool:  # noqa: ARG002
        """Know of no loss that the others survive."""
        return False

    def close(self) -> None:
        """Close nothing: it is the user's."""


def tell_of(future: Any, tell: Tell) -> None:
    """Tell how a future has ended that acts as one of `concurrent.futures`."""
    try:
        answer = future.result()
    except (CancelledError, Exception) as error:
        tell(None, error)
    except BaseException as error:  # an executor's own way to say that it was stopped
        tell(None, RuntimeError(f"{type(error).__name__}: {error}"))
    else:
        tell(answer, None)


def tell_when_done(future: Any, tell: Tell) -> None:
    """Do so as soon as it has ended."""
    future.add_done_callback(partial(_told, tell))


def _told(tell: Tell, future: Any) -> None:
    tell_of(future, tell)
