from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import pytest

from parmagic.worker.channel import Channel
from parmagic.worker.messages import Forget, Run
from parmagic.worker.parcel import unwrap, wrap
from parmagic.worker.pickling import dump

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    both = Channel.pair(multiprocessing.get_context("spawn"))
    yield both
    for channel in both:
        channel.close()


def test_messages_arrive_in_order_both_ways(pair: Pair) -> None:
    for here, there in (pair, pair[::-1]):
        here.send((Forget((1,)), None))
        here.send((Forget((2,)), None), (Forget((3,)), None))
        assert [received.message for received in there.receive()] == [Forget((1,))]
        assert [received.message for received in there.receive()] == [Forget((2,)), Forget((3,))]


def test_each_message_gets_its_own_segment(pair: Pair) -> None:
    here, there = pair
    values = [b"a" * 100_000, 1, b"b" * 100_000, b"c" * 300_000]
    made = [wrap(*dump(value)) for value in values]
    here.send(*((Run(1, 1, 0, 1, parcel, 0), segment) for parcel, segment in made))
    for _, segment in made:
        if segment is not None:
            segment.close()
    for value, received in zip(values, there.receive(), strict=True):
        assert unwrap(received.message.parcel, received.descriptor) == value
        received.close()


def test_the_end_of_the_other_is_the_end_of_the_file(pair: Pair) -> None:
    here, there = pair
    here.send((Forget((1,)), None))
    here.close()
    assert there.receive()[0].message == Forget((1,))
    with pytest.raises(EOFError):
        there.receive()
    with pytest.raises(OSError, match="Broken pipe"):
        there.send((Forget((2,)), None))


def test_a_message_whose_segment_never_comes_is_the_end(pair: Pair) -> None:
    here, there = pair
    parcel, segment = wrap(*dump(b"a" * 100_000))
    assert segment is not None
    segment.close()
    here.send((Run(1, 1, 0, 1, parcel, 0), None))
    here.close()
    with pytest.raises(EOFError):
        there.receive()


def test_no_other_process_holds_an_end(pair: Pair) -> None:
    for channel in pair:
        for connection in (channel._inbox, channel._outbox):
            assert not os.get_inheritable(connection.fileno())
