"""Put an object into memory that all processes look at."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any, TypeVar

from parmagic.pool import idle  # noqa: F401  # which gives back what is free
from parmagic.worker import arrays
from parmagic.worker.inheritance import is_seen_by_all
from parmagic.worker.loaded import loaded
from parmagic.worker.loop import inside_worker
from parmagic.worker.memory import memory
from parmagic.worker.parcel import filled
from parmagic.worker.pickling import Pickled, dump
from parmagic.worker.segment import READ, WRITE, Segment, offsets
from parmagic.worker.text import full_type_name

T = TypeVar("T")


def share(value: T, *, writable: bool = False) -> T:
    """Return an equal object whose memory all workers look at; nothing is sent any more.

    ::

        images = parmagic.share(images)                             # to read
        sums = parmagic.share(np.zeros(len(images)), writable=True) # to be filled

    Any function may use it, as a variable or as an item, whole or in slices, and each worker
    finds it where it is. What the kernel changes in it is seen by the workers; what they change
    is not possible, unless it is ``writable``, and then seen by all at once: let each item
    write to a place of its own.

    The memory is given back when the last reference is gone. As a context manager, it is no
    longer shared after the block, and an ordinary object.

    Parameters
    ----------
    value
        An array, a frame, an Arrow table, bytes, or whatever pickles its memory out of band
        (PEP 574). Bytes become a `memoryview`. Text and other objects within are copied as ever.
    writable
        Whether the workers may write to it.

    Raises
    ------
    TypeError
        There is no memory in it that could be shared.
    OSError
        There is not enough memory.
    """
    if inside_worker():  # where its own memory does as well
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return _share_bytes(value, writable=writable)  # type: ignore[return-value]
    body, buffers = _pickled(value, writable=writable)
    if not buffers:
        raise TypeError(
            f"cannot share a {full_type_name(value)}: arrays of numbers, frames, Arrow tables"
            " and bytes have memory that processes can share"
        )
    parts, segment = _in_memory([buffer.raw() for buffer in buffers], writable=writable)
    return _as_manager(pickle.loads(body, buffers=parts), segment)  # type: ignore[no-any-return]


def is_written_by_all(value: object) -> bool:
    """Tell whether what a worker writes to ``value`` is seen here.

    So it is with what was shared to be written, with arrays in mapped files, and with what
    multiprocessing makes for several processes.
    """
    numpy, pandas = loaded("numpy"), loaded("pandas")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return arrays.is_written_by_all(value)
    if isinstance(value, memoryview):
        return value.contiguous and memory.access_of(value) == WRITE
    if pandas is not None and isinstance(value, pandas.DataFrame):
        segment = getattr(value, "_segment", None)
        return isinstance(segment, Segment) and segment.access == WRITE
    return is_seen_by_all(value)


def _share_bytes(value: Any, *, writable: bool) -> memoryview:
    view = memoryview(value)
    flat = view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())
    (part,), _ = _in_memory([flat], writable=writable)
    if view.nbytes and view.format != "B":
        part = part.cast(view.format, view.shape)  # type: ignore[call-overload]
    return part if writable else part.toreadonly()


def _pickled(value: Any, *, writable: bool) -> Pickled:
    numpy = loaded("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        value = _in_one_piece(value, writable=writable)
    return dump(value, least_bytes=0)


def _in_one_piece(array: Any, *, writable: bool) -> Any:
    """Return a plain array that NumPy pickles without a copy."""
    import numpy as np

    plain = array if isinstance(array, np.ma.MaskedArray) else array.view(np.ndarray)
    in_file = isinstance(array, np.memmap) or isinstance(array.base, np.memmap)
    if plain.flags.forc and not in_file and (plain.flags.writeable or not writable):
        return plain
    return plain.copy("K")


def _in_memory(parts: Sequence[memoryview], *, writable: bool) -> tuple[list[memoryview], Segment]:
    starts, nbytes = offsets(part.nbytes for part in parts)
    segment, _ = filled(parts, starts, nbytes)
    try:
        segment.access = WRITE if writable else READ
        window = memoryview(memory.look(segment, WRITE)).cast("B")
    finally:
        memory.release(segment)  # from here on its mapping holds it
    slices = [
        window[start : start + part.nbytes] for start, part in zip(starts, parts, strict=True)
    ]
    return slices, segment


def _as_manager(value: Any, segment: Segment) -> Any:
    numpy, pandas = loaded("numpy"), loaded("pandas")
    if numpy is not None and type(value) is numpy.ndarray:
        from parmagic.worker.shared_array import SharedArray

        return SharedArray.of(value, segment)
    if pandas is not None and type(value) is pandas.DataFrame:
        from parmagic.worker.shared_frame import SharedFrame

        return SharedFrame.of(value, segment)
    return value
