from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from support import Script

from parmagic import ProcessPoolExecutor, share

pytestmark = pytest.mark.usefixtures("nothing_held")

Array = np.ndarray
Travel = Callable[..., Any]
View = Callable[[Array], Array]

SHAPE = (60, 50, 40)  # 960 kB

# Views that are not in one piece, and lie in memory from somewhere to somewhere.
IN_PIECES: dict[str, View] = {
    "every other": lambda a: a[::2],
    "backwards": lambda a: a[::-1],
    "backwards along all": lambda a: a[::-1, ::-1, ::-1],
    "every third, backwards": lambda a: a[:, ::-3],
    "a column": lambda a: a[:, 7, 7],
    "a block": lambda a: a[5:50, 5:40, 5:30],
    "axes swapped": lambda a: a.swapaxes(0, 1),
    "axes rolled": lambda a: np.moveaxis(a, 0, 1),
    "the diagonal": lambda a: a[:, :, 0].diagonal(),
    "spread": lambda a: np.broadcast_to(a[:, ::2], (3, 60, 25, 40)),
    "a sliding window": lambda a: np.lib.stride_tricks.sliding_window_view(a[0], (3, 3)),
    "overlapping": lambda a: as_strided(a, (59, 2, 2000), (16000, 8, 8)),
    "a field": lambda a: a.view([("x", "f8"), ("y", "f8")])["y"],
    "two fields": lambda a: a.view([("x", "f4"), ("y", "f4"), ("z", "f8")])[["x", "z"]],
    "the imaginary part": lambda a: a.view(complex).imag,
    "other numbers": lambda a: a.view("i2")[..., 1::4],
    "the other byte order": lambda a: a.view(">f8")[::2],
    "moments": lambda a: a.view("M8[ns]")[::2],
    "read-only": lambda a: read_only(a[::2]),
    "a view of a view of a view": lambda a: a[::2][:, ::2][::-1],
}

# Views that are in one piece.
IN_ONE_PIECE: dict[str, View] = {
    "all": lambda a: a,
    "the first half": lambda a: a[:30],
    "the last": lambda a: a[-1:],
    "an inner part": lambda a: a[20:40],
    "another shape": lambda a: a.reshape(-1),
    "transposed": lambda a: a.T,
    "another type": lambda a: a.view("u1"),
    "read-only": lambda a: read_only(a[:30]),
}

VIEWS = {**IN_PIECES, **{f"{name}, in one piece": view for name, view in IN_ONE_PIECE.items()}}


def read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def in_shared_memory(*, writable: bool = True) -> Any:
    # No fixture: pytest would hold it until the check for what is left behind is over.
    return share(np.arange(np.prod(SHAPE), dtype=float).reshape(SHAPE), writable=writable)


def assert_same(back: Array, array: Array) -> None:
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.flags.writeable == array.flags.writeable
    assert np.asarray(back).tobytes() == np.asarray(array).tobytes()


def assert_not_copied(travelled: Any, shared: Any) -> None:
    """Fail if there is a new segment, or a long message."""
    assert [each.number for each in travelled.parcel.segments] == [shared.segment.number]
    assert len(travelled.parcel.body) < 1000


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_of_shared_memory_travels_as_its_place(view: View, travel: Travel) -> None:
    shared = in_shared_memory()
    array = np.asarray(view(shared))
    travelled = travel(array)
    assert_same(travelled.back, array)
    assert_not_copied(travelled, shared)
    assert travelled.back.strides == array.strides


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_it_looks_at_the_same_memory(view: View, travel: Travel) -> None:
    shared = in_shared_memory()
    array = np.asarray(view(shared))
    back = travel(array).back
    shared[...] = np.arange(shared.size)[::-1].reshape(SHAPE)
    assert_same(back, array)
    if back.flags.writeable:
        back[...] = np.zeros((), back.dtype)
        assert np.array_equal(array, back)


