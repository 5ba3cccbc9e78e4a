from __future__ import annotations

import functools
import itertools
import math
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import zoo

import parmagic
from parmagic.mapping.explain import Explained, explain
from parmagic.pool.broadcast import broadcasts
from parmagic.pool.cpus import usable_cpus
from parmagic.pool.default import default_pool, running_pool
from parmagic.pool.payload import Payload
from parmagic.report.explanation import Captured
from parmagic.worker.memory import memory

ALONG = "with the function"
SHARED = "shared memory, once for all workers"
STAYS = "stays where it is, in shared memory"
IMPORTED = "imported in the workers"
REFUSED = "cannot be sent"

MILLION = 1_000_000


class Endless:
    """Its pickle has one more of them in it."""

    def __reduce__(self) -> Any:
        return Endless, (), {"next": Endless()}


class SizeExits(list[int]):
    def __len__(self) -> int:
        raise SystemExit


# How they are made, for pytest asks for the text of what it is given; how they get there.
HOSTILE: dict[str, tuple[Callable[[], object], str]] = {
    "repr exits": (zoo.ReprExits, ALONG),
    "repr returns a number": (zoo.ReprReturnsNumber, ALONG),
    "a string that fails": (lambda: [zoo.HostileStr("x")], ALONG),
    "reduce raises": (zoo.ReduceRaises, REFUSED),
    "reduce exits": (zoo.ReduceExits, REFUSED),
    "pickle without an end": (Endless, REFUSED),
    "attributes raise": (zoo.AttributesRaise, REFUSED),
    "lies about itself": (zoo.LiesAboutItself, REFUSED),
}


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as conn:
        yield conn


def define(cell: str, **names: object) -> Callable[..., Any]:
    """Run a notebook's cell in which names have these values, and return its function ``fit``."""
    variables = {"__name__": "__main__", **names}
    exec(compile(cell, "<cell>", "exec", dont_inherit=True), variables)
    fn: Callable[..., Any] = variables["fit"]  # type: ignore[assignment]
    return fn


def captured(fn: Callable[..., Any]) -> dict[str, Captured]:
    return {each.name: each for each in explain(fn, [1]).captured}


def only(fn: Callable[..., Any]) -> Captured:
    (one,) = explain(fn, [1]).captured
    return one


def test_a_function_that_uses_nothing_captures_nothing() -> None:
    explained = explain(define("def fit(x): return len(str(x))"), range(10))
    assert explained.captured == ()
    assert explained.problem == ""
    assert explained.function_bytes is not None
    assert explained.shared_bytes == 0


def test_a_function_of_a_module_is_imported_whatever_it_uses() -> None:
    explained = explain(math.sqrt, [1])
    assert explained.captured == ()
    assert explain(functools.reduce, [1]).captured == ()
    assert explained.what == "sqrt over list"


def test_each_name_has_its_type_and_the_line_where_it_is_used() -> None:
    fn = define("a, b = 1, 'x'\ndef fit(x):\n    x + a\n    return b, a\n")
    names = captured(fn)
    assert [(each.name, each.kind, each.used) for each in names.values()] == [
        ("a", "int", "line 3"),
        ("b", "str", "line 4"),
    ]


def test_a_name_of_a_file_says_of_which() -> None:
    offset = 1
    use = only(lambda x: x + offset)
    assert use.name == "offset"
    assert use.used.endswith(f" of {Path(__file__).name}")


@pytest.mark.parametrize(
    ("array", "route"),
    [
        (np.zeros(100), ALONG),
        (np.zeros(16_383), ALONG),
        (np.zeros(16_384), SHARED),
        (np.zeros(MILLION), SHARED),
        (np.zeros((1000, 1000)).T, SHARED),
        (np.zeros((1000, 1000))[:, ::2], ALONG),
        (bytes(100), ALONG),
        (bytes(MILLION), SHARED),
        (bytearray(MILLION), SHARED),
        ([0.5] * 100_000, ALONG),
    ],
)
def test_large_memory_goes_to_shared_memory(array: Any, route: str) -> None:
    fn = define("def fit(x): return array", array=array)
    use = only(fn)
    assert use.route == route
    assert use.nbytes is not None
    assert use.nbytes >= getattr(array, "nbytes", len(array))
    explained = explain(fn, [1])
    assert (explained.shared_bytes > 0) == (route == SHARED)


