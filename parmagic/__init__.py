"""Run a notebook cell on all cores.

In a notebook::

    %load_ext parmagic

    %%parmap x in xs -> ys
    slow(x)

and in a script, the same pool::

    ys = parmagic.map(slow, xs)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from IPython.core.interactiveshell import InteractiveShell

    from parmagic.backends.use import backend_name, use
    from parmagic.checkpoint.place import CheckpointError
    from parmagic.mapping.explain import explain
    from parmagic.mapping.history import jobs
    from parmagic.mapping.job import Job
    from parmagic.mapping.map import map, map_async
    from parmagic.mapping.results import Results
    from parmagic.mapping.resume import ResumeError
    from parmagic.notebook.panel.show import panel
    from parmagic.pool.broken import PoolBroken
    from parmagic.pool.executor import ProcessPoolExecutor
    from parmagic.pool.multiprocessing import Pool
    from parmagic.pool.registry import register_joblib
    from parmagic.pool.share import share
    from parmagic.worker.errors import BackendError, ParmagicError, PayloadError, WorkerDied
    from parmagic.worker.progress import progress

__version__ = "0.1.0"

__all__ = [
    "BackendError",
    "CheckpointError",
    "Job",
    "ParmagicError",
    "PayloadError",
    "Pool",
    "PoolBroken",
    "ProcessPoolExecutor",
    "Results",
    "ResumeError",
    "WorkerDied",
    "backend_name",
    "explain",
    "jobs",
    "map",
    "map_async",
    "panel",
    "progress",
    "register_joblib",
    "share",
    "use",
]

# Resolved on first use (PEP 562): a worker imports parmagic.worker, and with it this
# file, and must not load what only the kernel needs.
_HOMES = {
    "BackendError": "worker.errors",
    "CheckpointError": "checkpoint.place",
    "Job": "mapping.job",
    "ParmagicError": "worker.errors",
    "PayloadError": "worker.errors",
    "Pool": "pool.multiprocessing",
    "PoolBroken": "pool.broken",
    "ProcessPoolExecutor": "pool.executor",
    "Results": "mapping.results",
    "ResumeError": "mapping.resume",
    "WorkerDied": "worker.errors",
    "backend_name": "backends.use",
    "explain": "mapping.explain",
    "jobs": "mapping.history",
    "map": "mapping.map",
    "map_async": "mapping.map",
    "panel": "notebook.panel.show",
    "progress": "worker.progress",
    "register_joblib": "pool.registry",
    "share": "pool.share",
    "use": "backends.use",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'parmagic' has no attribute {name!r}")
    value = getattr(_whole_module(f"parmagic.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def _whole_module(name: str) -> ModuleType:
    """Import without an Interrupt amid: half a package (pathlib of 3.13) cannot be had again."""
    from parmagic.pool.interrupts import Interrupts

    with Interrupts():
        return import_module(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics to ``shell``; called by ``%load_ext parmagic``."""
    _whole_module("parmagic.notebook.extension").load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away and end the pool; called by ``%unload_ext parmagic``."""
    _whole_module("parmagic.notebook.extension").unload(shell)
