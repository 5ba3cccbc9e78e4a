"""The clusters that parmagic can run on, as pools among the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peers import PEERS, OnEachBlock, Peer, Ray

_FOLDER = str(Path(__file__).parent)


class Dask(Peer):
    """``Client.map`` on a cluster of this machine, a process for each worker."""

    name = "dask"
    package = "distributed"
    takes_cells = True
    starts_quickly = False
    cell = "def block_sum(blocks, block):\n    return float(blocks[block].sum() + {plus})\n"

    def start(self) -> None:
        from distributed import Client, LocalCluster

        cluster = LocalCluster(
            n_workers=self.workers,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs="ERROR",
        )
        self.open.callback(cluster.close)
        self.backend = self.open.enter_context(Client(cluster))

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return self.backend.gather(self.backend.map(fn, items, pure=False))

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        return self.backend.submit(fn, item, pure=False).result()

    @contextmanager
    def holding(self, blocks: Any) -> Iterator[OnEachBlock]:
        sent: list[Any] = []

        def on_each(fn: Callable[..., float]) -> Sequence[float]:
            if not sent:  # within the first call, which is timed
                sent.append(self.backend.scatter(blocks, broadcast=True, hash=False))
            numbers = range(len(blocks))
            futures = self.backend.map(fn, sent * len(blocks), numbers, pure=False)
            return self.backend.gather(futures)

        yield on_each


class IPyParallel(Peer):
    """``LoadBalancedView.map_sync`` on engines of this machine."""

    name = "ipyparallel"
    package = "ipyparallel"
    takes_cells = True
    starts_quickly = False
    cell = "def block_sum(block):\n    return float(blocks[block].sum() + {plus})\n"

    def start(self) -> None:
        import ipyparallel

        cluster = ipyparallel.Cluster(n=self.workers, log_level=40)
        self.backend = cluster.start_and_connect_sync()
        self.open.callback(cluster.stop_cluster_sync)
        self.open.callback(self.backend.close)
        # Where the functions are that are timed.
        self.backend[:].execute(f"import sys; sys.path.append({_FOLDER!r})", block=True)
        self._view = self.backend.load_balanced_view()

    def map(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return self._view.map_sync(fn, items)

    def call(self, fn: Callable[[Any], Any], item: Any) -> Any:
        return self._view.apply_sync(fn, item)

    @contextmanager
    def holding(self, blocks: Any) -> Iterator[OnEachBlock]:
        sent: list[Any] = []

        def on_each(fn: Callable[..., float]) -> Sequence[float]:
            if not sent:
                sent.append(self.backend.direct_view().push({"blocks": blocks}, block=True))
            return self.map(fn, range(len(blocks)))

        yield on_each


CLUSTERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Dask, Ray, IPyParallel)}
ALL: dict[str, type[Peer]] = {**PEERS, **CLUSTERS}
