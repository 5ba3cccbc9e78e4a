"""What a worker must share with the kernel besides the function: folder, path, options."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from parmagic.worker.open_figures import BACKEND
from parmagic.worker.settings import Settings, apply_settings, settings_here
from parmagic.worker.warning_filters import Filters, apply_filters, filters_here

if TYPE_CHECKING:
    from parmagic.worker.logs import Logs

_environ = os.environ

# Backends of matplotlib that draw into the kernel or a window; others are the user's choice.
_OF_THE_KERNEL = ("inline", "ipympl", "widget", "nbagg", "notebook")


class Surroundings(NamedTuple):
    """The state of a process that code depends on without saying so."""

    folder: str
    path: tuple[str, ...]
    environment: dict[Any, Any]
    filters: Filters
    logs: Logs | None
    settings: Settings

    @classmethod
    def here(cls) -> Surroundings:
        """Describe this process (5 µs)."""
        from parmagic.worker.logs import logs_here  # most workers never need it

        environment = _environment().copy()
        reports = filters_here(), logs_here(), settings_here()
        return cls(_folder(), tuple(sys.path), environment, *reports)

    def apply(self) -> None:
        """Make this process like the one described, but for what `own` holds."""
        folder = own.folder or self.folder
        if folder:
            os.chdir(folder)
        sys.path[:] = self.path
        vars(os)["environ"] = _environ  # which an item may have replaced
        wanted = {**_with_our_backend(self.environment), **own.variables}
        if _environment() != wanted:
            _replace_environment(wanted)
        own.found = _folder(), wanted
        apply_filters(self.filters)
        if self.logs is not None or "parmagic.worker.logs" in sys.modules:
            from parmagic.worker.logs import apply_logs

            apply_logs(self.logs)
        apply_settings(self.settings)


class Own:
    """What this worker's initializer has set for all its jobs: its folder, and variables.

    Attributes
    ----------
    found
        The folder and the environment as they were last given to the process.
    """

    def __init__(self) -> None:
        self.folder = ""
        self.variables: dict[Any, Any] = {}
        self.found = _folder(), _environment().copy()

    def keep(self) -> None:
        """Keep what was changed since."""
        folder, variables = self.found
        if _folder() != folder:
            self.folder = _folder()
        for name, value in _environment().items():
            if variables.get(name) != value:
                self.variables[name] = value


def _environment() -> dict[Any, Any]:
    # What os.environ wraps, as the system has it: to go through os.environ itself takes
    # 25 µs, a tenth of a short job.
    inner: dict[Any, Any] | None = getattr(os.environ, "_data", None)
    return dict(os.environ) if inner is None else inner


def _with_our_backend(environment: dict[Any, Any]) -> dict[Any, Any]:
    # The kernel's inline backend imports IPython (0.3 s) and draws into the kernel.
    encode, decode = _coders()
    name = encode("MPLBACKEND")
    chosen = decode(environment.get(name, name[:0])).lower()
    if any(each in chosen for each in _OF_THE_KERNEL):
        return {**environment, name: encode(BACKEND)}
    return environment


def _coders() -> tuple[Callable[[str], Any], Callable[[Any], str]]:
    return getattr(os.environ, "encodevalue", str), getattr(os.environ, "decodevalue", str)


def _replace_environment(new: dict[Any, Any]) -> None:
    _, decode = _coders()
    wanted = {decode(name): decode(value) for name, value in new.items()}
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def _folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # the folder was removed under us
        return ""


own = Own()
