"""What is left of a worker that died: what its item printed last, and where it was.

Both lie in anonymous memory that the kernel can read after any death, also one by SIGKILL,
when nothing could be sent any more.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

from parmagic.worker.segment import Segment

TEXT_BYTES = 4096
_HEADER_BYTES = 16
_STACK_AT = _HEADER_BYTES + TEXT_BYTES
_MOST_STACK_BYTES = 64 * 1024


class LastWords(NamedTuple):
    """What a dead worker left.

    Attributes
    ----------
    output
        The end of what its last item printed.
    stack
        Where its threads were at a fault in C code, as `faulthandler` writes it.
    """

    output: str = ""
    stack: str = ""


class BlackBox:
    """Room for a worker's last words; pickles to a worker that is being spawned."""

    def __init__(self, segment: Segment | None) -> None:
        self._segment = segment
        self._memory = memoryview(bytearray(_STACK_AT) if segment is None else segment.map())
        self._cells = self._memory[:_HEADER_BYTES].cast("q")
        self._text = self._memory[_HEADER_BYTES:_STACK_AT]

    @classmethod
    def create(cls) -> BlackBox:
        """Make an empty one. On Windows nothing of it is seen by the kernel."""
        if sys.platform == "win32":
            return cls(None)
        return cls(Segment.holding([memoryview(bytes(_STACK_AT))]))

    # For the worker.

    def install(self) -> None:
        """Have Python note its stack at a fault in C code."""
        if self._segment is None:
            return
        import faulthandler

        os.lseek(self._segment.descriptor, _STACK_AT, os.SEEK_SET)
        faulthandler.enable(self._segment.descriptor, all_threads=False)

    def begin(self) -> None:
        """Forget what was printed: an item of another job, or try, may have the same number."""
        self._cells[1] = 0

    def note(self, item: int, text: str) -> None:
        """Keep the end of what ``item`` prints (1 µs)."""
        cells = self._cells
        if cells[0] != item:
            cells[0], cells[1] = item, 0
        piece = text[-TEXT_BYTES:].encode("utf-8", "backslashreplace")[-TEXT_BYTES:]
        start = cells[1] % TEXT_BYTES
        first = piece[: TEXT_BYTES - start]
        self._text[start : start + len(first)] = first
        if len(first) < len(piece):
            self._text[: len(piece) - len(first)] = piece[len(first) :]
        cells[1] += len(piece)

    # For the kernel.

    def read(self, item: int | None) -> LastWords:
        """Return what is left of the worker, which ran ``item``."""
        return LastWords(self._output() if self._cells[0] == item else "", self._stack())

    def _output(self) -> str:
        written = self._cells[1]
        start = written % TEXT_BYTES if written > TEXT_BYTES else 0
        kept = bytes(self._text[start:]) + bytes(self._text[:start])
        return kept[:written].decode("utf-8", "ignore")

    def _stack(self) -> str:
        if self._segment is None:
            return ""
        noted = os.pread(self._segment.descriptor, _MOST_STACK_BYTES, _STACK_AT)
        return noted.strip(b"\0").decode("utf-8", "replace")

    def close(self) -> None:
        """Give up the memory and its descriptor."""
        for view in (self._cells, self._text, self._memory):
            view.release()
        if self._segment is not None:
            self._segment.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return BlackBox, (self._segment,)
