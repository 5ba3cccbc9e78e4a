from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parmagic import share
from parmagic.worker.memory import memory
from parmagic.worker.segment import PRIVATE, WRITE
from parmagic.worker.shared_array import SharedArray

pytestmark = pytest.mark.usefixtures("nothing_held")

Operation = Callable[[Any], Any]


def made() -> Any:
    return share(np.arange(12.0).reshape(3, 4), writable=True)


VIEWS: dict[str, Operation] = {
    "a row": lambda a: a[0],
    "rows": lambda a: a[1:],
    "all": lambda a: a[...],
    "one more dimension": lambda a: a[None],
    "the first of a walk": lambda a: next(iter(a)),
    "parts": lambda a: np.split(a, 3)[1],
    "spread": lambda a: np.broadcast_to(a, (2, 3, 4)),
    "as an array": np.asarray,
}
RESULTS: dict[str, Operation] = {
    "some rows": lambda a: a[[0, 2]],
    "those above three": lambda a: a[a > 3],
    "a sum": lambda a: a + 1,
    "a sum with itself": lambda a: a + a,
    "a comparison": lambda a: a > 1,
    "the opposite": lambda a: -a,
    "roots": np.sqrt,
    "two results": lambda a: np.divmod(a, 2)[1],
    "a product of matrices": lambda a: a @ np.ones((4, 2)),
    "sums of columns": lambda a: a.sum(axis=0),
    "means of rows": lambda a: np.mean(a, axis=1),
    "sums so far": lambda a: a.cumsum(),
    "rounded": lambda a: a.round(),
    "cut off": lambda a: a.clip(2, 5),
    "sorted": np.sort,
    "joined": lambda a: np.concatenate([a, a]),
    "stacked": lambda a: np.stack([a, a]),
    "chosen": lambda a: np.where(a > 1, a, 0),
    "a copy": lambda a: a.copy(),
    "a copy in the order of Fortran": lambda a: a.copy("F"),
    "NumPy's copy": np.copy,
    "pickled": lambda a: pickle.loads(pickle.dumps(a)),
    "pickled as long ago": lambda a: pickle.loads(pickle.dumps(a, 2)),
}
NUMBERS: dict[str, Operation] = {
    "an element": lambda a: a[1, 2],
    "the sum": lambda a: a.sum(),
    "the mean": np.mean,
    "the largest": lambda a: a.max(),
    "the median": np.median,
    "the spread": lambda a: a.std(),
}
# These are no plain arrays, as the class says that they are.
SUBCLASSED: dict[str, Operation] = {
    "transposed": lambda a: a.T,
    "another shape": lambda a: a.reshape(4, 3),
    "in one row": lambda a: a.ravel(),
    "a view": lambda a: a.view(),
    "axes swapped": lambda a: a.swapaxes(0, 1),
    "the diagonal": lambda a: a.diagonal(),
    "another type": lambda a: a.astype("f4"),
    "a copy in one row": lambda a: a.flatten(),
    "Python's copy": copy.copy,
    "Python's deep copy": copy.deepcopy,
    "taken": lambda a: a.take([0]),
    "one like it": np.empty_like,
    "a dot product": lambda a: a.dot(a.T),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views_are_plain_arrays_in_shared_memory(view: Operation) -> None:
    shared = made()
    array = view(shared)
    assert type(array) is np.ndarray
    assert np.array_equal(array, view(np.arange(12.0).reshape(3, 4)))
    shared[...] = 7
    assert (array == 7).all()
    first = array[(0,) * (array.ndim - 1)][:1]
    assert memory.find(memoryview(first)) is not None
    assert memory.find(memoryview(first.copy())) is None


@pytest.mark.parametrize("operation", RESULTS.values(), ids=RESULTS)
def test_results_are_plain_arrays_of_their_own(operation: Operation) -> None:
    shared = made()
    array = operation(shared)
    assert type(array) is np.ndarray
    assert np.array_equal(array, operation(np.arange(12.0).reshape(3, 4)))
    assert not np.shares_memory(array, shared)


@pytest.mark.parametrize("operation", NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_numbers(operation: Operation) -> None:
    number = operation(made())
    assert type(number) is np.float64
    assert number == operation(np.arange(12.0).reshape(3, 4))


@pytest.mark.parametrize("operation", SUBCLASSED.values(), ids=SUBCLASSED)
def test_whatever_else_is_made_of_it_is_not_what_ends_the_sharing(operation: Operation) -> None:
    shared = made()
    with operation(shared) as array:  # NumPy keeps the class in these
        assert array.segment is None
    assert shared.segment.access == WRITE


@pytest.mark.parametrize("operation", SUBCLASSED.values(), ids=SUBCLASSED)
def test_whatever_is_made_of_it_has_the_right_values(operation: Operation) -> None:
    if operation is np.empty_like:
        assert np.empty_like(made()).shape == (3, 4)
    else:
        plain = operation(np.arange(12.0).reshape(3, 4))
        assert np.array_equal(operation(made()), plain)


IN_PLACE: dict[str, Callable[[Any], object]] = {
    "an element": lambda a: a.__setitem__((0, 0), 7),
    "added": lambda a: a.__iadd__(1),
    "a result": lambda a: np.add(a, 1, out=a),
    "another's result": lambda a: np.multiply(np.ones((3, 4)), 2, out=a),
    "sorted": lambda a: a.sort(),
    "filled": lambda a: a.fill(3),
    "through a view": lambda a: a[1:].fill(3),
    "copied there": lambda a: np.copyto(a, 5),
}


@pytest.mark.parametrize("change", IN_PLACE.values(), ids=IN_PLACE)
def test_what_is_changed_in_place_stays_shared(change: Callable[[Any], object]) -> None:
    shared = made()
    other = share(np.zeros(1))
    before = memory.find(memoryview(shared))
    result = change(shared)
    assert result is None or result is shared or result is NotImplemented
    assert type(shared) is SharedArray
    assert memory.find(memoryview(shared)) == before
    plain = np.arange(12.0).reshape(3, 4)
    change(plain)
    assert np.array_equal(shared, plain)
    del other


def test_an_operator_keeps_the_name_on_what_is_shared() -> None:
    shared = made()
    same = shared
    shared += 1
    shared *= 2
    assert shared is same
    assert shared[0, 1] == 4


@pytest.mark.parametrize("writable", [False, True])
def test_after_the_block_it_is_an_array_like_any_other(writable: bool) -> None:
    array = np.arange(12.0)
    with share(array, writable=writable) as shared:
        assert shared.segment.access != PRIVATE
    assert shared.segment.access == PRIVATE
    assert np.array_equal(shared, array)
    shared[0] = 7
    assert shared[0] == 7


def test_an_error_leaves_the_block_and_ends_the_sharing() -> None:
    shared = made()
    with pytest.raises(ZeroDivisionError), shared:
        1 / 0  # noqa: B018
    assert shared.segment.access == PRIVATE


def test_a_view_s_block_leaves_the_array_shared() -> None:
    shared = made()
    with shared.T:
        pass
    assert shared.segment.access == WRITE


def test_it_looks_like_an_array() -> None:
    shared = made()
    assert isinstance(shared, np.ndarray)
    assert "SharedArray" in repr(shared)
    assert str(shared) == str(np.asarray(shared))
    assert shared.flags.c_contiguous
    assert shared.flags.writeable


def test_one_of_no_dimension_is_a_number_in_shared_memory() -> None:
    shared = share(np.array(3.0), writable=True)
    assert shared.ndim == 0
    assert shared + 1 == 4
    assert type(shared + 1) is np.float64
    shared[()] = 5
    assert float(shared) == 5
