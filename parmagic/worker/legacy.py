"""What an initializer leaves behind for the functions that come after it.

::

    def connect():                  def ask(number):
        global connection               return connection.execute(...)
        connection = open_it()

In a file both would see the variables of one module. But functions of a notebook travel by
value, each job's with variables of its own: what the initializer has set must be given to them.
"""

from __future__ import annotations

import copy
import io
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FunctionType
from typing import Any

from parmagic.worker.bequest import Bequest
from parmagic.worker.surroundings import own

_WRITER = b"cloudpickle"
_FILLER = "_function_setstate"
_CONTAINERS = (dict, list, set)
_NONE = object()

Variables = dict[str, Any]


class Names(dict[str, Any]):
    """What an initializer returns for the functions of the notebook that lack such names."""


class Legacy:
    """The variables that an initializer has set, by the name of its module."""

    def __init__(self) -> None:
        self._left: dict[str, Variables] = {}
        self._names = Names()

    def run(self, initializer: bytes) -> None:
        """Call ``initializer``, pickled without arguments, and keep what it sets."""
        seen: dict[int, Variables] = {}

        def note(made: FunctionType) -> None:
            seen[id(made.__globals__)] = made.__globals__

        parts = initializer.parts if isinstance(initializer, Bequest) else ()
        fn = _load(initializer, parts, note)
        before = [(variables, _snapshot(variables)) for variables in seen.values()]
        returned = fn()
        if isinstance(returned, Names):
            self._names = returned
        own.keep()
        for variables, was in before:
            left = self._left.setdefault(variables.get("__name__", ""), {})
            left.update((name, variables[name]) for name in _new_names(variables, was))

    def load(self, body: bytes | memoryview, buffers: Iterable[Any] = ()) -> Any:
        """Unpickle, as `pickle.loads`; functions see what was left to their module."""
        if not re.search(_WRITER, body):
            return pickle.loads(body, buffers=buffers)
        return _load(body, buffers, self._bequeath)

    def _bequeath(self, function: FunctionType) -> None:
        variables = function.__globals__
        module_name = variables.get("__name__", "")
        variables.update(self._left.get(module_name, {}))
        for name, value in self._names.items() if module_name == "__main__" else ():
            variables.setdefault(name, value)


class _Unpickler(pickle.Unpickler):
    """Hears of every function that comes by value, once it has its variables."""

    def __init__(self, *arguments: Any, on_function: Callable[[Any], Any], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_function = on_function

    def find_class(self, module_name: str, global_name: str) -> Any:
        found = super().find_class(module_name, global_name)
        if module_name == "cloudpickle.cloudpickle" and global_name == _FILLER:
            return partial(self._fill, found)
        return found

    def _fill(self, fill: Callable[..., Any], function: FunctionType, state: Any) -> None:
        fill(function, state)
        self._on_function(function)


def _load(
    body: bytes | memoryview, buffers: Iterable[Any], on_function: Callable[[Any], Any]
) -> Any:
    return _Unpickler(io.BytesIO(body), buffers=buffers, on_function=on_function).load()


def _snapshot(variables: Variables) -> dict[str, tuple[Any, Any]]:
    """Return each value, and what it holds if it is a container that may be filled in place."""
    return {
        name: (value, copy.copy(value) if type(value) in _CONTAINERS else None)
        for name, value in variables.items()
    }


def _new_names(variables: Variables, before: dict[str, tuple[Any, Any]]) -> Iterator[str]:
    for name, value in variables.items():
        was, held = before.get(name, (_NONE, None))
        changed = value is not was or (type(value) in _CONTAINERS and _differ(value, held))
        if changed and name != "__builtins__":
            yield name


def _differ(one: Any, other: Any) -> bool:
    try:
        return bool(one != other)
    except Exception:  # such as: an array in it has no one truth
        return True
