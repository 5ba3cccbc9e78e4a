"""Where a name is read before it is sure to be set."""

import ast
from collections.abc import Iterable
from typing import NamedTuple

from parmagic.notebook.scope import binds, bound, own


class Read(NamedTuple):
    """One place where a name is read."""

    name: str
    line: int


def unset_reads(
    statements: list[ast.stmt], names: Iterable[str], known: Iterable[str] = ()
) -> list[Read]:
    """Find where ``statements`` read one of ``names`` before they are sure to have set it.

    The names that are ``known`` are set from the start. A loop counts as run: what is below it
    may read what it sets.
    """
    flow = _Flow(frozenset(names))
    flow.block(statements, frozenset(known))
    return flow.unset


class _Flow:
    """Follows statements the way Python runs them, with the names that are sure to be set."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.unset: list[Read] = []

    def block(self, statements: list[ast.stmt], known: frozenset[str]) -> frozenset[str]:
        for statement in statements:
            known = self._statement(statement, known)
        return known

    def _statement(self, statement: ast.stmt, known: frozenset[str]) -> frozenset[str]:
        match statement:
            case ast.If():
                known = self._run(known, statement.test)
                return self.block(statement.body, known) & self.block(statement.orelse, known)
            case ast.For() | ast.AsyncFor():
                known = self._run(known, statement.iter, statement.target)
                return self._loop(statement, known)
            case ast.While():
                return self._loop(statement, self._run(known, statement.test))
            case ast.With() | ast.AsyncWith():
                return self.block(statement.body, self._run(known, *statement.items))
            case ast.Try() | ast.TryStar():
                return self._try(statement, known)
            case ast.Match():
                return self._match(statement, self._run(known, statement.subject))
            case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
                self._run(known, statement)
                return known | self.names  # What follows is not reached.
        return self._run(known, statement)

    def _run(self, known: frozenset[str], *nodes: ast.AST) -> frozenset[str]:
        for node in own(*nodes):
            self.unset.extend(read for read in _reads(node) if read.name in self.names - known)
            known = known.union(bound(node))
        return known

    def _loop(
        self, loop: ast.For | ast.AsyncFor | ast.While, known: frozenset[str]
    ) -> frozenset[str]:
        self.block(loop.body, known)
        return self.block(loop.orelse, known | binds(*loop.body))

    def _try(self, attempt: ast.Try | ast.TryStar, known: frozenset[str]) -> frozenset[str]:
        after = self.block(attempt.orelse, self.block(attempt.body, known))
        for handler in attempt.handlers:
            caught = self._run(known, handler.type) if handler.type else known
            after &= self.block(handler.body, caught.union(bound(handler)))
        return after | self.block(attempt.finalbody, known)

    def _match(self, match: ast.Match, known: frozenset[str]) -> frozenset[str]:
        last = match.cases[-1]
        catches_all = isinstance(last.pattern, ast.MatchAs) and not (
            last.pattern.pattern or last.guard
        )
        after = known | self.names if catches_all else known
        for case in match.cases:
            guards = [case.guard] if case.guard else []
            after &= self.block(case.body, self._run(known, case.pattern, *guards))
        return after


def _reads(node: ast.AST) -> list[Read]:
    match node:
        case ast.Name(id=name, ctx=ast.Load() | ast.Del()):
            return [Read(name, node.lineno)]
        case ast.AugAssign(target=ast.Name(id=name)):
            return [Read(name, node.lineno)]
    return []
