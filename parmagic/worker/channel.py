"""The private channel between the kernel and one worker.

Two one-way pipes carry messages (a round trip of 200 bytes takes 13 µs, through a
socket pair 27, through a shared queue 78), and a socket pair carries the descriptors
of segments. No other process holds an end, so a worker that dies can neither hold a
lock that others need nor leave half a message for them.
"""

from __future__ import annotations

import pickle
import socket
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from typing import TYPE_CHECKING, Any, NamedTuple

from parmagic.worker.messages import segments_of
from parmagic.worker.segment import BESIDE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from parmagic.worker.segment import Segment


class Received(NamedTuple):
    """A message, the descriptors of the segments that it speaks of, and those beside its parcel.

    One is None if it did not travel, or got lost because this process has too many.
    """

    message: Any
    descriptors: tuple[int | None, ...]
    beside: tuple[int | None, ...] = ()


class Outgoing(NamedTuple):
    """A message, the segments that it speaks of, and the descriptors beside its parcel."""

    message: tuple[Any, ...]
    segments: Sequence[Segment] = ()
    beside: Sequence[int] = ()

    def descriptors(self) -> list[int]:
        """Return what travels apart from the message."""
        pairs = zip(segments_of(self.message), self.segments, strict=False)
        of_segments = [each.descriptor for shipped, each in pairs if shipped.route is BESIDE]
        return [*of_segments, *self.beside]


# So many travel at once; Linux takes 253.
_TOGETHER = 250


class Channel:
    """One end: send messages, with or without segments, and receive the other end's."""

    def __init__(
        self, inbox: Connection, outbox: Connection, descriptors: socket.socket | None
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._descriptors = descriptors

    @classmethod
    def pair(cls, context: SpawnContext) -> tuple[Channel, Channel]:
        """Make both ends."""
        to_worker, to_kernel = context.Pipe(duplex=False), context.Pipe(duplex=False)
        sockets = (None, None) if sys.platform == "win32" else socket.socketpair()
        here = cls(to_kernel[0], to_worker[1], sockets[0])
        there = cls(to_worker[0], to_kernel[1], sockets[1])
        return here, there

    @property
    def inbox(self) -> Connection:
        """What is readable when a message has come."""
        return self._inbox

    def send(self, *outgoing: Outgoing) -> None:
        """Send messages, all at once: the other end is woken once."""
        for each in outgoing:  # go first, so that they are there in time
            if each.segments or each.beside:
                self._send_descriptors(each.descriptors())
        self._outbox.send_bytes(pickle.dumps([each.message for each in outgoing], 5))

    def _send_descriptors(self, descriptors: Sequence[int]) -> None:
        # Not one by one: the socket is full of 278, and nobody reads before the message comes.
        for start in range(0, len(descriptors), _TOGETHER):
            assert self._descriptors is not None
            together = descriptors[start : start + _TOGETHER]
            socket.send_fds(self._descriptors, [b"\0"], together)

    def receive(self) -> list[Received]:
        """Wait for messages, and return those that were sent at once.

        Raises
        ------
        EOFError, OSError
            The other end is gone.
        """
        return [self._received(message) for message in pickle.loads(self._inbox.recv_bytes())]

    def _received(self, message: Any) -> Received:
        routes = [shipped.route for shipped in segments_of(message)]
        parcel = getattr(message, "parcel", None)
        others = 0 if parcel is None else parcel.descriptors
        came = self._receive_descriptors(routes.count(BESIDE) + others)
        descriptors = [next(came) if route is BESIDE else None for route in routes]
        return Received(message, tuple(descriptors), tuple(came))

    def _receive_descriptors(self, count: int) -> Iterator[int | None]:
        for start in range(0, count, _TOGETHER):
            yield from self._receive_some(min(_TOGETHER, count - start))

    def _receive_some(self, count: int) -> list[int | None]:
        assert self._descriptors is not None
        sign, descriptors, _, _ = socket.recv_fds(self._descriptors, 1, count)
        if not sign:
            raise EOFError
        # The system drops a descriptor where the process may not have one more.
        return [*descriptors, *[None] * (count - len(descriptors))]

    def close(self) -> None:
        """Close this end."""
        self._inbox.close()
        self._outbox.close()
        if self._descriptors is not None:
            self._descriptors.close()


class SharedSender:
    """A channel's sending side for several threads, such as a task's that print."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def send(self, message: tuple[Any, ...], segments: Sequence[Segment] = ()) -> None:
        """Send ``message`` whole."""
        with self._lock:
            self._channel.send(Outgoing(message, segments))

    def try_to_send(self, message: tuple[Any, ...]) -> bool:
        """Send ``message`` if nothing else is being sent, perhaps by this thread itself.

        A signal's handler, or a ``__del__``, may print at any moment.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._channel.send(Outgoing(message, ()))
        finally:
            self._lock.release()
        return True
