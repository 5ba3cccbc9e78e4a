"""Statements that change an object in place: ``out.append(y)``, ``d[k] = v``, ``total += x``."""

import ast
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from parmagic.notebook.scope import own

# Methods that change their object, and how many arguments they take at most:
# np.append(xs, x) has more, and changes nothing. No `remove`: os.remove(path) is more common.
METHODS = {
    "add": 1,
    "append": 1,
    "appendleft": 1,
    "clear": 0,
    "discard": 1,
    "extend": 1,
    "extendleft": 1,
    "insert": 2,
    "pop": 2,
    "popitem": 1,
    "popleft": 0,
    "reverse": 0,
    "setdefault": 2,
    "sort": 0,
    "subtract": 1,
    "update": 1,
}

# What stands in for an operand, by its number.
StandIn = Callable[[int, ast.expr], ast.expr]


class Change(NamedTuple):
    """A statement that changes in place what a name stands for, and where it names it."""

    name: str
    statement: ast.stmt
    root: ast.Name


class Halves(NamedTuple):
    """A change cut in two: the operands that it computes, and the rest, which changes the name."""

    name: str
    place: ast.AST
    operands: list[ast.expr]
    rest: ast.stmt


def changes(*statements: ast.stmt) -> Iterator[Change]:
    """Find where ``statements`` change in place what a name stands for."""
    for node in own(*statements):
        if isinstance(node, ast.stmt):
            statement = node
        if root := _root(_changed(node)):
            yield Change(root.id, statement, root)


def halve(statement: ast.AST, stand_in: StandIn) -> Halves | None:
    """Cut a statement such as ``d[k] = f(x)`` into its operands, ``f(x)`` and ``k``, and the rest.

    The operands come in the order in which Python evaluates them; in the rest, each is replaced
    by its ``stand_in``. None for a statement that does anything else than to change one name.
    """
    place = _only_changed(statement)
    root = _root(place)
    if place is None or root is None:
        return None
    cut = _Cut(stand_in)
    rest = ast.copy_location(cut.rest(statement), statement)
    return Halves(root.id, place, cut.operands, ast.fix_missing_locations(rest))


def _changed(node: ast.AST) -> ast.AST | None:
    """Return the expression whose object ``node`` changes."""
    match node:
        case (
            ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del())
        ):
            return node
        case ast.AugAssign(target=ast.Name() as name):
            return name
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=place, attr=method), args=values)):
            return place if len(values) <= METHODS.get(method, -1) else None
        case ast.Call(func=ast.Attribute(value=place, attr="pop" | "popleft" | "popitem")):
            return place
    return None


def _only_changed(statement: ast.AST) -> ast.AST | None:
    """Return the expression whose object ``statement`` changes, if it does nothing else."""
    match statement:
        case ast.Assign(targets=[place]) | ast.AugAssign(target=place):
            return _changed(place) or _changed(statement)
        case ast.Expr(value=ast.Call(args=values, keywords=[])) if _are_plain(values):
            return _changed(statement)
    return None


def _root(place: ast.AST | None) -> ast.Name | None:
    """Return the name at the left end of ``groups[k]`` or ``groups.setdefault(k, [])``."""
    match place:
        case ast.Name():
            return place
        case ast.Subscript(value=value) | ast.Attribute(value=value):
            return _root(value)
        case ast.Call(func=ast.Attribute(value=value, attr="setdefault"), args=[_, _] as values):
            return _root(value) if _are_plain(values) else None
    return None


def _are_plain(values: list[ast.expr]) -> bool:
    return not any(isinstance(value, ast.Starred) for value in values)


class _Cut:
    """Takes the operands out of a statement, in the order in which Python evaluates them."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.operands: list[ast.expr] = []

    def rest(self, statement: ast.AST) -> ast.stmt:
        match statement:
            case ast.Assign(targets=[place], value=value):
                part = self._operand(value)
                return ast.Assign([self._path(place)], part)
            case ast.AugAssign(target=place, op=operator, value=value):
                path = self._path(place)
                return ast.AugAssign(path, operator, self._operand(value))
            case ast.Expr(value=call):
                return ast.Expr(self._path(call))
        raise TypeError(statement)

    def _path(self, node: ast.expr) -> Any:
        match node:
            case ast.Subscript(value=value, slice=key, ctx=context):
                return ast.Subscript(self._path(value), self._operand(key), context)
            case ast.Attribute(value=value, attr=name, ctx=context):
                return ast.Attribute(self._path(value), name, context)
            case ast.Call(func=ast.Attribute(attr=method) as func, args=values):
                path = self._path(func)
                values = [_listed(value) for value in values] if "extend" in method else values
                return ast.Call(path, [self._operand(value) for value in values], [])
        return node

    def _operand(self, node: ast.expr) -> ast.expr:
        self.operands.append(node)
        return self.stand_in(len(self.operands) - 1, node)


def _listed(values: ast.expr) -> ast.expr:
    """Make a list of ``values``, which may be a generator: no process can send that."""
    return ast.copy_location(ast.List([ast.Starred(values, ast.Load())], ast.Load()), values)
