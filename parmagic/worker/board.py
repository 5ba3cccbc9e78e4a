"""Eight-byte cells shared between the kernel and one worker.

The worker notes which item it runs at the cost of one store (60 ns); the kernel
reads it when the worker dies, and writes there which job is cancelled.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any

from parmagic.worker.segment import Segment

CHUNK = 0  # serial of the chunk that runs, or NOTHING
ITEM = 1  # index of the item that runs, or what else the worker does with the chunk
CANCELLED = 2  # the job whose items are to stop, or NOTHING
EXPIRED = 3  # the item whose time is over, or NOTHING
NOTHING = -1

# In the cell ITEM, while none runs: the function is unpickled, the items are, or the values
# are pickled. What the user's objects do in there may end the worker as well.
LOADING = -2
RECEIVING = -3
SENDING = -4
# A backend does not tell at which item it lost a worker.
SOMEWHERE = -5
# All items of the chunk wait, beside each other.
WAITING = -6

_CELLS = 8
_BYTES = 8 * _CELLS


class Board:
    """The cells, as a sequence of integers; pickles to a worker that is being spawned."""

    def __init__(self, source: Segment | str) -> None:
        self._source = source
        mapping = _named(source) if isinstance(source, str) else source.map()
        self.cells = memoryview(mapping).cast("B").cast("q")

    @classmethod
    def create(cls) -> Board:
        """Make a board on which nothing runs."""
        nothing = NOTHING.to_bytes(8, sys.byteorder, signed=True) * _CELLS
        if sys.platform == "win32":
            board = cls(f"parmagic-{os.urandom(16).hex()}")
            board.cells.cast("B")[:] = nothing
            return board
        return cls(Segment.holding([memoryview(nothing)]))

    def close(self) -> None:
        """Give up the descriptor; the cells stay readable."""
        if isinstance(self._source, Segment):
            self._source.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self._source,)


def _arrived(source: Segment | str) -> Board:
    board = Board(source)
    board.close()
    return board


def _named(name: str) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, _BYTES, tagname=name)
    raise OSError("memory is shared by name on Windows only")
