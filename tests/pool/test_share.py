from __future__ import annotations

import gc
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Script

from parmagic import ProcessPoolExecutor, share
from parmagic.worker.arrays import _extent_of
from parmagic.worker.memory import memory
from parmagic.worker.segment import PRIVATE, READ, WRITE

pytestmark = pytest.mark.usefixtures("nothing_held")

Pool = ProcessPoolExecutor
Make = Callable[[], Any]

N = 60_000  # numbers, of 480 kB


def numbers() -> np.ndarray:
    return np.arange(float(N))


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


ARRAYS: dict[str, Make] = {
    "in the order of C": lambda: numbers().reshape(200, 300),
    "in the order of Fortran": lambda: numbers().reshape(200, 300, order="F"),
    "every other": lambda: numbers()[::2],
    "backwards": lambda: numbers()[::-1],
    "a block": lambda: numbers().reshape(200, 300)[5:150, 7:100],
    "axes swapped": lambda: numbers().reshape(20, 30, 100).swapaxes(0, 1),
    "spread": lambda: np.broadcast_to(np.arange(300.0), (200, 300)),
    "read-only": lambda: read_only(numbers()),
    "read-only, every other": lambda: read_only(numbers()[::2]),
    "records": lambda: numbers().view([("x", "f8"), ("y", "i4"), ("z", "i4")]),
    "aligned records": lambda: np.zeros(50, np.dtype("i1,f8", align=True)),
    "a subclass": lambda: np.zeros(50, "i4,f8").view(np.recarray),
    "complex": lambda: numbers() * 1j,
    "truth values": lambda: numbers() > 5,
    "short floats": lambda: numbers().astype("f2"),
    "long floats": lambda: numbers().astype("longdouble"),
    "the other byte order": lambda: numbers().astype(">i4"),
    "moments": lambda: numbers().astype("M8[ms]"),
    "durations": lambda: numbers().astype("m8[D]"),
    "texts": lambda: np.array(["a", "bc", "def"] * 100),
    "bytes": lambda: np.array([b"a", b"bc", b"def"] * 100),
    "empty": lambda: np.zeros(0),
    "rows of nothing": lambda: np.zeros((3, 0, 2)),
    "no rows": lambda: np.zeros((0, 3)),
    "of no dimension": lambda: np.array(3.5),
    "one number": lambda: np.array([3.5]),
    "of many dimensions": lambda: np.arange(64).reshape((2,) * 6),
    "without writable memory of its own": lambda: np.frombuffer(b"abcdefgh", "u2"),
}


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)
def test_a_shared_array_is_equal_and_lies_in_memory_that_is_shared(
    make: Make, writable: bool
) -> None:
    array = make()
    shared = share(array, writable=writable)
    assert (shared.dtype, shared.shape) == (array.dtype, array.shape)
    assert np.array_equal(shared, array)
    assert shared.flags.f_contiguous or not array.flags.f_contiguous
    found = memory.find(memoryview(_extent_of(shared)[0])) if shared.size else None
    assert found is not None or not shared.size
    assert found is None or found.segment is shared.segment


@pytest.mark.parametrize("writable", [False, True])
def test_workers_get_what_was_shared(writable: bool, pool: Pool) -> None:
    odd = []
    for name, make in ARRAYS.items():
        shared = share(make(), writable=writable)

        def look(array: Any) -> tuple[Any, ...]:
            return array.dtype, array.shape, array.tobytes("A"), type(array).__name__

        as_item = pool.submit(look, shared)
        captured = pool.submit(lambda shared=shared: look(shared))
        expected = shared.dtype, shared.shape, shared.tobytes("A"), "ndarray"
        if not as_item.result() == captured.result() == expected:
            odd.append(name)
    assert odd == []


@pytest.mark.parametrize("writable", [False, True])
def test_a_worker_finds_it_where_it_is(writable: bool, pool: Pool) -> None:
    shared = share(numbers(), writable=writable)

    def lies_in_a_segment(array: np.ndarray) -> bool:
        address = array.__array_interface__["data"][0]
        for line in Path("/proc/self/maps").read_text().splitlines():
            first, last = (int(each, 16) for each in line.split()[0].split("-"))
            if first <= address < last:
                return "parmagic" in line
        return False

    assert pool.submit(lies_in_a_segment, shared).result()
    assert pool.submit(lambda: lies_in_a_segment(shared)).result()
    assert not pool.submit(lies_in_a_segment, np.zeros(10)).result()


