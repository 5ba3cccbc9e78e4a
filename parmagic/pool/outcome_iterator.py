"""What ``Pool.imap`` returns: values as they come."""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, Self, TypeVar

from parmagic.pool.call import error_of, lend_thread
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.unsendable import as_pool_error

T = TypeVar("T")


class ItemOutcome(NamedTuple):
    """What became of one item."""

    value: Any
    error: BaseException | None


def each_outcome(values: list[Any], failures: dict[int, BaseException]) -> list[ItemOutcome]:
    """Be the `Result` of a chunk whose items are run whatever becomes of the others."""
    return [ItemOutcome(value, failures.get(index)) for index, value in enumerate(values)] or [
        ItemOutcome(None, error)
        for error in failures.values()  # of the chunk as a whole
    ]


class OutcomeIterator(Generic[T]):
    """Yield the values of a map, each as soon as its turn has come. The taker of a `Feed`.

    An item's error is raised in its place, and the next ones follow after it.

    Parameters
    ----------
    pool
        What must stay alive until the last item is done.
    ordered
        Whether an item's turn comes after that of those before it, or when it is done.
    """

    def __init__(self, pool: object, dispatcher: Dispatcher, *, ordered: bool) -> None:
        self._pool: object = pool
        self._dispatcher = dispatcher
        self._ordered = ordered
        self._changed = threading.Condition()
        self._ready: deque[ItemOutcome] = deque()
        self._early: dict[int, list[ItemOutcome]] = {}
        self._taken = 0
        self._wanted: int | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self.next()

    def next(self, timeout: float | None = None) -> T:
        """Return the next value, or raise its item's error.

        Raises
        ------
        multiprocessing.TimeoutError
            There is none within ``timeout`` seconds. It may be asked for again.
        """
        __tracebackhide__ = True  # IPython shows the user's frames only
        try:
            outcome = self._ready.popleft()
        except IndexError:
            outcome = self._wait(timeout)
        if outcome.error is not None:
            raise _raisable(outcome.error)
        value: T = outcome.value
        return value

    def _wait(self, timeout: float | None) -> ItemOutcome:
        __tracebackhide__ = True
        lend_thread(self._dispatcher, self._can_go_on, timeout)
        with self._changed:
            if not self._changed.wait_for(self._can_go_on, timeout):
                raise multiprocessing.TimeoutError
            if not self._ready:
                raise StopIteration
            return self._ready.popleft()

    def _can_go_on(self) -> bool:
        return bool(self._ready) or self._taken == self._wanted

    def take(self, number: int, future: Future[list[ItemOutcome]]) -> None:
        """Take the outcomes of a chunk."""
        error = error_of(future)
        outcomes = future.result() if error is None else [ItemOutcome(None, error)]
        with self._changed:
            self._early[number if self._ordered else self._taken] = outcomes
            self._move_on()

    def end(self, chunks: int, error: BaseException | None) -> None:
        """Know how many chunks there are; what the iterable has raised comes after them."""
        with self._changed:
            self._wanted = chunks
            if error is not None:
                self._wanted += 1
                self._early[chunks] = [ItemOutcome(None, error)]
            self._move_on()

    def _move_on(self) -> None:
        while self._taken in self._early:
            self._ready.extend(self._early.pop(self._taken))
            self._taken += 1
        if self._taken == self._wanted:
            self._pool = None
        self._changed.notify_all()


def _raisable(error: BaseException) -> BaseException:
    if isinstance(error, StopIteration):  # which a loop would take for the end
        raised = RuntimeError("the function raised StopIteration")
        raised.__cause__ = error
        return raised
    return as_pool_error(error)
