"""Our pool under the interface of ``concurrent.futures``."""

from __future__ import annotations

import concurrent.futures
import operator
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from parmagic.pool import exit
from parmagic.pool.calls import AnyCalls, Calls
from parmagic.pool.cpus import usable_cpus
from parmagic.pool.crew import WorkerState
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.initializer import pickled_initializer
from parmagic.pool.ordered import OrderedCalls, batches
from parmagic.pool.payload import Payload
from parmagic.pool.start_method import check_context
from parmagic.pool.start_up import Starts

P = ParamSpec("P")
T = TypeVar("T")


# Of the standard library's class it has the name only: who asks for one with isinstance, as
# adaptive does, is to find it.
class ProcessPoolExecutor(concurrent.futures.ProcessPoolExecutor):
    """Run calls in a pool of spawned processes, with functions of notebook cells too.

    A drop-in for `concurrent.futures.ProcessPoolExecutor` as Python 3.14 has it: functions,
    lambdas and classes of a notebook or a script travel by value, no
    ``if __name__ == "__main__"`` is needed, and a worker that dies fails its own call only.

    Parameters
    ----------
    max_workers
        How many processes at most, started when there are calls for them; by default the
        processors that this process may use.
    mp_context
        ``multiprocessing.get_context("spawn")``, which it uses anyway.
    initializer, initargs
        Called in each worker when it starts. If that fails, the executor is broken for good.
    max_tasks_per_child
        After how many calls, or chunks of a `map`, a worker is replaced; by default never.

    Raises
    ------
    ValueError
        ``max_workers`` or ``max_tasks_per_child`` is not positive, or ``mp_context`` is another
        one.
    TypeError
        ``initializer`` cannot be called, or ``max_tasks_per_child`` is no integer.
    PayloadError
        ``initializer`` or ``initargs`` cannot be pickled.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
    ) -> None:
        size = usable_cpus() if max_workers is None else operator.index(max_workers)
        if size < 1:
            raise ValueError(f"max_workers must be greater than 0, not {size}")
        check_context(mp_context, "mp_context")
        _check_tasks(max_tasks_per_child)
        pickled = pickled_initializer(initializer, initargs)
        self._max_workers = size  # which others read
        self.dispatcher = Dispatcher(size, pickled, max_tasks_per_child, on_demand=True)
        self._calls = AnyCalls(self.dispatcher)
        exit.close_at_exit(self.dispatcher, finish=True)
        # Nobody is left to ask for more; what is submitted still runs.
        weakref.finalize(self, self.dispatcher.close).atexit = False

    @property
    def max_workers(self) -> int:
        """How many workers there are to be."""
        return self.dispatcher.size

    @property
    def workers(self) -> list[WorkerState]:
        """The workers at this moment."""
        return self.dispatcher.states()

    @property
    def busy_workers(self) -> int:
        """How many workers run something."""
        return self.dispatcher.busy_workers

    @property
    def warm(self) -> bool:
        """Whether a worker is ready."""
        return self.dispatcher.warm

    def resize(self, max_workers: int) -> None:
        """Have ``max_workers`` workers from now on; those too many end after their chunk."""
        if max_workers < 1:
            raise ValueError(f"a pool needs 1 worker or more, not {max_workers}")
        if max_workers != self.max_workers:
            self._max_workers = max_workers
            self.dispatcher.resize(max_workers)

    def restart(self, number: int) -> None:
        """Replace a worker now; what it runs is run again, from its beginning, by another."""
        self.dispatcher.restart(number)

    def renew(self, initializer: Callable[[], object] | None, starts: Starts) -> None:
        """Replace the workers, each after its chunk, by some that call ``initializer`` first."""
        self.dispatcher.renew(pickled_initializer(initializer, ()), starts)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn(*args, **kwargs)`` in a worker, and return the future of its result.

        Raises
        ------
        RuntimeError
            The executor was shut down, or the interpreter is about to end.
        PoolBroken
            The initializer has failed.
        """
        self._check_open()
        return self._calls.submit(fn, args, kwargs)

    def _check_open(self) -> None:
        if self.dispatcher.broken is not None:
            raise self.dispatcher.broken
        if exit.has_begun():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if self.dispatcher.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Return an iterator over ``fn(*items)`` for each tuple of items, in their order.

        Parameters
        ----------
        timeout
            Seconds from now after which the iterator raises `TimeoutError`.
        chunksize
            How many calls travel together.
        buffersize
            How many chunks may be on their way; by default all, and at once. A finite one is
            what an endless iterable needs.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        _check_buffer(buffersize)
        self._check_open()
        alone = len(iterables) == 1
        items = iter(iterables[0]) if alone else zip(*iterables, strict=False)
        payload = Payload.of(fn, star=not alone, keep_going=False)
        calls = Calls(self.dispatcher, payload)
        chunks = batches(items, chunksize)
        return OrderedCalls(calls, chunks, buffersize, self._check_open).values(timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; with ``wait``, return when those submitted have ended.

        Parameters
        ----------
        cancel_futures
            Cancel the calls that no worker has begun.
        """
        self.dispatcher.close(drop=cancel_futures)
        if wait:
            self.dispatcher.join()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for all calls; an Interrupt ends them."""
        try:
            if kind is None or not issubclass(kind, KeyboardInterrupt):
                self.shutdown()
                return
        except KeyboardInterrupt:
            self.kill()
            raise
        self.kill()

    def terminate_workers(self) -> None:
        """End the workers by SIGTERM, and what they run with an error; cancel what waits.

        Those that do not end are killed two seconds later.
        """
        self.dispatcher.close(drop=True)
        self.dispatcher.close(kill=True, politely=True)

    def kill_workers(self) -> None:
        """End the workers at once, and what they run with an error; cancel what waits."""
        self.dispatcher.close(drop=True)
        self.dispatcher.close(kill=True)

    def kill(self) -> None:
        """End all workers now, with what they run, and wait until they are gone."""
        self.dispatcher.close(kill=True)
        self.dispatcher.join(5)


def _check_tasks(most: int | None) -> None:
    if most is not None and not isinstance(most, int):
        raise TypeError("max_tasks_per_child must be an integer")
    if most is not None and most < 1:
        raise ValueError("max_tasks_per_child must be >= 1")


def _check_buffer(size: int | None) -> None:
    if size is not None and not isinstance(size, int):
        raise TypeError("buffersize must be an integer or None")
    if size is not None and size < 1:
        raise ValueError("buffersize must be None or > 0")
