"""What a function prints, noted by item and sent to the kernel.

The streams are replaced once, when the worker starts: 3 µs for a printed item, and
nothing for a silent one. Text leaves with the chunk's outcome, or before it once
there is much of it or it has waited for a while.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable

from parmagic.worker.blackbox import BlackBox
from parmagic.worker.board import ITEM

FLUSH_CHARACTERS = 32 * 1024
FLUSH_SECONDS = 0.1
LINE_CHARACTERS = 10 * FLUSH_CHARACTERS

Output = tuple[tuple[int, str, str], ...]


class Capture:
    """Keep what is written to stdout and stderr, each piece with the item that runs.

    Parameters
    ----------
    cells
        The worker's board.
    black_box
        Where what was not sent yet is found if the worker dies.
    send
        Takes the pieces that cannot wait for the end of the chunk.
    """

    def __init__(
        self, cells: memoryview, black_box: BlackBox, send: Callable[[Output], None]
    ) -> None:
        self._cells = cells
        self._black_box = black_box
        self._streams = ItemStream("stdout", self), ItemStream("stderr", self)
        self._send = send
        self._pieces: list[tuple[int, str, str]] = []
        self._characters = 0
        self._flushed = time.monotonic()

    def install(self) -> None:
        """Replace this process's streams, also those that an item has set."""
        sys.stdout, sys.stderr = self._streams

    def add(self, stream: str, text: str) -> None:
        """Note ``text``; at the end of a line, send what has gathered if it is time."""
        item = self._cells[ITEM]
        self._pieces.append((item, stream, text))
        self._black_box.note(item, text)
        self._characters += len(text)
        # A line is not torn, for others write between its pieces, unless it is very long.
        if text.endswith(("\n", "\r")) or self._characters > LINE_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Send what has gathered, if there is much of it or the last was sent a while ago."""
        waited = time.monotonic() - self._flushed
        if self._characters > FLUSH_CHARACTERS or (self._pieces and waited > FLUSH_SECONDS):
            self._send(self.take())

    def take(self) -> Output:
        """Give away what has gathered."""
        pieces, self._pieces = self._pieces, []
        self._characters = 0
        self._flushed = time.monotonic()
        return tuple(pieces)


class ItemStream(io.TextIOBase):
    """A text stream whose writes go to a `Capture`."""

    def __init__(self, name: str, capture: Capture) -> None:
        super().__init__()
        self.name = name
        self._capture = capture

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._capture.add(self.name, text)
        return len(text)

    def flush(self) -> None:
        self._capture.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        # For those who hand the stream to a subprocess: the kernel's own captured output.
        return 1 if self.name == "stdout" else 2

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    @property
    def buffer(self) -> ByteStream:
        """For those who write bytes: ``sys.stdout.buffer.write(b"...")``."""
        return ByteStream(self)


class ByteStream(io.RawIOBase):
    """The bytes side of an `ItemStream`."""

    def __init__(self, stream: ItemStream) -> None:
        super().__init__()
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        content = bytes(piece)  # type: ignore[call-overload]
        self._stream.write(content.decode(self._stream.encoding, self._stream.errors))
        return len(content)
