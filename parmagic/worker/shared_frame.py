"""A frame that all processes look at; needs pandas."""

from __future__ import annotations

from typing import Any, Self

import pandas as pd

from parmagic.worker.memory import memory
from parmagic.worker.segment import Segment


class SharedFrame(pd.DataFrame):
    """What `parmagic.share` makes of a frame: one like any other, and a context manager.

    At the end of its ``with`` block it is no longer shared, only a frame. Whatever is made of
    it is a plain frame.
    """

    _segment: Any = None

    @classmethod
    def of(cls, frame: pd.DataFrame, segment: Segment) -> SharedFrame:
        """View ``frame``, whose columns of numbers lie in ``segment``."""
        shared = cls(frame, copy=False)
        object.__setattr__(shared, "_segment", segment)  # else it could be a column
        return shared

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        memory.unshare(self._segment)

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _itself, (pd.DataFrame(self, copy=False),)


def _itself(frame: pd.DataFrame) -> pd.DataFrame:
    return frame
