"""A function that uses a 400 MB array, in an interpreter of its own: ``capture.py PEER WORKERS``.

Prints a line where it is measured, and goes on when it is sent one: when everything is
warm and the array made, when a job is over, and when the array is dropped.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peers import Peer


def main() -> None:
    from large import run_a_cell
    from peers import PEERS

    name, workers = sys.argv[1:]
    peer = PEERS[name](int(workers))
    run_a_cell(peer)
    run_job(peer)
    wait("dropped")
    peer.close()


def run_job(peer: Peer) -> None:
    import arrays

    blocks = arrays.new_blocks()
    with peer.holding(blocks) as on_each_block:
        fn = peer.block_sum()
        wait("warm")
        sums = list(on_each_block(fn))
        wait("done")
        assert sums == arrays.block_sums(blocks)


def wait(where: str) -> None:
    print(where, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
