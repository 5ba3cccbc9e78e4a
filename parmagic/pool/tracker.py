"""multiprocessing's resource tracker: started before it can do harm, stopped if it is ours.

Every spawn starts one. It ignores SIGTERM, and ipykernel's shutdown waits 29 seconds for
it; and its start unblocks SIGINT in the calling thread. We put nothing in its care; what
others have put there is theirs to give back, and the last of it when the process ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time

if sys.platform != "win32":
    # At once, so that a fork of this process never meets them half imported by another thread.
    from multiprocessing import popen_spawn_posix, resource_tracker, util  # noqa: F401

_STOP_SECONDS = 0.5

_ours = False


def claim() -> None:
    """From now on the tracker is ours, unless it runs: a lock or a queue may start it, too."""
    global _ours
    if sys.platform != "win32":
        tracker = resource_tracker._resource_tracker
        _ours = _ours or getattr(tracker, "_fd", None) is None


def start() -> None:
    """Start the tracker, unless it runs."""
    if sys.platform != "win32":
        claim()
        resource_tracker.ensure_running()


def stop() -> None:
    """Stop the tracker if it is ours, at the end of this process."""
    if sys.platform == "win32" or not _ours:
        return
    # What locks, queues and managers do at the end of the process, which would come too late:
    # the tracker unlinks what it has left, and says that it leaked.
    util._run_finalizers(0)  # type: ignore[attr-defined]
    # Private, and in every CPython from 3.8 on; without it the shutdown is slow, not wrong.
    tracker = resource_tracker._resource_tracker
    descriptor, pid = getattr(tracker, "_fd", None), getattr(tracker, "_pid", None)
    if descriptor is not None and pid is not None:
        tracker._fd = tracker._pid = None  # type: ignore[attr-defined]
        os.close(descriptor)  # which ends it, unless a fork of this process holds it open too
        _reap(pid)


def disown() -> None:
    """Leave the tracker alone, in a fork of the process that started it."""
    global _ours
    _ours = False
    lock = getattr(resource_tracker._resource_tracker, "_lock", None)
    if lock is not None:  # which a thread that is not in the fork may have held
        lock._at_fork_reinit()


def _reap(pid: int) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.002)
