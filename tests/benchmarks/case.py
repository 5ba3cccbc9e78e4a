"""One line of the table: what is measured, and what parmagic is to reach there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peers import Peer
from targets import Target

Measure = Callable[[Peer], float]


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes
    ----------
    measure
        Takes a peer and returns the seconds of one turn.
    repeats
        How many turns each peer has.
    bound
        The seconds that no pool of so many workers can beat, where that is known.
    needs_cells
        Whether only peers that take functions of ``__main__`` can run it.
    cold
        Whether it makes its own pools, in other interpreters.
    warm_up
        Called once for each peer before the first turn, unless the case is cold.
    """

    name: str
    title: str
    measure: Measure
    repeats: int
    targets: tuple[Target, ...] = ()
    bound: Callable[[int], float] | None = None
    needs_cells: bool = False
    cold: bool = False
    warm_up: Callable[[Peer], Any] = Peer.warm_up

    def suits(self, peer: Peer) -> bool:
        if self.cold and not peer.starts_quickly:
            return False
        return peer.takes_cells or not self.needs_cells
