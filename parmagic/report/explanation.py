"""What a job would send, before it is run, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How something that a function uses gets into the workers.
Route = Literal[
    "with the function",
    "shared memory, once for all workers",
    "stays where it is, in shared memory",
    "used as it is",
    "mapped from its file",
    "imported in the workers",
    "cannot be sent",
]


@dataclass(frozen=True, slots=True)
class Captured:
    """Something that a function uses.

    Attributes
    ----------
    name
        As it stands in the code.
    kind
        Its type; ``module``, ``function`` or ``class`` for these.
    nbytes
        Its size; of code, without what it uses, which is listed by itself. None where nothing
        of it is sent.
    route
        How it gets into the workers.
    used
        Where it is used first: ``line 2``, or ``line 2 of model.py``. Empty if unknown.
    through
        The name of what uses it, a function or class or instance; empty where it is the
        mapped function.
    """

    name: str
    kind: str
    nbytes: int | None
    route: Route
    used: str = ""
    through: str = ""

    @property
    def refused(self) -> bool:
        """Whether it cannot be sent."""
        return self.route == "cannot be sent"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a job would send, before anything is sent, and to whom.

    Attributes
    ----------
    what
        The header as typed: ``seed in range(200)``, or ``square over numbers``.
    items
        None where they cannot be counted without making them.
    item_kind
        The type of what gives the items: ``range``, ``generator``.
    first_item
        Its short repr; empty where it cannot be had without making it.
    star
        Whether the items are spread over the parameters.
    workers
        How many there would be.
    running
        How many there are.
    backend
        Where they are.
    chunks
        How the items would be cut.
    captured
        What the function uses. What is used through a name comes after it.
    function_bytes
        The function and what travels with it; None if it cannot be sent, 0 if it need not be.
    shared_bytes
        What would be written to shared memory.
    problem
        Why it cannot be sent, and what to do; empty if it can.
    """

    what: str
    items: int | None
    item_kind: str
    first_item: str
    star: bool
    workers: int
    running: int
    backend: str
    chunks: str
    captured: tuple[Captured, ...] = ()
    function_bytes: int | None = None
    shared_bytes: int = 0
    problem: str = ""

    @property
    def to_start(self) -> int:
        """How many workers would be started."""
        return max(self.workers - self.running, 0)