@pytest.mark.parametrize("view", IN_PIECES.values(), ids=IN_PIECES)
def test_also_within_what_the_notebook_defines(view: View, travel: Travel) -> None:
    shared = in_shared_memory()
    array = np.asarray(view(shared))
    travelled = travel(lambda: array)
    assert_same(travelled.back(), array)
    assert [each.number for each in travelled.parcel.segments] == [shared.segment.number]


def test_many_views_travel_in_the_one_segment(travel: Travel) -> None:
    shared = in_shared_memory()
    views = {name: np.asarray(view(shared)) for name, view in VIEWS.items()}
    parcel, back = travel(views)
    assert [each.number for each in parcel.segments] == [shared.segment.number]
    for name, array in views.items():
        assert_same(back[name], array)


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("view", [lambda a: a[:3:2, 0, 0], lambda a: a[0, 0, :2]])
def test_a_few_bytes_are_not_copied_either(writable: bool, view: View, travel: Travel) -> None:
    shared = in_shared_memory(writable=writable)
    travelled = travel(view(shared))
    assert_not_copied(travelled, shared)
    shared[...] = 7
    assert (travelled.back == 7).all()


@pytest.mark.parametrize("view", [lambda a: a[:3:2, 0, 0], lambda a: a[0, 0, :2]])
def test_a_few_bytes_of_what_is_shared_no_longer_are_copied(view: View, travel: Travel) -> None:
    with in_shared_memory() as shared:
        pass
    parcel, back = travel(view(shared))
    assert np.array_equal(back, view(shared))
    assert parcel.segments == ()


@pytest.mark.parametrize(
    "view", [lambda a: a[:0], lambda a: a[::2, :0], lambda a: a[..., None][:0]]
)
def test_an_empty_view_comes_back_empty(view: View, travel: Travel) -> None:
    shared = in_shared_memory()
    array = view(shared)
    assert_same(travel(array).back, array)


@pytest.mark.parametrize("view", [lambda a: a[3, 3], lambda a: a[3, 3, 3, ...]])
def test_a_view_of_few_or_no_dimensions_comes_back(view: View, travel: Travel) -> None:
    shared = in_shared_memory()
    array = np.asarray(view(shared))
    assert_same(travel(array).back, array)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views_of_other_memory_are_copied(view: View, travel: Travel) -> None:
    array = view(np.arange(np.prod(SHAPE), dtype=float).reshape(SHAPE))
    back = travel(array).back
    assert type(back) is np.ndarray
    assert back.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")  # as NumPy has it
    assert back.tolist() == array.tolist()
    assert not np.shares_memory(back, array)


def test_arrays_of_objects_are_pickled_one_by_one(travel: Travel) -> None:
    array = np.array([None, "a", [1, 2]] * 100, object).reshape(3, 100)
    for view in (array, array.T, array[:, ::2]):
        assert travel(view).back.tolist() == view.tolist()


def test_the_class_of_an_array_stays(travel: Travel) -> None:
    record = np.zeros(50_000, [("x", "f8"), ("y", "f8")]).view(np.recarray)
    masked = np.ma.masked_array(np.arange(50_000), np.arange(50_000) % 2)
    for array in (record, record[::2], masked, masked[::2]):
        back = travel(array).back
        assert type(back) is type(array)
        assert repr(back) == repr(array)


# Files that are mapped into memory.

LENGTH = 100_000

