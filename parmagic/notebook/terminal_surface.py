"""A job in a terminal: a progress bar, and below it what the items print."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from parmagic.mapping.job import Job
from parmagic.notebook.plain_surface import PlainSurface
from parmagic.report import text
from parmagic.report.report import Report
from parmagic.worker.capture import Output

# The rest of the line is ours: it knows of unequal items.
_FORMAT = "{percentage:3.0f}% |{bar:20}| {desc}"
_WITHOUT_LENGTH = "{desc}"


class TerminalSurface(PlainSurface):
    """A bar that is written over itself, and gone in the end."""

    def __init__(self) -> None:
        self._bar: _Bar | None = None

    def echo(self, output: Output) -> None:
        """Print it above the bar."""
        if self._bar is not None:
            self._bar.clear()
        super().echo(output)

    def update(self, job: Job[Any]) -> None:
        """Move the bar."""
        report = job.progress()
        line = text.render_line(report)
        if self._bar is None:
            self._bar = _bar(report, line)
            return
        self._bar.n = report.finished
        self._bar.desc = line
        self._bar.refresh()

    def finish(self, job: Job[Any], *, report: bool) -> None:
        """Take the bar away, and show the report."""
        if self._bar is not None:
            self._bar.close()
        if report:
            sys.stdout.write(text.render(job.report()) + "\n")


class _Bar(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # no thread that watches whether it moves: we do


def _bar(report: Report, line: str) -> _Bar:
    return _Bar(
        total=report.items,
        initial=report.finished,
        desc=line,
        leave=False,
        file=sys.stderr,
        bar_format=_FORMAT if report.items else _WITHOUT_LENGTH,
        dynamic_ncols=True,
    )
