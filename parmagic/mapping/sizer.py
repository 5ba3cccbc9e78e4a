"""How many items to send together."""

from __future__ import annotations

# Long enough that a chunk's overhead (0.1 ms) is nothing, short enough that the last
# chunks end together: efficiency 94/102/103 % at 20/50/100 ms for 1 ms items, and
# 92/96/98 % where the longest come last.
TARGET_SECONDS = 0.05
# The last items are not cut so fine that sending them takes longer than they do.
WORTHWHILE_SECONDS = 0.001
# A chunk that takes this many times as long as meant gives its rest to other workers;
# where items are of two kinds, that lifts efficiency from 61 to 86-105 %. 2 to 4 cannot
# be told apart.
HAND_BACK = 4
MOST_GROWTH = 16
# To copy these takes longer than a chunk's overhead (1 against 0.2 ms), and memory that is used
# again at once is still in the processor's cache.
MOST_BYTES = 8 * 1024 * 1024

# To and from a backend a chunk takes 2 to 20 ms: short items are not to go there one by one, and
# of long ones the rest is handed back.
FIRST_ELSEWHERE = 8

# How many items of a coroutine function wait beside each other in a worker: enough to hide
# the time that servers take, and what they bear from one client.
MOST_TOGETHER = 32

_WEIGHT = 0.5  # of the newest measurement


class ChunkSizer:
    """Choose the size of the next chunk from the time that the last ones took.

    Parameters
    ----------
    fixed
        The user's ``chunksize``, which is kept.
    first
        The size to begin with, before any time was measured.
    """

    def __init__(self, fixed: int | None = None, *, first: int = 1) -> None:
        self._fixed = fixed
        self._size = fixed or first
        self._item_seconds: float | None = None
        self._item_bytes = 0.0

    @property
    def adapts(self) -> bool:
        """Whether the size is not the user's."""
        return self._fixed is None

    @property
    def hand_back_seconds(self) -> float:
        """After which time a chunk gives back the items not begun."""
        return float("inf") if self._fixed else HAND_BACK * TARGET_SECONDS

    def size(self, rest: int | None, workers: int) -> int:
        """Return the size of the next chunk, of ``rest`` items still to be cut."""
        if self._fixed or rest is None:
            return self._size
        tail = max(rest // (2 * workers), self._items_in(WORTHWHILE_SECONDS))
        return max(1, min(self._size, tail))

    def learn(self, items: int, seconds: float, nbytes: int) -> None:
        """Take note of a chunk: ``items`` took ``seconds`` and travelled as ``nbytes``."""
        if self._fixed or not items:
            return
        self._item_seconds = _blend(self._item_seconds, seconds / items)
        self._item_bytes = _blend(self._item_bytes, nbytes / items)
        by_time = self._items_in(TARGET_SECONDS)
        by_bytes = MOST_BYTES / max(self._item_bytes, 1.0)
        self._size = max(1, int(min(by_time, by_bytes, MOST_GROWTH * items)))

    def _items_in(self, seconds: float) -> int:
        return 1 if self._item_seconds is None else int(seconds / max(self._item_seconds, 1e-9))


class TogetherSizer(ChunkSizer):
    """Share items out that wait beside each other: all at once, if there are few."""

    def __init__(self) -> None:
        super().__init__(MOST_TOGETHER)
        self._share: int | None = None

    def size(self, rest: int | None, workers: int) -> int:
        """Return the size of the next chunk, of ``rest`` items still to be cut."""
        if self._share is None and rest is not None:
            self._share = max(1, min(MOST_TOGETHER, -(-rest // workers)))
        return self._share or MOST_TOGETHER


def _blend(old: float | None, new: float) -> float:
    return new if not old else old + _WEIGHT * (new - old)
