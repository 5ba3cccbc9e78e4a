"""How pickled bytes travel: inside the message, or beside it in a segment.

::

    value --dumps--> body + buffers --wrap--> Parcel (+ Segment) ==channel==> unwrap --> value

Small parcels are part of the message. A body over `INLINE_BYTES`, or any
out-of-band buffer, goes into one segment, so that no message ever fills a pipe.
Where a segment cannot be had (no memory, no descriptors, Windows), everything is
part of the message again: slower, and it works.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from parmagic.worker.memory import Segment, live_mappings, offsets

# A pipe holds 64 KiB: a message of half of that never blocks on an idle reader.
INLINE_BYTES = 32 * 1024
_SEGMENTS_WORK = hasattr(socket, "send_fds") and hasattr(os, "pwrite")


class Parcel(NamedTuple):
    """Pickled bytes under way; ``lengths`` says how to cut the segment, if there is one."""

    body: bytes = b""
    buffers: tuple[bytes, ...] = ()
    lengths: tuple[int, ...] = ()

    @property
    def in_segment(self) -> bool:
        """Whether a descriptor travels beside the message."""
        return bool(self.lengths)

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return len(self.body) + sum(map(len, self.buffers)) + sum(self.lengths)


def wrap(body: bytes, buffers: Sequence[pickle.PickleBuffer]) -> tuple[Parcel, Segment | None]:
    """Make ``body`` and its out-of-band ``buffers`` ready to travel."""
    if not buffers and len(body) <= INLINE_BYTES:
        return Parcel(body), None
    parts = [memoryview(body), *(buffer.raw() for buffer in buffers)]
    if _SEGMENTS_WORK:
        try:
            segment = Segment.holding(parts)
        except OSError:
            pass
        else:
            return Parcel(lengths=tuple(part.nbytes for part in parts)), segment
    return Parcel(body, tuple(bytes(part) for part in parts[1:])), None


def unwrap(
    parcel: Parcel,
    descriptor: int | None,
    *,
    private: bool = False,
    load: Callable[..., Any] = pickle.loads,
) -> Any:
    """Unpickle what ``parcel`` holds; arrays lie in the segment and are writable.

    Parameters
    ----------
    descriptor
        The segment's, for a parcel that is `Parcel.in_segment`. The caller closes it.
    private
        Whether writes to the arrays stay in this process.
    load
        As `pickle.loads`.
    """
    if descriptor is None:
        return load(parcel.body, buffers=[bytearray(b) for b in parcel.buffers])
    starts, nbytes = offsets(parcel.lengths)
    memory = _memory(Segment(descriptor, nbytes), private=private)
    body, *buffers = (
        memory[start : start + length] for start, length in zip(starts, parcel.lengths, strict=True)
    )
    return load(body, buffers=buffers)


def _memory(segment: Segment, *, private: bool) -> memoryview:
    mapping = segment.map(private=private)
    if live_mappings.full:
        with mapping:
            return memoryview(bytearray(mapping))
    live_mappings.add(mapping)
    return memoryview(mapping)
