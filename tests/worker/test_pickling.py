from __future__ import annotations

import copyreg
import pickle
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from support import Notebook

from parmagic import share
from parmagic.worker.pickling import OUT_OF_BAND_BYTES, dump

CELL = """
import enum, collections, dataclasses
class Instance: pass
class Shade(enum.Enum):
    DARK = 1
Point = collections.namedtuple("Point", "x y")
@dataclasses.dataclass
class Record:
    x: int
def fn(): pass

values = {
    "class": Instance, "instance": Instance(), "enum": Shade.DARK, "function": fn,
    "named tuple": Point(1, 2), "dataclass": Record(1), "inside": [{"a": (Instance(),)}],
}
"""


@pytest.mark.parametrize(
    "kind", ["class", "instance", "enum", "function", "named tuple", "dataclass", "inside"]
)
def test_what_lives_in_the_notebook_travels_by_value(kind: str, notebook: Notebook) -> None:
    notebook.run(CELL)
    value = notebook["values"][kind]
    pickle.dumps(value)  # which succeeds, and would fail in the worker
    body, _ = dump(value)
    assert b"cloudpickle" in body


@pytest.mark.parametrize("value", [1, "a", [1.5, None], {"a": b"b"}, range(3), len, np.int64(1)])
def test_plain_pickle_suffices_for_all_else(value: Any) -> None:
    assert dump(value) == (pickle.dumps(value, 5), [])


@pytest.mark.parametrize("make", [lambda: lambda: 1, lambda: type("Local", (), {})()])
def test_cloudpickle_takes_what_pickle_refuses(make: Callable[[], Any]) -> None:
    body, _ = dump(make())
    assert b"cloudpickle" in body


@pytest.mark.parametrize(
    ("nbytes", "count"), [(OUT_OF_BAND_BYTES - 1, 0), (OUT_OF_BAND_BYTES, 1), (10**6, 1)]
)
@pytest.mark.parametrize("by_value", [False, True])
def test_large_buffers_stay_outside(nbytes: int, count: int, by_value: bool) -> None:
    array = np.zeros(nbytes, "u1")
    body, buffers = dump((lambda: array) if by_value else array)
    assert [buffer.raw().nbytes for buffer in buffers] == [nbytes] * count
    assert len(body) < 2000 + nbytes * (1 - count)


def by_value(value: Any) -> Any:
    """Return a function of the notebook that has captured ``value``."""
    return lambda: value


def travelled(value: Any) -> Any:
    body, buffers = dump(value)
    return pickle.loads(body, buffers=buffers)


ARRAYS = {
    "as it is": lambda a: a,
    "read-only": lambda a: read_only(a),
    "in the order of Fortran": lambda a: a.reshape(500, -1).T,
    "of a subclass": lambda a: a.view([("x", "f8")]).view(np.recarray),
    "of records": lambda a: a.view([("x", "f4"), ("y", "i4")]),
}


