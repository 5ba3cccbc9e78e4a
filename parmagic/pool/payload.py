"""A function on its way to the workers."""

from __future__ import annotations

import enum
import itertools
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parmagic.pool import output
from parmagic.pool.broadcast import Place, broadcasts
from parmagic.pool.recurring import Recurring
from parmagic.worker.compact import compact
from parmagic.worker.culprit import blame_function
from parmagic.worker.direct import Direct
from parmagic.worker.errors import PayloadError
from parmagic.worker.function import is_coroutine_function
from parmagic.worker.inheritance import may_wait
from parmagic.worker.memory import memory
from parmagic.worker.messages import Load
from parmagic.worker.parcel import INLINE_BYTES, Shipment, wrap
from parmagic.worker.pickling import Pickled, dump
from parmagic.worker.segment import WRITE
from parmagic.worker.surroundings import Surroundings

_jobs = itertools.count(1)


class Way(enum.Enum):
    """How functions, items and values get to those who run them, and back."""

    SHARED = enum.auto()  # in memory that the processes of this machine share
    INLINE = enum.auto()  # in the message, which may go to another machine
    DIRECT = enum.auto()  # not at all: they are run in this process


@dataclass(eq=False)
class Payload:
    """A job's function, pickled once, to be sent once to each worker that gets a chunk.

    Attributes
    ----------
    shipment
        The function, held in memory until the job is over.
    most_running
        How many workers may run chunks of the job at once; None: all.
    recurring
        Where large arrays lie that many items have; None: each item has its own.
    value_bytes
        How large a value of the last chunk was that came in a segment: the next are likely to be.
    """

    load: Load
    shipment: Shipment
    way: Way = Way.SHARED
    most_running: int | None = None
    recurring: Recurring | None = None
    value_bytes: int = 0

    @classmethod
    def of(
        cls,
        fn: Callable[..., Any],
        *,
        star: bool,
        keep_going: bool,
        timeout_seconds: float | None = None,
        most_bytes: int | None = None,
        seed: int | None = None,
        way: Way = Way.SHARED,
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
        seed
            Of the random numbers that each item has for itself.
        way
            How it travels, and all that is sent with it.

        Raises
        ------
        PayloadError
            Something that it captures cannot be pickled.
        """
        shipment, sources = _shipped(fn, way)
        here = Surroundings.here() if way is Way.SHARED else None
        limits = timeout_seconds, most_bytes, output.bounded
        call = shipment.parcel, star, keep_going
        is_async = is_coroutine_function(fn)
        load = Load(next(_jobs), (), *call, *limits, here, sources, seed, is_async)
        return cls(load, shipment, way)

    def pack(self, items: Any) -> Shipment:
        """Make ``items`` ready to travel as the function does."""
        if self.way is Way.DIRECT:
            return Shipment(Direct(items))
        pickled = dump(compact(items), inherits=self.way is Way.SHARED)
        place = None if self.recurring is None else self.recurring.place
        return _wrapped(pickled, self.way, place)

    @property
    def job(self) -> int:
        """The number of the job."""
        return self.load.job

    @property
    def large(self) -> bool:
        """Whether it is worth freeing at once: it holds memory, or an event loop."""
        heavy = self.load.parcel.nbytes > INLINE_BYTES or self.load.is_async
        # Who reads from a pipe waits until nobody can write to it.
        return bool(self.shipment.segments or self.shipment.descriptors) or heavy

    @property
    def may_wait(self) -> bool:
        """Whether it captures what an item can wait for another one with, such as a queue."""
        return self.shipment.may_wait

    def close(self) -> None:
        """Let go of what the function captured."""
        self.shipment.close()
        if self.recurring is not None:
            self.recurring.close()


def _shipped(fn: Callable[..., Any], way: Way) -> tuple[Shipment, dict[str, str]]:
    """Return ``fn`` ready to travel, and the text of the cells that it comes from."""
    if way is Way.DIRECT:
        return Shipment(Direct(fn)), {}
    try:
        pickled = dump(fn, inherits=way is Way.SHARED)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a __reduce__ may raise SystemExit
        raise blame_function(fn, error) from None
    return _wrapped(pickled, way, broadcasts.place), cells_in(pickled[0])


def _wrapped(pickled: Pickled, way: Way, place: Place | None) -> Shipment:
    if way is Way.INLINE:
        _check_copies(pickled)
        shipment = wrap(*pickled, inline=True)
    else:
        shipment = broadcasts.ship(pickled, place) if place else wrap(*pickled)
    shipment.may_wait = may_wait(pickled[0])
    return shipment


def _check_copies(pickled: Pickled) -> None:
    """Refuse to copy what all are to write to."""
    if memory.writable and any(memory.access_of(each.raw()) == WRITE for each in pickled[1]):
        raise PayloadError(
            "cannot send an array that parmagic.share(writable=True) has made: other programs have"
            " none of this memory, and would fill a copy. Return the values instead"
        )


def cells_in(body: bytes) -> dict[str, str]:
    """Find the notebook cells that ``body`` speaks of, for tracebacks made in a worker."""
    # A cell has no time stamp in linecache, a file has one; lazy entries have one field.
    return {
        filename: "".join(entry[2])
        for filename, entry in list(linecache.cache.items())
        if len(entry) == 4 and entry[1] is None and filename.encode() in body
    }
