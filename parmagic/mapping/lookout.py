"""Which item each worker runs, since when, and how far it says that it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from parmagic.mapping.screen import settle
from parmagic.report.now import WorkerNow
from parmagic.worker.capture import Output

_MOST_BAR_CHARACTERS = 400
_UNKNOWN: Mapping[int, tuple[int, float]] = {}


class _Progress(NamedTuple):
    item: int
    done: float | None
    total: float | None
    text: str


class Lookout:
    """Look at the workers now and then, and hear what their items say of their progress."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float]] = {}
        self._progress: dict[int, _Progress] = {}

    def hear(self, output: Output, worker: int) -> None:
        """Note the progress that ``worker`` speaks of."""
        for index, kind, content in output:
            if kind == "progress":
                self._progress[worker] = _Progress(index, *content)
            elif kind == "stderr" and "\r" in content:
                line = settle(content[-_MOST_BAR_CHARACTERS:]).strip().rpartition("\n")[2]
                self._progress[worker] = _Progress(index, None, None, line)

    def look(
        self, places: Mapping[int, int], sent: Mapping[int, tuple[int, float]] = _UNKNOWN
    ) -> tuple[WorkerNow, ...]:
        """Return what each worker does at this moment.

        Parameters
        ----------
        places
            Which item each runs, by the worker's number.
        sent
            What was sent last to each worker: the first item, and when.
        """
        now = time.monotonic()
        self._seen = {
            worker: self._since(worker, index, sent.get(worker), now)
            for worker, index in sorted(places.items())
        }
        return tuple(
            self._now(worker, index, now - since) for worker, (index, since) in self._seen.items()
        )

    def _since(
        self, worker: int, index: int, sent: tuple[int, float] | None, now: float
    ) -> tuple[int, float]:
        if sent is not None and sent[0] == index:
            return sent
        before = self._seen.get(worker)
        return before if before is not None and before[0] == index else (index, now)

    def _now(self, worker: int, index: int, seconds: float) -> WorkerNow:
        said = self._progress.get(worker)
        if said is None or said.item != index:
            return WorkerNow(worker, index, seconds)
        return WorkerNow(worker, index, seconds, said.done, said.total, said.text)
