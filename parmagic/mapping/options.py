"""How to run a job."""

from __future__ import annotations

import os
from dataclasses import dataclass
from operator import index
from typing import Any


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a job; the words are those of `parmagic.map`.

    Attributes
    ----------
    on
        A backend as for `parmagic.use`, or "local"; None for the one in use.
    worker_memory_limit
        In bytes: a worker that uses more after an item is replaced by a new one.
    memory_limit
        In bytes: what the workers may use together, by default what is free. Where measured
        peaks say that items would use more, fewer of them run beside each other.
    """

    workers: int | None = None
    chunksize: int | None = None
    timeout: float | None = None
    retries: int = 0
    star: bool = False
    return_exceptions: bool = False
    resume: Any = False
    checkpoint: str | os.PathLike[str] | None = None
    serial: bool = False
    seed: int | None = None
    on: Any = None
    worker_memory_limit: int | None = None
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "chunksize"):
            self._check(name, at_least=1)
        self._check("retries", at_least=0)
        if self.seed is not None:
            index(self.seed)
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {self.timeout}")
        if self.timeout is not None and self.serial:
            raise ValueError("timeout needs worker processes: leave out serial, or timeout")
        if self.on is not None and self.serial:
            raise ValueError("serial runs in this process: leave out on, or serial")

    def _check(self, name: str, *, at_least: int) -> None:
        number = getattr(self, name)
        if number is not None and number < at_least:
            raise ValueError(f"{name} must be {at_least} or more, not {number}")
