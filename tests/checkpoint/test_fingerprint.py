from __future__ import annotations

import gc
import itertools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from support import Notebook, Script

from parmagic.checkpoint.fingerprint import digest, fingerprint, is_plain

GRID = np.arange(24.0).reshape(4, 6)


class Point:
    def __init__(self, x: Any, y: Any = None) -> None:
        self.x, self.y = x, y


class Sibling:
    """Is in a set that it refers to."""

    def __init__(self, name: str, family: set[Any]) -> None:
        self.name, self.family = name, family
        family.add(self)


def copy_of(text: str) -> str:
    return "".join(list(text))


def family(*names: str) -> list[Any]:
    members: set[Any] = set()
    return sorted((Sibling(name, members) for name in names), key=lambda each: each.name)


def ring(*values: Any) -> list[Any]:
    items = list(values)
    items.append(items)
    return items


TEXT = "some text"
EQUAL: dict[str, tuple[Any, Any]] = {
    "list and tuple": ([1, 2, 3], (1, 2, 3)),
    "slice": ([0, 1, 2, 3][1:3], [1, 2]),
    "range and list": (range(3), [0, 1, 2]),
    "ranges": (range(0, 10, 3), range(0, 11, 3)),
    "ranges of one": (range(3, 4), range(3, 9, 7)),
    "empty ranges": (range(0), range(5, 5, 2)),
    "strings": ([TEXT, TEXT], [TEXT, copy_of(TEXT)]),
    "strings within": ([(TEXT, [TEXT])], [(TEXT, [copy_of(TEXT)])]),
    "strings of objects": ([Point(TEXT, TEXT)], [Point(TEXT, copy_of(TEXT))]),
    "bytes of objects": (
        [Point(b"bytes", b"bytes")],
        [Point(b"bytes", bytes(bytearray(b"bytes")))],
    ),
    "lists": ([[1], [1]], list(itertools.repeat([1], 2))),
    "sets": ([set("abcdef")], [set("fedcba")]),
    "sets within": ([({"a", "b"}, 1)], [({"b", "a"}, 1)]),
    "mixed sets": ([{1, "a", None, (2, "b")}], [{(2, "b"), None, "a", 1}]),
    "sets of sets": ([{frozenset("ab"), frozenset("bc")}], [{frozenset("cb"), frozenset("ba")}]),
    "arrays": (np.arange(5), np.arange(9)[:5]),
    "columns": ([GRID[:, 1]], [GRID[:, 1].copy()]),
    "orders": ([np.asfortranarray(GRID)], [GRID]),
    "object arrays": (np.array([1, "a"], object), np.array([1, "ab"[:1]], object)),
    "nothing": ([], ()),
    "cycles": ([ring(1, 2)], [ring(1, 2)]),
    "sets in a cycle": (family("a", "b"), family("b", "a")),
    "locks": ([(1, threading.Lock())], [(1, threading.Lock())]),
    "frames": ([pd.DataFrame({"a": [1, 2]})], [pd.DataFrame({"a": [1, 2]})]),
}
DIFFERENT: dict[str, list[Any]] = {
    "numbers": [[1], [1.0], [True], [1 + 0j], ["1"], [b"1"], [None], [0.0], [-0.0], [2**70]],
    "orders": [[1, 2], [2, 1], [1, 2, 2], [[1, 2]], [[1], [2]], [(1, 2)], [{1, 2}], [{1: 2}]],
    "sets": [[{1, 2}], [frozenset({1, 2})], [{1, 3}], [{1}, {2}], [{"1", "2"}]],
    "ranges": [range(3), range(4), range(1, 4), range(0, 6, 2)],
    "arrays": [
        *(np.arange(6), np.arange(6.0), np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)),
        *(np.zeros((0, 3)), np.zeros((0, 4)), np.zeros((3, 0)), np.zeros(0, "i4")),
        *(GRID, GRID.T, GRID[:, 1], [GRID, GRID], np.array([1, "a"], object)),
    ],
    "objects": [[Point(1)], [Point(2)], [Sibling("a", set())], [Point(Point(1))], [Point({1})]],
    "cycles": [[ring(1, 2)], [ring(1, 3)], [[1, 2, []]], family("a", "b"), family("a", "c")],
    "beside a lock": [[(n, threading.Lock())] for n in range(3)],
    "frames": [[pd.DataFrame({name: [n]})] for name in "ab" for n in range(2)],
    "functions": [[len], [abs], [np.sqrt], [np.exp], [fingerprint], [Point], [Sibling], [np], [pd]],
    "rows": [list(pd.DataFrame({"a": [n]}).itertuples()) for n in range(3)],
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_equal_items_have_one_fingerprint(one: Any, other: Any) -> None:
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 16


