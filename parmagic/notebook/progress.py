"""What a cell shows of its job, while it runs and afterwards.

::

    report    a line that moves, and in the end the report under the same display id
    Stop      a button, where clicks arrive while the cell runs
    output    what the items have printed and displayed

A cell under half a second shows nothing before its end.
"""

from __future__ import annotations

import time
from typing import Any

from parmagic.mapping.job import Job
from parmagic.notebook.surface import Surface

# The front end stays quick at 100 updates a second; nobody reads more than a few.
UPDATE_SECONDS = 0.2


class Progress:
    """Repaint a surface now and then; ``shown`` once there was something to see.

    Parameters
    ----------
    surface
        Where.
    after_seconds
        How long a job must have run before anything is shown.
    """

    def __init__(self, surface: Surface, after_seconds: float) -> None:
        self._surface = surface
        self._next = time.monotonic() + after_seconds
        self.shown = False

    def begin(self, job: Job[Any]) -> None:
        """Show that it runs, at once: it goes on when its cell is over."""
        self.shown = True
        self._surface.begin(job)

    def look_up(self, job: Job[Any]) -> None:
        """Repaint if it is time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + UPDATE_SECONDS
            self.shown = True
            self._surface.update(job)

    def finish(self, job: Job[Any], *, report: bool) -> None:
        """Show how it ended: all output and, if asked to, the report."""
        self._surface.finish(job, report=report)
