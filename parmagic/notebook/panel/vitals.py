"""How much memory, and how much of a processor, each worker uses."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any, NamedTuple

from parmagic.worker.footprint import private_bytes

# Less often than the panel is drawn: a share over a shorter time jumps about.
LOOK_SECONDS = 1.0


class Vital(NamedTuple):
    """What a process uses.

    Attributes
    ----------
    nbytes
        Its memory, but for what lies in shared memory; 0 if unknown.
    share
        Of one processor, since the last look: 1.0 is all of it. None at the first.
    """

    nbytes: int = 0
    share: float | None = None


class Vitals:
    """Look at processes now and then."""

    def __init__(self) -> None:
        self._found: dict[int, Vital] = {}
        self._spent: dict[int, float] = {}
        self._looked = float("-inf")

    def of(self, pids: Collection[int]) -> dict[int, Vital]:
        """Return what each process uses, as of a second ago at most."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            seconds, self._looked = now - self._looked, now
            spent = {pid: found for pid in pids if (found := _spent(pid)) is not None}
            self._found = {
                pid: Vital(_nbytes(pid), self._share(pid, spent, seconds)) for pid in spent
            }
            self._spent = spent
        return {pid: self._found.get(pid, Vital()) for pid in pids}

    def _share(self, pid: int, spent: dict[int, float], seconds: float) -> float | None:
        before = self._spent.get(pid)
        return None if before is None else max(spent[pid] - before, 0.0) / seconds


def _spent(pid: int) -> float | None:
    """Return the seconds of processor time that a process has had; None if it is gone."""
    process = _process(pid)
    with suppress(Exception):  # it is gone
        times = process.cpu_times()
        return float(times.user + times.system)
    return None


def _nbytes(pid: int) -> int:
    if nbytes := private_bytes(pid):
        return nbytes
    process = _process(pid)
    with suppress(Exception):  # it is gone
        return int(process.memory_info().rss)
    return 0


def _process(pid: int) -> Any:
    with suppress(Exception):  # psutil comes with ipykernel, and a terminal may do without
        import psutil

        return psutil.Process(pid)
    return None
