"""Wait for a job in an event loop, and let nothing come out of it that would end the loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, Protocol

from parmagic.worker.text import type_name


class Awaited(Protocol):
    """A job, as far as it matters here."""

    @property
    def was_stopped(self) -> bool:
        """Whether somebody has cancelled or interrupted it."""

    def how_to_go_on(self) -> str:
        """Say what is kept, and how to run the rest."""

    def result(self) -> Any:
        """Return its results, or raise."""

    def exception(self) -> BaseException | None:
        """Return what `result` raises."""

    def cancel(self) -> bool:
        """Stop it."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        """Call ``fn`` when it is over."""


def wait_for(job: Awaited) -> Generator[Any, None, Any]:
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


def result_of(job: Awaited) -> Any:
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
