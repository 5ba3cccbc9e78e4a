"""The jobs that one may want to come back to."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol


class Remembered(Protocol):
    """A job, as far as it matters here."""

    @property
    def succeeded(self) -> bool:
        """Whether every item has a value."""


#: The last job, ``jobs[-1]``, and before it those that did not finish well. Jobs that did
#: are let go when the next one starts, or twenty notebooks' worth of arrays would be kept.
jobs: deque[Any] = deque(maxlen=20)


_lock = threading.Lock()


def remember(job: Remembered) -> None:
    """Put ``job`` at the end of `jobs`."""
    with _lock:  # several threads may map at once
        unfinished = [earlier for earlier in jobs if not earlier.succeeded]
        jobs.clear()
        jobs.extend([*unfinished, job])
