"""What notebooks define goes to the workers and comes back: each cell defines ``fn``."""

from __future__ import annotations

import numpy as np
import pytest
from support import Notebook

import parmagic

KINDS = {
    "def": "def fn(x): return x + 1",
    "lambda": "fn = lambda x: x + 1",
    "closure": """
def make(offset):
    def inner(x):
        return x + offset
    return inner
fn = make(1)
""",
    "bound method": """
class Adder:
    def __init__(self, offset):
        self.offset = offset
    def add(self, x):
        return x + self.offset
fn = Adder(1).add
""",
    "globals, imports and helpers": """
import math
from collections import Counter as C
OFFSET = 2
def helper(x):
    return math.floor(x + OFFSET) if x < 5 else helper(x - 1)
def fn(x):
    return helper(x), C("aab"), OFFSET
""",
    "dataclass": """
from dataclasses import dataclass, field
@dataclass(frozen=True)
class Point:
    x: int
    tags: tuple = field(default=())
    def moved(self):
        return Point(self.x + 1, self.tags)
def fn(x):
    return Point(x, ("a",)).moved()
""",
    "enum": """
import enum
class Shade(enum.Enum):
    LIGHT, DARK = 1, 2
    def other(self):
        return Shade.DARK if self is Shade.LIGHT else Shade.LIGHT
def fn(x):
    return Shade.LIGHT.other()
""",
    "flag": """
import enum
class Permission(enum.IntFlag):
    READ, WRITE = 1, 2
def fn(x):
    return Permission(x % 4)
""",
    "named tuple": """
import collections, typing
Pair = collections.namedtuple("Pair", "a b")
class Typed(typing.NamedTuple):
    a: int
    b: str = "b"
def fn(x):
    return Pair(x, Typed(x))
""",
    "instance": """
class Base:
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return type(self) is type(other) and self.x == other.x
class Node(Base):
    registry = []
    def __init__(self, x):
        super().__init__([x])
def fn(x):
    return Node(x)
""",
    "properties": """
class Square:
    def __init__(self, a):
        self.a = a
    @property
    def double(self):
        return 2 * self.a
    @classmethod
    def make(cls, a):
        return cls(a)
    def __eq__(self, other):
        return type(self) is type(other) and self.double == other.double
fn = Square.make
""",
    "generator inside": """
def numbers(n):
    yield from range(n)
def fn(x):
    return list(numbers(x)), sum(n for n in numbers(x))
""",
    "exception": """
class Oops(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code
    def __eq__(self, other):
        return type(self) is type(other) and self.code == other.code
def fn(x):
    return Oops(x)
""",
    "class as function": """
class fn:
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return type(self) is type(other) and self.x == other.x
""",
    "decorated": """
import functools
def twice(f):
    @functools.wraps(f)
    def inner(x):
        return f(f(x))
    return inner
@twice
def fn(x):
    return x + 1
""",
    "defaults and annotations": """
def fn(x: "int", *, y: list[int] = [1]) -> "int":
    return x + len(y)
""",
    "generic": """
from typing import Generic, TypeVar
T = TypeVar("T")
class Box(Generic[T]):
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return type(self) is type(other) and self.x == other.x
def fn(x):
    return Box[int](x)
""",
}

# Classes with ``__slots__``: what ``fn`` returns of them.
SLOTS = {
    "dataclass": """
from dataclasses import dataclass
@dataclass(slots=True)
class Own:
    x: int = 0
    y: str = "y"
fn = Own
""",
    "frozen dataclass": """
from dataclasses import dataclass
@dataclass(frozen=True, slots=True)
class Own:
    x: int = 0
fn = Own
""",
    "weak references": """
from dataclasses import dataclass
import weakref
@dataclass(slots=True, weakref_slot=True)
class Own:
    x: int
def fn(x):
    own = Own(x)
    assert weakref.ref(own)() is own
    return own
""",
    "dataclass of a dataclass": """
from dataclasses import dataclass
@dataclass(slots=True)
class Base:
    x: int
@dataclass(slots=True)
class Own(Base):
    y: int = 1
fn = Own
""",
    "text": """
class Own:
    __slots__ = "x"
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return type(self) is type(other) and self.x == other.x
fn = Own
""",
    "private text": """
class Own:
    __slots__ = "__x"
    def __init__(self, x):
        self.__x = x
    def __eq__(self, other):
        return type(self) is type(other) and self.__x == other.__x
fn = Own
""",
    "list": """
class Own:
    __slots__ = ["x", "__private", "unset"]
    def __init__(self, x):
        self.x = self.__private = x
    def __eq__(self, other):
        return type(self) is type(other) and self.__private == other.x
fn = Own
""",
    "dict": """
class Own:
    __slots__ = {"x": "what it is"}
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return self.__slots__ == other.__slots__ == {"x": "what it is"} and self.x == other.x
fn = Own
""",
    "a dict beside them": """
class Own:
    __slots__ = ("x", "__dict__")
    def __init__(self, x):
        self.x, self.y = x, 2 * x
    def __eq__(self, other):
        return (self.x, vars(self)) == (other.x, vars(other))
fn = Own
""",
    "base and derived": """
class Base:
    __slots__ = ("x",)
class Own(Base):
    __slots__ = ("y",)
    def __init__(self, x):
        self.x, self.y = x, 2 * x
    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)
fn = Own
""",
    "none of its own": """
class Base:
    __slots__ = ("x",)
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return type(self) is type(other) and self.x == other.x
class Own(Base):
    __slots__ = ()
fn = Own
""",
    "generic and abstract": """
from abc import ABC, abstractmethod
from typing import Generic, TypeVar
T = TypeVar("T")
class Base(ABC, Generic[T]):
    __slots__ = ()
    @abstractmethod
    def get(self): ...
class Own(Base[T]):
    __slots__ = ("x",)
    def __init__(self, x):
        self.x = x
    def get(self):
        return self.x
    def __eq__(self, other):
        return type(self) is type(other) and self.get() == other.get()
def fn(x):
    return Own[int](x)
""",
    "a subclass with a dict": """
class Base:
    __slots__ = ("x",)
class Own(Base):
    def __init__(self, x):
        self.x, self.y = x, 2 * x
    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)
fn = Own
""",
}
KINDS |= {f"slots: {kind}": cell for kind, cell in SLOTS.items()}


