"""What an expression gives to run a function over, shown without using it up."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sized
from itertools import islice
from typing import Any, NamedTuple

from parmagic.mapping.source import length_of
from parmagic.report.units import count
from parmagic.worker.text import safe_repr, safe_str, type_name

_SHOWN = 5
_CHARACTERS = 40
_ERROR_CHARACTERS = 200
_MAIN = "<items>"


class Preview(NamedTuple):
    """What is to be seen of the items, or why there are none."""

    text: str
    failed: bool = False


NO_ITEMS = Preview("")


def evaluate(expression: str, namespace: dict[str, Any]) -> Any:
    """Return the value of an expression in the notebook's namespace.

    Raises
    ------
    BaseException
        What the expression raises, or a SyntaxError.
    """
    return eval(compile(expression.strip(), _MAIN, "eval", dont_inherit=True), namespace)


def preview(expression: str, namespace: dict[str, Any]) -> Preview:
    """Say how many items an expression gives, and which come first.

    What gives each item only once, such as a generator, is not asked for any.
    """
    if not expression.strip():
        return NO_ITEMS
    try:
        return Preview(_described(evaluate(expression, namespace)))
    except BaseException as error:
        return Preview(reason(error), failed=True)


def reason(error: BaseException) -> str:
    """Say in one line what went wrong."""
    text = " ".join(safe_str(error, _ERROR_CHARACTERS).replace(f" ({_MAIN}, line 1)", "").split())
    return f"{type_name(error)}: {text}" if text else type_name(error)


def _described(items: Any) -> str:
    iterator = iter(items)  # a TypeError says what is not iterable
    if iterator is items or not isinstance(items, Sized):
        return f"a {type_name(items)}, whose items are made as they are needed"
    shown = list(islice(_shown(iterator), _SHOWN))
    length = length_of(items)
    if length is None:
        return f"items: {', '.join(shown)}, …"
    if len(shown) < min(length, _SHOWN):
        length = len(shown)  # its len() is that of something else
    more = ", …" if length > len(shown) else ""
    first = f": {', '.join(shown)}{more}" if shown else ""
    return f"{count(length, 'item')}{first}"


def _shown(iterator: Iterator[Any]) -> Iterator[str]:
    return (safe_repr(each, _CHARACTERS) for each in iterator)


def as_clause(name: str, expression: str) -> str:
    """Return ``name in expression``, in brackets where Python needs them there."""
    plain = f"{name} in {expression.strip()}"
    return plain if _is_one_clause(plain) else f"{name} in ({expression.strip()})"


def _is_one_clause(header: str) -> bool:
    try:
        tree = ast.parse(f"[0 for {header}\n]", mode="eval").body
    except SyntaxError:
        return False
    if not isinstance(tree, ast.ListComp):
        return False
    return len(tree.generators) == 1 and not tree.generators[0].ifs


def names_in(expression: str) -> frozenset[str]:
    """Return the names that an expression uses."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        return frozenset()
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
