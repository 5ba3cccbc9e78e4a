"""Run a function right after a module was imported, and only then: nothing is imported for it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

Hook = Callable[[ModuleType], object]


class ImportHooks:
    """A finder of `sys.meta_path` that lets the others find, and only watches what they load."""

    def __init__(self, hooks: Mapping[str, Hook]) -> None:
        self._hooks = hooks

    def install(self) -> None:
        """Watch from now on; hooks of modules that are there already run at once."""
        sys.meta_path.insert(0, self)
        for name in self._hooks.keys() & sys.modules.keys():
            _run(self._hooks[name], sys.modules[name])

    def uninstall(self) -> None:
        """Watch no more."""
        sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what another finder finds, with a loader that runs the hook."""
        hook = self._hooks.get(name)
        spec = None if hook is None else self._found_by_others(name, path, target)
        if hook is not None and spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader, hook)  # type: ignore[assignment]  # it acts as one
        return spec

    def _found_by_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        # Only those behind this one: another one like it would ask this one again.
        finders = list(sys.meta_path)
        others = finders[finders.index(self) + 1 :] if self in finders else finders
        found = (finder.find_spec(name, path, target) for finder in others)
        return next((spec for spec in found if spec is not None), None)


class _Loader:
    """A loader that runs a hook afterwards, and then leaves no trace in the module."""

    def __init__(self, loader: Any, hook: Hook) -> None:
        self._loader = loader
        self._hook = hook

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _run(self._hook, module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _run(hook: Hook, module: ModuleType) -> None:
    with contextlib.suppress(Exception):  # an import does not fail because of us
        hook(module)
