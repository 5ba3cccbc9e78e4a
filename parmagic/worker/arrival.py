"""What has come through a channel: a message, and the segments that it speaks of."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from parmagic.worker.channel import Received
from parmagic.worker.memory import memory
from parmagic.worker.messages import segments_of
from parmagic.worker.segment import BESIDE, Segment, Shipped

Find = Callable[[Shipped, int | None], Segment | None]


class Arrival(NamedTuple):
    """A message, and its segments and other descriptors, held until it is closed."""

    message: Any
    segments: tuple[Segment, ...]
    descriptors: tuple[int | None, ...] = ()

    def close(self) -> None:
        """Let go of all; arrays that lie in the segments hold them by themselves."""
        if self.segments:
            memory.release(*self.segments)
        for descriptor in self.descriptors:
            if descriptor is not None:
                os.close(descriptor)


def arrive(received: Received, find: Find) -> Arrival:
    """Hold the segments that came with a message.

    Parameters
    ----------
    find
        Returns a segment that this process has, and to which a ``descriptor`` is of no use.
    """
    message, descriptors, beside = received
    segments = tuple(
        find(shipped, descriptor) or _opened(shipped, descriptor)
        for shipped, descriptor in zip(segments_of(message), descriptors, strict=True)
    )
    memory.hold(*segments)
    return Arrival(message, segments, beside)


def _opened(shipped: Shipped, descriptor: int | None) -> Segment:
    if shipped.route is BESIDE and descriptor is None:
        return LostSegment(shipped)
    return Segment.arrived(shipped, descriptor)


class LostSegment(Segment):
    """One whose descriptor did not arrive."""

    lost = True

    def __init__(self, shipped: Shipped) -> None:
        super().__init__(shipped.nbytes, -1, number=shipped.number)
        self.access = shipped.access

    def map(self, access: int = 0) -> Any:  # noqa: ARG002
        """Raise OSError."""
        raise OSError(
            errno.EMFILE,
            "too many open files: raise the limit (ulimit -n), or close what is not needed",
        )

    def read(self, start: int, nbytes: int) -> bytearray:  # noqa: ARG002
        """Raise OSError."""
        return bytearray(self.map())
