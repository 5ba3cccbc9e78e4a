"""Drive a job in the kernel, one item after the other: breakpoints work."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.source import Source
from parmagic.mapping.usage import Usage
from parmagic.worker.errors import add_item_note
from parmagic.worker.function import of_one_argument
from parmagic.worker.text import safe_repr


class SerialRun:
    """One job without processes; the parameters are those of `PoolRun`."""

    def __init__(
        self,
        fn: Callable[..., Any],
        source: Source,
        outcomes: Outcomes,
        usage: Usage,
        *,
        star: bool,
        keep_going: bool,
        look_up: Callable[[], None],
    ) -> None:
        self.interrupted = False
        self._call = of_one_argument(fn, star=star)
        self._source = source
        self._outcomes = outcomes
        self._usage = usage
        self._keep_going = keep_going
        self._look_up = look_up

    def interrupt(self) -> None:
        """Stop before the next item."""
        self.interrupted = True

    def run(self) -> None:
        """Return when every item has run, or one has failed, or after an Interrupt."""
        index = 0
        try:
            while not self.interrupted and self._may_go_on():
                items = self._source.take(1)
                if len(items) == 0:
                    break
                self._run_item(index, items[0])
                self._look_up()
                index += 1
        except KeyboardInterrupt:
            self.interrupted = True

    def _may_go_on(self) -> bool:
        return self._keep_going or not self._outcomes.errors

    def _run_item(self, index: int, item: Any) -> None:
        begun = perf_counter()
        try:
            value = self._call(item)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            add_item_note(error, index, safe_repr(item))
            self._outcomes.fail(index, error, safe_repr(item))
        else:
            self._outcomes.record(index, [value])
        self._usage.add(perf_counter() - begun)
