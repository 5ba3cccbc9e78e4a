"""Which items are kept for as long as the results are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parmagic.mapping.plain import GONE, is_plain, is_quick_to_print, plain_only

PLAIN = (1, 1.5, 1j, True, None, "text", b"bytes", Path("a.csv"), (1, "a"), ((1, 2), "b"))
NOT_PLAIN = ("x" * 300, [1], {"a": 1}, (1, [2]), tuple(range(20)), object(), np.zeros(3))


@pytest.mark.parametrize("item", PLAIN)
def test_small_values_that_nobody_can_change_are_plain(item: object) -> None:
    assert is_plain(item)


@pytest.mark.parametrize("item", NOT_PLAIN, ids=lambda item: type(item).__name__)
def test_others_are_not(item: object) -> None:
    assert not is_plain(item)


@pytest.mark.parametrize("value", [*PLAIN, np.float64(1), np.bool_(True), np.datetime64("2026")])
def test_plain_values_and_numbers_of_numpy_are_quick_to_print(value: object) -> None:
    assert is_quick_to_print(value)


@pytest.mark.parametrize("value", [*NOT_PLAIN, np.zeros(1, "O,O")[0], np.str_("x" * 300)])
def test_others_are_slow_to_print(value: object) -> None:
    assert not is_quick_to_print(value)


class Unbound:
    """As a proxy for an object that is not there, which cannot even be asked for its class."""

    @property
    def __class__(self) -> type:
        raise RuntimeError


def test_a_value_is_not_asked_for_its_class() -> None:
    assert not is_plain(Unbound())
    assert not is_quick_to_print(Unbound())


def test_a_range_is_kept_as_it_is() -> None:
    items = range(10**12)
    assert plain_only(items) is items


def test_a_list_is_kept_without_what_is_not_plain() -> None:
    items = [1, [2], "c"]
    kept = plain_only(items)
    items[0] = 5
    assert kept == [1, GONE, "c"]


def test_a_long_list_is_judged_by_its_ends() -> None:
    items = list(range(50_000))
    kept = plain_only(items)
    assert kept == items
    assert kept is not items


def test_a_small_array_is_kept_and_a_large_one_is_not() -> None:
    assert list(plain_only(np.arange(3))) == [0, 1, 2]
    assert list(plain_only(np.zeros(1_000_000))) == []
