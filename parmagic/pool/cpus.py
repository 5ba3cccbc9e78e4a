"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cpus() -> int:
    """Count the processors that this process may use: its affinity, and its container's quota.

    A container that may use two of 64 processors still sees 64 of them; 64 workers
    would then share the time of two.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _quota()))


def _quota() -> int:
    # "max 100000" or "200000 100000": microseconds to use, of each period.
    try:
        used, period = _CGROUP_QUOTA.read_text().split()
    except (OSError, ValueError):
        return os.cpu_count() or 1
    return os.cpu_count() or 1 if used == "max" else math.ceil(int(used) / int(period))
