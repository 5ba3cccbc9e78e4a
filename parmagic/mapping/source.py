"""The items of a job, cut as they are needed."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import (
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Sequence,
    Sized,
    ValuesView,
)
from typing import Any, Protocol

from parmagic.mapping.plain import GONE, is_plain, plain_only
from parmagic.worker.cancel import Cancelled

# A generator whose items are slow to make gives what it has, so that no worker waits
# for a chunk to be full.
MAKING_SECONDS = 0.01


_CONTAINERS = (list, dict, set, deque, KeysView, ValuesView, ItemsView)
_ARRAYS = {("numpy", "ndarray"), ("parmagic.worker.shared_array", "SharedArray")}
_FRAMES = {("pandas", "DataFrame"), ("polars", "DataFrame")}


class Source(Protocol):
    """Where items come from."""

    length: int | None

    def take(self, most: int) -> Sequence[Any]:
        """Remove and return the next items: ``most``, or fewer, or none at the end."""

    @property
    def seen(self) -> Sequence[Any] | None:
        """The items taken so far, or None if they are gone."""

    def plain(self) -> Sequence[Any]:
        """Return the items taken so far, with `GONE` for those that are not plain."""

    def item(self, index: int) -> Any:
        """Return one item, taken or not.

        Raises
        ------
        LookupError
            It is gone, or there is none.
        """


def source_of(items: Iterable[Any]) -> Source:
    """Return the source that cuts ``items`` most cheaply.

    A range, list, tuple or array is sliced: a slice of a range is a few bytes, one of
    an array is one buffer. All else is iterated, no further ahead than needed.
    """
    # A subclass may iterate over something else than its slices.
    if type(items) in (range, list, tuple) or is_array(items):
        return SlicedSource(items)  # type: ignore[arg-type]
    return IteratedSource(items)


def snapshot(items: Iterable[Any]) -> Iterable[Any]:
    """Return ``items`` such that one may add to them, or take some away, while a job runs."""
    return list(items) if isinstance(items, _CONTAINERS) else items


class SlicedSource:
    """Items that can be sliced."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.length: int | None = length_of(items)
        self._items = items
        self._taken = 0

    def take(self, most: int) -> Sequence[Any]:
        """Remove and return the next items."""
        taken = self._items[self._taken : self._taken + most]
        self._taken += len(taken)
        return taken

    @property
    def seen(self) -> Sequence[Any]:
        """The items taken so far."""
        return self._items[: self._taken]

    def plain(self) -> Sequence[Any]:
        """Return the items taken so far, with `GONE` for those that are not plain."""
        return plain_only(self.seen)

    def item(self, index: int) -> Any:
        """Return one item."""
        return self._items[index]


class IteratedSource:
    """Items that can only be iterated.

    ``length`` is what they tell of it, which may be wrong, or None; in the end it is how many
    there were.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self.length = length_of(items)
        self._iterator = iter(items)
        self._plain: list[Any] = []
        self._error: BaseException | None = None

    def take(self, most: int) -> Sequence[Any]:
        """Remove and return the next items, fewer where they are slow to come.

        Raises
        ------
        BaseException
            The iterable's own, or an Interrupt; the items that came before it are returned
            first.
        """
        if self._error is not None:
            raise self._error
        taken: list[Any] = []
        try:
            taken.extend(itertools.islice(self._prompt_items(), most))
        except BaseException as error:
            if not taken:
                raise
            self._error = error
        self._plain.extend(each if is_plain(each) else GONE for each in taken)
        if not taken:
            self.length = len(self._plain)
        return taken

    @property
    def seen(self) -> Sequence[Any] | None:
        """None: they are gone."""
        return None

    def plain(self) -> Sequence[Any]:
        """Return the items taken so far, with `GONE` for those that are not plain."""
        return self._plain

    def item(self, index: int) -> Any:
        """Return one item, if it is a plain value and was taken; such are kept."""
        if 0 <= index < len(self._plain) and self._plain[index] is not GONE:
            return self._plain[index]
        raise LookupError(f"item {index} is gone: its iterable gives each item once")

    def _prompt_items(self) -> Iterator[Any]:
        deadline = time.perf_counter() + MAKING_SECONDS
        for item in self._iterator:
            yield item
            if time.perf_counter() > deadline:
                return


def length_of(items: object) -> int | None:
    """Return how many items there are, as far as ``items`` tells."""
    try:
        if _is_frame(items):
            return len(items.columns)  # type: ignore[attr-defined]
        return len(items) if isinstance(items, Sized) else None
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException:  # what needs no length, such as a loop, does not mind either
        return None  # range(10**30) has none that Python can tell


def is_array(items: object) -> bool:
    """Tell whether ``items`` is an array whose slices are what it iterates over."""
    # Asked by name, so that numpy is not imported for those who do not use it. An array
    # of objects is pickled item by item anyway, and one of no dimension is no sequence.
    kind = type(items)
    return (kind.__module__, kind.__qualname__) in _ARRAYS and items.ndim > 0  # type: ignore[attr-defined]


def _is_frame(items: object) -> bool:
    # It iterates over its columns, and tells how many rows it has.
    names = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(items).__mro__)
    return not _FRAMES.isdisjoint(names)
