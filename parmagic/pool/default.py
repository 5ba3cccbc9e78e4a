"""The pool that cells and `parmagic.map` share: made at first use, kept warm."""

from __future__ import annotations

import os
import threading

from parmagic.pool import exit
from parmagic.pool.executor import ProcessPoolExecutor
from parmagic.pool.start_up import Starts, StartUp, UnheardStarts

_lock = threading.Lock()
_pool: ProcessPoolExecutor | None = None
_start_up: StartUp | None = None


def default_pool(max_workers: int | None = None) -> ProcessPoolExecutor:
    """Return the shared pool, resized if told so; its workers start in the background."""
    global _pool
    with _lock:
        if _pool is None or _pool.dispatcher.closed:
            _pool = _new_pool(max_workers)
            if _start_up is None:
                _pool.dispatcher.start()
            else:
                _pool.renew(_start_up.call, UnheardStarts())
        elif max_workers is not None:
            _pool.resize(max_workers)
        return _pool


def start_up_cell() -> str | None:
    """Return the cell that each worker runs before its first chunk, if there is one."""
    return None if _start_up is None else _start_up.cell


def start_up_may_wait() -> bool:
    """Tell whether that cell has something by which items can wait for each other."""
    return _start_up is not None and _start_up.may_wait


def start_up_names() -> frozenset[str]:
    """Return the names that the workers have of that cell."""
    return frozenset() if _start_up is None else _start_up.names


def start_up_all(
    start_up: StartUp, starts: Starts, max_workers: int | None = None
) -> ProcessPoolExecutor:
    """Have a cell run in every worker from now on: those that are there are replaced.

    Parameters
    ----------
    starts
        Hears of the new workers.
    """
    global _pool, _start_up
    with _lock:
        _start_up = start_up
        if _pool is None or _pool.dispatcher.closed:
            _pool = _new_pool(max_workers)
        elif max_workers is not None:
            _pool.resize(max_workers)
        _pool.renew(start_up.call, starts)
        return _pool


def forget_start_up() -> None:
    """Have no cell run in workers any more: those that are there are replaced."""
    global _start_up
    with _lock:
        if _start_up is not None and _pool is not None and not _pool.dispatcher.closed:
            _pool.renew(None, UnheardStarts())
        _start_up = None


def running_pool() -> ProcessPoolExecutor | None:
    """Return the shared pool if there is one."""
    return None if _pool is None or _pool.dispatcher.closed else _pool


def stop_default_pool(*, kill: bool = False) -> None:
    """End the shared pool's workers; the next use makes new ones, as many."""
    pool = running_pool()
    if pool is None:
        return
    if kill:
        pool.kill()
    else:
        pool.shutdown()


def _new_pool(max_workers: int | None) -> ProcessPoolExecutor:
    if max_workers is None and _pool is not None:
        max_workers = _pool.max_workers  # as many as were asked for last
    pool = ProcessPoolExecutor(max_workers)
    exit.close_at_exit(pool.dispatcher)  # and with it what is still to be done
    return pool


def _forget_in_child() -> None:
    # The child of a fork has none of the workers: it makes a pool of its own when it asks.
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
