"""A function on its way to the workers."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parmagic.worker.culprit import blame_function
from parmagic.worker.memory import Segment
from parmagic.worker.messages import Load
from parmagic.worker.parcel import wrap
from parmagic.worker.pickling import dump
from parmagic.worker.surroundings import Surroundings

_jobs = itertools.count(1)


@dataclass(eq=False)
class Payload:
    """A job's function, pickled once, to be sent once to each worker that gets a chunk.

    Attributes
    ----------
    most_running
        How many workers may run chunks of the job at once; None: all.
    """

    load: Load
    segment: Segment | None = None
    most_running: int | None = None

    @classmethod
    def of(
        cls,
        fn: Callable[..., Any],
        *,
        star: bool,
        keep_going: bool,
        timeout_seconds: float | None = None,
        most_bytes: int | None = None,
    ) -> Payload:
        """Pickle ``fn`` and what it captures, for a new job.

        Parameters
        ----------
        star
            Whether the items are tuples, to be spread over its parameters.
        keep_going
            Whether the items of a chunk run on after one that failed.
        timeout_seconds
            How long an item may take.
        most_bytes
            A worker that uses more memory after an item is replaced.

        Raises
        ------
        PayloadError
            Something that it captures cannot be pickled.
        """
        try:
            body, buffers = dump(fn)
        except Exception as error:
            raise blame_function(fn, error) from None
        parcel, segment = wrap(body, buffers)
        here = Surroundings.here()
        limits = timeout_seconds, most_bytes
        load = Load(next(_jobs), (), parcel, star, keep_going, *limits, here, _sources(body))
        return cls(load, segment)

    @property
    def job(self) -> int:
        """The number of the job."""
        return self.load.job

    @property
    def large(self) -> bool:
        """Whether it is worth freeing at once."""
        return self.load.parcel.in_segment or bool(self.load.parcel.buffers)

    def close(self) -> None:
        """Give up the descriptor of what the function captured."""
        if self.segment is not None:
            self.segment.close()
            self.segment = None


def _sources(body: bytes) -> dict[str, str]:
    """Find the notebook cells that ``body`` speaks of, for tracebacks made in a worker."""
    # A cell has no time stamp in linecache, a file has one; lazy entries have one field.
    return {
        filename: "".join(entry[2])
        for filename, entry in list(linecache.cache.items())
        if len(entry) == 4 and entry[1] is None and filename.encode() in body
    }
