from __future__ import annotations

import errno
import os
import resource
from typing import Any

import numpy as np
import pytest

from parmagic import share
from parmagic.worker.arrival import Arrival, LostSegment, arrive
from parmagic.worker.channel import Channel, Outgoing
from parmagic.worker.memory import memory
from parmagic.worker.messages import Forget, Run
from parmagic.worker.parcel import Shipment, unwrap, wrap
from parmagic.worker.pickling import dump
from parmagic.worker.segment import PRIVATE, READ, WRITE, Segment, Shipped

pytestmark = pytest.mark.usefixtures("nothing_held")

Pair = tuple[Channel, Channel]

ARRAY = np.arange(50_000.0)


def knows_none(shipped: Shipped, descriptor: int | None) -> None:
    return None


def send(channel: Channel, value: object, **options: Any) -> Shipment:
    shipment = wrap(*dump(value), **options)
    channel.send(Outgoing(Run(1, 1, 0, 1, shipment.parcel, 0), shipment.segments))
    return shipment


def value_of(arrival: Arrival) -> Any:
    return unwrap(arrival.message.parcel, arrival.segments)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_segments_are_held_until_the_arrival_is_closed(pair: Pair, kind: str) -> None:
    here, there = pair
    shipment = send(here, ARRAY)
    arrival = arrive(there.receive()[0], knows_none)
    (segment,) = arrival.segments
    assert segment is not shipment.segments[0]
    assert memory.holds(segment) == 1
    array = value_of(arrival)
    arrival.close()
    assert memory.holds(segment) == 1
    np.testing.assert_equal(array, ARRAY)
    del array
    assert memory.holds(segment) == 0
    assert segment.descriptor < 0
    shipment.close()


def test_a_message_without_segments_holds_nothing(pair: Pair) -> None:
    here, there = pair
    here.send(Outgoing(Forget((1,))))
    arrival = arrive(there.receive()[0], knows_none)
    assert (arrival.message, arrival.segments) == (Forget((1,)), ())
    arrival.close()


@pytest.mark.parametrize("access", [PRIVATE, READ, WRITE])
def test_it_is_mapped_as_the_sender_wants(pair: Pair, access: int) -> None:
    here, there = pair
    shared = share(ARRAY, writable=access == WRITE)
    if access == PRIVATE:
        with shared:
            pass
    shipment = send(here, shared)
    arrival = arrive(there.receive()[0], knows_none)
    assert arrival.segments[0].access == access
    array = value_of(arrival)
    arrival.close()
    assert array.flags.writeable == (access != READ)
    if access != READ:
        array[0] = 7
    assert shared[0] == (7 if access == WRITE else 0)
    shipment.close()


def test_what_is_known_is_not_opened_again(pair: Pair) -> None:
    here, there = pair
    shared = share(ARRAY, writable=True)
    shared.segment.known_there = True  # as in a worker, to which the kernel has sent it
    before = descriptors()
    shipment = send(here, shared, to_kernel=True)
    known = {shared.segment.number: shared.segment}
    arrival = arrive(there.receive()[0], lambda shipped, _: known[shipped.number])
    assert arrival.segments == (shared.segment,)
    assert descriptors() == before
    assert memory.holds(shared.segment) == 3
    array = value_of(arrival)
    arrival.close()
    shipment.close()
    shared[0] = 7
    assert array[0] == 7
    shared.segment.known_there = False


def test_who_knows_a_segment_gets_the_descriptor_that_is_of_no_use(pair: Pair) -> None:
    here, there = pair
    before = descriptors()
    shipment = send(here, ARRAY)
    asked: list[Shipped] = []

    def find(shipped: Shipped, descriptor: int | None) -> Segment:
        asked.append(shipped)
        assert descriptor is not None
        os.close(descriptor)
        return shipment.segments[0]

    arrival = arrive(there.receive()[0], find)
    assert arrival.segments == shipment.segments
    assert asked == list(shipment.parcel.segments)
    arrival.close()
    shipment.close()
    assert descriptors() == before


def test_a_descriptor_that_is_one_too_many_is_lost_and_nothing_else(
    pair: Pair, lowered: Any
) -> None:
    here, there = pair
    shipment, small = send(here, ARRAY), send(here, "small")
    lowest = os.dup(0)
    os.close(lowest)
    with lowered(resource.RLIMIT_NOFILE, lowest):
        arrival = arrive(there.receive()[0], knows_none)
    (segment,) = arrival.segments
    assert isinstance(segment, LostSegment)
    assert segment.lost
    assert segment.number == shipment.segments[0].number
    with pytest.raises(OSError, match="too many open files") as caught:
        value_of(arrival)
    assert caught.value.errno == errno.EMFILE
    arrival.close()
    assert memory.holds(segment) == 0
    assert value_of(arrive(there.receive()[0], knows_none)) == "small"
    shipment.close()
    small.close()


@pytest.mark.parametrize("access", [PRIVATE, READ, WRITE])
def test_a_lost_segment_can_be_neither_mapped_nor_read(access: int) -> None:
    segment = LostSegment(Shipped(7, 1000, 0, access, None))
    assert (segment.number, segment.nbytes, segment.access) == (7, 1000, access)
    for attempt in (lambda: segment.map(), lambda: segment.read(0, 5)):
        with pytest.raises(OSError, match=r"ulimit -n"):
            attempt()
    segment.close()


def test_other_segments_are_not_lost() -> None:
    segment = Segment.make(1)
    assert not segment.lost
    segment.close()
