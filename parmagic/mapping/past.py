"""What earlier jobs have finished of the same items, and what this one leaves to later ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from parmagic.checkpoint.checkpoint import Checkpoint, Mark
from parmagic.checkpoint.fingerprint import fingerprint
from parmagic.checkpoint.signature import signature
from parmagic.mapping.backlog import Backlog
from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.resume import Kept, ResumeError, resume
from parmagic.mapping.source import Source
from parmagic.pool.default import start_up_cell
from parmagic.pool.interrupts import Interrupts

_UNLIKE_ANY = b""
_NOTHING = Kept(None, [], [])


class Past:
    """The finished part of a job: taken over from an earlier one, and kept for a later one.

    Parameters
    ----------
    source
        The items of this job.
    outcomes
        Where to put what was finished earlier.
    """

    def __init__(self, source: Source, outcomes: Outcomes) -> None:
        self._source = source
        # As a later job's items will tell it before they are taken.
        self._length = source.length
        self._outcomes = outcomes
        self._marks: list[Mark] = []
        self._checkpoint: Checkpoint | None = None
        self._signature = b""

    def open(
        self,
        path: str | os.PathLike[str],
        fn: Callable[..., Any],
        *,
        resumed: bool,
        seed: int | None = None,
    ) -> Kept | None:
        """Keep what finishes in the file at ``path``; return what it holds already.

        Parameters
        ----------
        resumed
            Whether that counts though ``fn`` is not the function that has made it.
        seed
            Of the random numbers of ``fn``, which are part of what it does.

        Raises
        ------
        CheckpointError
            The file cannot be used.
        ResumeError
            The function has changed.
        """
        with Interrupts():  # or nobody could close it
            self._checkpoint = checkpoint = Checkpoint(path)
        self._signature = self._signature_of(fn if seed is None else (fn, seed))
        held = Kept(checkpoint.length, checkpoint.marks(), list(checkpoint.values()))
        if not held.values:
            checkpoint.clear()
            return None
        if checkpoint.signature != self._signature and not resumed:
            raise ResumeError.other_function(path, held.values_count)
        return held

    def take_over(self, earlier: Kept | None) -> Backlog:
        """Keep what an earlier job has finished, and return what is still to be run.

        Raises
        ------
        ResumeError
            The items are not those of the earlier job.
        """
        seen, rest = resume(self._source, earlier or _NOTHING, self._outcomes)
        note = self._note()
        if note is not None:
            self._marks = seen
        if self._checkpoint is not None:
            self._begin(self._checkpoint, seen)
        backlog = Backlog(self._source, cut=sum(mark.length for mark in seen), note=note)
        backlog.give_back(rest)
        return backlog

    def _begin(self, checkpoint: Checkpoint, seen: list[Mark]) -> None:
        checkpoint.begin(self._signature, self._length)
        for mark in seen:
            checkpoint.note_items(*mark)
        for first, values in self._outcomes.runs():
            checkpoint.note_values(first, values)
        self._outcomes.note = checkpoint.note_values

    def _signature_of(self, fn: object) -> bytes:
        # What the start-up cell has defined in the workers is code of the job, too,
        cell = start_up_cell()
        code = fn if cell is None else (fn, cell)
        try:  # and so are the methods of the items.
            return signature((code, type(self._source.item(0))))
        except LookupError:  # they are gone once they were seen, or there is none
            return signature(code)

    def _note(self) -> Callable[[int, Sequence[Any]], None] | None:
        # What can be looked at again is marked when it is asked for: that costs nothing where
        # all goes well.
        if self._checkpoint is None and self._source.seen is not None:
            return None
        return self._note_items

    def _note_items(self, first: int, items: Sequence[Any]) -> None:
        mark = Mark(first, len(items), fingerprint(items))
        self._marks.append(mark)
        if self._checkpoint is not None:
            self._checkpoint.note_items(*mark)

    def _mark_seen(self) -> None:
        seen = self._source.seen
        marked = sum(mark.length for mark in self._marks)
        if seen is not None and marked < len(seen):
            rest = seen[marked:]
            self._marks.append(Mark(marked, len(rest), _fingerprint(rest)))

    def close(self) -> None:
        """Mark the items that were seen, before anyone changes them, and close the file."""
        with Interrupts():  # so that the file is left to other jobs, whatever comes
            self._close()

    def _close(self) -> None:
        outcomes = self._outcomes
        if outcomes.errors or outcomes.finished < (self._source.length or 0):
            self._mark_seen()
        if self._checkpoint is not None:
            outcomes.note = None
            self._checkpoint.close()

    def kept(self) -> Kept:
        """Return what a later job may take over."""
        self._mark_seen()  # unless that was done
        return Kept(self._length, self._marks, list(self._outcomes.runs()))


def _fingerprint(items: Sequence[Any]) -> bytes:
    with Interrupts():  # which comes when all is noted
        try:
            return fingerprint(items)
        except BaseException:  # an item's own KeyboardInterrupt, or no memory
            return _UNLIKE_ANY
