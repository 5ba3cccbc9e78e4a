"""The built-in ``map``, in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from parmagic.mapping.job import Job
from parmagic.mapping.options import Options
from parmagic.mapping.results import Results
from parmagic.mapping.source import snapshot

T = TypeVar("T")


def map(
    fn: Callable[..., T],
    *iterables: Iterable[Any],
    workers: int | None = None,
    chunksize: int | None = None,
    timeout: float | None = None,
    retries: int = 0,
    star: bool = False,
    return_exceptions: bool = False,
    resume: bool | Job[T] = False,
    checkpoint: str | os.PathLike[str] | None = None,
    serial: bool = False,
    seed: int | None = None,
    on: Any = None,
) -> Results[T]:
    """Call ``fn`` on every item, in parallel, and return the results in order.

    These two lines give the same list::

        [fn(x) for x in xs]
        parmagic.map(fn, xs)

    except that ``fn`` runs in other processes: it sees a copy of this process's
    variables, and what it changes there stays there.

    Parameters
    ----------
    fn
        Any function, also one of a notebook cell, a lambda or a closure.
    *iterables
        The items. Of several, one item each is taken for a call, until the shortest ends.
    workers
        How many processes the shared pool has from now on; by default it stays as it is,
        and at first has one for each processor.
    chunksize
        How many items travel together; by default as many as take 50 ms.
    timeout
        Seconds after which a call of ``fn`` is stopped, and its item fails with
        `TimeoutError`. Its worker is replaced if the call does not stop; the others run on.
    retries
        How often an item that failed is tried again, whatever it failed of.
    star
        Call ``fn(*item)``.
    return_exceptions
        Put an item's exception in its place among the results, and go on.
    resume
        Keep what the last job has finished, if it is unfinished and of ``fn``'s name, or
        what this job of `parmagic.jobs` has, and run the rest. The items must be the same.
    checkpoint
        A file in which results are kept as they come. If it is there already, only the
        rest is run, also after a restart; with ``resume``, even if ``fn`` has changed.
        It is read with pickle, so it must be your own, and nobody else's to write.
    serial
        Run in this process, one item after the other, so that breakpoints work.
    seed
        Give each item random numbers of its own, which depend on the seed and its index
        alone: those of `random`, ``numpy.random`` and torch, and of every
        ``np.random.default_rng()`` that ``fn`` makes.
    on
        Who runs it: a dask or ipyparallel client, ``"ray"``, an executor, whatever `use` takes;
        ``"local"`` for the pool of this machine. By default what `use` was told last.

    Raises
    ------
    PayloadError
        The function or an item cannot be pickled; the message names what.
    BackendError
        What ``on`` names cannot be used, or cannot do what is asked.
    ResumeError
        The items are not those of before, or the function is not that of the checkpoint.
    CheckpointError
        The file cannot be used.
    WorkerDied
        A worker's process ended while it ran an item.
    Exception
        Whatever ``fn`` raised first, with its own class and a note that names the item.
    """
    __tracebackhide__ = True  # IPython shows the user's frames only
    options = Options(
        workers=workers,
        chunksize=chunksize,
        timeout=timeout,
        retries=retries,
        star=star,
        return_exceptions=return_exceptions,
        resume=resume,
        checkpoint=checkpoint,
        serial=serial,
        seed=seed,
        on=on,
    )
    return _job(fn, iterables, options).run()


def map_async(
    fn: Callable[..., T],
    *iterables: Iterable[Any],
    workers: int | None = None,
    chunksize: int | None = None,
    timeout: float | None = None,
    retries: int = 0,
    star: bool = False,
    return_exceptions: bool = False,
    resume: bool | Job[T] = False,
    checkpoint: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    on: Any = None,
    callback: Callable[[Results[T]], object] | None = None,
    error_callback: Callable[[BaseException], object] | None = None,
) -> Job[T]:
    """Start `map` and return at once: the `Job` is a future of its results, and awaitable.

    ::

        job = parmagic.map_async(fn, xs)
        results = await job                 # or job.result(), in a script

        async for outcome in job:           # each item as it finishes
            print(outcome.index, outcome.value)

    ``fn`` and the variables that it uses are taken as they are now, and so is which items
    there are; the items themselves should not be changed while the job runs.

    Parameters
    ----------
    fn, *iterables, workers, chunksize, timeout, retries, star
        As for `map`, and so `return_exceptions`, `resume`, `checkpoint`, `seed` and `on`.
    callback, error_callback
        Called with the results, or with the exception, in another thread.
    """
    options = Options(
        workers=workers,
        chunksize=chunksize,
        timeout=timeout,
        retries=retries,
        star=star,
        return_exceptions=return_exceptions,
        resume=resume,
        checkpoint=checkpoint,
        seed=seed,
        on=on,
    )
    job = _job(fn, tuple(snapshot(each) for each in iterables), options)
    if callback is not None or error_callback is not None:
        job.add_done_callback(lambda done: _call_back(done, callback, error_callback))
    return job.start()


def _job(fn: Callable[..., T], iterables: tuple[Iterable[Any], ...], options: Options) -> Job[T]:
    if not callable(fn):
        raise TypeError(f"the first argument must be a function, not {type(fn).__name__}")
    if not iterables:
        raise TypeError("map() must have at least two arguments.")
    if len(iterables) == 1:
        return Job(fn, iterables[0], options)
    return Job(fn, zip(*iterables, strict=False), replace(options, star=True))


def _call_back(
    job: Any,
    callback: Callable[[Results[T]], object] | None,
    error_callback: Callable[[BaseException], object] | None,
) -> None:
    error = job.exception()
    if error is None and callback is not None:
        callback(job.result())
    elif error is not None and error_callback is not None:
        error_callback(error)
