"""Items that are not the arguments that a function takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from parmagic.worker.text import type_name


def remark_on_arguments(fn: Callable[..., Any], item: Any, *, star: bool) -> str:
    """Say what a `TypeError` does not, if it was that ``fn`` cannot be called with ``item`` so."""
    if not isinstance(item, (tuple, list)):
        return ""
    what = f"the item is a {type_name(item)} of {len(item)}"
    call = f"{getattr(fn, '__name__', 'fn')}(*item)"
    if star:
        return "" if _takes(fn, item) else f"{what}: it was called as {call}"
    if _takes(fn, [item]) or not _takes(fn, item):
        return ""
    return f"{what}: with --star (star=True) it is called as {call}"


def _takes(fn: Callable[..., Any], arguments: Iterable[Any]) -> bool:
    import inspect

    try:
        signature = inspect.signature(fn)
    except Exception:  # some built-in functions have none
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True
