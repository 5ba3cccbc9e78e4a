"""Short text of objects that may not cooperate.

Notes, errors and reports name an item or an exception by its text. The object's ``__repr__``
may write megabytes, raise anything, or return no string: none of that may spoil the report.
"""

from __future__ import annotations

import reprlib
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from parmagic.worker.cancel import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable


def safe_repr(value: object, limit: int = 200) -> str:
    """Return the repr of ``value`` on one line of at most ``limit`` characters.

    What is left out shows as ``...``. Built-in containers and strings are cut before they
    become text, so that a list of ten million numbers costs no more than one of ten. Other
    objects write their whole repr first.

    An object whose ``__repr__`` fails, whatever it raises, is named by its type. Only
    KeyboardInterrupt and our own `Cancelled` get out.
    """
    # reprlib itself may fail, such as at a subclass of list whose __len__ raises.
    text = _tried(_Repr(limit).repr, value)
    return shorten(" ".join(text.split()) if "\n" in text else text, limit)


def safe_str(value: object, limit: int = 10_000) -> str:
    """Return ``str(value)``, cut in the middle to ``limit`` characters.

    An object whose ``__str__`` fails is named by its type, as in `safe_repr`.
    """
    return shorten(_tried(str, value), limit)


def shorten(text: str, limit: int) -> str:
    """Cut the middle out of ``text``, so that at most ``limit`` characters are left."""
    if len(text) <= limit:
        return text
    kept = max(limit - 3, 0)
    tail = kept // 2
    return text[: kept - tail] + "..."[:limit] + text[len(text) - tail :]


def type_name(value: object) -> str:
    """Return the name of the type of ``value``, without its module."""
    return str(_kept_for_type(value, "__qualname__"))


def full_type_name(value: object) -> str:
    """Return the type of ``value`` as a traceback names it: ``sqlite3.Error``, ``ValueError``."""
    module = _kept_for_type(value, "__dict__").get("__module__")
    shown = isinstance(module, str) and module not in {"builtins", "__main__"}
    return f"{module}.{type_name(value)}" if shown else type_name(value)


def _kept_for_type(value: object, name: str) -> Any:
    # Not what getattr says: the metaclass may be hostile too.
    return vars(type)[name].__get__(type(value))


def _tried(to_text: Callable[[Any], str], value: object) -> str:
    try:
        # A subclass of str may be hostile in its turn: str.__str__ makes it a plain one.
        text = str.__str__(to_text(value))
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException:
        return f"<{type_name(value)} object, {to_text.__name__}() failed>"
    # Front ends encode what they show: a lone surrogate would be an error there.
    return text.encode("utf-8", "backslashreplace").decode()


class _Repr(reprlib.Repr):
    """A `reprlib.Repr` that knows a type by its ``__repr__``, not by its name, and never sorts.

    So a subclass of list is cut like a list, a foreign class that is called ``list`` is not,
    and no set or dict is sorted to show the first ten of its elements.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 10
        self.maxdict = 10
        self.maxstring = limit

    def repr1(self, x: Any, level: int) -> str:
        write = _WRITERS.get(type(x).__repr__)
        return _tried(repr, x) if write is None else write(self, x, level)

    def repr_set(self, x: set[Any], level: int) -> str:
        return self._in_braces(x, level) if x else "set()"

    def repr_frozenset(self, x: frozenset[Any], level: int) -> str:
        return f"frozenset({self._in_braces(x, level) if x else ''})"

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if level <= 0 and x:
            return "{...}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}"
            for key, value in islice(x.items(), self.maxdict)
        ]
        return "{" + ", ".join(shown + ["..."] * (len(x) > self.maxdict)) + "}"

    def _in_braces(self, x: set[Any] | frozenset[Any], level: int) -> str:
        return "{" + self.repr_list(list(islice(x, self.maxlist + 1)), level)[1:-1] + "}"


_WRITERS: dict[Any, Callable[[_Repr, Any, int], str]] = {
    list.__repr__: _Repr.repr_list,
    tuple.__repr__: _Repr.repr_tuple,
    set.__repr__: _Repr.repr_set,
    frozenset.__repr__: _Repr.repr_frozenset,
    deque.__repr__: _Repr.repr_deque,
    dict.__repr__: _Repr.repr_dict,
    str.__repr__: _Repr.repr_str,
    bytes.__repr__: _Repr.repr_str,
    bytearray.__repr__: _Repr.repr_str,
}