@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)
def test_the_kernel_may_write_where_it_could_before(make: Make) -> None:
    array = make()
    shared = share(array)
    assert shared.flags.writeable or not array.flags.writeable
    assert share(array, writable=True).flags.writeable


def test_what_the_kernel_writes_is_seen_by_the_workers(pool: Pool) -> None:
    shared = share(numbers())
    first = pool.submit(lambda: float(shared[5])).result()
    shared[5] = 77
    assert (first, pool.submit(lambda: float(shared[5])).result()) == (5, 77)
    assert pool.submit(lambda array: float(array[0]), shared[5:]).result() == 77


def test_what_a_worker_writes_is_seen_by_all(pool: Pool) -> None:
    sums = share(np.zeros(20), writable=True)

    def fill(n: int) -> None:
        sums[n] = n

    def fill_view(pair: Any) -> None:
        place, n = pair
        place[...] = -n

    list(pool.map(fill, range(20)))
    assert sums.tolist() == list(range(20))
    assert pool.submit(lambda: sums.tolist()).result() == list(range(20))
    list(pool.map(fill_view, [(sums[n : n + 1], n) for n in range(20)]))
    assert sums.tolist() == [-n for n in range(20)]


@pytest.mark.parametrize(
    "view", [lambda a: a[::2], lambda a: a.reshape(2, -1).T, lambda a: a[::-3]]
)
def test_a_worker_writes_through_any_view(
    view: Callable[[np.ndarray], np.ndarray], pool: Pool
) -> None:
    shared = share(np.zeros(1000), writable=True)
    expected = np.zeros(1000)
    view(expected)[...] = 3

    def fill(array: np.ndarray) -> None:
        array[...] = 3

    pool.submit(fill, view(shared)).result()
    assert np.array_equal(shared, expected)


def write(array: np.ndarray) -> str:
    try:
        array[0] = 7
    except ValueError as error:
        return str(error)
    return ""


def test_what_is_to_be_read_refuses_to_be_written(pool: Pool) -> None:
    shared = share(numbers())

    assert "read-only" in pool.submit(write, shared).result()
    assert "read-only" in pool.submit(lambda: write(shared)).result()
    assert shared[0] == 0


def test_few_numbers_to_be_read_refuse_to_be_written_too(pool: Pool) -> None:
    assert "read-only" in why_not_written(pool)


def why_not_written(pool: Pool) -> str:
    shared = share(np.zeros(10))

    return pool.submit(write, shared).result()


def test_what_a_worker_returns_of_it_is_the_same_memory(pool: Pool) -> None:
    shared = share(numbers(), writable=True)
    part = pool.submit(lambda: shared[100:200:3]).result()
    whole = pool.submit(lambda array: array, shared).result()
    shared[:] = 7
    assert (part == 7).all()
    assert (whole == 7).all()


def test_after_the_block_workers_keep_what_they_write(pool: Pool) -> None:
    def write(array: np.ndarray) -> float:
        array[0] = 7
        return float(array[0])

    with share(numbers(), writable=True) as shared:
        assert pool.submit(write, shared).result() == 7
        assert shared[0] == 7
        shared[0] = 0
    assert pool.submit(write, shared).result() == 7
    assert shared[0] == 0


def test_items_of_a_shared_array_lie_in_it(pool: Pool) -> None:
    shared = share(np.zeros((20, 1000)), writable=True)

    def fill(row: np.ndarray) -> None:
        row += 1

    list(pool.map(fill, shared, chunksize=3))
    assert (shared == 1).all()


BYTES: dict[str, Make] = {
    "bytes": lambda: b"abc" * 1000,
    "no bytes": lambda: b"",
    "a bytearray": lambda: bytearray(b"abc" * 1000),
    "an empty bytearray": lambda: bytearray(),
    "a memoryview": lambda: memoryview(b"abcdef")[1:4],
    "a memoryview that may be written": lambda: memoryview(bytearray(b"abc")),
}


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("make", BYTES.values(), ids=BYTES)
def test_bytes_become_a_memoryview(make: Make, writable: bool) -> None:
    shared = share(make(), writable=writable)
    assert type(shared) is memoryview
    assert shared == make()
    assert bytes(shared) == bytes(make())
    assert shared.readonly == (not writable)


def test_workers_look_at_shared_bytes(pool: Pool) -> None:
    text = share(b"abc" * 100_000)
    marks = share(bytearray(26), writable=True)

    def look(n: int) -> tuple[str, int]:
        marks[n] = n
        return bytes(text[:3]).decode(), len(text)

    assert set(pool.map(look, range(26))) == {("abc", 300_000)}
    assert bytes(marks) == bytes(range(26))


