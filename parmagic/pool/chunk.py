"""What the dispatcher hands out, and what it says of it afterwards."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from parmagic.pool.payload import Payload
from parmagic.worker.blackbox import LastWords
from parmagic.worker.memory import memory
from parmagic.worker.messages import Done, Printed, Run
from parmagic.worker.parcel import Shipment
from parmagic.worker.segment import ALIGNMENT, Segment

_serials = itertools.count(1)


class ChunkDone(NamedTuple):
    """The worker has answered; the segments that its values lie in are the listener's to close.

    Attributes
    ----------
    sent, received
        When the chunk left and the answer came, as ``time.monotonic()`` tells it.
    """

    chunk: Chunk
    done: Done
    segments: tuple[Segment, ...]
    worker: int
    sent: float
    received: float

    @property
    def transfer_seconds(self) -> float:
        """How long the chunk and its answer were on their way."""
        there = self.done.started - self.sent
        back = self.received - self.done.started - self.done.worked_seconds
        return max(there, 0.0) + max(back, 0.0)

    @property
    def nbytes(self) -> int:
        """How many bytes the items and their values had."""
        return self.chunk.run.parcel.nbytes + self.done.parcel.nbytes

    def close(self) -> None:
        """Let go of the segments; arrays that lie in them hold them by themselves."""
        memory.release(*self.segments)


class ChunkLost(NamedTuple):
    """The worker died.

    Attributes
    ----------
    place
        The index of the item that it ran, or what else it did, as the board has it: `LOADING`,
        `RECEIVING`, `SENDING`; `SOMEWHERE` if nobody knows. None if it had not begun the chunk,
        or was replaced on request: then the exit code is 0.
    worker
        Its number, or what a backend calls it.
    exitcode
        None if nobody knows.
    expired
        Whether it was killed because the item's time was over.
    cause
        What a backend says of it.
    shared
        Whether the worker may have had another chunk, which is to blame.
    """

    chunk: Chunk
    place: int | None
    worker: int | str
    exitcode: int | None
    last_words: LastWords = LastWords()
    expired: bool = False
    cause: BaseException | None = None
    shared: bool = False


class ChunkDropped(NamedTuple):
    """The chunk was never sent: its job was cancelled, or the pool is closed or broken."""

    chunk: Chunk
    error: Exception | None


class ChunkPrinted(NamedTuple):
    """Items of the chunk have printed."""

    chunk: Chunk
    printed: Printed
    worker: int


def _always() -> bool:
    return True


Event = ChunkDone | ChunkLost | ChunkDropped | ChunkPrinted


@dataclass(eq=False)
class Chunk:
    """Consecutive items of a job, pickled, on their way to a worker and back.

    ``listener`` hears what becomes of it, in the dispatcher's thread: it must be quick
    and must not raise. Every chunk ends in exactly one of `ChunkDone`, `ChunkLost` and
    `ChunkDropped`. ``begin`` is asked before it is sent, and may still say no.
    """

    payload: Payload
    run: Run
    shipment: Shipment
    listener: Callable[[Event], None]
    begin: Callable[[], bool]

    @classmethod
    def of(
        cls,
        payload: Payload,
        items: Any,
        *,
        first: int,
        listener: Callable[[Event], None],
        begin: Callable[[], bool] = _always,
        hand_back_seconds: float = float("inf"),
    ) -> Chunk:
        """Pickle ``items``, a sequence whose first one has the index ``first`` in the job."""
        shipment = payload.pack(items)
        parcel = shipment.parcel
        run = Run(payload.job, next(_serials), first, len(items), parcel, hand_back_seconds)
        return cls(payload, run, shipment, listener, begin)

    @property
    def may_wait(self) -> bool:
        """Whether its items have what they can wait for others with, such as a queue."""
        return self.shipment.may_wait

    @property
    def value_bytes(self) -> int:
        """How much memory its values are likely to need, if they are large."""
        each = self.payload.value_bytes + ALIGNMENT
        return each * self.run.length + ALIGNMENT

    def close(self) -> None:
        """Let go of the items."""
        self.shipment.close()
