"""What became of each item of a job."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any


class Pending:
    """The value of an item that has none yet."""

    def __repr__(self) -> str:
        return "<pending>"


PENDING = Pending()


class Outcomes:
    """Values and errors by index; an item that has neither is pending.

    Parameters
    ----------
    length
        How many items there are, or None while that is unknown.
    """

    def __init__(self, length: int | None) -> None:
        self.values: list[Any] = [PENDING] * (length or 0)
        self.errors: dict[int, BaseException] = {}
        self.failed_items: dict[int, str] = {}
        self.done = 0

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
        return [
            index
            for index, value in enumerate(self.values)
            if value is PENDING and index not in self.errors
        ]

    def first_values(self) -> Iterator[Any]:
        """Yield the values up to the first that is not there."""
        return itertools.takewhile(lambda value: value is not PENDING, self.values)

    def record(self, first: int, values: Sequence[Any]) -> None:
        """Keep the values of consecutive items."""
        self._reach(first + len(values))
        self.values[first : first + len(values)] = values
        self.done += len(values)

    def fail(self, index: int, error: BaseException, item: str) -> None:
        """Keep the error of an item, and the item's repr."""
        self._reach(index + 1)
        if self.values[index] is not PENDING:
            self.values[index] = PENDING
            self.done -= 1
        self.errors[index] = error
        self.failed_items[index] = item

    def with_errors(self) -> list[Any]:
        """Return the values, with the errors in their places, once all items have finished."""
        # An iterable may have fewer items than its len() said.
        values = self.values[: self.finished]
        for index, error in self.errors.items():
            values[index] = error
        return values

    def _reach(self, length: int) -> None:
        missing = length - len(self.values)
        if missing > 0:
            self.values.extend([PENDING] * missing)
