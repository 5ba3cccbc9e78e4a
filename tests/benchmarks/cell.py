"""A cell of a notebook: it defines a function in ``__main__``, its source in linecache."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from typing import Any

import __main__

_numbers = itertools.count(1)


def run_cell(source: str, name: str) -> Callable[..., Any]:
    """Run ``source`` as a notebook does, and return what it has defined as ``name``."""
    number = next(_numbers)
    filename = f"/tmp/ipykernel_{number}/{number}.py"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), vars(__main__))
    return vars(__main__)[name]
