"""What a function is and what it uses, in 16 bytes that another kernel finds again."""

from __future__ import annotations

import contextlib
import dis
import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MappingProxyType
from typing import Any

from parmagic.checkpoint.code import digest, digest_of_code, is_importable
from parmagic.checkpoint.fingerprint import Pickler, stand_in
from parmagic.worker.cancel import Cancelled
from parmagic.worker.text import full_type_name

# No notebook has as many functions: they are made while they are looked at.
_MOST_DEFINITIONS = 5_000

# The last two are in the bodies of classes, and in what is nested in these.
_GLOBAL_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}

# Where a class stands, what Python and pydantic make of the rest, and what they remember.
_MADE_FROM_THE_REST = {
    *("__dict__", "__weakref__", "__firstlineno__", "__static_attributes__"),
    *("__abstractmethods__", "_abc_impl"),
    *("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__"),
}


def signature(fn: object) -> bytes:
    """Return 16 bytes that change with what ``fn`` does, and are the same in another kernel.

    They change with the code and the docstring of ``fn``, and of the functions and
    classes of the notebook that it uses, and that these use; and with the values of
    the variables and defaults of all of them, as `fingerprint` sees values.

    They do not change with comments and blank lines, nor with the place of a cell. A module
    and what can be imported from it count by their names, whatever the module holds.
    Another version of Python may give other bytes: it compiles to other code.

    Parameters
    ----------
    fn
        A function, or a tuple of functions and classes.

    Raises
    ------
    KeyboardInterrupt
        Nothing else that an object raises gets out.
    """
    return _Walk().over(fn)


class _Walk:
    """A walk over what a function uses, step by step, so that no chain is too long for it."""

    def __init__(self) -> None:
        self._definitions: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._digests: dict[int, tuple[object, bytes]] = {}

    def over(self, fn: object) -> bytes:
        """Return the digest of ``fn`` and of all functions and classes that are met."""
        digests = [self._of_value(fn)]
        for definition in self._definitions:  # which grows
            digests.extend(self._of_definition(definition))
        return digest(digests)

    def number(self, definition: object) -> int:
        """Number the functions and classes in the order in which they are met."""
        number = self._numbers.setdefault(id(definition), len(self._definitions))
        if number == len(self._definitions) < _MOST_DEFINITIONS:
            self._definitions.append(definition)
        return number

    def _of_definition(self, definition: Any) -> Iterator[bytes]:
        of_function = type(definition) is FunctionType
        try:
            yield from (self._of_function if of_function else self._of_class)(definition)
        except (KeyboardInterrupt, Cancelled):
            raise
        except BaseException:
            yield full_type_name(definition).encode()

    def _of_function(self, fn: FunctionType) -> Iterator[bytes]:
        yield digest_of_code(fn.__code__)
        attributes = fn.__defaults__, fn.__kwdefaults__, fn.__annotations__, vars(fn)
        yield from map(self._of_value, attributes)
        for name, value in [*_closure(fn), *_globals(fn)]:
            yield name.encode()
            yield self._of_value(value)

    def _of_class(self, cls: type) -> Iterator[bytes]:
        yield self._of_value((type(cls), *cls.__bases__))
        for name, value in sorted(vars(cls).items()):
            if name not in _MADE_FROM_THE_REST:
                yield name.encode()
                yield self._of_value(value)

    def _of_value(self, value: object) -> bytes:
        if id(value) not in self._digests:
            self._digests[id(value)] = value, self._new_digest(value)
        return self._digests[id(value)][1]

    def _new_digest(self, value: object) -> bytes:
        try:
            # One for each value: it must make no difference whether two of them share a part.
            return _Pickler(self.number).digest(value)
        except (KeyboardInterrupt, Cancelled):
            raise
        except BaseException:
            return full_type_name(value).encode()


class _Pickler(Pickler):
    """A pickler that leaves a number where it meets a function or a class of the notebook."""

    def __init__(self, number: Callable[[object], int]) -> None:
        super().__init__()
        self._number = number

    def reduce(self, value: Any) -> Any:
        """Return what ``value`` is made of; raise what it raises."""
        kind = type(value)
        if kind is FunctionType or issubclass(kind, type):
            if not is_importable(value):
                return stand_in("definition", str(self._number(value)))
        elif kind in _INSIDE:
            return stand_in(full_type_name(value), inside=_INSIDE[kind](value))
        elif (wrapped := _wrapped(value)) is not None:
            return stand_in(full_type_name(value), inside=wrapped)
        return super().reduce(value)


# What pickle refuses, and one finds in classes and decorated functions.
_INSIDE: dict[type, Callable[[Any], Any]] = {
    staticmethod: lambda method: method.__func__,
    classmethod: lambda method: method.__func__,
    property: lambda each: (each.fget, each.fset, each.fdel),
    MappingProxyType: dict,
    CodeType: digest_of_code,
    weakref.WeakKeyDictionary: lambda _: None,  # a cache, such as that of functools.singledispatch
}


def _wrapped(value: Any) -> Any:
    """Return the function in a `functools.lru_cache`, a compiled one of Numba, and the like.

    These pickle by name or by a number of the process, and with what they have cached.
    """
    wrapped = getattr(value, "__dict__", {}).get("__wrapped__")
    if wrapped is None or isinstance(value, functools.partial):
        return None
    return wrapped if is_importable(type(value)) else None


def _closure(fn: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # the variable has no value yet
            yield name, cell.cell_contents


def _globals(fn: FunctionType) -> Iterator[tuple[str, object]]:
    if not _is_of_a_module(fn):
        for name in dict.fromkeys(_global_names(fn.__code__)):
            if name in fn.__globals__:
                yield name, fn.__globals__[name]


def _is_of_a_module(fn: FunctionType) -> bool:
    """Tell whether the globals of ``fn`` are a module's own, such as a cache that grows."""
    name = fn.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) and name != "__main__" else None
    return module is not None and vars(module) is fn.__globals__


def _global_names(code: CodeType) -> Iterator[str]:
    # Of its co_names some are attributes, and in the body of a class some are its own.
    own: set[str] = set()
    for each in dis.get_instructions(code):
        if each.is_jump_target:  # what comes before may have been left out
            own.clear()
        if each.opname == "STORE_NAME":
            own.add(each.argval)
        elif each.opname == "DELETE_NAME":
            own.discard(each.argval)
        elif each.opname in _GLOBAL_LOADS and each.argval not in own:
            yield each.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)
