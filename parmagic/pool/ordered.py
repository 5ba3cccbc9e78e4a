"""What ``Executor.map`` returns: values in the order of the items, submitted ahead."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from parmagic.pool.call import Call
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.payload import Payload


class OrderedCalls:
    """The chunks of one ``map``; its function is freed when all of them are done.

    Parameters
    ----------
    chunks
        Lists of argument tuples; taken one by one, ``ahead`` before they are needed.
    ahead
        How many chunks may be on their way, or None for all at once.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        payload: Payload,
        chunks: Iterator[list[Any]],
        ahead: int | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._payload = payload
        self._chunks = chunks
        self._open = 1  # ourselves, until the caller has all values or has given up
        self._lock = threading.Lock()
        self._ended = False
        self._futures: deque[Future[Any]] = deque()
        self._submit(ahead)
        if ahead is None:  # nobody need ask for a value
            self._end()

    def values(self, timeout: float | None) -> Iterator[Any]:
        """Yield the values; give up the rest when the caller does or ``timeout`` seconds pass."""
        deadline = None if timeout is None else time.monotonic() + timeout
        return self._values(deadline)

    def _values(self, deadline: float | None) -> Iterator[Any]:
        try:
            while self._futures:
                yield from self._futures[0].result(_seconds_until(deadline))
                self._futures.popleft()
                self._submit(1)
        finally:
            for future in self._futures:
                future.cancel()
            self._end()

    def _submit(self, most: int | None) -> None:
        for chunk in itertools.islice(self._chunks, most):
            with self._lock:
                self._open += 1
            future = Call(self._dispatcher, self._payload, chunk, list).submit()
            future.add_done_callback(self._close_one)
            self._futures.append(future)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._chunks = iter(())
            self._close_one()

    def _close_one(self, _: Future[Any] | None = None) -> None:
        with self._lock:
            self._open -= 1
        if self._open == 0 and not self._dispatcher.closed:
            self._dispatcher.forget(self._payload)


def batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Cut ``items`` into lists of ``size``, the last one perhaps shorter."""
    while batch := list(itertools.islice(items, size)):
        yield batch


def _seconds_until(deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()
