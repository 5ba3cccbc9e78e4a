"""A job as plain data, while it runs and afterwards."""

from __future__ import annotations

from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.usage import Usage
from parmagic.pool.executor import ProcessPoolExecutor
from parmagic.report.report import FailedItem, Report, State
from parmagic.worker.text import safe_str, shorten, type_name

_MESSAGE_CHARACTERS = 200
_REPORTED_FAILURES = 100


def summary(
    what: str,
    state: State,
    outcomes: Outcomes,
    usage: Usage,
    pool: ProcessPoolExecutor | None,
) -> Report:
    """Describe a job at this moment, but for a preview of its results.

    Parameters
    ----------
    what
        The job in the user's words.
    pool
        Where it runs; None in the kernel.
    """
    return Report(
        what=what,
        state=state,
        items=outcomes.length,
        done=outcomes.done,
        failed=len(outcomes.errors),
        kept=outcomes.kept,
        workers=0 if pool is None else pool.max_workers,
        busy_workers=0 if pool is None else pool.busy_workers,
        chunks=usage.chunks,
        wall_seconds=usage.wall_seconds,
        item_seconds=usage.item_seconds,
        start_seconds=usage.start_seconds,
        failures=tuple(_failed_items(outcomes)),
    )


def _failed_items(outcomes: Outcomes) -> list[FailedItem]:
    return [
        FailedItem(index, outcomes.failed_items[index], _one_line(outcomes.errors[index]))
        for index in sorted(outcomes.errors)[:_REPORTED_FAILURES]
    ]


def _one_line(error: BaseException) -> str:
    # A long text tells what is the matter in its first line.
    text = shorten("".join(safe_str(error).splitlines()[:1]), _MESSAGE_CHARACTERS)
    return f"{type_name(error)}: {text}" if text else type_name(error)
