"""What consecutive items are, in 16 bytes that another kernel finds again."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Sequence
from itertools import chain
from types import FunctionType, ModuleType
from typing import Any
from zlib import crc32

from parmagic.checkpoint.code import digest, digest_of_code, is_importable
from parmagic.worker.cancel import Cancelled
from parmagic.worker.text import full_type_name

# Their pickle depends on nothing but their value.
_ATOMS = {int, float, str, bytes, bool, type(None)}
_CONTAINERS = {list, tuple, dict}
_DEEPEST = 10

_SORTABLE = {int, str, bytes}


def fingerprint(items: Sequence[Any]) -> bytes:
    """Return 16 bytes that are the same for equal items, also in another kernel.

    Built-in values in lists, tuples and dicts cost 0.1 to 0.5 µs an item, other objects a
    few µs, and an array 0.3 ms a megabyte.

    - Equal are items of equal types and equal parts: ``1`` is not ``1.0``, and a dict is not
      one whose keys come in another order. A set has no order.
    - Whether equal strings are one object makes no difference. Whether two places hold one
      object or two equal ones can make a difference, where there are other objects than
      built-in ones: it does in what they pickle to.
    - A class or a module counts by its name. So an item stays the same if its class is
      defined anew. A function counts by its name or, if it is one of the notebook, its code.
    - What cannot be pickled, such as a lock, counts by the name of its type, alone or as a
      part of an item.
    - Whatever else has no order of its own must be pickled in one by its class. A subclass of
      set is not.

    Parameters
    ----------
    items
        A list, a tuple or a range, which count as the same; or an array.

    Raises
    ------
    KeyboardInterrupt
        Nothing else that an item raises gets out.
    """
    if not isinstance(items, range | list | tuple):  # an array: one buffer, whatever it holds
        return _of_each([items])
    listed = list(items)
    return _plain(listed) if is_plain(listed) else _of_each(listed)


def stand_in(*names: str, inside: object = None) -> tuple[Any, ...]:
    """Return what `Pickler.reduce` may return for what counts by ``names``, and by its inside."""
    return _built, names, inside


def _built(*names: str) -> None:
    """Stand for a function that would make something again."""


class Pickler(pickle.Pickler):
    """A pickler for equal bytes of equal values, not for reading them again."""

    def __init__(self, ordered: _Ordered | None = None) -> None:
        self._written = _Written()
        super().__init__(self._written, 5, buffer_callback=self._written.note_buffer)
        # Pickle writes a string once and then refers to it, if it is the same object.
        strings: dict[str, str] = {}
        blobs: dict[bytes, bytes] = {}
        ordered = _Ordered() if ordered is None else ordered
        self._substitutes: dict[type, Callable[[Any], Any]] = {
            str: lambda value: strings.setdefault(value, value),
            bytes: lambda value: blobs.setdefault(value, value),
            set: ordered.elements,
            frozenset: ordered.elements,
        }

    def digest(self, value: object) -> bytes:
        """Return 16 bytes for ``value``, or raise whatever it raises."""
        self._written.parts.clear()
        self.dump(value)
        return digest(self._written.parts)

    def persistent_id(self, value: Any) -> Any:
        """Return what is pickled in place of ``value``, None for itself."""
        find = self._substitutes.get(type(value))
        return None if find is None else find(value)

    def reducer_override(self, value: Any) -> Any:
        """Return what ``value`` is made of; only its type's name where it does not tell."""
        if value is _built:
            return NotImplemented
        try:
            return self.reduce(value)
        except (KeyboardInterrupt, Cancelled):
            raise
        except BaseException:
            return stand_in(full_type_name(value))

    def reduce(self, value: Any) -> Any:
        """Return what ``value`` is made of, as ``__reduce__`` does; raise what it raises."""
        if isinstance(value, ModuleType):
            return stand_in("module", value.__name__)
        if isinstance(value, FunctionType) and not is_importable(value):
            return stand_in(value.__qualname__, inside=digest_of_code(value.__code__))
        if isinstance(value, FunctionType) or issubclass(type(value), type):
            return stand_in(value.__module__, value.__qualname__)
        reduced = copyreg.dispatch_table.get(type(value), _reduce)(value)  # type: ignore[no-untyped-call]
        if isinstance(reduced, str):
            return stand_in(full_type_name(value), value.__module__, reduced)
        return reduced


def _plain(values: list[Any]) -> bytes:
    written = _Written()
    pickler = pickle.Pickler(written, 5)
    pickler.fast = True  # no references: 0.03 µs a number, and no object has an identity
    pickler.dump(values)
    return digest(written.parts)


def is_plain(values: list[Any]) -> bool:
    """Tell whether these are built-in values, in built-in containers of no great depth."""
    # What many of them share is written many times, so that there must not be much of it.
    most = 100_000 + 32 * len(values)
    for _ in range(_DEEPEST):
        kinds = set(map(type, values))
        if kinds <= _ATOMS:
            return True
        if not kinds <= _ATOMS | _CONTAINERS:
            return False
        inner = [value for value in values if type(value) in _CONTAINERS]
        most -= sum(map(len, inner))
        if most < 0:
            return False
        held = (value.values() for value in inner if type(value) is dict)
        values = [*chain.from_iterable(inner), *chain.from_iterable(held)]
    return False


def _of_each(items: list[Any]) -> bytes:
    pickler = Pickler()
    digests = []
    for item in items:
        try:
            digests.append(pickler.digest(item))
        except (KeyboardInterrupt, Cancelled):
            raise
        except BaseException:
            digests.append(full_type_name(item).encode())
            pickler = Pickler()  # the old one would refer to what it did not write
    return digest(digests)


def _reduce(value: Any) -> Any:
    kind = type(value)
    if (kind.__module__, kind.__qualname__) == ("numpy", "ndarray") and not value.dtype.hasobject:
        # Whole, a copy is one buffer in one order; a column would be bytes among others.
        value = value if value.flags.c_contiguous else value.copy()
    return value.__reduce_ex__(5)


class _Written:
    """What a pickler wrote."""

    def __init__(self) -> None:
        self.parts: list[Any] = []

    def write(self, part: Any) -> int:
        self.parts.append(part)
        return len(part)

    def note_buffer(self, buffer: pickle.PickleBuffer) -> None:
        raw = buffer.raw()
        # 0.3 ms a megabyte, where blake2b takes 1.4.
        self.parts.append(b"%d %d" % (raw.nbytes, crc32(raw)))


class _Ordered:
    """Sets, and their elements in an order that is the same in every process."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[object, Any]] = {}

    def elements(self, values: set[Any] | frozenset[Any]) -> Any:
        """Return the name of the type and the elements of ``values``."""
        name = type(values).__name__
        if id(values) not in self._seen:
            # For the case that an element refers to the set that it is in.
            self._seen[id(values)] = values, (name, len(values))
            self._seen[id(values)] = values, (name, self._sorted(values))
        return self._seen[id(values)][1]

    def _sorted(self, values: set[Any] | frozenset[Any]) -> list[Any]:
        kinds = set(map(type, values))
        if len(kinds) == 1 and kinds <= _SORTABLE:
            return sorted(values)
        return sorted(values, key=lambda value: Pickler(self).digest(value))
