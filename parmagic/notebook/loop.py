"""A cell without a header, whose one loop is to run in parallel and to mean the same."""

import ast
from collections.abc import Container, Iterator

from parmagic.notebook.advice import Step, advice, shown
from parmagic.notebook.body import (
    check_carried,
    check_changes,
    check_classes,
    check_independent,
    check_jumps,
    check_kernel,
    check_statements,
)
from parmagic.notebook.carry import check_carried_over, condition, counted, is_alone, reads
from parmagic.notebook.change import Change, changes
from parmagic.notebook.clauses import Clauses
from parmagic.notebook.comprehension import refused
from parmagic.notebook.effects import EFFECTS, Effect, Effects, define_replay, define_turn, value_of
from parmagic.notebook.flow import unset_reads
from parmagic.notebook.loss import instead
from parmagic.notebook.plan import Plan
from parmagic.notebook.scope import binds, own

# A loop may change what it runs over if it runs over what one of these made of it.
_SNAPSHOTS = {"dict", "len", "list", "range", "set", "sorted", "tuple"}


def plan_loop(cell: ast.Module, shared: Container[str] = ()) -> Plan:
    """Plan a cell with one loop at its top level."""
    check_kernel([each for each in cell.body if not isinstance(each, ast.For)])
    before, loop, after = _cut(cell.body)
    clauses = Clauses([ast.comprehension(loop.target, loop.iter, [], 0)])
    body, effects = _take_effects(loop, str(clauses), shared)
    _check_after(after, binds(loop.target, *body))
    after, last = _cut_last(after)
    return Plan(
        before=ast.Module(before, []),
        items=ast.Expression(clauses.items),
        function=define_turn(loop, clauses.parameters[0], body),
        targets=clauses.targets,
        has_value=False,
        replay=define_replay(effects, loop.lineno),
        value_of=value_of(effects),
        changes=tuple(dict.fromkeys(effect.name for effect in effects)),
        after=ast.Module(after, []),
        last=last,
    )


def _cut(statements: list[ast.stmt]) -> tuple[list[ast.stmt], ast.For, list[ast.stmt]]:
    """Cut a cell into what is above its loop, the loop, and what is below."""
    loops = [statement for statement in statements if isinstance(statement, ast.For)]
    if not loops and (mistake := refused(statements)) is not None:
        raise mistake
    if len(loops) != 1:
        found = f"The cell has {len(loops) or 'no'} loops at its top level"
        raise advice(
            f"{found}: without a header, it should have one.",
            ("Write the loop as the header:", "%%parmap x in xs"),
            ("or end the cell with:", "ys = [f(x) for x in xs]"),
        )
    place = statements.index(loops[0])
    return statements[:place], loops[0], statements[place + 1 :]


def _cut_last(after: list[ast.stmt]) -> tuple[list[ast.stmt], ast.Expression | None]:
    """Cut off the expression that the cell ends with: a notebook shows its value."""
    match after:
        case [*others, ast.Expr(value=value)]:
            return others, ast.Expression(value)
    return after, None


def _take_effects(
    loop: ast.For, header: str, shared: Container[str]
) -> tuple[list[ast.stmt], list[Effect]]:
    """Return the body of the loop as the worker runs it, and the effects to repeat."""
    check_statements(loop.body, header)
    check_jumps(loop.body, header, ast.Break)
    _check_else(loop)
    own_names = binds(loop.target, *loop.body, augmented=False)
    _check_tries(loop.body, own_names)
    effects = Effects(own_names, shared)
    body = effects.take_from(loop.body)
    for effect in effects.found:
        _check_unread(effect, loop, body, header)
    check_independent(body, own_names | {EFFECTS}, shared)
    check_changes(body, header, binds(*body, augmented=False) | {EFFECTS}, shared)
    check_carried(body, header, binds(loop.target))
    check_classes(body, binds(loop.target))
    return body, effects.found


def _check_else(loop: ast.For) -> None:
    if loop.orelse:
        raise advice(
            f"'else' after the loop (line {loop.orelse[0].lineno}) has no meaning without 'break'.",
            ("Write it after the loop:", shown(loop.orelse[0])),
        )


def _check_tries(body: list[ast.stmt], own_names: frozenset[str]) -> None:
    """Refuse ``try: counts[k] += 1``: the kernel makes the change later, outside of the ``try``."""
    for name, statement, _ in _caught_changes(body):
        match statement:
            case ast.AugAssign(target=ast.Subscript()) if name not in own_names:
                raise advice(
                    f"'{name}' is read and updated on line {statement.lineno}, in a 'try', but "
                    "each item runs in its own process.",
                    ("Before the loop, write:", f"{name} = collections.Counter()"),
                    ("and in it, without 'try':", shown(statement)),
                )


def _caught_changes(body: list[ast.stmt]) -> Iterator[Change]:
    for node in own(*body):
        if isinstance(node, ast.Try | ast.TryStar) and node.handlers:
            yield from changes(*node.body)


def _check_unread(effect: Effect, loop: ast.For, body: list[ast.stmt], header: str) -> None:
    name, line = effect.name, effect.statement.lineno
    for read in [] if is_alone(effect, loop) else reads(name, *body):
        check_carried_over(effect, loop.body)
        raise advice(
            f"'{name}' is read on line {read.lineno} and updated on line {line}, but each item "
            f"runs in its own process and sees '{name}' as it was before the loop."
            f"{condition(effect, loop.body)}",
            *_rewritten(effect.statement, header),
        )
    for read in reads(name, *_live(loop.iter)):
        raise advice(
            f"'{name}' is updated on line {line} by the loop that runs over it "
            f"(line {read.lineno}).",
            ("Loop over a copy:", f"for {shown(loop.target)} in list({shown(loop.iter)}):"),
        )


def _rewritten(statement: ast.stmt, header: str) -> list[Step]:
    if count := counted(statement):
        return [("Before the loop, write:", count.counter), ("and in it:", shown(count.addition))]
    return instead(statement, header)


def _live(iterable: ast.AST) -> Iterator[ast.Name]:
    """Find the names that the loop still looks at while it runs."""
    match iterable:
        case ast.Call(func=ast.Name(id=function)) if function in _SNAPSHOTS:
            return
        case ast.Attribute(attr="shape"):
            return
        case ast.Name():
            yield iterable
    for part in ast.iter_child_nodes(iterable):
        yield from _live(part)


def _check_after(after: list[ast.stmt], names: frozenset[str]) -> None:
    for name, line in unset_reads(after, names):
        raise advice(
            f"'{name}' is read after the loop (line {line}), but each item runs in its own "
            f"process, so the notebook's '{name}' would not change.",
            ("Collect it in the loop:", f"{name}_of_each.append({name})"),
        )
