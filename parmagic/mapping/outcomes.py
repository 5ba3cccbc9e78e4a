"""What became of each item of a job."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any


class Pending:
    """The value of an item that has none yet."""

    def __repr__(self) -> str:
        return "<pending>"


PENDING = Pending()


def _itself(value: Any) -> Any:
    return value


class Outcomes:
    """Values and errors by index; an item that has neither is pending.

    Parameters
    ----------
    length
        How many items there are, as far as is known by now, or None.

    Attributes
    ----------
    items
        Those that failed, to be run again.
    failed_items
        Their reprs.
    kept
        How many values were taken over from an earlier job.
    value_of
        Makes of what the function returned the value that a user knows, if that is not the same.
    note
        Is told of each value as well, if it is not None: the index of the first, and the values.
    """

    def __init__(self, length: int | None) -> None:
        # Grows as the items finish: there may be 10**12 of them, the first of which fails.
        self.values: list[Any] = []
        self.length = length
        self.errors: dict[int, BaseException] = {}
        self.items: dict[int, Any] = {}
        self.failed_items: dict[int, str] = {}
        self.done = 0
        self.kept = 0
        self.value_of: Callable[[Any], Any] = _itself
        self.note: Callable[[int, Sequence[Any]], None] | None = None
        # Which came when: pairs of the index of a first one, and how many came with it.
        self._order = array("q")

    @property
    def finished(self) -> int:
        """How many items have a value or an error."""
        return self.done + len(self.errors)

    @property
    def first_error(self) -> BaseException | None:
        """The error with the lowest index."""
        return self.errors[min(self.errors)] if self.errors else None

    def pending(self) -> list[int]:
        """Return the indices of the items that have not run to their end."""
        among = enumerate(self.values)
        gaps = [n for n, value in among if value is PENDING and n not in self.errors]
        return [*gaps, *range(len(self.values), self.length or 0)]

    def first_values(self) -> Iterator[Any]:
        """Yield the values up to the first that is not there."""
        there = itertools.takewhile(lambda value: value is not PENDING, self.values)
        return map(self.value_of, there)

    def returned(self) -> list[Any]:
        """Return what the function returned for the items that ran well, in their order."""
        return [value for _, values in self.runs() for value in values]

    def record(self, first: int, values: Sequence[Any]) -> None:
        """Keep the values of consecutive items, which had none."""
        if not len(values):
            return
        self._reach(first)
        self.values[first : first + len(values)] = values
        self.done += len(values)
        self._order.extend((first, len(values)))
        if self.note is not None:
            self.note(first, values)

    def fail(self, index: int, error: BaseException, item: Any, item_repr: str) -> None:
        """Keep the error of an item that had no value, and the item."""
        self._reach(index + 1)
        self.errors[index] = error
        self.items[index] = item
        self.failed_items[index] = item_repr
        self._order.extend((index, 1))

    def finished_since(self, count: int) -> Iterator[int]:
        """Yield the indices of those that have finished after the first ``count``, in that order.

        Others may finish meanwhile, in another thread.
        """
        pairs = self._order[::2], self._order[1::2]
        came = (range(first, first + length) for first, length in zip(*pairs, strict=False))
        return itertools.islice(itertools.chain.from_iterable(came), count, None)

    def runs(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield what was returned as far as it stands side by side, with the first's index."""
        for run in self._runs(0, len(self.values), pending=False):
            yield run.start, self.values[run.start : run.stop]

    def pending_runs(self, first: int, length: int) -> Iterator[range]:
        """Return the indices without value, among those from ``first`` on, side by side."""
        self._reach(first + length)
        return self._runs(first, first + length, pending=True)

    def _runs(self, first: int, stop: int, *, pending: bool) -> Iterator[range]:
        indices = range(first, stop)
        for is_pending, run in itertools.groupby(
            indices, lambda index: self.values[index] is PENDING
        ):
            if is_pending == pending:
                start = next(run)
                yield range(start, start + 1 + sum(1 for _ in run))

    def with_errors(self) -> list[Any]:
        """Return the values, with the errors in their places, once all items have finished."""
        # An iterable may have fewer items than its len() said.
        values = self.values[: self.finished]
        if self.value_of is not _itself:
            values = [value if value is PENDING else self.value_of(value) for value in values]
        for index, error in self.errors.items():
            values[index] = error
        return values

    def _reach(self, length: int) -> None:
        missing = length - len(self.values)
        if missing > 0:
            self.values.extend([PENDING] * missing)
