"""The pool that cells and `parmagic.map` share: made at first use, kept warm."""

from __future__ import annotations

import os
import threading

from parmagic.pool.executor import ProcessPoolExecutor

_lock = threading.Lock()
_pool: ProcessPoolExecutor | None = None


def default_pool(max_workers: int | None = None) -> ProcessPoolExecutor:
    """Return the shared pool, resized if told so; its workers start in the background."""
    global _pool
    with _lock:
        if _pool is None or _pool.dispatcher.closed:
            _pool = ProcessPoolExecutor(max_workers)
            _pool.dispatcher.start()
        elif max_workers is not None:
            _pool.resize(max_workers)
        return _pool


def running_pool() -> ProcessPoolExecutor | None:
    """Return the shared pool if there is one."""
    return None if _pool is None or _pool.dispatcher.closed else _pool


def stop_default_pool(*, kill: bool = False) -> None:
    """End the shared pool's workers; the next use makes new ones."""
    pool = running_pool()
    if pool is None:
        return
    if kill:
        pool.kill()
    else:
        pool.shutdown()


def _forget_in_child() -> None:
    # The child of a fork has none of the workers: it makes a pool of its own when it asks.
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
