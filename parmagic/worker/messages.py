"""What the kernel and a worker say to each other: builtins in named tuples.

``job`` and ``serial`` stand outside of the pickled parcels, so that it is always
known what a message is about, also when its parcel cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from parmagic.worker.direct import Direct
    from parmagic.worker.failure import Failure
    from parmagic.worker.parcel import Parcel
    from parmagic.worker.segment import Shipped
    from parmagic.worker.surroundings import Surroundings

UNREADABLE = -1


class Load(NamedTuple):
    """To a worker: keep this function for the chunks of ``job``, and let those of others go.

    ``bounded`` says whether a flood of output is cut. With a ``seed`` each item has its own
    random numbers. Items of a coroutine function, which ``is_async``, wait beside each other.
    """

    job: int
    over: tuple[int, ...]
    parcel: Parcel | Direct
    star: bool
    keep_going: bool
    timeout_seconds: float | None
    most_bytes: int | None
    bounded: bool
    surroundings: Surroundings | None
    sources: dict[str, str]
    seed: int | None = None
    is_async: bool = False


class Run(NamedTuple):
    """To a worker: call the job's function on these items, ``first`` and following.

    ``loan`` is a free segment for the values, if it is large enough. With ``inline`` the values
    are to come in the message: the kernel has no descriptors left.
    """

    job: int
    serial: int
    first: int
    length: int
    parcel: Parcel | Direct
    hand_back_seconds: float
    loan: Shipped | None = None
    inline: bool = False


class Forget(NamedTuple):
    """To a worker: these jobs are over."""

    jobs: tuple[int, ...]


class Taken(NamedTuple):
    """To a worker: the kernel holds the segments of the last `Done`, which may be closed."""


class Stop(NamedTuple):
    """To a worker: end."""


class Ready(NamedTuple):
    """From a worker: it can be given chunks, unless its initializer failed."""

    failure: Failure | None


class Printed(NamedTuple):
    """From a worker: (item, kind, content) each, while a chunk runs; see `Capture`."""

    job: int
    output: tuple[tuple[int, str, Any], ...]


class Released(NamedTuple):
    """From a worker: it does not look at these segments of the kernel any more.

    Of the ``unclean``, a fork that an item has made may do so.
    """

    released: tuple[int, ...]
    unclean: tuple[int, ...] = ()


class Done(NamedTuple):
    """From a worker: what became of a chunk.

    ``parcel`` holds the values of the first ``length`` items, None for those that
    failed; the others were not run. ``seconds`` are one for each item, or one for
    all of a chunk of short items. A failure's first number counts within the chunk;
    `UNREADABLE` stands for the chunk itself, whose items could not be unpickled. With
    ``ends`` it is the worker's last. ``peak_bytes`` is the most memory that the worker
    used, or 0 if that was not measured. ``worked_seconds`` passed from ``started``, when the
    chunk had come, until this was sent; the first item ``began`` in between, and the
    function was unpickled in ``load_seconds``. ``released`` and ``unclean`` are as in `Released`.
    Those that are ``missing``, counted within the chunk, were not run to their end.
    """

    job: int
    serial: int
    length: int
    parcel: Parcel | Direct
    seconds: tuple[float, ...]
    started: float
    failures: tuple[tuple[int, Failure], ...]
    output: tuple[tuple[int, str, Any], ...]
    ends: bool
    peak_bytes: int
    worked_seconds: float
    began: float
    load_seconds: float
    released: tuple[int, ...] = ()
    unclean: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()


FromWorker = Ready | Printed | Released | Done


def segments_of(message: tuple[Any, ...]) -> tuple[Shipped, ...]:
    """Return the segments that ``message`` speaks of."""
    parcel = getattr(message, "parcel", None)
    segments: tuple[Shipped, ...] = () if parcel is None else parcel.segments
    loan = getattr(message, "loan", None)
    return segments if loan is None else (*segments, loan)
