"""What the kernel and a worker say to each other: builtins in named tuples.

``job`` and ``serial`` stand outside of the pickled parcels, so that it is always
known what a message is about, also when its parcel cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from parmagic.worker.failure import Failure
    from parmagic.worker.parcel import Parcel
    from parmagic.worker.surroundings import Surroundings

UNREADABLE = -1


class Load(NamedTuple):
    """To a worker: keep this function for the chunks of ``job``, and let those of others go."""

    job: int
    over: tuple[int, ...]
    parcel: Parcel
    star: bool
    keep_going: bool
    timeout_seconds: float | None
    most_bytes: int | None
    surroundings: Surroundings | None
    sources: dict[str, str]


class Run(NamedTuple):
    """To a worker: call the job's function on these items, ``first`` and following."""

    job: int
    serial: int
    first: int
    length: int
    parcel: Parcel
    hand_back_seconds: float


class Forget(NamedTuple):
    """To a worker: these jobs are over."""

    jobs: tuple[int, ...]


class Stop(NamedTuple):
    """To a worker: end."""


class Ready(NamedTuple):
    """From a worker: it can be given chunks, unless its initializer failed."""

    failure: Failure | None


class Printed(NamedTuple):
    """From a worker: (item, stream, text) each, while a chunk runs."""

    job: int
    output: tuple[tuple[int, str, str], ...]


class Done(NamedTuple):
    """From a worker: what became of a chunk.

    ``parcel`` holds the values of the first ``length`` items, None for those that
    failed; the others were not run. ``seconds`` are one for each item, or one for
    all of a chunk of short items. A failure's first number counts within the chunk;
    `UNREADABLE` stands for the chunk itself, whose items could not be unpickled. With
    ``ends`` it is the worker's last. ``peak_bytes`` is the most memory that the worker
    used, or 0 if that was not measured.
    """

    job: int
    serial: int
    length: int
    parcel: Parcel
    seconds: tuple[float, ...]
    started: float
    failures: tuple[tuple[int, Failure], ...]
    output: tuple[tuple[int, str, str], ...]
    ends: bool
    peak_bytes: int


ToWorker = Load | Run | Forget | Stop
FromWorker = Ready | Printed | Done
