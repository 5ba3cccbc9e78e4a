"""What a function prints and displays, noted by item and sent to the kernel.

The streams are replaced once, when the worker starts: 3 µs for a printed item, and
nothing for a silent one. Text leaves with the chunk's outcome, or before it once
there is much of it or a tenth of a second after the last. Of a flood, only the two ends are sent.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from contextvars import ContextVar
from typing import Any

from parmagic.worker.alarm import Alarm
from parmagic.worker.allowance import (
    ITEM_DISPLAYS,
    TAIL_CHARACTERS,
    Allowance,
    Flood,
)
from parmagic.worker.blackbox import BlackBox
from parmagic.worker.board import ITEM, NOTHING

FLUSH_CHARACTERS = 32 * 1024
FLUSH_SECONDS = 0.1
LINE_CHARACTERS = 4 * FLUSH_CHARACTERS
# How many of the last jobs are remembered; few run at the same time.
MOST_JOBS = 8

STREAMS = ("stdout", "stderr")

# The item, what kind of output it is, and the text or, of a display, its bundle.
Piece = tuple[int, str, Any]
Output = tuple[Piece, ...]

#: Of which item the code is that runs, where several take turns: also in threads of theirs.
item_here: ContextVar[int] = ContextVar("item", default=NOTHING)


def _no_capture() -> Capture | None:
    return None


#: Returns the capture of the thread that asks; None where no item runs.
of_this_thread: Callable[[], Capture | None] = _no_capture


def put(kind: str, content: Any, size: int) -> bool:
    """Note what the item that runs has displayed; False where none does.

    Parameters
    ----------
    size
        About how many bytes it has.
    """
    capture = of_this_thread()
    if capture is not None:
        capture.put(kind, content, size)
    return capture is not None


class Capture:
    """Keep what is written to stdout and stderr, each piece with the item that runs.

    Kinds of pieces: ``stdout``, ``stderr``, ``warning`` (a text); ``display`` and ``update``
    (a dict of ``data``, ``metadata`` and ``display_id``, as in Jupyter's messages); ``clear``
    (None); ``progress`` (how much of how much is done, and a text); ``left_out`` (how many
    characters of the item are not sent).

    Parameters
    ----------
    cells
        The worker's board.
    black_box
        Where what was not sent yet is found if the worker dies.
    send
        Takes the pieces that cannot wait for the end of the chunk, unless it returns False.

    Attributes
    ----------
    streams
        Stand for stdout and stderr.
    """

    def __init__(
        self, cells: memoryview, black_box: BlackBox, send: Callable[[Output], bool]
    ) -> None:
        self._cells = cells
        self._black_box = black_box
        self.streams = ItemStream("stdout", self), ItemStream("stderr", self)
        self._send = send
        self._pieces: list[Piece] = []
        # Of these only the last counts, with how many bytes it has.
        self._latest: dict[tuple[int, str, str | None], tuple[Piece, int]] = {}
        self._characters = 0
        self._flushed = float("-inf")
        # One that may be taken twice: the handler of a signal may print, too.
        self._lock = threading.RLock()
        self._alarm = Alarm(self._send_late)
        self._whole = 0
        self._allowances: dict[Hashable, Allowance] = {}
        self._allowance = Allowance()
        self._by_task = False
        self._item = NOTHING
        self._given = self._room = self._allowance.for_an_item
        self._displays = ITEM_DISPLAYS
        self._flood: Flood | None = None
        self._bar = ""

    def install(self) -> None:
        """Replace this process's streams, also those that an item has set."""
        global of_this_thread
        of_this_thread = lambda: self  # noqa: E731  # mypy knows it for a variable
        sys.stdout, sys.stderr = self.streams

    @staticmethod
    def uninstall() -> None:
        """Give the process back its own streams."""
        global of_this_thread
        installed = of_this_thread()
        if installed is not None:
            installed.let_go()
        of_this_thread = _no_capture
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__

    def let_go(self) -> None:
        """Have a new lock: in a fork, a thread that is not there may hold the other."""
        self._lock = threading.RLock()

    def begin(self, job: Hashable, *, bounded: bool = True, by_task: bool = False) -> None:
        """From now on the items of ``job`` run.

        Parameters
        ----------
        bounded
            As for its `Allowance`.
        by_task
            Whether they take turns, and say in `item_here` whose it is.
        """
        self._by_task = by_task
        self._turn_to(NOTHING)
        self._allowance = self._allowances.setdefault(job, Allowance(bounded=bounded))
        self._give()
        if len(self._allowances) > MOST_JOBS:
            del self._allowances[next(iter(self._allowances))]

    def add(self, kind: str, text: str) -> None:
        """Note ``text``; at the end of a line, send what has gathered if it is time."""
        item = self._item_now() if self._by_task else self._cells[ITEM]
        with self._lock:
            self._add(item, kind, text)

    def _item_now(self) -> int:
        item = item_here.get()
        return self._cells[ITEM] if item == NOTHING else item

    def _add(self, item: int, kind: str, text: str) -> None:
        if item != self._item:
            self._turn_to(item)
        self._black_box.note(item, text)
        if text[0] == "\r" and self._is_bar(item, kind, text):
            return self._replace_bar(item, kind, text)
        self._room -= len(text)
        if self._room < 0:
            return self._overflow(item, kind, text)
        self._pieces.append((item, kind, text))
        self._characters += len(text)
        # A line is not torn, for others write between its pieces, unless it is very long.
        if text.endswith(("\n", "\r")) or self._characters > LINE_CHARACTERS:
            self.flush()
        return None

    def put(self, kind: str, content: Any, size: int) -> None:
        """Note what is no text of a stream."""
        item = self._item_now() if self._by_task else self._cells[ITEM]
        with self._lock:
            self._put(item, kind, content, size)

    def _put(self, item: int, kind: str, content: Any, size: int) -> None:
        if item != self._item:
            self._turn_to(item)
        if kind == "warning":
            self._add(item, kind, content)
        elif kind == "clear":
            self._clear(item)
        elif kind == "display":
            self._display((item, kind, content), size)
        elif kind == "update":
            self._update((item, kind, content), size)
        else:
            self._latest[item, kind, None] = (item, kind, content), 0
        self.flush()

    def flush(self) -> None:
        """Send what has gathered, if there is much of it or the last was sent a while ago.

        Else it leaves a moment later: who knows how long the item goes on in silence.
        """
        with self._lock:
            self._whole = len(self._pieces)
            wait = self._flushed + FLUSH_SECONDS - time.monotonic()
            if self._characters > FLUSH_CHARACTERS or wait < 0:
                self._send_now()
            elif self._pieces or self._latest:
                self._alarm.set(wait)

    def _send_late(self) -> None:
        with self._lock:
            begun = self._pieces[self._whole :]  # a line that is not at its end
            del self._pieces[self._whole :]
            self._send_now()
            self._pieces = begun
            self._characters = sum(len(text) for _, _, text in begun)

    def _send_now(self) -> None:
        if self._pieces or self._latest:
            self._flushed = time.monotonic()
            self._whole = 0
            output = self._gathered()
            if not self._send(output):
                self._pieces[:0] = output
                self._alarm.set(FLUSH_SECONDS)

    def take(self) -> Output:
        """Give away what has gathered: the chunk is over."""
        with self._lock:
            self._turn_to(NOTHING)
            return self._gathered()

    def _gathered(self) -> Output:
        pieces, self._pieces = self._pieces, []
        latest, self._latest = self._latest, {}
        self._characters = 0
        return _joined(pieces) + tuple(piece for piece, _ in latest.values())

    def _turn_to(self, item: int) -> None:
        """End with the item that wrote last; ``item`` has an allowance of its own."""
        if self._flood is not None:
            self._pieces.extend(self._flood.pieces())
            self._flood = None
        self._allowance.characters -= self._given - self._room
        self._give()
        self._item = item
        self._displays = ITEM_DISPLAYS
        self._bar = ""

    def _give(self) -> None:
        self._given = self._room = self._allowance.for_an_item

    def _is_bar(self, item: int, kind: str, text: str) -> bool:
        """Tell whether ``text`` writes over the last line, as a progress bar does."""
        before, self._bar = self._bar, ""
        if len(text) > 1 and "\n" not in text and self._flood is None:
            self._bar = kind
        return bool(before) and before == self._bar and self._ends_with_bar(item, kind)

    def _ends_with_bar(self, item: int, kind: str) -> bool:
        if not self._pieces:
            return True  # it was sent
        last = self._pieces[-1]
        return last[:2] == (item, kind) and last[2][0] == "\r"

    def _replace_bar(self, item: int, kind: str, text: str) -> None:
        # It costs nothing of the allowance: what was there before is not shown any more.
        self._pieces[-1:] = [(item, kind, text)]
        self.flush()

    def _overflow(self, item: int, kind: str, text: str) -> None:
        room, self._room = self._room + len(text), -1
        if room > 0 and len(text) > TAIL_CHARACTERS:  # of a long piece, what fits
            self._pieces.append((item, kind, text[:room]))
            text = text[room:]
        self._flooded(item).add(kind, text)

    def _flooded(self, item: int) -> Flood:
        if self._flood is None:
            self._flood = Flood(item, self._allowance.tail_characters)
        return self._flood

    def _display(self, piece: Piece, size: int) -> None:
        self._displays -= 1
        if self._displays < 0 or size > self._allowance.display_bytes:
            self._flooded(piece[0]).left_out += size
            return
        self._allowance.display_bytes -= size
        self._characters += size
        self._pieces.append(piece)

    def _update(self, piece: Piece, size: int) -> None:
        item, kind, content = piece
        key = item, kind, content["display_id"]
        _, before = self._latest.get(key, (None, 0))
        if size > self._allowance.display_bytes + before:
            self._flooded(item).left_out += size
            return
        self._allowance.display_bytes -= size - before
        self._latest[key] = piece, size

    def _clear(self, item: int) -> None:
        """Forget what the item has shown, and what it was not allowed to."""
        for each in self._pieces:
            if each[0] == item and each[1] in STREAMS:
                self._room += len(each[2])
        self._pieces = [each for each in self._pieces if each[0] != item]
        self._latest = {
            key: last for key, last in self._latest.items() if key[:2] != (item, "update")
        }
        self._flood = None
        self._turn_to(item)
        self._pieces.append((item, "clear", None))


def _joined(pieces: Iterable[Piece]) -> Output:
    """Join the neighbours that an item has written to the same stream (0.4 µs a print)."""
    runs: list[tuple[int, str, list[Any]]] = []
    last_item, last_kind, contents = NOTHING, "", []
    for item, kind, content in pieces:
        if item == last_item and kind == last_kind and kind in STREAMS:
            contents.append(content)
        else:
            last_item, last_kind, contents = item, kind, [content]
            runs.append((item, kind, contents))
    return tuple(
        (item, kind, "".join(contents) if kind in STREAMS else contents[0])
        for item, kind, contents in runs
    )


class ItemStream(io.TextIOBase):
    """A text stream whose writes go to a `Capture`."""

    def __init__(self, name: str, capture: Capture) -> None:
        super().__init__()
        self.name = name
        self._capture = capture

    def write(self, text: str) -> int:
        if type(text) is not str:
            text = _plain(text)
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


def _plain(text: object) -> str:
    """Return a plain str: one of a class of the notebook could not be read by the kernel."""
    if not isinstance(text, str):
        raise TypeError(f"write() argument must be str, not {type(text).__name__}")
    return str.__str__(text)


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
