"""The item that failed, once more: in the kernel, with IPython's debugger where it fails."""

from __future__ import annotations

import sys
import sysconfig
from bdb import Bdb, BdbQuit
from linecache import getlines
from pathlib import PurePath
from traceback import format_exception_only
from types import FrameType, TracebackType
from typing import Any

from IPython.core.display_trap import DisplayTrap
from IPython.core.error import UsageError

from parmagic.mapping.history import jobs
from parmagic.mapping.job import Job
from parmagic.notebook.start_up import explain_start_up
from parmagic.notebook.traceback import OwnFrames, show_own_frames_only
from parmagic.report.units import count
from parmagic.worker.errors import PayloadError, WorkerDied, add_note
from parmagic.worker.text import safe_repr, safe_str, type_name

_NO_FRONT_END = (
    "The debugger needs a front end that can be asked for input. Open the notebook in one, such as"
    " JupyterLab, and run %pardebug there."
)
_NO_FRAMES = "The debugger has nothing to show: what failed is not written in Python."
_PACKAGES = {"site-packages", "dist-packages"}
_NOT_OWN = (sysconfig.get_path("stdlib"), "<frozen ")


def debug_item(shell: Any, index: int | None = None, *, force: bool = False) -> Any:
    """Run an item of a job again in this process, and open the debugger where it fails.

    Parameters
    ----------
    index
        Of the item in the newest job that did not finish well; None for the first that
        failed in the newest job that has such items.
    force
        Run it even if it has ended its worker, and may end this process.

    Returns
    -------
    Any
        Its value; None if it fails.

    Raises
    ------
    UsageError
        There is no such item any more, or it has ended its worker.
    BaseException
        What the item raises, where nobody can be asked for input.
    """
    job, index = find_item(index)
    item, earlier = _item(job, index), job.errors.get(index)
    if not force:
        _refuse_danger(index, earlier)
    _say(f"item {index} of {job.what!r}: {safe_repr(item)}")
    if isinstance(earlier, TimeoutError):
        _say(f"{_named(earlier)}. Interrupt opens the debugger where it hangs.")
    try:
        value = job.rerun(index, force=True)
    except BdbQuit:  # out of a breakpoint of its own, where the user has had enough
        return None
    except BaseException as error:
        failure = error
    else:
        _say(_ran_well(index, earlier))
        return value
    return _look_into(shell, failure)


def find_item(index: int | None) -> tuple[Job[Any], int]:
    """Return the job and the index that are meant; see `debug_item`."""
    newest_first = list(reversed(jobs))
    if not newest_first:
        raise UsageError("there is no job to look into yet: first comes %%parmap")
    if index is not None:
        unfinished = [job for job in newest_first if not job.succeeded]
        return (unfinished or newest_first)[0], index
    for job in newest_first:
        if failed := job.errors:
            return job, min(failed)
    raise UsageError(_none_failed(newest_first[0]))


def _none_failed(job: Job[Any]) -> str:
    if pending := job.pending:
        one = f"%pardebug {pending[0]} runs the first of {job.what!r} that has not finished"
    else:
        one = f"%pardebug 0 runs the first of {job.what!r}"
    return f"no item has failed. {one} all the same"


def _item(job: Job[Any], index: int) -> Any:
    try:
        return job.item(index)
    except IndexError:
        items = count(job.report().items or 0, "item")
        raise UsageError(f"{job.what!r} has no item {index}: it has {items}") from None
    except LookupError as error:
        raise UsageError(f"{error}. Only those that failed are kept") from None


def _refuse_danger(index: int, earlier: BaseException | None) -> None:
    if isinstance(earlier, WorkerDied):
        danger = "ended its worker, and would end the kernel with all its variables"
    elif isinstance(earlier, TimeoutError) and _frames_of_items(earlier) is None:
        # None of its frames: the worker had to be killed, with the item stuck in C, say.
        danger = "could not be stopped, and Interrupt would not stop it in the kernel"
    else:
        return
    raise UsageError(
        f"item {index} {danger}.\n{_named(earlier)}"
        f"\n    To run it all the same:     %pardebug --force {index}"
    )


def _frames_of_items(error: BaseException) -> TracebackType | None:
    return OwnFrames(error, whole_cell=True).frames


def _ran_well(index: int, earlier: BaseException | None) -> str:
    if isinstance(earlier, PayloadError):
        why = f"what failed was the way to a worker or back.\n{_named(earlier)}"
        return f"Item {index} runs well in the kernel: {why}"
    return f"Item {index} runs well in the kernel, with the variables as they are now."


def _named(error: BaseException) -> str:
    return f"{type_name(error)}: {safe_str(error)}".rstrip(": ")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _look_into(shell: Any, error: BaseException) -> None:
    """Open the debugger on the frames of ``error`` that are the user's, or else raise it."""
    explain_start_up(error)
    frames = _frames_of_items(error)
    if frames is None or not _can_ask(shell):
        add_note(error, _NO_FRAMES if frames is None else _NO_FRONT_END)
        show_own_frames_only(error, whole_cell=True)
        raise error
    _remember(error.with_traceback(frames))
    _say("".join(format_exception_only(error)).rstrip())
    debugger = _debugger(shell)
    debugger.reset()
    # That of the shell would number what the debugger prints, and keep it in Out.
    with DisplayTrap(hook=sys.__displayhook__):
        debugger.interaction(None, error)


def _can_ask(shell: Any) -> bool:
    if not hasattr(shell, "get_parent"):
        return True  # a terminal
    return bool(shell.get_parent().get("content", {}).get("allow_stdin"))


def _remember(error: BaseException) -> None:
    """Let %debug and %tb come back to ``error``, which has the user's frames only."""
    show_own_frames_only(error, whole_cell=False)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error


def _debugger(shell: Any) -> Any:
    usual = shell.InteractiveTB.debugger_cls  # one for a terminal, one for a notebook
    return type(usual.__name__, (OwnCodeFirst, usual), {})()


class OwnCodeFirst(Bdb):
    """Let a debugger begin where the user's code calls a library, and list whole cells."""

    def get_stack(
        self, f: FrameType | None, t: TracebackType | None
    ) -> tuple[list[tuple[FrameType, int]], int]:
        """Return the frames, and which of them is shown first."""
        stack, shown = super().get_stack(f, t)
        if f is not None:  # a program that runs
            return stack, shown
        own = [n for n, (frame, _) in enumerate(stack) if not _is_of_a_library(frame)]
        return stack, max(own, default=shown)

    def getsourcelines(self, obj: Any) -> tuple[list[str], int]:
        """Return what ``ll`` lists, and the number of its first line."""
        code = getattr(obj, "f_code", None)
        if code is not None and code.co_name == "<module>":
            return getlines(code.co_filename), 1
        lines: tuple[list[str], int] = super().getsourcelines(obj)  # type: ignore[misc]
        return lines


def _is_of_a_library(frame: FrameType) -> bool:
    # Compiled code gives a path that begins at its package: its module knows better.
    file = str(frame.f_globals.get("__file__") or frame.f_code.co_filename)
    return file.startswith(_NOT_OWN) or not _PACKAGES.isdisjoint(PurePath(file).parts)
