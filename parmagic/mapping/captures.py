"""What a function captures: each thing by name, how large it is, and how it gets there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from parmagic.mapping.uses import CachedFunction, Use, travels_by_value, uses_of
from parmagic.mapping.weight import Weight, weigh
from parmagic.report.explanation import Captured, Route
from parmagic.worker.compact import Block, is_block
from parmagic.worker.culprit import file_label
from parmagic.worker.loaded import loaded
from parmagic.worker.parts import Place
from parmagic.worker.text import full_type_name

# What people call them.
_KINDS = (
    (ModuleType, "module"),
    (FunctionType, "function"),
    (BuiltinFunctionType, "function"),
    (CachedFunction, "function"),
    (type, "class"),
)


def captures(fn: object, whole: Weight) -> tuple[Captured, ...]:
    """Describe what ``fn`` uses; ``whole`` is its weight with all of that."""
    uses = uses_of(fn)
    return tuple(
        _captured(use, weight) for use, weight in zip(uses, _weights(uses, whole), strict=True)
    )


def _weights(uses: Sequence[Use], whole: Weight) -> list[Weight]:
    """Weigh each for itself: code without what it uses, and values without their code."""
    listed = frozenset(id(use.value) for use in uses)
    code = frozenset(id(use.value) for use in uses if travels_by_value(use.value))
    return [
        weigh(_as_sent(use.value, whole), listed if id(use.value) in code else code) for use in uses
    ]


def _as_sent(value: object, whole: Weight) -> object:
    # Of a function's globals, large bytes go beside the pickle; of its closure, in it.
    beside = whole.error or any(buffer.obj is value for buffer in whole.buffers)
    return Block(value) if is_block(value) and beside else value  # type: ignore[arg-type]


def _captured(use: Use, weight: Weight) -> Captured:
    route = _route(use.value, weight)
    nbytes = _nbytes(use.value, weight, route)
    return Captured(use.name, _kind(use.value), nbytes, route, _where(use.place), use.through)


def _route(value: object, weight: Weight) -> Route:
    if weight.error is not None:
        return "cannot be sent"
    if weight.by_name or _is_imported(value):
        return "imported in the workers"
    if weight.homeless:
        return "shared memory, once for all workers"
    if weight.buffers:
        return "stays where it is, in shared memory"
    return "mapped from its file" if _is_mapped(value, weight) else "with the function"


def _is_imported(value: object) -> bool:
    # One that was made by hand is sent like any other object.
    return issubclass(type(value), ModuleType) and vars(value).get("__name__") in sys.modules


def _is_mapped(value: Any, weight: Weight) -> bool:
    """Tell whether ``value`` is an array of whose numbers none are sent."""
    numpy = loaded("numpy")
    if numpy is None or not issubclass(type(value), numpy.ndarray) or value.dtype.hasobject:
        return False
    return bool(weight.nbytes < value.nbytes)


def _nbytes(value: Any, weight: Weight, route: Route) -> int | None:
    if route in ("cannot be sent", "imported in the workers"):
        return None
    return int(value.nbytes) if route == "mapped from its file" else weight.nbytes


def _kind(value: object) -> str:
    # isinstance would ask the object, which may raise anything.
    known = (kind for cls, kind in _KINDS if issubclass(type(value), cls))
    name = next(known, None) or full_type_name(value)
    return name.rpartition(".")[2] if name.startswith("parmagic.") else name


def _where(place: Place | None) -> str:
    if place is None:
        return ""
    file = file_label(place.filename)
    return f"line {place.line} of {file}" if file else f"line {place.line}"