WITHIN: dict[str, View] = {
    "all": lambda a: a,
    "as a plain array": np.asarray,
    "a part": lambda a: a[1000:50_000],
    "the end": lambda a: a[-20_000:],
    "every other": lambda a: a[::2],
    "backwards": lambda a: a[::-1],
    "two dimensions": lambda a: a.reshape(100, 1000),
    "columns": lambda a: a.reshape(100, 1000)[:, 10:900:3],
    "transposed": lambda a: a.reshape(100, 1000).T,
    "other numbers": lambda a: a.view("i4")[4321:],
    "a field": lambda a: a.view([("x", "f8"), ("y", "f8")])["y"],
    "spread": lambda a: np.broadcast_to(a[10:20_000], (3, 19_990)),
    "views of views": lambda a: np.asarray(a[500:])[500:][::-1],
    "read-only": lambda a: read_only(a[1000:]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "numbers"
    np.arange(LENGTH, dtype=float).tofile(path)
    return path


def travels_by_name(travelled: Any) -> bool:
    return travelled.parcel.nbytes < 1000 and not travelled.parcel.segments


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("view", WITHIN.values(), ids=WITHIN)
def test_a_view_of_a_mapped_file_travels_by_the_file_s_name(
    path: Path, mode: Any, view: View, travel: Travel
) -> None:
    array = view(np.memmap(path, float, mode))
    travelled = travel(array)
    assert travels_by_name(travelled)
    assert_same(travelled.back, array)
    assert travelled.back.strides == array.strides


@pytest.mark.parametrize("view", WITHIN.values(), ids=WITHIN)
def test_what_is_changed_in_private_travels_by_content(
    path: Path, view: View, travel: Travel
) -> None:
    file = np.memmap(path, float, "c")
    file[:] += 1
    array = view(file)
    travelled = travel(array)
    assert not travels_by_name(travelled)
    assert np.array_equal(travelled.back, array)
    assert np.fromfile(path)[0] == 0


MAPPINGS: dict[str, Callable[[Path], Array]] = {
    "at an offset": lambda path: np.memmap(path, float, "r", 8 * 1000),
    "at an odd offset": lambda path: np.memmap(path, "u1", "r", 12_345),
    "of a shape": lambda path: np.memmap(path, float, "r", 80, (90, 1000)),
    "of an integer shape": lambda path: np.memmap(path, float, "r", 80, 90_000),
    "in the order of Fortran": lambda path: np.memmap(path, float, "r", 0, (90, 1000), "F"),
    "of records": lambda path: np.memmap(path, [("a", "i4"), ("b", "i4")], "r"),
    "of moments": lambda path: np.memmap(path, "M8[s]", "r"),
    "of texts": lambda path: np.memmap(path, "S8", "r"),
    "by text": lambda path: np.memmap(str(path), float, "r"),
    "from scratch": lambda path: np.memmap(path, float, "w+", shape=LENGTH),
    "longer than before": lambda path: np.memmap(path, float, "r+", shape=LENGTH + 1000),
    "of NumPy's format": lambda path: saved(path),
    "of an open file": lambda path: of_open_file(path),
}


def saved(path: Path) -> Array:
    named = path.with_suffix(".npy")
    np.save(named, np.fromfile(path))
    return np.load(named, mmap_mode="r")


def of_open_file(path: Path) -> Array:
    with path.open("r+b") as file:
        return np.memmap(file, float, "r+")


@pytest.mark.parametrize("mapped", MAPPINGS.values(), ids=MAPPINGS)
def test_however_a_file_is_mapped_it_travels_by_its_name(
    path: Path, mapped: Callable[[Path], Array], travel: Travel
) -> None:
    for array in (mapped(path), mapped(path)[5:], mapped(path)[::-1]):
        travelled = travel(array)
        assert travels_by_name(travelled)
        assert_same(travelled.back, array)


def test_a_relative_name_is_found_from_elsewhere(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, travel: Travel
) -> None:
    monkeypatch.chdir(path.parent)
    array = np.memmap(path.name, float, "r")
    monkeypatch.chdir("/")
    travelled = travel(array)
    assert travels_by_name(travelled)
    assert_same(travelled.back, array)


def test_what_was_just_written_is_seen(path: Path, travel: Travel) -> None:
    array = np.memmap(path, float, "r+")
    array[-1] = 7
    assert travel(array).back[-1] == 7


@pytest.mark.parametrize("mode", ["r+", "w+"])
def test_who_writes_to_it_writes_to_the_file(path: Path, mode: Any, travel: Travel) -> None:
    array = np.memmap(path, float, mode, shape=LENGTH)
    back = travel(array[10:]).back
    back[0] = 7
    assert array[10] == 7
    array.flush()
    assert np.fromfile(path)[10] == 7


def test_a_file_that_may_only_be_read_is_not_written(path: Path, travel: Travel) -> None:
    path.chmod(0o444)
    back = travel(np.memmap(path, float, "r")).back
    with pytest.raises(ValueError, match="read-only"):
        back[0] = 7


def test_few_bytes_of_a_file_are_copied(path: Path, travel: Travel) -> None:
    file = np.memmap(path, float, "r+")
    back = travel(file[:100]).back
    file[:100] = 7
    assert np.array_equal(back, np.arange(100))


GONE: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "moved away": lambda path: path.rename(path.with_suffix(".old")),
    "a folder by now": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("gone", GONE.values(), ids=GONE)
def test_a_file_that_is_gone_travels_by_content(
    path: Path, mode: Any, gone: Callable[[Path], object], travel: Travel
) -> None:
    array = np.memmap(path, float, mode)
    gone(path)
    travelled = travel(array[10:])
    assert not travels_by_name(travelled)
    assert np.array_equal(travelled.back, np.arange(10, LENGTH))


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    np.zeros(LENGTH).tofile(other)
    other.rename(path)


REPLACED: dict[str, Callable[[Path], object]] = {
    "by another file": replace,
    "by a shorter one": lambda path: (path.unlink(), path.write_bytes(b"short")),
    "by a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("replaced", REPLACED.values(), ids=REPLACED)
def test_a_file_that_was_replaced_travels_by_content(
    path: Path, replaced: Callable[[Path], object], travel: Travel
) -> None:
    array = np.memmap(path, float, "r")
    replaced(path)
    assert np.array_equal(travel(array).back, np.arange(LENGTH))


def test_a_file_without_a_name_travels_by_content(travel: Travel) -> None:
    with tempfile.TemporaryFile() as file:
        array = np.memmap(file, float, "w+", shape=LENGTH)
        array[:] = np.arange(LENGTH)
        assert np.array_equal(travel(array[::2]).back, array[::2])


def test_what_was_calculated_from_a_file_is_no_part_of_it(path: Path, travel: Travel) -> None:
    file = np.memmap(path, float, "r")
    for array in (file + 1, file.copy(), np.sort(file), file[[1, 2]], file[file > 3]):
        assert np.array_equal(travel(array).back, array)


def test_a_worker_maps_the_file_too(path: Path, pool: ProcessPoolExecutor) -> None:
    file = np.memmap(path, float, "r+")

    def fill(part: Array) -> tuple[str, float]:
        part += 1
        maps = Path("/proc/self/maps").read_text()
        return str(path) in maps, float(part[0])

    parts = np.array_split(file[::-1], 4)
    firsts = [float(part[0]) + 1 for part in parts]
    assert list(pool.map(fill, parts)) == [(True, first) for first in firsts]
    assert np.array_equal(np.fromfile(path), np.arange(LENGTH) + 1)


def test_a_view_comes_back_from_a_worker_as_what_it_is(pool: ProcessPoolExecutor) -> None:
    shared = in_shared_memory()
    column = pool.submit(lambda array: array[::2, 5], shared).result()
    assert np.array_equal(column, shared[::2, 5])
    shared[:] = 7
    assert (column == 7).all()


WITHOUT_NUMPY = """
import sys
from parmagic.worker.arrays import reducers
from parmagic.worker.pickling import dump
assert reducers() == {} == {**reducers()}
assert dump([1, "a"])[0]
assert "numpy" not in sys.modules
"""


def test_numpy_is_not_imported_for_its_sake(script: Callable[..., Script]) -> None:
    assert script(WITHOUT_NUMPY).end() == (0, "", "")
