"""A job in a notebook that nobody looks at while it runs."""

from __future__ import annotations

from typing import Any

from IPython.display import display

from parmagic.mapping.job import Job
from parmagic.notebook.bundles import background_bundle, output_bundles, report_bundle
from parmagic.worker.capture import Output


class StaticSurface:
    """Outputs at the end, and no update: what nbval and nbconvert understand.

    Output stands in the order of the items, so that two runs show the same.

    Parameters
    ----------
    line
        Whether a cell says that its job goes on in the background.
    """

    def __init__(self, *, line: bool = True) -> None:
        self._has_line = line
        self._in_background = False

    def begin(self, job: Job[Any]) -> None:
        """Say that it runs: nothing can be shown here when the cell is over."""
        self._in_background = True
        if self._has_line:
            display(background_bundle(job), raw=True)

    def echo(self, output: Output) -> None:
        """Wait for the end."""

    def update(self, job: Job[Any]) -> None:
        """Show nothing yet."""

    def finish(self, job: Job[Any], *, report: bool) -> None:
        """Show the report, and what the items have shown."""
        if self._in_background:
            return  # a job shows its report wherever it is displayed
        if report:
            display(report_bundle(job), raw=True)
        for bundle in output_bundles(job):
            display(bundle, raw=True)