def read_only(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view


@pytest.mark.parametrize("form", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_arrays_come_back_as_they_were(form: Callable[[Any], Any], wrapped: bool) -> None:
    array = form(np.arange(100_000.0))
    back = travelled(by_value(array))() if wrapped else travelled(array)
    assert (type(back), back.dtype, back.shape) == (type(array), array.dtype, array.shape)
    assert back.flags.writeable == array.flags.writeable
    assert back.tobytes() == array.tobytes()


def test_an_array_in_many_places_is_pickled_once() -> None:
    array = np.arange(100_000.0)
    _, buffers = dump([array, {"a": array}, (array,)])
    assert len(buffers) == 1
    one, other, third = travelled([array, {"a": array}, (array,)])
    assert one is other["a"] is third[0]


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees
        self.lock = threading.Lock()


def test_what_a_program_has_registered_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, Celsius, lambda c: (Fraction, (int(c.degrees), 2)))
    assert travelled([Celsius(3), np.zeros(3)])[0] == Fraction(3, 2)
    assert travelled(by_value([Celsius(3), np.zeros(3)]))()[0] == Fraction(3, 2)


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_few_bytes_stay_outside_only_where_they_are_shared(writable: bool, wrapped: bool) -> None:
    shared = share(np.zeros(10), writable=writable)
    other = np.zeros(10)
    _, buffers = dump(by_value([shared, other]) if wrapped else [shared, other])
    assert [buffer.raw().nbytes for buffer in buffers] == [80]


VIEWS: dict[str, Callable[[], Any]] = {
    "of bytes": lambda: memoryview(b"abc"),
    "of a bytearray": lambda: memoryview(bytearray(b"abc")),
    "of many": lambda: memoryview(bytes(300_000)),
    "of a part": lambda: memoryview(b"abcdef")[2:4],
    "of numbers": lambda: memoryview(np.arange(3.0)),
    "of rows and columns": lambda: memoryview(np.arange(6, dtype="i2").reshape(2, 3)),
    "of no dimension": lambda: memoryview(np.array(3.0)),
    "of truth values": lambda: memoryview(np.array([True, False])),
    "read-only": lambda: memoryview(bytearray(b"abc")).toreadonly(),
    "shared": lambda: share(b"abc"),
    "shared and writable": lambda: share(bytearray(b"abc"), writable=True),
}
IN_PIECES: dict[str, Callable[[], Any]] = {
    "every other": lambda: memoryview(b"abcdef")[::2],
    "backwards": lambda: memoryview(np.arange(3.0))[::-1],
    "in the order of Fortran": lambda: memoryview(np.asfortranarray(np.ones((2, 3)))),
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_a_memoryview_comes_back_as_one(make: Callable[[], Any]) -> None:
    view = make()
    for back in (travelled([view])[0], travelled(by_value(view))()):
        assert back == view
        assert (back.format, back.shape, back.readonly) == (view.format, view.shape, view.readonly)


@pytest.mark.parametrize("make", IN_PIECES.values(), ids=IN_PIECES)
def test_a_memoryview_that_is_not_in_one_piece_comes_back_as_bytes(
    make: Callable[[], Any],
) -> None:
    assert travelled(make()) == make().tobytes()


HARD_VIEWS: dict[str, Callable[[], Any]] = {
    "empty": lambda: memoryview(b""),
    "no rows": lambda: memoryview(np.zeros((0, 3))),
    "complex": lambda: memoryview(np.zeros(3, complex)),
    "the other byte order": lambda: memoryview(np.zeros(3, ">f8")),
    "records": lambda: memoryview(np.zeros(3, [("a", "i4"), ("b", "f8")])),
}


@pytest.mark.parametrize("make", HARD_VIEWS.values(), ids=HARD_VIEWS)
def test_a_memoryview_of_any_form_comes_back(make: Callable[[], Any]) -> None:
    assert bytes(travelled(make())) == bytes(make())


LONG = 200_000


@pytest.mark.parametrize("make", [bytes, bytearray])
def test_long_bytes_that_a_function_uses_stay_outside(make: Any, notebook: Notebook) -> None:
    notebook.run("def one(): return long\ndef other(): return long, short\nshort = b'abc'")
    notebook.run(f"long = {make.__name__}({LONG})")
    functions = [notebook["one"], notebook["other"]]
    body, buffers = dump(functions)
    assert [buffer.raw().nbytes for buffer in buffers] == [LONG]
    assert len(body) < 3000
    one, other = pickle.loads(body, buffers=buffers)
    assert (one(), other()) == (make(LONG), (make(LONG), b"abc"))
    assert type(one()) is make
    assert one() is other()[0]


def test_the_notebook_s_own_variables_stay_what_they_are(notebook: Notebook) -> None:
    notebook.run(f"def fn(): return long\nlong = bytes({LONG})")
    before = notebook["long"]
    dump(notebook["fn"])
    assert notebook["long"] is before


def test_code_keeps_the_name_of_its_cell(notebook: Notebook) -> None:
    notebook.run("def fn():\n    return [lambda: 1]")
    fn = pickle.loads(dump(notebook["fn"])[0])
    code = notebook["fn"].__code__
    assert fn.__code__ == code
    assert fn.__code__.co_filename == fn()[0].__code__.co_filename == code.co_filename
