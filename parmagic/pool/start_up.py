"""What each worker runs before its first chunk, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from parmagic.pool.output import show_safely
from parmagic.pool.payload import cells_in
from parmagic.worker.bequest import Bequest
from parmagic.worker.capture import Output
from parmagic.worker.culprit import blame_function
from parmagic.worker.inheritance import may_wait
from parmagic.worker.start_up import run
from parmagic.worker.surroundings import Surroundings


class StartUp(NamedTuple):
    """A cell that every worker runs once, and every one that replaces it."""

    cell: str
    names: frozenset[str]
    call: Callable[[], object]
    may_wait: bool

    @classmethod
    def of(cls, cell: str, fn: Callable[[], None], names: frozenset[str]) -> StartUp:
        """Pickle ``fn``, which does what ``cell`` says and binds ``names`` globally.

        Raises
        ------
        PayloadError
            Something that it uses cannot be pickled.
        """
        try:
            body = Bequest.of(fn)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise blame_function(fn, error) from None
        here = Surroundings.here()
        call = partial(run, body, tuple(sorted(names)), here, cells_in(body))
        return cls(cell, names, call, may_wait(body))


class Starts(Protocol):
    """Who hears of the workers that start. For the thread that has the turn: must be quick."""

    def printed(self, worker: int, output: Output, /) -> None:
        """Hear what a worker prints before it is ready."""

    def started(self, worker: int, error: BaseException | None, /) -> None:
        """Hear that it is ready, or what has kept it from being so."""


class ShownStarts:
    """Show what workers print before they are ready."""

    def printed(self, _: int, output: Output, /) -> None:
        """Show it, in whatever cell runs."""
        show_safely(output)

    def started(self, _: int, error: BaseException | None, /) -> None:
        """Leave that to the pool."""


class UnheardStarts:
    """Show nothing: what a cell prints in each worker was shown below it."""

    def printed(self, _: int, output: Output, /) -> None:
        """Show nothing."""

    def started(self, _: int, error: BaseException | None, /) -> None:
        """Leave that to the pool."""