@pytest.mark.parametrize("size", [100, 200_000, 2_000_000])
@pytest.mark.parametrize("make", [bytes, np.zeros], ids=["bytes", "array"])
def test_bytes_are_those_of_the_payload(size: int, make: Any) -> None:
    fn = define(
        "import math\ndef square(x): return x * len(array)\ndef fit(x): return square(x), math",
        array=make(size),
    )
    explained = explain(fn, [1])
    with closing(Payload.of(fn, star=False, keep_going=True)) as payload:
        assert explained.function_bytes is not None
        sent = explained.function_bytes + explained.shared_bytes
        assert sent == pytest.approx(payload.load.parcel.nbytes, abs=100)
    broadcasts.clear()


def test_large_bytes_of_a_closure_travel_in_the_pickle() -> None:
    blob = bytes(MILLION)
    assert only(lambda x: blob).route == ALONG
    assert explain(lambda x: blob, [1]).shared_bytes == 0


@pytest.mark.parametrize("size", [100, MILLION])
def test_what_is_shared_stays_where_it_is(size: int) -> None:
    fn = define("def fit(x): return shared[x]", shared=parmagic.share(np.ones(size)))
    use = only(fn)
    assert (use.kind, use.route) == ("SharedArray", STAYS)
    assert use.nbytes is not None
    assert use.nbytes >= 8 * size
    assert explain(fn, [1]).shared_bytes == 0


def test_a_column_of_what_is_shared_stays_where_it_is() -> None:
    column = parmagic.share(np.ones((1000, 100)))[:, 3]
    assert only(define("def fit(x): return column[x]", column=column)).route == STAYS


def test_the_result_of_an_earlier_map_stays_where_it_is() -> None:
    (result,) = parmagic.map(np.zeros, [MILLION])
    fn = define("def fit(x): return result[x]", result=result)
    assert only(fn).route == STAYS
    fn = define("def fit(x): return result, other", other=np.zeros(MILLION))
    assert explain(fn, [1]).shared_bytes == 8 * MILLION


def test_an_array_in_a_file_is_mapped(tmp_path: Path) -> None:
    np.zeros(MILLION).tofile(tmp_path / "numbers")
    array = np.memmap(tmp_path / "numbers", float, "r")
    use = only(define("def fit(x): return array[x]", array=array))
    assert (use.route, use.nbytes) == ("mapped from its file", 8 * MILLION)


def test_a_copy_on_write_array_in_a_file_is_sent(tmp_path: Path) -> None:
    np.zeros(MILLION).tofile(tmp_path / "numbers")
    array = np.memmap(tmp_path / "numbers", float, "c")
    assert only(define("def fit(x): return array[x]", array=array)).route == SHARED


def test_an_array_of_objects_is_not_in_a_file() -> None:
    array = np.full(10_000, None)
    assert only(define("def fit(x): return array[x]", array=array)).route == ALONG


@pytest.mark.parametrize(
    ("imported", "kind"),
    [
        ("import math as thing", "module"),
        ("import os.path as thing", "module"),
        ("from math import sqrt as thing", "function"),
        ("from textwrap import dedent as thing", "function"),
        ("from fnmatch import filter as thing", "function"),
        ("from collections import OrderedDict as thing", "class"),
        ("from decimal import Decimal as thing", "class"),
        ("from numpy import sin as thing", "ufunc"),
        ("from numpy import mean as thing", None),
    ],
)
def test_modules_and_what_they_define_are_imported(imported: str, kind: str | None) -> None:
    use = only(define(f"{imported}\ndef fit(x): return thing(x)"))
    assert (use.name, use.route, use.nbytes) == ("thing", IMPORTED, None)
    assert kind in (None, use.kind)


def test_a_module_made_by_hand_is_sent() -> None:
    fn = define("import types\nmade = types.ModuleType('made')\ndef fit(x): return made")
    assert (only(fn).kind, only(fn).route) == ("module", ALONG)


OWN_CODE = {
    "function": "def square(x):\n return table\ndef fit(x): return square(x)",
    "lambda": "square = lambda x: table\ndef fit(x): return square(x)",
    "cached function": """
import functools
@functools.cache
def square(x): return table
def fit(x): return square(x)
""",
    "class": """
class square:
    def run(self): return table
def fit(x): return square().run()
""",
    "property": """
class square:
    @property
    def run(self): return table
def fit(x): return square().run
""",
    "static method": """
class square:
    @staticmethod
    def run(): return table
def fit(x): return square.run()
""",
    "base class": """
class A:
    def run(self): return table
class square(A): pass
def fit(x): return square().run()
""",
    "instance": """
class A:
    def run(self): return table
square = A()
def fit(x): return square.run()
""",
    "method": """
class A:
    def run(self): return table
square = A().run
def fit(x): return square()
""",
    "partial": """
from functools import partial
square = partial(lambda x: table)
def fit(x): return square(x)
""",
}


