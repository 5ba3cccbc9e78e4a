"""Our pool under the interface of ``multiprocessing.Pool``.

::

    Pool ──▶ Feed ──▶ Calls ──▶ dispatcher ──▶ workers
               │                                  │
               └──▶ CallResult, MapResult, OutcomeIterator ◀──┘
"""

from __future__ import annotations

import multiprocessing.pool
import operator
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping, Sized
from multiprocessing.context import BaseContext
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

from parmagic.pool import exit
from parmagic.pool.async_result import CallResult, MapResult
from parmagic.pool.call import Result, all_values, only_value
from parmagic.pool.calls import AnyCalls, Calls, calls_of_any
from parmagic.pool.cpus import usable_cpus
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.feed import Feed, Taker
from parmagic.pool.feeds import Feeds
from parmagic.pool.initializer import pickled_initializer
from parmagic.pool.ordered import batches
from parmagic.pool.outcome_iterator import OutcomeIterator, each_outcome
from parmagic.pool.payload import Payload
from parmagic.pool.start_method import check_context

S = TypeVar("S")
T = TypeVar("T")

_RUN, _CLOSE, _TERMINATE = "RUN", "CLOSE", "TERMINATE"
# Chunks on their way for each worker: the one that it runs, and one that is ready.
_AHEAD = 2
# How many chunks a worker gets of a map whose chunksize is not given, as in the standard library.
_CHUNKS_PER_WORKER = 4
_TERMINATE_SECONDS = 5.0
_NOTHING: Mapping[str, Any] = MappingProxyType({})


