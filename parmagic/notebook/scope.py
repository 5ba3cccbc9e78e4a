"""What code runs in its own scope, and which names it binds there."""

import ast
from collections.abc import Iterator

_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def own(*nodes: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run in the scope of ``nodes``, in the order in which Python runs them.

    The bodies of functions, lambdas and classes are left out, and so are the variables of
    comprehensions. A statement comes before its parts.
    """
    for node in nodes:
        if isinstance(node, _Comprehension):
            yield from _comprehension(node)
        else:
            yield node
            yield from own(*_parts(node))


def binds(*nodes: ast.AST, augmented: bool = True) -> frozenset[str]:
    """Return the names that ``nodes`` bind; without ``augmented``, other than by ``x += 1``."""
    return frozenset(
        name
        for node in own(*nodes)
        if augmented or not isinstance(node, ast.AugAssign)
        for name in bound(node)
    )


def awaits(*nodes: ast.AST) -> list[tuple[ast.AST, int]]:
    """Find what needs an event loop in ``nodes``, and on which lines."""
    found: list[tuple[ast.AST, int]] = []
    for node in own(*nodes):
        match node:
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                found.append((node, node.lineno))
            case ast.comprehension(is_async=1):
                found.append((node, node.iter.lineno))
    return found


def bound(node: ast.AST) -> list[str]:
    """Return the names that ``node`` binds itself, apart from its parts."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.AugAssign(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
        case ast.alias():
            return [(node.asname or node.name).partition(".")[0]]
    return []


def _comprehension(node: _Comprehension) -> Iterator[ast.AST]:
    value = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    variables = binds(*(clause.target for clause in node.generators))
    yield from own(node.generators[0].iter)
    for part in own(*node.generators, *value):
        if not (isinstance(part, ast.Name) and part.id in variables):
            yield part


def _parts(node: ast.AST) -> list[ast.AST]:
    """Return the children that run in the scope of ``node``, the first to run first."""
    match node:
        case ast.Assign():
            return [node.value, *node.targets]
        case ast.AnnAssign():
            return [node.value, node.target] if node.value else []
        case ast.AugAssign(target=ast.Name()):
            return [node.value]
        case ast.NamedExpr():
            return [node.value, node.target]
        case ast.comprehension():
            return [node.iter, node.target, *node.ifs]
        case ast.For() | ast.AsyncFor():
            return [node.iter, node.target, *node.body, *node.orelse]
        case ast.Lambda():
            return _defaults(node.args)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [*node.decorator_list, *_defaults(node.args)]
        case ast.ClassDef():
            return [*node.decorator_list, *node.bases, *node.keywords]
    return list(ast.iter_child_nodes(node))


def _defaults(arguments: ast.arguments) -> list[ast.AST]:
    return [*arguments.defaults, *filter(None, arguments.kw_defaults)]