@pytest.mark.parametrize("cell", OWN_CODE.values(), ids=OWN_CODE)
def test_what_is_used_through_the_notebooks_own_code_is_listed(cell: str) -> None:
    names = captured(define(cell, table=np.zeros(MILLION)))
    assert next(iter(names)) == "square"
    assert (names["square"].through, names["table"].through) == ("", "square")
    assert names["table"].route == SHARED


def test_code_is_weighed_without_what_it_uses() -> None:
    cell = "def square(x): return table[x]\ndef fit(x): return square(x)"
    for table in (np.zeros(10_000), bytes(MILLION), np.zeros(MILLION)):
        names = captured(define(cell, table=table))
        assert names["square"].route == ALONG
        assert names["square"].nbytes is not None
        assert names["square"].nbytes < 1000


def test_names_are_followed_to_the_end_and_never_in_a_circle() -> None:
    fn = define(
        "def fit(x): return odd(x)\n"
        "def odd(x): return x and even(x - 1)\n"
        "def even(x): return odd(x - 1), fit, last()\n"
        "def last(): return end\n"
        "end = 7\n"
    )
    through = [(each.name, each.through) for each in explain(fn, [1]).captured]
    assert through == [("odd", ""), ("even", "odd"), ("last", "even"), ("end", "last")]


def test_what_two_functions_use_is_listed_once() -> None:
    fn = define("N = 3\ndef square(x): return N\ndef fit(x): return square(x), N")
    assert [each.name for each in explain(fn, [1]).captured] == ["square", "N"]


def test_a_class_of_the_notebook_without_methods_is_a_name() -> None:
    use = only(define("class Point: x = 0\ndef fit(x): return Point"))
    assert (use.kind, use.route) == ("class", ALONG)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("def fit(x, thing=array): return x", "thing"),
        ("def fit(x, *, thing=array): return x", "thing"),
        ("from functools import partial\nfit = partial(lambda a, x: x, array)", "args[0]"),
        ("from functools import partial\nfit = partial(lambda x, a: x, a=array)", "a"),
        ("def make(thing): return lambda x: thing\nfit = make(array)", "thing"),
        ("class A:\n    def run(self, x): pass\na = A()\na.array = array\nfit = a.run", "self"),
    ],
)
def test_arguments_and_closures_have_names_too(cell: str, name: str) -> None:
    use = only(define(cell, array=np.zeros(MILLION)))
    assert (use.name, use.route) == (name, SHARED)


def test_what_cannot_be_sent_is_named_with_its_line(conn: sqlite3.Connection) -> None:
    fn = define("N = 3\ndef fit(x):\n    N\n    return conn.execute(x)\n", conn=conn)
    explained = explain(fn, [1])
    refused = [each for each in explained.captured if each.refused]
    assert refused == [Captured("conn", "sqlite3.Connection", None, REFUSED, "line 4")]
    assert explained.function_bytes is None
    assert explained.problem == (
        "cannot send 'fit' to the workers: it uses 'conn' (line 4), a sqlite3.Connection."
        " Open the connection inside the function."
    )


def test_the_problem_is_what_map_would_raise(conn: sqlite3.Connection) -> None:
    fn = define("def load(): return conn\ndef fit(x): return load()", conn=conn)
    with pytest.raises(parmagic.PayloadError) as raised:
        Payload.of(fn, star=False, keep_going=True)
    assert explain(fn, [1]).problem == str(raised.value)


def test_only_the_culprit_is_refused(conn: sqlite3.Connection) -> None:
    names = captured(define("def load(): return conn\ndef fit(x): return load()", conn=conn))
    assert (names["load"].route, names["conn"].route) == (ALONG, REFUSED)
    assert names["conn"].through == "load"


def test_what_holds_the_culprit_is_refused(conn: sqlite3.Connection) -> None:
    use = only(define("def fit(x): return store", store={"conn": conn}))
    assert (use.name, use.route) == ("store", REFUSED)


