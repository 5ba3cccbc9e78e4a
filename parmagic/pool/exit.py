"""Pools do not outlive their process, and a forked child leaves its parent's alone."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing.util  # its own exit handler joins children: ours must come before it
import os
import weakref

from parmagic.pool import tracker
from parmagic.pool.dispatcher import Dispatcher

_EXIT_SECONDS = 5.0

_dispatchers: weakref.WeakSet[Dispatcher] = weakref.WeakSet()


def close_at_exit(dispatcher: Dispatcher) -> None:
    """End ``dispatcher`` and its workers when this process ends."""
    _dispatchers.add(dispatcher)


def close_all() -> None:
    """End all pools of this process now, with what they run, and our resource tracker."""
    _close_pools()
    tracker.stop()


def _close_pools() -> None:
    closing = [dispatcher for dispatcher in _dispatchers if not dispatcher.foreign]
    for dispatcher in closing:
        dispatcher.close(kill=True)
    for dispatcher in closing:
        dispatcher.join(_EXIT_SECONDS)


def _forget_in_child() -> None:
    _dispatchers.clear()
    tracker.disown()


def _close_at_exit() -> None:
    with contextlib.suppress(KeyboardInterrupt):  # the workers are told, and end by themselves
        _close_pools()


atexit.register(_close_at_exit)
# The last of multiprocessing's own: until then others give back what the tracker keeps for them.
multiprocessing.util.Finalize(None, tracker.stop, exitpriority=-100)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
