"""The live line of a cell that runs, and the report that takes its place.

A cell under half a second shows no line. Where no front end looks on (nbval, nbclient,
papermill), or updates would be printed one below the other, only the report is shown.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Protocol

from IPython.display import DisplayHandle, display

from parmagic.mapping.job import Job
from parmagic.report import html, text
from parmagic.report.report import Report

# The front end stays quick at 100 updates a second; nobody reads more than a few.
UPDATE_SECONDS = 0.2


class Surface(Protocol):
    """Where a line is shown."""

    def update(self, report: Report) -> None:
        """Show the line."""

    def replace(self, bundle: dict[str, str] | None) -> None:
        """Put a report, or nothing, in the line's place."""


class LiveLine:
    """What a cell shows of its job; ``shown`` once there was something to see.

    Parameters
    ----------
    surface
        Where.
    after_seconds
        How long a job must have run before its line is shown.
    """

    def __init__(self, surface: Surface, after_seconds: float) -> None:
        self._surface = surface
        self._next = time.monotonic() + after_seconds
        self.shown = False

    def look_up(self, job: Job[Any]) -> None:
        """Repaint the line if it is time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + UPDATE_SECONDS
            self.shown = True
            self._surface.update(job.report())

    def show_report(self, report: Report) -> None:
        """Put the report in the line's place."""
        self._surface.replace({"text/html": html.render(report), "text/plain": text.render(report)})

    def vanish(self) -> None:
        """Leave nothing behind: the report is shown with the results."""
        self._surface.replace(None)


class NotebookSurface:
    """An output that is updated under its display id, by which it always arrives."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def update(self, report: Report) -> None:
        """Show the line."""
        self._show({"text/html": html.render_line(report), "text/plain": text.render_line(report)})

    def replace(self, bundle: dict[str, str] | None) -> None:
        """Put a report, or nothing, in the line's place."""
        if bundle is not None or self._handle is not None:
            self._show(bundle or {"text/html": "", "text/plain": ""})

    def _show(self, bundle: dict[str, str]) -> None:
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class TerminalSurface:
    """A line that is written over itself."""

    def __init__(self) -> None:
        self._width = 0

    def update(self, report: Report) -> None:
        """Show the line."""
        self._write(text.render_line(report))

    def replace(self, bundle: dict[str, str] | None) -> None:
        """Put a report, or nothing, in the line's place."""
        if self._width:
            self._write("")
            sys.stderr.write("\r")
        if bundle is not None:
            sys.stdout.write(bundle["text/plain"] + "\n")

    def _write(self, line: str) -> None:
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)


class StaticSurface:
    """One output at the end, and no update."""

    def update(self, report: Report) -> None:
        """Show nothing yet."""

    def replace(self, bundle: dict[str, str] | None) -> None:
        """Show a report."""
        if bundle is not None:
            display(bundle, raw=True)


class NoSurface:
    """Nothing at all, for ``--quiet``."""

    def update(self, report: Report) -> None:
        """Show nothing."""

    def replace(self, bundle: dict[str, str] | None) -> None:
        """Show nothing."""


def surface_for(shell: Any, live: bool | None) -> Surface:
    """Return where ``shell`` shows a line; ``live`` overrides what we find."""
    if not hasattr(shell, "kernel"):
        on_terminal = sys.stderr.isatty() if live is None else live
        return TerminalSurface() if on_terminal else StaticSurface()
    return NotebookSurface() if (_someone_looks() if live is None else live) else StaticSurface()


def _someone_looks() -> bool:
    # Jupyter's server names the session of a kernel that a front end has started.
    wanted = os.environ.get("PARMAGIC_LIVE", "")
    return wanted == "1" if wanted else "JPY_SESSION_NAME" in os.environ