# Of the standard library's class it has the name only: who asks for one with isinstance is
# to find it.
class Pool(multiprocessing.pool.Pool):
    """Run calls in a pool of spawned processes, with functions of notebook cells too.

    A drop-in for `multiprocessing.Pool`::

        with parmagic.Pool(processes=4) as pool:
            squares = pool.map(square, numbers)

    Functions, lambdas and classes of a notebook or a script travel by value, no
    ``if __name__ == "__main__"`` is needed, and a worker that dies fails its own call only,
    where the standard library waits for ever. The workers are the pool's own.

    Parameters
    ----------
    processes
        How many; by default the processors that this process may use.
    initializer, initargs
        Called in each worker when it starts. If that fails, so do all calls.
    maxtasksperchild
        After how many calls, or chunks of a map, a worker is replaced; by default never.
    context
        ``multiprocessing.get_context("spawn")``, which it uses anyway.

    Raises
    ------
    ValueError
        ``processes`` or ``maxtasksperchild`` is not positive, or ``context`` is another one.
    TypeError
        ``initializer`` cannot be called.
    PayloadError
        ``initializer`` or ``initargs`` cannot be pickled.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: BaseContext | None = None,
    ) -> None:
        self._state = ""  # for __del__, which comes after an error too
        size = usable_cpus() if processes is None else operator.index(processes)
        if size < 1:
            raise ValueError(f"Number of processes must be at least 1, not {size}")
        check_context(context, "context")
        _check_tasks(maxtasksperchild)
        pickled = pickled_initializer(initializer, initargs)
        self._processes = size  # which others read
        self._dispatcher = Dispatcher(size, pickled, maxtasksperchild)
        self._any_calls = AnyCalls(self._dispatcher)
        self._feeds = Feeds(self._dispatcher.close)
        exit.close_at_exit(self._dispatcher)
        end = weakref.finalize(self, self._dispatcher.close, kill=True)
        end.atexit = False
        self._dispatcher.start()
        self._state = _RUN

    def __repr__(self) -> str:
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return f"<{name} state={self._state} pool_size={self._processes}>"

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        if self._state == _RUN:
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)

    def __reduce__(self) -> Any:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    # One call.

    def apply(
        self,
        func: Callable[..., T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = _NOTHING,
    ) -> T:
        """Return ``func(*args, **kwds)``, called in a worker."""
        __tracebackhide__ = True  # IPython shows the user's frames only
        self._check_running()
        calls = calls_of_any(self._dispatcher)
        result = CallResult[T](self, self._dispatcher)
        with calls.cancelled_by_interrupt():
            item = (func, tuple(args), dict(kwds))
            calls.submit([item], only_value).add_done_callback(result.hear)
            calls.end()
            return result.get()

    def apply_async(
        self,
        func: Callable[..., T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = _NOTHING,
        callback: Callable[[T], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> CallResult[T]:
        """Call ``func(*args, **kwds)`` in a worker, and return at once what will have its value.

        Parameters
        ----------
        callback, error_callback
            Called with the value, or with the error, in another thread.
        """
        self._check_running()
        result = CallResult[T](self, self._dispatcher, callback, error_callback)
        future = self._any_calls.submit(func, tuple(args), dict(kwds))
        future.add_done_callback(result.hear)
        return result

    # A list of values.

    def map(
        self, func: Callable[[S], T], iterable: Iterable[S], chunksize: int | None = None
    ) -> list[T]:
        """Return ``[func(item) for item in iterable]``.

        An error is raised when all other items have been run, but for those after it in its
        chunk.

        Parameters
        ----------
        chunksize
            How many items travel together; by default there are four chunks for each worker.
        """
        __tracebackhide__ = True
        return self._map(func, iterable, chunksize, star=False)

    def starmap(
        self,
        func: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
    ) -> list[T]:
        """Do `map`, with items that are the arguments: ``func(*item)``."""
        __tracebackhide__ = True
        return self._map(func, iterable, chunksize, star=True)

    def _map(
        self, func: Callable[..., T], iterable: Iterable[Any], chunksize: int | None, *, star: bool
    ) -> list[T]:
        __tracebackhide__ = True
        calls = self._calls(func, star=star)
        result = MapResult[T](self, self._dispatcher)
        feed = self._map_feed(calls, iterable, chunksize, result)
        with calls.cancelled_by_interrupt():
            self._feeds.run(feed)
            return result.get()

    def map_async(  # type: ignore[override]  # typeshed wants the class of CPython
        self,
        func: Callable[[S], T],
        iterable: Iterable[S],
        chunksize: int | None = None,
        callback: Callable[[list[T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult[T]:
        """Start a `map`, and return at once what will have its list.

        Parameters
        ----------
        callback, error_callback
            Called with the list, or with the error, in another thread.
        """
        calls = self._calls(func, star=False)
        result = MapResult[T](self, self._dispatcher, callback, error_callback)
        self._feeds.start_at_once(self._map_feed(calls, iterable, chunksize, result))
        return result

    def starmap_async(
        self,
        func: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult[T]:
        """Start a `starmap`, and return at once what will have its list."""
        calls = self._calls(func, star=True)
        result = MapResult[T](self, self._dispatcher, callback, error_callback)
        self._feeds.start_at_once(self._map_feed(calls, iterable, chunksize, result))
        return result

    def _map_feed(
        self, calls: Calls, iterable: Iterable[Any], chunksize: int | None, taker: Taker
    ) -> Feed:
        items = iterable if isinstance(iterable, Sized) else list(iterable)
        if chunksize is None:
            # Of calls that wait for each other none may lie behind another one in its chunk.
            most = len(items) if calls.payload.may_wait else _CHUNKS_PER_WORKER * self._processes
            chunksize = max(1, -(-len(items) // max(most, 1)))
        return self._feed(calls, items, chunksize, all_values, taker)

    # Values as they come.

    def imap(  # type: ignore[override]  # as above
        self, func: Callable[[S], T], iterable: Iterable[S], chunksize: int = 1
    ) -> OutcomeIterator[T]:
        """Return an iterator over the values, in the order of the items, as they come.

        The items are taken in another thread, a few more than the workers can run. An item's
        error is raised in its place, and the iterator goes on after it.
        """
        return self._imap(func, iterable, chunksize, ordered=True)

    def imap_unordered(  # type: ignore[override]
        self, func: Callable[[S], T], iterable: Iterable[S], chunksize: int = 1
    ) -> OutcomeIterator[T]:
        """Do `imap`, with the values in the order in which they are ready."""
        return self._imap(func, iterable, chunksize, ordered=False)

    def _imap(
        self, func: Callable[[S], T], iterable: Iterable[S], chunksize: int, *, ordered: bool
    ) -> OutcomeIterator[T]:
        calls = self._calls(func, star=False, keep_going=True)
        values = OutcomeIterator[T](self, self._dispatcher, ordered=ordered)
        self._feeds.start(self._feed(calls, iterable, chunksize, each_outcome, values))
        return values

    def _calls(self, func: Callable[..., Any], *, star: bool, keep_going: bool = False) -> Calls:
        self._check_running()
        return Calls(self._dispatcher, Payload.of(func, star=star, keep_going=keep_going))

    def _feed(
        self, calls: Calls, items: Iterable[Any], chunksize: int, result: Result, taker: Taker
    ) -> Feed:
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize}")
        chunks = batches(iter(items), chunksize)
        return Feed(calls, chunks, result, taker, _AHEAD * self._processes)

    # Its end.

    def _check_running(self) -> None:
        if self._state != _RUN:
            raise ValueError("Pool not running")

    def close(self) -> None:
        """Take no more calls; the workers end when all is done."""
        if self._state == _RUN:
            self._state = _CLOSE
            self._feeds.close()

    def terminate(self) -> None:
        """End the workers now, by SIGTERM, and what they run with an error."""
        self._state = _TERMINATE
        self._feeds.stop()
        self._dispatcher.close(kill=True, politely=True)
        self._dispatcher.join(_TERMINATE_SECONDS)

    def join(self) -> None:
        """Wait until the workers have ended, after `close` or `terminate`.

        Raises
        ------
        ValueError
            It is neither closed nor terminated.
        """
        if self._state == _RUN:
            raise ValueError("Pool is still running")
        if self._state == _CLOSE:
            self._feeds.join()
        self._dispatcher.join()

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Terminate it, as the standard library does: wait for results before."""
        self.terminate()


def _check_tasks(most: int | None) -> None:
    if most is not None and (not isinstance(most, int) or most < 1):
        raise ValueError("maxtasksperchild must be a positive int or None")
