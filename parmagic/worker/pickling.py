"""Objects to bytes: pickle where it suffices, cloudpickle for what lives in the notebook."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

# From here on a buffer is cheaper in a segment: per item 626 against 356 µs at 128 KiB.
OUT_OF_BAND_BYTES = 128 * 1024

Pickled = tuple[bytes, list[pickle.PickleBuffer]]


def dump(value: Any) -> Pickled:
    """Pickle ``value`` with plain pickle, or with cloudpickle where that is needed.

    An instance of a class of the notebook pickles here and fails in a worker, whose
    ``__main__`` is another one. So whatever mentions ``__main__`` goes by value.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        body = pickle.dumps(value, 5, buffer_callback=_keep_large(buffers))
    except Exception:
        return dump_by_value(value)
    return dump_by_value(value) if b"__main__" in body else (body, buffers)


def dump_by_value(value: Any) -> Pickled:
    """Pickle ``value`` with cloudpickle: functions and classes of the notebook by value."""
    # 55 to 80 ms of CPU: a worker imports it when idle, see loop.
    from parmagic.worker.by_value import dumps

    buffers: list[pickle.PickleBuffer] = []
    return dumps(value, _keep_large(buffers)), buffers


def _keep_large(buffers: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    def in_band(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < OUT_OF_BAND_BYTES:
            return True
        buffers.append(buffer)
        return False

    return in_band
