"""What the methods of a `Pool` return that do not wait: one value, or a list, to come."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.pool import AsyncResult
from typing import Any, TypeVar

from parmagic.pool.call import error_of, lend_thread
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.unsendable import as_pool_error

T = TypeVar("T")


class CallResult(AsyncResult[T]):
    """The value of one call to come, as `multiprocessing.pool.AsyncResult`.

    Parameters
    ----------
    pool
        What must stay alive until then.
    callback, error_callback
        Called with the value, or with the error, in another thread, before anybody who waits
        goes on.
    """

    def __init__(
        self,
        pool: object,
        dispatcher: Dispatcher,
        callback: Callable[[T], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._pool: object = pool
        self._dispatcher = dispatcher
        self._callback = callback
        self._error_callback = error_callback
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._result: Any = None

    def ready(self) -> bool:
        """Return whether the call has ended."""
        return self._done.is_set()

    def successful(self) -> bool:
        """Return whether the call has ended without an error.

        Raises
        ------
        ValueError
            It has not ended yet.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._error is None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the call has ended, or ``timeout`` seconds have passed."""
        lend_thread(self._dispatcher, self.ready, timeout)
        self._done.wait(timeout)

    def get(self, timeout: float | None = None) -> T:
        """Return the value, or raise what the call raised.

        Raises
        ------
        multiprocessing.TimeoutError
            It has not ended within ``timeout`` seconds.
        """
        __tracebackhide__ = True  # IPython shows the user's frames only
        self.wait(timeout)
        if not self.ready():
            raise multiprocessing.TimeoutError
        if self._error is not None:
            raise self._error
        value: T = self._result
        return value

    def hear(self, future: Future[T]) -> None:
        """Take the value or the error of ``future``, which is done."""
        error = error_of(future)
        self._settle(None if error else future.result(), error)

    def _settle(self, value: Any, error: BaseException | None) -> None:
        self._result = value
        self._error = None if error is None else as_pool_error(error)
        try:
            if self._error is None and self._callback is not None:
                self._callback(value)
            elif self._error is not None and self._error_callback is not None:
                self._error_callback(self._error)
        finally:
            self._done.set()
            self._pool = self._callback = self._error_callback = None


class MapResult(CallResult[list[T]]):
    """The values of a map to come, in the order of the items. The taker of a `Feed`.

    All items are run, but for those that share a chunk with an earlier one that failed. If
    several fail, the error is that of the first of them, in the order of the items.
    """

    def __init__(
        self,
        pool: object,
        dispatcher: Dispatcher,
        callback: Callable[[list[T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(pool, dispatcher, callback, error_callback)
        self._lock = threading.Lock()
        self._chunks: dict[int, Future[list[T]]] = {}
        self._wanted: int | None = None
        self._broken: BaseException | None = None

    def take(self, number: int, future: Future[list[T]]) -> None:
        """Take one chunk's values, or its error."""
        with self._lock:
            self._chunks[number] = future
            complete = len(self._chunks) == self._wanted
        if complete:
            self._gather()

    def end(self, chunks: int, error: BaseException | None) -> None:
        """Know how many chunks there are, and what the iterable has raised."""
        with self._lock:
            self._wanted, self._broken = chunks, error
            complete = len(self._chunks) == chunks
        if complete:
            self._gather()

    def _gather(self) -> None:
        futures = [self._chunks[number] for number in sorted(self._chunks)]
        self._chunks = {}
        errors = [error for future in futures if (error := error_of(future)) is not None]
        error = errors[0] if errors else self._broken
        values = None if error else [value for future in futures for value in future.result()]
        self._settle(values, error)
