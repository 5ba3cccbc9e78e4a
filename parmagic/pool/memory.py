"""How much memory there is for all workers together."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from parmagic.worker.footprint import private_bytes

# Where a container says how much it may use, and how much it does: cgroups 2, cgroups 1.
_GROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
_GROUP_FOLDER = Path("/sys/fs/cgroup")


def room_for_workers(pids: Iterable[int]) -> int | None:
    """Return what is free now and what these workers use, in bytes; None if unknown."""
    free = _free_bytes()
    return None if free is None else free + sum(map(private_bytes, pids))


def _free_bytes() -> int | None:
    if sys.platform != "linux":
        return None
    known = [each for each in (_free_in_machine(), _free_in_group()) if each is not None]
    return min(known, default=None)


def _free_in_machine() -> int | None:
    try:
        _, _, rest = Path("/proc/meminfo").read_text().partition("MemAvailable:")
        return int(rest.split(maxsplit=1)[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None


def _free_in_group() -> int | None:
    for most, used in _GROUPS:
        try:
            limit = int((_GROUP_FOLDER / most).read_text())
            return max(0, limit - int((_GROUP_FOLDER / used).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return None
