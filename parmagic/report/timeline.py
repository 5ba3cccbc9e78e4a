"""When each worker ran which items, as a drawing: a lane a worker, from left to right the time.

The drawing is one SVG element in the page, without script, style sheet or reference, and each
bar is one stroke: a thousand of them take 60 kB. Nothing is told by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from parmagic.report.lane import Bar, Lane, merged
from parmagic.report.markup import escaped
from parmagic.report.report import Report
from parmagic.report.units import count, duration

# At most so many bars in all, but so many in each lane, and so many lanes.
_BARS = 400
_LANE_BARS = 8
_LANES = 64

_WIDTH = 720
_LEFT = 66
_RIGHT = 24
_PLOT = _WIDTH - _LEFT - _RIGHT
_AXIS_HEIGHT = 20
_TOP = 4
_LANES_HEIGHT = 384
_HIGHEST = 18
_FONT_SIZE = 12
# A failed bar stands out of its lane, and is never thinner than this.
_OUT = 1.5
_THINNEST = 1
_THINNEST_FAILED = 3
_TICKS = 6

_NAME_LENGTH = 80
_ITEM_LENGTH = 30
_KNOWN = 100
_NAMED = 3
_STEPS = (
    *(base * 10.0**power for power in range(-6, 1) for base in (1, 2, 5)),
    *(10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400),
)

# Narrower, its letters would be too small to read: then it is scrolled.
_SVG = "display:block;width:100%;min-width:600px;max-width:900px;height:auto;margin:4px 0"
_BAR = "stroke:#1976d2;stroke:var(--jp-brand-color1,#1976d2)"
_FAILED = "stroke:#d32f2f;stroke:var(--jp-error-color1,#d32f2f)"


@dataclass(frozen=True)
class _Scale:
    """Where a second, and a lane, are in the drawing."""

    seconds: float
    lanes: int

    @property
    def pitch(self) -> float:
        return min(_LANES_HEIGHT / max(self.lanes, 1), _HIGHEST)

    @property
    def lane_height(self) -> float:
        return round(self.pitch * 0.8, 1)

    @property
    def height(self) -> float:
        return self.pitch * self.lanes

    def x(self, seconds: float) -> float:
        return _LEFT + _PLOT * min(max(seconds / self.seconds, 0), 1)

    def middle(self, row: int) -> float:
        return self.pitch * (row + 0.5)

    def stroke(self, row: int, start: float, end: float, thinnest: float = 0) -> str:
        """Draw a stretch of time, with a pixel left free to its right where there is room."""
        left = self.x(start)
        width = self.x(end) - left
        width = max(width - 0.7 if width > 4 else width, thinnest)
        return f"M{_number(left)} {_number(self.middle(row))}h{_number(width)}"


class _Placed(NamedTuple):
    """A bar, and where it stands."""

    row: int
    is_odd: bool
    bar: Bar


def render(report: Report) -> str:
    """Draw what each worker did when; nothing if nobody knows."""
    lanes = _drawn(report)
    if not lanes:
        return ""
    scale = _Scale(max(report.wall_seconds, *(lane.end for lane in lanes)) or 1e-9, len(lanes))
    height = _number(_TOP + scale.height + _AXIS_HEIGHT)
    parts = (
        _grounds(scale, report),
        _axis(scale),
        _names(scale, lanes),
        _bars(scale, lanes, report),
    )
    svg = (
        f'<svg viewBox="0 -{_TOP} {_WIDTH} {height}" role="img" aria-label="{_label(report)}" '
        f'style="{_SVG}">{"".join(parts)}</svg>'
    )
    return f'<div style="overflow-x:auto">{svg}</div>{_left_out(report)}{_called(report, lanes)}'


def _drawn(report: Report) -> list[Lane]:
    lanes = [lane for lane in report.lanes if lane.bars][:_LANES]
    most = max(_BARS // max(len(lanes), 1), _LANE_BARS)
    return [Lane(each.worker, merged(each.bars, most, report.wall_seconds)) for each in lanes]


def _label(report: Report) -> str:
    workers = count(report.workers, "worker") if report.workers else "in the kernel"
    failed = f", {report.failed:,} failed" if report.failed else ""
    ran = count(report.finished - report.kept, "item")
    return f"Timeline: {ran}, {workers}, {duration(report.wall_seconds)}{failed}"


def _called(report: Report, lanes: list[Lane]) -> str:
    """Say what the workers are called where they have names of their own."""
    names = [
        f"{_name(lane)}: {escaped(report.names[lane.worker], _NAME_LENGTH)}"
        for lane in lanes
        if lane.worker in report.names
    ]
    return f'<div style="opacity:.7">{" · ".join(names)}</div>' if names else ""


def _left_out(report: Report) -> str:
    more = sum(1 for lane in report.lanes if lane.bars) - _LANES
    return f'<div style="opacity:.7">and {count(more, "more worker")}</div>' if more > 0 else ""


def _grounds(scale: _Scale, report: Report) -> str:
    """Draw a quiet ground under each lane, and stripes where it waited for the workers."""
    rows = range(scale.lanes)
    ground = "".join(scale.stroke(row, 0, scale.seconds) for row in rows)
    start = "".join(scale.stroke(row, 0, report.start_seconds) for row in rows)
    width = f'stroke="currentColor" stroke-width="{_number(scale.lane_height)}"'
    quiet = f'<path d="{ground}" {width} opacity=".08"/>'
    if not report.start_seconds:
        return quiet
    title = f"start of the workers, {duration(report.start_seconds, digits=2)}"
    return (
        f'{quiet}<path d="{start}" {width} opacity=".3" stroke-dasharray="1 4">'
        f"<title>{title}</title></path>\n"
    )


def _axis(scale: _Scale) -> str:
    step = next((each for each in _STEPS if scale.seconds / each <= _TICKS), _STEPS[-1])
    step *= max(1, -(-scale.seconds // (step * _TICKS)))
    ticks = [number * step for number in range(int(scale.seconds / step + 1e-9) + 1)]
    lines = "".join(f"M{_number(scale.x(tick))} 0v{_number(scale.height + 3)}" for tick in ticks)
    y = _number(scale.height + _AXIS_HEIGHT - 5)
    labels = "".join(
        f'<text x="{_number(scale.x(tick))}" y="{y}">{duration(tick)}</text>\n' for tick in ticks
    )
    return (
        f'<path d="{lines}" stroke="currentColor" opacity=".2"/>'
        f'<g text-anchor="middle" font-size="{_FONT_SIZE}" fill="currentColor" opacity=".75">'
        f"{labels}</g>"
    )


def _names(scale: _Scale, lanes: list[Lane]) -> str:
    """Name the workers; where lanes are thin, every second or fourth of them."""
    every = 1
    while every * scale.pitch < _FONT_SIZE + 4:
        every *= 2
    names = "".join(
        f'<text x="{_LEFT - 8}" y="{_number(scale.middle(row) + 4)}">{_name(lane)}</text>\n'
        for row, lane in enumerate(lanes)
        if row % every == 0
    )
    return (
        f'<g text-anchor="end" font-size="{_FONT_SIZE}" fill="currentColor" opacity=".75">'
        f"{names}</g>"
    )


def _name(lane: Lane) -> str:
    return f"worker {lane.worker}" if lane.worker else "kernel"


def _bars(scale: _Scale, lanes: list[Lane], report: Report) -> str:
    """Draw the bars: every second one paler, so that neighbours differ; the failed ones on top."""
    words = _Words(report)
    bars = [
        _Placed(row, number % 2 == 1, bar)
        for row, lane in enumerate(lanes)
        for number, bar in enumerate(lane.bars)
    ]
    fine = [each for each in bars if not each.bar.failed]
    return (
        _fine_bars(scale, words, [each for each in fine if not each.is_odd], "1")
        + _fine_bars(scale, words, [each for each in fine if each.is_odd], ".65")
        + _failed_bars(scale, words, [each for each in bars if each.bar.failed])
    )


def _fine_bars(scale: _Scale, words: _Words, bars: list[_Placed], opacity: str) -> str:
    if not bars:
        return ""
    return (
        f'<g style="{_BAR}" opacity="{opacity}" stroke-width="{_number(scale.lane_height)}">'
        f"{_strokes(scale, words, bars, _THINNEST)}</g>"
    )


def _failed_bars(scale: _Scale, words: _Words, bars: list[_Placed]) -> str:
    """Draw failed bars higher than others, and with a cross where there is room for one."""
    if not bars:
        return ""
    height = _number(scale.lane_height + 2 * _OUT)
    crosses = "".join(_cross(scale, row, bar) for row, _, bar in bars)
    return (
        f'<g style="{_FAILED}" stroke-width="{height}">'
        f"{_strokes(scale, words, bars, _THINNEST_FAILED)}</g>"
        f'<path d="{crosses}" stroke="#fff" stroke-width="1.5" pointer-events="none"/>'
    )


def _strokes(scale: _Scale, words: _Words, bars: list[_Placed], thinnest: float) -> str:
    return "".join(
        f'<path d="{scale.stroke(row, bar.start, bar.end, thinnest)}">'
        # Where a front end drops the drawing, the titles stay: each on its own line.
        f"<title>{words.of(bar)}</title></path>\n"
        for row, _, bar in bars
    )


def _cross(scale: _Scale, row: int, bar: Bar) -> str:
    size = min(scale.lane_height * 0.5, 7)
    if size < 3 or scale.x(bar.end) - scale.x(bar.start) < size + 2:
        return ""
    left = _number((scale.x(bar.start) + scale.x(bar.end) - size) / 2)
    top = _number(scale.middle(row) - size / 2)
    side = _number(size)
    return f"M{left} {top}l{side} {side}m-{side} 0l{side}-{side}"


class _Words:
    """What to say of a bar when the pointer rests on it."""

    def __init__(self, report: Report) -> None:
        self._failed = {each.index: each for each in report.failures[:_KNOWN]}
        self._items = {each.index: each.item for each in report.slowest[:_KNOWN]}
        self._items |= {index: each.item for index, each in self._failed.items()}

    def of(self, bar: Bar) -> str:
        seconds = duration(bar.seconds, digits=2)
        return f"{self._which(bar)}, {seconds}{self._failure(bar)}"

    def _which(self, bar: Bar) -> str:
        if bar.first == bar.last:
            return self._item(bar.first)
        among = f"{bar.first:,} to {bar.last:,}"
        if bar.items is None:
            return f"items {among}"
        return f"{count(bar.items, 'item')} from {among}"

    def _item(self, index: int) -> str:
        item = self._items.get(index, "")
        return f"item {index:,}" + (f" ({escaped(item, _ITEM_LENGTH)})" if item else "")

    def _failure(self, bar: Bar) -> str:
        if not bar.failed:
            return ""
        if bar.first == bar.last:
            return f", {self._kind(bar.first)}"
        named = [] if bar.items else [index for index in self._failed if _holds(bar, index)]
        words = ", ".join(f"item {index:,}" for index in named[:_NAMED])
        more = ", …" if len(named) > _NAMED else ""
        return f", failed: {words}{more}" if words else ", some failed"

    def _kind(self, index: int) -> str:
        failure = self._failed.get(index)
        return escaped(failure.class_name, _ITEM_LENGTH) if failure else "failed"


def _holds(bar: Bar, index: int) -> bool:
    return bar.first <= index <= bar.last


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
