"""What a job has finished, kept in a file for the next kernel."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter
from types import TracebackType
from typing import Any, NamedTuple, Self

from parmagic.checkpoint.entry import Kind
from parmagic.checkpoint.journal import Head, Journal
from parmagic.checkpoint.place import CheckpointError
from parmagic.pool.warning import warn_user
from parmagic.worker.text import full_type_name, safe_str

__all__ = ["Checkpoint", "CheckpointError", "Mark"]


class Mark(NamedTuple):
    """Consecutive items that a job has seen, and their fingerprint."""

    first: int
    length: int
    digest: bytes

    @property
    def stop(self) -> int:
        """The index behind them."""
        return self.first + self.length


class Checkpoint:
    """The finished part of a job, in a file that outlives the kernel.

    What is noted is in the file at once, and survives the end of this process, whatever
    ends it. When the power fails, the last seconds may be lost. A file that was damaged is
    mended, and what could be read of it is kept. Where the disk is full a warning says so, and
    no more is written.

    Parameters
    ----------
    path
        The file, which is made if it is not there. While it is open no other job can use it.

    Raises
    ------
    CheckpointError
        The file cannot be used; it was left as it is.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._journal = Journal(path)
        self._marks: list[Mark] = []  # in the order of the items, none over another
        self._noted = _Indices()
        self._has_skipped = False
        self._signature: bytes | None = None
        self._length: int | None = None
        self._read()

    @property
    def path(self) -> str:
        """The file, with its whole path."""
        return self._journal.path

    @property
    def signature(self) -> bytes | None:
        """Which function the job maps, as last told; None in a new file."""
        return self._signature

    @property
    def length(self) -> int | None:
        """How many items the job has, as last told; None if that is not known."""
        return self._length

    def begin(self, signature: bytes, length: int | None) -> None:
        """Note which function the file is for from now on, and how many items there are.

        The values that it holds stay.
        """
        if (signature, length) != (self._signature, self._length):
            self._journal.add(Kind.JOB, 0, length, signature)
            self._signature, self._length = signature, length

    def note_items(self, first: int, length: int, digest: bytes) -> None:
        """Note that the ``length`` items from ``first`` on were seen, and their fingerprint.

        This replaces all that was noted of any of them before, and their values with it: they
        may be those of other items.
        """
        mark = Mark(first, length, digest)
        place = self._place(mark)
        if self._marks[place] != [mark]:
            if self._noted.remove(first, length):
                self._journal.add(Kind.NO_VALUES, first, length, b"")
            self._journal.add(Kind.ITEMS, *mark)
            self._marks[place] = [mark]

    def note_values(self, first: int, values: Sequence[Any]) -> None:
        """Note the values of the items from ``first`` on, unless they are there already.

        A value that cannot be pickled is left out; a warning names the first one.
        """
        from parmagic.checkpoint.packs import packs  # imports cloudpickle

        for run in self._noted.add(first, len(values)):
            new = values[run.start - first : run.stop - first]
            for pack in packs(run.start, new, self._skip):
                self._journal.add(Kind.VALUES, *pack)

    def marks(self) -> list[Mark]:
        """Return what `note_items` has noted, in the order of the items."""
        return list(self._marks)

    def values(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield what `note_values` has noted, in the order of the items, each once.

        A value that cannot be unpickled now is left out, and with it those that were noted
        behind it in the same call. They may be noted again.
        """
        given = _Indices()
        found: list[tuple[int, list[Any]]] = []
        for head in reversed(self._journal.heads):  # the last that was noted counts
            if head.kind == Kind.NO_VALUES:
                given.add(head.first, head.length or 0)
            elif head.kind == Kind.VALUES:
                values = self._unpacked(head)
                for run in given.add(head.first, len(values)):
                    self._noted.add(run.start, len(run))
                    found.append((run.start, [values[index - head.first] for index in run]))
        yield from sorted(found, key=itemgetter(0))

    def clear(self) -> None:
        """Forget everything."""
        if self._journal.heads:
            self._journal.clear()
        self._read()

    def close(self) -> None:
        """Leave the file to other jobs."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        self._marks.clear()
        self._noted = _Indices()
        self._signature = self._length = None
        for head in self._journal.heads:
            body = None if head.kind == Kind.VALUES else self._journal.body(head)
            if head.kind == Kind.JOB and body is not None:
                self._signature, self._length = body, head.length
            elif head.kind == Kind.ITEMS and body is not None:
                mark = Mark(head.first, head.length or 0, body)
                self._marks[self._place(mark)] = [mark]

    def _place(self, mark: Mark) -> slice:
        """Return where the marks of the same items are, or else where ``mark`` is to be."""
        start = bisect_right(self._marks, mark.first, key=lambda each: each.stop)
        return slice(
            start, bisect_left(self._marks, mark.stop, lo=start, key=lambda each: each.first)
        )

    def _unpacked(self, head: Head) -> list[Any]:
        from parmagic.checkpoint.packs import Pack, unpacked

        body = self._journal.body(head)
        return unpacked(Pack(head.first, head.length or 0, body)) if body else []

    def _skip(self, index: int, error: BaseException) -> None:
        if self._has_skipped:
            return
        self._has_skipped = True
        reason = f"{full_type_name(error)}: {safe_str(error, 200)}".rstrip(": ")
        warn_user(
            f"the result of item {index} is not in the checkpoint {self.path!r}, nor is any other"
            f" that cannot be pickled ({reason}). The item will run again when the job is resumed"
        )


class _Indices:
    """Indices of items: a byte for each."""

    def __init__(self) -> None:
        self._flags = bytearray()

    def add(self, first: int, length: int) -> list[range]:
        """Add consecutive indices; return those which are new, as far as they stand together."""
        stop = first + length
        self._flags.extend(bytes(max(0, stop - len(self._flags))))
        new = list(self._missing(first, stop))
        self._flags[first:stop] = b"\1" * length
        return new

    def remove(self, first: int, length: int) -> bool:
        """Remove consecutive indices; tell whether any of them was there."""
        here = slice(first, first + length)
        there = self._flags[here]
        self._flags[here] = bytes(len(there))
        return any(there)

    def _missing(self, start: int, stop: int) -> Iterator[range]:
        while (start := self._flags.find(0, start, stop)) >= 0:
            end = self._flags.find(1, start, stop)
            end = stop if end < 0 else end
            yield range(start, end)
            start = end
