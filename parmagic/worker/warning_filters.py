"""The kernel's warnings filters in a worker, and its warnings in the kernel."""

from __future__ import annotations

import builtins
import linecache
import re
import sys
import warnings
from typing import Any, NamedTuple, TextIO

from parmagic.worker import capture


class Pattern(NamedTuple):
    """A regular expression that is compiled when it is first looked for."""

    pattern: str
    flags: int

    def match(self, text: str) -> re.Match[str] | None:
        """Do what that of a compiled one does; `re` itself remembers it."""
        return re.match(self.pattern, text, self.flags)


# As in `warnings.filters`, but the category is named: nothing is imported for it.
Filter = tuple[str, Pattern | str | None, tuple[str, str], Pattern | str | None, int]
Filters = tuple[Filter, ...]

_known: tuple[list[Any], Filters] = [], ()
_applied: Filters | None = None


def filters_here() -> Filters:
    """Describe this process's filters (0.4 µs where they are as they were)."""
    global _known
    if warnings.filters != _known[0]:
        found = list(warnings.filters)
        _known = found, tuple(_described(each) for each in found)
    return _known[1]


def apply_filters(filters: Filters) -> None:
    """Have these filters in this process, unless it had been told so already."""
    global _applied
    if filters != _applied:
        warnings.resetwarnings()
        warnings.filters[:] = [_restored(each) for each in filters]  # type: ignore[index]
        _applied = filters


def send_warnings() -> None:
    """Send warnings to the kernel, instead of writing them to stderr."""
    warnings.showwarning = show_warning


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Send a warning to the kernel, as that of the item that runs."""
    text = warnings.formatwarning(message, category, filename, lineno, line)
    if _is_cell(filename):
        text = text.replace(f"{filename}:{lineno}:", f"line {lineno}:", 1)
    if file is not None or not capture.put("warning", text, len(text)):
        (file or sys.stderr).write(text)


def _described(filter_: tuple[Any, ...]) -> Filter:
    action, message, category, module, line = filter_
    return action, _pattern(message), _name(category), _pattern(module), line


def _restored(filter_: Filter) -> tuple[Any, ...]:
    action, message, name, module, line = filter_
    return action, message, _class_of(*name), module, line


def _pattern(pattern: Any) -> Pattern | str | None:
    if isinstance(pattern, re.Pattern):
        return Pattern(pattern.pattern, pattern.flags)
    return pattern if isinstance(pattern, str) else None


class _ByName(type):
    """A class that others are subclasses of, if one of their bases has its name."""

    def __subclasscheck__(cls, other: type) -> bool:
        return any(_name(each) == _name(cls) for each in other.__mro__)


def _name(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def _class_of(module: str, name: str) -> type:
    if module == "builtins":
        return vars(builtins)[name]  # type: ignore[no-any-return]
    return _ByName(name, (Warning,), {"__module__": module, "__qualname__": name})


def _is_cell(filename: str) -> bool:
    # What a file has, and a cell has not, is a time stamp.
    entry = linecache.cache.get(filename, ())
    return len(entry) == 4 and entry[1] is None
