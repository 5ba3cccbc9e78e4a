from __future__ import annotations

import multiprocessing
import os
import pickle
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
        for number in range(5):
            here.send(Forget((number,)))
        assert [there.receive().message for _ in range(5)] == [Forget((n,)) for n in range(5)]


def test_each_message_gets_its_own_segment(pair: Pair) -> None:
    here, there = pair
    values = [b"a" * 100_000, 1, b"b" * 100_000, b"c" * 300_000]
    for value in values:
        parcel, segment = wrap(*dump(value))
        here.send(Run(1, 1, 0, 1, parcel, 0), segment)
        if segment is not None:
            segment.close()
    for value in values:
        received = there.receive()
        assert unwrap(received.message.parcel, received.descriptor) == value
        received.close()


def test_the_end_of_the_other_is_the_end_of_the_file(pair: Pair) -> None:
    here, there = pair
    here.send(Forget((1,)))
    here.close()
    assert there.receive().message == Forget((1,))
    with pytest.raises(EOFError):
        there.receive()
    with pytest.raises(OSError, match="Broken pipe"):
        there.send(Forget((2,)))


def test_a_message_whose_segment_never_comes_is_the_end(pair: Pair) -> None:
    here, there = pair
    parcel, segment = wrap(*dump(b"a" * 100_000))
    assert segment is not None
    segment.close()
    here._outbox.send_bytes(pickle.dumps(Run(1, 1, 0, 1, parcel, 0)))
    here.close()
    with pytest.raises(EOFError):
        there.receive()


def test_no_other_process_holds_an_end(pair: Pair) -> None:
    for channel in pair:
        for connection in (channel._inbox, channel._outbox):
            assert not os.get_inheritable(connection.fileno())
