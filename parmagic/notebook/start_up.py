"""The cell that every worker runs once: ``%%parpool``."""

from __future__ import annotations

import ast
import queue
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from parmagic.mapping.output_log import OutputLog
from parmagic.notebook.body import check_kernel
from parmagic.notebook.escape import escapes
from parmagic.notebook.flow import unset_reads
from parmagic.notebook.plan import FUNCTION
from parmagic.notebook.scope import binds
from parmagic.notebook.source import Source
from parmagic.notebook.template import define
from parmagic.pool.broken import PoolBroken
from parmagic.pool.default import (
    forget_start_up,
    start_up_all,
    start_up_cell,
    start_up_names,
)
from parmagic.pool.executor import ProcessPoolExecutor
from parmagic.pool.start_up import StartUp
from parmagic.report.units import count
from parmagic.worker.capture import Output
from parmagic.worker.errors import add_note

_LOOK_SECONDS = 0.1
_GOES_ON = (
    "The workers go on with this cell, and the next cell waits for them."
    " %parpool --clear has them forget it"
)


class _Event(NamedTuple):
    worker: int
    output: Output
    ready: bool = False
    error: BaseException | None = None


class Starting:
    """The workers that start, and what they print meanwhile."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._logs: dict[int, OutputLog] = {}
        self._ready: set[int] = set()

    def printed(self, worker: int, output: Output, /) -> None:
        """Hear what a worker prints before it is ready."""
        self._events.put(_Event(worker, output))

    def started(self, worker: int, error: BaseException | None, /) -> None:
        """Hear that it is ready, or what has kept it from being so."""
        self._events.put(_Event(worker, (), error is None, error))

    def wait(self, pool: ProcessPoolExecutor) -> None:
        """Wait until all workers of ``pool`` are ready.

        Raises
        ------
        BaseException
            What the cell raises in one of them.
        """
        while len(self._ready) < pool.max_workers:
            try:
                self._take(self._events.get(timeout=_LOOK_SECONDS))
            except queue.Empty:
                if pool.dispatcher.closed:
                    raise PoolBroken.stopped() from None

    def _take(self, event: _Event) -> None:
        self._logs.setdefault(event.worker, OutputLog()).add(event.output)
        if event.ready:
            self._ready.add(event.worker)
        if event.error is not None:
            raise event.error

    def texts(self) -> Iterator[tuple[int, str]]:
        """Yield what workers have printed, and how many of them did."""
        texts = [
            "".join(part.text for each in log.outputs(lambda _: "") for part in each.parts)
            for log in self._logs.values()
        ]
        for text in dict.fromkeys(texts):
            yield texts.count(text), text


def run_start_up(
    shell: Any, cell: str, source: Source, workers: int | None, *, first_line: int
) -> None:
    """Run a cell once in every worker, and from now on in every one that replaces it.

    Parameters
    ----------
    source
        Of the cell.
    first_line
        The line of the cell on which its code begins.

    Raises
    ------
    UsageError, SyntaxError
        The cell cannot be run there.
    PayloadError
        It uses what cannot be sent.
    BaseException
        What it raises in a worker. Then no cell is run there any more.
    """
    lines = "\n" * (first_line - 1) + shell.transform_cell(cell)
    start_up = _start_up(lines, cell, source, shell.user_ns)
    starting = Starting()
    pool = start_up_all(start_up, starting, workers)
    try:
        starting.wait(pool)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_GOES_ON) from None
    except BaseException:
        forget_start_up()
        raise
    finally:
        _show(starting)
    sys.stdout.write(f"{count(pool.max_workers, 'worker')} ran this cell\n")


def explain_start_up(error: BaseException) -> None:
    """Say in a note what the start-up cell has to do with ``error``."""
    if isinstance(error, PoolBroken) and start_up_cell() is not None:
        add_note(
            error,
            "Each worker runs the %%parpool cell first. Mend that cell and run it again, or let"
            " it be forgotten: %parpool --clear",
        )
    name = error.name if isinstance(error, NameError) else None
    if name in start_up_names():
        add_note(
            error,
            f"The %%parpool cell binds {name!r} in the workers only. To have it in the notebook"
            " too, run that cell without its first line.",
        )


def _start_up(lines: str, cell: str, source: Source, namespace: Mapping[str, Any]) -> StartUp:
    tree = ast.parse(lines, source.filename)
    check_kernel(tree.body)
    for mistake in escapes(tree):
        raise mistake
    compile(tree, source.filename, "exec", dont_inherit=True)  # such as a return
    names = binds(*tree.body)
    # What the cell sets before it reads it need not travel: it may be what it is to replace.
    read_first = {read.name for read in unset_reads(tree.body, names)}
    given = {
        name: value for name, value in namespace.items() if name not in names or name in read_first
    }
    fn = Source(given, source.filename).define_body(_function(tree, sorted(names)), FUNCTION)
    return StartUp.of(cell, fn, names)


def _function(tree: ast.Module, names: list[str]) -> ast.Module:
    """Make a function of the cell that binds its names as a module does."""
    body = _Unannotated().visit(tree).body
    if names:
        body = [ast.copy_location(ast.Global(names), body[0]), *body]
    return define(FUNCTION, [], body or [ast.Pass()], line=1)


class _Unannotated(ast.NodeTransformer):
    """Make ``x = 1`` of ``x: int = 1``, which cannot be global."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if not isinstance(node.target, ast.Name):
            return node
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return node


def _show(starting: Starting) -> None:
    """Print what the workers have printed: once, if it is the same in all."""
    for workers, text in starting.texts():
        if text:
            sys.stdout.write(f"{count(workers, 'worker')}:\n{text.rstrip()}\n")
