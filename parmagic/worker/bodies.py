"""One exception to bytes, and bytes to an exception of the same class.

Pickle makes an exception again by calling its class with `args`. Many a class does not take that:
its ``__init__`` wants other parameters, makes another message of the one that is ready, or prints.
So class, arguments and attributes travel apart, and are joined without that ``__init__``. Only
a class that says itself how it is pickled is first taken at its word.
"""

from __future__ import annotations

import io
from contextlib import suppress
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

from parmagic.worker.cancel import Cancelled
from parmagic.worker.classes import Unpickler
from parmagic.worker.text import full_type_name, safe_repr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Exceptions = Sequence[BaseException]
    # The exception or its class, its arguments, its attributes.
    Shape = tuple[BaseException | type[BaseException], tuple[Any, ...], dict[str, Any]]


def to_bytes(exception: BaseException, others: Exceptions) -> bytes:
    """Return bytes that were seen to make an exception of the same class.

    Where one of the ``others`` is met, its index is written.

    Raises
    ------
    BaseException
        The reason why there are no such bytes.
    """
    reason: BaseException = TypeError("it cannot be pickled")
    for shape in _shapes(exception, others):
        try:
            return _proved(shape, type(exception), others)
        except Cancelled:
            raise
        except BaseException as error:
            reason = error
    raise reason


def from_bytes(body: bytes, others: Exceptions) -> BaseException:
    """Make the exception that `to_bytes` was given; raise whatever its class raises."""
    made, args, attributes = _load(body, others)
    exception: BaseException = _without_init(made, args) if isinstance(made, type) else made
    set_slot(exception, "args", args)
    _set_attributes(exception, attributes)
    return exception


def slot(exception: BaseException, name: str) -> Any:
    """Return what Python itself keeps for ``exception`` under ``name``.

    Not what ``getattr`` says: a subclass may have a property of that name.
    """
    return vars(BaseException)[name].__get__(exception)


def set_slot(exception: BaseException, name: str, value: object) -> None:
    """Set what `slot` returns, also where ``__setattr__`` refuses it."""
    vars(BaseException)[name].__set__(exception, value)


def _shapes(exception: BaseException, others: Exceptions) -> Iterator[Shape]:
    """Yield what could be sent, from the most to the least that is kept."""
    kind, args, attributes = type(exception), slot(exception, "args"), _attributes(exception)
    if _says_how_to_pickle(kind):
        yield exception, args, attributes
    yield kind, args, attributes
    yield kind, _with_reprs(args, others), _with_notes(attributes, others)


def _says_how_to_pickle(kind: type[BaseException]) -> bool:
    steps = ("__reduce__", "__reduce_ex__", "__setstate__")
    return any(getattr(kind, step) is not getattr(BaseException, step) for step in steps)


def _attributes(exception: BaseException) -> dict[str, Any]:
    attributes = dict(slot(exception, "__dict__"))
    for name, member in _members(type(exception)).items():
        with suppress(AttributeError):  # it was never set
            attributes[name] = member.__get__(exception)
    return attributes


def _set_attributes(exception: BaseException, attributes: dict[str, Any]) -> None:
    members, plain = _members(type(exception)), slot(exception, "__dict__")
    for name, value in attributes.items():
        if name in members:
            members[name].__set__(exception, value)
        else:
            plain[name] = value


def _members(kind: type[BaseException]) -> dict[str, Any]:
    """Return what ``__slots__`` made, in the classes that are not Python's own."""
    return {
        name: member
        for base in kind.__mro__
        if base.__module__ != "builtins"
        for name, member in vars(base).items()
        if isinstance(member, MemberDescriptorType)
    }


def _with_reprs(args: tuple[Any, ...], others: Exceptions) -> tuple[Any, ...]:
    return tuple(arg if _travels(arg, others) else safe_repr(arg) for arg in args)


def _with_notes(attributes: dict[str, Any], others: Exceptions) -> dict[str, Any]:
    sent = {name: value for name, value in attributes.items() if _travels(value, others)}
    notes = [
        f"'{name}' ({full_type_name(value)}) stayed in the worker: it cannot be pickled"
        for name, value in attributes.items()
        if name not in sent
    ]
    return {**sent, "__notes__": [*sent.get("__notes__", ()), *notes]} if notes else sent


def _travels(value: object, others: Exceptions) -> bool:
    try:
        _load(_dump(value, others), others)
    except Cancelled:
        raise
    except BaseException:
        return False
    return True


def _proved(shape: Shape, kind: type[BaseException], others: Exceptions) -> bytes:
    body = _dump(shape, others)
    made = from_bytes(body, others)
    if type(made) is not kind:
        raise TypeError(f"it comes back as {full_type_name(made)}")
    return body


def _dump(value: object, others: Exceptions) -> bytes:
    from parmagic.worker.by_value import Pickler  # 55 to 80 ms of CPU, once

    numbers = {id(other): number for number, other in enumerate(others)}
    stream = io.BytesIO()
    pickler = Pickler(stream, protocol=5)
    if numbers:  # else each object would cost a call
        pickler.persistent_id = lambda part: numbers.get(id(part))
    pickler.dump(value)
    return stream.getvalue()


def _load(body: bytes, others: Exceptions) -> Any:
    return _Unpickler(body, others).load()


class _Unpickler(Unpickler):
    def __init__(self, body: bytes, others: Exceptions) -> None:
        super().__init__(io.BytesIO(body))
        self._others = others

    def persistent_load(self, pid: int) -> BaseException:
        return self._others[pid]


def _without_init(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    # That of the built-in base is called: OSError, UnicodeDecodeError and others keep their
    # arguments in fields of their own.
    base: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    exception: BaseException = base.__new__(kind, *args)
    base.__init__(exception, *args)
    return exception