@pytest.mark.parametrize(("make", "route"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_objects_spoil_nothing(make: Callable[[], object], route: str) -> None:
    fn = define("def fit(x): return thing, np", thing=make(), np=np)
    explained = explain(fn, [1])
    assert [(each.name, each.route) for each in explained.captured] == [
        ("thing", route),
        ("np", IMPORTED),
    ]
    assert (explained.problem == "") == (route == ALONG)
    assert "\nthing " in repr(explained)
    assert "thing" in explained._repr_html_()


def test_an_item_with_a_hostile_repr_is_named_by_its_type() -> None:
    assert explain(abs, [zoo.ReprExits()]).first_item == "<ReprExits object, repr() failed>"


def test_a_length_that_raises_is_none() -> None:
    assert explain(abs, SizeExits()).items is None
    assert explain(abs, range(10**30)).items is None


@pytest.mark.parametrize(
    ("items", "number", "kind", "first"),
    [
        (range(5, 10), 5, "range", "5"),
        ([], 0, "list", ""),
        (("a", "b"), 2, "tuple", "'a'"),
        ({"a": 1}, 1, "dict", "'a'"),
        (np.arange(3.0), 3, "ndarray", None),
        (pd.DataFrame({"a": [1, 2, 3]}), 1, "DataFrame", ""),
        (OrderedDict(a=1), 1, "OrderedDict", ""),
        (itertools.count(), None, "count", ""),
        (map(abs, [1]), None, "map", ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_items_are_counted_and_shown_where_that_makes_none(
    items: Any, number: int | None, kind: str, first: str | None
) -> None:
    explained = explain(abs, items)
    assert (explained.items, explained.item_kind) == (number, kind)
    assert first in (None, explained.first_item)


def test_an_iterator_is_not_touched() -> None:
    def numbers() -> Iterator[int]:
        started.append(1)
        yield from range(3)

    started: list[int] = []
    items = numbers()
    explained = explain(abs, items)
    assert (explained.items, explained.item_kind) == (None, "generator")
    assert started == []
    assert list(items) == [0, 1, 2]


def test_of_several_iterables_the_shortest_counts() -> None:
    explained = explain(pow, [1, 2, 3], range(2))
    assert (explained.items, explained.item_kind) == (2, "zip of list, range")
    assert (explained.first_item, explained.star) == ("(1, 0)", True)
    assert explain(pow, [1, 2], itertools.count()).items is None
    assert explain(pow, [1, 2], itertools.count()).first_item == ""


def test_star_is_said() -> None:
    assert "each called as fn(*item), the first is (1, 2)" in repr(
        explain(pow, [(1, 2)], star=True)
    )
    assert "fn(*item)" not in repr(explain(abs, [1]))


def test_chunks_are_those_asked_for() -> None:
    assert explain(abs, [1]).chunks == "as many items as take 50 ms"
    assert explain(abs, [1], chunksize=7).chunks == "7 items each"


def test_without_a_pool_all_workers_are_still_to_start() -> None:
    explained = explain(abs, [1], workers=3)
    assert (explained.running, explained.to_start) == (0, 3)
    assert explained.backend == "this machine: 3 processes"
    assert explain(abs, [1]).workers == usable_cpus()
    assert explain(abs, [1], workers=1).backend == "this machine: 1 process"


def test_the_workers_of_the_pool_are_counted() -> None:
    assert parmagic.map(abs, [-1], workers=1) == [1]
    explained = explain(abs, [1])
    assert (explained.workers, explained.running, explained.to_start) == (1, 1, 0)
    assert explain(abs, [1], workers=3).to_start == 2
    assert default_pool().max_workers == 1


def test_nothing_is_started_held_or_remembered() -> None:
    shared = parmagic.share(np.ones(MILLION))
    fn = define("def fit(x): return array, shared", array=np.zeros(MILLION), shared=shared)
    explain(fn, [1])  # which may import something
    held, fds = memory.holds(shared.segment), set(os.listdir("/proc/self/fd"))
    children = psutil.Process().children(recursive=True)
    explained = explain(fn, range(10), workers=2)
    assert explained.shared_bytes == 8 * MILLION
    assert running_pool() is None
    assert psutil.Process().children(recursive=True) == children
    assert set(os.listdir("/proc/self/fd")) == fds
    assert memory.holds(shared.segment) == held
    assert broadcasts.kept_bytes == 0
    assert list(parmagic.jobs) == []


def test_large_memory_is_not_copied() -> None:
    import tracemalloc

    fn = define("def fit(x): return array", array=np.zeros(5 * MILLION))
    explain(fn, [1])
    tracemalloc.start()
    explain(fn, [1])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MILLION


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: explain(7, [1]), TypeError, "must be a function, not int"),  # type: ignore[arg-type]
        (lambda: explain(abs), TypeError, "at least two arguments"),
        (lambda: explain(abs, [1], workers=0), ValueError, "workers must be 1 or more, not 0"),
        (lambda: explain(abs, [1], chunksize=0), ValueError, "chunksize must be 1 or more"),
    ],
)
def test_wrong_arguments_are_refused_as_by_map(
    call: Callable[[], Explained], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        call()


def test_it_shows_itself_as_text_and_as_a_table() -> None:
    explained = explain(define("N = 3\ndef fit(x): return N"), [1, 2])
    assert repr(explained).startswith("fit over list: nothing was run or sent\n")
    assert explained._repr_html_().startswith('<div class="parmagic-explanation"')
    assert explained == explain(define("N = 3\ndef fit(x): return N"), [1, 2])
