"""The table: a line for each case, a column for each peer."""

from __future__ import annotations

from collections.abc import Sequence

from case import Case
from targets import OURS, Times

LEGEND = (
    "Medians. In brackets parmagic's time as a multiple of this one's, the median over the"
    "\nrepetitions; below 1 parmagic is faster. Percent: of the least time that is possible."
    "\nFrom the second use of an array on, joblib and ray compute with a copy from the first:"
    "\nhad the array been changed in place, theirs would be the time of a stale result."
)


def header(peers: Sequence[str]) -> list[str]:
    return ["", *peers, "target"]


def row(case: Case, times: Times, peers: Sequence[str]) -> list[str]:
    verdicts = [target.verdict(times) for target in case.targets]
    return [case.title, *(_cell(times, peer) for peer in peers), ", ".join(filter(None, verdicts))]


def _cell(times: Times, peer: str) -> str:
    seconds, ratio, efficiency = times.median(peer), times.ratio(peer), times.efficiency(peer)
    if seconds is None:
        return "-"
    parts = [_duration(seconds)]
    if efficiency is not None:
        parts.append(f"{efficiency:.0%}")
    if peer != OURS and ratio is not None:
        parts.append(f"({ratio:.2g})" if ratio < 10 else f"({ratio:.0f})")
    return " ".join(parts)


def _duration(seconds: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(each, widths, strict=True))
        for each in rows
    )
    return "\n".join(line.rstrip() for line in lines)
