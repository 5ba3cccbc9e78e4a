"""The feeds of a pool that have not come to their ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

from parmagic.pool.feed import Feed


class Feeds:
    """Run feeds, and say when the last one has ended after `close`.

    Parameters
    ----------
    on_last
        Called when no more will be submitted.
    """

    def __init__(self, on_last: Callable[[], None]) -> None:
        self._on_last = on_last
        self._open: set[Feed] = set()
        self._closing = False
        self._changed = threading.Condition()

    def run(self, feed: Feed) -> None:
        """Run ``feed`` to its end in this thread, which waits for its values."""
        self._add(feed)
        self._run(feed, lends=True)

    def start(self, feed: Feed) -> None:
        """Run ``feed`` in a thread of its own."""
        self._add(feed)
        name = "parmagic-feed"
        threading.Thread(target=self._run, args=(feed,), name=name, daemon=True).start()

    def start_at_once(self, feed: Feed) -> None:
        """Run ``feed`` here as far as it need not wait, and the rest in a thread of its own."""
        self._add(feed)
        over = True
        try:
            over = feed.run_while_there_is_room()
        finally:
            if over:
                self._remove(feed)
        if not over:
            self.start(feed)

    def close(self) -> None:
        """Say that no more feeds will come."""
        with self._changed:
            self._closing = True
        self._end_if_last()

    def stop(self) -> None:
        """Have all feeds submit nothing more."""
        with self._changed:
            for feed in self._open:
                feed.stop()

    def join(self) -> None:
        """Wait until all feeds have come to their ends."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open)

    def _add(self, feed: Feed) -> None:
        with self._changed:
            self._open.add(feed)

    def _run(self, feed: Feed, *, lends: bool = False) -> None:
        try:
            feed.run(lends=lends)
        finally:
            self._remove(feed)

    def _remove(self, feed: Feed) -> None:
        with self._changed:
            self._open.discard(feed)
            self._changed.notify_all()
        self._end_if_last()

    def _end_if_last(self) -> None:
        if self._closing and not self._open:
            self._on_last()
