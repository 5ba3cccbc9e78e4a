"""Wait for a job in an event loop, and let nothing come out of it that would end the loop."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

from parmagic.worker.text import type_name

if TYPE_CHECKING:
    from parmagic.mapping.job import Job
    from parmagic.mapping.results import Results

T = TypeVar("T")


def wait_for(job: Job[T]) -> Generator[Any, None, Results[T]]:
    """Wait until ``job`` is over, and return its results; whose task is cancelled cancels it."""
    import asyncio  # 25 ms, which a script need not spend

    loop = asyncio.get_running_loop()
    over: asyncio.Event = asyncio.Event()

    def wake(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody asks any more
            loop.call_soon_threadsafe(over.set)

    job.add_done_callback(wake)
    try:
        yield from over.wait().__await__()
    except asyncio.CancelledError:
        job.cancel()
        raise
    return result_of(job)


def result_of(job: Job[T]) -> Results[T]:
    """Return the results of a job that is over, for whoever awaits it.

    Raises
    ------
    asyncio.CancelledError
        The job was cancelled or stopped.
    RuntimeError
        An item has raised what ends an event loop, or a generator: `SystemExit`,
        `KeyboardInterrupt`, `StopIteration`. That is its cause.
    Exception
        Whatever else kept the results from coming.
    """
    __tracebackhide__ = True
    if job.was_stopped:
        import asyncio

        raise asyncio.CancelledError(job.how_to_go_on())
    error = job.exception()
    if error is None or (isinstance(error, Exception) and not isinstance(error, StopIteration)):
        return job.result()
    raise RuntimeError(f"an item raised {type_name(error)}") from error
