"""How pickled bytes travel: inside the message, or beside it in shared memory.

::

    value ──dumps──▶ body + buffers ──wrap──▶ Shipment: Parcel + segments
                                                  │        ═ channel ═
    value ◀──loads── body + buffers ◀──unwrap─────┘

Small parcels are part of the message. A body over `INLINE_BYTES`, and the buffers that were
pickled out of band, go into one segment, so that no message ever fills a pipe; a buffer that
lies in a segment already stays there, and the parcel only says where. Where a segment cannot
be had, there is a file, and without that everything is part of the message again: slower,
and it works.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from parmagic.worker import collector
from parmagic.worker.direct import Direct
from parmagic.worker.inheritance import Attached, Handle, Inherited, attach, numbered
from parmagic.worker.memory import Found, memory
from parmagic.worker.segment import WRITE, Segment, Shipped, offsets

# A pipe holds 64 KiB: a message of half of that never blocks on an idle reader.
INLINE_BYTES = 32 * 1024

Place = Callable[[memoryview], Found | None]


class Extent(NamedTuple):
    """A part of the parcel's segment with this number."""

    segment: int
    start: int
    nbytes: int


class Parcel(NamedTuple):
    """Pickled bytes under way.

    Attributes
    ----------
    body
        The pickle; empty where it lies in a segment: then it comes first in ``buffers``.
    buffers
        What was pickled out of band.
    segments
        Where all that lies which is not here.
    trouble
        Why a segment could not be had, if one was needed.
    descriptors
        How many others come beside it.
    """

    body: bytes = b""
    buffers: tuple[bytes | Extent | Attached, ...] = ()
    segments: tuple[Shipped, ...] = ()
    trouble: str = ""
    descriptors: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return len(self.body) + sum(map(_length, self.buffers))


def _length(part: bytes | Extent | Attached) -> int:
    if isinstance(part, Attached):
        return 0
    return part.nbytes if isinstance(part, Extent) else len(part)


class Shipment:
    """A parcel, and what is held for it until it is closed: segments, and what is inherited.

    Attributes
    ----------
    may_wait
        Whether items that have it can wait for each other with it, see `inheritance`.
    """

    may_wait = False

    def __init__(
        self,
        parcel: Parcel | Direct,
        segments: Sequence[Segment] = (),
        inherited: Sequence[Inherited] = (),
    ) -> None:
        self.parcel = parcel
        self.segments = tuple(segments)
        self._inherited = tuple(inherited)

    @property
    def descriptors(self) -> list[int]:
        """What is to be sent beside the parcel."""
        each = (inherited.descriptor for inherited in self._inherited)
        return [descriptor for descriptor in each if descriptor is not None]

    def close(self) -> None:
        """Let go of all."""
        self._inherited = ()
        segments, self.segments = self.segments, ()
        if segments:
            memory.release(*segments)


def wrap(
    body: bytes,
    buffers: Sequence[pickle.PickleBuffer] = (),
    *,
    place: Place = memory.find,
    inline: bool = False,
    to_kernel: bool = False,
) -> Shipment:
    """Make ``body`` and its out-of-band ``buffers`` ready to travel.

    Parameters
    ----------
    place
        Tells where a buffer lies already.
    inline
        Put all into the message: the receiver has no descriptors left.
    to_kernel
        Whether a worker sends it to the kernel, which has some of the segments already.
    """
    if not buffers and (inline or len(body) <= INLINE_BYTES):
        return Shipment(Parcel(body))
    raw = [buffer.raw() for buffer in buffers]
    plain, inherited = attach(raw)
    shipment = _packed(body, plain, place, inline=inline, to_kernel=to_kernel)
    return _with_inherited(shipment, raw, inherited) if inherited else shipment


def _with_inherited(
    shipment: Shipment, raw: Sequence[memoryview], inherited: Sequence[Inherited]
) -> Shipment:
    parcel = shipment.parcel
    assert isinstance(parcel, Parcel)
    buffers = tuple(numbered(raw, parcel.buffers))
    whole = Shipment(parcel, shipment.segments, inherited)
    whole.parcel = parcel._replace(buffers=buffers, descriptors=len(whole.descriptors))
    return whole


def _packed(
    body: bytes, raw: Sequence[memoryview], place: Place, *, inline: bool, to_kernel: bool
) -> Shipment:
    if inline:
        return Shipment(_in_message(body, raw, ""))
    packing = _Packing()
    try:
        packing.pack(body, raw, place)
    except OSError as error:
        packing.close()
        return Shipment(_in_message(body, raw, error.strerror or str(error)))
    except BaseException:
        packing.close()
        raise
    return Shipment(packing.parcel(to_kernel=to_kernel), packing.segments)


def _in_message(body: bytes, raw: Sequence[memoryview], trouble: str) -> Parcel:
    return Parcel(body, tuple(map(bytes, raw)), trouble=trouble)


