"""What the turns of a loop do to the notebook's names, as results that the kernel repeats.

    for x in xs:                       def loop_body(x):
        y = f(x)                           effects = []
        out.append(y)                      for x in (x,):
                                               y = f(x)
                                               effects.append((0, y))
                                           return effects

The worker's half of a statement such as ``out.append(y)`` is to compute its operands. The kernel's
half is to repeat the statement with their values, in the order of the items.
"""

import ast
import copy
from collections.abc import Callable, Container
from operator import itemgetter
from typing import Any, NamedTuple

from parmagic.notebook.change import Halves, halve
from parmagic.notebook.plan import FUNCTION, REPLAY
from parmagic.notebook.template import define, module_of

EFFECTS = "_parmagic_effects"
_EFFECT = "_parmagic_effect"
_REPLAY = f"""
def {REPLAY}(_parmagic_results):
    {{declaration}}
    for {EFFECTS} in _parmagic_results:
        for {_EFFECT} in {EFFECTS}:
            match {_EFFECT}[0]:
                {{cases}}
"""


class Effect(NamedTuple):
    """One statement that changes a notebook name, and what the kernel runs in its place."""

    name: str
    statement: ast.stmt
    operands: list[ast.expr]
    repeat: ast.stmt


class Effects(ast.NodeTransformer):
    """Takes the changes of notebook names out of a loop body."""

    def __init__(self, own_names: frozenset[str], shared: Container[str]) -> None:
        self.found: list[Effect] = []
        self._own_names = own_names
        self._shared = shared

    def take_from(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Return the body as the worker runs it."""
        return [self.visit(statement) for statement in body]

    def visit(self, node: ast.AST) -> Any:
        """Replace a change by the sending of its operands; leave functions alone."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            return node
        halves = halve(node, _stand_in)
        if isinstance(node, ast.stmt) and halves and self._is_understood(halves):
            self.found.append(Effect(halves.name, node, halves.operands, halves.rest))
            return _send(len(self.found) - 1, halves.operands, node)
        return self.generic_visit(_with_own_lists(node))

    def _is_understood(self, halves: Halves) -> bool:
        notebook = halves.name not in self._own_names and halves.name not in self._shared
        return notebook and _is_item(halves.place)


def define_turn(loop: ast.For, parameter: str, body: list[ast.stmt]) -> ast.Module:
    """Make the function of one item: a loop of one turn, in which ``continue`` works."""
    item = ast.Tuple([ast.Name(parameter, ast.Load())], ast.Load())
    turn = ast.copy_location(ast.For(loop.target, item, body, []), loop)
    start = module_of(f"{EFFECTS} = []", loop.lineno).body
    end = module_of(f"return {EFFECTS}", loop.lineno).body
    turns = [*start, ast.fix_missing_locations(turn), *end]
    return define(FUNCTION, [parameter], turns, loop.lineno)


def define_replay(effects: list[Effect], line: int) -> ast.Module:
    """Make the function that repeats the effects of all items in the kernel."""
    names = ", ".join(sorted({effect.name for effect in effects}))
    cases = [f"case {number}: pass" for number in [*range(len(effects)), "_"]]
    code = _REPLAY.format(
        declaration=f"global {names}" if names else "pass",
        cases="\n                ".join(cases),
    )
    replay = module_of(code, line)
    match = next(node for node in ast.walk(replay) if isinstance(node, ast.Match))
    for case, effect in zip(match.cases, effects, strict=False):
        case.body = [effect.repeat]
    return replay


def value_of(effects: list[Effect]) -> Callable[[Any], Any]:
    """Return what makes of a turn's effects what a user would call the value of its item.

    It is what was appended, or ``(key, value)``; a list if there were several, None if none.
    """
    take = [_taker(effect) for effect in effects]

    def value(sent: Any) -> Any:
        values = [take[each[0]](each) for each in sent]
        return values[0] if len(values) == 1 else values or None

    return value


def _taker(effect: Effect) -> Callable[[Any], Any]:
    """Return what takes the operands of an effect from what was sent."""
    places = [*range(1, len(effect.operands) + 1)]
    if isinstance(effect.statement, ast.Assign):
        places = [*places[1:], places[0]]  # d[k] = v computes v first
    return itemgetter(*places) if places else itemgetter(slice(1, None))


def _with_own_lists(node: ast.AST) -> ast.AST:
    # The loop stays as the user wrote it: we still ask what it reads.
    lists = {name: [*part] for name, part in ast.iter_fields(node) if isinstance(part, list)}
    own = copy.copy(node)
    vars(own).update(lists)
    return own


def _is_item(place: ast.AST) -> bool:
    """Tell ``groups`` and ``groups[k]`` from ``config.groups``, which functions may depend on."""
    match place:
        case ast.Name():
            return True
        case ast.Subscript(value=value) | ast.Call(func=ast.Attribute(value=value)):
            return _is_item(value)
    return False


def _stand_in(number: int, operand: ast.expr) -> ast.expr:
    effect = ast.Name(_EFFECT, ast.Load())
    return ast.copy_location(ast.Subscript(effect, ast.Constant(number + 1), ast.Load()), operand)


def _send(number: int, operands: list[ast.expr], statement: ast.stmt) -> ast.stmt:
    """Make the statement that takes the place of effect ``number`` in the worker."""
    effect = ast.Tuple([ast.Constant(number), *map(_as_value, operands)], ast.Load())
    append = ast.Attribute(ast.Name(EFFECTS, ast.Load()), "append", ast.Load())
    send = ast.copy_location(ast.Expr(ast.Call(append, [effect], [])), statement)
    return ast.fix_missing_locations(send)


def _as_value(key: ast.expr) -> ast.expr:
    """Make a value of ``i, 2:5``, which is an expression within brackets only."""
    match key:
        case ast.Tuple(elts=keys):
            return ast.Tuple([_as_value(key) for key in keys], ast.Load())
        case ast.Slice(lower=lower, upper=upper, step=step):
            bounds = [bound or ast.Constant(None) for bound in (lower, upper, step)]
            return ast.Call(_builtin_slice(), bounds, [])
    return key


def _builtin_slice() -> ast.expr:
    # Not the plain name: a notebook may well have a `slice` of its own.
    imported = ast.Call(ast.Name("__import__", ast.Load()), [ast.Constant("builtins")], [])
    return ast.Attribute(imported, "slice", ast.Load())
