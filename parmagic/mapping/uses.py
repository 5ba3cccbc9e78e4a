"""What a function uses, and what the notebook's functions use that it calls."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from parmagic.worker.cancel import Cancelled
from parmagic.worker.parts import Part, Place, parts

# What a function does with a part that has a name in its code.
_VERBS = {"uses", "has the default", "has the argument"}

CachedFunction = type(functools.cache(id))
_CODE = (FunctionType, type, CachedFunction)
# Those hold functions, and have no names of their own.
_AROUND = (MethodType, functools.partial, property, classmethod, staticmethod, tuple)


class Use(NamedTuple):
    """A name in the code of a function, and what it stands for.

    Attributes
    ----------
    through
        The name of the function or class whose code it is; empty for the function itself.
    """

    name: str
    value: object
    place: Place | None = None
    through: str = ""


def uses_of(fn: object) -> list[Use]:
    """List what ``fn`` uses; of each thing at once what is used through it."""
    walk = _Walk(fn)
    walk.look_into(fn, "")
    return walk.uses


def travels_by_value(value: object) -> bool:
    """Tell whether ``value`` is a function or class whose code is sent to the workers.

    The others are imported there.
    """
    if not issubclass(type(value), _CODE):  # isinstance would ask the object
        return False
    from parmagic.worker.by_value import Pickler

    try:
        return Pickler(_Nowhere(), protocol=5).reducer_override(value) is not NotImplemented
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException:  # what it uses may raise anything; were it imported, none would ask
        return True


class _Walk:
    """One walk through the code that would be sent."""

    def __init__(self, fn: object) -> None:
        self.uses: list[Use] = []
        self._root = fn
        self._seen: set[tuple[str, int]] = set()
        self._opened: dict[int, Any] = {}  # which keeps them, so that no id comes again

    def look_into(self, value: object, through: str) -> None:
        """List what is used in the code of ``value``, if that is sent."""
        code = value if _is_code(value) else type(value)
        if id(code) in self._opened or not (travels_by_value(code) or type(code) in _AROUND):
            return
        self._opened[id(code)] = code
        for part in _parts(code):
            if part.verb in _VERBS:
                self._add(part, through)
            elif _is_code(part.value):
                self.look_into(part.value, through)

    def _add(self, part: Part, through: str) -> None:
        key = part.name, id(part.value)
        if part.value is self._root or key in self._seen:
            return
        self._seen.add(key)
        self.uses.append(Use(part.name, part.value, part.place, through))
        self.look_into(part.value, part.name)


def _is_code(value: object) -> bool:
    return issubclass(type(value), _CODE) or type(value) in _AROUND


def _parts(value: object) -> Iterator[Part]:
    if type(value) is CachedFunction:
        yield Part("", value.__wrapped__)
        return
    try:
        yield from parts(value)
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException:  # what can be known of it is known by now
        return


class _Nowhere:
    def write(self, part: bytes) -> int:
        return len(part)
