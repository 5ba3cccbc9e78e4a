"""A job as plain data, while it runs and afterwards."""

from __future__ import annotations

import os
import sysconfig
from traceback import walk_tb

from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.usage import Usage
from parmagic.pool.workforce import Workforce
from parmagic.report.report import FailedItem, Report, State
from parmagic.worker.culprit import file_label
from parmagic.worker.text import safe_str, shorten, type_name

_MESSAGE_CHARACTERS = 200
_REPORTED_FAILURES = 100
# Where others' code lies.
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_INSTALLED = tuple({*map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))})


def summary(
    what: str,
    state: State,
    outcomes: Outcomes,
    usage: Usage,
    workforce: Workforce | None,
) -> Report:
    """Describe a job at this moment, but for a preview of its results.

    Parameters
    ----------
    what
        The job in the user's words.
    workforce
        Who runs it; None in the kernel.
    """
    return Report(
        what=what,
        state=state,
        items=outcomes.length,
        done=outcomes.done,
        failed=len(outcomes.errors),
        kept=outcomes.kept,
        workers=0 if workforce is None else workforce.size,
        busy_workers=0 if workforce is None else workforce.busy_workers,
        chunks=usage.chunks,
        wall_seconds=usage.wall_seconds,
        item_seconds=usage.item_seconds,
        start_seconds=usage.start_seconds,
        failures=tuple(_failed_items(outcomes)),
        backend="" if workforce is None else workforce.name,
        names={} if workforce is None else dict(workforce.names()),
    )


def _failed_items(outcomes: Outcomes) -> list[FailedItem]:
    return [
        _failed_item(index, outcomes.failed_items[index], outcomes.errors[index])
        for index in sorted(outcomes.errors)[:_REPORTED_FAILURES]
    ]


def _failed_item(index: int, item: str, error: BaseException) -> FailedItem:
    return FailedItem(index, item, _one_line(error), type_name(error), _line(error))


def _line(error: BaseException) -> str:
    """Name the last line of the user's own code that the error has passed."""
    traceback = vars(BaseException)["__traceback__"].__get__(error)  # it may not let us ask
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(traceback)]
    for filename, line in reversed(places):
        if not filename.startswith((*_INSTALLED, "<frozen", _OURS)):
            file = file_label(filename)
            return f"line {line} of {file}" if file else f"line {line}"
    return ""


def _one_line(error: BaseException) -> str:
    # A long text tells what is the matter in its first line.
    text = shorten("".join(safe_str(error).splitlines()[:1]), _MESSAGE_CHARACTERS)
    return f"{type_name(error)}: {text}" if text else type_name(error)
