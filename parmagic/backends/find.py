"""From what a user gives to a backend: a client, a module, an executor, an address, a name."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from parmagic.backends.backend import Backend
from parmagic.backends.dask import DaskBackend, connected
from parmagic.backends.executor import ExecutorBackend
from parmagic.backends.ipyparallel import IPyParallelBackend
from parmagic.backends.ray import RayBackend
from parmagic.backends.threads import ThreadsBackend
from parmagic.worker.errors import BackendError

GROUP = "parmagic.backends"
_SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")


def backend_of(given: Any) -> Backend:
    """Return the adapter of what a user has.

    Raises
    ------
    BackendError
        It is none of what we know, or not in a state to be used.
    """
    if isinstance(given, str):
        return _of_name(given)
    if isinstance(given, ModuleType):
        return _of_module(given)
    if isinstance(given, Executor):
        return _of_executor(given)
    return _of_client(given)


def _of_executor(executor: Executor, name: str = "") -> Backend:
    # Python 3.14 has one whose threads are interpreters of their own: they share no objects.
    interpreters = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
    if isinstance(executor, ThreadPoolExecutor) and not isinstance(executor, interpreters):
        return ThreadsBackend(executor, name)
    return ExecutorBackend(executor, name)


def _of_client(given: Any) -> Backend:
    for cls in type(given).__mro__:
        make = _CLASSES.get((cls.__module__.partition(".")[0], cls.__name__))
        if make is not None:
            return make(given)
    if all(hasattr(given, name) for name in ("name", "submit", "put", "is_loss")):
        adapter: Backend = given  # of a third party
        return adapter
    raise BackendError(
        f"a {type(given).__name__} is no backend. There are: a dask Client or its address, ray,"
        " an ipyparallel Client, a concurrent.futures Executor"
    )


# By package and class, so that nothing is imported to find out.
_CLASSES: dict[tuple[str, str], Callable[[Any], Backend]] = {
    ("distributed", "Client"): DaskBackend,
    ("distributed", "Cluster"): lambda cluster: DaskBackend(cluster.get_client()),
    ("ipyparallel", "Client"): IPyParallelBackend,
    ("ipyparallel", "View"): IPyParallelBackend.of_view,
}


def _of_module(module: ModuleType) -> Backend:
    if module.__name__ != "ray":
        raise BackendError(f"the module {module.__name__} is no backend: give its client")
    return RayBackend(module)


def _of_name(name: str) -> Backend:
    if name.startswith(_SCHEMES):
        return connected(name)
    if name == "ray":
        return _imported_ray()
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _of_entry(entry)
    names = sorted({"local", "ray", *(entry.name for entry in entry_points(group=GROUP))})
    raise BackendError(
        f"there is no backend {name!r}. There are {', '.join(names)}, the address of a dask"
        " scheduler such as tcp://127.0.0.1:8786, and variables that hold a client or an executor"
    )


def _imported_ray() -> Backend:
    try:
        import ray
    except ImportError as error:
        raise BackendError("ray is not installed: pip install 'parmagic[ray]'") from error
    return RayBackend(ray)


def _of_entry(entry: EntryPoint) -> Backend:
    """Return what the function of a third party makes: it gives any of what we know."""
    backend = backend_of(entry.load()())
    backend.name = entry.name
    return backend
