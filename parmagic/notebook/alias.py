"""A name for the method that changes one of the notebook's objects: ``add = ys.append``."""

import ast
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence, MutableSet
from types import BuiltinMethodType, MethodType
from typing import Any

from IPython.core.error import UsageError

from parmagic.notebook.advice import Step, advice, shown
from parmagic.notebook.change import METHODS
from parmagic.notebook.loss import instead
from parmagic.notebook.plan import Plan
from parmagic.notebook.scope import bound


def alias_in(plan: Plan, namespace: Mapping[str, Any], header: str) -> UsageError | None:
    """Say of a body that calls such a name that the notebook would not change, and what to do."""
    if plan.function is None:
        return None
    own = _own_names(plan.function)
    for call, name in _calls(plan.function):
        method = namespace.get(name)
        if name not in own and _changes_container(method):
            return _refused(call, name, method, namespace, header)
    return None


def _own_names(function: ast.Module) -> frozenset[str]:
    """Return what the function, or any part of it, binds itself."""
    nodes = list(ast.walk(function))
    parameters = [node.arg for node in nodes if isinstance(node, ast.arg)]
    return frozenset([*parameters, *(name for node in nodes for name in bound(node))])


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)):
                yield node, name


def _changes_container(method: Any) -> bool:
    return (
        type(method) in (BuiltinMethodType, MethodType)
        and isinstance(method.__self__, MutableSequence | MutableMapping | MutableSet)
        and method.__name__ in METHODS
    )


def _refused(
    call: ast.Call, name: str, method: Any, namespace: Mapping[str, Any], header: str
) -> UsageError:
    owner = _name_of(method.__self__, namespace)
    if owner is None:
        kind = type(method.__self__).__name__
        whose, what = f"the '{method.__name__}' of a {kind}", f"that {kind}"
    else:
        whose, what = f"'{owner}.{method.__name__}'", f"the notebook's '{owner}'"
    return advice(
        f"'{name}' on line {call.lineno} is {whose}, but each item runs in its own process, so "
        f"{what} would not change.",
        *_steps(call, method.__name__, owner or "ys", header),
    )


def _steps(call: ast.Call, method: str, owner: str, header: str) -> list[Step]:
    changed = ast.Attribute(ast.Name(owner, ast.Load()), method, ast.Load())
    statement = ast.Expr(ast.Call(changed, call.args, call.keywords))
    # Without a header, the kernel repeats what it can see.
    return instead(statement, header) if header else [("Write in the loop:", shown(statement))]


def _name_of(container: object, namespace: Mapping[str, Any]) -> str | None:
    names = (name for name, value in namespace.items() if value is container)
    return next((name for name in names if not name.startswith("_")), None)
