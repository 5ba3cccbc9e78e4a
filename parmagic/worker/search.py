"""The way from an object that cannot be pickled to the part that is the cause.

Of the parts of the whole the first that is refused as well, of its parts again the first,
until there is one whose own parts are all accepted::

    fit  ->  uses 'model' (line 4)  ->  .session  ->  .conn
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from contextlib import nullcontext
from time import monotonic
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any

from parmagic.worker.advice import OTHER, kind_of
from parmagic.worker.cancel import Cancelled
from parmagic.worker.inheritance import inheritable
from parmagic.worker.parts import Part, parts

SEARCH_SECONDS = 2.0
MAX_DEPTH = 200

# These are never the cause: it is what they use.
FUNCTIONS = (FunctionType, MethodType, BuiltinMethodType, functools.partial)


class Search:
    """One search, which ends in time and at a limited depth, whatever the objects do.

    Parameters
    ----------
    too_deep
        Whether the whole was refused because it is nested too deeply.
    inherits
        Whether it was for a worker of ours, which can be given queues and locks.
    """

    def __init__(self, *, too_deep: bool, inherits: bool = False) -> None:
        self._deadline = monotonic() + SEARCH_SECONDS
        # What is nested too deeply is named as a whole: each of its parts is deep as well.
        self._too_deep = too_deep
        self._inherits = inherits
        self._path: list[Part] = []

    def path(self, whole: object) -> list[Part]:
        """Return the whole and the parts on the way; nothing if the whole can be pickled."""
        with inheritable() if self._inherits else nullcontext():
            return self._found(whole)

    def _found(self, whole: object) -> list[Part]:
        part = self._first_refused([Part("", whole)])
        while part is not None:
            self._path.append(part)
            part = self._first_refused(parts(part.value)) if self._goes_on(part.value) else None
        return self._path

    def _goes_on(self, value: object) -> bool:
        if len(self._path) == MAX_DEPTH:
            return False
        return isinstance(value, FUNCTIONS) or not (self._too_deep or kind_of(value) is not OTHER)

    def _first_refused(self, candidates: Iterable[Part]) -> Part | None:
        pickler = self._pickler()
        candidate: Part | None = None
        try:
            for candidate in candidates:
                pickler.dump(candidate.value)
                candidate = None
        except (KeyboardInterrupt, Cancelled):
            raise
        except BaseException:
            return candidate if monotonic() < self._deadline else None
        return None

    def _pickler(self) -> Any:
        """Make a pickler that keeps nothing, knows the time, and passes by what is on the path.

        A part that refers back to the whole would be refused only because the whole is.
        """
        from parmagic.worker.by_value import Pickler  # cloudpickle, 55 ms

        passed = {id(part.value) for part in self._path}

        def persistent_id(value: object) -> int | None:
            if monotonic() > self._deadline:
                raise TimeoutError
            return id(value) if id(value) in passed else None

        pickler = Pickler(_Nowhere(), protocol=5, buffer_callback=_drop)
        pickler.persistent_id = persistent_id
        return pickler


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)


def _drop(buffer: object) -> None:
    """Leave a large buffer out of what is written."""
