"""What the workers say of the items that they run, as rows below the live line."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from parmagic.report.now import WorkerNow
from parmagic.report.units import duration

_SHOWN = 16
_TEXT_CHARACTERS = 120

_ROWS = "display:grid;grid-template-columns:max-content 120px 1fr;gap:0 12px;align-items:center;"
_MUTED = "opacity:.7;white-space:nowrap"
_TRACK = "height:4px;border-radius:2px;overflow:hidden;background:rgba(128,128,128,.25)"
_DONE = "height:4px;background:#1976d2;background:var(--jp-brand-color1,#1976d2)"
_TEXT = "overflow:hidden;text-overflow:ellipsis;white-space:pre"


def render(workers: Iterable[WorkerNow]) -> str:
    """Draw a row for each worker whose item says how far it is."""
    speaking = [each for each in workers if each.done is not None or each.text][:_SHOWN]
    if not speaking:
        return ""
    rows = "".join(map(_row, speaking))
    return f'<div class="parmagic-now" style="{_ROWS}margin:2px 0;line-height:1.5">{rows}</div>'


def _row(now: WorkerNow) -> str:
    label = f"item {now.index} · {duration(now.seconds, digits=2)}"
    return (
        f'<span style="{_MUTED}">{label}</span>{_bar(now)}'
        f'<samp style="{_TEXT}">{escape(" ".join(now.words(_TEXT_CHARACTERS)))}</samp>'
    )


def _bar(now: WorkerNow) -> str:
    if now.percent is None:
        return "<span></span>"
    return f'<div style="{_TRACK}"><div style="width:{now.percent:.1f}%;{_DONE}"></div></div>'
