"""What the items printed and displayed, as HTML: a row an item, by index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from typing import NamedTuple

from parmagic.report.bundle_html import Drawn, draw, fits
from parmagic.report.markup import MUTED, escaped, folded, legible, muted
from parmagic.report.output import ItemOutput, Kind, Part
from parmagic.report.text import label, times
from parmagic.report.units import count

__all__ = ["fits", "render"]

# So many rows, and lines of text, are shown unfolded.
_OPEN_ITEMS = 30
_OPEN_LINES = 8
_OPEN_CHARACTERS = 1_000
_BYTES = 2_000_000
_IMAGE_BYTES = 20_000_000
_ITEM_LENGTH = 80
_FIRST_LINE_LENGTH = 120

_GRID = (
    "display:grid;grid-template-columns:minmax(64px,max-content) minmax(0,1fr);gap:0 12px;"
    "margin:2px 0;line-height:1.4;font-size:var(--jp-code-font-size,13px)"
)
_LABEL = f"{MUTED};white-space:nowrap"
_PRE = (
    "margin:0;padding:0;border:0;background:none;color:inherit;font-size:inherit;"
    "line-height:inherit;white-space:pre-wrap;overflow-wrap:anywhere;"
)
_RED = "rgba(244,67,54,.13)"
_TINTS: dict[Kind, str] = {
    "stderr": f"background:{_RED};background:var(--jp-rendermime-error-background,{_RED})",
    "warning": "background:rgba(255,193,7,.16)",
}
# What the markup around a text takes, and a character at most: a lone surrogate.
_PART_BYTES = 300
_LONGEST = 6


class _Text(NamedTuple):
    """What to show of a part."""

    kind: Kind
    text: str


def render(
    outputs: Sequence[ItemOutput],
    *,
    nbytes: int = _BYTES,
    image_bytes: int = _IMAGE_BYTES,
) -> str:
    """Draw what the items printed and displayed.

    Parameters
    ----------
    nbytes
        How large it may be at most, but for the images.
    image_bytes
        How large those may be together.
    """
    rows = list(_rows(outputs, _Room(nbytes, image_bytes)))
    shown, rest = rows[:_OPEN_ITEMS], rows[_OPEN_ITEMS:]
    more = f'<span style="{MUTED}">and {count(len(rest), "more item")}</span>'
    hidden = len(outputs) - len(rows)
    left_out = f"… output of {count(hidden, 'more item')} left out …"
    return (
        f'<div class="parmagic-outputs">{_grid(shown)}'
        f"{folded(more, _grid(rest), 'margin:0') if rest else ''}"
        f"{muted(left_out) if hidden else ''}</div>"
    )


class _Room:
    """How many bytes of markup, and of images, are left."""

    def __init__(self, nbytes: int, image_bytes: int) -> None:
        self.nbytes = nbytes
        self.image_bytes = image_bytes

    def text(self, text: str) -> str:
        """Cut a text, made legible, to what there is room for once it is escaped."""
        room = max(self.nbytes, 0)
        kept = legible(text[:room])
        if _size(escape(kept)) > room:
            kept = legible(text[: room // _LONGEST])
        self.nbytes -= _size(escape(kept)) + _PART_BYTES
        return kept if len(text) <= room and self.nbytes > 0 else f"{kept} …"

    def takes(self, drawn: Drawn) -> bool:
        """Say whether there is room for a display, and take it."""
        size = _size(drawn.html)
        if size > (self.image_bytes if drawn.is_image else self.nbytes):
            return False
        if drawn.is_image:
            self.image_bytes -= size
        else:
            self.nbytes -= size
        return True


def _size(html: str) -> int:
    return len(html.encode())


def _rows(outputs: Iterable[ItemOutput], room: _Room) -> Iterator[str]:
    """Yield a row for each item, as long as there is room."""
    for output in outputs:
        if room.nbytes <= 0:
            return
        yield _row(output, room)


def _grid(rows: Sequence[str]) -> str:
    return f'<div style="{_GRID}">{"".join(rows)}</div>' if rows else ""


def _row(output: ItemOutput, room: _Room) -> str:
    item = escaped(output.item, _ITEM_LENGTH)
    title = f' title="{item}"' if item else ""
    first_cell = f'<div style="{_LABEL}"{title}>{label(output)}</div>'
    room.nbytes -= _size(first_cell) + _PART_BYTES
    left_out = f"… {count(output.left_out, 'character')} left out …"
    note = muted(left_out) if output.left_out else ""
    # Without the styles, the labels must not run into the text.
    return f"{first_cell}<div>{_parts(output.parts, room)}{note}</div>\n"


def _parts(parts: Iterable[Part], room: _Room) -> str:
    """Draw displays as they are, and fold the text between them where it is long."""
    runs = groupby(parts, key=lambda part: part.bundle is not None)
    return "".join(
        "".join(_display(part, room) for part in run) if is_display else _run(run, room)
        for is_display, run in runs
    )


def _display(part: Part, room: _Room) -> str:
    drawn = draw(part.bundle or {}, part.text, part.metadata or {})
    if not drawn.html:
        return _run([Part("display", drawn.text)], room)
    return drawn.html if room.takes(drawn) else muted("… too large to be shown here …")


def _run(parts: Iterable[Part], room: _Room) -> str:
    """Draw text: as it is, or folded under its first line where it is long."""
    texts = [_Text(part.kind, text) for part in parts if (text := _text(part, room))]
    lines = [line for text in texts for line in text.text.split("\n")]
    if len(lines) <= _OPEN_LINES and sum(map(len, lines)) <= _OPEN_CHARACTERS:
        return "".join(map(_pre, texts))
    (kind, text), *others = texts
    first, _, rest = text.partition("\n")
    if len(first) > _FIRST_LINE_LENGTH:
        rest = text
    body = "".join(_pre(each) for each in (_Text(kind, rest), *others) if each.text)
    return folded(_summary(_Text(kind, first), lines), body, "margin:0")


def _text(part: Part, room: _Room) -> str:
    if room.nbytes <= 0:
        return ""
    text = part.text.lstrip("\n").rstrip()
    return room.text(f"{text}{times(part)}") if text else ""


def _summary(first: _Text, lines: Sequence[str]) -> str:
    start = escaped(first.text, _FIRST_LINE_LENGTH)
    length = count(len(lines), "line") if len(lines) > 1 else count(len(lines[0]), "character")
    many = f'<span style="{MUTED}"> · {length}</span>'
    return f'<samp style="{_TINTS.get(first.kind, "")}">{start}</samp>{many}'


def _pre(text: _Text) -> str:
    style = f"{_PRE}{_TINTS.get(text.kind, '')}"
    return f'<pre style="{style}">{escape(text.text, quote=False)}</pre>'
