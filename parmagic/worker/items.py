"""Call a function on the items of one chunk, and keep what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from parmagic.worker import reserve
from parmagic.worker.board import ITEM, SENDING
from parmagic.worker.footprint import private_bytes
from parmagic.worker.messages import UNREADABLE, Run

if TYPE_CHECKING:
    from parmagic.worker.failure import Failure

# In longer chunks the items are so short that a clock would cost more than they do.
CLOCKED_ITEMS = 4096
# How often the memory is looked at, where it has a limit (16 µs).
LOOK_SECONDS = 0.01


class ItemRun:
    """One walk over the items of a chunk. Whatever ends it, what is finished stays.

    Attributes
    ----------
    values
        One for each item that was run, None for those that failed.
    seconds
        One for each of them; or, in a chunk of more than `CLOCKED_ITEMS`, of all together.
    began
        When the first item did, as ``time.monotonic()`` tells it.
    failures
        Which item, counted within the chunk, and why.
    missing
        Which of those in `values` were not run to their end: none, where one follows the other.
    """

    def __init__(
        self, run: Run, cells: memoryview, *, keep_going: bool, most_bytes: int | None = None
    ) -> None:
        self.values: list[Any] = []
        self.seconds: list[float] = []
        self.failures: list[tuple[int, Failure]] = []
        self.missing: tuple[int, ...] = ()
        self.began = 0.0
        self._run = run
        self._cells = cells
        self._keep_going = keep_going
        self._most_bytes = most_bytes
        self._ends = float("inf")
        self._next = 0.0
        self._finished: int | None = None
        self._after_item: Callable[[], None] | None = None

    @property
    def too_large(self) -> bool:
        """Whether this process uses more memory than it may."""
        return self._most_bytes is not None and private_bytes() > self._most_bytes

    def walk(self, call: Callable[[Any], Any], items: Iterable[Any]) -> None:
        """Call to the end, to the first failure, or until it is time to hand back."""
        numbered = enumerate(items, self._run.first)
        clocked = self._run.length <= CLOCKED_ITEMS
        stops = clocked or self._after_item is not None
        walk = self._with_clock if stops else self._without_clock
        self.began = monotonic()
        now = perf_counter()
        self._ends = now + self._run.hand_back_seconds
        self._next = self._next_look(now)
        while walk(call, numbered) and self._keep_going:
            pass
        if not clocked:
            self.seconds[:] = [sum(self.seconds)]

    def watch(self, after_item: Callable[[], None]) -> None:
        """Call this after each item from now on; a long chunk that has begun, after its last."""
        self._after_item = after_item
        self._next = 0.0

    def stop(self) -> None:
        """Begin no other item, and keep only what is finished by now: the job is cancelled.

        What the item that runs makes of its `Cancelled` is no outcome.
        """
        self._finished = len(self.values)
        self._ends = self._next = 0.0

    def settle(self) -> None:
        """Forget what came after `stop`."""
        if self._finished is not None:
            del self.values[self._finished :]
            self.failures = [each for each in self.failures if 0 <= each[0] < self._finished]

    def _next_look(self, now: float) -> float:
        if self._after_item is not None:
            return 0.0
        return self._ends if self._most_bytes is None else min(self._ends, now + LOOK_SECONDS)

    def refuse(self, error: BaseException) -> None:
        """Note that the items could not be unpickled."""
        self.failures.append((UNREADABLE, pack_late(error)))

    def fail_all(self, error: BaseException) -> None:
        """Note that the function could not be unpickled, nor any item be run therefore."""
        length = self._run.length if self._keep_going else 1
        failure = pack_late(error)
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

    def _with_clock(self, call: Callable[[Any], Any], numbered: Iterable[tuple[int, Any]]) -> bool:
        cells, add, note, clock = self._cells, self.values.append, self.seconds.append, perf_counter
        begun = clock()
        try:
            for cells[ITEM], item in numbered:
                add(call(item))
                now = clock()
                note(now - begun)
                if now > self._next:
                    now = self._end_item(now)
                    if now > self._ends or self.too_large:
                        break
                    self._next = self._next_look(now)
                begun = now
        except BaseException as error:
            note(clock() - begun)
            return self._fail(error)
        cells[ITEM] = SENDING  # what dies from here on is none of the items by itself
        return False

    def _without_clock(
        self, call: Callable[[Any], Any], numbered: Iterable[tuple[int, Any]]
    ) -> bool:
        cells, add = self._cells, self.values.append
        begun = perf_counter()
        try:
            for cells[ITEM], item in numbered:
                add(call(item))
            if self._after_item is not None:
                self._after_item()
        except BaseException as error:
            return self._fail(error)
        finally:
            self.seconds.append(perf_counter() - begun)
        cells[ITEM] = SENDING
        return False

    def _end_item(self, now: float) -> float:
        """Do what is to be done after an item, on its time; return the time then."""
        if self._after_item is None:
            return now
        self._after_item()
        then = perf_counter()
        self.seconds[-1] += then - now
        return then

    def _fail(self, error: BaseException) -> bool:
        if self._finished is not None:
            return False  # cancelled
        if self._after_item is not None:
            self._after_item()
        self.failures.append((len(self.values), pack_late(error)))
        self.values.append(None)
        return True


def pack_late(error: BaseException) -> Failure:
    """Pack ``error``; what that needs is imported by the first failure."""
    reserve.give_up()
    # A worker starts 2 ms sooner without.
    from parmagic.worker.debugger import without_quit
    from parmagic.worker.failure import pack

    return pack(without_quit(error))
