"""One map: a future of its results, which also tells how far it is."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from parmagic.mapping.history import remember
from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.pool_run import PoolRun
from parmagic.mapping.results import Results, preview
from parmagic.mapping.serial_run import SerialRun
from parmagic.mapping.source import source_of
from parmagic.mapping.usage import Usage
from parmagic.pool.default import default_pool
from parmagic.pool.executor import ProcessPoolExecutor
from parmagic.pool.payload import Payload
from parmagic.report.report import FailedItem, Report
from parmagic.report.units import count
from parmagic.worker.loop import inside_worker
from parmagic.worker.text import safe_str

T = TypeVar("T")

_MESSAGE_CHARACTERS = 100
_REPORTED_FAILURES = 100

State = Literal["running", "done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a job; the words are those of `parmagic.map`."""

    workers: int | None = None
    chunksize: int | None = None
    star: bool = False
    return_exceptions: bool = False
    serial: bool = False

    def __post_init__(self) -> None:
        for name in ("workers", "chunksize"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be 1 or more, not {number}")


class Job(Future[Results[T]]):
    """The call of one function on many items.

    A `concurrent.futures.Future` of its `Results`, and awaitable. What has finished
    stays in `outcomes`, whatever becomes of the rest.

    Parameters
    ----------
    fn
        The function.
    items
        What to call it on; iterated no further ahead than needed.
    options
        How.
    what
        The job in the user's words, for reports.
    look_up
        Called with the job while it runs, in the thread that drives it, ten times a
        second and more.
    """

    def __init__(
        self,
        fn: Callable[..., T],
        items: Iterable[Any],
        options: Options | None = None,
        *,
        what: str | None = None,
        look_up: Callable[[Job[T]], None] | None = None,
    ) -> None:
        super().__init__()
        self.fn = fn
        self.options = options or Options()
        self.what = (
            what or f"{getattr(fn, '__name__', type(fn).__name__)} over {type(items).__name__}"
        )
        self._source = source_of(items)
        self.outcomes = Outcomes(self._source.length)
        self._usage = Usage()
        self._look_up = look_up
        self._run: PoolRun | SerialRun | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._state_now: State = "running"
        self._cancelled = False

    @property
    def succeeded(self) -> bool:
        """Whether every item has a value."""
        return self._state_now == "done" and not self.outcomes.errors

    def run(self) -> Results[T]:
        """Drive the job to its end in this thread, and return the results.

        Raises
        ------
        PayloadError
            The function or an item cannot be sent to the workers.
        KeyboardInterrupt
            It was interrupted; what had finished is in `outcomes`.
        Exception
            What the first failing item raised, unless ``return_exceptions``.
        """
        remember(self)
        if not self.set_running_or_notify_cancel():
            self._state_now = "interrupted"
            raise CancelledError
        try:
            self._drive()
            results = self._conclude()
        except BaseException as error:
            self._give_up(error)
            raise
        self.set_result(results)
        return results

    def _give_up(self, error: BaseException) -> None:
        self._usage.end()
        if self._state_now == "running":
            self._state_now = "failed"
        self.set_exception(error)

    def start(self) -> Job[T]:
        """Drive the job in a thread of its own, and return at once."""
        # What its items print belongs to the cell that started it.
        drive = copy_context().run
        thread = threading.Thread(
            target=drive, args=(self._run_quietly,), name="parmagic-job", daemon=True
        )
        thread.start()
        return self

    def _run_quietly(self) -> None:
        with contextlib.suppress(BaseException):  # the future has it
            self.run()

    def cancel(self) -> bool:
        """Stop the job; what has finished stays in `outcomes`. False if it is over."""
        if super().cancel():
            return True
        if self.done():
            return False
        self._cancelled = True
        if self._run is not None:
            self._run.interrupt()
        return True

    def cancelled(self) -> bool:
        """Tell whether the job was cancelled."""
        return super().cancelled() or (self._cancelled and self.done())

    def __await__(self) -> Generator[Any, None, Results[T]]:
        import asyncio  # 25 ms, which a script need not spend

        return asyncio.wrap_future(self).__await__()

    def _drive(self) -> None:
        in_kernel = self.options.serial or inside_worker()
        self._run = self._serial_run() if in_kernel else self._pool_run()
        if self._cancelled:
            self._run.interrupt()
        self._run.run()

    def _serial_run(self) -> SerialRun:
        return SerialRun(
            self.fn,
            self._source,
            self.outcomes,
            self._usage,
            star=self.options.star,
            keep_going=self.options.return_exceptions,
            look_up=self._looked_up,
        )

    def _pool_run(self) -> PoolRun:
        self._pool = default_pool(self.options.workers)
        self._usage.warm = self._pool.warm
        keep_going = self.options.return_exceptions
        return PoolRun(
            self._pool.dispatcher,
            Payload.of(self.fn, star=self.options.star, keep_going=keep_going),
            self._source,
            self.outcomes,
            self._usage,
            chunksize=self.options.chunksize,
            keep_going=keep_going,
            look_up=self._looked_up,
        )

    def _looked_up(self) -> None:
        if self._look_up is not None:
            self._look_up(self)

    def _conclude(self) -> Results[T]:
        self._usage.end()
        assert self._run is not None
        if self._run.interrupted:
            self._state_now = "interrupted"
            raise CancelledError if self._cancelled else KeyboardInterrupt(self._kept())
        error = self.outcomes.first_error
        if error is not None and not self.options.return_exceptions:
            self._state_now = "failed"
            with contextlib.suppress(Exception):  # such as: its __notes__ is no list
                error.add_note(self._kept())
            raise error
        self._state_now = "done"
        return Results(self.outcomes.with_errors(), self._report())

    def _kept(self) -> str:
        return f"{count(self.outcomes.done, 'result')} kept in parmagic.jobs[-1].outcomes"

    def _failed_items(self) -> list[FailedItem]:
        outcomes = self.outcomes
        return [
            FailedItem(index, outcomes.failed_items[index], _one_line(outcomes.errors[index]))
            for index in sorted(outcomes.errors)[:_REPORTED_FAILURES]
        ]

    def report(self) -> Report:
        """Describe the job at this moment."""
        return replace(self._report(), preview=preview(self.outcomes.first_values()))

    def _report(self) -> Report:
        outcomes, usage = self.outcomes, self._usage
        return Report(
            what=self.what,
            state=self._state_now,
            items=self._source.length,
            done=outcomes.done,
            failed=len(outcomes.errors),
            workers=0 if self._pool is None else self._pool.max_workers,
            busy_workers=0 if self._pool is None else self._pool.busy_workers,
            chunks=usage.chunks,
            wall_seconds=usage.wall_seconds,
            item_seconds=usage.item_seconds,
            start_seconds=usage.start_seconds,
            failures=tuple(self._failed_items()),
        )


def _one_line(error: BaseException) -> str:
    text = safe_str(error, _MESSAGE_CHARACTERS)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
