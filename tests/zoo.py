"""Objects that do not cooperate. ``python -m pytest`` finds this module as ``zoo``."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

# Exceptions that keep their class on the way.


class TakesTwo(Exception):
    """Unpickling calls it with one argument, its message."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code


class Rewrites(Exception):
    """Unpickling would make its message of its message: 'no 7' becomes 'no no 7'."""

    def __init__(self, number: object) -> None:
        super().__init__(f"no {number}")


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__()
        self.code = code


class TakesTwoAsOSError(OSError):
    """Python sets errno in OSError's __init__, not in its __new__, when there is another."""

    def __init__(self, errno: int, text: str) -> None:
        super().__init__(errno, text)


class HasSlots(Exception):
    """Like numpy's AxisError: what its text needs is in no __dict__."""

    __slots__ = ("axis", "never_set")

    def __init__(self, axis: int, *, ndim: int) -> None:
        self.axis = axis

    def __str__(self) -> str:
        return f"axis {self.axis}"


class ReduceRaises(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("no")


class ReduceExits(Exception):
    def __reduce__(self) -> Any:
        raise SystemExit


class ReduceInterrupts(Exception):
    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


class ComesBackAsText(Exception):
    def __reduce__(self) -> Any:
        return str, ("text",)


class ComesBackAsAnother(Exception):
    def __reduce__(self) -> Any:
        return ValueError, self.args


class ComesBackRewritten(Exception):
    """It says itself that its class is to be called with its message, which is no number."""

    def __init__(self, number: object) -> None:
        super().__init__(f"no {number}")

    def __reduce__(self) -> Any:
        return type(self), self.args


class SetstateRaises(Exception):
    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("no")


class StrRaises(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit


class StrReturnsNumber(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


class ReprRaises(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no")


class LiesAboutItself(Exception):
    """What Python keeps for it is hidden behind properties that raise or never end."""

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        return LiesAboutItself()

    @property
    def __context__(self) -> Any:  # type: ignore[override]
        return LiesAboutItself()

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no")

    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no")


class AttributesRaise(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("no")


class Frozen(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("frozen")


@dataclass(frozen=True)
class FrozenDataclass(Exception):
    code: int


class HoldsALock(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
        self.lock = threading.Lock()


class NotesAreNoList(Exception):
    __notes__ = 7  # type: ignore[assignment]


class NewTakesKeyword(Exception):
    def __new__(cls, *args: Any, code: int) -> Self:
        return super().__new__(cls, *args)

    def __init__(self, *args: Any, code: int) -> None:
        super().__init__(*args)


class CustomGroup(ExceptionGroup[Exception]):
    pass


# Exceptions that cannot be made again.


def of_a_class_with_a_lock() -> Exception:
    """Its class is known to no other process, and cannot be sent either."""

    class Local(Exception):
        lock = threading.Lock()

    return Local("text of it")


# Objects with a hostile text.


class ReprExits:
    def __repr__(self) -> str:
        raise SystemExit


class ReprReturnsNumber:
    def __repr__(self) -> str:
        return 7  # type: ignore[return-value]


class HostileStr(str):
    """A string that fails when it is used, if not by str's own methods."""

    def __len__(self) -> int:
        raise RuntimeError("no")

    def __getitem__(self, key: Any) -> str:
        raise RuntimeError("no")

    def encode(self, *arguments: Any) -> bytes:
        raise RuntimeError("no")


class ReprReturnsHostileStr:
    def __repr__(self) -> str:
        return HostileStr("hostile")


class ReprHasLoneSurrogate:
    def __repr__(self) -> str:
        return "a\ud800b"


class ReprRecurses:
    def __repr__(self) -> str:
        return f"<{self!r}>"


class LenRaises(list[Any]):
    def __len__(self) -> int:
        raise RuntimeError("no")


class HostileMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError("no")


class ErrorOfHostileClass(Exception, metaclass=HostileMeta):
    """Nothing of its class can be asked for, so that it cannot be sent."""


class OfHostileClass(metaclass=HostileMeta):
    pass


class ReprCounts:
    """Counts how often one of its kind was turned into text."""

    count = 0

    def __repr__(self) -> str:
        type(self).count += 1
        return "x"


# Objects that spoil whatever is done to them.


class FailsToLeave:
    """Pickling it raises."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def __reduce__(self) -> Any:
        raise self.kind("no")


class FailsToArrive:
    """Unpickling it raises, in any process but the one that pickled it."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def __reduce__(self) -> Any:
        return _arrive, (self.kind, os.getpid())


def _arrive(kind: type[BaseException], pid: int) -> FailsToArrive:
    if os.getpid() != pid:
        raise kind("no")
    return FailsToArrive(kind)


def deep_list() -> list[Any]:
    """Make a list in a list in a list: it is pickled by recursion."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


class AllRaises:
    """It pickles, and that is all."""

    def _raise(self, *arguments: Any) -> Any:
        raise RuntimeError("no")

    __eq__ = __ne__ = __lt__ = __hash__ = __bool__ = __len__ = __iter__ = _raise
    __repr__ = __str__ = __format__ = __contains__ = __getitem__ = __index__ = _raise
    __enter__ = __exit__ = __call__ = __await__ = __copy__ = __sizeof__ = _raise


class DelRaises:
    def __del__(self) -> None:
        raise RuntimeError("no")


class EqualsAll:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class SaysFifty:
    """Says that it has 50 items, and has three."""

    def __len__(self) -> int:
        return 50

    def __iter__(self) -> Iterator[int]:
        return iter(range(3))
