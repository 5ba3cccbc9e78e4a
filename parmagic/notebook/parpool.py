"""What ``%parpool`` does to the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError

from parmagic.backends.use import backend_name, use
from parmagic.pool.default import default_pool, forget_start_up, stop_default_pool


def change_pool(options: Mapping[str, Any], workers: int | None) -> None:
    """Do what the options of ``%parpool`` say.

    Parameters
    ----------
    workers
        How many workers a pool has by default; None: as many as it had, at first one a processor.
    """
    if "on" in options:
        use(options["on"])
    named = ("workers", "restart", "stop", "clear")
    check_pool_is_ours([f"--{each}" for each in named if each in options])
    if options.get("clear"):
        forget_start_up()
    if options.get("restart") or options.get("stop"):
        stop_default_pool(kill=bool(options.get("restart")))
    if "workers" in options or options.get("restart"):
        default_pool(options.get("workers", workers))


def check_pool_is_ours(asked: list[str]) -> None:
    """Refuse what is ``asked`` of the pool where a backend is in use instead."""
    name = backend_name()
    if asked and name is not None:
        raise UsageError(
            f"{' and '.join(asked)} is for the pool of this machine, and {name} is in use:"
            " %parpool --on local goes back"
        )
