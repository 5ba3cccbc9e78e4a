"""Arrays that come with many items of one job: each is compared, or copied, once."""

from __future__ import annotations

import threading
import weakref
from typing import Any, NamedTuple

from parmagic.pool.broadcast import broadcasts
from parmagic.worker.memory import Found, memory
from parmagic.worker.segment import Segment


class _Known(NamedTuple):
    owner: weakref.ref[Any]
    nbytes: int
    found: Found


class Recurring:
    """Where such arrays lie, until the job is over.

    The same object is taken for unchanged: what it was when its first item was sent, all items
    see. A job of 40 items that share 400 MB would otherwise compare 16 GB.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, _Known] = {}

    def place(self, raw: memoryview, used: set[Segment]) -> Found | None:
        """Do as `Broadcasts.place`."""
        with self._lock:
            self._forget_dead()
            known = self._known.get(id(raw.obj))
            if known is not None and known.nbytes == raw.nbytes:
                memory.hold(known.found.segment)
                used.add(known.found.segment)
                return known.found
            found = broadcasts.place(raw, used)
            if found is not None:
                self._note(raw, found)
            return found

    def _note(self, raw: memoryview, found: Found) -> None:
        try:
            owner = weakref.ref(raw.obj)
        except TypeError:  # such as bytes: nothing tells whether it is still the same
            return
        memory.hold(found.segment)
        self._known[id(raw.obj)] = _Known(owner, raw.nbytes, found)

    def _forget_dead(self) -> None:
        for number in [number for number, known in self._known.items() if known.owner() is None]:
            memory.release(self._known.pop(number).found.segment)

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            while self._known:
                _, known = self._known.popitem()
                memory.release(known.found.segment)
