"""Arrays that go to the workers and come from them.

Apart from `functions`, since NumPy would be imported wherever a cold start is timed.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

BLOCKS = 40
# Of float64: 400 MB in all.
BLOCK_LENGTH = 1_250_000

_firsts = itertools.count()


def total(array: NDArray[np.float64]) -> float:
    return float(array.sum())


def kilobyte(number: int) -> NDArray[np.int64]:
    return np.full(128, number)


def eight_megabytes(number: int) -> NDArray[np.float64]:
    return np.full(1_000_000, float(number))


def forty_megabytes(number: int) -> NDArray[np.float64]:
    return np.full(5_000_000, float(number))


def new_blocks(length: int = BLOCK_LENGTH) -> NDArray[np.float64]:
    """Make `BLOCKS` rows of whole numbers that no earlier array has had."""
    first = next(_firsts)
    return np.arange(first, first + BLOCKS * length, dtype=np.float64).reshape(BLOCKS, length)


def block_sums(blocks: NDArray[np.float64], plus: int = 0) -> list[float]:
    """Return the sum of each row: of whole numbers, so the same in whatever order."""
    return (blocks.sum(axis=1) + plus).tolist()
