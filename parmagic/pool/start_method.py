"""How processes are started: there is one way, and callers may name it."""

from __future__ import annotations

from typing import Any


def check_context(context: Any, name: str) -> None:
    """Refuse a context of multiprocessing whose processes would not be spawned."""
    method = "spawn" if context is None else context.get_start_method()
    if method != "spawn":
        raise ValueError(
            f"parmagic starts its workers with 'spawn', and cannot with {method!r}: leave {name}"
            f" out, or write {name}=multiprocessing.get_context('spawn')"
        )
