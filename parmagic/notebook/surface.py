"""Where a cell shows its job."""

from __future__ import annotations

from typing import Any, Protocol

from parmagic.mapping.job import Job
from parmagic.worker.capture import Output


class Surface(Protocol):
    """Where a job is shown."""

    def begin(self, job: Job[Any]) -> None:
        """Hear, in the cell's own thread, that the job goes on when the cell is over.

        The others are called in the thread of the job then.
        """

    def echo(self, output: Output) -> None:
        """Hear what items print and display, as it comes."""

    def update(self, job: Job[Any]) -> None:
        """Show how far the job is."""

    def finish(self, job: Job[Any], *, report: bool) -> None:
        """Show how it ended, with or without the report."""
