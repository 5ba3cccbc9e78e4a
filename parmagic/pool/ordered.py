"""What ``Executor.map`` returns: values in the order of the items, submitted ahead."""

from __future__ import annotations

import itertools
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from parmagic.pool.call import all_values
from parmagic.pool.calls import Calls


class OrderedCalls:
    """The chunks of one ``map``.

    Parameters
    ----------
    chunks
        Lists of items; taken one by one, ``ahead`` before they are needed.
    ahead
        How many chunks may be on their way, or None for all at once.
    check_open
        Raises if no more may be submitted.
    """

    def __init__(
        self,
        calls: Calls,
        chunks: Iterator[list[Any]],
        ahead: int | None,
        check_open: Callable[[], None],
    ) -> None:
        self._calls = calls
        self._chunks = chunks
        self._check_open = check_open
        self._first = 0
        self._futures: deque[Future[list[Any]]] = deque()
        self._submit(ahead)
        if ahead is None:  # nobody need ask for a value
            self._end()

    def values(self, timeout: float | None) -> Iterator[Any]:
        """Yield the values; give up the rest when the caller does or ``timeout`` seconds pass."""
        deadline = None if timeout is None else time.monotonic() + timeout
        values = self._values(deadline)
        # One that nobody has asked for a value runs no finally. What was submitted still runs.
        weakref.finalize(values, self._end).atexit = False
        return values

    def _values(self, deadline: float | None) -> Iterator[Any]:
        try:
            while self._futures:
                values = self._take(deadline)
                values.reverse()
                while values:
                    yield values.pop()  # and keep no reference to it
        finally:
            while self._futures:  # each calls us back: together they would be kept
                self._futures.pop().cancel()
            self._end()

    def _take(self, deadline: float | None) -> list[Any]:
        values = self._futures[0].result(_seconds_until(deadline))
        self._futures.popleft()
        self._submit(1)  # before the caller looks at these: the workers must not wait for him
        return values

    def _submit(self, most: int | None) -> None:
        for chunk in itertools.islice(self._chunks, most):
            self._check_open()
            self._futures.append(self._calls.submit(chunk, all_values, self._first))
            self._first += len(chunk)

    def _end(self) -> None:
        self._chunks = iter(())
        self._check_open = _be_silent  # and let go of the executor, which may be dropped now
        self._calls.end()


def batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Cut ``items`` into lists of ``size``, the last one perhaps shorter."""
    while batch := list(itertools.islice(items, size)):
        yield batch


def _be_silent() -> None:
    pass


def _seconds_until(deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()
