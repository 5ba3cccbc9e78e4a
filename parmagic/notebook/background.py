"""A job that goes on when its cell is over.

::

    its cell          a line, a Stop button and a place for output, which are there at once
    its own thread    moves the line, and puts the report in its place in the end
"""

from __future__ import annotations

from typing import Any

from parmagic.mapping.job import Job
from parmagic.notebook.progress import Progress
from parmagic.notebook.traceback import show_all_frames, show_own_frames_only


def start_in_background(
    job: Job[Any], progress: Progress, all_frames: bool, *, quiet: bool
) -> Job[Any]:
    """Start ``job``, and show below the cell that runs now what becomes of it.

    Parameters
    ----------
    all_frames
        Whether a traceback is to show our own frames, too.
    quiet
        Whether the report is wanted only if something went wrong.

    Raises
    ------
    Exception
        What keeps it from being started, such as a function that cannot be sent.
    """

    def finish(_: object) -> None:
        error = job.exception()
        if error is not None:
            _show_frames(error, all_frames)
        progress.finish(job, report=not quiet or error is not None)

    job.begin()
    try:
        progress.begin(job)
        job.add_done_callback(finish)
    except BaseException:
        job.abandon()
        raise
    return job.start()


def _show_frames(error: BaseException, all_frames: bool) -> None:
    # For the cell that asks for the result.
    if all_frames:
        show_all_frames(error)
    else:
        show_own_frames_only(error, whole_cell=False)
