"""Compare the memory that pools take while a function uses an array of 400 MB::

    python tests/benchmarks/memory.py
    python tests/benchmarks/memory.py --peer parmagic joblib --repeat 5

Each peer runs in an interpreter of its own, and what it, its workers and their helpers take
is added up every 20 ms: a page that some of them share counts once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from select import select
from statistics import median
from typing import NamedTuple

from footprint import Footprint
from peers import PEERS
from table import aligned
from targets import OURS, word

ARRAY_BYTES = 400_000_000
MOST = 2.2
PAUSE_SECONDS = 0.02
# Until memory is let go that is no longer used.
REST_SECONDS = 1.0

LEGEND = (
    "In multiples of the array, the median over the runs: before the job, at the most, after it,"
    "\nand when the array is dropped; until then it is part of them. In brackets what was seen"
    "\nmapped (PSS); the rest is shared memory that nobody has touched yet, or any more."
)


class Run(NamedTuple):
    """What a peer takes in one run."""

    warm: Footprint
    peak: Footprint
    done: Footprint
    dropped: Footprint


def main() -> None:
    arguments = _arguments()
    rows = [["", *Run._fields, "target"]]
    for name in arguments.peer:
        runs = [_run(name, arguments.workers) for _ in range(arguments.repeat)]
        rows.append(_row(name, runs))
    print(f"{aligned(rows)}\n\n{LEGEND}")


def _arguments() -> argparse.Namespace:
    names = [name for name, peer in PEERS.items() if peer.takes_cells and not peer.missing()]
    parser = argparse.ArgumentParser(description="Compare the memory that pools take.")
    parser.add_argument("--peer", nargs="+", choices=names, default=names, metavar="NAME",
                        help=f"which pools: {' '.join(names)}")  # fmt: skip
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="default: 2")
    return parser.parse_args()


def _run(name: str, workers: int) -> Run:
    script = Path(__file__).with_name("capture.py")
    command = [sys.executable, str(script), name, str(workers)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe) as process:
        _wait(process)
        warm = _at_rest(process)
        _go_on(process)
        peak = _wait(process)
        done = _at_rest(process)
        _go_on(process)
        _wait(process)
        dropped = _at_rest(process)
        _go_on(process)
    return Run(warm, peak, done, dropped)


def _wait(process: subprocess.Popen[bytes]) -> Footprint:
    """Wait for a line, and return the most until then: in all, and mapped, each by itself."""
    assert process.stdout is not None
    seen = [Footprint.of(process.pid)]
    while not select([process.stdout], [], [], PAUSE_SECONDS)[0]:
        seen.append(Footprint.of(process.pid))
    if not process.stdout.readline():
        raise RuntimeError("it has ended early")
    mapped = max(each.mapped for each in seen)
    return Footprint(mapped, max(each.nbytes for each in seen) - mapped)


def _go_on(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")


def _at_rest(process: subprocess.Popen[bytes]) -> Footprint:
    time.sleep(REST_SECONDS)
    return Footprint.of(process.pid)


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    cells = [_cell(footprints) for footprints in zip(*runs, strict=True)]
    reached = _multiple(run.peak.nbytes for run in runs) <= MOST
    return [name, *cells, f"peak ≤ {MOST:g} {word(reached)}" if name == OURS else ""]


def _cell(footprints: Sequence[Footprint]) -> str:
    in_all = _multiple(each.nbytes for each in footprints)
    mapped = _multiple(each.mapped for each in footprints)
    return f"{in_all:.2f}" + (f" ({mapped:.2f})" if in_all - mapped >= 0.005 else "")


def _multiple(sizes: Iterable[int]) -> float:
    return median(sizes) / ARRAY_BYTES


if __name__ == "__main__":
    main()