class _Packing:
    """Find a place for each part of a parcel."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self._body = b""
        self._extents: list[bytes | Extent] = []
        self._trouble = ""

    def pack(self, body: bytes, raw: Sequence[memoryview], place: Place) -> None:
        found = [place(part) for part in raw]
        homeless = [part for part, home in zip(raw, found, strict=True) if home is None]
        if len(body) > INLINE_BYTES or homeless:
            placed = self._place([memoryview(body), *homeless])
            self._extents.append(next(placed))
        else:
            self._body, placed = body, iter(())
        for part, home in zip(raw, found, strict=True):
            self._extents.append(next(placed) if home is None else self._extent(part, home))

    def _place(self, parts: Sequence[memoryview]) -> Iterator[Extent]:
        starts, nbytes = offsets(part.nbytes for part in parts)
        segment, self._trouble = filled(parts, starts, nbytes)
        number = self._number(segment)
        return (
            Extent(number, start, part.nbytes) for part, start in zip(parts, starts, strict=True)
        )

    def _extent(self, part: memoryview, home: Found) -> Extent:
        memory.hold(home.segment)
        return Extent(self._number(home.segment), home.start, part.nbytes)

    def _number(self, segment: Segment) -> int:
        """Return the segment's number in the parcel, which takes over a hold on it."""
        if segment in self.segments:
            memory.release(segment)
            return self.segments.index(segment)
        self.segments.append(segment)
        return len(self.segments) - 1

    def parcel(self, *, to_kernel: bool) -> Parcel:
        shipped = tuple(segment.shipped(to_kernel=to_kernel) for segment in self.segments)
        return Parcel(self._body, tuple(self._extents), shipped, self._trouble)

    def close(self) -> None:
        memory.release(*self.segments)


def filled(parts: Sequence[memoryview], starts: Sequence[int], nbytes: int) -> tuple[Segment, str]:
    """Return a held segment with ``parts`` at ``starts``; and why it is a file, if it is.

    Raises
    ------
    OSError
        Neither is to be had.
    """
    try:
        return _filled(memory.take(nbytes), parts, starts), ""
    except OSError as error:
        return _filled_file(parts, starts, nbytes, error), error.strerror or str(error)


def _filled_file(
    parts: Sequence[memoryview], starts: Sequence[int], nbytes: int, reason: OSError
) -> Segment:
    try:
        file = Segment.make_file(nbytes)
        memory.hold(file)
        return _filled(file, parts, starts)
    except OSError:
        raise reason from None


def _filled(segment: Segment, parts: Sequence[memoryview], starts: Sequence[int]) -> Segment:
    try:
        segment.fill(parts, starts)
    except BaseException:
        memory.release(segment, clean=False)
        raise
    return segment


def unwrap(
    parcel: Parcel | Direct,
    segments: Sequence[Segment],
    *,
    descriptors: Sequence[int | None] = (),
    access: int | None = None,
    load: Callable[..., Any] = pickle.loads,
) -> Any:
    """Unpickle what ``parcel`` holds; arrays stay where they are, in the segments.

    Parameters
    ----------
    segments
        Those that the parcel speaks of. Whatever is made of them holds them by itself.
    descriptors
        Those that came beside it, likewise.
    access
        How to map them; by default as each wants it.
    load
        As `pickle.loads`.

    Raises
    ------
    OSError
        There are no descriptors to map memory that is to be written by all.
    """
    if isinstance(parcel, Direct):
        return parcel.value
    if not parcel.buffers:
        return load(parcel.body)
    windows = [_Window(segment, access or segment.access) for segment in segments]
    buffers = [_buffer(part, windows, descriptors) for part in parcel.buffers]
    del windows  # what no array looks at need not be held any longer
    if parcel.body:
        return load(parcel.body, buffers=buffers)
    with collector.paused():
        return load(buffers.pop(0), buffers=buffers)


def _buffer(
    part: bytes | Extent | Attached,
    windows: Sequence[_Window],
    descriptors: Sequence[int | None],
) -> Any:
    if isinstance(part, Extent):
        return windows[part.segment].part(part)
    if isinstance(part, Attached):
        return Handle(None if part.number is None else descriptors[part.number])
    return bytearray(part)


class _Window:
    """A segment as seen by one parcel: mapped, or copied where too many are mapped."""

    def __init__(self, segment: Segment, access: int) -> None:
        self._segment = segment
        self._look: memoryview | None = None
        if segment.access == WRITE or not memory.full:
            try:
                self._look = memoryview(memory.look(segment, access)).cast("B")
            except OSError:
                if segment.access == WRITE:  # a copy would be no substitute
                    raise

    def part(self, extent: Extent) -> memoryview | bytearray:
        if self._look is not None:
            return self._look[extent.start : extent.start + extent.nbytes]
        return self._segment.read(extent.start, extent.nbytes)
