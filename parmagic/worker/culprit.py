"""Which part of an object cannot be pickled, where it is used, and what to do instead.

To be asked when cloudpickle has refused an object, for it does not say itself.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from parmagic.worker.advice import TOO_DEEP, describe, kind_of
from parmagic.worker.cancel import Cancelled
from parmagic.worker.errors import PayloadError
from parmagic.worker.parts import Part, Place
from parmagic.worker.search import FUNCTIONS, Search
from parmagic.worker.text import safe_str, shorten

NAME_CHARACTERS = 60

Label = Callable[[str], str]


def file_label(filename: str) -> str:
    """Name a source file by its last component; empty for cells, which are no files."""
    return os.path.basename(filename) if os.path.exists(filename) else ""


def blame_function(
    fn: Callable[..., object], error: BaseException, *, label: Label = file_label
) -> PayloadError:
    """Say why ``fn`` cannot be sent: the variable, its type, its line, and what to do.

    Only KeyboardInterrupt and our own `Cancelled` get out.

    Parameters
    ----------
    fn
        What cloudpickle refused.
    error
        With what.
    label
        Names a source file: ``Cell In[3]``. Empty for one that needs no name.
    """
    reason = _reason(fn, error, back=False, label=label)
    return PayloadError(f"cannot send {_called(fn)} to the workers: {reason}")


def blame_value(
    value: object, error: BaseException, what: str, *, label: Label = file_label
) -> PayloadError:
    """Say why ``value`` cannot be sent. ``what`` names it: ``item 3``, ``the result of item 3``."""
    back = what.startswith("the result")
    reason = _reason(value, error, back=back, label=label)
    return PayloadError(f"cannot send {what} {'back' if back else 'to the workers'}: {reason}")


def blame_value_calmly(value: object, error: BaseException, what: str) -> PayloadError:
    """Do `blame_value` where no Interrupt can come: a KeyboardInterrupt is the value's own."""
    try:
        return blame_value(value, error, what)
    except KeyboardInterrupt:
        return PayloadError(f"cannot send {what}: it raises KeyboardInterrupt when it is pickled")


def _called(fn: Any) -> str:
    try:
        while type(fn) is functools.partial:
            fn = fn.func
        name = getattr(fn, "__qualname__", "").rpartition("<locals>.")[2]
        if not name:
            return describe(fn)
        return f"the {name[1:-1]}" if name.startswith("<") else f"'{name}'"
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException:
        return "the function"


def _reason(whole: object, error: BaseException, *, back: bool, label: Label) -> str:
    # Objects may raise anything when they are looked at, SystemExit too. None of it may
    # hide the error that is reported.
    try:
        too_deep = isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)
        path = Search(too_deep=too_deep, inherits=not back).path(whole)
        if not path or isinstance(path[-1].value, FUNCTIONS):
            return _text(error)
        return f"{_chain(path, label)} {_ending(path[-1].value, too_deep=too_deep, back=back)}"
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException:
        return _text(error)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {safe_str(error, 500)}".rstrip(": ")


def _ending(culprit: object, *, too_deep: bool, back: bool) -> str:
    if too_deep:
        return f"{describe(culprit)} nested too deeply. {TOO_DEEP.advice(back=back)}"
    return f"{describe(culprit)}. {kind_of(culprit).advice(back=back)}"


def _chain(path: list[Part], label: Label) -> str:
    """Join the names on the path: ``it uses 'load' (line 2), which uses 'conn' (line 7),``."""
    first, *uses = _clauses(path)
    subject = f"its {_quoted(first.name)}" if first.name else "it"
    if uses:
        return f"{subject} {', which '.join(_clause(use, label) for use in uses)},"
    return f"{subject} is" if first.name or len(path) == 1 else f"{subject} holds"


def _clauses(path: list[Part]) -> list[Part]:
    clauses: list[Part] = []
    for part in path:
        if part.verb or not clauses:
            clauses.append(part)
        else:
            clauses[-1] = clauses[-1]._replace(name=clauses[-1].name + part.name)
    return clauses


def _clause(use: Part, label: Label) -> str:
    return f"{use.verb} {_quoted(use.name)}{_where(use.place, label)}"


def _quoted(name: str) -> str:
    dotted = name.replace(".", "").isidentifier()
    short = shorten(name, NAME_CHARACTERS)
    return f"'{short}'" if dotted else short


def _where(place: Place | None, label: Label) -> str:
    if place is None:
        return ""
    file = label(place.filename)
    return f" (line {place.line} of {file})" if file else f" (line {place.line})"
