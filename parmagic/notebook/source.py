"""Where the code of a magic stands, so that tracebacks show it as ``Cell In[3], line 2``."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, cast

from IPython.core.interactiveshell import InteractiveShell


class Source:
    """Compile and run trees under the name of the cell that they come from.

    Parameters
    ----------
    filename
        The cell's, as tracebacks know it.
    lines_above
        How many lines stand above the first of the trees.
    """

    def __init__(self, namespace: dict[str, Any], filename: str, *, lines_above: int = 0) -> None:
        self.filename = filename
        self._namespace = namespace
        self._lines_above = lines_above

    @classmethod
    def of_cell(cls, shell: InteractiveShell, magic: str, body: str) -> Source:
        """Return the source of a cell whose first line is ``magic``."""
        # The name under which the cell as a whole runs, so that a traceback's lines are its
        # own. What it shows of them must be Python: hence the magic's line as a comment.
        # The number is the prompt's, wherever this IPython stands with its execution_count.
        number: int = shell.displayhook.prompt_count
        filename = shell.compile.cache(f"# {magic}\n{body}", number, raw_code=f"{magic}\n{body}")
        return cls(shell.user_ns, filename)

    @classmethod
    def of_caller(cls, shell: InteractiveShell) -> Source:
        """Return the source of the line that calls a line magic, wherever it stands."""
        frame = inspect.currentframe()
        while frame is not None and frame.f_globals is not shell.user_ns:
            frame = frame.f_back
        if frame is None:
            return cls(shell.user_ns, "<magic>")
        return cls(shell.user_ns, frame.f_code.co_filename, lines_above=frame.f_lineno - 1)

    def execute(self, tree: ast.Module) -> None:
        """Run ``tree`` in the notebook's namespace."""
        exec(self._compile(tree, "exec"), self._namespace)

    def evaluate(self, tree: ast.Expression, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Return the value of ``tree`` in the notebook's namespace, with ``local_ns`` over it."""
        return eval(self._compile(tree, "eval"), self._scope(local_ns))

    def define(
        self, tree: ast.Module, name: str, local_ns: Mapping[str, Any] | None = None
    ) -> Callable[..., Any]:
        """Return the function that ``tree`` defines; its name does not stay behind."""
        bound: dict[str, Any] = {}
        exec(self._compile(tree, "exec"), self._scope(local_ns), bound)
        return cast(Callable[..., Any], bound[name])

    def define_body(
        self, tree: ast.Module, name: str, local_ns: Mapping[str, Any] | None = None
    ) -> Callable[..., Any]:
        """Return the function that ``tree`` makes of the cell, or of its line, itself.

        Tracebacks show its frame as that of a cell: there is no ``def`` to be seen.
        """
        # IPython looks for the text of what a cell runs from its first line on.
        tree.body[0].lineno = 1 - self._lines_above
        fn = cast(FunctionType, self.define(tree, name, local_ns))
        fn.__code__ = fn.__code__.replace(co_name="<module>", co_qualname="<module>")
        fn.__name__ = fn.__qualname__ = "<cell>"
        return fn

    def _compile(self, tree: ast.Module | ast.Expression, mode: str) -> Any:
        if self._lines_above:
            ast.increment_lineno(tree, self._lines_above)
        return compile(tree, self.filename, mode)

    def _scope(self, local_ns: Mapping[str, Any] | None) -> dict[str, Any]:
        if local_ns is None or local_ns is self._namespace:
            return self._namespace
        return {**self._namespace, **local_ns}
