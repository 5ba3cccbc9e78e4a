"""How long the items took, as a drawing: so many of them between two durations."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from parmagic.report.markup import MUTED
from parmagic.report.units import count, duration

_BINS = 24
# Where the longest item took so many times as long as a short one, a linear scale would show one
# bar. One in twenty may be shorter: such as fail at once.
_WIDE = 20
_SHORTER = 1 / 20

_WIDTH = 720
_HEIGHT = 96
_TOP = 4
_AXIS_HEIGHT = 20
_EDGE = 24
_PLOT = _WIDTH - 2 * _EDGE
_LABELS = 4
_LOWEST = 1.5
_SVG = "display:block;width:100%;min-width:360px;max-width:900px;height:auto;margin:4px 0"
_BAR = "fill:#1976d2;fill:var(--jp-brand-color1,#1976d2)"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Items by the seconds that they took.

    Attributes
    ----------
    edges
        Where a bin ends and the next one begins: one more than there are counts.
    counts
        How many items are in each bin.
    median, most
        What half of the items took at most, and nine in ten of them.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    median: float
    most: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Histogram | None:
        """Count the items; None if there are fewer than two."""
        ordered = sorted(seconds)
        if len(ordered) < 2:
            return None
        short = ordered[int(len(ordered) * _SHORTER)]
        edges = _edges(ordered[0], ordered[-1], is_wide=ordered[-1] > _WIDE * short)
        places = [0, *(bisect_left(ordered, edge) for edge in edges[1:-1]), len(ordered)]
        return cls(
            tuple(edges),
            tuple(after - before for before, after in pairwise(places)),
            ordered[len(ordered) // 2],
            ordered[min(len(ordered) * 9 // 10, len(ordered) - 1)],
        )

    @property
    def items(self) -> int:
        """How many there are."""
        return sum(self.counts)


def _edges(least: float, most: float, *, is_wide: bool) -> list[float]:
    least = max(least, 1e-9)
    most = max(most, least * 1.001)
    parts = [number / _BINS for number in range(_BINS + 1)]
    if not is_wide:
        return [least + (most - least) * part for part in parts]
    return [least * math.exp(math.log(most / least) * part) for part in parts]


def render(histogram: Histogram | None) -> str:
    """Draw it; nothing if there is none."""
    if histogram is None:
        return ""
    words = _words(histogram)
    height = _TOP + _HEIGHT + _AXIS_HEIGHT
    return (
        '<div style="overflow-x:auto">'
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{words}" style="{_SVG}">'
        f"{_bars(histogram)}{_axis(histogram)}</svg></div>"
        f'<div style="{MUTED}">{words}</div>'
    )


def _words(histogram: Histogram) -> str:
    median = duration(histogram.median, digits=2)
    most = duration(histogram.most, digits=2)
    longest = duration(histogram.edges[-1], digits=2)
    return (
        f"{count(histogram.items, 'item')}: half took {median} or less,"
        f" nine in ten {most} or less, the longest {longest}"
    )


def _bars(histogram: Histogram) -> str:
    width = _PLOT / len(histogram.counts)
    scale = _HEIGHT / max(histogram.counts)
    bars = ""
    for number, items in enumerate(histogram.counts):
        if items:
            height = max(items * scale, _LOWEST)
            low, high = (duration(each, digits=2) for each in histogram.edges[number : number + 2])
            bars += (
                f'<rect x="{_EDGE + number * width:.1f}" y="{_TOP + _HEIGHT - height:.1f}"'
                f' width="{width - 1:.1f}" height="{height:.1f}">'
                f"<title>{count(items, 'item')}, {low} to {high}</title></rect>\n"
            )
    return f'<g style="{_BAR}">{bars}</g>'


def _axis(histogram: Histogram) -> str:
    bottom = _TOP + _HEIGHT
    line = f'<path d="M{_EDGE} {bottom + 0.5}h{_PLOT}" stroke="currentColor" opacity=".3"/>'
    labels = ""
    for number in range(_LABELS + 1):
        part = number / _LABELS
        edge = histogram.edges[round(part * len(histogram.counts))]
        x = f"{_EDGE + part * _PLOT:.1f}"
        labels += f'<text x="{x}" y="{bottom + 15}">{duration(edge, digits=2)}</text>\n'
    return (
        f'{line}<g text-anchor="middle" font-size="12" fill="currentColor" opacity=".75">'
        f"{labels}</g>"
    )
