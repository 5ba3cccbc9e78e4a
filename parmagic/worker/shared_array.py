"""An array that all processes look at; needs NumPy."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from parmagic.worker.memory import memory
from parmagic.worker.segment import Segment


class SharedArray(np.ndarray[Any, Any]):
    """What `parmagic.share` makes of an array: one like any other, and a context manager.

    At the end of its ``with`` block it is no longer shared, only an array. Views, copies and
    results of calculations are plain arrays; the views still lie in the shared memory.
    """

    segment: Segment | None = None

    @classmethod
    def of(cls, array: np.ndarray[Any, Any], segment: Segment) -> SharedArray:
        """View ``array``, whose memory is ``segment``."""
        shared = array.view(cls)
        shared.segment = segment
        return shared

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.segment is not None:
            memory.unshare(self.segment)

    def __getitem__(self, key: Any) -> Any:
        return _plain(super().__getitem__(key))

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        if array is self:  # it was changed in place
            return array
        return array[()] if return_scalar else _plain(array)

    def copy(self, order: Any = "C") -> Any:
        """Return a plain array, which is not shared."""
        return self.view(np.ndarray).copy(order)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _plain(result: Any) -> Any:
    return result.view(np.ndarray) if isinstance(result, SharedArray) else result
