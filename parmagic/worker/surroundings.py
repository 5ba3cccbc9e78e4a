"""What a worker must share with the kernel besides the function: folder, path, environment."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

_environ = os.environ


class Surroundings(NamedTuple):
    """The state of a process that code depends on without saying so."""

    folder: str
    path: tuple[str, ...]
    environment: dict[Any, Any]

    @classmethod
    def here(cls) -> Surroundings:
        """Describe this process."""
        return cls(_folder(), tuple(sys.path), _environment().copy())

    def apply(self) -> None:
        """Make this process like the one described."""
        if self.folder:
            os.chdir(self.folder)
        sys.path[:] = self.path
        vars(os)["environ"] = _environ  # which an item may have replaced
        here = _environment()
        if here != self.environment:
            _replace_environment(self.environment)
        # The kernel's inline backend imports IPython (0.3 s) and draws into the kernel.
        if "inline" in os.environ.get("MPLBACKEND", ""):
            os.environ["MPLBACKEND"] = "Agg"


def _environment() -> dict[Any, Any]:
    # What os.environ wraps, as the system has it: to go through os.environ itself takes
    # 25 µs, a tenth of a short job.
    inner: dict[Any, Any] | None = getattr(os.environ, "_data", None)
    return dict(os.environ) if inner is None else inner


def _replace_environment(new: dict[Any, Any]) -> None:
    decode = getattr(os.environ, "decodevalue", str)
    wanted = {decode(name): decode(value) for name, value in new.items()}
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def _folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # the folder was removed under us
        return ""
