"""A job's function in a worker: bytes at first, callable from the first chunk on."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from parmagic.worker.channel import Received
from parmagic.worker.messages import Load
from parmagic.worker.parcel import unwrap
from parmagic.worker.surroundings import Surroundings

T = TypeVar("T")

_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, whose module takes 8 ms to import


class LoadedFunction:
    """What a `Load` brought, and the surroundings to call it in.

    It is unpickled once a job, not once a worker, so that no job sees what an earlier
    one left in the function's globals.
    """

    def __init__(self, received: Received, surroundings: Surroundings | None) -> None:
        self.load: Load = received.message
        self._surroundings = surroundings
        self._received = received
        self._call: Callable[[Any], Any] | None = None

    def call(self) -> Callable[[Any], Any]:
        """Return the function as one of one argument; unpickle it at the first call."""
        if self._call is None:
            self._prepare()
            fn = unwrap(self.load.parcel, self._received.descriptor, private=True)
            self._call = of_one_argument(fn, star=self.load.star)
        return self._call

    def close(self) -> None:
        """Give up the descriptor of what the function captured."""
        self._received.close()

    def _prepare(self) -> None:
        # Whatever an item of an earlier job has changed, such as the folder.
        if self._surroundings is not None:
            self._surroundings.apply()
        if self.load.sources:
            _remember_sources(self.load.sources)


def _remember_sources(sources: dict[str, str]) -> None:
    import linecache

    for filename, source in sources.items():
        lines = source.splitlines(keepends=True)
        # No time stamp: linecache must not look for the file of a notebook's cell.
        linecache.cache[filename] = (len(source), None, lines, filename)


def of_one_argument(fn: Callable[..., Any], *, star: bool) -> Callable[[Any], Any]:
    """Return ``fn`` as a function of one item; with ``star`` the item is its arguments.

    A coroutine function is run by an event loop, one item after the other.
    """
    code = getattr(_innermost(fn), "__code__", None)
    if code is not None and code.co_flags & _CO_COROUTINE:
        fn = _in_an_event_loop(fn)
    return (lambda item: fn(*item)) if star else fn


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
