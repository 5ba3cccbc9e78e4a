"""Which backend runs what follows."""

from __future__ import annotations

import os
import threading
from functools import partial
from types import TracebackType
from typing import Any, Self

from parmagic.backends.dispatcher import BackendDispatcher
from parmagic.backends.find import backend_of
from parmagic.pool.executor import ProcessPoolExecutor
from parmagic.pool.workforce import Workforce

LOCAL = "local"

_lock = threading.Lock()
_current: Workforce | None = None
_by_name: dict[str, BackendDispatcher] = {}


class Use:
    """What `use` returns: in a ``with`` statement, the end of the block goes back."""

    def __init__(self, workforce: Workforce | None, before: Workforce | None) -> None:
        self._workforce = workforce
        self._before = before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _set(self._before)

    def __repr__(self) -> str:
        return f"<parmagic uses {described(self._workforce)}>"


def use(backend: Any = None) -> Use:
    """Run what follows on ``backend``, somebody else's executor; without one, on our own pool.

    ::

        parmagic.use(client)                     # for all that follows
        parmagic.use(None)                       # back to the workers of this machine

        with parmagic.use("tcp://10.0.0.1:8786"):
            ys = parmagic.map(f, xs)

    Cells, `parmagic.map` and their options stay the same; ``--on`` and ``on=`` choose for one
    of them only.

    Parameters
    ----------
    backend
        A `dask.distributed.Client`, or the address of its scheduler; ``"ray"``, once it is
        initialised; an `ipyparallel.Client` or a view of it; any `concurrent.futures.Executor`.
        Or the name that a package has registered as an entry point of the group
        ``parmagic.backends``: a function that returns one of these.

    Raises
    ------
    BackendError
        It is none of these, or cannot be used.
    """
    workforce = find_workforce(backend)
    return Use(workforce, _set(workforce))


def _set(workforce: Workforce | None) -> Workforce | None:
    global _current
    before, _current = _current, workforce
    if workforce is None:
        _close_connections()
    return before


def _close_connections() -> None:
    for each in list(_by_name.values()):
        each.close()


def workforce_in_use(on: Any = None) -> Workforce | None:
    """Return who runs a job: those that it asks for, or those of `use`; None for our own pool."""
    return _current if on is None else find_workforce(on)


def backend_name(on: Any = None) -> str | None:
    """Return what the backend in use is called, such as ``dask at tcp://10.0.0.1:8786``.

    None for the pool of this machine.
    """
    workforce = workforce_in_use(on)
    return None if workforce is None else described(workforce)


def described(workforce: Workforce | None) -> str:
    """Return what to call it, and where it is."""
    if workforce is None:
        return "the pool of this machine"
    address = workforce.backend.address if isinstance(workforce, BackendDispatcher) else ""
    name = workforce.name or f"a ProcessPoolExecutor of parmagic's, {workforce.size} workers"
    return f"{name} at {address}" if address else name


def find_workforce(given: Any) -> Workforce | None:
    """Return those who are meant by what a user gives; None for our own pool."""
    if given is None or (isinstance(given, str) and given == LOCAL):
        return None
    if isinstance(given, ProcessPoolExecutor):
        return given.dispatcher
    if isinstance(given, str):
        return _named(given)
    return BackendDispatcher(partial(backend_of, given))


def _named(name: str) -> BackendDispatcher:
    with _lock:
        if name not in _by_name:
            _by_name[name] = BackendDispatcher(partial(backend_of, name))
        named = _by_name[name]
    named.open()
    return named


def _forget_in_child() -> None:
    # The child of a fork has none of the connections.
    global _current, _lock
    _current, _lock = None, threading.Lock()
    _by_name.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
