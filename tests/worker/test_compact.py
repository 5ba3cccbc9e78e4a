from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parmagic import share
from parmagic.worker.compact import _MOST_BYTES, Block, compact, is_block
from parmagic.worker.memory import memory

BLOCK = 128 * 1024


def array(value: float = 0, dtype: Any = float, shape: Any = 100) -> np.ndarray:
    return np.full(shape, value, dtype)


def read_only(value: Any) -> Any:
    value.flags.writeable = False
    return value


@pytest.fixture(autouse=True)
def nothing_shared() -> None:
    memory.release(memory.take(1))  # whereupon it takes note of what other tests have shared


RECORD = np.dtype([("a", "i4"), ("b", "f8")])
TEXT, BYTES_OF_TWO = np.dtype("U2"), np.dtype("S2")
SWAPPED, SWAPPED_RECORD = np.dtype(">f8"), np.dtype([("a", ">i4")])

# Lists of what is alike, and goes as one.
ALIKE: dict[str, list[Any]] = {
    "arrays": [array(n) for n in range(9)],
    "matrices": [array(n, shape=(3, 4)) for n in range(9)],
    "of one element": [array(n, shape=1) for n in range(9)],
    "whole numbers": [array(n, "i2") for n in range(9)],
    "truth values": [array(n % 2, bool) for n in range(9)],
    "complex": [array(n, complex) for n in range(9)],
    "texts": [np.array(["ab", str(n)], TEXT) for n in range(9)],
    "bytes": [np.array([b"ab", b"%d" % n], BYTES_OF_TWO) for n in range(9)],
    "records": [np.zeros(3, RECORD) for n in range(9)],
    "as large as they may be": [array(n, "u1", _MOST_BYTES) for n in range(4)],
    "views of others": list(np.arange(40.0).reshape(10, 4)),
    "as few as they may be": [array(n) for n in range(4)],
    "floats": [np.float64(n) for n in range(9)],
    "short floats": [np.float16(n) for n in range(9)],
    "single floats": [np.float32(n) for n in range(9)],
    "long floats": [np.longdouble(n) / 3 for n in range(9)],
    "short integers": [np.int8(n) for n in range(9)],
    "integers": [np.int64(n) for n in range(9)],
    "unsigned integers": [np.uint64(2**64 - 1 - n) for n in range(9)],
    "booleans": [np.bool_(n % 2) for n in range(9)],
    "complex numbers": [np.complex64(n + 1j) for n in range(9)],
    "odd floats": [np.float64(x) for x in (np.nan, np.inf, -np.inf, -0.0)],
}

TWICE = array()

# Lists that look as if they were alike.
UNLIKE: dict[str, list[Any]] = {
    "the same array twice": [array(), TWICE, array(), TWICE],
    "one that may not be written": [array(), read_only(array()), array(), array()],
    "all of which may not be written": [read_only(array()) for _ in range(9)],
    "in the order of Fortran": [np.ones((3, 4), order="F") for _ in range(9)],
    "not in one piece": [array()[::2] for _ in range(9)],
    "reversed": [array()[::-1] for _ in range(9)],
    "of no dimension": [np.array(float(n)) for n in range(9)],
    "of no size": [array(shape=0) for _ in range(9)],
    "of objects": [np.array([None, n]) for n in range(9)],
    "of records with objects": [np.zeros(2, [("a", "O")]) for _ in range(9)],
    "of another shape": [array(), array(), array(), array(shape=(100, 1))],
    "of another length": [array(), array(), array(), array(shape=99)],
    "of another type": [array(), array(), array(), array(dtype="f4")],
    "an array and a list": [array(), array(), array(), [0.0] * 100],
    "an array and a subclass": [array(), array(), array(), array().view(np.recarray)],
    "of a subclass": [np.zeros(3, RECORD).view(np.recarray) for _ in range(9)],
    "masked": [np.ma.masked_array([n, 2], [True, False]) for n in range(9)],
    "too few": [array(n) for n in range(3)],
    "one": [array()],
    "too large": [array(n, "u1", _MOST_BYTES + 1) for n in range(4)],
    "numbers of two types": [np.float64(1), np.float64(2), np.float64(3), np.float32(4)],
    "numbers of two kinds": [np.float64(1), 2.0, 3, None],
    "numbers of Python": [1.0, 2.0, 3.0, 4.0],
    "moments": [np.datetime64(n, "s") for n in range(9)],
    "moments of two units": [np.datetime64(1, u) for u in ("s", "ms", "D", "Y")],
    "texts of NumPy": [np.str_(n) for n in range(9)],
    "records": [np.zeros(1, RECORD)[0] for _ in range(9)],
}


