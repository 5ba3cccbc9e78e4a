"""The pools that are compared, under one small interface.

One that is not installed is left out: `missing` is asked first.
"""

from __future__ import annotations

import contextlib
import multiprocessing.pool  # the submodule too, or a cold start would pay for it
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, ClassVar

from cell import run_cell
from functions import increment

import __main__

# From here on a user gives `Executor.map` a chunksize, which is 1 otherwise.
MANY_ITEMS = 10_000

# Calls a function, of `Peer.block_sum`, on every block of an array.
OnEachBlock = Callable[[Callable[..., float]], Sequence[float]]


class Peer:
    """A pool. Made without a process, so that a cold start can be timed; `start` makes them.

    Attributes
    ----------
    package
        What must be installed.
    takes_cells
        Whether functions of a notebook's ``__main__`` reach its workers.
    starts_quickly
        Whether somebody would start it for a single call.
    cell
        Defines ``block_sum``, which uses an array as this pool's users write it.
    """

    name: ClassVar[str]
    package: ClassVar[str] = "multiprocessing"
    takes_cells: ClassVar[bool] = False
    starts_quickly: ClassVar[bool] = True
    cell: ClassVar[str] = ""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.open = contextlib.ExitStack()
        self.started = False

    @classmethod
    def missing(cls) -> bool:
        return find_spec(cls.package) is None

    def warm_up(self, fn: Callable[[int], Any] = increment) -> None:
        """Start, unless that is done, and let every worker import what ``fn`` needs."""
        if not self.started:
            self.start()
            self.started = True
        for _ in range(3):
            self.map(fn, range(8 * self.workers))
            self.call(fn, 1)

    def start(self) -> None:
        """Make the pool, as far as it is not made by the first use."""

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        """Call ``fn`` on ``items``, chunked as the pool does it by itself."""
        raise NotImplementedError

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        """Submit one call and wait for its result."""
        raise NotImplementedError

    def block_sum(self, plus: int = 0) -> Callable[..., float]:
        """Run `cell`: with another ``plus`` it has been edited."""
        return run_cell(self.cell.format(plus=plus), "block_sum")

    def holding(self, blocks: Any) -> AbstractContextManager[OnEachBlock]:
        """Let functions of a cell use the array ``blocks`` for a while."""
        raise NotImplementedError

    def forget(self) -> None:
        """Let the last results go, lest another peer's turn is burdened with them."""

    def close(self) -> None:
        self.open.close()


class Parmagic(Peer):
    name = "parmagic"
    package = "parmagic"
    takes_cells = True
    cell = "def block_sum(block):\n    return float(blocks[block].sum() + {plus})\n"

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        from parmagic import ProcessPoolExecutor, jobs, map

        self._map, self._pool_type, self._jobs = map, ProcessPoolExecutor, jobs
        self._pool: Any = None

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return self._map(fn, items, workers=self.workers)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        if self._pool is None:
            self._pool = self.open.enter_context(self._pool_type(self.workers))
        return self._pool.submit(fn, item).result()

    @contextmanager
    def holding(self, blocks: Any) -> Iterator[OnEachBlock]:
        vars(__main__)["blocks"] = blocks
        yield lambda fn: self.map(fn, range(len(blocks)))
        del vars(__main__)["blocks"]

    def forget(self) -> None:
        self._jobs.clear()


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
    cell = "def block_sum(blocks, block):\n    return float(blocks[block].sum() + {plus})\n"
    backend: ClassVar[str] = "loky"

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
        parallel = self._parallel(n_jobs=self.workers, backend=self.backend)
        return parallel(fn(item) for item in items)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        if self._pool is None:
            self._pool = self.open.enter_context(self._pool_type(self.workers))
        return self._pool.submit(fn, item).result()

    @contextmanager
    def holding(self, blocks: Any) -> Iterator[OnEachBlock]:
        # While it is open, it takes an array that it has seen for unchanged.
        with self._parallel(n_jobs=self.workers, backend=self.backend) as parallel:
            numbers = range(len(blocks))
            yield lambda fn: parallel(self._delayed(fn)(blocks, each) for each in numbers)


class JoblibOnParmagic(Joblib):
    """joblib on parmagic's workers."""

    name = "joblib-parmagic"
    backend = "parmagic"

    def start(self) -> None:
        import parmagic
        from parmagic.pool.default import default_pool, stop_default_pool

        parmagic.register_joblib()
        default_pool(self.workers)
        self.open.callback(stop_default_pool)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        return self.map(fn, [item])[0]


class Ray(Peer):
    """``ray.util.multiprocessing.Pool``, on a cluster of this machine only."""

    name = "ray"
    package = "ray"
    takes_cells = True
    starts_quickly = False  # it takes 8 s
    cell = (
        "import ray\n"
        "def block_sum(reference, block):\n"
        "    return float(ray.get(reference)[block].sum() + {plus})\n"
    )

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.util.multiprocessing import Pool

        self._ray, self._pool_type = ray, Pool

    def start(self) -> None:
        self._ray.init(
            address="local",  # not a cluster that happens to run here
            num_cpus=self.workers,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
        )
        self.open.callback(self._ray.shutdown)
        self._pool = self._pool_type(self.workers)
        self.open.callback(self._pool.terminate)

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return self._pool.map(fn, items)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        return self._pool.apply(fn, (item,))

    @contextmanager
    def holding(self, blocks: Any) -> Iterator[OnEachBlock]:
        put = cache(partial(self._ray.put, blocks))  # within the first call, which is timed
        yield lambda fn: self.map(partial(fn, put()), range(len(blocks)))


class Mpire(Peer):
    """``mpire.WorkerPool``, spawned, and kept alive as the others are."""

    name = "mpire"
    package = "mpire"

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        from mpire import WorkerPool

        self._pool_type = WorkerPool

    def start(self) -> None:
        pool = self._pool_type(self.workers, start_method="spawn", keep_alive=True)
        self._pool = self.open.enter_context(pool)

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return self._pool.map(fn, items, concatenate_numpy_output=False)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        return self._pool.apply(fn, (item,))


_ALL = (Parmagic, Pool, Executor, Joblib, JoblibOnParmagic, Ray, Mpire)
PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in _ALL}
