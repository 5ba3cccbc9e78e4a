"""A job in a shell that writes lines of text."""

from __future__ import annotations

from typing import Any

from IPython.display import display

from parmagic.mapping.job import Job
from parmagic.notebook.bundles import report_bundle
from parmagic.pool.output import show
from parmagic.worker.capture import Output


class PlainSurface:
    """Text as it comes, and no line: a terminal whose output goes to a file."""

    def begin(self, job: Job[Any]) -> None:
        """Show nothing yet."""

    def echo(self, output: Output) -> None:
        """Print it."""
        show(output)

    def update(self, job: Job[Any]) -> None:
        """Show nothing yet."""

    def finish(self, job: Job[Any], *, report: bool) -> None:
        """Show the report."""
        if report:
            display(report_bundle(job), raw=True)
