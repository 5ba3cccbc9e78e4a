"""A job's function in a worker: bytes at first, callable from the first chunk on."""

from __future__ import annotations

import contextlib
import functools
import gc
import pickle
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from parmagic.worker.arrival import Arrival
from parmagic.worker.messages import Load
from parmagic.worker.parcel import unwrap
from parmagic.worker.surroundings import Surroundings

if TYPE_CHECKING:
    from parmagic.worker.async_items import ItemLoop

T = TypeVar("T")

_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, whose module takes 8 ms to import


class LoadedFunction:
    """What a `Load` brought, and the surroundings to call it in.

    It is unpickled once a job, not once a worker, so that no job sees what an earlier
    one left in the function's globals.
    """

    def __init__(
        self,
        arrival: Arrival,
        surroundings: Surroundings | None,
        unpickle: Callable[..., Any] = pickle.loads,
    ) -> None:
        self.load: Load = arrival.message
        self._unpickle = unpickle
        self._surroundings = surroundings
        self._arrival = arrival
        self._call: Callable[[Any], Any] | None = None
        self._loop: ItemLoop | None = None

    def loop(self, cells: memoryview, limit: Callable[[], None]) -> ItemLoop:
        """Return the event loop of a coroutine function, which is made for the first chunk."""
        if self._loop is None:
            from parmagic.worker.async_items import ItemLoop  # asyncio, 25 ms

            limited = self.load.timeout_seconds is not None
            self._loop = ItemLoop(cells, limit if limited else None)
        return self._loop

    def call(self) -> Callable[[Any], Any]:
        """Return the function as one of one argument; unpickle it at the first call."""
        if self._call is None:
            if self.load.sources:
                remember_sources(self.load.sources)
            arrival = self._arrival
            fn = unwrap(
                self.load.parcel,
                arrival.segments,
                descriptors=arrival.descriptors,
                load=self._unpickle,
            )
            plain = of_one_argument if self._loop is None else spread
            self._call = plain(fn, star=self.load.star)
        return self._call

    def close(self) -> None:
        """Let go of what the function captured, and of what its items have left open."""
        if self._loop is not None:
            self._loop.close()
        self._call = None
        self._arrival.close()
        if self._arrival.descriptors:
            # It may know itself, and who reads from a pipe waits until nobody can write to it.
            gc.collect()

    def enter(self) -> None:
        """Have the job's surroundings here: whatever an item of another has changed."""
        if self._surroundings is not None:
            self._surroundings.apply()


def remember_sources(sources: dict[str, str]) -> None:
    """Have the text of the notebook's cells at hand, for tracebacks that are made here."""
    import linecache

    for filename, source in sources.items():
        lines = source.splitlines(keepends=True)
        # No time stamp: linecache must not look for the file of a notebook's cell.
        linecache.cache[filename] = (len(source), None, lines, filename)


def of_one_argument(fn: Callable[..., Any], *, star: bool) -> Callable[[Any], Any]:
    """Return ``fn`` as a function of one item; with ``star`` the item is its arguments.

    A coroutine function is run by an event loop, one item after the other.
    """
    return spread(_in_an_event_loop(fn) if is_coroutine_function(fn) else fn, star=star)


def spread(fn: Callable[..., Any], *, star: bool) -> Callable[[Any], Any]:
    """Return ``fn`` itself or, with ``star``, such that the item is its arguments."""
    return (lambda item: fn(*item)) if star else fn


def is_coroutine_function(fn: Callable[..., Any]) -> bool:
    """Tell whether ``fn`` returns what is to be awaited."""
    fn = _innermost(fn)
    code = getattr(fn, "__code__", None) or getattr(type(fn).__call__, "__code__", None)
    return code is not None and bool(code.co_flags & _CO_COROUTINE)


def _innermost(fn: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def _in_an_event_loop(fn: Callable[..., Any]) -> Callable[..., Any]:
    import asyncio

    def run(*arguments: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(fn(*arguments))
        return _beside_the_loop(fn(*arguments))

    return run


def _beside_the_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` in a thread: this one has a loop that runs, as a notebook's kernel has."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)
    with contextlib.closing(loop), ThreadPoolExecutor(1) as thread:
        try:
            return thread.submit(loop.run_until_complete, task).result()
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(task.cancel)
            raise


def call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call ``fn``: the function of a job whose items are whole calls."""
    return fn(*args, **kwargs)
