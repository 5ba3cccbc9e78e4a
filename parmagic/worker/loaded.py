"""Modules that are there, to be asked without importing them."""

from __future__ import annotations

import sys
from types import ModuleType


def loaded(name: str) -> ModuleType | None:
    """Return a module that was imported; None for one that another thread is just importing.

    Half of its names would be missing, and nothing can have been made of it yet.
    """
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return None if getattr(spec, "_initializing", False) else module
