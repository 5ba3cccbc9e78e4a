"""Compare parmagic with the pools that people have, side by side in one run::

    python tests/benchmarks/compare.py
    python tests/benchmarks/compare.py --quick
    python tests/benchmarks/compare.py --case pair submit --peer parmagic executor --repeat 50

Peers that are not installed are left out. The cases with much data need a few GB of memory;
what a pool takes of it, memory.py tells.

Within each repetition every peer has its turn, in an order that rotates, and ratios are
taken within a repetition: what else the machine does falls on all of them alike.
parmagic must be installed, or on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from statistics import median

import table
from case import Case
from cases import all_cases
from clusters import ALL as PEERS
from peers import Peer
from targets import Times

WORKERS = 2


def main() -> None:
    arguments = _arguments()
    peers = _installed(arguments.peer, arguments.workers)
    cases = [case for case in all_cases(arguments.workers) if case.name in arguments.case]
    names = [peer.name for peer in peers]
    rows = [table.header(names)]
    try:
        for case in cases:
            times = _measured(case, peers, _repeats(case, arguments))
            rows.append(table.row(case, times, names))
    finally:
        for peer in peers:
            peer.close()
    print(f"Python {platform.python_version()}, {arguments.workers} workers\n")
    print(f"{table.aligned(rows)}\n\n{table.LEGEND}")


def _arguments() -> argparse.Namespace:
    names = [case.name for case in all_cases(WORKERS)]
    parser = argparse.ArgumentParser(description="Compare parmagic with other pools.")
    parser.add_argument("--case", nargs="+", choices=names, default=names, metavar="NAME",
                        help=f"which cases: {' '.join(names)}")  # fmt: skip
    parser.add_argument("--peer", nargs="+", choices=PEERS, default=list(PEERS), metavar="NAME",
                        help=f"which pools: {' '.join(PEERS)}")  # fmt: skip
    parser.add_argument("--repeat", type=int, metavar="N", help="repetitions of every case")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the repetitions, at least one"
    )
    parser.add_argument("--workers", type=int, default=WORKERS, metavar="N", help="default: 2")
    return parser.parse_args()


def _repeats(case: Case, arguments: argparse.Namespace) -> int:
    if arguments.repeat is not None:
        return arguments.repeat
    return max(1, case.repeats // 10) if arguments.quick else case.repeats


def _installed(names: Sequence[str], workers: int) -> list[Peer]:
    missing = [name for name in names if PEERS[name].missing()]
    if missing:
        _say(f"not installed, left out: {', '.join(missing)}")
    return [PEERS[name](workers) for name in names if name not in missing]


def _measured(case: Case, peers: Sequence[Peer], repeats: int) -> Times:
    peers = [peer for peer in peers if case.suits(peer)]
    for peer in peers:
        if not case.cold:
            case.warm_up(peer)
    seconds: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for repeat in range(repeats):
        for peer in _rotated(peers, repeat):
            seconds[peer.name].append(case.measure(peer))
            peer.forget()
    _say_medians(case, seconds)
    return Times(seconds, case.bound(peers[0].workers) if case.bound and peers else None)


def _rotated(peers: Sequence[Peer], by: int) -> list[Peer]:
    by %= max(1, len(peers))
    return [*peers[by:], *peers[:by]]


def _say_medians(case: Case, seconds: dict[str, list[float]]) -> None:
    each = (f"{name} {median(times) * 1e3:.3f}" for name, times in seconds.items() if times)
    _say(f"{case.name}: {', '.join(each)} ms")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
