"""Calls whose values become the result of a future: what an executor adds to the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from parmagic.pool.autopsy import worker_died
from parmagic.pool.broken import CallLost
from parmagic.pool.chunk import Chunk, ChunkDone, ChunkLost, ChunkPrinted, Event
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.interrupts import Interrupts
from parmagic.pool.output import show_safely
from parmagic.pool.payload import Payload
from parmagic.worker.classes import load
from parmagic.worker.culprit import blame_value
from parmagic.worker.errors import add_item_note
from parmagic.worker.failure import Failure, unpack
from parmagic.worker.messages import UNREADABLE
from parmagic.worker.parcel import unwrap
from parmagic.worker.segment import WRITE
from parmagic.worker.text import safe_repr

T = TypeVar("T")
# Makes the result of a call of the values of its items, and of the errors of those that failed.
Result = Callable[[list[Any], dict[int, BaseException]], Any]

# A worker that dies before it begins is not the call's fault, unless it does so again.
ATTEMPTS = 3


# How long a caller who waits for a result hears the workers itself: for a short call that
# saves two switches between threads.
LEND_SECONDS = 0.005


def lend_thread(dispatcher: Dispatcher, until: Callable[[], bool], timeout: float | None) -> None:
    """Hear the workers in this thread for a moment, which would wait for them anyway."""
    if until() or dispatcher.closed:
        return
    seconds = LEND_SECONDS if timeout is None else max(0.0, min(timeout, LEND_SECONDS))
    with Interrupts():
        dispatcher.lend_thread(until, seconds)
    if not until():
        dispatcher.resume()


class CallFuture(Future[T]):
    """A future whose waiting caller helps."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._dispatcher = dispatcher

    def result(self, timeout: float | None = None) -> T:
        """Return what the call returned, or raise what it raised."""
        lend_thread(self._dispatcher, self.done, timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the call raised, or None."""
        lend_thread(self._dispatcher, self.done, timeout)
        return super().exception(timeout)


def error_of(future: Future[Any]) -> BaseException | None:
    """Return what ``future``, which is done, raises: a `CancelledError`, too."""
    return CancelledError() if future.cancelled() else future.exception()


def only_value(values: list[Any], _: dict[int, BaseException]) -> Any:
    """Be the `Result` of a call of one item."""
    return values[0]


def all_values(values: list[Any], _: dict[int, BaseException]) -> Any:
    """Be the `Result` of a call of several items."""
    return values


class Call:
    """A chunk and its future.

    Parameters
    ----------
    items
        What the payload's function is called on, one after the other.
    result
        Makes the future's result. An item that fails is the future's error, unless the payload
        says to go on.
    first
        The index of the first item among those of a map, for errors to name them by; None if the
        one item is not the user's, but a call of his.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        payload: Payload,
        items: list[Any],
        result: Result,
        first: int | None = None,
    ) -> None:
        self.future: CallFuture[Any] = CallFuture(dispatcher)
        self._dispatcher = dispatcher
        self._payload = payload
        self._items = items
        self._result = result
        self._first = first
        self._attempts = 0
        self._begun: bool | None = None

    def submit(self) -> CallFuture[Any]:
        """Send the items; that one of them cannot be pickled is the future's error."""
        self._attempts += 1
        try:
            chunk = Chunk.of(
                self._payload,
                self._items,
                first=self._first or 0,
                listener=self._hear,
                begin=self._begin,
            )
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._fail_to_send(error)
        else:
            with Interrupts():
                self._dispatcher.submit(chunk)
        return self.future

    def _fail_to_send(self, error: BaseException) -> None:
        alone = len(self._items) == 1 and self._first is not None
        blame = blame_value(self._items[0] if alone else self._items, error, self._named())
        blame.__cause__ = error
        self.future.set_exception(blame)

    def _named(self) -> str:
        if self._first is None:
            return "the call"
        last = self._first + len(self._items) - 1
        return f"item {last}" if last == self._first else f"items {self._first} to {last}"

    def _begin(self) -> bool:
        if self._begun is None:  # a future may be asked only once
            self._begun = self.future.set_running_or_notify_cancel()
        return self._begun

    def _hear(self, event: Event) -> None:
        if isinstance(event, ChunkPrinted):
            show_safely(event.printed.output)
        elif isinstance(event, ChunkDone):
            show_safely(event.done.output)
            self._finish(event)
        elif isinstance(event, ChunkLost):
            self._lose(event)
        else:
            self._drop(event.error)

    def _drop(self, error: Exception | None) -> None:
        if error is None:
            self.future.cancel()  # unless an earlier attempt has begun
        if self._begin():
            self.future.set_exception(error or CancelledError())

    def _finish(self, event: ChunkDone) -> None:
        # Once: a SystemExit that comes out of a callback is no error of the call.
        result, error = self._ending(event)
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)

    def _ending(self, event: ChunkDone) -> tuple[Any, BaseException | None]:
        try:
            failures = dict(self._failures(event.done.failures))
            if failures and not self._payload.load.keep_going:
                return None, next(iter(failures.values()))
            return self._result(self._values(event), failures), None
        except BaseException as error:
            return None, error
        finally:
            event.close()

    def _values(self, event: ChunkDone) -> list[Any]:
        values: list[Any]
        values = unwrap(event.done.parcel, event.segments, access=WRITE, load=load)
        return values

    def _failures(
        self, failures: tuple[tuple[int, Failure], ...]
    ) -> Iterator[tuple[int, BaseException]]:
        for index, failure in failures:
            error = unpack(failure)
            if self._first is not None and index != UNREADABLE:
                add_item_note(error, self._first + index, safe_repr(self._items[index]))
            yield index, error

    def _lose(self, event: ChunkLost) -> None:
        if event.place is None and self._attempts < ATTEMPTS:
            if event.exitcode == 0:  # one that left in good order
                self._attempts -= 1
            self.submit()
        else:
            self.future.set_exception(self._death(event))

    def _death(self, event: ChunkLost) -> CallLost:
        if self._first is None or event.place is None or event.place < 0:
            return worker_died(event, kind=CallLost)
        item = safe_repr(self._items[event.place - self._first])
        return worker_died(event, event.place, item, kind=CallLost)
