"""A generator of random numbers that each worker has a copy of: all would draw the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from parmagic.pool.warning import warn_user

_GENERATORS = {
    ("numpy.random._generator", "Generator"),
    ("numpy.random.mtrand", "RandomState"),
    ("random", "Random"),
}


def warn_of_copied_generator(fn: Callable[..., Any]) -> None:
    """Warn if ``fn`` itself uses a generator of the notebook (1 µs)."""
    name = next((name for name, value in _used(fn) if _is_generator(value)), None)
    if name is not None:
        warn_user(
            f"{name!r} is copied to each worker, so that items in different workers draw the same"
            " random numbers. Make a generator in the item, rng = numpy.random.default_rng(), and"
            " have the same numbers in every run with --seed N (in a script, seed=N)"
        )


def _used(fn: Callable[..., Any]) -> Iterator[tuple[str, object]]:
    code = getattr(fn, "__code__", None)
    if code is None:
        return
    variables = getattr(fn, "__globals__", {})
    yield from ((name, variables.get(name)) for name in code.co_names)
    for name, cell in zip(code.co_freevars, getattr(fn, "__closure__", None) or (), strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # the variable has no value yet
            continue


def _is_generator(value: object) -> bool:
    kind = type(value)
    return (kind.__module__, kind.__qualname__) in _GENERATORS
