"""How much memory this process uses, and has used at most."""

from __future__ import annotations

import os
import sys

_STATM_FIELDS = slice(1, 3)  # resident and shared, in pages
_RESET_PEAK = b"5"  # proc(5), clear_refs


def private_bytes(pid: int | None = None) -> int:
    """Return what a process uses and shares with no other; 0 where that cannot be known.

    Arrays that lie in a shared segment do not count: they are there once for all.
    (16 µs; outside of Linux only for this process, and then the most that it ever used.)
    """
    if sys.platform != "linux":
        return _peak_of_all_times() if pid is None else 0
    try:
        with open(f"/proc/{pid or 'self'}/statm", "rb") as file:
            resident, shared = map(int, file.read().split()[_STATM_FIELDS])
    except OSError:  # the process is gone, or an item has closed what it could
        return 0
    return (resident - shared) * os.sysconf("SC_PAGESIZE")


def take_peak() -> int:
    """Return the most that this process used since the last call, 0 if unknown (35 µs).

    But for what it shares with others now.
    """
    if sys.platform != "linux":
        return 0
    try:
        with open("/proc/self/status", "rb") as file:
            status = file.read()
        with open("/proc/self/clear_refs", "wb") as file:
            file.write(_RESET_PEAK)
    except OSError:
        return 0
    return max(0, _field(status, b"VmHWM:") - _field(status, b"RssShmem:"))


def _field(status: bytes, name: bytes) -> int:
    _, _, rest = status.partition(name)
    return int(rest.split(maxsplit=1)[0]) * 1024 if rest else 0


def _peak_of_all_times() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
