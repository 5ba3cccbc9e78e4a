"""What a loop reads of what it updates: an item may need what others have put there."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from parmagic.notebook.advice import advice, shown
from parmagic.notebook.change import Change, changes
from parmagic.notebook.effects import Effect
from parmagic.notebook.scope import binds

Update = Change | Effect

# What they read, they may read when it has been changed.
_LATER = ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | ast.GeneratorExp


class Counted(NamedTuple):
    """How to count without a look at what there is: the Counter, and what is added to it."""

    counter: str
    addition: ast.AugAssign


def reads(name: str, *nodes: ast.AST) -> Iterator[ast.Name]:
    """Find where ``name`` is read, in functions too."""
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id == name:
                yield part


def check_carried_over(update: Update, body: list[ast.stmt]) -> None:
    """Raise a UsageError where an item needs what others have put into what it updates."""
    name, statement = update.name, update.statement
    if counted(statement) is not None:
        return
    harmless = {id(read) for read in _harmless(update, body)}
    for read in reads(name, *body):
        if id(read) not in harmless:
            raise advice(
                f"'{name}' is read on line {read.lineno} and updated on line {statement.lineno}, "
                "but each item runs in its own process, and items do not see each other's "
                "results. Run it as a plain loop, without %%parmap."
            )


def is_alone(update: Update, loop: ast.For) -> bool:
    """Tell whether no two items touch the same part: ``M[i] = M[i] * 2`` over a range."""
    match loop:
        # From 0 up: M[-1] might be the same as M[2].
        case ast.For(target=ast.Name(id=index), iter=ast.Call(func=ast.Name(id="range"), args=[_])):
            key = _own_key(update.statement)
            is_index = isinstance(key, ast.Name) and key.id == index
            return is_index and index not in binds(*loop.body) and _reads_first(update, loop.body)
    return False


def _reads_first(update: Update, body: list[ast.stmt]) -> bool:
    """Tell whether an item reads its own part only, and only before the one change."""
    found = [each for each in changes(*body) if each.name == update.name]
    if len(found) != 1 or update.statement not in body:
        return False
    key = _own_key(update.statement)
    assert key is not None
    above = body[: body.index(update.statement) + 1]
    good = {id(found[0].root), *map(id, _of_key(update, key, above))}
    later = [node for node in _nodes(body) if isinstance(node, _LATER)]
    return not any(reads(update.name, *later)) and all(
        id(read) in good for read in reads(update.name, *body)
    )


def condition(update: Update, body: list[ast.stmt]) -> str:
    """Say when it will do to read ``M[i]`` as it was before the loop; empty if always."""
    key = _own_key(update.statement)
    if key is None or not list(_of_key(update, key, body)):
        return ""
    return f" If no '{shown(key)}' comes twice, that will do:"


def counted(statement: ast.stmt) -> Counted | None:
    """Return ``counts[k] += n`` for ``counts[k] = counts.get(k, 0) + n``.

    A Counter starts from nothing, so that no item reads what others have counted.
    """
    match statement:
        case ast.Assign(
            targets=[ast.Subscript(value=ast.Name(id=name), slice=key) as place],
            value=ast.BinOp(left=got, op=ast.Add(), right=number),
        ) if ast.unparse(got) == f"{name}.get({ast.unparse(key)}, 0)":
            counter = f"{shown(place.value)} = collections.Counter()"
            addition = ast.AugAssign(place, ast.Add(), number)
            return Counted(counter, ast.copy_location(addition, statement))
    return None


def _harmless(update: Update, body: list[ast.stmt]) -> Iterator[ast.Name]:
    """Find the reads of a name for which no item needs another one."""
    found = list(changes(*body))
    yield from (each.root for each in found)
    changing = [each.statement for each in found]
    for node in _nodes(body):
        if isinstance(node, ast.Expr) and node not in changing:
            yield from reads(update.name, node)  # print(total)
    if key := _own_key(update.statement):
        yield from _of_key(update, key, body)


def _own_key(statement: ast.stmt) -> ast.expr | None:
    """Return the one key of its container that a statement sets."""
    match statement:
        case (
            ast.Assign(targets=[ast.Subscript(value=ast.Name(), slice=key)])
            | ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(), attr="add"), args=[key]))
        ):
            return key
    return None


def _of_key(update: Update, key: ast.expr, body: list[ast.stmt]) -> Iterator[ast.Name]:
    """Find where ``name[key]`` is read, or asked for before it is set."""
    for node in _nodes(body):
        match node:
            case ast.Subscript(value=ast.Name() as read, slice=same, ctx=ast.Load()):
                pass
            case ast.If(
                test=ast.Compare(
                    left=same, ops=[ast.In() | ast.NotIn()], comparators=[ast.Name() as read]
                ),
                body=[only],
            ) if only is update.statement:
                pass
            case _:
                continue
        if read.id == update.name and ast.dump(same) == ast.dump(key):
            yield read


def _nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for statement in body:
        yield from ast.walk(statement)
