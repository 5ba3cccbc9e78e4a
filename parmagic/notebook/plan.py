"""What a cell asks for, as syntax trees."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FUNCTION = "loop_body"
REPLAY = "_parmagic_replay"


@dataclass(frozen=True)
class Plan:
    """Say what a cell asks for, as syntax trees: nothing has been run.

    Attributes
    ----------
    before
        To be run in the kernel first: the whole cell (function form), or the statements above
        the loop (cells without a header).
    items
        Evaluates in the notebook's namespace, after `before`, to the iterable of items.
    function
        Binds a function called `FUNCTION` when it is executed with the notebook's namespace as
        globals and a dict of its own as locals. None in the function form.
    candidates
        Function form: the names that the cell binds by ``def``, ``class`` or assignment, last
        first. The first that is callable is to be mapped.
    star
        The items are tuples, to be spread over the function's parameters.
    targets
        What an item, or each part of it, is called in the loop.
    has_value
        The function returns a value for the user, so the results can be given a name.
    target
        Cells that end with ``ys = [... for ...]``: the name that the results are bound to.
    replay
        Cells without a header: binds a function called `REPLAY`, executed as `function` is, that
        repeats in the kernel what the items did, or assigns the results to ``df["y"]``. It takes
        the results, in the order of the items; of a loop, a first part of them will do.
    value_of
        Loops without a header: makes of what the function returns, which `replay` takes, what a
        user would call the value of the item.
    changes
        The notebook's names that `replay` changes. They have to exist before the items are run.
    after
        Loops without a header: the statements below the loop.
    last
        Loops without a header: the expression that the cell ends with, whose value is the cell's.
    """

    before: ast.Module | None
    items: ast.Expression
    function: ast.Module | None
    candidates: tuple[str, ...] = ()
    star: bool = False
    targets: tuple[str, ...] = ()
    has_value: bool = True
    target: str | None = None
    replay: ast.Module | None = None
    value_of: Callable[[Any], Any] | None = None
    changes: tuple[str, ...] = ()
    after: ast.Module | None = None
    last: ast.Expression | None = None

    @property
    def trees(self) -> list[ast.Module | ast.Expression]:
        """The trees that are there, in the order in which they are run."""
        trees = [self.before, self.items, self.function, self.replay, self.after, self.last]
        return [tree for tree in trees if tree is not None]
