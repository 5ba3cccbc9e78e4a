"""A job in one line, as the list of jobs has it."""

from __future__ import annotations

import time

from parmagic.mapping.logbook import Entry
from parmagic.report import text
from parmagic.report.markup import legible
from parmagic.report.units import duration

_WHAT_CHARACTERS = 60


def line(entry: Entry, *, clock: bool = True) -> str:
    """Say which job it was, and what became of it: ``3 · 14:02:11 · fit over ps · 8 items done``.

    Parameters
    ----------
    clock
        Whether to say when it began, and how long it took.
    """
    report = entry.summary()
    began = [time.strftime("%H:%M:%S", time.localtime(entry.began))] if clock else []
    what = " ".join(legible(report.what).split())
    short = f"{what[: _WHAT_CHARACTERS - 1]}…" if len(what) > _WHAT_CHARACTERS else what
    return " · ".join([str(entry.number), *began, short, *_became(entry, clock)])


def _became(entry: Entry, clock: bool) -> list[str]:
    report = entry.summary()
    if report.state == "running":
        return [f"running: {text.render_line(report)}" if clock else "running"]
    took = [duration(report.wall_seconds, digits=2)] if clock else []
    return [text.render(report), *took]
