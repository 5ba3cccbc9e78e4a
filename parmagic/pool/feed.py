"""Items on their way from an iterable to the workers, a few chunks ahead of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from parmagic.pool.broken import PoolBroken
from parmagic.pool.call import CallFuture, Result, lend_thread
from parmagic.pool.calls import Calls


class Taker(Protocol):
    """Who waits for the chunks of a `Feed`."""

    def take(self, number: int, future: Future[Any]) -> None:
        """Hear that the chunk with this number is done."""

    def end(self, chunks: int, error: BaseException | None) -> None:
        """Hear how many chunks there are, and what the iterable has raised, if anything."""


class Feed:
    """Submit chunks in their order; a few are on their way while the workers run others.

    Parameters
    ----------
    chunks
        Lists of items, made when they are needed.
    result
        Makes what the taker gets of a chunk's values.
    ahead
        How many chunks may be on their way or run.
    """

    def __init__(
        self,
        calls: Calls,
        chunks: Iterator[list[Any]],
        result: Result,
        taker: Taker,
        ahead: int,
    ) -> None:
        self._calls = calls
        self._chunks = chunks
        self._result = result
        self._taker = taker
        self._ahead = ahead
        self._under_way = 0
        self._changed = threading.Condition()
        self._number = 0
        self._first = 0
        self._stopped = False

    def run(self, *, lends: bool = False) -> None:
        """Submit all chunks, each as soon as there is room for it.

        Parameters
        ----------
        lends
            This thread is the one that waits for the values, and hears the workers meanwhile.
        """
        try:
            while self._submit_next():
                if lends:
                    lend_thread(self._calls.dispatcher, self._has_room, None)
                self._wait_for_room()
        except BaseException:  # an Interrupt
            self._calls.end()
            raise

    def run_while_there_is_room(self) -> bool:
        """Submit as many as need not wait, and return whether these are all."""
        while self._has_room():
            if not self._submit_next():
                return True
        return False

    def stop(self) -> None:
        """Submit no more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _has_room(self) -> bool:
        return self._under_way < self._ahead or self._stopped

    def _wait_for_room(self) -> None:
        if not self._has_room():
            self._calls.dispatcher.resume()
        with self._changed:
            self._changed.wait_for(self._has_room)

    def _submit_next(self) -> bool:
        chunk: list[Any] | None = None
        error: BaseException | None = None
        try:
            if self._stopped:
                raise PoolBroken.stopped()
            chunk = next(self._chunks, None)
        except BaseException as raised:
            error = raised
        if chunk is None:
            self._end(error)
            return False
        self._submit(chunk)
        return True

    def _submit(self, chunk: list[Any]) -> None:
        with self._changed:
            self._under_way += 1
        future: CallFuture[Any] = self._calls.submit(chunk, self._result, self._first)
        number, self._number = self._number, self._number + 1
        self._first += len(chunk)
        future.add_done_callback(partial(self._take, number))

    def _take(self, number: int, future: Future[Any]) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify()
        self._taker.take(number, future)

    def _end(self, error: BaseException | None) -> None:
        self._chunks = iter(())
        self._calls.end()
        self._taker.end(self._number, error)
