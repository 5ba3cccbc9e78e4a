"""What the items of a job have printed and displayed, kept by item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from parmagic.mapping.screen import settle
from parmagic.report.output import ItemOutput, Kind, Part
from parmagic.worker.capture import Output

# What a page of a browser, and a saved notebook, can well bear.
MOST_CHARACTERS = 4_000_000
MOST_DISPLAY_BYTES = 64 << 20


@dataclass
class _Written:
    """What one item has written; the last of ``pieces`` grows."""

    pieces: list[_Piece] = field(default_factory=list)
    left_out: int = 0


@dataclass
class _Piece:
    kind: Kind
    texts: list[str]
    bundle: Mapping[str, Any] | None = None
    display_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    count: int = 1

    def part(self) -> Part:
        text = settle("".join(self.texts))
        return Part(self.kind, text, self.bundle, self.count, self.metadata)


class OutputLog:
    """Keep what items write, up to a bound; identical warnings are kept once, and counted.

    Attributes
    ----------
    changes
        Grows with each change, so that who draws knows whether there is something new.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._items: dict[int, _Written] = {}
        self._warnings: dict[str, _Piece] = {}
        self._characters = 0
        self._display_bytes = 0

    def add(self, output: Output) -> None:
        """Note what a worker says of its items."""
        for index, kind, content in output:
            if kind != "progress":
                self.changes += 1
                self._add(self._items.setdefault(index, _Written()), kind, content)

    def __len__(self) -> int:
        return len(self._items)

    def outputs(
        self, repr_of: Callable[[int], str], last: int | None = None
    ) -> tuple[ItemOutput, ...]:
        """Return what there is, by index.

        Parameters
        ----------
        last
            Only of so many items: those that began to write last.
        """
        # In one step: other threads may add to it.
        indices = list(islice(reversed(self._items), last))
        return tuple(self._outputs(sorted(indices), repr_of))

    def text_of(self, index: int) -> str:
        """Return what an item has written, as text."""
        written = self._items.get(index)
        return "" if written is None else "".join(each.part().text for each in written.pieces)

    def _outputs(
        self, indices: Iterable[int], repr_of: Callable[[int], str]
    ) -> Iterator[ItemOutput]:
        shown: set[int] = set()  # a warning stands where it came from first
        for index in indices:
            written = self._items[index]
            pieces = [piece for piece in list(written.pieces) if id(piece) not in shown]
            shown.update(id(piece) for piece in pieces if piece.kind == "warning")
            parts = tuple(piece.part() for piece in pieces)
            if parts or written.left_out:
                yield ItemOutput(index, repr_of(index), parts, written.left_out)

    def _add(self, written: _Written, kind: str, content: Any) -> None:
        match kind:
            case "stdout" | "stderr":
                self._write(written, kind, content)
            case "warning":
                self._warn(written, content)
            case "display":
                self._display(written, content)
            case "update":
                _update(written, content)
            case "clear":
                written.pieces.clear()
            case "left_out":
                written.left_out += content

    def _write(self, written: _Written, kind: Kind, text: str) -> None:
        room = MOST_CHARACTERS - self._characters
        written.left_out += max(len(text) - max(room, 0), 0)
        if room <= 0:
            return
        self._characters += min(len(text), room)
        last = written.pieces[-1] if written.pieces else None
        if last is None or last.kind != kind:
            written.pieces.append(_Piece(kind, [text[:room]]))
        else:
            last.texts.append(text[:room])

    def _warn(self, written: _Written, text: str) -> None:
        piece = self._warnings.get(text)
        if piece is not None:
            piece.count += 1
        elif self._characters < MOST_CHARACTERS:
            self._characters += len(text)
            piece = self._warnings[text] = _Piece("warning", [text])
        if piece is not None and not any(each is piece for each in written.pieces):
            written.pieces.append(piece)

    def _display(self, written: _Written, content: Mapping[str, Any]) -> None:
        bundle = content["data"]
        text = str(bundle.get("text/plain", ""))
        size = sum(len(each) for each in bundle.values() if isinstance(each, str))
        if self._display_bytes + size > MOST_DISPLAY_BYTES:
            written.left_out += size
            return
        self._display_bytes += size
        # A display stands on lines of its own.
        about = bundle, content["display_id"], content["metadata"]
        written.pieces.append(_Piece("display", [f"{text}\n"], *about))


def _update(written: _Written, content: Mapping[str, Any]) -> None:
    for piece in written.pieces:
        if piece.display_id is not None and piece.display_id == content["display_id"]:
            piece.bundle, piece.metadata = content["data"], content["metadata"]
            piece.texts = [f"{content['data'].get('text/plain', '')}\n"]
