"""Our pool under the interface of ``concurrent.futures``."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from operator import itemgetter
from typing import Any, ParamSpec, TypeVar

from parmagic.pool import exit
from parmagic.pool.call import Call
from parmagic.pool.cpus import usable_cpus
from parmagic.pool.crew import WorkerState
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.ordered import OrderedCalls, batches
from parmagic.pool.payload import Payload
from parmagic.worker.function import call

P = ParamSpec("P")
T = TypeVar("T")


class ProcessPoolExecutor(Executor):
    """Run calls in a pool of spawned processes, with functions of notebook cells too.

    A drop-in for `concurrent.futures.ProcessPoolExecutor`: functions, lambdas and
    classes of a notebook or a script travel by value, no ``if __name__ == "__main__"``
    is needed, and a worker that dies fails its own call only.

    Parameters
    ----------
    max_workers
        How many processes; by default the processors that this process may use.
    initializer, initargs
        Called in each worker when it starts.
    max_tasks_per_child
        After how many calls, or chunks of a `map`, a worker is replaced; by default never.

    Raises
    ------
    ValueError
        ``max_workers`` or ``max_tasks_per_child`` is not positive.
    TypeError
        ``initializer`` cannot be called, or ``max_tasks_per_child`` is no integer.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks_per_child: int | None = None,
    ) -> None:
        size = usable_cpus() if max_workers is None else max_workers
        if size < 1:
            raise ValueError(f"max_workers must be 1 or more, not {size}")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be callable")
        _check_tasks(max_tasks_per_child)
        self.dispatcher = Dispatcher(size, _pickled(initializer, initargs), max_tasks_per_child)
        self._calls: Payload | None = None
        exit.close_at_exit(self.dispatcher)
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
            self.dispatcher.resize(max_workers)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn(*args, **kwargs)`` in a worker, and return the future of its result.

        Raises
        ------
        RuntimeError
            The executor was shut down.
        """
        self._check_open()
        if self._calls is None:
            self._calls = Payload.of(call, star=True, keep_going=False)
        return Call(self.dispatcher, self._calls, [(fn, args, kwargs)], itemgetter(0)).submit()

    def _check_open(self) -> None:
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
            How many chunks may be on their way; by default all, as in the standard library.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        self._check_open()
        payload = Payload.of(fn, star=True, keep_going=False)
        chunks = batches(zip(*iterables, strict=False), chunksize)
        return OrderedCalls(self.dispatcher, payload, chunks, buffersize).values(timeout)

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

    def kill(self) -> None:
        """End all workers now, with what they run."""
        self.dispatcher.close(kill=True)
        self.dispatcher.join(5)


def _check_tasks(most: int | None) -> None:
    if most is not None and not isinstance(most, int):
        raise TypeError("max_tasks_per_child must be an integer")
    if most is not None and most < 1:
        raise ValueError("max_tasks_per_child must be >= 1")


def _pickled(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> bytes | None:
    if initializer is None:
        return None
    import cloudpickle

    data: bytes = cloudpickle.dumps(partial(initializer, *initargs), 5)
    return data
