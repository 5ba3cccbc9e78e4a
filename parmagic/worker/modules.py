"""The user's own modules in this worker, and whether their files have changed since."""

from __future__ import annotations

import os
import sys
from types import ModuleType

_INSTALLED = tuple(
    os.path.join(os.path.realpath(folder), "")
    for folder in {sys.prefix, sys.base_prefix, sys.exec_prefix}
)


class LocalModules:
    """Modules that are edited while the notebook runs: those that are not installed.

    A worker that has imported one of them before it was edited would run the old code
    beside other workers that run the new. It must be replaced.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._stamps: dict[str, int | None] = {}

    def note_new(self) -> None:
        """Stamp what was imported since the last time, before anyone can edit it."""
        if len(sys.modules) == len(self._seen):
            return
        for name in sys.modules.keys() - self._seen:
            filename = _local_file(sys.modules[name])
            if filename is not None and not name.startswith("parmagic"):
                self._stamps[filename] = _stamp(filename)
        self._seen = set(sys.modules)

    @property
    def files(self) -> list[str]:
        """The files that are watched."""
        return list(self._stamps)

    def changed(self) -> bool:
        """Tell whether a file is not what was imported."""
        return any(_stamp(filename) != stamp for filename, stamp in self._stamps.items())


def _local_file(module: ModuleType | None) -> str | None:
    filename = getattr(module, "__file__", None)
    if not isinstance(filename, str):
        return None
    return None if os.path.realpath(filename).startswith(_INSTALLED) else filename


def _stamp(filename: str) -> int | None:
    try:
        return os.stat(filename).st_mtime_ns
    except OSError:
        return None
