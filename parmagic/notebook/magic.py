"""The magics: take the line apart, make a job of the cell, run it, show its report."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import ismodule
from itertools import takewhile
from typing import Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
    output_can_be_silenced,
)
from traitlets import Bool, Float, Integer

from parmagic.checkpoint.checkpoint import CheckpointError
from parmagic.mapping.history import Origin
from parmagic.mapping.job import Advice, Job
from parmagic.mapping.options import Options
from parmagic.mapping.results import Results
from parmagic.mapping.resume import ResumeError
from parmagic.notebook.cell import FUNCTION, REPLAY, Plan, plan_cell, plan_line
from parmagic.notebook.debugger import debug_item
from parmagic.notebook.memory_size import MemorySize
from parmagic.notebook.options import Line, parse_pardebug, parse_parmap, parse_parpool
from parmagic.notebook.pool_table import PoolTable
from parmagic.notebook.progress import LiveLine, NoSurface, Surface, surface_for
from parmagic.notebook.source import Source
from parmagic.notebook.traceback import show_own_frames_only
from parmagic.pool.default import default_pool, stop_default_pool

_ADVICE = Advice(
    failed="Mend the cell and add --resume to run only the rest; %pardebug looks into the failure.",
    died="Mend the cell and add --resume to run only the rest.",
    stopped="Add --resume to run only the rest.",
)

# What stands before the clauses of a comprehension is its body, which may have been mended.
_CLAUSES = re.compile(r"^.*?\bfor\b", re.DOTALL)


@magics_class
class ParMagic(Magics):
    """The magics, and their defaults: ``%config ParMagic.workers = 4``."""

    shell: Any
    _turn: tuple[object, int] = (None, 0)  # the run of a cell, and how many jobs it has had

    workers = Integer(
        None, allow_none=True, min=1, help="How many workers; by default one a processor."
    ).tag(config=True)
    chunksize = Integer(
        None, allow_none=True, min=1, help="Items sent together; by default what takes 50 ms."
    ).tag(config=True)
    timeout = Float(
        None, allow_none=True, min=0.001, help="Seconds that an item may take; by default any."
    ).tag(config=True)
    retries = Integer(0, min=0, help="How often an item that failed is tried again.").tag(
        config=True
    )
    worker_memory_limit = MemorySize(
        None, allow_none=True, help='A worker that uses more is replaced after its item: "2 GB".'
    ).tag(config=True)
    memory_limit = MemorySize(
        None,
        allow_none=True,
        help="What the workers may use together, by default what is free: where items are too"
        " large to run beside each other, fewer do.",
    ).tag(config=True)
    return_exceptions = Bool(False, help="Put exceptions in their places, and go on.").tag(
        config=True
    )
    quiet = Bool(False, help="Show no progress and no report.").tag(config=True)
    progress_after = Float(0.5, help="Seconds until a running cell shows its line.").tag(
        config=True
    )
    live = Bool(
        None,
        allow_none=True,
        help="Whether a running cell repaints its line; by default, where a front end looks on.",
    ).tag(config=True)

    @line_cell_magic
    @needs_local_scope
    @no_var_expand
    @output_can_be_silenced
    def parmap(
        self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None
    ) -> Any:
        """Run a cell on all cores: write a loop's ``for`` line after ``%%parmap``.

        ::

            %%parmap seed in range(200) -> peaks
            rng = np.random.default_rng(seed)
            rng.normal(size=100_000).cumsum().max()

        The value of an item is the last expression of the cell. After ``%%parmap`` comes
        whatever may follow ``for`` in a comprehension; ``-> NAME`` names the list of results,
        which otherwise is the cell's output.

        Four forms::

            %%parmap x in xs if x > 0 -> ys      a loop: the cell is its body
            %%parmap xs -> ys                    the last function that the cell defines
            ys = %parmap f(x) for x in xs        a comprehension, without its brackets
            %%parmap                             a cell with one for loop, or that ends with
                                                 ys = [f(x) for x in xs], unchanged

        Options come first::

            --workers N            have N worker processes from now on
            --chunksize N          send N items together; by default as many as take 50 ms
            --timeout SECONDS      stop an item that takes longer: it fails with TimeoutError
            --retries COUNT        try an item that failed so many times again
            --star                 call fn(*item): the items are tuples of arguments
            --return-exceptions    put exceptions in their places, and go on
            --resume               keep what this cell has finished, and run the rest
            --checkpoint PATH      keep results in a file too, and go on from there
            --serial               run in the kernel, one after the other: breakpoints work
            -o, --out NAME         bind the results to NAME, as -> NAME does
            -q, --quiet            show no progress and no report

        The items run in other processes, which see a copy of the notebook's variables:
        what an item changes there stays there.

        Nothing that finished is lost: when an item fails or you press Interrupt, the results
        so far stay in ``parmagic.jobs[-1]``. Mend the cell, add ``--resume``, and only the
        rest is run. ``%pardebug`` runs the item that failed under the debugger. With
        ``--checkpoint PATH`` you can go on after a restart of the kernel, too.

        Defaults: ``%config ParMagic``.
        """
        asked = parse_parmap(line, self.shell.user_ns)
        try:
            if cell is None:
                return self._run_line(asked, local_ns)
            return self._run_cell(asked, Source.of_cell(self.shell, f"%%parmap {line}", cell), cell)
        except (ResumeError, CheckpointError) as error:
            raise UsageError(str(error)) from None
        except BaseException as error:
            show_own_frames_only(error, whole_cell=cell is not None)
            raise

    def _run_line(self, asked: Line, local_ns: dict[str, Any] | None) -> Any:
        plan = plan_line(asked.rest)
        source = Source.of_caller(self.shell)
        assert plan.function is not None
        fn = source.define_body(plan.function, FUNCTION, local_ns)
        items = source.evaluate(plan.items, local_ns)
        return self._bind(asked, asked.name, self._run(fn, items, asked, star=plan.star))

    def _run_cell(self, asked: Line, source: Source, cell: str) -> Any:
        plan = plan_cell(
            asked.rest,
            self.shell.transform_cell(cell),  # so that `!ls` and nested magics work
            first_line=2 + _blank_lines(cell),  # which that leaves out
            filename=source.filename,
            shared={name for name, value in self.shell.user_ns.items() if ismodule(value)},
        )
        name = _results_name(asked, plan)
        if plan.before is not None:
            source.execute(plan.before)
        self._check_changes(plan)
        fn = self._function(plan, source)
        star = plan.star or asked.options.get("star", False)
        is_output = name is None and plan.replay is None
        results = self._run(
            fn, source.evaluate(plan.items), asked, star=star, cell=True, is_output=is_output
        )
        if plan.replay is not None:
            return _replay(plan, source, results)
        return self._bind(asked, name, results)

    def _check_changes(self, plan: Plan) -> None:
        for name in plan.changes:
            if name not in self.shell.user_ns:
                raise NameError(f"name {name!r} is not defined")

    def _function(self, plan: Plan, source: Source) -> Callable[..., Any]:
        if plan.function is not None:
            return source.define_body(plan.function, FUNCTION)
        for name in plan.candidates:
            if callable(self.shell.user_ns.get(name)):
                return cast(Callable[..., Any], self.shell.user_ns[name])
        raise UsageError(
            f"none of {', '.join(plan.candidates)} can be called. Define the function in the cell,"
            " or write a loop: %%parmap x in xs"
        )

    def _run(
        self,
        fn: Callable[..., Any],
        items: Any,
        asked: Line,
        *,
        star: bool,
        cell: bool = False,
        is_output: bool = True,
    ) -> Results[Any]:
        line = LiveLine(self._surface(asked), self.progress_after)
        options = self._options(asked.options, star)
        job = Job(
            fn,
            items,
            options,
            what=asked.rest or "loop",
            origin=self._origin(asked, cell=cell),
            advice=_ADVICE,
            look_up=line.look_up,
        )
        try:
            results = job.run()
        except (ResumeError, CheckpointError):
            raise  # nothing was run
        except BaseException:
            if cell or line.shown:  # in a line, except may follow
                line.show_report(job.report())
            raise
        if is_output:
            line.vanish()
        else:
            line.show_report(results.report)
        return results

    def _origin(self, asked: Line, *, cell: bool) -> Origin:
        request = _request(self.shell)
        last_run, last_turn = self._turn
        # The number of the cell stays what it is where a front end keeps no history (nbval).
        run = request.get("header", {}).get("msg_id") or self.shell.execution_count
        self._turn = run, last_turn + 1 if run == last_run else 0
        header = asked.rest if cell else _CLAUSES.sub("", asked.rest)
        return Origin(request.get("metadata", {}).get("cellId"), header, self._turn[1])

    def _surface(self, asked: Line) -> Surface:
        return NoSurface() if self._is_quiet(asked) else surface_for(self.shell, self.live)

    def _is_quiet(self, asked: Line) -> bool:
        return bool(asked.options.get("quiet", self.quiet))

    def _options(self, given: Mapping[str, Any], star: bool) -> Options:
        serial = given.get("serial", False)
        return Options(
            workers=given.get("workers", self.workers),
            chunksize=given.get("chunksize", self.chunksize),
            timeout=None if serial else given.get("timeout", self.timeout),
            retries=given.get("retries", self.retries),
            star=star,
            return_exceptions=given.get("return_exceptions", self.return_exceptions),
            resume=given.get("resume", False),
            checkpoint=given.get("checkpoint"),
            serial=serial,
            worker_memory_limit=self.worker_memory_limit,
            memory_limit=self.memory_limit,
        )

    def _bind(self, asked: Line, name: str | None, results: Results[Any]) -> list[Any] | None:
        if name is None:
            return list(results) if self._is_quiet(asked) else results
        self.shell.user_ns[name] = results
        return None

    @line_magic
    @no_var_expand
    def parpool(self, line: str) -> PoolTable:
        """Show the pool, or change it.

        ::

            %parpool                 show the workers
            %parpool --workers 4     have 4 from now on
            %parpool --restart       end the workers, with what they run, and start new ones
            %parpool --stop          end the workers; the next use starts new ones
        """
        options = parse_parpool(line, self.shell.user_ns).options
        if options.get("restart") or options.get("stop"):
            stop_default_pool(kill=bool(options.get("restart")))
        if "workers" in options or options.get("restart"):
            default_pool(options.get("workers", self.workers))
        return PoolTable.now()

    @line_magic
    @no_var_expand
    @output_can_be_silenced
    def pardebug(self, line: str) -> Any:
        """Run the item that failed again, in the kernel, with the debugger where it fails.

        ::

            %pardebug                the item that failed, the first if there are several
            %pardebug 3              item 3
            %pardebug --force 3      run it even if it ended its worker, and may end the kernel

        In the debugger, ``p x`` shows the variable x, ``up`` and ``down`` go to the code that
        calls and to what is called, ``where`` shows all of it, and ``q`` ends the cell. Where
        an item hangs, press Interrupt: the debugger opens there.

        Without a number it is an item of the newest job in ``parmagic.jobs`` that has failed
        ones; with a number, of the newest that did not finish well, or of the last. The
        function and its arguments are those of the job, the notebook's variables are as they
        are now. If the item runs well, its value is returned::

            value = %pardebug 3

        ``parmagic.jobs[-1].rerun(3)`` does so without the debugger.
        """
        options = parse_pardebug(line, self.shell.user_ns).options
        return debug_item(self.shell, options.get("index"), force=options.get("force", False))


def _request(shell: Any) -> Mapping[str, Any]:
    """Return the front end's message that asks for this run; empty in a terminal."""
    request: Mapping[str, Any] = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return request


def _blank_lines(cell: str) -> int:
    return len(list(takewhile(str.isspace, cell.splitlines(keepends=True))))


def _results_name(asked: Line, plan: Plan) -> str | None:
    if asked.name is not None and plan.replay is not None:
        raise UsageError(
            f"this loop fills the notebook's own variables, so there is nothing to call"
            f" {asked.name!r}. Leave out '-> {asked.name}'"
        )
    if asked.name is not None and not plan.has_value:
        raise UsageError(
            f"{asked.name!r} would be a list of None: the cell does not end with an expression."
            " End it with the value of an item"
        )
    return asked.name if asked.name is not None else plan.target


def _replay(plan: Plan, source: Source, results: Results[Any]) -> None:
    assert plan.replay is not None
    source.define(plan.replay, REPLAY)(results)
    if plan.after is not None:
        source.execute(plan.after)
