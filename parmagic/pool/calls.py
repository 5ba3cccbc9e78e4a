"""The calls of one function, and when the workers may forget it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from parmagic.pool.call import Call, CallFuture, Result, only_value
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.interrupts import Interrupts
from parmagic.pool.payload import Payload
from parmagic.worker.function import call
from parmagic.worker.surroundings import Surroundings

T = TypeVar("T")


class Calls:
    """Call a payload's function; it is freed when all calls are done and no more will come."""

    def __init__(self, dispatcher: Dispatcher, payload: Payload) -> None:
        self.dispatcher = dispatcher
        self.payload = payload
        self._lock = threading.Lock()
        self._open = 1  # whoever may still submit
        self._ended = False

    def submit(self, items: list[Any], result: Result, first: int | None = None) -> CallFuture[Any]:
        """Call the function on ``items``, one after the other, as `Call` says."""
        with self._lock:
            self._open += 1
        try:
            future = Call(self.dispatcher, self.payload, items, result, first).submit()
        except BaseException:
            self._close_one()
            raise
        future.add_done_callback(self._close_one)
        return future

    @contextlib.contextmanager
    def cancelled_by_interrupt(self) -> Iterator[None]:
        """Drop and stop the calls if an Interrupt ends the block, which alone wants the results."""
        __tracebackhide__ = True
        try:
            yield
        except KeyboardInterrupt:
            with Interrupts():
                self.dispatcher.cancel(self.payload.job)
            raise

    def end(self) -> None:
        """Say that no more will come."""
        if not self._ended:
            self._ended = True
            self._close_one()

    def _close_one(self, _: Future[Any] | None = None) -> None:
        with self._lock:
            self._open -= 1
            is_last = self._open == 0
        if is_last:  # also where the workers are gone: memory is held here, too
            self.dispatcher.forget_soon(self.payload)


class AnyCalls:
    """Calls of any function: each item is a whole call."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._calls: Calls | None = None

    def submit(
        self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> CallFuture[T]:
        """Call ``fn(*args, **kwargs)``, in folder, path and environment as they are now."""
        calls = self._calls
        if calls is None or calls.payload.load.surroundings != Surroundings.here():
            calls = self._renew()
        return calls.submit([(fn, args, kwargs)], only_value)

    def _renew(self) -> Calls:
        if self._calls is not None:
            self._calls.end()
        self._calls = calls_of_any(self._dispatcher)
        return self._calls


def calls_of_any(dispatcher: Dispatcher) -> Calls:
    """Return calls whose items are whole calls."""
    return Calls(dispatcher, Payload.of(call, star=True, keep_going=False))
