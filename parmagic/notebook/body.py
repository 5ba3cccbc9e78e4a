"""What a loop body may not do when each item runs in its own process."""

import ast
from collections.abc import Container, Iterable, Iterator

from IPython.core.error import UsageError

from parmagic.notebook.advice import advice, shown
from parmagic.notebook.carry import check_carried_over
from parmagic.notebook.change import changes
from parmagic.notebook.flow import unset_reads
from parmagic.notebook.loss import lost
from parmagic.notebook.scope import awaits, binds, own

Jump = ast.Break | ast.Continue


def check_body(
    body: list[ast.stmt], header: str, known: frozenset[str], shared: Container[str]
) -> None:
    """Raise a UsageError for a body that cannot be a function of the names that are `known`."""
    check_statements(body, header)
    check_jumps(body, header, ast.Break, ast.Continue)
    names = known | binds(*body, augmented=False)
    check_independent(body, names, shared)
    check_changes(body, header, names, shared)
    check_carried(body, header, known)
    check_classes(body, known)


def check_statements(body: list[ast.stmt], header: str) -> None:
    """Raise a UsageError for ``return``, ``yield``, ``global`` and ``import *``."""
    for node in [*own(*body), *_globals(body)]:
        if mistake := _mistake(node, header):
            raise mistake


def check_jumps(body: Iterable[ast.AST], header: str, *kinds: type[Jump]) -> None:
    """Raise a UsageError for a ``break`` or a ``continue`` that leaves the body."""
    for jump in _jumps(body):
        if isinstance(jump, kinds):
            raise _break(jump, header) if isinstance(jump, ast.Break) else _continue(jump, header)


def check_independent(body: list[ast.stmt], names: frozenset[str], shared: Container[str]) -> None:
    """Raise a UsageError for ``out.append(out[-1] + x)``, unless ``out`` is an item's own."""
    for change in changes(*body):
        if change.name not in names and change.name not in shared:
            check_carried_over(change, body)


def check_changes(
    body: list[ast.stmt], header: str, names: frozenset[str], shared: Container[str]
) -> None:
    """Raise a UsageError for ``out.append(y)``, unless ``out`` is the body's own or `shared`."""
    for change in changes(*body):
        if change.name not in names and change.name not in shared:
            raise lost(change, header)


def check_carried(body: list[ast.stmt], header: str, known: Iterable[str]) -> None:
    """Raise a UsageError for ``best = max(best, y)``, which needs the item before."""
    for name, line in unset_reads(body, binds(*body), known):
        raise advice(
            f"'{name}' is read on line {line} before the item has set it, so it would carry over "
            "from the item before, but each item runs in its own process.",
            ("To set it first for each item:", f"{name} = ..."),
            ("To start from the notebook's:", f"own_{name} = {name}"),
            ("To combine the items:", f"%%parmap {header} -> parts"),
            ("and afterwards:", f"for part in parts: {name} = ..."),
        )


def check_classes(body: list[ast.stmt], known: frozenset[str]) -> None:
    """Raise a UsageError for ``class A: x = x``, which cannot see the ``x`` of a function."""
    names = known | binds(*body)
    for node in own(*body):
        if isinstance(node, ast.ClassDef):
            for name, line in unset_reads(node.body, names & binds(*node.body)):
                raise advice(
                    f"'{name}' on line {line} would be the notebook's, not the item's: the class "
                    f"has a '{name}' of its own.",
                    (f"Above the class '{node.name}', write:", f"own_{name} = {name}"),
                    ("and in it:", f"{name} = own_{name}"),
                )


def check_kernel(statements: list[ast.stmt]) -> None:
    """Raise a UsageError where the kernel would have to wait: a magic cannot."""
    for node, line in awaits(*statements):
        raise advice(
            f"'await' on line {line} cannot be used in the cell of a magic.",
            ("In a cell above, write:", shown(node)),
        )


def _globals(body: list[ast.stmt]) -> Iterator[ast.AST]:
    # In functions too: there it would mean the worker's variable, not the one of the body.
    for statement in body:
        yield from (node for node in ast.walk(statement) if isinstance(node, ast.Global))


def _jumps(nodes: Iterable[ast.AST]) -> Iterator[Jump]:
    for node in nodes:
        match node:
            case ast.Break() | ast.Continue():
                yield node
            case ast.For() | ast.AsyncFor() | ast.While():
                yield from _jumps(node.orelse)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass
            case _:
                yield from _jumps(ast.iter_child_nodes(node))


def _mistake(node: ast.AST, header: str) -> UsageError | None:
    match node:
        case ast.Return():
            return _return(node, header)
        case ast.Yield() | ast.YieldFrom():
            return _yield(node)
        case ast.Global(names=[name, *_]) | ast.Nonlocal(names=[name, *_]):
            return _global(node, name, header)
        case ast.ImportFrom(module=str(module), names=[ast.alias(name="*")]):
            return _import(node, module)
    return None


def _return(node: ast.Return, header: str) -> UsageError:
    return advice(
        f"'return' on line {node.lineno}: the value of an item is the cell's last expression.",
        ("End the cell with:", shown(node.value) if node.value else "None"),
        ("To leave items out:", f"%%parmap {header} if ..."),
    )


def _yield(node: ast.Yield | ast.YieldFrom) -> UsageError:
    method = "append" if isinstance(node, ast.Yield) else "extend"
    return advice(
        f"'yield' on line {node.lineno}: an item has one value.",
        ("Start the cell with:", "values = []"),
        ("collect in it:", f"values.{method}({shown(node.value) if node.value else None})"),
        ("and end the cell with:", "values"),
    )


def _global(node: ast.Global | ast.Nonlocal, name: str, header: str) -> UsageError:
    keyword = type(node).__name__.lower()
    return advice(
        f"'{name}' is {keyword} (line {node.lineno}), but each item runs in its own process, "
        f"so the notebook's '{name}' would not change.",
        ("End the cell with the item's part:", f"%%parmap {header} -> parts"),
        ("and combine afterwards:", f"for part in parts: {name} = ..."),
    )


def _import(node: ast.ImportFrom, module: str) -> UsageError:
    return advice(
        f"'import *' on line {node.lineno} cannot be used in the body of a loop.",
        ("Name what you use:", f"from {module} import ..."),
        ("or import in a cell above:", f"from {module} import *"),
    )


def _break(node: ast.Break, header: str) -> UsageError:
    return advice(
        f"'break' on line {node.lineno} cannot stop the other items: each runs in its own process.",
        ("Run them all:", f"%%parmap {header} -> results"),
        ("and cut afterwards:", "itertools.takewhile(..., results)"),
    )


def _continue(node: ast.Continue, header: str) -> UsageError:
    return advice(
        f"'continue' on line {node.lineno} would leave the item without a value.",
        ("Put the condition in the header:", f"%%parmap {header} if ..."),
    )
