"""One use of ``%parmap`` or ``%%parmap``: make a job of it, run it, show and bind what it gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from inspect import ismodule
from itertools import takewhile
from typing import Any, cast

from IPython.core.error import UsageError

from parmagic.backends.use import workforce_in_use
from parmagic.checkpoint.checkpoint import CheckpointError
from parmagic.mapping.explain import Explained, explained
from parmagic.mapping.job import Advice, Job
from parmagic.mapping.results import Results
from parmagic.mapping.resume import ResumeError
from parmagic.mapping.source import snapshot
from parmagic.notebook.advice import advice
from parmagic.notebook.alias import alias_in
from parmagic.notebook.background import start_in_background
from parmagic.notebook.cell import FUNCTION, REPLAY, Plan, plan_cell, plan_line
from parmagic.notebook.choose import surface_for
from parmagic.notebook.defaults import Defaults
from parmagic.notebook.escape import escape_in
from parmagic.notebook.options import Line
from parmagic.notebook.origins import Origins
from parmagic.notebook.progress import Progress
from parmagic.notebook.source import Source
from parmagic.notebook.start_up import explain_start_up
from parmagic.pool.payload import Way
from parmagic.pool.share import is_written_by_all
from parmagic.worker.errors import BackendError

_ADVICE = Advice(
    failed="Mend the cell and add --resume to run only the rest; %pardebug looks into the failure.",
    died="Mend the cell and add --resume to run only the rest.",
    stopped="Add --resume to run only the rest.",
)

# What stands before the clauses of a comprehension is its body, which may have been mended.
_CLAUSES = re.compile(r"^.*?\bfor\b", re.DOTALL)


class Parmap:
    """A line of the magic, taken apart, and what it is to be run with."""

    def __init__(self, asked: Line, defaults: Defaults, origins: Origins) -> None:
        self._asked = asked
        self._defaults = defaults
        self._origins = origins
        self._shell = defaults.shell

    def line(self, local_ns: dict[str, Any] | None) -> Any:
        """Run ``%parmap``, in a function of the notebook's perhaps, and return its value."""
        asked = self._asked
        plan = plan_line(asked.rest)
        _check_star(asked, plan)
        scope = {**self._shell.user_ns, **(local_ns or {})}
        self._check_aliases(plan, scope, _CLAUSES.sub("", asked.rest).strip())
        source = Source.of_caller(self._shell)
        assert plan.function is not None
        fn = source.define_body(plan.function, FUNCTION, local_ns)
        items = self._items(plan, source, local_ns)
        if asked.options.get("explain"):
            return self._explained(fn, items, star=plan.star)
        job = self._run(fn, items, plan, star=plan.star)
        return self._bind(asked.name, self._results(job))

    def cell(self, source: Source, cell: str) -> Any:
        """Run ``%%parmap`` above ``cell``, and return its value."""
        asked = self._asked
        plan = plan_cell(
            asked.rest,
            self._shell.transform_cell(cell),  # so that `!ls` and nested magics work
            first_line=first_line_of(cell),  # which that leaves out
            filename=source.filename,
            shared={name for name, value in self._shell.user_ns.items() if _is_shared(value)},
        )
        _check_escapes(asked, plan)
        _check_star(asked, plan)
        _check_background(asked, plan)
        name = _results_name(asked, plan)
        if plan.before is not None:
            source.execute(plan.before)
        self._check_changes(plan)
        self._check_aliases(plan, self._shell.user_ns, asked.rest)
        fn = self._function(plan, source)
        star = plan.star or asked.options.get("star", False)
        items = self._items(plan, source)
        if asked.options.get("explain"):
            return self._explained(fn, items, star=star)
        is_output = name is None and plan.replay is None and plan.has_value
        job = self._run(fn, items, plan, star=star, cell=True, is_output=is_output)
        if plan.replay is not None:
            return _replay(plan, source, job)
        results = self._results(job)
        if name is None and (not is_output or isinstance(results, Job) or _are_none(results)):
            return None  # the line below the cell tells all; or what it is run for it has done
        return self._bind(name, results)

    def _items(self, plan: Plan, source: Source, local_ns: dict[str, Any] | None = None) -> Any:
        items = source.evaluate(plan.items, local_ns)
        if not self._asked.options.get("background"):
            return items
        # What the clauses name may be something else when the next cell has run.
        return list(items) if isinstance(plan.items.body, ast.GeneratorExp) else snapshot(items)

    def _check_changes(self, plan: Plan) -> None:
        for name in plan.changes:
            if name not in self._shell.user_ns:
                raise NameError(f"name {name!r} is not defined")

    def _check_aliases(self, plan: Plan, namespace: Mapping[str, Any], header: str) -> None:
        mistake = alias_in(plan, namespace, header)
        if mistake is not None and not _runs_here(self._asked):
            raise mistake

    def _function(self, plan: Plan, source: Source) -> Callable[..., Any]:
        if plan.function is not None:
            return source.define_body(plan.function, FUNCTION)
        for name in plan.candidates:
            if callable(self._shell.user_ns.get(name)):
                return cast(Callable[..., Any], self._shell.user_ns[name])
        raise UsageError(
            f"none of {', '.join(plan.candidates)} can be called. Define the function in the cell,"
            " or write a loop: %%parmap x in xs"
        )

    def _run(
        self,
        fn: Callable[..., Any],
        items: Any,
        plan: Plan,
        *,
        star: bool,
        cell: bool = False,
        is_output: bool = True,
    ) -> Job[Any]:
        asked, defaults = self._asked, self._defaults
        quiet = defaults.is_quiet(asked.options)
        background = bool(asked.options.get("background"))
        name = (asked.name if background else None) or "parmagic.jobs[-1]"
        surface = surface_for(self._shell, defaults.live, quiet=quiet, background=background)
        progress = Progress(surface, defaults.progress_after)
        job = Job(
            fn,
            items,
            defaults.options(asked.options, star),
            what=asked.rest or "loop",
            origin=self._origins.next(asked.rest if cell else _CLAUSES.sub("", asked.rest)),
            advice=_ADVICE,
            called=name,
            targets=plan.targets,
            value_of=plan.value_of,
            look_up=progress.look_up,
            echo=surface.echo,
        )
        if background:
            return start_in_background(job, progress, defaults.all_frames, quiet=quiet)
        try:
            job.run()
        except (ResumeError, CheckpointError, BackendError):
            raise  # nothing was run
        except BaseException as error:
            explain_start_up(error)
            # In a line, except may follow.
            progress.finish(job, report=not quiet and (cell or progress.shown))
            raise
        is_seen = is_output and not (cell and _are_none(job.result()))
        progress.finish(job, report=not quiet and not is_seen)
        return job

    def _results(self, job: Job[Any]) -> Results[Any] | Job[Any]:
        return job if self._asked.options.get("background") else job.result()

    def _explained(self, fn: Callable[..., Any], items: Any, *, star: bool) -> Explained:
        options = self._defaults.options(self._asked.options, star)
        return explained(fn, (items,), options, what=self._asked.rest or "loop")

    def _bind(self, name: str | None, results: Results[Any] | Job[Any]) -> Any:
        if name is None:
            if isinstance(results, Results) and self._defaults.is_quiet(self._asked.options):
                return list(results)
            return results
        self._shell.user_ns[name] = results
        return None


