"""What stands in a worker for what needs a notebook; nothing is imported before it is needed."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import ModuleType
from typing import Any

from parmagic.worker import display, settings
from parmagic.worker.hooks import ImportHooks
from parmagic.worker.open_figures import BACKEND, PYPLOT

_DISPLAY_NAMES = ("display", "publish_display_data", "update_display", "clear_output")
_BARS = {"tqdm": "tqdm", "tqdm_notebook": "tqdm", "trange": "trange", "tnrange": "trange"}


def install(*, on_pyplot: Callable[[], None]) -> None:
    """Replace them in this process; ``on_pyplot`` is called when pyplot has been imported."""
    # A name that a notebook has without importing it.
    vars(builtins)["display"] = display.display
    hooks = {
        "IPython.core.display_functions": _replace_display,
        "tqdm.std": _lock_threads_only,
        "tqdm.notebook": _replace_bars,
        "numpy": settings.apply_to,
        "pandas": settings.apply_to,
        "matplotlib": _set_up_matplotlib,
        "parmagic.worker.drawing": settings.apply_to,
        "joblib": _run_one_by_one,
        PYPLOT: lambda _: on_pyplot(),
    }
    ImportHooks(hooks).install()


def _replace_display(module: ModuleType) -> None:
    for name in _DISPLAY_NAMES:
        setattr(module, name, getattr(display, name))


def _set_up_matplotlib(module: ModuleType) -> None:
    settings.apply_to(module)
    # Where nobody has chosen one, matplotlib would open windows, or show nothing.
    if not isinstance(dict.__getitem__(module.rcParams, "backend"), str):
        module.rcParams["backend"] = BACKEND


def _run_one_by_one(module: ModuleType) -> None:
    # A worker has no workers: what asks for them runs as it would without.
    from joblib._parallel_backends import SequentialBackend

    module.register_parallel_backend("parmagic", SequentialBackend)


def _replace_bars(module: ModuleType) -> None:
    # A widget of a worker would have no page; text bars are part of what the item prints.
    from tqdm import std

    for name, plain in _BARS.items():
        setattr(module, name, getattr(std, plain))


def _lock_threads_only(module: ModuleType) -> None:
    # The bars of a process lock those of others out. Here nobody else has them, and the
    # semaphore of a worker that is killed in the end would be reported as leaked.
    default: Any = module.TqdmDefaultWriteLock

    class ThreadLock(default):  # type: ignore[misc]  # it has no type hints
        def __init__(self) -> None:
            self.locks = [self.th_lock]

        @property
        def mp_lock(self) -> object:  # of who starts processes here, such as process_map
            default.create_mp_lock()
            return default.mp_lock

    module.tqdm.set_lock(ThreadLock())
