from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import Notebook

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