ODD_VIEWS: dict[str, Make] = {
    "of numbers": lambda: memoryview(np.arange(3.0)),
    "of rows and columns": lambda: memoryview(np.ones((2, 3))),
    "with gaps": lambda: memoryview(b"abcdef")[::2],
    "backwards": lambda: memoryview(np.arange(3.0))[::-1],
    "of no dimension": lambda: memoryview(np.array(3.0)),
}


@pytest.mark.parametrize("make", ODD_VIEWS.values(), ids=ODD_VIEWS)
def test_a_memoryview_of_any_form_is_equal_when_shared(make: Make) -> None:
    shared = share(make())
    assert shared == make()
    assert (shared.format, shared.shape) == (make().format, make().shape)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 3)])
def test_an_empty_memoryview_is_shared_too(shape: tuple[int, ...]) -> None:
    assert share(memoryview(np.zeros(shape))).nbytes == 0


class Record:
    def __init__(self) -> None:
        self.name = "name"
        self.values = numbers()
        self.others = [numbers(), None]


def test_an_object_shares_the_arrays_that_it_holds() -> None:
    record = share(Record())
    assert type(record) is Record
    assert record.name == "name"
    found = [memory.find(memoryview(each)) for each in (record.values, record.others[0])]
    assert None not in found
    assert len({each.segment for each in found if each}) == 1


def test_within_an_object_an_array_in_pieces_is_copied() -> None:
    assert within_shared([numbers(), numbers()[::2]]) == [True, False]


def within_shared(arrays: list[np.ndarray]) -> list[bool]:
    return [memory.find(memoryview(array)) is not None for array in share(arrays, writable=True)]


NOT_TO_BE_SHARED: dict[str, Make] = {
    "a number": lambda: 1,
    "nothing": lambda: None,
    "text": lambda: "text",
    "a list of numbers": lambda: [1.0] * 1000,
    "objects": lambda: np.array([None, "a"]),
    "records with objects": lambda: np.zeros(3, [("a", "O")]),
    "masked": lambda: np.ma.masked_array([1, 2], [True, False]),
    "nothing at all": lambda: np.zeros(3, "V0"),
}


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("make", NOT_TO_BE_SHARED.values(), ids=NOT_TO_BE_SHARED)
def test_what_has_no_memory_to_share_is_an_error_that_says_so(make: Make, writable: bool) -> None:
    with pytest.raises(TypeError, match="cannot share a .*: arrays of numbers, frames"):
        share(make(), writable=writable)


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[s]"])
def test_few_moments_are_shared_too(dtype: str) -> None:
    share(np.zeros(3, dtype))


def test_what_cannot_be_pickled_is_an_error() -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        share([numbers(), threading.Lock()])


@pytest.mark.parametrize(
    ("which", "limit"), [(resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, 1)]
)
def test_where_there_is_no_memory_it_is_an_error_that_leaves_nothing(
    which: int, limit: int
) -> None:
    array = numbers()
    share(array)  # which imports what it needs
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (limit, hard))
    try:
        with pytest.raises(OSError, match="too large|Too many open files"):
            share(array)
    finally:
        resource.setrlimit(which, (soft, hard))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


LAST: dict[str, Callable[[Any], Any]] = {
    "itself": lambda shared: shared,
    "a slice": lambda shared: shared[5:6],
    "a view with gaps": lambda shared: shared[::-7],
    "a transposed one": lambda shared: shared.reshape(2, -1).T,
    "a memoryview": memoryview,
    "another type": lambda shared: shared.view("u1"),
    "a walk": iter,
}


@pytest.mark.parametrize("last", LAST.values(), ids=LAST)
def test_it_is_freed_with_the_last_that_looks_at_it(last: Callable[[Any], Any]) -> None:
    before = descriptors()
    shared = share(numbers())
    segment = shared.segment
    kept = last(shared)
    del shared
    gc.collect()
    assert memory.holds(segment) == 1
    del kept
    gc.collect()
    assert memory.holds(segment) == 0
    assert segment.descriptor < 0
    assert descriptors() == before


COPIES: dict[str, Callable[[Any], Any]] = {
    "a copy": lambda shared: shared.copy(),
    "a sum": lambda shared: shared + 1,
    "a number": lambda shared: shared[5],
    "a choice": lambda shared: shared[[1, 2]],
}


