"""cloudpickle, and what it leaves out that notebooks define."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

import cloudpickle

_CachedFunction = type(functools.cache(id))


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no type hints
    """Send functions and classes of the notebook by value, cached ones too."""

    def reducer_override(self, value: Any) -> Any:
        """Return how to make ``value`` again, or NotImplemented to leave that to pickle."""
        if type(value) is _CachedFunction and _is_of_the_notebook(value):
            return _cached, (value.__wrapped__, value.cache_parameters())
        return super().reducer_override(value)


def dumps(value: Any, buffer_callback: Callable[[Any], Any] | None = None) -> bytes:
    """Pickle ``value``, of whatever the notebook has defined."""
    with io.BytesIO() as file:
        Pickler(file, protocol=5, buffer_callback=buffer_callback).dump(value)
        return file.getvalue()


def _is_of_the_notebook(function: Any) -> bool:
    # By reference, as lru_cache pickles itself, these would not be found in a worker.
    return function.__module__ == "__main__" or "<locals>" in function.__qualname__


def _cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)
