"""What parmagic is to reach in a case, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Protocol

OURS = "parmagic"


@dataclass(frozen=True)
class Times:
    """The seconds of one case: one for each repetition, by peer.

    Attributes
    ----------
    bound
        The seconds that no pool can beat, where that is known.
    """

    seconds: dict[str, list[float]]
    bound: float | None = None

    def median(self, peer: str) -> float | None:
        return median(self.seconds[peer]) if self.seconds.get(peer) else None

    def ratio(self, peer: str) -> float | None:
        """Return the median of our ratios to ``peer``; in one repetition the noise is the same."""
        pairs = zip(self.seconds.get(OURS, ()), self.seconds.get(peer, ()), strict=False)
        ratios = [ours / theirs for ours, theirs in pairs]
        return median(ratios) if ratios else None

    def efficiency(self, peer: str) -> float | None:
        measured = self.median(peer)
        return None if self.bound is None or measured is None else self.bound / measured


class Target(Protocol):
    def verdict(self, times: Times) -> str:
        """Say what is wanted and whether it is reached; nothing if it was not measured."""


@dataclass(frozen=True)
class Ratio:
    """At most so many times as long as a peer."""

    peer: str
    most: float

    def verdict(self, times: Times) -> str:
        ratio = times.ratio(self.peer)
        wanted = f"≤ {self.most:g} x {self.peer}"
        return "" if ratio is None else f"{wanted} {word(ratio <= self.most)}"


@dataclass(frozen=True)
class AtMost:
    """At most so many seconds."""

    seconds: float

    def verdict(self, times: Times) -> str:
        measured = times.median(OURS)
        wanted = f"≤ {self.seconds * 1e3:g} ms"
        return "" if measured is None else f"{wanted} {word(measured <= self.seconds)}"


@dataclass(frozen=True)
class AtLeast:
    """At least this part of what is possible."""

    efficiency: float

    def verdict(self, times: Times) -> str:
        reached = times.efficiency(OURS)
        wanted = f"≥ {self.efficiency:.0%} of ideal"
        return "" if reached is None else f"{wanted} {word(reached >= self.efficiency)}"


def word(reached: bool) -> str:
    return "ok" if reached else "SHORT"
