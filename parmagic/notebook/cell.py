"""The header and the body of a cell, as the items and the function of a map."""

import ast
import warnings
from collections.abc import Container
from dataclasses import replace

from parmagic.notebook.advice import advice, shown
from parmagic.notebook.body import check_body, check_kernel
from parmagic.notebook.clauses import Clauses
from parmagic.notebook.comprehension import (
    Assignment,
    define_assignment,
    name_of,
    names_read,
)
from parmagic.notebook.header import read_clauses, read_comprehension, read_items
from parmagic.notebook.loop import plan_loop
from parmagic.notebook.plan import FUNCTION, REPLAY, Plan
from parmagic.notebook.scope import binds
from parmagic.notebook.template import define, on_line

__all__ = ["FUNCTION", "REPLAY", "Plan", "plan_cell", "plan_line"]

_EXPRESSION = "<expression>"


def plan_cell(
    header: str,
    source: str,
    *,
    first_line: int = 2,
    filename: str = "<cell>",
    shared: Container[str] = (),
) -> Plan:
    """Plan what ``%%parmap HEADER`` does with the cell below it.

    Parameters
    ----------
    header
        What may follow ``for`` (the cell is a loop body), an expression (the cell defines the
        function), or nothing (the cell holds the loop itself).
    source
        The cell without the magic's line.
    first_line
        The line of the cell on which `source` begins. The trees keep the cell's line numbers.
    filename
        The name of the cell in a SyntaxError.
    shared
        Names whose objects the body may change in place: writable shared arrays, and modules.

    Raises
    ------
    UsageError
        Where the items could not run in processes of their own. It says what to write instead.
    SyntaxError
        Where the cell is not Python.
    """
    cell = _parse("\n" * (first_line - 1) + source, filename)
    plan = _plan(header.strip(), cell, shared)
    _check_syntax(plan, filename)
    return plan


def plan_line(expression: str) -> Plan:
    """Plan what ``%parmap f(x) for x in xs`` does.

    Raises
    ------
    UsageError
        Where the expression is not a comprehension, or could not run in other processes.
    """
    return _plan_value(*read_comprehension(expression.strip().removesuffix(";")))


def _parse(source: str, filename: str) -> ast.Module:
    # What `ast.parse` does, without its frame in the traceback of a SyntaxError.
    tree = compile(source, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def _plan(header: str, cell: ast.Module, shared: Container[str]) -> Plan:
    if not cell.body:
        raise advice(
            "The cell is empty.",
            ("Write below the magic's line:", "f(x)"),
            ("or in a line of its own:", "ys = %parmap f(x) for x in xs"),
        )
    if not header:
        return _plan_last(cell) or plan_loop(cell, shared)
    clauses = read_clauses(header)
    return _plan_body(clauses, cell.body, shared) if clauses else _plan_function(header, cell)


def _plan_body(clauses: Clauses, body: list[ast.stmt], shared: Container[str]) -> Plan:
    """Plan the loop form: the cell is the body of the loop that the header begins."""
    known = binds(*clauses.unpacking).union(clauses.parameters)
    check_body(body, str(clauses), known, shared)
    *above, last = body
    has_value = isinstance(last, ast.Expr)
    if isinstance(last, ast.Expr):
        body = [*above, ast.copy_location(ast.Return(last.value), last)]
    return Plan(
        before=None,
        items=ast.Expression(clauses.items),
        function=define(FUNCTION, clauses.parameters, [*clauses.unpacking, *body], line=1),
        star=clauses.star,
        targets=clauses.targets,
        has_value=has_value,
    )


def _plan_function(header: str, cell: ast.Module) -> Plan:
    """Plan the function form: the cell defines the function, and the header has the items."""
    items = read_items(header)
    check_kernel(cell.body)
    names = [name for statement in cell.body for name in _defined(statement)]
    if not names:
        raise advice(
            f"The cell defines no function to call on the items of '{shown(items)}'.",
            ("To name the item, write:", f"%%parmap {_loop_over(items)}"),
            ("or define a function:", "def f(x): ..."),
        )
    candidates = tuple(dict.fromkeys(reversed(names)))
    return Plan(before=cell, items=ast.Expression(items), function=None, candidates=candidates)


def _defined(statement: ast.stmt) -> list[str]:
    """Return the names that a statement may bind to a function."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=names):
            return [name.id for name in names if isinstance(name, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
    return []


def _loop_over(items: ast.expr) -> str:
    match items:
        case ast.ListComp(generators=parts) | ast.GeneratorExp(generators=parts):
            return str(Clauses(parts))
    return f"x in {shown(items)}"


def _plan_last(cell: ast.Module) -> Plan | None:
    """Plan a cell that ends with ``ys = [f(x) for x in xs]``."""
    *above, last = cell.body
    match last:
        case (
            ast.Assign(value=ast.ListComp() as value)
            | ast.AnnAssign(value=ast.ListComp() as value)
            | ast.AugAssign(value=ast.ListComp() as value)
            | ast.Expr(value=ast.ListComp() as value)
        ):
            check_kernel(above)
            plan = _plan_value(value.elt, Clauses(value.generators))
            return _plan_target(last, replace(plan, before=ast.Module(above, [])))
    return None


def _plan_target(last: Assignment | ast.Expr, plan: Plan) -> Plan:
    """Plan what is to become of the results: a name, ``df["y"] = ...``, or the cell's value."""
    name = name_of(last)
    if name is not None or isinstance(last, ast.Expr):
        return replace(plan, target=name)
    replay, names = define_assignment(last), names_read(last)
    return replace(plan, has_value=False, replay=replay, changes=names)


def _plan_value(value: ast.expr, clauses: Clauses) -> Plan:
    """Plan a comprehension: its value becomes a function of what its clauses set."""
    known = binds(*clauses.unpacking).union(clauses.parameters)
    check_body([ast.copy_location(ast.Expr(value), value)], str(clauses), known, shared=())
    for name in binds(value):
        raise advice(
            f"'{name} :=' sets a name of the notebook, but each item runs in its own process.",
            ("Write a cell:", f"%%parmap {clauses}"),
            ("with the line:", f"{name} = ..."),
        )
    result = ast.copy_location(ast.Return(value), value)
    return Plan(
        before=None,
        items=ast.Expression(clauses.items),
        function=_define_expression(clauses.parameters, [*clauses.unpacking, result]),
        star=clauses.star,
        targets=clauses.targets,
    )


def _define_expression(parameters: list[str], body: list[ast.stmt]) -> ast.Module:
    """Define a function that is called `FUNCTION`, and ``<expression>`` in tracebacks."""
    line = body[-1].lineno
    module = define(FUNCTION, parameters, body, line)
    vars(module.body[0])["name"] = _EXPRESSION
    rename = ast.Assign([ast.Name(FUNCTION, ast.Store())], ast.Name(_EXPRESSION, ast.Load()))
    module.body.append(on_line(ast.fix_missing_locations(rename), line))
    return module


def _check_syntax(plan: Plan, filename: str) -> None:
    """Raise what only the compiler finds before anything runs, such as two stars in a target."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tree in plan.trees:
            mode = "eval" if isinstance(tree, ast.Expression) else "exec"
            compile(tree, filename, mode, dont_inherit=True)