def first_line_of(cell: str) -> int:
    """Return the line on which the code of a cell begins that stands below a magic's."""
    blank = takewhile(str.isspace, cell.splitlines(keepends=True))
    return 2 + len(list(blank))


def _results_name(asked: Line, plan: Plan) -> str | None:
    if asked.name is not None and plan.replay is not None:
        raise UsageError(
            f"this cell fills the notebook's own variables, so there is nothing to call"
            f" {asked.name!r}. Leave out '-> {asked.name}'"
        )
    if asked.name is not None and not plan.has_value and not asked.options.get("background"):
        raise UsageError(
            f"{asked.name!r} would be a list of None: the cell does not end with an expression."
            " End it with the value of an item"
        )
    return asked.name if asked.name is not None else plan.target


def _check_escapes(asked: Line, plan: Plan) -> None:
    mistake = escape_in(plan)
    if mistake is not None and not _runs_here(asked):
        raise mistake


def _runs_here(asked: Line) -> bool:
    """Tell whether the items run in the kernel, where IPython is."""
    if asked.options.get("serial"):
        return True
    workforce = workforce_in_use(asked.options.get("on"))
    return workforce is not None and workforce.way is Way.DIRECT


def _check_star(asked: Line, plan: Plan) -> None:
    if plan.targets and asked.options.get("star"):
        raise UsageError(
            f"--star calls a function with each item as its arguments, and a loop has none: its"
            f" header has {', '.join(plan.targets)}. Leave --star out"
        )


def _check_background(asked: Line, plan: Plan) -> None:
    if not asked.options.get("background"):
        return
    name = plan.target or (next(iter(plan.changes), None) if plan.value_of else None)
    if name is not None or plan.replay is not None:
        filled = "what the cell fills" if name is None else repr(name)
        raise advice(
            f"--background returns before there is a value for {filled}.",
            ("Write the loop as the header:", "%%parmap --background x in xs -> job"),
            ("end the cell with the item's value:", "f(x)"),
            ("and in a later cell, write:", f"{name or 'values'} = await job"),
        )


def _replay(plan: Plan, source: Source, job: Job[Any]) -> Any:
    """Do what the items did, and what stands below the loop; return the value of the cell."""
    assert plan.replay is not None
    is_loop = plan.value_of is not None
    source.define_body(plan.replay, REPLAY)(job.outcomes.returned() if is_loop else job.result())
    if plan.after is not None:
        source.execute(plan.after)
    return None if plan.last is None else source.evaluate(plan.last)


def _are_none(results: Results[Any]) -> bool:
    """Tell whether there is nothing to see, as after ``print(x)``: a notebook shows no None."""
    return bool(results) and all(value is None for value in results)


def _is_shared(value: object) -> bool:
    """Tell whether the workers may change ``value`` for the notebook, or it is a module."""
    return ismodule(value) or is_written_by_all(value)
