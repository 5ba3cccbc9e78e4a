from __future__ import annotations

import errno
import gc
import os
import pickle
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parmagic import share
from parmagic.worker import kinds
from parmagic.worker.memory import Found, memory
from parmagic.worker.parcel import INLINE_BYTES, Parcel, Shipment, filled, unwrap, wrap
from parmagic.worker.pickling import OUT_OF_BAND_BYTES, dump
from parmagic.worker.segment import PRIVATE, READ, WRITE, Segment

pytestmark = pytest.mark.usefixtures("nothing_held")

Travel = Callable[..., Any]

LARGE = np.arange(OUT_OF_BAND_BYTES // 2)

VALUES = {
    "none": (None, False),
    "text": ("x" * (INLINE_BYTES // 2), False),
    "long bytes": (bytes(range(256)) * (INLINE_BYTES // 256), True),
    "long text": ("aé€" * INLINE_BYTES, True),
    "small array": (np.arange(100), False),
    "large array": (LARGE, True),
    "several arrays": ([LARGE, {"b": LARGE * 2}, LARGE[:0], "text"], True),
    "arrays and a long body": ([LARGE, "x" * INLINE_BYTES, LARGE + 1], True),
    "columns": (LARGE.reshape(256, -1).T, True),
    "every other": (LARGE[::2], True),
    "bytearray": (bytearray(range(250)) * 1000, True),
}


def limits(lowered: Any) -> dict[str, Any]:
    return {
        "room": lowered(resource.RLIMIT_FSIZE, 0),
        "descriptors": lowered(resource.RLIMIT_NOFILE, 1),
    }


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared memory that is full; there is room on the disk."""

    def refuse() -> kinds.Block:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setitem(kinds.MAKERS, "full", refuse)
    monkeypatch.setattr(kinds, "KIND", "full")


@pytest.mark.parametrize("access", [None, PRIVATE, READ, WRITE])
@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_a_value_comes_back_equal(
    value: Any, in_segment: bool, access: int | None, travel: Travel
) -> None:
    parcel, back = travel(value, access=access)
    np.testing.assert_equal(back, value)
    assert len(parcel.segments) == in_segment
    assert parcel.trouble == ""


@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_segments_of_any_kind_carry_it(
    value: Any, in_segment: bool, kind: str, travel: Travel
) -> None:
    parcel, back = travel(value)
    np.testing.assert_equal(back, value)
    assert len(parcel.segments) == in_segment


@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_its_bytes_are_counted(value: Any, in_segment: bool, travel: Travel) -> None:
    parcel, _ = travel(value)
    body, buffers = dump(value)
    assert parcel.nbytes == len(body) + sum(buffer.raw().nbytes for buffer in buffers)
    assert len(parcel.body) <= INLINE_BYTES


def test_no_message_fills_a_pipe(travel: Travel) -> None:
    for value, _ in VALUES.values():
        assert len(pickle.dumps(travel(value).parcel, 5)) < 64 * 1024 - 512


@pytest.mark.parametrize("access", [None, PRIVATE, WRITE])
def test_arrays_come_back_aligned_and_writable(access: int | None, travel: Travel) -> None:
    one, other = travel([LARGE, LARGE + 1], access=access).back
    one[:] = 7
    assert other[0] == 1
    assert one.ctypes.data % 64 == other.ctypes.data % 64 == 0


@pytest.mark.parametrize("access", [None, PRIVATE, WRITE])
def test_an_array_that_may_not_be_written_stays_so(access: int | None, travel: Travel) -> None:
    fixed = LARGE.copy()
    fixed.flags.writeable = False
    assert not travel(fixed, access=access).back.flags.writeable


def test_what_is_mapped_to_read_is_not_to_be_written(travel: Travel) -> None:
    assert not travel(LARGE, access=READ).back.flags.writeable


def test_only_what_lies_in_it_keeps_a_segment(travel: Travel) -> None:
    before = len(memory._holds)
    text, array = travel(["x" * INLINE_BYTES, LARGE]).back
    assert len(memory._holds) == before + 1
    assert array[1] == 1
    del array
    gc.collect()
    assert len(memory._holds) == before
    assert text == "x" * INLINE_BYTES


@pytest.mark.parametrize("missing", ["room", "descriptors"])
@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_without_a_segment_all_travels_in_the_message(
    missing: str, value: Any, in_segment: bool, lowered: Any
) -> None:
    body, buffers = dump(value)
    gc.collect()
    with limits(lowered)[missing]:
        shipment = wrap(body, buffers)
    assert shipment.segments == shipment.parcel.segments == ()
    assert bool(shipment.parcel.trouble) == in_segment
    np.testing.assert_equal(unwrap(shipment.parcel, ()), value)


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_where_memory_is_full_a_file_carries_it(value: Any, in_segment: bool) -> None:
    shipment = wrap(*dump(value))
    assert [segment.on_disk for segment in shipment.segments] == [True] * in_segment
    assert shipment.parcel.trouble == "No space left on device" * in_segment
    np.testing.assert_equal(unwrap(shipment.parcel, shipment.segments), value)
    shipment.close()


def test_where_memory_runs_out_in_the_middle_nothing_is_left(lowered: Any) -> None:
    body, buffers = dump([LARGE, LARGE + 1])
    with lowered(resource.RLIMIT_FSIZE, LARGE.nbytes + 1000):
        shipment = wrap(body, buffers)
    assert shipment.parcel.trouble == "File too large"
    assert shipment.segments == ()
    np.testing.assert_equal(unwrap(shipment.parcel, ()), [LARGE, LARGE + 1])


@pytest.mark.parametrize(("value", "in_segment"), VALUES.values(), ids=VALUES)
def test_all_is_in_the_message_if_the_receiver_wants_it_so(value: Any, in_segment: bool) -> None:
    shipment = wrap(*dump(value), inline=True)
    assert (shipment.segments, shipment.parcel.trouble) == ((), "")
    np.testing.assert_equal(unwrap(shipment.parcel, ()), value)


def test_without_a_segment_an_array_may_be_written_if_it_could_be() -> None:
    fixed = LARGE.copy()
    fixed.flags.writeable = False
    free, back = unwrap(wrap(*dump([LARGE, fixed]), inline=True).parcel, ())
    assert (free.flags.writeable, back.flags.writeable) == (True, False)


# What lies in a segment already.


def test_a_buffer_stays_where_it_lies(travel: Travel) -> None:
    shared = share(LARGE, writable=True)
    parcel, back = travel(shared)
    assert [each.number for each in parcel.segments] == [shared.segment.number]
    back[0] = 7
    assert shared[0] == 7


def test_a_segment_is_named_once_whatever_lies_in_it(travel: Travel) -> None:
    shared = share(LARGE, writable=True)
    parcel, back = travel([shared, shared[5:], LARGE, shared[::2], "x" * INLINE_BYTES])
    assert [each.number == shared.segment.number for each in parcel.segments] == [False, True]
    np.testing.assert_equal(back[:4], [LARGE, LARGE[5:], LARGE, LARGE[::2]])
    assert memory.holds(shared.segment) == 2  # by the array, and by what came back


def test_several_segments_may_be_needed(travel: Travel) -> None:
    shared = [share(LARGE + n) for n in range(5)]
    parcel, back = travel(shared)
    assert [each.number for each in parcel.segments] == [each.segment.number for each in shared]
    np.testing.assert_equal(back, shared)


def test_a_place_can_be_given(travel: Travel) -> None:
    home = Segment.make(LARGE.nbytes + 64)
    home.write(memoryview(LARGE), 64)
    memory.hold(home)
    body, buffers = dump([LARGE, LARGE * 2])
    shipment = wrap(body, buffers, place=lambda raw: Found(home, 64) if raw[8] == 1 else None)
    assert len(shipment.segments) == 2
    assert home in shipment.segments
    np.testing.assert_equal(unwrap(shipment.parcel, shipment.segments), [LARGE, LARGE * 2])
    shipment.close()
    memory.release(home)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_if_no_place_can_be_found_nothing_is_held(failing: int) -> None:
    shared = [share(LARGE + n) for n in range(3)]
    calls = iter(range(3))

    def place(raw: memoryview) -> Found | None:
        if next(calls) == failing:
            raise RuntimeError
        return memory.find(raw)

    with pytest.raises(RuntimeError):
        wrap(*dump(shared), place=place)
    assert [memory.holds(each.segment) for each in shared] == [1, 1, 1]


def test_without_room_for_the_others_none_is_held(lowered: Any) -> None:
    shared = share(LARGE)
    body, buffers = dump([shared, LARGE])
    with lowered(resource.RLIMIT_FSIZE, 0):
        shipment = wrap(body, buffers)
    assert shipment.segments == ()
    np.testing.assert_equal(unwrap(shipment.parcel, ()), [LARGE, LARGE])
    assert memory.holds(shared.segment) == 1


# Shipments.


def test_a_shipment_holds_its_segments_until_it_is_closed() -> None:
    shipment = wrap(*dump(LARGE))
    (segment,) = shipment.segments
    assert memory.holds(segment) == 1
    shipment.close()
    assert memory.holds(segment) == 0
    assert shipment.segments == ()
    shipment.close()
    assert memory.holds(segment) == 0


def test_an_empty_shipment_is_closed_too() -> None:
    shipment = Shipment(Parcel(b"abc"))
    shipment.close()
    assert shipment.segments == ()


def test_a_segment_is_filled_and_held() -> None:
    parts = [memoryview(b"abc"), memoryview(b""), memoryview(b"de")]
    segment, trouble = filled(parts, [0, 64, 128], 192)
    assert (memory.holds(segment), trouble) == (1, "")
    assert (segment.read(0, 3), segment.read(128, 2)) == (b"abc", b"de")
    memory.release(segment)


# Too many looks.

# From Python 3.13 on, a mapping has no descriptor of its own.
COSTS_A_DESCRIPTOR = pytest.mark.skipif(sys.version_info >= (3, 13), reason="it costs none")


def test_above_the_budget_of_descriptors_arrays_are_copied(
    monkeypatch: pytest.MonkeyPatch, travel: Travel
) -> None:
    monkeypatch.setattr(memory, "_most_looks", 20)
    before = len(os.listdir("/proc/self/fd"))
    backs = [travel(LARGE + number).back for number in range(60)]
    assert memory.full
    assert len(os.listdir("/proc/self/fd")) - before <= 40
    assert [back[0] for back in backs] == list(range(60))
    backs[-1][:] = 7  # a copy may be written, too


def test_what_all_write_to_is_mapped_in_any_case(
    monkeypatch: pytest.MonkeyPatch, travel: Travel
) -> None:
    monkeypatch.setattr(memory, "_most_looks", 0)
    shared, other = share(LARGE, writable=True), share(LARGE)
    back, copied = travel([shared, other]).back
    shared[0] = other[0] = 7
    assert (back[0], copied[0]) == (7, 0)


@COSTS_A_DESCRIPTOR
def test_what_cannot_be_mapped_is_copied(lowered: Any) -> None:
    shipment = wrap(*dump(LARGE))
    twins = [Segment.arrived(each.shipped(), os.dup(each.descriptor)) for each in shipment.segments]
    with lowered(resource.RLIMIT_NOFILE, 1):
        back = unwrap(shipment.parcel, twins)
    np.testing.assert_equal(back, LARGE)
    assert memory.holds(twins[0]) == 0
    twins[0].close()
    shipment.close()


@COSTS_A_DESCRIPTOR
def test_what_all_write_to_is_no_copy_but_an_error(lowered: Any) -> None:
    shared = share(LARGE, writable=True)
    shipment = wrap(*dump(shared))
    twin = Segment.arrived(shared.segment.shipped(), os.dup(shared.segment.descriptor))
    with lowered(resource.RLIMIT_NOFILE, 1), pytest.raises(OSError, match="Too many open files"):
        unwrap(shipment.parcel, [twin])
    assert memory.holds(twin) == 0
    twin.close()
    shipment.close()


def test_what_cannot_be_unpickled_leaves_nothing_mapped() -> None:
    shipment = wrap(b"no pickle" * INLINE_BYTES, [])
    with pytest.raises(pickle.UnpicklingError):
        unwrap(shipment.parcel, shipment.segments)
    shipment.close()
