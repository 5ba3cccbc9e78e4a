"""Syntax trees from code of our own."""

import ast
from collections.abc import Iterable
from typing import TypeVar

from parmagic.notebook.scope import awaits

Tree = TypeVar("Tree", bound=ast.AST)


def define(name: str, parameters: Iterable[str], body: list[ast.stmt], line: int) -> ast.Module:
    """Make a module that defines one function, on the given line of the user's cell.

    It is a coroutine function if its body awaits something.
    """
    kind = "async def" if awaits(*body) else "def"
    module = module_of(f"{kind} {name}({', '.join(parameters)}): pass", line)
    vars(module.body[0])["body"] = body
    return module


def module_of(code: str, line: int) -> ast.Module:
    """Parse ``code`` and place all of it on one line of the user's cell."""
    return on_line(ast.parse(code), line)


def on_line(tree: Tree, line: int) -> Tree:
    """Place ``tree`` on one line, without columns: they are not those that the user sees."""
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            vars(node).update(lineno=line, end_lineno=line, col_offset=-1, end_col_offset=-1)
    return tree
