"""Run a coroutine function on the items of one chunk: they wait beside each other.

::

    ItemLoop    the event loop of a job in this worker, with what its items keep open
      AsyncItemRun    a task for each item of a chunk
        Steps           whatever part of an item runs, the board says which item it is
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import Context, copy_context
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from parmagic.worker.board import ITEM, NOTHING, SENDING, WAITING
from parmagic.worker.cancel import Cancelled, Expired
from parmagic.worker.capture import item_here
from parmagic.worker.items import ItemRun, pack_late
from parmagic.worker.messages import Run

if TYPE_CHECKING:
    from parmagic.worker.failure import Failure

# For what items do when they are cancelled, such as to close a connection: a worker that
# does not answer in 0.6 s is replaced.
CLEANUP_SECONDS = 0.3


class ItemLoop:
    """The event loop of a job in this worker.

    It goes on from chunk to chunk, so that items may share what belongs to a loop, such as a
    session of HTTP.

    Parameters
    ----------
    cells
        The worker's board.
    limit
        Called before each step of an item, whose time is limited.
    """

    def __init__(self, cells: memoryview, limit: Callable[[], None] | None) -> None:
        self._cells = cells
        self._limit = limit
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._task)

    def start(self, coroutine: Coroutine[Any, Any, None], index: int) -> asyncio.Task[None]:
        """Have ``coroutine`` run as the item ``index``, and all tasks that it makes."""
        context = copy_context()
        context.run(item_here.set, index)
        return self._loop.create_task(coroutine, context=context)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run ``coroutine`` to its end, or until `stop`."""
        self._loop.run_until_complete(coroutine)

    def stop(self) -> None:
        """Leave `run`. For signal handlers."""
        self._loop.stop()

    def cancel_all(self) -> None:
        """Cancel what runs, and give it a moment to tidy up."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(asyncio.wait(tasks, timeout=CLEANUP_SECONDS))

    def close(self) -> None:
        """End the loop, and what the items have left in it."""
        self.cancel_all()
        with contextlib.suppress(Exception):
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        context: Context | None = options.get("context")
        index = item_here.get() if context is None else context.get(item_here, NOTHING)
        steps = coroutine if index == NOTHING else Steps(coroutine, index, self._cells, self._limit)
        return asyncio.Task(steps, loop=loop, **options)


class Steps(Coroutine[Any, Any, Any]):
    """A coroutine that notes on the board which item it is of, as long as it does not wait."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        index: int,
        cells: memoryview,
        limit: Callable[[], None] | None,
    ) -> None:
        self._coroutine = coroutine
        self._index = index
        self._cells = cells
        self._limit = limit

    def send(self, value: Any) -> Any:
        """Run to where it waits next."""
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Raise an exception where it waits."""
        return self._step(self._coroutine.throw, *error)

    def close(self) -> None:
        """End it where it waits."""
        self._step(self._coroutine.close)

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def _step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        self._cells[ITEM] = self._index
        if self._limit is not None:
            self._limit()
        try:
            return step(*arguments)
        finally:
            self._cells[ITEM] = WAITING


class AsyncItemRun(ItemRun):
    """As `ItemRun`, for items that wait beside each other.

    Parameters
    ----------
    loop
        The job's.
    most_seconds
        How long an item may take.
    one_by_one
        Whether an item is begun when the one before is finished.

    Attributes
    ----------
    missing
        Those that have not finished, among `values`: counted within the chunk.
    """

    def __init__(
        self,
        run: Run,
        cells: memoryview,
        loop: ItemLoop,
        *,
        keep_going: bool,
        most_bytes: int | None,
        most_seconds: float | None,
        one_by_one: bool,
    ) -> None:
        super().__init__(run, cells, keep_going=keep_going, most_bytes=most_bytes)
        self._loop = loop
        self._most_seconds = most_seconds
        self._one_by_one = one_by_one
        self._ended: dict[int, Any] = {}
        self._failed: dict[int, Failure] = {}
        self._took: dict[int, float] = {}
        self._over = False

    def walk(self, call: Callable[[Any], Any], items: Iterable[Any]) -> None:
        """Call on all items, or up to the first failure."""
        self.began = monotonic()
        try:
            self._loop.run(self._run_all(call, items))
        except BaseException as error:
            self._blame(error)
        finally:
            if self._over:  # else what they have left open is for the next ones
                self._loop.cancel_all()
            self._over = True
            self._cells[ITEM] = SENDING

    def stop(self) -> None:
        """Keep only what is finished by now: the job is cancelled."""
        super().stop()
        self._over = True
        self._loop.stop()

    def settle(self) -> None:
        """Put all in the order of the items."""
        if not self._took:  # neither function nor items could be read
            super().settle()
            return
        finished = self._ended.keys() | self._failed.keys()
        numbers = range(max(finished, default=-1) + 1)
        self.values = [self._ended.get(number) for number in numbers]
        self.seconds = [self._took[number] for number in numbers]
        self.failures = sorted(self._failed.items())
        self.missing = tuple(number for number in numbers if number not in finished)

    def reject(self, unpicklable: Sequence[tuple[int, Failure]]) -> None:
        """Turn values that cannot be sent into failures; the others have run already."""
        for index, _ in unpicklable:
            self.values[index] = None
        self.failures = sorted([*self.failures, *unpicklable], key=lambda failed: failed[0])

    async def _run_all(self, call: Callable[[Any], Any], items: Iterable[Any]) -> None:
        tasks = []
        for number, item in enumerate(items):
            self._took[number] = 0.0
            coroutine = self._run_item(number, call, item)
            tasks.append(self._loop.start(coroutine, self._run.first + number))
            if self._one_by_one:
                await asyncio.wait(tasks[-1:])
            if self._over:
                break
        await asyncio.wait(tasks)

    async def _run_item(self, number: int, call: Callable[[Any], Any], item: Any) -> None:
        begun = perf_counter()
        try:
            value = await self._in_time(call, item)
        except BaseException as error:
            if not self._over:
                self._fail_item(number, error)
        else:
            if not self._over:
                self._ended[number] = value
        finally:
            self._took[number] = perf_counter() - begun

    async def _in_time(self, call: Callable[[Any], Any], item: Any) -> Any:
        seconds = self._most_seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                value = await call(item)
                if self._after_item is not None:
                    self._after_item()
                return value
        except Expired as error:  # it did not even wait
            raise TimeoutError(_too_long(seconds)).with_traceback(error.__traceback__) from None
        except TimeoutError as error:
            if not limit.expired():
                raise
            where = error.__cause__ or error
            raise TimeoutError(_too_long(seconds)).with_traceback(where.__traceback__) from None

    def _fail_item(self, number: int, error: BaseException) -> None:
        self._failed[number] = pack_late(error)
        if not self._keep_going:
            self._over = True
            self._loop.stop()

    def _blame(self, error: BaseException) -> None:
        """Give to the first unfinished item what has ended the loop: a task of one of them."""
        if self._over or isinstance(error, Cancelled):
            return
        finished = self._ended.keys() | self._failed.keys()
        number = next((number for number in self._took if number not in finished), 0)
        self._took.setdefault(number, 0.0)
        self._failed[number] = pack_late(error)


def _too_long(seconds: float | None) -> str:
    return f"took longer than {seconds:g} s"