def assert_alike(back: Any, value: Any) -> None:
    assert type(back) is type(value)
    if isinstance(value, list):
        assert len(back) == len(value)
        for one, other in zip(back, value, strict=True):
            assert_alike(one, other)
    elif isinstance(value, np.ndarray | np.generic):
        assert (back.dtype, back.shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(back, value)
        if isinstance(value, np.ndarray):
            assert back.flags.writeable == value.flags.writeable
            assert back.flags.c_contiguous or not value.flags.c_contiguous
    else:
        assert back == value


@pytest.mark.parametrize("values", ALIKE.values(), ids=ALIKE)
def test_what_is_alike_goes_as_one_and_comes_back_as_it_was(
    values: list[Any], travel: Callable[..., Any]
) -> None:
    together = compact(values)
    assert together is not values
    assert_alike(travel(together).back, values)


@pytest.mark.parametrize("values", UNLIKE.values(), ids=UNLIKE)
def test_what_is_not_alike_goes_as_ever(values: list[Any], travel: Callable[..., Any]) -> None:
    assert compact(values) is values
    assert_alike(travel(compact(values)).back, values)


def test_the_same_array_twice_comes_back_as_one(travel: Callable[..., Any]) -> None:
    back = travel(compact(UNLIKE["the same array twice"])).back
    assert back[1] is back[3]
    assert back[0] is not back[2]


def test_an_array_that_is_kept_keeps_few_others(travel: Callable[..., Any]) -> None:
    back = travel(compact([array(n, "u1", 1000) for n in range(200)])).back
    assert {each.base.nbytes for each in back} == {65 * 1000, 5 * 1000}
    back[7][:] = 99
    assert [each[0] for each in back] == [*range(7), 99, *range(8, 200)]


@pytest.mark.parametrize("nbytes", [33_000, _MOST_BYTES])
def test_a_large_one_keeps_none(nbytes: int, travel: Callable[..., Any]) -> None:
    back = travel(compact([array(n, "u1", nbytes) for n in range(9)])).back
    assert all(each.base is None and each.flags.owndata for each in back)


def test_they_take_less_room(travel: Callable[..., Any]) -> None:
    values = [array(n, shape=2) for n in range(1000)]
    assert travel(compact(values)).parcel.nbytes < travel(values).parcel.nbytes / 2


def test_minus_zero_and_the_content_of_nan_stay(travel: Callable[..., Any]) -> None:
    odd = [np.uint64(0x7FF8000000000123).view("f8"), *map(np.float64, (-0.0, 0.0, np.nan))]
    back = travel(compact(odd)).back
    assert [each.tobytes() for each in back] == [each.tobytes() for each in odd]


class Metres(np.float64):
    pass


# What would come back as something else if it went as one.
HARD: dict[str, list[Any]] = {
    "arrays in the other byte order": [array(n, SWAPPED) for n in range(9)],
    "records in the other byte order": [np.zeros(2, SWAPPED_RECORD) for n in range(9)],
}


@pytest.mark.parametrize("values", HARD.values(), ids=HARD)
def test_types_stay_what_they_are(values: list[Any], travel: Callable[..., Any]) -> None:
    assert_alike(travel(compact(values)).back, values)


def test_numbers_of_other_classes_go_as_ever() -> None:
    values = [Metres(n) for n in range(9)]
    assert compact(values) is values


def test_what_a_type_says_of_itself_stays(travel: Callable[..., Any]) -> None:
    noted = np.dtype("f8", metadata={"unit": "m"})
    back = travel(compact([array(n, noted) for n in range(9)])).back
    assert back[0].dtype.metadata == {"unit": "m"}


def test_while_there_is_memory_to_be_written_none_is_copied() -> None:
    values = [array(n) for n in range(9)]
    sums = share(array(), writable=True)
    assert compact(values) is values
    del sums
    assert compact(values) is not values


NO_LISTS = {
    "nothing": [],
    "tuple": (array(1), array(2), array(3), array(4)),
    "array": np.zeros((9, 9)),
    "range": range(9),
    "none": None,
    "generator of lists": type("Items", (list,), {})([array(n) for n in range(9)]),
}


@pytest.mark.parametrize("values", NO_LISTS.values(), ids=NO_LISTS)
def test_only_lists_are_looked_into(values: Any) -> None:
    assert compact(values) is values


BYTES: dict[str, list[Any]] = {
    "bytes": [b"a" * BLOCK, b"b" * BLOCK],
    "one": [b"a" * BLOCK],
    "bytearrays": [bytearray(BLOCK), bytearray(BLOCK)],
    "long and short": [b"a", b"b" * BLOCK, b"", b"c" * (BLOCK - 1)],
    "bytes and others": [b"a" * BLOCK, None, "text", 1.5, array(dtype="u1", shape=BLOCK)],
    "bytes and bytearray": [b"a" * BLOCK, bytearray(b"b" * BLOCK)],
}


@pytest.mark.parametrize("values", BYTES.values(), ids=BYTES)
def test_bytes_come_back_as_they_were(values: list[Any], travel: Callable[..., Any]) -> None:
    assert_alike(travel(compact(values)).back, values)


@pytest.mark.parametrize("make", [bytes, bytearray])
@pytest.mark.parametrize(
    ("nbytes", "apart"), [(BLOCK - 1, False), (BLOCK, True), (3 * BLOCK, True)]
)
def test_long_bytes_are_no_part_of_the_pickle(
    make: type, nbytes: int, apart: bool, travel: Callable[..., Any]
) -> None:
    assert is_block(make(nbytes)) == apart
    parcel, back = travel(compact([make(nbytes), make(10)]))
    assert back == [make(nbytes), make(10)]
    assert any(len(parcel.body) < part.nbytes == nbytes for part in parcel.buffers) == apart


def test_other_things_are_no_blocks() -> None:
    class Named(bytes):
        pass

    others = ["a" * BLOCK, memoryview(bytes(BLOCK)), Named(BLOCK), array(shape=BLOCK), [0] * BLOCK]
    assert not any(map(is_block, others))


@pytest.mark.parametrize("make", [bytes, bytearray])
def test_the_same_bytes_twice_come_back_as_one(make: type, travel: Callable[..., Any]) -> None:
    block, equal = make(BLOCK), make(BLOCK)
    parcel, back = travel(compact([block, equal, block]))
    assert back[0] is back[2]
    assert back[0] is not back[1]
    assert parcel.nbytes < 3 * BLOCK


def test_a_block_that_comes_back_may_be_written_if_it_could_be(
    travel: Callable[..., Any],
) -> None:
    block = bytearray(BLOCK)
    back = travel([Block(block)]).back[0]
    back += b"more"
    back[0] = 1
    assert (len(back), block[0]) == (BLOCK + 4, 0)