@pytest.mark.parametrize("cell", SLOTS.values(), ids=SLOTS)
def test_slots_are_the_same_in_the_workers(cell: str, notebook: Notebook) -> None:
    notebook.run(cell)
    fn = notebook["fn"]

    def shape(x: int) -> list[tuple[object, bool]]:
        own = type(fn(x))
        slots = [vars(kind).get("__slots__") for kind in own.__mro__]
        return [(each, hasattr(fn(x), "__dict__")) for each in slots]

    assert parmagic.map(shape, range(2)) == [shape(0), shape(1)]


@pytest.mark.parametrize("cell", KINDS.values(), ids=KINDS)
def test_what_a_notebook_defines_goes_there_and_back(cell: str, notebook: Notebook) -> None:
    notebook.run(cell)
    items = range(8)
    expected = [notebook["fn"](item) for item in items]
    results = parmagic.map(notebook["fn"], items)
    assert results == expected
    assert [type(result) for result in results] == [type(value) for value in expected]


@pytest.mark.parametrize("cell", KINDS.values(), ids=KINDS)
def test_values_of_its_classes_can_be_items(cell: str, notebook: Notebook) -> None:
    notebook.run(cell)
    items = [notebook["fn"](item) for item in range(8)]
    results = parmagic.map(lambda item: (item, type(item).__name__), items)
    assert results == [(item, type(item).__name__) for item in items]
    assert [type(back) for back, _ in results] == [type(item) for item in items]


def test_members_of_an_enum_stay_themselves(notebook: Notebook) -> None:
    notebook.run(KINDS["enum"])
    for _ in range(2):
        (member,) = parmagic.map(notebook["fn"], [0])
        assert member is notebook["Shade"].DARK


# Two cells, and what fn(1) is after each.
REDEFINITIONS = {
    "function": ("def fn(x): return 'one'", "def fn(x): return 'two'"),
    "global": ("value = 'one'\ndef fn(x): return value", "value = 'two'"),
    "changed in place": ("value = ['one']\ndef fn(x): return value[0]", "value[0] = 'two'"),
    "helper": (
        "def helper(): return 'one'\ndef fn(x): return helper()",
        "def helper(): return 'two'",
    ),
    "class": (
        "class A:\n    def name(self): return 'one'\ndef fn(x): return A().name()",
        "class A:\n    def name(self): return 'two'",
    ),
    "method": (
        "class A:\n    def name(self): return 'one'\ndef fn(x): return A().name()",
        "A.name = lambda self: 'two'",
    ),
    "class attribute": ("class A:\n    name = 'one'\ndef fn(x): return A.name", "A.name = 'two'"),
    "attribute": ("def fn(x): return fn.name\nfn.name = 'one'", "fn.name = 'two'"),
    "default": ("def fn(x, name='one'): return name", "fn.__defaults__ = ('two',)"),
}


@pytest.mark.parametrize(("first", "second"), REDEFINITIONS.values(), ids=REDEFINITIONS)
def test_the_next_map_sees_what_was_redefined(first: str, second: str, notebook: Notebook) -> None:
    for cell, value in ((first, "one"), (second, "two")):
        notebook.run(cell)
        assert set(parmagic.map(notebook["fn"], range(8))) == {value}


def test_no_map_sees_what_an_earlier_one_left_in_its_globals(notebook: Notebook) -> None:
    notebook.run("seen = []\ndef fn(x):\n    seen.append(x)\n    return len(seen)")
    for _ in range(3):
        assert sorted(parmagic.map(notebook["fn"], range(4), workers=1)) == [1, 2, 3, 4]


BIG = 5_000_000  # 40 MB


def test_a_big_array_is_sent_as_it_is_now(notebook: Notebook) -> None:
    notebook.run(
        f"import numpy as np\narray = np.arange({BIG})\n"
        "def fn(x): return int(array[x]), int(array.sum())"
    )
    array = notebook["array"]
    for value in (0, 7):
        array[3] = value
        total = int(array.sum())
        assert parmagic.map(notebook["fn"], [3, 4]) == [(value, total), (4, total)]


def test_what_a_worker_writes_to_an_array_stays_there(notebook: Notebook) -> None:
    notebook.run(
        "import numpy as np\narray = np.zeros(100_000)\n"
        "def fn(row):\n    array[:] = 1\n    row[:] = 2\n    return array.sum() + row.sum()"
    )
    rows = np.zeros((4, 50_000))
    assert parmagic.map(notebook["fn"], rows) == [200_000.0] * 4
    assert not rows.any()
    assert not notebook["array"].any()
