"""What became of the items of a job, one after the other as they finish."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from parmagic.mapping.awaiting import result_of
from parmagic.mapping.outcome import Outcome

if TYPE_CHECKING:
    from parmagic.mapping.job import Job


async def stream(job: Job[Any]) -> AsyncIterator[Outcome]:
    """Yield the outcomes so far, and the others when they come; then raise the job's exception.

    Who stops asking does not stop the job.
    """
    import asyncio  # 25 ms, which a script need not spend

    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: Any = None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody asks any more
            loop.call_soon_threadsafe(news.set)

    job.listeners.append(wake)
    job.add_done_callback(wake)
    try:
        seen, over = 0, False
        while not over:
            news.clear()
            over = job.done()
            for index in job.outcomes.finished_since(seen):
                seen += 1
                yield job.outcome(index)
            if not over:
                await news.wait()
    finally:
        job.listeners.remove(wake)
    result_of(job)
