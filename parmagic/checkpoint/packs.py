"""Values as bytes, as far as possible each to be read again without the others."""

from __future__ import annotations

import contextlib
import io
import operator
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from parmagic.checkpoint.fingerprint import is_plain
from parmagic.worker import classes
from parmagic.worker.by_value import Pickler, dumps
from parmagic.worker.cancel import Cancelled

PACK_BYTES = 16 * 2**20
# SQLite takes no more than 10**9 at once.
MOST_BYTES = 900 * 10**6


class Pack(NamedTuple):
    """Consecutive values, the first of which has the index ``first``."""

    first: int
    length: int
    body: bytes


def packs(
    first: int, values: Sequence[Any], skip: Callable[[int, BaseException], None]
) -> Iterator[Pack]:
    """Pickle consecutive values, of which the first has the index ``first``.

    Parameters
    ----------
    skip
        Called for a value that cannot be pickled, with its index and the reason.
    """
    if (body := _plain_body(list(values))) is not None:
        yield Pack(first, len(values), body)
        return
    draft = _Draft(first)
    for value in values:
        try:
            draft.add(value)
        except (KeyboardInterrupt, Cancelled):
            raise
        except BaseException as error:
            skip(draft.end, error)
            yield from draft.pack()
            draft = _Draft(draft.end + 1)
        if draft.nbytes >= PACK_BYTES:
            yield from draft.pack()
            draft = _Draft(draft.end)
    yield from draft.pack()


def unpacked(pack: Pack) -> list[Any]:
    """Return the values of ``pack``, up to the first that cannot be unpickled now."""
    values: list[Any] = []
    unpickler = classes.Unpickler(io.BytesIO(pack.body))
    try:
        while len(values) < pack.length:
            values.extend(unpickler.load())
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException:  # its class is gone, or wants something else
        return values
    return values


def _plain_body(values: list[Any]) -> bytes | None:
    """Pickle built-in values at once, which takes a third of the time."""
    if not values or not is_plain(values):
        return None
    with contextlib.suppress(MemoryError):  # perhaps there is enough for one after the other
        body = pickle.dumps(values, 5)
        return body if len(body) <= PACK_BYTES else None
    return None


class _Draft:
    """A pack that grows."""

    def __init__(self, first: int) -> None:
        self._first = self.end = first
        self._file = io.BytesIO()
        # One for all: what the values share, such as their class, is written once.
        self._pickler = _Pickler(self._file, protocol=5)

    @property
    def nbytes(self) -> int:
        return self._file.tell()

    def add(self, value: object) -> None:
        start = self.nbytes
        try:
            self._pickler.dump([value])
            if self.nbytes - start > MOST_BYTES:
                raise ValueError(f"it takes {self.nbytes - start:,} bytes")
        except BaseException:
            self._file.seek(start)
            self._file.truncate()
            raise
        self.end += 1

    def pack(self) -> Iterator[Pack]:
        if self.end > self._first:
            yield Pack(self._first, self.end - self._first, self._file.getvalue())


class _Pickler(Pickler):
    """A pickler of classes by value and by name: the next kernel may have defined them anew."""

    def reducer_override(self, value: Any) -> Any:
        """Return how to make ``value`` again, or NotImplemented to leave that to pickle."""
        if issubclass(type(value), type) and _is_of_the_notebook(value):
            return _class, (value.__qualname__, dumps(value))
        return super().reducer_override(value)


def _is_of_the_notebook(cls: type) -> bool:
    return cls.__module__ == "__main__" and _of_the_notebook(cls.__qualname__) is cls


def _of_the_notebook(qualname: str) -> Any:
    try:
        return operator.attrgetter(qualname)(sys.modules["__main__"])
    except AttributeError:
        return None


def _class(qualname: str, body: bytes) -> type:
    """Return the notebook's class as it is now, or else as it was. Checkpoints name this."""
    now = _of_the_notebook(qualname)
    made: type = now if isinstance(now, type) else classes.load(body)
    return made
