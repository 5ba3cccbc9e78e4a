"""A job in a notebook that somebody looks at."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython

from parmagic.mapping.job import Job
from parmagic.notebook.bundles import NOTHING, ended_bundle, line_bundle, report_bundle
from parmagic.notebook.output_area import OutputArea
from parmagic.notebook.spot import Spot
from parmagic.notebook.stop import StopButton
from parmagic.worker.capture import Output


class NotebookSurface:
    """Outputs that are updated under their display ids, by which they always arrive.

    Parameters
    ----------
    line
        Whether to show the line and the Stop button while the job runs.
    """

    def __init__(self, *, line: bool = True) -> None:
        self._has_line = line
        self._spot = Spot()
        self._stop: StopButton | None = None
        self._area = OutputArea()
        self._changes = 0
        self._in_background = False

    def begin(self, job: Job[Any]) -> None:
        """Have places in the cell that runs now, for a job that goes on when it is over."""
        self._in_background = True
        if self._has_line:
            self._spot.show(line_bundle(job.progress()))
            self._show_stop(job)
        self._area.reserve()

    def echo(self, output: Output) -> None:
        """Wait for the next repaint."""

    def update(self, job: Job[Any]) -> None:
        """Show the line, the button, and what the items have shown so far."""
        if self._has_line:
            self._spot.show(line_bundle(job.progress()))
            self._show_stop(job)
        changes = job.record.log.changes
        if changes != self._changes:
            self._changes = changes
            self._area.draw(job.record.outputs())

    def finish(self, job: Job[Any], *, report: bool) -> None:
        """Put the report, or nothing, in the line's place."""
        if report:
            self._spot.show((ended_bundle if self._in_background else report_bundle)(job))
        elif self._spot.is_taken:
            self._spot.show(NOTHING)
        if self._stop is not None:
            self._stop.vanish()
            self._stop = None  # which knows the job: together they would keep its results
        self._area.finish(job.record.outputs())

    def _show_stop(self, job: Job[Any]) -> None:
        if self._stop is None:
            # Nobody is there to whom a KeyboardInterrupt would be raised.
            stop = job.cancel if self._in_background else job.interrupt
            self._stop = StopButton(get_ipython(), stop)
            self._stop.show()
