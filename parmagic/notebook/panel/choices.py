"""Which of a notebook's names the panel offers as functions."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

# What a notebook has of these is there to run the notebook, not to be run over items.
_HIDDEN_PACKAGES = {"IPython", "ipykernel", "ipywidgets", "parmagic", "typing"}
_ITEM = "item"
_MOST_CHARACTERS = 60


class Choice(NamedTuple):
    """A function that can be chosen.

    Attributes
    ----------
    label
        How it reads in a list: ``fit(p, tol)``, or ``sqrt · math``.
    """

    name: str
    label: str


def choices(namespace: Mapping[str, Any], hidden: Mapping[str, Any]) -> list[Choice]:
    """Return the functions of a namespace: its own, the newest first, then imported ones.

    Parameters
    ----------
    hidden
        What was there before the user's first cell.
    """
    own: list[Choice] = []
    imported: list[Choice] = []
    for name, value in reversed(list(namespace.items())):
        if _is_offered(name, value) and hidden.get(name, namespace) is not value:
            (own if _home(value) == "__main__" else imported).append(
                Choice(name, _label(name, value))
            )
    return [*own, *sorted(imported)]


def parameter_of(fn: Any) -> str:
    """Return what ``fn`` calls the first thing that it is called with; ``item`` if unknown."""
    first = next(_parameters(fn), None)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return _ITEM
    return first.name


def _is_offered(name: str, value: Any) -> bool:
    if name.startswith("_") or isinstance(value, ModuleType) or not callable(value):
        return False
    return _home(value).partition(".")[0] not in _HIDDEN_PACKAGES


def _home(value: Any) -> str:
    """Return the module that a function or class is of, or the class of any other callable."""
    kind = type(value)
    if not (issubclass(kind, type) or kind in (FunctionType, BuiltinFunctionType)):
        value = kind
    home = getattr(value, "__module__", None)
    return home if isinstance(home, str) else ""


def _label(name: str, value: Any) -> str:
    home = _home(value)
    if home != "__main__":
        public, _, _ = home.partition("._")  # such as pathlib._local
        return f"{name} · {public}" if public else name
    parameters = ", ".join(each.name for each in _parameters(value))
    return f"{name}({parameters})" if len(parameters) < _MOST_CHARACTERS else f"{name}(…)"


def _parameters(fn: Any) -> Iterator[inspect.Parameter]:
    try:
        yield from inspect.signature(fn).parameters.values()
    except Exception:  # it has none that Python can tell, or is odd
        return
