"""From nothing to the first result, in an interpreter of its own: ``cold.py PEER WORKERS WHERE``.

Prints the seconds from after the imports to the first result.
"""

from __future__ import annotations

import sys
from time import perf_counter

import functions


def increment(number: int) -> int:
    """Be a function of ``__main__``, which parmagic sends by value; the others run this again."""
    return number + 1


def main() -> None:
    from peers import PEERS  # here: the workers of some peers run this file again

    name, workers, where = sys.argv[1:]
    peer = PEERS[name](int(workers))
    fn = increment if where == "main" else functions.increment
    begun = perf_counter()
    peer.start()
    assert list(peer.map(fn, [1, 2])) == [2, 3]
    print(perf_counter() - begun)
    peer.close()


if __name__ == "__main__":
    main()
