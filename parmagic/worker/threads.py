"""How many threads NumPy and other compiled code start, while a worker runs a call."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Which variable says it to which of threadpoolctl's kinds of libraries.
_NAMES = {"blas": "OPENBLAS_NUM_THREADS", "openmp": "OMP_NUM_THREADS"}

# What was found when so many modules were loaded: to look for libraries takes 1 to 2 ms.
_found: tuple[int, Any] = 0, None


def call_with_threads(
    variables: Mapping[str, str], most_threads: int, call: Callable[[], Any]
) -> Any:
    """Return ``call()``, for which the environment says how many threads BLAS and OpenMP have.

    Libraries that are loaded already read it no more, and are told. Those that the call loads
    have as many for good; other jobs of this worker are to have more.

    Parameters
    ----------
    variables
        As they are named for these libraries.
    most_threads
        How many threads those have afterwards that the call has loaded.
    """
    limits = {kind: int(variables[name]) for kind, name in _NAMES.items()}
    with _environment(variables):
        controller = _controller()
        if controller is None:
            return call()
        try:
            with controller.limit(limits=limits):
                return call()
        finally:
            _release_new(controller, most_threads)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _controller() -> Any:
    global _found
    if _found[0] != len(sys.modules):
        try:
            import threadpoolctl
        except ImportError:
            return None
        _found = len(sys.modules), threadpoolctl.ThreadpoolController()
    return _found[1]


def _release_new(before: Any, most_threads: int) -> None:
    now = _controller()
    known = {library.filepath for library in before.lib_controllers}
    for library in now.lib_controllers:
        if library.filepath not in known:
            library.set_num_threads(most_threads)
