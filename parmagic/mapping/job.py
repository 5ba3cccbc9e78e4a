"""One map: a future of its results, which also tells how far it is."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future
from contextvars import copy_context
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from parmagic.mapping.backlog import Backlog
from parmagic.mapping.history import Origin, find_unfinished, remember
from parmagic.mapping.options import Options
from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.past import Past
from parmagic.mapping.pool_run import PoolRun
from parmagic.mapping.results import Results, preview
from parmagic.mapping.resume import Kept, ResumeError
from parmagic.mapping.room import Room
from parmagic.mapping.serial_run import SerialRun
from parmagic.mapping.source import source_of
from parmagic.mapping.summary import summary
from parmagic.mapping.tries import Tries
from parmagic.mapping.usage import Usage
from parmagic.pool.default import default_pool
from parmagic.pool.executor import ProcessPoolExecutor
from parmagic.pool.payload import Payload
from parmagic.report import html, text
from parmagic.report.report import Report, State
from parmagic.report.units import count
from parmagic.worker.errors import WorkerDied, add_note
from parmagic.worker.function import of_one_argument
from parmagic.worker.loop import inside_worker
from parmagic.worker.text import safe_repr

T = TypeVar("T")


class Advice(NamedTuple):
    """How to go on after an item has ``failed``, or ended its worker, or all was ``stopped``."""

    failed: str
    died: str
    stopped: str


_ADVICE = Advice(*3 * ["resume=True runs the rest."])


class Job(Future[Results[T]]):
    """The call of one function on many items.

    A `concurrent.futures.Future` of its `Results`, and awaitable. What has finished
    stays here, whatever becomes of the rest: `values`, `errors` and `pending` say how
    far it is, `rerun` runs one item again, and another job may resume it.

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
    origin
        The cell that it comes from; None in a script.
    advice
        How to go on, for the note under the exception.
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
        origin: Origin | None = None,
        advice: Advice = _ADVICE,
        look_up: Callable[[Job[T]], None] | None = None,
    ) -> None:
        super().__init__()
        self.fn = fn
        self.options = options or Options()
        self.what = (
            what or f"{getattr(fn, '__name__', type(fn).__name__)} over {type(items).__name__}"
        )
        self.origin = origin
        self._advice = advice
        self._source = source_of(items)
        self.outcomes = Outcomes(self._source.length)
        self._past = Past(self._source, self.outcomes)
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

    @property
    def values(self) -> dict[int, T]:
        """The values so far, by index."""
        return {
            first + number: value
            for first, values in self.outcomes.runs()
            for number, value in enumerate(values)
        }

    @property
    def errors(self) -> dict[int, BaseException]:
        """The exceptions so far, by index."""
        return dict(self.outcomes.errors)

    @property
    def pending(self) -> list[int]:
        """The indices of the items that have neither."""
        return self.outcomes.pending()

    def item(self, index: int) -> Any:
        """Return one of the items.

        Raises
        ------
        LookupError
            There is none, or it has run well and its iterable cannot be asked again.
        """
        if index in self.outcomes.items:
            return self.outcomes.items[index]
        return self._source.item(index)

    def rerun(self, index: int, *, force: bool = False) -> T:
        """Call the function on one item again, in this process, and return its value.

        Parameters
        ----------
        index
            Of the item, as in the note under its exception.
        force
            Do so also where the item has ended its worker, and may end this process.

        Raises
        ------
        LookupError
            The item is gone.
        WorkerDied
            It has ended its worker.
        Exception
            Whatever the function raises.
        """
        item = self.item(index)
        error = self.outcomes.errors.get(index)
        if error is not None and _is_death(error) and not force:
            raise error
        value: T = of_one_argument(self.fn, star=self.options.star)(item)
        return value

    def kept(self) -> Kept:
        """Return what another job over the same items may take over.

        Raises
        ------
        ResumeError
            The job still runs.
        """
        if not self.done():
            raise ResumeError.running(self.what)
        return self._past.kept()

    def run(self) -> Results[T]:
        """Drive the job to its end in this thread, and return the results.

        Raises
        ------
        PayloadError
            The function or an item cannot be sent to the workers.
        ResumeError
            It cannot be resumed, because its items differ; or, by a checkpoint, its function.
        KeyboardInterrupt
            It was interrupted; what had finished is kept.
        Exception
            What the first failing item raised, unless ``return_exceptions``.
        """
        __tracebackhide__ = True  # IPython shows the user's frames only
        if not self.set_running_or_notify_cancel():
            self._state_now = "interrupted"
            remember(self)
            raise CancelledError
        try:
            results = self._results()
        except BaseException as error:
            self._give_up(error)
            raise
        self.set_result(results)
        return results

    def _results(self) -> Results[T]:
        __tracebackhide__ = True
        earlier = self._earlier()
        try:
            kept, in_file = self._kept_of(earlier)
            backlog = self._past.take_over(kept)
            remember(self, instead_of=None if in_file else earlier)
            self._drive(backlog)
        finally:
            self._past.close()
        return self._conclude()

    def _earlier(self) -> Job[T] | None:
        asked = self.options.resume
        return find_unfinished(self.what, self.origin) if asked is True else asked or None

    def _kept_of(self, earlier: Job[T] | None) -> tuple[Kept | None, bool]:
        """Return what there is more of, and whether that comes from the file."""
        path, resumed = self.options.checkpoint, bool(self.options.resume)
        held = None if path is None else self._past.open(path, self.fn, resumed=resumed)
        kept = None if earlier is None else earlier.kept()
        if held is None or (kept is not None and kept.values_count >= held.values_count):
            return kept, False
        return held, True

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

    def _drive(self, backlog: Backlog) -> None:
        tries = Tries(
            self.outcomes,
            backlog,
            retries=self.options.retries,
            keep_going=self.options.return_exceptions,
        )
        in_kernel = self.options.serial or inside_worker()
        run = self._serial_run if in_kernel else self._pool_run
        self._run = run(backlog, tries)
        if self._cancelled:
            self._run.interrupt()
        self._run.run()

    def _serial_run(self, backlog: Backlog, tries: Tries) -> SerialRun:
        star, look_up = self.options.star, self._looked_up
        return SerialRun(self.fn, backlog, tries, self._usage, star=star, look_up=look_up)

    def _pool_run(self, backlog: Backlog, tries: Tries) -> PoolRun:
        self._pool = default_pool(self.options.workers)
        self._usage.warm = self._pool.warm
        dispatcher = self._pool.dispatcher
        return PoolRun(
            dispatcher,
            self._payload(),
            backlog,
            tries,
            self._usage,
            chunksize=self.options.chunksize,
            room=Room(self.options.memory_limit, lambda: dispatcher.pids),
            look_up=self._looked_up,
        )

    def _payload(self) -> Payload:
        return Payload.of(
            self.fn,
            star=self.options.star,
            keep_going=self.options.return_exceptions,
            timeout_seconds=self.options.timeout,
            most_bytes=self.options.worker_memory_limit,
        )

    def __repr__(self) -> str:
        return f"<Job {safe_repr(self.what)[1:-1]}: {text.render(self._report())}>"

    def _repr_html_(self) -> str:
        return html.render(self.report())

    def _looked_up(self) -> None:
        if self._look_up is not None:
            self._look_up(self)

    def _conclude(self) -> Results[T]:
        __tracebackhide__ = True
        self._usage.end()
        assert self._run is not None
        if self._run.interrupted:
            self._state_now = "interrupted"
            raise CancelledError if self._cancelled else KeyboardInterrupt(self._how_to_go_on())
        error = self.outcomes.first_error
        if error is not None and not self.options.return_exceptions:
            self._state_now = "failed"
            add_note(error, self._how_to_go_on())
            raise error
        self._state_now = "done"
        return Results(self.outcomes.with_errors(), self._report())

    def _how_to_go_on(self) -> str:
        kept = f"{count(self.outcomes.done, 'result')} kept in parmagic.jobs[-1]"
        return f"{kept}. {self._advice_now()}"

    def _advice_now(self) -> str:
        error = self.outcomes.first_error
        if error is None:
            return self._advice.stopped
        return self._advice.died if _is_death(error) else self._advice.failed

    def report(self) -> Report:
        """Describe the job at this moment."""
        return replace(self._report(), preview=preview(self.outcomes.first_values()))

    def _report(self) -> Report:
        return summary(self.what, self._state_now, self.outcomes, self._usage, self._pool)


def _is_death(error: BaseException) -> bool:
    return issubclass(type(error), WorkerDied)  # an exception may lie about its class
