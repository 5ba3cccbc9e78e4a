from __future__ import annotations

import os
import pickle
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from parmagic.worker import parcel
from parmagic.worker.memory import LiveMappings
from parmagic.worker.parcel import INLINE_BYTES, Parcel, unwrap, wrap
from parmagic.worker.pickling import OUT_OF_BAND_BYTES, dump

LARGE = np.arange(OUT_OF_BAND_BYTES // 2)

VALUES = {
    "none": (None, False),
    "text": ("x" * (INLINE_BYTES // 2), False),
    "long bytes": (os.urandom(INLINE_BYTES), True),
    "small array": (np.arange(100), False),
    "large array": (LARGE, True),
    "several arrays": ([LARGE, {"b": LARGE * 2}, LARGE[:0], "text"], True),
    "columns": (LARGE.reshape(256, -1).T, True),
    "every other": (LARGE[::2], True),
    "bytearray": (bytearray(os.urandom(300_000)), True),
}


@contextmanager
def no_memory() -> Iterator[None]:
    with lowered(resource.RLIMIT_FSIZE, 0):
        yield


@contextmanager
def no_descriptors() -> Iterator[None]:
    with lowered(resource.RLIMIT_NOFILE, 1):
        yield


@contextmanager
def lowered(which: int, limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (soft, hard))


def there_and_back(value: Any, *, private: bool = False) -> tuple[Parcel, Any]:
    made, segment = wrap(*dump(value))
    try:
        return made, unwrap(made, segment and segment.descriptor, private=private)
    finally:
        if segment is not None:
            segment.close()


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_a_value_comes_back_equal(value: Any, in_segment: bool, private: bool) -> None:
    made, back = there_and_back(value, private=private)
    np.testing.assert_equal(back, value)
    assert made.in_segment == in_segment


@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_its_bytes_are_counted(value: Any, in_segment: bool) -> None:
    made, segment = wrap(*dump(value))
    body, buffers = dump(value)
    assert made.nbytes == len(body) + sum(buffer.raw().nbytes for buffer in buffers)
    assert len(made.body) <= INLINE_BYTES
    if segment is not None:
        segment.close()


@pytest.mark.parametrize("private", [False, True])
def test_arrays_come_back_aligned_and_writable(private: bool) -> None:
    _, (one, other) = there_and_back([LARGE, LARGE + 1], private=private)
    one[:] = 7
    assert other[0] == 1
    assert one.ctypes.data % 64 == other.ctypes.data % 64 == 0


def test_an_array_that_may_not_be_written_stays_so() -> None:
    fixed = LARGE.copy()
    fixed.flags.writeable = False
    _, back = there_and_back(fixed)
    assert not back.flags.writeable


@pytest.mark.parametrize("missing", [no_memory, no_descriptors])
@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_without_a_segment_all_travels_in_the_message(
    missing: Callable[[], Any], value: Any, in_segment: bool
) -> None:
    body, buffers = dump(value)
    with missing():
        made, segment = wrap(body, buffers)
    assert segment is None
    np.testing.assert_equal(unwrap(made, None), value)


def test_above_the_budget_of_descriptors_arrays_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = LiveMappings()
    monkeypatch.setattr(parcel, "live_mappings", live)
    before = len(os.listdir("/proc/self/fd"))
    backs = [there_and_back(LARGE + number)[1] for number in range(400)]
    assert live.full
    assert len(os.listdir("/proc/self/fd")) - before <= 256
    assert [back[0] for back in backs] == list(range(400))


def test_what_cannot_be_unpickled_leaves_nothing_mapped() -> None:
    made, segment = wrap(b"no pickle" * INLINE_BYTES, [])
    assert segment is not None
    with pytest.raises(pickle.UnpicklingError):
        unwrap(made, segment.descriptor)
    segment.close()
