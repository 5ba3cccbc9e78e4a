"""One map: a future of its results, which also tells how far it is."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from parmagic.mapping.awaiting import wait_for
from parmagic.mapping.backlog import Backlog
from parmagic.mapping.echo import Echo
from parmagic.mapping.history import Origin, find_unfinished, remember
from parmagic.mapping.logbook import Entry, logbook
from parmagic.mapping.new_run import Run, new_run
from parmagic.mapping.options import Options
from parmagic.mapping.outcome import Outcome
from parmagic.mapping.outcomes import PENDING, Outcomes
from parmagic.mapping.past import Past
from parmagic.mapping.record import Record
from parmagic.mapping.results import Results
from parmagic.mapping.resume import Kept, ResumeError
from parmagic.mapping.source import source_of
from parmagic.mapping.standing import Standing
from parmagic.mapping.stream import stream
from parmagic.pool.broken import PoolBroken
from parmagic.pool.interrupts import Interrupts
from parmagic.pool.output import show
from parmagic.report import html, text
from parmagic.report.report import Report
from parmagic.report.units import count
from parmagic.worker.bodies import set_slot, slot
from parmagic.worker.capture import Output
from parmagic.worker.errors import ParmagicError, WorkerDied, add_note
from parmagic.worker.function import of_one_argument
from parmagic.worker.random_numbers import seeded
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

    A `concurrent.futures.Future` of its `Results`, and awaitable; ``async for outcome in
    job`` gives each item as it finishes. Who cancels the asyncio task that awaits the job
    cancels the job; ``await asyncio.shield(job)`` only waits for it. What has finished
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
    targets
        The names that an item has in the loop; empty for a function.
    advice
        How to go on, for the note under the exception.
    called
        Under which name the user finds it.
    value_of
        Makes of what ``fn`` returns the value that the user knows; by default that is the same.
    look_up
        Called with the job while it runs, in the thread that drives it, ten times a
        second and more.
    echo
        Called with what items print and display, as it comes.
    """

    def __init__(
        self,
        fn: Callable[..., T],
        items: Iterable[Any],
        options: Options | None = None,
        *,
        what: str | None = None,
        origin: Origin | None = None,
        targets: Sequence[str] = (),
        advice: Advice = _ADVICE,
        called: str = "parmagic.jobs[-1]",
        value_of: Callable[[Any], T] | None = None,
        look_up: Callable[[Job[T]], None] | None = None,
        echo: Callable[[Output], None] = show,
    ) -> None:
        super().__init__()
        self.fn = fn
        self.options = options or Options()
        self.what = (
            what or f"{getattr(fn, '__name__', type(fn).__name__)} over {type(items).__name__}"
        )
        self.origin = origin
        self._advice = advice
        self._called = called
        self._source = source_of(items)
        self.outcomes = Outcomes(self._source.length)
        if value_of is not None:
            self.outcomes.value_of = value_of
        self._past = Past(self._source, self.outcomes)
        self.record = Record(self._source, self.outcomes.errors, targets)
        self._standing = Standing(self.what, self.outcomes, self.record)
        self._look_up = look_up
        #: What is called with no argument, in whatever thread, when items have finished.
        self.listeners: list[Callable[[], object]] = []
        self._echo = Echo(echo)
        self._cancelled = False
        self._interrupted = False
        self._broken: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._entry: Entry | None = None

    @property
    def succeeded(self) -> bool:
        """Whether every item has a value."""
        return self._standing.state == "done" and not self.outcomes.errors

    @property
    def values(self) -> dict[int, T]:
        """The values so far, by index."""
        return {
            first + number: value
            for first, values in self.outcomes.runs()
            for number, value in enumerate(map(self.outcomes.value_of, values))
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
        call = of_one_argument(self.fn, star=self.options.star)
        value: T = seeded(call, self.options.seed, index)(item)
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
        self.begin()
        return self._finish()

    def begin(self) -> None:
        """Take the function as it is now, and what an earlier job has finished.

        Raises
        ------
        PayloadError, ResumeError
            As by `run`; the job is over then.
        """
        __tracebackhide__ = True
        if not self.set_running_or_notify_cancel():
            self._standing.state = "interrupted"
            remember(self)
            raise CancelledError
        try:
            self._prepare()
        except BaseException as error:
            if isinstance(error, ParmagicError):
                error.__traceback__ = None  # it says what is wrong; where we noticed helps nobody
            self._past.close()
            self._give_up(error)
            self._end_entry()
            raise

    def _prepare(self) -> None:
        earlier = self._earlier()
        kept, in_file = self._kept_of(earlier)
        backlog = self._past.take_over(kept)
        remember(self, instead_of=None if in_file else earlier)
        self._entry = logbook.begin(self)
        self._standing.run = self._new_run(backlog)
        if self._cancelled:
            self.interrupt()

    def _finish(self) -> Results[T]:
        __tracebackhide__ = True
        try:
            results = self._results()
            self._end_entry()
        except BaseException as error:
            self._give_up(error)
            self._end_entry()
            raise
        self.set_result(results)
        return results

    def _results(self) -> Results[T]:
        __tracebackhide__ = True
        try:
            self._drive()
        finally:
            self.outcomes.length = self._source.length
            self._past.close()
        return self._conclude()

    def _end_entry(self) -> None:
        if self._entry is not None:
            self._entry.end()
            self._entry = None

    def _earlier(self) -> Job[T] | None:
        asked = self.options.resume
        return find_unfinished(self.what, self.origin) if asked is True else asked or None

    def _kept_of(self, earlier: Job[T] | None) -> tuple[Kept | None, bool]:
        """Return what there is more of, and whether that comes from the file."""
        path, resumed = self.options.checkpoint, bool(self.options.resume)
        held = None if path is None else self._open(path, resumed=resumed)
        kept = None if earlier is None else earlier.kept()
        if held is None or (kept is not None and kept.values_count >= held.values_count):
            return kept, False
        return held, True

    def _open(self, path: str | os.PathLike[str], *, resumed: bool) -> Kept | None:
        return self._past.open(path, self.fn, resumed=resumed, seed=self.options.seed)

    def _give_up(self, error: BaseException) -> None:
        self.record.usage.end()
        if isinstance(error, PoolBroken) and self.outcomes.done:
            add_note(error, self.how_to_go_on())
        if self._standing.state == "running":
            self._standing.state = "failed"
        self._traceback = slot(error, "__traceback__")
        self.set_exception(error)

    def start(self) -> Job[T]:
        """Drive the job in a thread of its own, and return at once.

        The function is taken as it is now, whatever becomes of its variables afterwards.
        """
        if not self.running():
            with contextlib.suppress(Exception):  # the future has it
                self.begin()
        if not self.done():
            self._start_thread()
        return self

    def _start_thread(self) -> None:
        # What its items print belongs to the cell that started it.
        drive = partial(copy_context().run, self._finish_quietly)
        thread = threading.Thread(target=drive, name="parmagic-job", daemon=True)
        with Interrupts():  # which would leave open whether it has been started
            try:
                thread.start()
            except RuntimeError:  # there are too many
                self.abandon()
                raise

    def abandon(self) -> None:
        """End a job that has begun and that nobody is going to drive, as `cancel` does."""
        self.cancel()
        self._finish_quietly()

    def _finish_quietly(self) -> None:
        with contextlib.suppress(BaseException):  # the future has it
            self._finish()

    def cancel(self) -> bool:
        """Stop the job; what has finished stays in `outcomes`. False if it is over."""
        if super().cancel():
            return True
        if self.done():
            return False
        self._cancelled = True
        self.interrupt()
        return True

    def interrupt(self) -> None:
        """Stop the job as Jupyter's Interrupt does. For any thread."""
        run = self._standing.run
        if run is not None:
            run.interrupt()

    def result(self, timeout: float | None = None) -> Results[T]:
        """Return the results, when they are there, or raise what kept them from coming."""
        __tracebackhide__ = True
        self.exception(timeout)
        return super().result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what kept the results from coming; None if they came."""
        error = super().exception(timeout)
        if error is not None:
            # Each time that it is raised it gains frames, of who has asked for it.
            set_slot(error, "__traceback__", self._traceback)
        return error

    def cancelled(self) -> bool:
        """Tell whether the job was cancelled."""
        return super().cancelled() or (self._cancelled and self._interrupted and self.done())

    @property
    def was_stopped(self) -> bool:
        """Whether it is over because somebody cancelled or interrupted it."""
        return self.cancelled() or (self._interrupted and self.done())

    def __await__(self) -> Generator[Any, None, Results[T]]:
        return wait_for(self)

    def __aiter__(self) -> AsyncIterator[Outcome]:
        return stream(self)

    def outcome(self, index: int) -> Outcome:
        """Return what became of one item so far."""
        error = self.outcomes.errors.get(index)
        values = self.outcomes.values
        has_value = error is None and index < len(values) and values[index] is not PENDING
        value = self.outcomes.value_of(values[index]) if has_value else None
        return self.record.outcome(index, value, error)

    def _new_run(self, backlog: Backlog) -> Run:
        return new_run(
            self.fn,
            self.options,
            backlog,
            self.outcomes,
            self.record,
            look_up=self._looked_up,
            hear=self._hear,
        )

    def _drive(self) -> None:
        run = self._standing.run
        assert run is not None
        try:
            run.run()
            self._interrupted, self._broken = run.interrupted, run.broken
        finally:
            # It knows us: together we would wait for the garbage collector.
            self._standing.run = None

    def __repr__(self) -> str:
        return f"<Job {safe_repr(self.what)[1:-1]}: {text.render(self._standing.summary())}>"

    def _repr_html_(self) -> str:
        return html.render(self.report())

    def _looked_up(self) -> None:
        self.outcomes.length = self._source.length  # known in the end
        self._standing.note_start()
        if self._look_up is not None:
            self._look_up(self)
        for listener in list(self.listeners):
            listener()

    def _conclude(self) -> Results[T]:
        __tracebackhide__ = True
        self.record.usage.end()
        if self._interrupted:
            self._standing.state = "interrupted"
            raise (CancelledError if self._cancelled else KeyboardInterrupt)(self.how_to_go_on())
        error = self._first_error()
        if error is not None:
            self._standing.state = "failed"
            if self.outcomes.finished:
                add_note(error, self.how_to_go_on())
            raise error
        self._standing.state = "done"
        self.record.settle()
        return Results(self.outcomes.with_errors(), self._standing.summary(), self.record)

    def _first_error(self) -> BaseException | None:
        error = None if self.options.return_exceptions else self.outcomes.first_error
        return self._broken if error is None else error

    def how_to_go_on(self) -> str:
        """Say what is kept of a job that did not finish well, and how to run the rest."""
        kept = f"{count(self.outcomes.done, 'result')} kept in {self._called}"
        return f"{kept}. {self._advice_now()}"

    def _advice_now(self) -> str:
        error = self.outcomes.first_error
        if error is None:
            return self._advice.stopped
        return self._advice.died if _is_death(error) else self._advice.failed

    def report(self) -> Report:
        """Describe the job at this moment."""
        return self._standing.report()

    def in_short(self) -> Report:
        """Describe it without lanes, outputs, and values that are slow to print."""
        return self._standing.in_short()

    def preview(self) -> tuple[str, ...]:
        """Return short texts of the first values."""
        return self._standing.preview()

    def progress(self) -> Report:
        """Describe in short how far the job is, for a line that is often repainted."""
        return self._standing.progress()

    def _hear(self, output: Output, worker: int) -> None:
        if output:
            self._standing.hear(output, worker)
            self._echo.show(output)


def _is_death(error: BaseException) -> bool:
    return issubclass(type(error), WorkerDied)  # an exception may lie about its class
