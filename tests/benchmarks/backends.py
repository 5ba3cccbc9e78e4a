"""What parmagic adds to a cluster, or saves: its map against the cluster's own, side by side::

    python tests/benchmarks/backends.py
    python tests/benchmarks/backends.py --cluster dask --repeat 5

In each repetition both have their turn, one after the other and then the other way round, and
ratios are taken within a repetition. parmagic must be installed, or on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import table
from clusters import CLUSTERS
from functions import increment, nap
from peers import Peer
from timing import timed

import parmagic

# parmagic's layer may cost a tenth of the cluster's own map.
MOST = 1.1
WORKERS = 2
# A title, the function, its items, and their results.
CASES: tuple[tuple[str, Callable[[Any], Any], Sequence[Any], list[Any]], ...] = (
    ("map, two items", increment, [1, 2], [2, 3]),
    ("map, 100 items", increment, range(100), list(range(1, 101))),
    ("map, 1,000 items", increment, range(1000), list(range(1, 1001))),
    ("20 x 100 ms", nap, [0.1] * 20, [0.1] * 20),
)


def main() -> None:
    arguments = _arguments()
    rows = [["", "cluster's own map", "parmagic on it", "ratio", "target"]]
    for name in arguments.cluster:
        if CLUSTERS[name].missing():
            print(f"not installed, left out: {name}", file=sys.stderr)
        else:
            rows += _of_cluster(CLUSTERS[name](WORKERS), arguments.repeat)
    print(f"Python {platform.python_version()}, {WORKERS} workers, medians\n")
    print(table.aligned(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare parmagic on clusters with themselves.")
    parser.add_argument("--cluster", nargs="+", choices=CLUSTERS, default=list(CLUSTERS))
    parser.add_argument("--repeat", type=int, default=9, help="repetitions of every case")
    return parser.parse_args()


def _of_cluster(peer: Peer, repeats: int) -> list[list[str]]:
    try:
        peer.warm_up()
        with parmagic.use(getattr(peer, "backend", peer.name)):
            maps = peer.map, parmagic.map
            return [_row(f"{peer.name}: {title}", maps, repeats, case) for title, *case in CASES]
    finally:
        peer.close()


def _row(
    title: str, maps: tuple[Callable[..., Any], ...], repeats: int, case: Sequence[Any]
) -> list[str]:
    row = [title, *_measured(maps, repeats, *case)]
    print(*row, sep="  ", file=sys.stderr, flush=True)
    return row


def _measured(
    maps: tuple[Callable[..., Any], ...],
    repeats: int,
    fn: Callable[[Any], Any],
    items: Sequence[Any],
    expected: list[Any],
) -> list[str]:
    seconds: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 1):
        for each in (0, 1) if repeat % 2 else (1, 0):
            taken = timed(partial(maps[each], fn, items), expected)
            if repeat:  # the first is to warm up
                seconds[each].append(taken)
    ratio = median(ours / theirs for theirs, ours in zip(*seconds, strict=True))
    verdict = f"≤ {MOST:g} {'ok' if ratio <= MOST else 'SHORT'}"
    return [*(f"{median(each) * 1e3:.3g} ms" for each in seconds), f"{ratio:.2f}", verdict]


if __name__ == "__main__":
    main()
