"""The private channel between the kernel and one worker.

Two one-way pipes carry messages (a round trip of 200 bytes takes 13 µs, through a
socket pair 27, through a shared queue 78), and a socket pair carries the descriptors
of segments. No other process holds an end, so a worker that dies can neither hold a
lock that others need nor leave half a message for them.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from parmagic.worker.memory import Segment


class Received(NamedTuple):
    """A message, and the descriptor that came with it."""

    message: Any
    descriptor: int | None

    def close(self) -> None:
        """Close the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)


Outgoing = tuple[tuple[Any, ...], "Segment | None"]


class Channel:
    """One end: send messages, with or without a segment, and receive the other end's."""

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
        for _, segment in outgoing:  # goes first, so that it is there in time
            if segment is not None and self._descriptors is not None:
                socket.send_fds(self._descriptors, [b"\0"], [segment.descriptor])
        self._outbox.send_bytes(pickle.dumps([message for message, _ in outgoing], 5))

    def receive(self) -> list[Received]:
        """Wait for messages, and return those that were sent at once.

        Raises
        ------
        EOFError, OSError
            The other end is gone.
        """
        return [self._received(message) for message in pickle.loads(self._inbox.recv_bytes())]

    def _received(self, message: Any) -> Received:
        parcel = getattr(message, "parcel", None)
        travels_beside = parcel is not None and parcel.in_segment
        return Received(message, self._receive_descriptor() if travels_beside else None)

    def _receive_descriptor(self) -> int:
        assert self._descriptors is not None
        _, descriptors, _, _ = socket.recv_fds(self._descriptors, 1, 1)
        if not descriptors:
            raise EOFError
        return descriptors[0]

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

    def send(self, message: tuple[Any, ...], segment: Segment | None = None) -> None:
        """Send ``message`` whole."""
        with self._lock:
            self._channel.send((message, segment))
