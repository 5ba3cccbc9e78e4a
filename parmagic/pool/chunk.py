"""What the dispatcher hands out, and what it says of it afterwards."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from parmagic.pool.payload import Payload
from parmagic.worker.blackbox import LastWords
from parmagic.worker.memory import Segment
from parmagic.worker.messages import Done, Printed, Run
from parmagic.worker.parcel import wrap
from parmagic.worker.pickling import dump

_serials = itertools.count(1)


class ChunkDone(NamedTuple):
    """The worker has answered; a descriptor that came along is now the listener's."""

    chunk: Chunk
    done: Done
    descriptor: int | None
    worker: int

    @property
    def nbytes(self) -> int:
        """How many bytes the items and their values had."""
        return self.chunk.run.parcel.nbytes + self.done.parcel.nbytes

    def close(self) -> None:
        """Close the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)


class ChunkLost(NamedTuple):
    """The worker died.

    Attributes
    ----------
    place
        The index of the item that it ran, or what else it did, as the board has it: `LOADING`,
        `RECEIVING`, `SENDING`. None if it had not begun the chunk.
    expired
        Whether it was killed because the item's time was over.
    """

    chunk: Chunk
    place: int | None
    worker: int
    exitcode: int | None
    last_words: LastWords
    expired: bool


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
    segment: Segment | None
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
        parcel, segment = wrap(*dump(items))
        run = Run(payload.job, next(_serials), first, len(items), parcel, hand_back_seconds)
        return cls(payload, run, segment, listener, begin)

    def close(self) -> None:
        """Give up the descriptor of the items."""
        if self.segment is not None:
            self.segment.close()
            self.segment = None
