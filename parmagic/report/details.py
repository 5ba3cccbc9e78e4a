"""What a card folds away: the timeline, where the time went, and the slowest items."""

from __future__ import annotations

from typing import NamedTuple

from parmagic.report import timeline
from parmagic.report.markup import (
    CELL,
    FIRST_CELL,
    MUTED,
    ROW,
    TABLE,
    folded,
    isolated,
)
from parmagic.report.report import Report, SlowItem, TimeSpent
from parmagic.report.units import duration, percent

# There is nothing to learn from a job that was over before one looked.
_SHORT_JOB_SECONDS = 0.1
_SLOWEST = 5
_ITEM_LENGTH = 60
_SMALLEST_PART = 0.01

# The card is as wide as what it shows: once unfolded, that is this.
_BODY = "width:840px;max-width:100%"
_BAR = "display:flex;gap:1px;height:10px;max-width:900px;border-radius:2px;overflow:hidden"
_HEADING = f"margin:8px 0 2px;{MUTED}"
_SWATCH = "display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:5px"
_ENTRY = "display:inline-block;margin-right:16px;white-space:nowrap"


class _Part(NamedTuple):
    """A part of the time, and how it is drawn."""

    name: str
    seconds: float
    colour: str


def render(report: Report) -> str:
    """Fold the timeline and what goes with it under one line; nothing for a short job."""
    if report.state == "running" or report.wall_seconds < _SHORT_JOB_SECONDS:
        return ""
    sections = [
        ("timeline", timeline.render(report)),
        ("where the time went", _time(report)),
        ("slowest items", _slowest(report)),
    ]
    there = [(name, section) for name, section in sections if section]
    if not there:
        return ""
    summary = ", ".join(name for name, _ in there)
    body = f'<div style="{_BODY}">{"".join(section for _, section in there)}</div>'
    return folded(f'<span style="{MUTED}">{summary.capitalize()}</span>', body)


def _time(report: Report) -> str:
    """Draw where the workers' time went: a bar, and what its colours stand for."""
    parts = [] if report.time is None else _parts(report.time)
    # Of all the time, also of the parts that are too small to be shown.
    whole = sum(part.seconds for part in parts)
    shown = [part for part in parts if whole and part.seconds >= _SMALLEST_PART * whole]
    if not shown:
        return ""
    bar = "".join(
        f'<div style="width:{100 * each.seconds / whole:.1f}%;background:{each.colour}"></div>'
        for each in shown
    )
    legend = "\n".join(_entry(each, whole) for each in shown)
    heading = f'<div style="{_HEADING}">Where the time of the workers went</div>'
    return f'{heading}<div style="{_BAR}">{bar}</div><div>{legend}</div>'


def _parts(time: TimeSpent) -> list[_Part]:
    return [
        _Part("compute", time.compute, "#1976d2"),
        _Part("serialise", time.serialise, "#e69f00"),
        _Part("transfer", time.transfer, "#b8568e"),
        _Part("start-up", time.start, "rgba(128,128,128,.7)"),
        _Part("imports", time.load, "#8e6bbf"),
        _Part("wait", time.wait, "rgba(128,128,128,.45)"),
    ]


def _entry(part: _Part, whole: float) -> str:
    swatch = f'<span style="{_SWATCH};background:{part.colour}"></span>'
    words = f"{part.name} {percent(part.seconds, whole)}"
    seconds = duration(part.seconds, digits=2)
    return f'<span style="{_ENTRY}" title="{seconds}">{swatch}{words}</span>'


def slowest(report: Report) -> str:
    """List the items that took longest; nothing if only one has run."""
    if report.ran < 2 or not report.slowest:
        return ""
    rows = "".join(map(_row, report.slowest[:_SLOWEST]))
    return f'<table style="{TABLE};margin:0"><tbody>{rows}</tbody></table>'


def _slowest(report: Report) -> str:
    table = slowest(report)
    return f'<div style="{_HEADING}">Slowest items</div>{table}' if table else ""


def _row(slow: SlowItem) -> str:
    return (
        f'<tr style="{ROW}"><th scope="row" style="{FIRST_CELL}">item {slow.index:,}</th>'
        f'<td style="{CELL};text-align:right;white-space:nowrap">'
        f"{duration(slow.seconds, digits=2)}</td>"
        f'<td style="{CELL}"><samp>{isolated(slow.item, _ITEM_LENGTH)}</samp></td></tr>'
    )
