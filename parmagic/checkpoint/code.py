"""What a code object does, in 16 bytes: not where it stands, nor how it is laid out."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable
from hashlib import blake2b
from types import CodeType
from typing import Any


def digest(parts: Iterable[Any]) -> bytes:
    """Return 16 bytes for what ``parts``, which are bytes, are together."""
    whole = blake2b(digest_size=16)
    for part in parts:
        whole.update(b"%d " % len(part))
        whole.update(part)
    return whole.digest()


def is_importable(definition: Any) -> bool:
    module = sys.modules.get(definition.__module__)
    if module is None or definition.__module__ == "__main__":
        return False
    try:
        return operator.attrgetter(definition.__qualname__)(module) is definition
    except AttributeError:
        return False


def digest_of_code(code: CodeType) -> bytes:
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    text = repr((counts, names)).encode()
    constants = map(_of_constant, _constants(code))
    return digest([code.co_code, code.co_exceptiontable, text, *constants])


def _of_constant(constant: object) -> bytes:
    # Not pickled: equal tuples are one object or two, as the cells are cut.
    if isinstance(constant, CodeType):
        return digest_of_code(constant)
    if isinstance(constant, tuple):
        return digest([b"tuple", *map(_of_constant, constant)])
    if isinstance(constant, frozenset):
        return digest([b"frozenset", *sorted(map(_of_constant, constant))])
    return f"{type(constant).__name__} {constant!r}".encode()


def _constants(code: CodeType) -> Iterable[object]:
    if "__firstlineno__" not in code.co_names:
        return code.co_consts
    # The body of a class, from Python 3.13 on. It sets its line, and the attributes that
    # its methods set, which 3.13.0 lists in no order.
    return (_without_place(constant, code.co_firstlineno) for constant in code.co_consts)


def _without_place(constant: object, line: int) -> object:
    if isinstance(constant, tuple):
        return frozenset(constant)
    return None if constant == line else constant
