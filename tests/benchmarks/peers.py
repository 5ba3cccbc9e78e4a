"""The pools that are compared, under one small interface.

One that is not installed is left out: `missing` is asked first.
"""

from __future__ import annotations

import contextlib
import multiprocessing.pool  # the submodule too, or a cold start would pay for it
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, ClassVar

# From here on a user gives `Executor.map` a chunksize, which is 1 otherwise.
MANY_ITEMS = 10_000


class Peer:
    """A pool. Made without a process, so that a cold start can be timed; `start` makes them.

    Attributes
    ----------
    package
        What must be installed.
    takes_cells
        Whether functions of a notebook's ``__main__`` reach its workers.
    """

    name: ClassVar[str]
    package: ClassVar[str] = "multiprocessing"
    takes_cells: ClassVar[bool] = False

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.open = contextlib.ExitStack()
        self.started = False

    @classmethod
    def missing(cls) -> bool:
        return find_spec(cls.package) is None

    def warm_up(self) -> None:
        """Start, unless that is done, and let every worker import what it needs."""
        from functions import increment

        if not self.started:
            self.start()
            self.started = True
        for _ in range(3):
            self.map(increment, range(8 * self.workers))
            self.call(increment, 1)

    def start(self) -> None:
        """Make the pool, as far as it is not made by the first use."""

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        """Call ``fn`` on ``items``, chunked as the pool does it by itself."""
        raise NotImplementedError

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        """Submit one call and wait for its result."""
        raise NotImplementedError

    def close(self) -> None:
        self.open.close()


class Parmagic(Peer):
    name = "parmagic"
    package = "parmagic"
    takes_cells = True

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        from parmagic import ProcessPoolExecutor, map

        self._map, self._pool_type = map, ProcessPoolExecutor
        self._pool: Any = None

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return self._map(fn, items, workers=self.workers)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        if self._pool is None:
            self._pool = self.open.enter_context(self._pool_type(self.workers))
        return self._pool.submit(fn, item).result()


class Pool(Peer):
    """``multiprocessing.Pool``, spawned."""

    name = "Pool"

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self._spawn = multiprocessing.get_context("spawn")

    def start(self) -> None:
        self._pool = self.open.enter_context(self._spawn.Pool(self.workers))

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return self._pool.map(fn, items)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        return self._pool.apply(fn, (item,))


class Executor(Peer):
    """``concurrent.futures.ProcessPoolExecutor``, spawned."""

    name = "executor"

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        from concurrent.futures import ProcessPoolExecutor

        self._pool_type = ProcessPoolExecutor

    def start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = self.open.enter_context(self._pool_type(self.workers, mp_context=spawn))

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return list(self._pool.map(fn, items, chunksize=self._chunksize(len(items))))

    def _chunksize(self, length: int) -> int:
        # That of multiprocessing.Pool: four chunks for each worker.
        return 1 if length < MANY_ITEMS else -(-length // (4 * self.workers))

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        return self._pool.submit(fn, item).result()


class Joblib(Peer):
    """joblib's default, loky. It has no ``submit``: there, a loky executor itself is asked."""

    name = "joblib"
    package = "joblib"
    takes_cells = True

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        from joblib import Parallel, delayed
        from joblib.externals.loky import ProcessPoolExecutor, get_reusable_executor

        self._parallel, self._delayed = Parallel, delayed
        self._pool_type, self._shared = ProcessPoolExecutor, get_reusable_executor
        self._pool: Any = None

    def start(self) -> None:
        self.open.callback(lambda: self._shared().shutdown(wait=True))

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        fn = self._delayed(fn)
        return self._parallel(n_jobs=self.workers)(fn(item) for item in items)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        if self._pool is None:
            self._pool = self.open.enter_context(self._pool_type(self.workers))
        return self._pool.submit(fn, item).result()


PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Parmagic, Pool, Executor, Joblib)}
