"""How much is sent of what items print and display: the beginning of all, and the end of a flood.

No browser survives a million lines, and nobody reads them.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

# Of an item.
ITEM_CHARACTERS = 256 * 1024
TAIL_CHARACTERS = 8 * 1024
ITEM_DISPLAYS = 100
# Of all items of a job in one worker.
JOB_CHARACTERS = 16 << 20
JOB_DISPLAY_BYTES = 64 << 20


class Allowance:
    """What the items of one job may still send from this worker.

    Parameters
    ----------
    bounded
        Whether there is a bound at all: a script may write what it likes to a file.
    """

    def __init__(self, *, bounded: bool = True) -> None:
        self.characters = JOB_CHARACTERS if bounded else sys.maxsize
        self.display_bytes = JOB_DISPLAY_BYTES
        self._item_characters = ITEM_CHARACTERS if bounded else sys.maxsize

    @property
    def for_an_item(self) -> int:
        """How many characters the next item may send."""
        return max(min(self.characters, self._item_characters), 0)

    @property
    def tail_characters(self) -> int:
        """How many of the last of them are kept of what is too much."""
        return TAIL_CHARACTERS if self.characters > 0 else 0


class Flood:
    """What an item writes beyond its allowance: counted, and the end of it kept."""

    def __init__(self, item: int, tail_characters: int) -> None:
        self.left_out = 0
        self._item = item
        self._most = tail_characters
        self._tail: deque[tuple[str, str]] = deque()
        self._kept = 0

    def add(self, kind: str, text: str) -> None:
        """Keep ``text`` for now, and let go of what is too old."""
        self._tail.append((kind, text))
        self._kept += len(text)
        while self._kept - len(self._tail[0][1]) >= self._most:
            self._drop_first()
            if not self._tail:
                break

    def _drop_first(self) -> None:
        _, text = self._tail.popleft()
        self._kept -= len(text)
        self.left_out += len(text)

    def pieces(self) -> Iterator[tuple[int, str, Any]]:
        """Tell how much was left out, and give the end."""
        self._cut()
        if self.left_out:
            yield self._item, "left_out", self.left_out
        for kind, text in self._tail:
            yield self._item, kind, text

    def _cut(self) -> None:
        surplus = self._kept - self._most
        if surplus > 0:
            kind, text = self._tail[0]
            self._tail[0] = kind, text[surplus:]
            self._kept -= surplus
            self.left_out += surplus
