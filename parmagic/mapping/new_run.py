"""Choose what drives a job: the kernel itself, or those who run chunks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from parmagic.mapping.arguments import remark_on_arguments
from parmagic.mapping.backlog import Backlog
from parmagic.mapping.copied_generator import warn_of_copied_generator
from parmagic.mapping.options import Options
from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.pool_run import PoolRun
from parmagic.mapping.record import Record
from parmagic.mapping.room import Room
from parmagic.mapping.serial_run import SerialRun
from parmagic.mapping.tries import Tries
from parmagic.mapping.workforce import workforce_for
from parmagic.pool.default import start_up_may_wait
from parmagic.pool.payload import Payload, Way
from parmagic.worker.capture import Output
from parmagic.worker.loop import inside_worker

Run = PoolRun | SerialRun


def new_run(
    fn: Callable[..., Any],
    options: Options,
    backlog: Backlog,
    outcomes: Outcomes,
    record: Record,
    *,
    look_up: Callable[[], None],
    hear: Callable[[Output, int], None],
) -> Run:
    """Return what calls ``fn`` on the items of ``backlog``; the function is taken as it is now.

    Raises
    ------
    PayloadError
        The function cannot be sent to the workers.
    BackendError
        The backend cannot do what is asked.
    """
    tries = Tries(
        outcomes,
        backlog,
        retries=options.retries,
        keep_going=options.return_exceptions,
        remark=_remark(fn, options, record),
    )
    if not (options.serial or inside_worker()):
        return _pool_run(fn, options, backlog, tries, record, look_up=look_up, hear=hear)
    return SerialRun(
        fn,
        backlog,
        tries,
        record,
        star=options.star,
        seed=options.seed,
        look_up=look_up,
        hear=hear,
    )


def _remark(fn: Callable[..., Any], options: Options, record: Record) -> Callable[[Any], str]:
    if record.targets:  # a loop has no arguments
        return lambda _: ""
    return partial(remark_on_arguments, fn, star=options.star)


def _pool_run(
    fn: Callable[..., Any],
    options: Options,
    backlog: Backlog,
    tries: Tries,
    record: Record,
    *,
    look_up: Callable[[], None],
    hear: Callable[[Output, int], None],
) -> PoolRun:
    workforce = workforce_for(options)
    record.usage.warm = workforce.warm
    if workforce.size > 1 and workforce.way is not Way.DIRECT:
        warn_of_copied_generator(fn)
    return PoolRun(
        workforce,
        _payload(fn, options, workforce.way),
        backlog,
        tries,
        record,
        chunksize=chunksize_of(options, elsewhere=bool(workforce.name)),
        room=Room(options.memory_limit, lambda: workforce.pids),
        look_up=look_up,
        hear=hear,
    )


def chunksize_of(options: Options, *, elsewhere: bool) -> int | None:
    """Return how many items travel together; None: as many as take their time.

    Parameters
    ----------
    elsewhere
        Whether they run on somebody else's workers, which have not run ``%%parpool`` cells.
    """
    if options.chunksize is None and not elsewhere and start_up_may_wait():
        return 1  # none may lie behind another one that it waits for
    return options.chunksize


def _payload(fn: Callable[..., Any], options: Options, way: Way) -> Payload:
    return Payload.of(
        fn,
        star=options.star,
        keep_going=options.return_exceptions,
        timeout_seconds=options.timeout,
        most_bytes=options.worker_memory_limit,
        seed=options.seed,
        way=way,
    )
