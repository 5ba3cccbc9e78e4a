"""Errors that show what to write instead."""

import ast

from IPython.core.error import UsageError

Step = tuple[str, str]

# Longer code would not be read in an error message.
_LONGEST = 60


def advice(what: str, *steps: Step) -> UsageError:
    """Say what happened, and below it what to write, in two columns: words and code."""
    width = max([26, *(len(words) for words, _ in steps)]) + 2
    return UsageError("\n".join([what, *(f"    {words:{width}}{code}" for words, code in steps)]))


def shown(node: ast.AST) -> str:
    """Return the code of ``node`` for a message, or ``...`` where it is long."""
    code = ast.unparse(node).strip()
    return code if len(code) <= _LONGEST and "\n" not in code else "..."
