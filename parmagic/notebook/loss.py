"""What to write instead of a change that the notebook would not see."""

import ast

from IPython.core.error import UsageError

from parmagic.notebook.advice import Step, advice, shown
from parmagic.notebook.carry import counted
from parmagic.notebook.change import Change, Halves, halve


def lost(change: Change, header: str) -> UsageError:
    """Say that the notebook would not see a change, and what to write instead."""
    name, statement, _ = change
    return advice(
        f"'{name}' is updated in the loop (line {statement.lineno}), but each item runs in its own "
        f"process, so the notebook's '{name}' would not change.",
        *instead(statement, header),
    )


def instead(statement: ast.stmt, header: str) -> list[Step]:
    """Say what to end the cell with, and how to make the change afterwards."""
    match statement:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Name(id=out), attr="append"), args=[value])
        ):
            return [_end(value, header, out)]
        case ast.AugAssign(target=ast.Name(id=total), op=ast.Add(), value=value):
            return [
                _end(value, header, "parts"),
                ("and add up afterwards:", f"{total} = sum(parts)"),
            ]
    if count := counted(statement):
        return [("In a cell above, write:", count.counter), *instead(count.addition, header)]
    halves = halve(statement, _stand_in)
    if halves is None or not _can_be_sent(halves.operands):
        return [
            ("End the cell with the item's part:", f"%%parmap {header} -> parts"),
            ("and update afterwards:", "for part in parts: ..."),
        ]
    return _repeat(halves, header)


def _end(value: ast.expr, header: str, results: str) -> Step:
    return f"End the cell with {shown(value)}:", f"%%parmap {header} -> {results}"


def _repeat(halves: Halves, header: str) -> list[Step]:
    """End the cell with the operands, and make the change afterwards."""
    sent = [
        (operand, _stand_in(number, operand))
        for number, operand in enumerate(halves.operands)
        if not _is_kept(operand)
    ]
    if isinstance(halves.rest, ast.Assign):
        sent.reverse()  # (k, v) reads better than (v, k).
    values = [operand for operand, _ in sent]
    names = ", ".join(shown(name) for _, name in sent)
    return [
        _end(values[0] if len(values) == 1 else ast.Tuple(values, ast.Load()), header, "parts"),
        ("and update afterwards:", f"for {names} in parts: {shown(halves.rest)}"),
    ]


def _can_be_sent(operands: list[ast.expr]) -> bool:
    slices = any(isinstance(node, ast.Slice) for operand in operands for node in ast.walk(operand))
    return not slices and not all(map(_is_kept, operands))


def _stand_in(number: int, operand: ast.expr) -> ast.expr:
    """Name the operand in the loop afterwards: as in the cell, if it has a name there."""
    if isinstance(operand, ast.Name) or _is_kept(operand):
        return operand
    return ast.Name(f"part{number or ''}", ast.Load())


def _is_kept(operand: ast.expr) -> bool:
    return isinstance(operand, ast.Constant)
