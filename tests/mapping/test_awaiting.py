"""Who awaits a job hears how it ended, and goes on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support import Gate

import parmagic
from parmagic.mapping.job import Job


async def caught(awaitable: Any) -> BaseException | None:
    """Return what an awaited job raises in a task, as under `asyncio.gather`."""
    try:
        await asyncio.gather(awaitable)
    except BaseException as error:
        return error
    return None


def failing(error: BaseException) -> Callable[[int], int]:
    def fn(number: int) -> int:
        if number == 1:
            raise error
        return number

    return fn


@pytest.mark.parametrize("error", [SystemExit("bye"), KeyboardInterrupt(), StopIteration(3)])
def test_what_would_end_the_loop_is_the_cause_of_an_ordinary_error(error: BaseException) -> None:
    job = parmagic.map_async(failing(error), range(3))
    raised = asyncio.run(caught(job))
    assert isinstance(raised, RuntimeError)
    assert str(raised) == f"an item raised {type(error).__name__}"
    assert raised.__cause__ is job.exception()
    assert raised.__cause__.__notes__[0] == "in item 1: 1"


def test_such_an_error_ends_a_stream_too() -> None:
    async def main() -> list[int]:
        seen = []
        with pytest.raises(RuntimeError, match="an item raised StopIteration"):
            async for outcome in parmagic.map_async(failing(StopIteration()), range(3)):
                seen.append(outcome.index)
        return seen

    assert 1 in asyncio.run(main())


def test_any_other_error_is_itself_with_its_lines_and_notes() -> None:
    job = parmagic.map_async(failing(TimeoutError("server slow")), range(3))
    raised = asyncio.run(caught(job))
    assert raised is job.exception()
    assert raised.__notes__[0] == "in item 1: 1"
    names = []
    traceback = raised.__traceback__
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert "fn" in names


@pytest.mark.parametrize("stop", [Job.cancel, Job.interrupt])
def test_a_job_that_is_stopped_says_what_is_kept(gate: Gate, stop: Callable[[Any], Any]) -> None:
    async def main() -> BaseException | None:
        job = parmagic.map_async(lambda x: gate.enter() if x else x, range(9), chunksize=1)
        await asyncio.to_thread(gate.wait_for, 1)
        waiting = asyncio.create_task(caught(job))
        await asyncio.sleep(0)
        stop(job)
        return await waiting

    raised = asyncio.run(main())
    assert isinstance(raised, asyncio.CancelledError)
    # gather() makes one of its own from Python 3.11 on, whose message may be the task's.
    assert "kept in parmagic.jobs[-1]" in str(raised) or sys.version_info >= (3, 11)