@pytest.mark.parametrize("made", COPIES.values(), ids=COPIES)
def test_what_is_made_of_it_does_not_keep_it(made: Callable[[Any], Any]) -> None:
    shared = share(numbers())
    segment, result = shared.segment, made(shared)
    del shared
    gc.collect()
    assert memory.holds(segment) == 0
    assert np.size(result)


def test_it_is_freed_after_the_workers_have_let_go_of_it(pool: Pool) -> None:
    shared = share(numbers(), writable=True)
    segment = shared.segment
    assert list(pool.map(lambda n, of=shared: float(of[n]), range(4))) == [0, 1, 2, 3]
    assert list(pool.map(np.sum, [shared[:2], shared[2:4]])) == [1, 5]
    del shared
    pool.shutdown()
    gc.collect()
    assert memory.holds(segment) == 0
    assert segment.descriptor < 0


def test_shared_memory_is_never_used_for_something_else(pool: Pool) -> None:
    for access in (READ, WRITE):
        shared = share(numbers(), writable=access == WRITE)
        number = shared.segment.number
        assert pool.submit(np.sum, shared).result() == numbers().sum()
        del shared
        result = pool.submit(np.zeros, N).result()
        assert number not in {segment.number for segment in memory._holds}
        del result


def test_each_share_has_memory_of_its_own() -> None:
    array = numbers()
    one, other = share(array), share(array)
    again = share(one)
    assert len({each.segment.number for each in (one, other, again)}) == 3
    one[0] = 7
    assert (array[0], other[0], again[0]) == (0, 0, 0)


def test_memory_mapped_files_are_copied(tmp_path: Path) -> None:
    file = np.memmap(tmp_path / "file", float, "w+", shape=N)
    file[:] = numbers()
    for array in (file, file[::2]):
        shared = share(array)
        assert np.array_equal(shared, array)
        assert memory.find(memoryview(shared)) is not None
    shared[0] = 7
    assert file[0] == 0


def test_in_a_worker_it_is_shared_already(pool: Pool) -> None:
    def nested(array: np.ndarray) -> bool:
        from parmagic import share

        return share(array) is array and share("text") == "text"

    assert pool.submit(nested, numbers()).result()


NESTED_POOL = """
import numpy as np
from parmagic import ProcessPoolExecutor, share

shared = share(np.arange(60_000.0))

def nested(array):
    from parmagic import ProcessPoolExecutor
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(np.sum, array).result(), pool.submit(lambda: array[5]).result()

with ProcessPoolExecutor(1) as pool:
    assert pool.submit(nested, shared).result() == (shared.sum(), 5)
"""


def test_a_worker_s_own_pool_finds_it_too(script: Callable[..., Script]) -> None:
    assert script(NESTED_POOL).end() == (0, "", "")


IMPORTED_LATER = """
import numpy as np
import parmagic
from parmagic import ProcessPoolExecutor
from parmagic.worker.memory import memory

def fn(array):
    import parmagic
    parmagic.share  # or parmagic.map
    return array.sum()

with ProcessPoolExecutor(1) as pool:
    for _ in range(10):
        assert pool.submit(fn, np.ones(300_000)).result() == 300_000
    assert pool.submit(abs, -1).result() == 1
    assert len(memory._holds) < 5, len(memory._holds)
"""


def test_a_worker_that_uses_parmagic_gives_memory_back(script: Callable[..., Script]) -> None:
    assert script(IMPORTED_LATER).end() == (0, "", "")


# Frames and tables.


