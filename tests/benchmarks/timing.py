"""The seconds of a call."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any


def timed(
    call: Callable[[], Any], expected: Any = None, view: Callable[[Any], Any] = list
) -> float:
    """Return the seconds that ``call`` takes, and drop its value.

    What ``view`` makes of the value must be what is expected, unless that is None.
    """
    begun = perf_counter()
    value = call()
    seconds = perf_counter() - begun
    if expected is not None and view(value) != expected:
        raise AssertionError("a wrong result is no result")
    return seconds
