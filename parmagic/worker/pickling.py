"""Objects to bytes: pickle where it suffices, cloudpickle for what lives in the notebook."""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from typing import Any

from parmagic.worker.arrays import reducers
from parmagic.worker.inheritance import Inherited
from parmagic.worker.memory import memory
from parmagic.worker.segment import PRIVATE

# From here on a buffer is cheaper in a segment: per item 626 against 356 µs at 128 KiB.
OUT_OF_BAND_BYTES = 128 * 1024

Pickled = tuple[bytes, list[pickle.PickleBuffer]]


def dump(value: Any, *, least_bytes: int = OUT_OF_BAND_BYTES, inherits: bool = False) -> Pickled:
    """Pickle ``value`` with plain pickle, or with cloudpickle where that is needed.

    An instance of a class of the notebook pickles here and fails in a worker, whose
    ``__main__`` is another one. So whatever mentions ``__main__`` goes by value. Pipes of
    multiprocessing pickle too, to what is none.

    Parameters
    ----------
    least_bytes
        Smaller buffers are part of the pickle.
    inherits
        Whether it goes to a worker of ours, which can be given queues and locks, see `inheritance`.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        body = _dumps(value, _keep_large(buffers, least_bytes))
    except Exception:
        return dump_by_value(value, least_bytes=least_bytes, inherits=inherits)
    if b"__main__" in body or b"multiprocessing." in body:
        return dump_by_value(value, least_bytes=least_bytes, inherits=inherits)
    return body, buffers


def dump_by_value(
    value: Any, *, least_bytes: int = OUT_OF_BAND_BYTES, inherits: bool = False
) -> Pickled:
    """Pickle ``value`` with cloudpickle: functions and classes of the notebook by value."""
    # 55 to 80 ms of CPU: a worker imports it when idle, see loop.
    from parmagic.worker.by_value import dumps

    buffers: list[pickle.PickleBuffer] = []
    return dumps(value, _keep_large(buffers, least_bytes), inherits=inherits), buffers


def _dumps(value: Any, buffer_callback: Callable[[pickle.PickleBuffer], bool]) -> bytes:
    for_arrays = reducers()
    if not for_arrays:
        return pickle.dumps(value, 5, buffer_callback=buffer_callback)
    with io.BytesIO() as file:
        pickler = pickle.Pickler(file, 5, buffer_callback=buffer_callback)
        pickler.dispatch_table = {**copyreg.dispatch_table, **for_arrays}
        pickler.dump(value)
        return file.getvalue()


def goes_out_of_band(raw: memoryview, least_bytes: int = OUT_OF_BAND_BYTES) -> bool:
    """Tell whether ``raw`` travels beside the pickle: it is large, or others can look at it."""
    if raw.nbytes >= least_bytes or isinstance(raw.obj, Inherited):
        return True
    return memory.shares and memory.access_of(raw) != PRIVATE


def _keep_large(
    buffers: list[pickle.PickleBuffer], least_bytes: int
) -> Callable[[pickle.PickleBuffer], bool]:
    def in_band(buffer: pickle.PickleBuffer) -> bool:
        if not goes_out_of_band(buffer.raw(), least_bytes):
            return True
        buffers.append(buffer)
        return False

    return in_band
