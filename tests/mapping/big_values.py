"""Values with memory of their own, and the ways that they can take to the workers and back.

::

    MAKERS ──▶ value ──ROUTES──▶ results ──odd──▶ what is wrong with them

Run as a program, it tells what became of each value on each way.
"""

from __future__ import annotations

import copy
import importlib.util
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import parmagic

SIZES = {"small": 4_000, "large": 240_000}
# What is kept for the next job, if it is captured.
MANY = 2_000_000


def _numbers(nbytes: int, dtype: str = "f8") -> np.ndarray:
    count = nbytes // np.dtype(dtype).itemsize
    return (np.arange(count) % 251).astype(dtype)


def _matrix(nbytes: int, dtype: str = "f8") -> np.ndarray:
    numbers = _numbers(nbytes, dtype)
    return numbers[: len(numbers) // 10 * 10].reshape(10, -1)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _structured(nbytes: int) -> np.ndarray:
    array = np.zeros(nbytes // 24, [("x", "f8"), ("name", "S8"), ("y", ">i4", (2,))])
    array["x"] = np.arange(len(array))
    array["name"] = b"abc"
    array["y"][:, 1] = 7
    return array


def _masked(nbytes: int) -> np.ma.MaskedArray:
    return np.ma.masked_greater(_numbers(nbytes), 200)


def _file(nbytes: int, mode: str) -> np.memmap:
    path = Path(tempfile.mkdtemp()) / "numbers"
    _numbers(nbytes).tofile(path)
    file = np.memmap(path, "f8", mode)
    if mode != "r":
        file[::7] = -1
    return file


def _frame(nbytes: int) -> Any:
    import pandas as pd

    count = nbytes // 8
    return pd.DataFrame({
        "number": np.arange(count) * 0.5,
        "whole": pd.array(np.arange(count) % 100, "Int32"),
        "maybe": pd.array([True, None, False, True] * (count // 4), "boolean"),
        "word": pd.array(["some", "", None, "wörds"] * (count // 4), "string"),
        "kind": pd.Categorical(["a", "b", "a", None] * (count // 4)),
        "time": pd.date_range("2024-03-30", periods=count, freq="min", tz="Europe/Berlin"),
        "span": pd.to_timedelta(np.arange(count), "s"),
    })  # fmt: skip


def _arrow_frame(nbytes: int) -> Any:
    return _frame(nbytes).convert_dtypes(dtype_backend="pyarrow")


def _indexed_frame(nbytes: int) -> Any:
    import pandas as pd

    count = nbytes // 80 * 10
    index = pd.MultiIndex.from_product([range(count // 10), list("abcdefghij")], names=["n", "c"])
    return pd.DataFrame({("x", 1): np.arange(count), ("x", 2): 1.5}, index=index)


def _series(nbytes: int) -> Any:
    import pandas as pd

    return pd.Series(pd.date_range("2020", periods=nbytes // 8, freq="s"), name="time")


def _arrow(nbytes: int) -> Any:
    import pyarrow as pa

    count = nbytes // 8
    return pa.table({
        "x": np.arange(count),
        "word": pa.array(["a", None, "ccc", ""] * (count // 4)),
        "lists": pa.array([[1], [], None, [2, 3]] * (count // 4)),
    }).slice(3)  # fmt: skip


def _polars(nbytes: int) -> Any:
    import polars as pl

    count = nbytes // 8
    words = ["a", None, "long enough for the heap", ""] * (count // 4)
    return pl.DataFrame({"x": np.arange(count), "word": words}).with_columns(
        pl.col("word").cast(pl.Categorical).alias("kind")
    )


@dataclass
class Record:
    """A class of a module; see `_of_main` for one of the notebook."""

    array: np.ndarray
    rest: dict[str, Any] = field(default_factory=dict)


def _record(nbytes: int) -> Record:
    array = _numbers(nbytes)
    return Record(array, {"same": array, "part": array[5:], "block": bytes(array), "few": [1]})


MAKERS: dict[str, Callable[[int], Any]] = {
    "float64": _numbers,
    "float16": lambda n: _numbers(n, "f2"),
    "complex": lambda n: _numbers(n, "c16"),
    "bool": lambda n: _numbers(n, "u1") % 3 == 0,
    "big-endian": lambda n: _numbers(n, ">i4"),
    "datetime64": lambda n: _numbers(n, "i8").view("M8[ns]"),
    "timedelta64 with NaT": lambda n: np.where(_numbers(n) > 9, np.timedelta64("NaT"), 5),
    "text": lambda n: np.array(["x", "yüz"] * (n // 24)),
    "variable text": lambda n: np.array(["x", "yüz" * 9] * (n // 24), np.dtypes.StringDType()),
    "void": lambda n: _numbers(n).view("V16"),
    "structured": _structured,
    "one field": lambda n: _structured(n)["y"],
    "masked": _masked,
    "objects": lambda n: np.array([1, "two", None, (3, 4)] * (n // 32), object),
    "objects with arrays": lambda n: np.array([_numbers(n), None, _matrix(n)], object),
    "no items": lambda n: np.zeros((0, n)),
    "no dimension": lambda n: np.array(n),
    "one huge number": lambda n: np.array(b"x" * n),
    "Fortran order": lambda n: np.asfortranarray(_matrix(n)),
    "transposed": lambda n: _matrix(n).T,
    "three axes swapped": lambda n: _matrix(n).reshape(2, 5, -1).transpose(1, 2, 0),
    "every other": lambda n: _numbers(2 * n)[::2],
    "columns": lambda n: _matrix(2 * n)[:, 3:-9:2],
    "backwards": lambda n: _numbers(n)[::-1],
    "backwards both ways": lambda n: _matrix(n)[::-1, ::-2],
    "broadcast": lambda n: np.broadcast_to(np.arange(n // 8), (3, n // 8)),
    "overlapping windows": lambda n: np.lib.stride_tricks.sliding_window_view(_numbers(n), 3),
    "unaligned": lambda n: np.frombuffer(bytearray(n + 1), "u1")[1:].view("f8"),
    "read-only": lambda n: _read_only(_numbers(n)),
    "read-only view": lambda n: _read_only(_matrix(n)[:, ::2]),
    "on bytes": lambda n: np.frombuffer(bytes(range(250)) * (n // 250), "u1"),
    "file r": lambda n: _file(n, "r"),
    "file r+": lambda n: _file(n, "r+"),
    "file c": lambda n: _file(n, "c"),
    "part of a file": lambda n: _file(n, "r+")[10:-10:3],
    "file backwards": lambda n: _file(n, "r")[::-1],
    "matrix": lambda n: np.asmatrix(_matrix(n)),
    "recarray": lambda n: _structured(n).view(np.recarray),
    "frame": _frame,
    "frame of Arrow": _arrow_frame,
    "frame with levels": _indexed_frame,
    "series": _series,
    "Arrow table": _arrow,
    "polars frame": _polars,
    "bytes": lambda n: bytes(range(250)) * (n // 250),
    "bytearray": lambda n: bytearray(range(250)) * (n // 250),
    "str": lambda n: "aé€\n" * (n // 4),
    "broadcast to all": lambda _: _matrix(MANY),
    "bytes to all": lambda _: bytes(range(250)) * (MANY // 250),
    "dict": lambda n: {"a": _numbers(n), ("b", 1): [_matrix(n), bytes(n)], "c": {}},
    "record": _record,
    "big integer": lambda n: 7 ** (n // 8),
    "many arrays": lambda n: [_numbers(n // 8) + i for i in range(9)],
    "array.array": lambda n: __import__("array").array("d", bytes(n)),
}
NEEDED = {
    "frame of Arrow": "pyarrow",
    "Arrow table": "pyarrow",
    "polars frame": "polars",
    "variable text": "numpy.dtypes",
}


# What is odd about a value.


def odd(value: Any, expected: Any) -> str:
    """Tell how ``value`` differs from what pickle would have made of ``expected``."""
    if isinstance(expected, np.memmap):
        # It is one of the file again, or a plain array.
        return _odd_array(np.asarray(value), np.asarray(expected), flags=False)
    if type(value) is not type(expected):
        return f"{type(value)} instead of {type(expected)}"
    if isinstance(value, np.ndarray):
        return _odd_array(value, expected)
    if isinstance(value, dict):
        return _odd_values([*value, *value.values()], [*expected, *expected.values()])
    if isinstance(value, list | tuple):
        return _odd_values(value, expected)
    if isinstance(value, Record):
        return odd(vars(value), vars(expected))
    if hasattr(value, "equals"):
        return _odd_frame(value, expected)
    return "" if value == expected else "not equal"


def _odd_values(values: Any, expected: Any) -> str:
    if len(values) != len(expected):
        return f"{len(values)} instead of {len(expected)}"
    pairs = zip(values, expected, strict=True)
    return next((wrong for one, other in pairs if (wrong := odd(one, other))), "")


def _odd_array(value: np.ndarray, expected: np.ndarray, *, flags: bool = True) -> str:
    if value.dtype != expected.dtype or value.shape != expected.shape:
        return f"{value.dtype} {value.shape} instead of {expected.dtype} {expected.shape}"
    if flags and value.flags.writeable != expected.flags.writeable:
        return "read-only" if expected.flags.writeable else "can be written"
    if expected.dtype == object and expected.ndim:
        return _odd_values(list(value.flat), list(expected.flat))
    if isinstance(expected, np.ma.MaskedArray):
        return _odd_values([value.mask, value.data], [expected.mask, expected.data])
    return "" if _plain(value) == _plain(expected) else "not equal"


def _plain(array: np.ndarray) -> Any:
    if array.dtype.kind == "T":
        return array.tolist()
    return np.ascontiguousarray(array).tobytes()


def _odd_frame(value: Any, expected: Any) -> str:
    if "pandas" not in type(value).__module__:
        return "" if value.equals(expected) else "not equal"
    same = value.equals(expected) and value.index.equals(expected.index)
    if value.ndim == 2:
        same = same and value.columns.equals(expected.columns)
        same = same and list(value.dtypes) == list(expected.dtypes)
    return "" if same else "not equal"


def scribble(value: Any) -> None:
    """Write over whatever can be written in ``value``."""
    if isinstance(value, np.ndarray):
        if value.flags.writeable and value.size and not _is_of_a_file(value):
            value[...] = np.zeros((), value.dtype)
    elif isinstance(value, bytearray):
        value[:] = bytes(len(value))
    elif isinstance(value, dict):
        scribble([*value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            scribble(each)
    elif isinstance(value, Record):
        scribble(vars(value))
    elif type(value).__name__ == "DataFrame" and hasattr(value, "iloc"):
        for column in range(value.shape[1]):
            value.iloc[:, column] = value.iloc[0, column]


def _is_of_a_file(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


# There and back. Each way takes all values, by name, and returns what came of them.

Values = dict[str, Any]
Came = Iterator[tuple[str, Any]]


def _echo(value: Any) -> Any:
    return value


def _as_items(values: Values) -> Came:
    names = [*values, *values]
    return zip(
        names, parmagic.map(_echo, [values[name] for name in names], chunksize=3), strict=True
    )


def _as_lists(values: Values) -> Came:
    for name, [one] in zip(
        values, parmagic.map(_echo, [[v] for v in values.values()], chunksize=1), strict=True
    ):
        yield name, one


def _in_records(values: Values) -> Came:
    results = parmagic.map(_echo, [Record(value, {"a": [value]}) for value in values.values()])
    for name, result in zip(values, results, strict=True):
        yield name, result.array
        yield name, result.rest["a"][0]


def _captured(values: Values) -> Came:
    names = [*values, *values]
    return zip(names, parmagic.map(lambda name: values[name], names, chunksize=1), strict=True)


def _captured_in_one_chunk(values: Values) -> Came:
    def fn(name: str, kept: Values = values) -> Any:
        return kept[name], kept[name]

    names = [name for name in values for _ in range(2)]
    for name, pair in zip(names, parmagic.map(fn, names, chunksize=4), strict=True):
        yield from ((name, each) for each in pair)


def _written_there(values: Values) -> Came:
    def fn(name: str) -> Any:
        before = as_pickled(values[name])
        scribble(values[name])  # a worker's own: the next job has it as it was
        return before

    yield from zip(values, parmagic.map(fn, values, chunksize=1), strict=True)
    yield from _captured(values)


def _items_written_there(values: Values) -> Came:
    def fn(value: Any) -> Any:
        before = as_pickled(value)
        scribble(value)
        return before

    return zip(values, parmagic.map(fn, values.values(), chunksize=1), strict=True)


def _kept_there(values: Values) -> Came:
    mark = id(values)

    def keep(name: str, item: Any) -> Any:
        sys.__dict__.setdefault("kept_here", {})[name, mark] = item
        return item

    def again(name: str) -> list[Any]:
        kept = sys.__dict__.get("kept_here", {})
        return [kept[name, mark]] if (name, mark) in kept else []

    items = [*values.items(), *values.items()]
    scribble(parmagic.map(keep, items, chunksize=1, star=True))
    for _ in range(2):
        scribble(parmagic.map(_echo, [np.ones(200_000), np.ones(30_000)]))  # in what is free
        results = parmagic.map(again, values, chunksize=1)
        yield from (
            (name, each) for name, found in zip(values, results, strict=True) for each in found
        )


def _three_times(values: Values) -> Came:
    results: Any = values.values()
    for _ in range(3):
        results = parmagic.map(_echo, results, chunksize=2)
    return zip(values, results, strict=True)


def _captured_results(values: Values) -> Came:
    return _captured(dict(_as_items(values)))


def _as_views(values: Values) -> Came:
    """Let workers return views of what they have got, and of what they had captured."""
    arrays = {name: value for name, value in values.items() if type(value) is np.ndarray}

    def fn(name: str, array: Any) -> list[Any]:
        return [each[...].view() for each in (array, arrays[name]) if each.ndim]

    for name, found in zip(arrays, parmagic.map(fn, arrays.items(), star=True), strict=True):
        yield from ((name, each) for each in found)


ROUTES: dict[str, Callable[[Values], Came]] = {
    route.__name__.strip("_").replace("_", " "): route
    for route in (
        _as_items,
        _as_lists,
        _in_records,
        _captured,
        _captured_in_one_chunk,
        _written_there,
        _items_written_there,
        _kept_there,
        _three_times,
        _captured_results,
        _as_views,
    )
}


def as_pickled(value: Any) -> Any:
    """Return what it is to be: what pickle makes of it."""
    return pickle.loads(pickle.dumps(value, 5))


def wrongs(values: Values) -> Iterator[tuple[str, str, str]]:
    """Send ``values`` on all routes, twice, and write over what has come."""
    expected = {name: as_pickled(value) for name, value in values.items()}
    for route, send in ROUTES.items():
        for turn in ("first", "second"):
            came = list(send(values))
            for name, result in came:
                if wrong := odd(result, expected[name]):
                    yield name, f"{route}, {turn}", wrong
            scribble([result for _, result in came])
    for name, value in values.items():
        if wrong := odd(as_pickled(value), expected[name]):
            yield name, "afterwards", wrong


def views(array: np.ndarray) -> Iterator[tuple[str, str]]:
    """Let workers return views of what they get, and tell which are wrong."""
    cuts: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "part": lambda a: a[1:-1],
        "every other": lambda a: a[::2],
        "backwards": lambda a: a[::-1],
        "column": lambda a: a.reshape(10, -1)[:, 2:3],
        "transposed": lambda a: a.reshape(10, -1).T,
        "other type": lambda a: a.view("u1"),
        "part and whole": lambda a: np.array([a[5:], a, a[:1]], object),
    }
    for name, cut in cuts.items():
        for result in parmagic.map(cut, [array, array]):
            if wrong := odd(result, copy.deepcopy(cut(array))):
                yield name, wrong
            scribble(list(result) if result.dtype == object else result)


def made(nbytes: int, *, large: bool = True) -> Values:
    """Return the values that can be made with what is installed."""
    return {
        name: make(nbytes)
        for name, make in MAKERS.items()
        if name not in NEEDED or importlib.util.find_spec(NEEDED[name])
        if large or "to all" not in name
    }


def main() -> None:
    """Print what is wrong: the value, its size, its way and how."""
    for size, nbytes in SIZES.items():
        for name, *rest in wrongs(made(nbytes, large=size == "large")):
            print((name, size, *rest), flush=True)
        for wrong in views(_numbers(nbytes)):
            print(("views", size, *wrong), flush=True)
    print("end")
