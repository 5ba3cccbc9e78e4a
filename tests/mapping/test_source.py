from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zoo

from parmagic.mapping import source
from parmagic.mapping.source import SlicedSource, source_of


class OldStyle:
    def __getitem__(self, index: int) -> int:
        if index == 7:
            raise IndexError
        return index


# What is mapped over, whether it is sliced, and whether its length is known.
ITERABLES: dict[str, tuple[Callable[[], Any], bool, bool]] = {
    "range": (lambda: range(3, 30, 4), True, True),
    "list": (lambda: list("abcdefg"), True, True),
    "tuple": (lambda: tuple("abcdefg"), True, True),
    "array": (lambda: np.arange(7), True, True),
    "rows": (lambda: np.arange(21).reshape(7, 3), True, True),
    "text": (lambda: "abcdefg", False, True),
    "set": (lambda: {1, 2, 3, 4, 5, 6, 7}, False, True),
    "dict": (lambda: dict.fromkeys("abcdefg"), False, True),
    "items": (lambda: dict.fromkeys("abcdefg").items(), False, True),
    "deque": (lambda: deque(range(7)), False, True),
    "series": (lambda: pd.Series(range(7)), False, True),
    "columns": (lambda: pd.DataFrame({name: [1] * 50 for name in "abcdefg"}), False, True),
    "generator": (lambda: (n for n in range(7)), False, False),
    "zip": (lambda: zip(range(7), "abcdefg", strict=True), False, False),
    "old style": (OldStyle, False, False),
    "empty": (list, True, True),
    "empty generator": (lambda: iter(()), False, False),
}


def taken(items: Iterable[Any], most: int) -> list[Any]:
    cutting = source_of(items)
    pieces = list(iter(lambda: list(cutting.take(most)), []))
    assert all(len(piece) <= most for piece in pieces)
    return list(itertools.chain.from_iterable(pieces))


@pytest.mark.parametrize("most", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(("make", "sliced", "sized"), ITERABLES.values(), ids=ITERABLES)
def test_each_item_is_taken_once_and_in_order(
    make: Callable[[], Any], sliced: bool, sized: bool, most: int
) -> None:
    np.testing.assert_array_equal(taken(make(), most), list(make()))


@pytest.mark.parametrize(("make", "sliced", "sized"), ITERABLES.values(), ids=ITERABLES)
def test_what_can_be_sliced_is(make: Callable[[], Any], sliced: bool, sized: bool) -> None:
    cutting = source_of(make())
    assert isinstance(cutting, SlicedSource) == sliced
    assert cutting.length == (len(list(make())) if sized else None)


@pytest.mark.parametrize(("items", "said"), [(zoo.SaysFifty(), 50), (iter(range(3)), None)])
def test_in_the_end_the_length_is_the_number_of_items(
    items: Iterable[int], said: int | None
) -> None:
    cutting = source_of(items)
    cutting.take(3)
    assert cutting.length == said
    cutting.take(1)
    assert cutting.length == 3


def test_a_slice_of_a_range_is_a_range() -> None:
    assert source_of(range(10**9)).take(5) == range(5)


@pytest.mark.parametrize("nothing", [1, None, np.array(1)])
def test_what_cannot_be_iterated_is_refused_at_once(nothing: Any) -> None:
    with pytest.raises(TypeError, match="iter|unsized"):
        source_of(nothing)


def test_no_item_is_taken_before_it_is_asked_for() -> None:
    numbers = itertools.count()
    cutting = source_of(numbers)
    assert list(cutting.take(3)) == [0, 1, 2]
    assert next(numbers) == 3


def test_items_that_come_slowly_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAKING_SECONDS", -1)
    cutting = source_of(iter(range(3)))
    assert [list(cutting.take(10)) for _ in range(4)] == [[0], [1], [2], []]


def test_what_came_before_an_error_is_given_first() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2)
        raise ZeroDivisionError

    cutting = source_of(broken())
    assert cutting.take(10) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        cutting.take(10)
