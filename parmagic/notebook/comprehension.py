"""The comprehension of a cell without a header, and what becomes of its results."""

import ast
from copy import copy

from IPython.core.error import UsageError

from parmagic.notebook.advice import Step, advice, shown
from parmagic.notebook.clauses import Clauses
from parmagic.notebook.plan import REPLAY
from parmagic.notebook.scope import binds
from parmagic.notebook.template import define, module_of

Assignment = ast.Assign | ast.AnnAssign | ast.AugAssign
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

_RESULTS = "_parmagic_results"
_KINDS = {
    ast.ListComp: "list comprehension",
    ast.SetComp: "set comprehension",
    ast.DictComp: "dict comprehension",
    ast.GeneratorExp: "generator expression",
}


def name_of(statement: ast.stmt) -> str | None:
    """Return ``ys`` of ``ys = ...``; None if anything else is assigned to, or nothing."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def names_read(assignment: Assignment) -> tuple[str, ...]:
    """Return the names that have to exist before anything can be assigned: ``df["y"] = ...``."""
    targets = assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]
    names = [part for each in targets for part in ast.walk(each) if isinstance(part, ast.Name)]
    is_read = isinstance(assignment, ast.AugAssign)
    return tuple(name.id for name in names if is_read or isinstance(name.ctx, ast.Load))


def define_assignment(assignment: Assignment) -> ast.Module:
    """Make the function that assigns the results in the kernel."""
    repeat = copy(assignment)
    repeat.value = ast.copy_location(ast.Name(_RESULTS, ast.Load()), assignment)
    names = ", ".join(sorted(binds(repeat)))
    declaration = module_of(f"global {names}" if names else "pass", assignment.lineno).body
    return define(REPLAY, [_RESULTS], [*declaration, repeat], assignment.lineno)


def refused(statements: list[ast.stmt]) -> UsageError | None:
    """Say of a comprehension that is not what the cell ends with what to write instead."""
    for place, statement in reversed(list(enumerate(statements))):
        if isinstance(statement, Assignment | ast.Expr):
            found = _find(statement)
            if found is not None:
                return _refused(found, statement, statements[place + 1 :])
    return None


def _find(node: ast.AST) -> Comprehension | None:
    if isinstance(node, Comprehension):
        return node
    if isinstance(node, ast.Lambda):
        return None
    found = (_find(part) for part in ast.iter_child_nodes(node))
    return next((each for each in found if each is not None), None)


def _refused(found: Comprehension, statement: ast.stmt, below: list[ast.stmt]) -> UsageError:
    what = f"The {_KINDS[type(found)]} on line {found.lineno}"
    if below and isinstance(found, ast.ListComp) and vars(statement).get("value") is found:
        return advice(
            f"{what} is not the last statement of the cell.",
            ("Write in a cell below:", shown(below[0])),
            ("or in its place:", _in_a_line(found, statement)),
        )
    return advice(
        f"{what} cannot be run in parallel as it is: without a header, the cell should end with a "
        "list comprehension, or have one loop.",
        *_in_two_steps(found, statement),
    )


def _in_a_line(found: ast.ListComp, statement: ast.stmt) -> str:
    line = f"%parmap {shown(found.elt)} for {Clauses(found.generators)}"
    return shown(statement).replace(shown(found), line)


def _in_two_steps(found: Comprehension, statement: ast.stmt) -> list[Step]:
    if isinstance(found, ast.DictComp):
        value, results = f"({shown(found.key)}, {shown(found.value)})", "dict(results)"
    else:
        value, results = shown(found.elt), "results"
    if isinstance(found, ast.SetComp):
        results = "set(results)"
    return [
        ("Write:", f"results = %parmap {value} for {Clauses(found.generators)}"),
        ("and afterwards:", shown(statement).replace(shown(found), results)),
    ]
