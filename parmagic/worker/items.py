"""Call a function on the items of one chunk, and keep what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from parmagic.worker.board import ITEM
from parmagic.worker.cancel import Cancelled
from parmagic.worker.messages import UNREADABLE, Run

if TYPE_CHECKING:
    from parmagic.worker.failure import Failure

# In longer chunks the items are so short that a clock would cost more than they do.
CLOCKED_ITEMS = 4096


class ItemRun:
    """One walk over the items of a chunk. Whatever ends it, what is finished stays.

    Attributes
    ----------
    values
        One for each item that was run, None for those that failed.
    seconds
        One for each of them; or, in a chunk of more than `CLOCKED_ITEMS`, of all together.
    failures
        Which item, counted within the chunk, and why.
    """

    def __init__(self, run: Run, cells: memoryview, *, keep_going: bool) -> None:
        self.values: list[Any] = []
        self.seconds: list[float] = []
        self.failures: list[tuple[int, Failure]] = []
        self._run = run
        self._cells = cells
        self._keep_going = keep_going

    def walk(self, call: Callable[[Any], Any], items: Iterable[Any]) -> None:
        """Call to the end, to the first failure, or until it is time to hand back."""
        numbered = enumerate(items, self._run.first)
        walk = self._with_clock if self._run.length <= CLOCKED_ITEMS else self._without_clock
        limit = perf_counter() + self._run.hand_back_seconds
        while walk(call, numbered, limit) and self._keep_going:
            pass

    def refuse(self, error: BaseException) -> None:
        """Note that the items could not be unpickled."""
        self.failures.append((UNREADABLE, _pack(error)))

    def fail_all(self, error: BaseException) -> None:
        """Note that the function could not be unpickled, nor any item be run therefore."""
        length = self._run.length if self._keep_going else 1
        failure = _pack(error)
        self.values = [None] * length
        self.failures = [(index, failure) for index in range(length)]

    def reject(self, unpicklable: Sequence[tuple[int, Failure]]) -> None:
        """Turn values that cannot be sent into failures, and stop at the first unless to go on."""
        for index, _ in unpicklable:
            self.values[index] = None
        self.failures = sorted([*self.failures, *unpicklable])
        if not self._keep_going:
            first, _ = self.failures[0]
            del self.values[first + 1 :], self.failures[1:]

    def _with_clock(
        self, call: Callable[[Any], Any], numbered: Iterable[tuple[int, Any]], limit: float
    ) -> bool:
        cells, add, note, clock = self._cells, self.values.append, self.seconds.append, perf_counter
        begun = clock()
        try:
            for cells[ITEM], item in numbered:
                add(call(item))
                now = clock()
                note(now - begun)
                if now > limit:
                    return False
                begun = now
        except Cancelled:
            raise
        except BaseException as error:
            note(clock() - begun)
            return self._fail(error)
        return False

    def _without_clock(
        self, call: Callable[[Any], Any], numbered: Iterable[tuple[int, Any]], _limit: float
    ) -> bool:
        cells, add = self._cells, self.values.append
        begun = perf_counter()
        try:
            for cells[ITEM], item in numbered:
                add(call(item))
        except Cancelled:
            raise
        except BaseException as error:
            return self._fail(error)
        finally:
            self.seconds.append(perf_counter() - begun)
        return False

    def _fail(self, error: BaseException) -> bool:
        self.failures.append((len(self.values), _pack(error)))
        self.values.append(None)
        return True


def _pack(error: BaseException) -> Failure:
    # Imported by the first failure only: a worker starts 2 ms sooner without.
    from parmagic.worker.failure import pack

    return pack(error)