@pytest.mark.parametrize("each", DIFFERENT.values(), ids=DIFFERENT)
def test_other_items_have_another(each: list[Any]) -> None:
    assert len({fingerprint(items) for items in each}) == len(each)


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.lists(plain_values, max_size=5), st.lists(plain_values, max_size=5))
def test_items_differ_where_their_text_does(one: list[Any], other: list[Any]) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (repr(one) == repr(other))
    assert (fingerprint([Point(one)]) == fingerprint([Point(other)])) == (repr(one) == repr(other))


ANOTHER_KERNEL = """
import dataclasses, enum, pathlib, threading
import numpy as np
from parmagic.checkpoint.fingerprint import digest, fingerprint, is_plain

@dataclasses.dataclass
class Record:
    name: str
    tags: set

class Shade(enum.Enum):
    DARK = "dark"

words = {"one", "two", "three", "four"}
print(*(fingerprint(items).hex() for items in [
    range(10), list("abc"), [1.5, None, "ä", b"b"], [{"a": [1]}], [words], [(1, frozenset(words))],
    [Record("a", words)], [Shade.DARK], [{Shade.DARK, "a", 1}], np.arange(10), [np.arange(4.0)],
    [pathlib.Path("a")], [lambda: 1, threading.Lock()], [Record, len, np],
]))
"""


def test_another_kernel_finds_the_same(
    script: Callable[..., Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = []
    for seed in "123":
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        kernels.append(script(ANOTHER_KERNEL))
    ends = [kernel.end() for kernel in kernels]
    assert {end.code for end in ends} == {0}, ends[0].errors
    assert len({end.output for end in ends}) == 1
    assert len(set(ends[0].output.split())) == 14


HOSTILE: dict[str, Callable[[], Any]] = {
    "lock": threading.Lock,
    "lambda": lambda: lambda: 1,
    "local class": lambda: type("Local", (), {})(),
    "generator": lambda: (n for n in range(3)),
    "raises": zoo.ReduceRaises,
    "exits": zoo.ReduceExits,
    "lies": zoo.LiesAboutItself,
    "has no attributes": zoo.AttributesRaise,
    "hostile class": zoo.OfHostileClass,
    "error of a hostile class": zoo.ErrorOfHostileClass,
    "length": lambda: zoo.LenRaises([1]),
    "text": lambda: zoo.HostileStr("a"),
    "nested deeply": lambda: nested(10_000),
    "repeated": lambda: repeated(60),
}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def repeated(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value, value]
    return value


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("within", [lambda value: value, lambda value: (7, [value])])
def test_a_hostile_item_counts_and_does_not_spoil_the_others(
    kind: str, within: Callable[[Any], Any]
) -> None:
    digests = [fingerprint([n, within(HOSTILE[kind]()), Point(n)]) for n in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]
    assert fingerprint([1, 1, Point(1)]) != digests[0]


def test_an_interrupt_gets_out() -> None:
    with pytest.raises(KeyboardInterrupt):
        fingerprint([1, zoo.ReduceInterrupts()])


def test_a_class_that_is_defined_anew_leaves_its_items_the_same(notebook: Notebook) -> None:
    digests = set()
    for body in ("pass", "def method(self): return 1"):
        notebook.run(f"class Item:\n  {body}\nitem = Item()\nitem.x = 1")
        digests.add(fingerprint([notebook["item"]]))
    assert len(digests) == 1


class CountsPickles:
    count = 0

    def __reduce__(self) -> Any:
        type(self).count += 1
        return CountsPickles, ()


def test_what_many_items_share_is_looked_at_once() -> None:
    shared = CountsPickles()
    fingerprint([(index, shared) for index in range(100)])
    assert CountsPickles.count == 1


def test_what_is_written_many_times_is_not_written_plainly() -> None:
    shared = list(range(1000))
    assert is_plain([shared] * 10)
    assert not is_plain([shared] * 1000)
    assert fingerprint([shared] * 1000) != fingerprint([shared] * 999 + [shared[1:]])


class ReduceReturnsNumber:
    def __reduce__(self) -> Any:
        return 7


def test_what_an_item_shares_with_one_that_cannot_be_pickled_counts() -> None:
    digests = set()
    for number in range(2):
        shared = Point(number)
        digests.add(fingerprint([(shared, ReduceReturnsNumber()), shared]))
    assert len(digests) == 2


def test_parts_are_not_run_together() -> None:
    assert digest([b"ab", b"c"]) != digest([b"a", b"bc"])


def test_items_are_let_go_at_once() -> None:
    class Text(str):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        item = Text("a")
        fingerprint([item, GRID, {item}, threading.Lock()])
        known = weakref.ref(item)
        del item
        assert known() is None
    finally:
        gc.enable()
