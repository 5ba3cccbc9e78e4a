"""Calls whose values become the result of a future: what an executor adds to the dispatcher."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from parmagic.pool.autopsy import worker_died
from parmagic.pool.chunk import Chunk, ChunkDone, ChunkLost, ChunkPrinted, Event
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.interrupts import Interrupts
from parmagic.pool.payload import Payload
from parmagic.worker.capture import Output
from parmagic.worker.classes import load
from parmagic.worker.culprit import blame_value
from parmagic.worker.failure import unpack
from parmagic.worker.parcel import unwrap

T = TypeVar("T")

# A worker that dies before it begins is not the call's fault, unless it does so again.
ATTEMPTS = 3


# How long a caller who waits for a result hears the workers itself: for a short call that
# saves two switches between threads.
LEND_SECONDS = 0.005


class CallFuture(Future[T]):
    """A future whose waiting caller helps."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._dispatcher = dispatcher

    def result(self, timeout: float | None = None) -> T:
        """Return what the call returned, or raise what it raised."""
        self._help(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the call raised, or None."""
        self._help(timeout)
        return super().exception(timeout)

    def _help(self, timeout: float | None) -> None:
        if self.done() or self._dispatcher.closed:
            return
        seconds = LEND_SECONDS if timeout is None else min(timeout, LEND_SECONDS)
        with Interrupts():
            self._dispatcher.lend_thread(self.done, seconds)
        if not self.done():
            self._dispatcher.resume()


class Call:
    """A chunk and its future.

    Parameters
    ----------
    items
        What the payload's function is called on, one after the other.
    result
        Makes the future's result of their values.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        payload: Payload,
        items: list[Any],
        result: Callable[[list[Any]], Any],
    ) -> None:
        self.future: CallFuture[Any] = CallFuture(dispatcher)
        self._dispatcher = dispatcher
        self._payload = payload
        self._items = items
        self._result = result
        self._attempts = 0
        self._begun: bool | None = None

    def submit(self) -> Future[Any]:
        """Send the items; that one of them cannot be pickled is the future's error."""
        self._attempts += 1
        try:
            chunk = Chunk.of(
                self._payload, self._items, first=0, listener=self._hear, begin=self._begin
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
        self.future.set_exception(blame_value(self._items, error, "the call"))

    def _begin(self) -> bool:
        if self._begun is None:  # a future may be asked only once
            self._begun = self.future.set_running_or_notify_cancel()
        return self._begun

    def _hear(self, event: Event) -> None:
        if isinstance(event, ChunkPrinted):
            _print(event.printed.output)
        elif isinstance(event, ChunkDone):
            _print(event.done.output)
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
        done = event.done
        if done.failures:
            event.close()
            self.future.set_exception(unpack(done.failures[0][1]))
            return
        try:
            result = self._result(unwrap(done.parcel, event.descriptor, load=load))
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
        finally:
            event.close()

    def _lose(self, event: ChunkLost) -> None:
        if event.place is None and self._attempts < ATTEMPTS:
            self.submit()
        else:
            self.future.set_exception(worker_died(event))


def _print(output: Output) -> None:
    # In the dispatcher's thread, where a closed or odd stream must do no harm.
    with contextlib.suppress(Exception):
        for _, stream, text in output:
            print(text, end="", file=getattr(sys, stream))
