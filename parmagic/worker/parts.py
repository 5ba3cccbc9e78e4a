"""The parts of an object: what cloudpickle pickles of it, each with a name for people."""

from __future__ import annotations

import dis
import functools
import io
from collections.abc import Callable, Iterable, Iterator
from types import BuiltinMethodType, CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from parmagic.worker.text import safe_repr

# The name of a part that only its owner's __reduce__ could tell.
_SOMEWHERE = "[...]"

_LOADS = {
    *("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"),
    *("LOAD_FROM_DICT_OR_GLOBALS", "LOAD_FROM_DICT_OR_DEREF"),  # from Python 3.12 on
}
# Their repr can neither raise nor take for ever.
_PLAIN_KEYS = (str, bytes, int, float, bool, type(None))


class Place(NamedTuple):
    """A line of a file, or of a cell."""

    filename: str
    line: int


class Part(NamedTuple):
    """Something inside an object.

    Attributes
    ----------
    name
        What follows the name of the whole, such as ``.conn`` or ``[2]``, empty where people
        see no difference. With a verb, a name of its own.
    value
        The part itself.
    verb
        What a function does with it, such as ``uses``. Empty if the whole is no function.
    place
        Where a function does that.
    """

    name: str
    value: object
    verb: str = ""
    place: Place | None = None


def parts(value: object) -> Iterator[Part]:
    """Yield the parts of ``value`` in the order of pickling; raise what ``value`` raises."""
    yield from _PARTS.get(type(value), _parts_of_instance)(value)


def _parts_of_function(fn: FunctionType) -> Iterator[Part]:
    head = Place(fn.__code__.co_filename, fn.__code__.co_firstlineno)
    for name, value in vars(fn).items():
        if name == "__wrapped__":  # by functools.wraps
            yield Part(getattr(value, "__name__", name), value, "wraps")
        else:
            yield Part(name, value, "has the attribute", head)
    for name, value in fn.__annotations__.items():
        yield Part(name, value, "has the annotation", head)
    for name, value in _defaults(fn):
        yield Part(name, value, "has the default", head)
    for name, value in [*_closure(fn), *_globals(fn)]:
        yield Part(name, value, "uses", _first_use(fn.__code__, name))


def _defaults(fn: FunctionType) -> Iterator[tuple[str, object]]:
    yield from (fn.__kwdefaults__ or {}).items()
    names = fn.__code__.co_varnames[: fn.__code__.co_argcount]
    defaults = fn.__defaults__ or ()
    yield from zip(names[len(names) - len(defaults) :], defaults, strict=True)


def _closure(fn: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # the variable has no value yet
            continue


def _globals(fn: FunctionType) -> Iterator[tuple[str, object]]:
    # As cloudpickle finds them, so that no other global is touched.
    names = [each.argval for each in _instructions(fn.__code__) if each.opname.endswith("_GLOBAL")]
    for name in dict.fromkeys(names):
        if name in fn.__globals__:
            yield name, fn.__globals__[name]


def _first_use(code: CodeType, name: str) -> Place | None:
    lines = [
        each.positions.lineno
        for each in _instructions(code)
        if each.opname in _LOADS and each.argval == name and each.positions
    ]
    line = min((line for line in lines if line is not None), default=None)
    return None if line is None else Place(code.co_filename, line)


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)


def _parts_of_method(method: MethodType) -> Iterator[Part]:
    yield Part("", method.__func__)
    yield Part("self", method.__self__, "uses")


def _parts_of_builtin_method(method: BuiltinMethodType) -> Iterator[Part]:
    yield Part("self", method.__self__, "uses")


def _parts_of_partial(fn: functools.partial[Any]) -> Iterator[Part]:
    yield Part("", fn.func)
    for index, value in enumerate(fn.args):
        yield Part(f"args[{index}]", value, "has the argument")
    for name, value in fn.keywords.items():
        yield Part(name, value, "has the argument")


def _parts_of_sequence(values: Iterable[object]) -> Iterator[Part]:
    for index, value in enumerate(values):
        yield Part(f"[{index}]", value)


def _parts_of_set(values: Iterable[object]) -> Iterator[Part]:
    for value in values:
        yield Part(_SOMEWHERE, value)


def _parts_of_dict(values: dict[object, object]) -> Iterator[Part]:
    return _parts_of_pairs(values.items())


def _parts_of_pairs(pairs: Iterable[tuple[object, object]]) -> Iterator[Part]:
    for key, value in pairs:
        yield Part(_SOMEWHERE, key)
        yield Part(f"[{safe_repr(key, 40)}]" if type(key) in _PLAIN_KEYS else _SOMEWHERE, value)


def _parts_of_instance(value: object) -> Iterator[Part]:
    reduced = _reduce(value)
    if isinstance(reduced, str):  # found by its name in a module
        return
    make, args, state, items, pairs = (*reduced, None, None, None)[:5]
    for part in (make, *args):
        yield Part(_name_in(value, part), part)
    yield from _parts_of_sequence(items or ())
    yield from _parts_of_pairs(pairs or ())
    yield from _parts_of_state(state)


def _reduce(value: object) -> Any:
    import cloudpickle

    pickler = cloudpickle.Pickler(io.BytesIO())
    reduced = pickler.reducer_override(value)
    if reduced is not NotImplemented:
        return reduced
    reduce = pickler.dispatch_table.get(type(value))
    return reduce(value) if reduce else value.__reduce_ex__(5)


def _name_in(owner: object, part: object) -> str:
    # An instance's class, a property's function: what is inside belongs to the owner.
    if isinstance(part, (type, FunctionType)):
        return ""
    named = _parts_of_state(getattr(owner, "__dict__", {}))
    if isinstance(owner, tuple):
        named = _parts_of_sequence(owner)
    return next((each.name for each in named if each.value is part), _SOMEWHERE)


def _parts_of_state(state: object) -> Iterator[Part]:
    # With slots the state is a pair: the attributes in __dict__, and those in slots.
    pair = type(state) is tuple and len(state) == 2 and isinstance(state[1], dict)
    halves: Any = state if pair else (state,)
    for half in halves:
        if isinstance(half, dict):
            yield from (Part(f".{name}", value) for name, value in half.items())
        else:
            yield Part(_SOMEWHERE, half)


_PARTS: dict[type, Callable[[Any], Iterator[Part]]] = {
    FunctionType: _parts_of_function,
    MethodType: _parts_of_method,
    BuiltinMethodType: _parts_of_builtin_method,
    functools.partial: _parts_of_partial,
    list: _parts_of_sequence,
    tuple: _parts_of_sequence,
    set: _parts_of_set,
    frozenset: _parts_of_set,
    dict: _parts_of_dict,
}
