"""Pools do not outlive their process, and a forked child leaves its parent's alone."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing.util  # its own exit handler joins children: ours must come before it
import os
import sys
import threading
import weakref

from parmagic.pool import tracker
from parmagic.pool.dispatcher import Dispatcher

_EXIT_SECONDS = 5.0

# Whether what they were given is to be done before this process ends.
_dispatchers: weakref.WeakKeyDictionary[Dispatcher, bool] = weakref.WeakKeyDictionary()
_begun = False


def close_at_exit(dispatcher: Dispatcher, *, finish: bool = False) -> None:
    """End ``dispatcher`` and its workers when this process ends.

    Parameters
    ----------
    finish
        Wait until all is done that it was given.
    """
    _dispatchers[dispatcher] = finish


def has_begun() -> bool:
    """Tell whether this process is about to end, and takes no more calls."""
    return _begun


def close_all() -> None:
    """End all pools of this process now, with what they run, and our resource tracker."""
    close_pools()
    tracker.stop()


def close_pools() -> None:
    """End all pools of this process now, with what they run."""
    closing = [dispatcher for dispatcher in list(_dispatchers) if not dispatcher.foreign]
    for dispatcher in closing:
        dispatcher.close(kill=True)
    for dispatcher in closing:
        dispatcher.join(_EXIT_SECONDS)


def _finish() -> None:
    """Wait for what was submitted, as the standard library does, unless Ctrl-C has ended us."""
    global _begun
    _begun = True
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        return
    finishing = [dispatcher for dispatcher, finish in list(_dispatchers.items()) if finish]
    for dispatcher in finishing:
        dispatcher.close()
    with contextlib.suppress(KeyboardInterrupt):  # the others are killed
        for dispatcher in finishing:
            dispatcher.join()


def _forget_in_child() -> None:
    global _begun
    _begun = False
    _dispatchers.clear()
    tracker.disown()


def _close_at_exit() -> None:
    with contextlib.suppress(KeyboardInterrupt):  # the workers are told, and end by themselves
        close_pools()


# Before the functions of atexit, which then find that no more calls are taken. Private, and
# where the standard library's executors have theirs.
getattr(threading, "_register_atexit", atexit.register)(_finish)
atexit.register(_close_at_exit)
# The last of multiprocessing's own: until then others give back what the tracker keeps for them.
multiprocessing.util.Finalize(None, tracker.stop, exitpriority=-100)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
