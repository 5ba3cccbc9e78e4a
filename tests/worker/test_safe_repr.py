from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zoo

from parmagic.worker.cancel import Cancelled
from parmagic.worker.text import full_type_name, safe_repr, safe_str, shorten, type_name


class Numbers(list[int]):
    pass


@pytest.mark.parametrize(
    "value",
    [
        0,
        None,
        "it's\n",
        b"bytes",
        "x" * 150,
        (),
        (1,),
        [1, (2, {3})],
        set(),
        frozenset(),
        frozenset({1}),
        {},
        {"b": 1, "a": [2]},
        OrderedDict(a=1),
        deque([1]),
        Numbers([1, 2]),
        range(10**9),
        {"path": "big.tif", "size": 3.5},
    ],
    ids=repr,
)
def test_a_short_repr_is_the_usual_one(value: object) -> None:
    assert safe_repr(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]"),
        (tuple(range(20)), "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)"),
        (set(range(20)), "{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...}"),
        (frozenset(range(20)), "frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...})"),
        (dict.fromkeys("ba" + "klmnopqrstu"), "{'b': None, 'a': None, 'k': None, "),
        ([[[[[[[1]]]]]]], "[[[[[...]]]]]"),
        ({1: {2: {3: {4: {5: 6}}}}}, "{1: {2: {3: {4: {...}}}}}"),
        (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])"),
    ],
    ids=repr,
)
def test_what_is_left_out_shows_as_dots(value: object, text: str) -> None:
    assert safe_repr(value).startswith(text)


@pytest.mark.parametrize(
    "make",
    [list, tuple, Numbers, deque, set, frozenset, dict.fromkeys],
    ids=lambda make: make.__name__,
)
def test_a_long_container_is_cut_before_it_becomes_text(make: Any) -> None:
    zoo.ReprCounts.count = 0
    safe_repr(make(zoo.ReprCounts() for _ in range(1000)))
    assert zoo.ReprCounts.count == 10


def test_a_container_of_containers_is_cut_at_each_level() -> None:
    zoo.ReprCounts.count = 0
    safe_repr([[zoo.ReprCounts()] * 1000] * 1000)
    assert zoo.ReprCounts.count == 100


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 20, 200])
@pytest.mark.parametrize("value", ["x" * 10**6, b"x" * 10**6, bytearray(10**6), 10**1000, [1] * 9])
def test_no_repr_is_longer_than_its_limit(value: object, limit: int) -> None:
    assert len(safe_repr(value, limit)) <= limit


def test_a_long_path_keeps_its_beginning_and_its_end() -> None:
    text = safe_repr("/data/" + "deep/" * 100 + "big.tif", 40)
    assert text.startswith("'/data/deep/")
    assert text.endswith("/big.tif'")


def test_a_repr_of_many_lines_becomes_one_line() -> None:
    assert "\n" not in safe_repr(np.zeros((50, 50)))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (zoo.ReprRaises, "<ReprRaises object, repr() failed>"),
        (zoo.ReprExits, "<ReprExits object, repr() failed>"),
        (zoo.ReprReturnsNumber, "<ReprReturnsNumber object, repr() failed>"),
        (zoo.ReprRecurses, "<ReprRecurses object, repr() failed>"),
        (zoo.LenRaises, "<LenRaises object, repr() failed>"),
        (zoo.OfHostileClass, "<OfHostileClass object, repr() failed>"),
        (zoo.AttributesRaise, "AttributesRaise()"),
        (zoo.ReprReturnsHostileStr, "hostile"),
        (zoo.ReprHasLoneSurrogate, "a\\ud800b"),
        (lambda: zoo.HostileStr("text"), "<HostileStr object, repr() failed>"),
        (lambda: [zoo.ReprExits(), 1], "[<ReprExits object, repr() failed>, 1]"),
        (lambda: {"key": zoo.ReprExits()}, "{'key': <ReprExits object, repr() failed>}"),
    ],
    ids=lambda value: value if type(value) is str else "made",
)
def test_a_repr_that_fails_costs_only_its_own_text(make: Callable[[], Any], text: str) -> None:
    assert safe_repr(make()) == text


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="digits are not limited")
def test_a_number_with_too_many_digits_is_named_by_its_type() -> None:
    assert safe_repr(10**10_000) == "<int object, repr() failed>"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, Cancelled])
def test_an_interruption_gets_out(interruption: type[BaseException]) -> None:
    class Interrupted:
        def __repr__(self) -> str:
            raise interruption

    with pytest.raises(interruption):
        safe_repr([Interrupted()])
    with pytest.raises(interruption):
        safe_str(Interrupted())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ValueError("bad\nworse"), "bad\nworse"),
        (zoo.StrRaises(), "<StrRaises object, str() failed>"),
        (zoo.StrExits(), "<StrExits object, str() failed>"),
        (zoo.StrReturnsNumber(), "<StrReturnsNumber object, str() failed>"),
        ("x" * 20_000, "x" * 4999 + "..." + "x" * 4998),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_text_of_an_object_is_had_whatever_it_does(value: object, text: str) -> None:
    assert safe_str(value) == text


@pytest.mark.parametrize(
    ("limit", "text"), [(7, "abcdefg"), (6, "ab...g"), (5, "a...g"), (3, "..."), (2, "..")]
)
def test_text_is_cut_in_its_middle(limit: int, text: str) -> None:
    assert shorten("abcdefg", limit) == text


def test_types_are_named_as_a_traceback_names_them() -> None:
    assert full_type_name(ValueError()) == "ValueError"
    assert full_type_name(zoo.Rewrites(1)) == "zoo.Rewrites"
    assert type_name(zoo.Rewrites(1)) == "Rewrites"
    assert full_type_name(zoo.OfHostileClass()) == "zoo.OfHostileClass"
