"""cloudpickle, and what it leaves out that notebooks define."""

from __future__ import annotations

import contextlib
import functools
import io
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import cloudpickle

from parmagic.worker import inheritance
from parmagic.worker.arrays import reducers
from parmagic.worker.compact import Block, is_block
from parmagic.worker.slots import in_a_tuple, with_slots

# Those that memoryview.cast takes.
_NATIVE_FORMATS = frozenset("bBhHiIlLqQnNfd?c")
_CachedFunction = type(functools.cache(id))
# Among the arguments of CodeType.
_FILENAME = 10
# The methods of frames that read variables by their names.
_QUERIES = frozenset({"query", "eval"})
_VARIABLE = re.compile(r"@(\w+)")


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no type hints
    """Send functions and classes of the notebook by value, cached ones too."""

    def __init__(self, file: Any, **options: Any) -> None:
        by_type = cloudpickle.Pickler.dispatch_table
        others = {**reducers(), **inheritance.reducers()}
        own = {memoryview: _as_view, CodeType: _as_code, io.TextIOWrapper: _as_stream}
        self.dispatch_table = {**by_type, **others, **own}
        super().__init__(file, **options)  # which looks at the table, once
        self._blocks: dict[int, Any] = {}

    def reducer_override(self, value: Any) -> Any:
        """Return how to make ``value`` again, or NotImplemented to leave that to pickle."""
        if type(value) is _CachedFunction and _is_of_the_notebook(value):
            return _cached, (value.__wrapped__, value.cache_parameters())
        reduced = self._reduced(value)
        if type(value) is FunctionType and isinstance(reduced, tuple):
            _add_queried(value, reduced[2][1]["__globals__"])
            self._compact(reduced[2][1]["__globals__"])
        elif isinstance(value, type) and isinstance(reduced, tuple):
            return with_slots(value, reduced)
        return reduced

    def _reduced(self, value: Any) -> Any:
        try:
            return super().reducer_override(value)
        except KeyError:
            with in_a_tuple(value):
                return super().reducer_override(value)

    def _compact(self, variables: dict[str, Any]) -> None:
        for name, value in variables.items():
            if is_block(value):
                variables[name] = self._blocks.setdefault(id(value), Block(value))


def dumps(
    value: Any,
    buffer_callback: Callable[[Any], Any] | None = None,
    *,
    inherits: bool = False,
) -> bytes:
    """Pickle ``value``, of whatever the notebook has defined.

    Parameters
    ----------
    inherits
        Whether what multiprocessing lets a new process inherit may be part of it.
    """
    allowed = inheritance.inheritable() if inherits else contextlib.nullcontext()
    with io.BytesIO() as file, allowed:
        Pickler(file, protocol=5, buffer_callback=buffer_callback).dump(value)
        return file.getvalue()


def _as_view(view: memoryview) -> Any:
    # cloudpickle makes bytes of it, which are copied.
    if not (view.c_contiguous and view.nbytes and view.format in _NATIVE_FORMATS):
        return bytes, (view.tobytes(),)
    return _view, (pickle.PickleBuffer(view), view.format, view.shape)


def _as_code(code: CodeType) -> Any:
    # Since 3.1.3 cloudpickle sends all code as that of one file, which has no lines. As it
    # does with other names, this one is copied: the same code then always gives the same bytes.
    make, arguments = cloudpickle.Pickler.dispatch_table[CodeType](code)
    filename = "".join(code.co_filename)
    return make, (*arguments[:_FILENAME], filename, *arguments[_FILENAME + 1 :])


def _as_stream(file: io.TextIOWrapper) -> Any:
    # Of a file that is open for reading cloudpickle sends what it holds: each process would have
    # a file of its own, and read it from the same place.
    if file is sys.stdout or file is sys.stderr:
        return cloudpickle.Pickler.dispatch_table[io.TextIOWrapper](file)
    raise pickle.PicklingError("cannot pickle open files")


def _view(buffer: Any, form: Any, shape: tuple[int, ...]) -> Any:
    return memoryview(buffer).cast("B").cast(form, shape)


def _add_queried(fn: FunctionType, variables: dict[str, Any]) -> None:
    """Add what a query of pandas names: ``frame.query("age > @least")``."""
    for name in _queried(fn.__code__):
        if name in fn.__globals__:
            variables.setdefault(name, fn.__globals__[name])


def _queried(code: CodeType) -> Iterator[str]:
    asks = not _QUERIES.isdisjoint(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _queried(constant)
        elif asks and isinstance(constant, str):
            yield from _VARIABLE.findall(constant)


def _is_of_the_notebook(function: Any) -> bool:
    # By reference, as lru_cache pickles itself, these would not be found in a worker.
    return function.__module__ == "__main__" or "<locals>" in function.__qualname__


def _cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)
