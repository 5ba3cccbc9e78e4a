"""The magics: their manuals, and who does what they say."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import (
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
    output_can_be_silenced,
)

from parmagic.checkpoint.checkpoint import CheckpointError
from parmagic.mapping.resume import ResumeError
from parmagic.notebook.debugger import debug_item
from parmagic.notebook.defaults import Defaults
from parmagic.notebook.options import (
    parse_pardebug,
    parse_parmap,
    parse_parpanel,
    parse_parpool,
    parse_start_up,
)
from parmagic.notebook.origins import Origins, cell_of, request_of
from parmagic.notebook.panel.show import Panels
from parmagic.notebook.parmap import Parmap, first_line_of
from parmagic.notebook.parpool import change_pool, check_pool_is_ours
from parmagic.notebook.pool_table import PoolTable
from parmagic.notebook.source import Source
from parmagic.notebook.start_up import run_start_up
from parmagic.notebook.traceback import show_all_frames, show_own_frames_only
from parmagic.worker.errors import BackendError


@magics_class
class ParMagic(Defaults):
    """The magics, and their defaults."""

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
        which otherwise is the cell's output, unless all of them are None.

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
            --background, --bg     return at once; NAME is the job: ``await job``, job.result()
            --resume               keep what this cell has finished, and run the rest
            --checkpoint PATH      keep results in a file too, and go on from there
            --seed N               give each item random numbers of its own, the same in every run
            --serial               run in the kernel, one after the other: breakpoints work
            --explain              say what would be sent, and to how many workers; run nothing
            --on BACKEND           run it on dask, ray, ipyparallel or an executor: see %parpool?
            -o, --out NAME         bind the results to NAME, as -> NAME does
            -q, --quiet            show no progress and no report

        The items run in other processes, which see a copy of the notebook's variables:
        what an item changes there stays there. A body may ``await``: the items of a chunk,
        32 or ``--chunksize``, wait beside each other in their worker.

        Nothing that finished is lost: when an item fails or you press Interrupt, the results
        so far stay in ``parmagic.jobs[-1]``. Mend the cell, add ``--resume``, and only the
        rest is run. ``%pardebug`` runs the item that failed under the debugger. With
        ``--checkpoint PATH`` you can go on after a restart of the kernel, too.

        With ``--background`` the next cells run meanwhile, and the line below this one moves
        on. The name is that of the job: ``results = await job``, ``job.result()``,
        ``job.cancel()``, ``async for outcome in job``; without a name it is
        ``parmagic.jobs[-1]``. An exception is shown below this cell, and raised by
        ``await job``. The function is taken as it is when the cell is run.

        Defaults: ``%config ParMagic``.
        """
        asked = Parmap(parse_parmap(line, self.shell.user_ns), self, self._origins)
        try:
            if cell is None:
                return asked.line(local_ns)
            return asked.cell(Source.of_cell(self.shell, f"%%parmap {line}", cell), cell)
        except (ResumeError, CheckpointError, BackendError) as error:
            raise UsageError(str(error)) from None
        except BaseException as error:
            self._show_frames(error, whole_cell=cell is not None)
            raise

    @line_cell_magic
    @no_var_expand
    def parpool(self, line: str, cell: str | None = None) -> PoolTable | None:
        """Show the pool, or change it; or run a cell once in every worker.

        ::

            %parpool                 show the workers
            %parpool --workers 4     have 4 from now on
            %parpool --restart       end the workers, with what they run, and start new ones
            %parpool --stop          end the workers; the next use starts new ones
            %parpool --clear         forget the cell that %%parpool has run
            %parpool --on client     run what follows on somebody else's workers
            %parpool --on local      and on those of this machine again

        After ``--on`` comes a variable that holds a dask client, an ipyparallel client or any
        ``concurrent.futures`` executor; the address of a dask scheduler; ``ray``, once it is
        initialised; or a name that a package has registered. ``%%parmap --on`` takes the same,
        for one cell.

        The cell below ``%%parpool`` is run once in every worker, and in every one that replaces
        it: load there what takes long, such as a model. Its names are there for the functions
        and cells that the workers run, if the notebook has no variable of that name::

            %%parpool
            model = load_model("large")

            %%parmap text in texts -> labels
            model.predict(text)

        What it uses of the notebook is as it is now. When it is run again the workers are
        replaced, each after what it runs, and so by ``%parpool --clear``.
        """
        if cell is not None:
            self._run_start_up(line, cell)
            return None
        try:
            change_pool(parse_parpool(line, self.shell.user_ns).options, self.workers)
        except BackendError as error:
            raise UsageError(str(error)) from None
        return PoolTable.now()

    def _run_start_up(self, line: str, cell: str) -> None:
        options = parse_start_up(line, self.shell.user_ns).options
        check_pool_is_ours(["%%parpool"])
        workers = options.get("workers", self.workers)
        source = Source.of_cell(self.shell, f"%%parpool {line}", cell)
        try:
            run_start_up(self.shell, cell, source, workers, first_line=first_line_of(cell))
        except BaseException as error:
            self._show_frames(error, whole_cell=True)
            raise

    @line_magic
    @no_var_expand
    def parpanel(self, line: str) -> None:
        """Show the panel: run a function over items, watch it, and see the pool, by clicking.

        ::

            %parpanel                show the panel
            %parpanel --close        close all panels; what there is to see stays as a picture

        It runs a function of the notebook in the background, so the notebook stays free, and
        shows the ``%%parmap`` cell that does the same, to be copied. Closing it stops no job.

        ``parmagic.panel()`` does the same. Where there are no widgets, it is text.
        """
        options = parse_parpanel(line, self.shell.user_ns).options
        if options.get("close"):
            self.panels.close_all()
        else:
            self.panels.open(cell_of(request_of(self.shell)), self.live)

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

    @cached_property
    def panels(self) -> Panels:
        """The panels that are open."""
        return Panels(self.shell, self.options)

    @cached_property
    def _origins(self) -> Origins:
        return Origins(self.shell)

    def _show_frames(self, error: BaseException, *, whole_cell: bool) -> None:
        if self.all_frames:
            show_all_frames(error)
        else:
            show_own_frames_only(error, whole_cell=whole_cell)
