"""What the panels show and do, as plain state: no widgets, and tested without a browser."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple
from weakref import ReferenceType, ref

from IPython.core.error import UsageError

from parmagic.mapping.explain import Explained, explained
from parmagic.mapping.history import Origin, jobs
from parmagic.mapping.job import Advice, Job
from parmagic.mapping.logbook import Entry, logbook
from parmagic.mapping.options import Options
from parmagic.notebook.options import parse_parmap
from parmagic.notebook.panel.choices import Choice, choices, parameter_of
from parmagic.notebook.panel.crew_now import CrewNow, ItemNow, crew_now
from parmagic.notebook.panel.form import Form
from parmagic.notebook.panel.items import NO_ITEMS, Preview, evaluate, preview, reason
from parmagic.notebook.panel.pool_actions import PoolActions
from parmagic.notebook.panel.vitals import Vitals
from parmagic.report.output import ItemOutput
from parmagic.report.units import count
from parmagic.worker.capture import Output

# Nobody reads more of them while they come.
MOST_OUTPUTS = 100

OptionsOf = Callable[[Mapping[str, Any], bool], Options]

_ADVICE = Advice(
    failed="Define the function anew and press Resume to run only the rest;"
    " %pardebug looks into the failure.",
    died="Press Resume to run only the rest.",
    stopped="Press Resume to run only the rest.",
)


class Notice(NamedTuple):
    """Something to tell the user, until there is something else."""

    text: str = ""
    kind: Literal["info", "error"] = "info"


class _Asked(NamedTuple):
    """A job that was begun here, and what was filled in for it."""

    ref: ReferenceType[Job[Any]]  # its results are the notebook's to keep
    form: Form

    @property
    def job(self) -> Job[Any] | None:
        return self.ref()


class PanelModel:
    """What there is to see, and to do. All panels of a notebook share one.

    Parameters
    ----------
    namespace
        The notebook's.
    hidden
        What was there before the user's first cell.
    options_of
        Makes options of those of a magic's line, and of whether items are spread.
    """

    def __init__(
        self, namespace: dict[str, Any], hidden: Mapping[str, Any], options_of: OptionsOf
    ) -> None:
        self.form = Form()
        self.preview: Preview = NO_ITEMS
        self.notice = Notice()
        self.functions: list[Choice] = []
        self.pool = PoolActions(self.stop)
        self._namespace = namespace
        self._hidden = hidden
        self._options_of = options_of
        self._asked: _Asked | None = None
        self._vitals = Vitals()
        self.find_functions()

    # What is filled in.

    def find_functions(self) -> None:
        """Look for the functions that there are now; keep the one that is chosen."""
        self.functions = choices(self._namespace, self._hidden)
        names = [each.name for each in self.functions]
        if self.form.function not in names:
            self.form = replace(self.form, function=names[0] if names else "")

    def fill_in(self, **changes: Any) -> None:
        """Change the form; the items are evaluated if theirs is changed."""
        before, self.form = self.form, replace(self.form, **changes)
        if self.form.items != before.items:
            self.preview = preview(self.form.items, self._namespace)

    def set_option(self, word: str, value: str | bool) -> None:
        """Change one of the options in the form."""
        self.form = replace(self.form, values={**self.form.values, word: value})

    @property
    def cell(self) -> str:
        """The cell that does what Run does; empty as long as something is missing."""
        return self.form.cell(self._parameter)

    @property
    def _parameter(self) -> str:
        return parameter_of(self._namespace.get(self.form.function))

    # What is done.

    def run(self) -> None:
        """Run the function over the items, in the background."""
        self._try(partial(self._start, None))

    def resume(self) -> None:
        """Run what the last job has left, with the function as it is now."""
        self._try(partial(self._start, self.resumable))

    def stop(self) -> None:
        """Stop what runs, and keep what has finished. For any thread."""
        for entry in self.running:
            if isinstance(entry.job, Job):
                entry.job.interrupt()

    def explain(self) -> Explained | None:
        """Say what would be sent, and run nothing."""
        found: list[Explained] = []
        self._try(lambda: found.append(self._explained()))
        return found[0] if found else None

    def bind(self, name: str) -> None:
        """Give the results of the last job a name in the notebook."""
        self._try(partial(self._bind, name.strip()))

    def _try(self, action: Callable[[], None]) -> None:
        self.notice = Notice()
        try:
            action()
        except UsageError as error:
            self.notice = Notice(str(error), "error")
        except BaseException as error:  # of the user's expression: it may raise anything
            self.notice = Notice(reason(error), "error")

    def _start(self, earlier: Job[Any] | None) -> None:
        fn, items, options = self._what_to_run()
        form = self.form
        job = Job(
            fn,
            items,
            replace(options, resume=earlier or False),
            what=f"{form.function} over {form.items.strip()}",
            origin=Origin(None, form.header(self._parameter), 0),
            advice=_ADVICE,
            echo=_keep_quiet,
        )
        self._asked = _Asked(ref(job), form)
        job.add_done_callback(partial(self._end, form))
        job.start()

    def _explained(self) -> Explained:
        fn, items, options = self._what_to_run()
        form = self.form
        return explained(fn, (items,), options, what=f"{form.function} over {form.items.strip()}")

    def _what_to_run(self) -> tuple[Callable[..., Any], Any, Options]:
        form = self.form
        if not form.function:
            raise UsageError("define a function in a cell first")
        if not form.items.strip():
            raise UsageError("write what to run it over in the field Items, such as range(10)")
        _check_name(form.name.strip())
        asked = parse_parmap(form.line(self._parameter), self._namespace)
        if asked.rest != form.header(self._parameter):
            raise UsageError("each option takes one value, without spaces")
        if form.function not in self._namespace:
            raise UsageError(f"{form.function!r} is not there any more")
        items = evaluate(form.items, self._namespace)
        iter(items)
        return self._namespace[form.function], items, self._options_of(asked.options, form.star)

    def _end(self, form: Form, job: Any) -> None:
        """Bind the results; in the job's thread."""
        error = _error_of(job)
        if error is None and form.name.strip():
            self._give(form.name.strip(), job.result())
        elif error is not None:
            self.notice = _told(error)

    def _bind(self, name: str) -> None:
        job = self.newest_job
        if job is None:
            raise UsageError("there is no job whose results are still there")
        if not name:
            raise UsageError("write a name for the results, such as ys")
        _check_name(name)
        if _error_of(job) is None and job.done():
            self._give(name, job.result())
        else:
            self._namespace[name] = values = job.values
            self.notice = Notice(
                f"{name} is a dictionary: {count(len(values), 'result')} so far, by index"
            )

    def _give(self, name: str, results: list[Any]) -> None:
        self._namespace[name] = results
        self.notice = Notice(f"{name} has the {count(len(results), 'result')}")

    # What there is to see.

    @property
    def entries(self) -> Sequence[Entry]:
        """The last twenty jobs, the newest first."""
        return logbook.entries()[::-1]

    @property
    def newest(self) -> Entry | None:
        """The newest job."""
        return next(iter(self.entries), None)

    @property
    def newest_job(self) -> Job[Any] | None:
        """The newest job itself, with its values."""
        return jobs[-1] if jobs else None

    @property
    def running(self) -> list[Entry]:
        """The jobs that run now, whoever has begun them; the newest first."""
        return [entry for entry in self.entries if entry.job is not None]

    @property
    def resumable(self) -> Job[Any] | None:
        """The job begun here that Resume goes on with: unfinished, with what is filled in now."""
        asked = self._asked
        job = None if asked is None else asked.job
        if asked is None or job is None or not job.done() or job.succeeded:
            return None
        return job if job in jobs and _alike(asked.form, self.form) else None

    @property
    def can_run(self) -> bool:
        """Whether no job of the panel runs."""
        job = None if self._asked is None else self._asked.job
        return job is None or job.done()

    def outputs(self) -> tuple[ItemOutput, ...]:
        """Return what items of the newest job have printed and displayed: the last ones."""
        job = self.newest_job
        return () if job is None else job.record.outputs(MOST_OUTPUTS)

    @property
    def outputs_count(self) -> int:
        """How many items of the newest job have printed or displayed something."""
        job = self.newest_job
        return 0 if job is None else len(job.record.log)

    @property
    def output_changes(self) -> int:
        """Grows with each change of `outputs`."""
        job = self.newest_job
        return 0 if job is None else job.record.log.changes

    def crew(self) -> CrewNow:
        """Look at the workers."""
        return crew_now(self._vitals, [each for entry in self.running for each in _now(entry)])


def _keep_quiet(output: Output) -> None:
    """Let the record alone have it: the panel shows it from there."""


def _check_name(name: str) -> None:
    if name and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"the results need a name such as ys, not {name!r}")


def _told(error: BaseException) -> Notice:
    """Say how a job has ended, and how to go on."""
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    if isinstance(error, KeyboardInterrupt | CancelledError):
        return Notice(f"Stopped. {error}".strip())
    return Notice("\n".join([reason(error), *notes]), "error")


def _alike(one: Form, other: Form) -> bool:
    return (one.function, one.items.strip()) == (other.function, other.items.strip())


def _now(entry: Entry) -> list[ItemNow]:
    job, report = entry.job, entry.summary()
    if job is None:
        return []
    return [
        ItemNow(
            now,
            job.record.plain_repr(now.index),
            report.backend,
            report.names.get(now.worker, ""),
        )
        for now in report.now
    ]


def _error_of(job: Job[Any]) -> BaseException | None:
    if not job.done() or job.cancelled():
        return CancelledError() if job.done() else None
    return job.exception()
