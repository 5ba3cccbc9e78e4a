"""What became of the items of a job, one after the other as they finish."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from parmagic.mapping.awaiting import Awaited, result_of
from parmagic.mapping.outcome import Outcome
from parmagic.mapping.outcomes import Outcomes


class Streamed(Awaited, Protocol):
    """A job, as far as it matters here."""

    outcomes: Outcomes
    listeners: list[Callable[[], object]]

    def done(self) -> bool:
        """Tell whether it is over."""

    def outcome(self, index: int) -> Outcome:
        """Return what became of an item."""


async def stream(job: Streamed) -> AsyncIterator[Outcome]:
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