def frame() -> Any:
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({"a": np.arange(N), "b": numbers(), "c": ["x", "y"] * (N // 2)})


@pytest.mark.parametrize("writable", [False, True])
def test_a_shared_frame_is_equal_in_the_workers_too(writable: bool, pool: Pool) -> None:
    pd = pytest.importorskip("pandas")
    shared = share(frame(), writable=writable)
    pd.testing.assert_frame_equal(pd.DataFrame(shared), frame())
    back, kind = pool.submit(lambda f: (f, type(f).__name__), shared).result()
    assert (type(back), kind) == (pd.DataFrame, "DataFrame")
    pd.testing.assert_frame_equal(back, frame())
    assert pool.submit(lambda: float(shared.b.sum())).result() == numbers().sum()


def test_the_numbers_of_a_shared_frame_are_not_sent(pool: Pool) -> None:
    pytest.importorskip("pandas")
    shared = share(frame()[["a", "b"]], writable=True)

    def write(part: Any) -> None:
        values = part["b"].to_numpy()
        values.flags.writeable = True  # pandas 3 gives them out to be read
        values[:] = -1

    pool.submit(write, shared).result()
    assert (shared["b"] == -1).all()


SERIES: dict[str, Callable[[Any], Any]] = {
    "floats": lambda pd: pd.Series(numbers(), name="n"),
    "integers": lambda pd: pd.Series(np.arange(N), dtype="i4"),
    "of missing values": lambda pd: pd.Series([1, None, 3] * 100, dtype="Int64"),
    "categories": lambda pd: pd.Series(["a", "b"] * 1000, dtype="category"),
    "an index": lambda pd: pd.Index(np.arange(N)),
    "with an index": lambda pd: pd.Series(numbers(), index=numbers()[::-1]),
}


@pytest.mark.parametrize("make", SERIES.values(), ids=SERIES)
def test_a_shared_series_is_equal_in_the_workers_too(
    make: Callable[[Any], Any], pool: Pool
) -> None:
    pd = pytest.importorskip("pandas")
    series = make(pd)
    shared = share(series)
    assert type(shared) is type(series)
    assert shared.equals(series)
    assert pool.submit(lambda s: s, shared).result().equals(series)


def test_an_empty_frame_cannot_be_shared() -> None:
    made = pytest.importorskip("pandas").DataFrame()
    with pytest.raises(TypeError, match="cannot share a pandas.*DataFrame"):
        share(made)


def test_moments_in_a_frame_are_shared_too() -> None:
    pd = pytest.importorskip("pandas")
    shared = share(pd.DataFrame({"n": numbers(), "t": pd.to_datetime(np.arange(N))}))
    values = shared["t"].to_numpy().view("i8")
    assert memory.find(memoryview(values)) is not None
    assert shared["t"].dt.year.max() == 1970


def test_a_shared_table_of_arrow_is_equal_in_the_workers_too(pool: Pool) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": np.arange(N), "b": ["x", None] * (N // 2)})
    shared = share(table)
    assert type(shared) is pa.Table
    assert shared.equals(table)
    column = shared["a"].chunk(0).to_numpy()
    assert memory.find(memoryview(column)) is not None
    assert pool.submit(lambda t: t, shared).result().equals(table)
    assert pool.submit(lambda: shared["a"][5].as_py()).result() == 5


def test_a_frame_of_polars_cannot_be_shared() -> None:
    pl = pytest.importorskip("polars")
    with pytest.raises(TypeError, match="cannot share a polars.*DataFrame"):
        share(pl.DataFrame({"a": [1, 2, 3]}))


def test_a_number_of_pools_look_at_the_same() -> None:
    sums = share(np.zeros(2), writable=True)

    def fill(n: int) -> None:
        sums[n] = n + 1

    with Pool(1) as one, Pool(1) as other:
        one.submit(fill, 0).result()
        other.submit(fill, 1).result()
        assert sums.tolist() == [1, 2]


def test_threads_may_share_at_a_time() -> None:
    kept: list[Any] = []

    def make(n: int) -> None:
        for _ in range(20):
            kept.append(share(np.full(100, n)))
            share(np.full(100, n), writable=True)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(each[0]) for each in kept) == sorted([0, 1, 2, 3] * 20)
    assert all((each == each[0]).all() for each in kept)
    assert all(each.segment.access != PRIVATE for each in kept)


SHARE_IN_ANY_KIND = """
import os
import numpy as np
from parmagic import ProcessPoolExecutor, share

with ProcessPoolExecutor(2) as pool:
    numbers, sums = share(np.arange(60_000.0)), share(np.zeros(10), writable=True)
    def fill(n):
        sums[n] = numbers[n:].sum()
        return numbers[n::7]
    for n, part in enumerate(pool.map(fill, range(10))):
        assert (part == np.arange(n, 60_000, 7)).all()
    assert (sums == [np.arange(n, 60_000).sum() for n in range(10)]).all()
    del numbers, sums, part, fill
leftovers = [name for name in os.listdir("/dev/shm") if f"parmagic-{os.getpid()}-" in name]
assert leftovers == [], leftovers
"""


@pytest.mark.parametrize("kind", ["memfd", "shm", "named", "file"])
def test_memory_of_any_kind_can_be_shared(
    script: Callable[..., Script], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("PARMAGIC_MEMORY", kind)
    assert script(SHARE_IN_ANY_KIND).end() == (0, "", "")


def test_memory_that_held_results_before_is_known_to_be_written_by_all(pool: Pool) -> None:
    results = list(pool.map(np.zeros, [50_000] * 4))
    del results
    gc.collect()
    memory.settle()
    shared = [share(np.zeros(50_000), writable=True) for _ in range(4)]
    assert memory.writable
    del shared
