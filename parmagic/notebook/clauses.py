"""The clauses of a comprehension, as the items of a map and the parameters of its function."""

import ast
from dataclasses import dataclass
from typing import TypeGuard

from parmagic.notebook.advice import advice, shown
from parmagic.notebook.scope import awaits, own

ITEM = "_parmagic_item"


@dataclass(frozen=True)
class Clauses:
    """What may follow ``for`` in a comprehension: ``x in xs``, ``a in xs for b in a if b``.

    Raises
    ------
    UsageError
        For clauses that cannot be mapped, such as ``async for`` or ``x.y in xs``.
    """

    parts: list[ast.comprehension]

    def __post_init__(self) -> None:
        for part in self.parts:
            _check_no_async(part)
            _check_target(part)
            _check_iterable(part)

    def __str__(self) -> str:
        return "".join(map(ast.unparse, self.parts)).removeprefix(" for ")

    @property
    def items(self) -> ast.expr:
        """The iterable itself, which may be cheap to slice, or a generator of what is set."""
        if self._is_plain:
            return self.parts[0].iter
        names: list[ast.expr] = [ast.Name(name, ast.Load()) for name in self._names]
        item = ast.Tuple(names, ast.Load()) if self.star else names[0]
        items = ast.copy_location(ast.GeneratorExp(item, self.parts), self.parts[0].target)
        return ast.fix_missing_locations(items)

    @property
    def star(self) -> bool:
        """Whether the items are tuples, to be spread over the parameters."""
        return not self._is_plain and len(self._names) != 1

    @property
    def parameters(self) -> list[str]:
        """The parameters of the function that is called on the items."""
        if not self._is_plain:
            return self._names
        target = self.parts[0].target
        return [target.id if isinstance(target, ast.Name) else ITEM]

    @property
    def targets(self) -> tuple[str, ...]:
        """What an item, or each part of one that is taken apart, is called."""
        if not self._is_plain:
            return tuple(self._names)
        match self.parts[0].target:
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                starred = any(isinstance(each, ast.Starred) for each in elements)
                return () if starred or len(elements) < 2 else tuple(map(shown, elements))
            case target:
                return (shown(target),)

    @property
    def unpacking(self) -> list[ast.stmt]:
        """The statement, if one is needed, that takes an item apart into the targets."""
        target = self.parts[0].target
        if not self._is_plain or isinstance(target, ast.Name):
            return []
        unpack = ast.Assign([target], ast.Name(ITEM, ast.Load()))
        return [ast.fix_missing_locations(ast.copy_location(unpack, target))]

    @property
    def _is_plain(self) -> bool:
        return len(self.parts) == 1 and not self.parts[0].ifs

    @property
    def _names(self) -> list[str]:
        """The names that the clauses set, those of ``:=`` too, in order."""
        return list(dict.fromkeys(node.id for node in own(*self.parts) if _is_set(node)))


def check_number(node: ast.expr, before: str) -> None:
    """Raise a UsageError if ``node`` is a number, as in ``%%parmap 8``."""
    match node:
        case ast.Constant(value=int(number)):
            code = f"{before}range({number})"
            raise advice(f"{number} is a number and has no items.", ("Write:", code))


def is_truth(node: ast.expr) -> bool:
    """Tell whether ``node`` is true or false, whatever its names stand for."""
    match node:
        case ast.Compare(ops=operators):
            return isinstance(operators[-1], ast.In | ast.NotIn | ast.Is | ast.IsNot)
        case ast.BoolOp(values=values):
            return any(map(is_truth, values))
        case ast.UnaryOp(op=ast.Not()):
            return True
    return False


def _check_iterable(part: ast.comprehension) -> None:
    before = f"%%parmap {shown(part.target)} in "
    check_number(part.iter, before)
    if is_truth(part.iter):
        raise advice(
            f"'{shown(part.iter)}' is true or false and has no items.",
            ("A second clause begins with 'for':", f"{before}xs for y in ys"),
        )


def _check_target(part: ast.comprehension) -> None:
    for node in ast.walk(part.target):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            raise advice(
                f"'{shown(node)}' cannot be the name of an item: its object is the notebook's.",
                ("Name the item:", f"%%parmap x in {shown(part.iter)}"),
            )


def _check_no_async(part: ast.comprehension) -> None:
    if awaits(part):
        item = shown(part.target)
        raise advice(
            "A magic cannot wait for its items.",
            ("In a cell above, write:", f"items = [{item} {shown(part)}]"),
            ("and here:", f"%%parmap {item} in items"),
        )


def _is_set(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
