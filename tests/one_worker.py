"""One real worker, and all that its items show."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from parmagic import ProcessPoolExecutor
from parmagic.pool.chunk import Chunk, ChunkDone, ChunkPrinted, Event
from parmagic.pool.payload import Payload
from parmagic.worker.capture import Output
from parmagic.worker.parcel import unwrap


class Ran(NamedTuple):
    """What became of a chunk that a worker ran."""

    values: list[Any]
    failures: int
    output: Output

    def of(self, *kinds: str) -> list[tuple[int, Any]]:
        """Return the item and the content of each piece of these kinds."""
        return [(item, content) for item, kind, content in self.output if kind in kinds]

    def text(self, kind: str) -> str:
        return "".join(content for _, content in self.of(kind))

    @property
    def shown(self) -> list[tuple[int, dict[str, Any]]]:
        """The item and the data of each display."""
        return [(item, content["data"]) for item, content in self.of("display")]


class OneWorker:
    """A worker, and what it says of the chunks that it runs."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1)

    def run(self, fn: Callable[[Any], Any], items: Any = range(1), *, job: Any = None) -> Ran:
        """Run one chunk, of a job of its own unless told otherwise."""
        payload = job or self.job(fn)
        events: list[Event] = []
        over = threading.Event()

        def hear(event: Event) -> None:
            events.append(event)
            if not isinstance(event, ChunkPrinted):
                over.set()

        self._pool.dispatcher.submit(Chunk.of(payload, items, first=0, listener=hear))
        assert over.wait(60)
        if job is None:
            self.forget(payload)
        return _ran(events)

    def job(self, fn: Callable[[Any], Any]) -> Payload:
        return Payload.of(fn, star=False, keep_going=True)

    def forget(self, payload: Payload) -> None:
        self._pool.dispatcher.forget(payload)
        payload.close()

    def kill(self) -> None:
        self._pool.kill()


def _ran(events: list[Event]) -> Ran:
    last = events[-1]
    assert isinstance(last, ChunkDone), last
    printed = [event.printed.output for event in events if isinstance(event, ChunkPrinted)]
    output = tuple(piece for each in (*printed, last.done.output) for piece in each)
    try:
        values = list(unwrap(last.done.parcel, last.segments))
    finally:
        last.close()
    return Ran(values, len(last.done.failures), output)
