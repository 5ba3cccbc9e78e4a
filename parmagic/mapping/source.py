"""The items of a job, cut as they are needed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Protocol

# A generator whose items are slow to make gives what it has, so that no worker waits
# for a chunk to be full.
MAKING_SECONDS = 0.01


class Source(Protocol):
    """Where items come from."""

    length: int | None

    def take(self, most: int) -> Sequence[Any]:
        """Remove and return the next items: ``most``, or fewer, or none at the end."""


def source_of(items: Iterable[Any]) -> Source:
    """Return the source that cuts ``items`` most cheaply.

    A range, list, tuple or array is sliced: a slice of a range is a few bytes, one of
    an array is one buffer. All else is iterated, no further ahead than needed.
    """
    if isinstance(items, range | list | tuple) or _is_array(items):
        return SlicedSource(items)  # type: ignore[arg-type]
    return IteratedSource(items)


class SlicedSource:
    """Items that can be sliced."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.length: int | None = len(items)
        self._items = items
        self._taken = 0

    def take(self, most: int) -> Sequence[Any]:
        """Remove and return the next items."""
        taken = self._items[self._taken : self._taken + most]
        self._taken += len(taken)
        return taken


class IteratedSource:
    """Items that can only be iterated; ``length`` is None unless they tell it."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.length = len(items) if isinstance(items, Sized) else None
        self._iterator = iter(items)
        self._error: Exception | None = None

    def take(self, most: int) -> Sequence[Any]:
        """Remove and return the next items, fewer where they are slow to come.

        Raises
        ------
        Exception
            The iterable's own; those items that came before it are returned first.
        """
        if self._error is not None:
            raise self._error
        taken: list[Any] = []
        try:
            taken.extend(itertools.islice(self._prompt_items(), most))
        except Exception as error:
            if not taken:
                raise
            self._error = error
        return taken

    def _prompt_items(self) -> Iterator[Any]:
        deadline = time.perf_counter() + MAKING_SECONDS
        for item in self._iterator:
            yield item
            if time.perf_counter() > deadline:
                return


def _is_array(items: object) -> bool:
    # Asked by name, so that numpy is not imported for those who do not use it. An array
    # of objects is pickled item by item anyway, and one of no dimension is no sequence.
    kind = type(items)
    return (kind.__module__, kind.__qualname__) == ("numpy", "ndarray") and items.ndim > 0  # type: ignore[attr-defined]
