from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parmagic import share
from parmagic.worker.memory import memory
from parmagic.worker.segment import PRIVATE

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.usefixtures("nothing_held")


def plain() -> Any:
    return pd.DataFrame({"a": np.arange(6), "b": np.arange(6.0), "name": list("uvwxyz")})


FRAMES: dict[str, Callable[[Any], Any]] = {
    "the first rows": lambda f: f.head(2),
    "rows": lambda f: f[1:3],
    "columns": lambda f: f[["a", "b"]],
    "chosen": lambda f: f[f.a > 2],
    "a sum": lambda f: f[["a", "b"]] + 1,
    "one column more": lambda f: f.assign(c=1),
    "a copy": lambda f: f.copy(),
    "Python's copy": copy.copy,
    "Python's deep copy": copy.deepcopy,
    "transposed": lambda f: f[["a", "b"]].T,
    "sorted": lambda f: f.sort_values("a", ascending=False),
    "joined": lambda f: pd.concat([f, f]),
    "merged": lambda f: f.merge(f, on="a"),
    "in groups": lambda f: f.groupby("name").sum(),
    "renamed": lambda f: f.rename(columns={"a": "x"}),
    "without a column": lambda f: f.drop(columns="a"),
    "another index": lambda f: f.set_index("name"),
    "described": lambda f: f.describe(),
    "pickled": lambda f: pickle.loads(pickle.dumps(f)),
}
OTHERS: dict[str, Callable[[Any], Any]] = {
    "a column": lambda f: f["a"],
    "a column by its attribute": lambda f: f.b,
    "a row": lambda f: f.iloc[2],
    "sums": lambda f: f[["a", "b"]].sum(),
    "a number": lambda f: f.loc[3, "b"],
    "an array": lambda f: f[["a", "b"]].to_numpy(),
    "the index": lambda f: f.index,
    "records": lambda f: f.to_dict("records"),
}


@pytest.mark.parametrize("operation", FRAMES.values(), ids=FRAMES)
def test_whatever_is_made_of_it_is_a_plain_frame(operation: Callable[[Any], Any]) -> None:
    frame = operation(share(plain()))
    assert type(frame) is pd.DataFrame
    pd.testing.assert_frame_equal(frame, operation(plain()))


@pytest.mark.parametrize("operation", OTHERS.values(), ids=OTHERS)
def test_what_it_holds_is_what_it_held(operation: Callable[[Any], Any]) -> None:
    value, expected = operation(share(plain())), operation(plain())
    assert type(value) is type(expected)
    assert repr(value) == repr(expected)


def test_it_looks_like_a_frame() -> None:
    shared = share(plain())
    assert isinstance(shared, pd.DataFrame)
    assert repr(shared) == repr(plain())
    assert list(shared.columns) == ["a", "b", "name"]
    assert "_segment" not in shared


def test_its_numbers_lie_in_shared_memory() -> None:
    shared = share(plain())
    for name in ("a", "b"):
        found = memory.find(memoryview(shared[name].to_numpy()))
        assert found is not None
        assert found.segment is shared._segment


def test_what_the_kernel_changes_in_place_is_changed_in_shared_memory() -> None:
    shared = share(plain(), writable=True)
    mapped = np.frombuffer(shared._segment.map(), "f8", shared._segment.nbytes // 8)
    shared.loc[3, "b"] = 77.5
    assert 77.5 in mapped
    del mapped


@pytest.mark.parametrize("writable", [False, True])
def test_after_the_block_it_is_a_frame_like_any_other(writable: bool) -> None:
    with share(plain(), writable=writable) as shared:
        assert shared._segment.access != PRIVATE
    assert shared._segment.access == PRIVATE
    pd.testing.assert_frame_equal(pd.DataFrame(shared), plain())


def test_a_column_may_have_the_name_of_what_it_keeps_for_itself() -> None:
    frame = pd.DataFrame({"_segment": [1, 2], "segment": [3, 4]})
    with share(frame) as shared:
        assert shared["_segment"].tolist() == [1, 2]
        assert shared["segment"].tolist() == [3, 4]
