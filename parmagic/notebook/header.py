"""What stands behind a magic: the line of a loop, the items of a function, a comprehension."""

import ast
import re
import warnings
from keyword import iskeyword

from IPython.core.error import UsageError

from parmagic.notebook.advice import advice, shown
from parmagic.notebook.clauses import Clauses, check_number, is_truth
from parmagic.notebook.scope import awaits
from parmagic.notebook.template import on_line


def read_clauses(header: str) -> Clauses | None:
    """Read ``x in xs``: what may follow ``for`` in a comprehension or in a loop."""
    match _parse(f"[0 for {header}\n]"):
        case ast.Expression(body=ast.ListComp(elt=ast.Constant(), generators=parts)):
            return Clauses(parts)
    # A loop takes more than a comprehension does: for x in 1, 2, 3.
    match _parse(f"for {header}:\n    pass", "exec"):
        case ast.Module(body=[ast.For(target=target, iter=items, body=[ast.Pass()])]):
            return Clauses([ast.comprehension(target, items, [], 0)])
    return None


def read_items(header: str) -> ast.expr:
    """Read ``xs``: the items of the function form."""
    match _parse(header):
        case ast.Expression(body=items):
            _check_items(items)
            return items
    raise _guess(header)


def read_comprehension(expression: str) -> tuple[ast.expr, Clauses]:
    """Read ``f(x) for x in xs``, with or without brackets: its value and its clauses."""
    match read_brackets(expression):
        case (
            ast.ListComp(elt=value, generators=parts)
            | ast.GeneratorExp(elt=value, generators=parts)
        ):
            return value, Clauses(parts)
        case ast.DictComp(key=key, value=value, generators=parts):
            raise _other_brackets(f"({shown(key)}, {shown(value)})", Clauses(parts), "dict")
        case ast.SetComp(elt=value, generators=parts):
            raise _other_brackets(shown(value), Clauses(parts), "set")
    raise _no_comprehension(expression)


def read_brackets(code: str) -> ast.expr | None:
    """Read what a list display holds: the comprehension, with or without brackets, or the item."""
    match _parse(f"[{code}\n]"):
        case ast.Expression(body=ast.List(elts=[element])):
            return element
        case ast.Expression(body=ast.ListComp() as comprehension):
            return comprehension
    return None


def _parse(code: str, mode: str = "eval") -> ast.AST | None:
    """Parse the code of a magic's line. None if Python cannot read it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree: ast.AST = ast.parse(code, mode=mode)
            compile(code, "<header>", mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError):
            return None
    return on_line(tree, line=1)


def _check_items(items: ast.expr) -> None:
    if awaits(items):
        raise advice(
            "A magic cannot wait for its items.",
            ("In a cell above, write:", f"items = {shown(items)}"),
            ("and here:", "%%parmap items"),
        )
    check_number(items, "%%parmap ")
    if is_truth(items):
        raise advice(
            f"'{shown(items)}' is true or false and has no items.",
            ("Write the line of a loop:", f"%%parmap {_membership(items)}"),
        )


def _membership(items: ast.expr) -> str:
    for node in ast.walk(items):
        if isinstance(node, ast.Compare):
            return f"{shown(node.left)} in {shown(node.comparators[0])}"
    return "x in xs"


def _guess(header: str) -> UsageError:
    """Guess what was meant by a header that Python cannot read."""
    loop = re.sub(r"^for\s+|\s*:$", "", header)
    if loop != header and read_clauses(loop):
        return advice(
            "The header is the line of a loop without its 'for' and its colon.",
            ("Write:", f"%%parmap {loop}"),
        )
    assigned = re.match(r"(\w+)\s*=\s*", header)
    name, expression = (assigned[1], header[assigned.end() :]) if assigned else ("ys", header)
    match read_brackets(expression):
        case ast.ListComp(generators=parts):
            return advice(
                "A cell takes what follows the 'for' of a comprehension.",
                ("Above a cell, write:", f"%%parmap {Clauses(parts)}"),
                ("or in a line:", f"{name} = %parmap {expression}"),
            )
    return _guess_names(header)


def _guess_names(header: str) -> UsageError:
    name, equals, items = map(str.strip, header.partition("="))
    if equals and _is_name(name) and _parse(items):
        return advice(
            "'=' has no meaning in a header.",
            ("To name the item, write:", f"%%parmap {name} in {items}"),
            ("To name the results:", f"%%parmap {items} -> {name}"),
        )
    words = header.split()
    if len(words) == 2 and all(map(_is_name, words)):
        return advice(
            f"'{header}': something is missing between the two names.",
            ("To name the results, write:", f"%%parmap {words[0]} -> {words[1]}"),
            ("To name the item:", f"%%parmap {words[1]} in {words[0]}"),
        )
    return _guess_nothing(header)


def _guess_nothing(header: str) -> UsageError:
    if header.endswith(" in"):
        return advice(f"'{header}': the items are missing.", ("Write:", f"%%parmap {header} xs"))
    return advice(
        f"'{header}' is neither the line of a loop nor an expression.",
        ("To name the item, write:", "%%parmap x in xs"),
        ("To call the cell's function:", "%%parmap xs"),
    )


def _is_name(word: str) -> bool:
    return word.isidentifier() and not iskeyword(word)


def _other_brackets(value: str, clauses: Clauses, kind: str) -> UsageError:
    return advice(
        f"The results are a list, not a {kind}.",
        ("Write:", f"results = %parmap {value} for {clauses}"),
        ("and afterwards:", f"{kind}(results)"),
    )


def _no_comprehension(expression: str) -> UsageError:
    if clauses := read_clauses(expression):
        return advice(
            f"'{expression}' says which items there are, but not what to do with them.",
            ("Write:", f"%parmap f(x) for {clauses}"),
            ("or above a cell:", f"%%parmap {clauses}"),
        )
    return advice(f"'{expression}' is not a comprehension.", ("Write:", "%parmap f(x) for x in xs"))
