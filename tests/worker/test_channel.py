from __future__ import annotations

import os
from typing import Any

import pytest

from parmagic.worker.arrival import arrive
from parmagic.worker.channel import Channel, Outgoing, SharedSender
from parmagic.worker.messages import Forget, Run
from parmagic.worker.parcel import Parcel, Shipment, unwrap, wrap
from parmagic.worker.pickling import dump
from parmagic.worker.segment import Segment

pytestmark = pytest.mark.usefixtures("nothing_held")

Pair = tuple[Channel, Channel]


def run(parcel: Parcel, **options: Any) -> Run:
    return Run(1, 1, 0, 1, parcel, 0, **options)


def shipped(*values: object) -> list[Shipment]:
    return [wrap(*dump(value)) for value in values]


def unpacked(channel: Channel) -> list[Any]:
    """Return the values that have come."""
    values = []
    for received in channel.receive():
        arrival = arrive(received, lambda shipped, descriptor: None)
        values.append(unwrap(arrival.message.parcel, arrival.segments))
        arrival.close()
    return values


def test_messages_arrive_in_order_both_ways(pair: Pair) -> None:
    for here, there in (pair, pair[::-1]):
        here.send(Outgoing(Forget((1,))))
        here.send(Outgoing(Forget((2,))), Outgoing(Forget((3,))))
        assert [received.message for received in there.receive()] == [Forget((1,))]
        assert [received.message for received in there.receive()] == [Forget((2,)), Forget((3,))]


def test_each_message_gets_its_own_segments(pair: Pair, kind: str) -> None:
    values = [b"a" * 100_000, 1, b"b" * 100_000, b"c" * 300_000]
    for here, there in (pair, pair[::-1]):
        made = shipped(*values)
        here.send(*(Outgoing(run(each.parcel), each.segments) for each in made))
        assert unpacked(there) == values
        for each in made:
            each.close()


def test_the_loan_comes_last(pair: Pair, kind: str) -> None:
    here, there = pair
    (shipment,) = shipped(b"a" * 100_000)
    loan = Segment.holding([memoryview(b"loan")])
    message = run(shipment.parcel, loan=loan.shipped())
    here.send(Outgoing(message, (*shipment.segments, loan)))
    arrival = arrive(there.receive()[0], lambda shipped, descriptor: None)
    assert unwrap(arrival.message.parcel, arrival.segments) == b"a" * 100_000
    assert [each.number for each in arrival.segments][1:] == [loan.number]
    assert arrival.segments[1].read(0, 4) == b"loan"
    arrival.close()
    loan.close()
    shipment.close()


def test_a_message_may_have_more_segments_than_a_socket_holds(pair: Pair, kind: str) -> None:
    here, there = pair
    many = 400
    segment = Segment.holding([memoryview(b"segment")])
    segment.own(False)
    message = run(Parcel(segments=(segment.shipped(),) * many))
    here.send(Outgoing(message, (segment,) * many), Outgoing(Forget((1,))))
    received, last = there.receive()
    assert last.message == Forget((1,))
    arrival = arrive(received, lambda shipped, descriptor: None)
    assert [each.read(0, 7) for each in arrival.segments] == [b"segment"] * many
    for each in arrival.segments:
        each.own(each.named and each is arrival.segments[0])
    arrival.close()
    segment.close()


def test_many_messages_wait_for_who_is_late(pair: Pair) -> None:
    here, there = pair
    for number in range(50):
        (shipment,) = shipped([number, b"a" * 100_000])
        here.send(Outgoing(run(shipment.parcel), shipment.segments))
        shipment.close()
    for number in range(50):
        assert unpacked(there) == [[number, b"a" * 100_000]]


def test_what_was_sent_outlives_the_sender_s_interest(pair: Pair) -> None:
    here, there = pair
    (shipment,) = shipped(b"a" * 100_000)
    here.send(Outgoing(run(shipment.parcel), shipment.segments))
    shipment.close()
    here.close()
    assert unpacked(there) == [b"a" * 100_000]


def test_the_end_of_the_other_is_the_end_of_the_file(pair: Pair) -> None:
    here, there = pair
    here.send(Outgoing(Forget((1,))))
    here.close()
    assert there.receive()[0].message == Forget((1,))
    with pytest.raises(EOFError):
        there.receive()
    with pytest.raises(OSError, match="Broken pipe"):
        there.send(Outgoing(Forget((2,))))


def test_a_message_whose_segment_never_comes_is_the_end(pair: Pair) -> None:
    here, there = pair
    (shipment,) = shipped(b"a" * 100_000)
    here.send(Outgoing(run(shipment.parcel)))
    shipment.close()
    here.close()
    with pytest.raises(EOFError):
        there.receive()


def test_a_sender_for_all_threads_sends_segments_too(pair: Pair) -> None:
    here, there = pair
    (shipment,) = shipped(b"a" * 100_000)
    sender = SharedSender(here)
    sender.send(run(shipment.parcel), shipment.segments)
    sender.send(Forget((1,)))
    assert unpacked(there) == [b"a" * 100_000]
    assert there.receive()[0].message == Forget((1,))
    shipment.close()


def test_no_other_process_holds_an_end(pair: Pair) -> None:
    for channel in pair:
        for connection in (channel._inbox, channel._outbox):
            assert not os.get_inheritable(connection.fileno())
