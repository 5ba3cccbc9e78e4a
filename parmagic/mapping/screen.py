"""What stays to be read of text that moves a terminal's cursor, as progress bars do."""

from __future__ import annotations

import re

_MOVES = re.compile(r"(\r|\n|\x1b\[\d*A|\x1b\[\d*K|\x08)")


def settle(text: str) -> str:
    """Return ``text`` as a terminal shows it in the end: what was written over is gone."""
    if "\r" not in text and "\x1b[" not in text and "\b" not in text:
        return text
    screen = _Screen()
    for piece in _MOVES.split(text):
        screen.take(piece)
    return "\n".join(line.rstrip() for line in screen.lines)


class _Screen:
    """Lines, and a cursor."""

    def __init__(self) -> None:
        self.lines = [""]
        self._row = self._column = 0

    def take(self, piece: str) -> None:
        if _MOVES.fullmatch(piece):
            self._move(piece)
        elif piece:
            line = self.lines[self._row].ljust(self._column)
            end = self._column + len(piece)
            self.lines[self._row] = line[: self._column] + piece + line[end:]
            self._column = end

    def _move(self, piece: str) -> None:
        if piece == "\n":
            self._row, self._column = self._row + 1, 0
            self.lines.extend([""] * (self._row + 1 - len(self.lines)))
        elif piece == "\r":
            self._column = 0
        elif piece == "\b":
            self._column = max(self._column - 1, 0)
        elif piece.endswith("A"):
            self._row = max(self._row - int(piece[2:-1] or 1), 0)
        else:
            self.lines[self._row] = self.lines[self._row][: self._column]
