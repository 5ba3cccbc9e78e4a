"""Take over what an earlier job over the same items has finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from parmagic.checkpoint.checkpoint import Mark
from parmagic.checkpoint.fingerprint import fingerprint
from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.piece import Piece
from parmagic.mapping.source import Source
from parmagic.report.units import count
from parmagic.worker.errors import ParmagicError
from parmagic.worker.text import safe_repr

_TO_RUN_ALL = "To run all items, do not resume, nor go on from a checkpoint"


class Kept(NamedTuple):
    """What an earlier job has left.

    Attributes
    ----------
    length
        How many items it had, or None if that was not known.
    marks
        The items that it has seen, from the first on.
    values
        Values of consecutive items, each with the index of the first.
    """

    length: int | None
    marks: Sequence[Mark]
    values: Sequence[tuple[int, Sequence[Any]]]

    @property
    def values_count(self) -> int:
        """How many values there are."""
        return sum(len(values) for _, values in self.values)


class Taken(NamedTuple):
    """What was taken of the items to see whether they are those of an earlier job.

    Attributes
    ----------
    marks
        All of them, without a gap.
    rest
        Those that have no value.
    """

    marks: list[Mark]
    rest: list[Piece]


class ResumeError(ParmagicError, ValueError):
    """The job that is to be resumed had other items, or another function."""

    @classmethod
    def other_length(cls, before: int, now: int) -> ResumeError:
        """Say that there are more or fewer items than before."""
        return cls(
            f"the items differ: the job that is to be resumed had {before:,} of them, and now there"
            f" are {now:,}. {_TO_RUN_ALL}"
        )

    @classmethod
    def other_items(cls, first: int, items: Sequence[Any]) -> ResumeError:
        """Say which items are not those of before."""
        here = f"now item {first} is {safe_repr(items[0], 60)}"
        return cls(
            f"the items differ from those of the job that is to be resumed, at item {first} or"
            f" behind it ({here}). {_TO_RUN_ALL}"
        )

    @classmethod
    def fewer_items(cls, now: int) -> ResumeError:
        """Say that the items end too early."""
        return cls(
            "the items differ from those of the job that is to be resumed: now they end behind"
            f" {count(now, 'item')}. {_TO_RUN_ALL}"
        )

    @classmethod
    def running(cls, what: str) -> ResumeError:
        """Say that the job is not over."""
        return cls(f"the job over {what!r} still runs. Wait for it, or cancel() it first")

    @classmethod
    def other_job(cls, what: str, last: str) -> ResumeError:
        """Say that the last job that did not finish has another header."""
        return cls(
            f"there is no unfinished job over {what!r}: the last one is over {last!r}, and its"
            f" results stay in parmagic.jobs[-1]. {_TO_RUN_ALL}"
        )

    @classmethod
    def other_function(cls, path: object, done: int) -> ResumeError:
        """Say that the code has changed since the checkpoint was written."""
        return cls(
            f"the function, or something that it uses, is not the one that made the {done:,}"
            f" results in {str(path)!r}. To keep these and run the rest with the new code, add"
            " --resume (in a script, resume=True); to begin anew, delete the file"
        )


def resume(source: Source, kept: Kept, outcomes: Outcomes) -> Taken:
    """Put the kept values into ``outcomes``, and return what was taken from ``source`` for that.

    A value counts if its item is marked. So where marks were lost, as in a damaged file, the
    items are run again.

    Raises
    ------
    ResumeError
        The items of ``source`` are not those of the earlier job.
    """
    _check_length(kept.length, source.length)
    for first, values in _marked_values(kept):
        outcomes.record(first, values)
    outcomes.kept = outcomes.done
    taken = Taken([], [])
    for mark, piece in _seen_again(source, kept.marks):
        taken.marks.append(mark)
        taken.rest.extend(_pending(piece, outcomes))
    return taken


def _check_length(before: int | None, now: int | None) -> None:
    if before is not None and now is not None and before != now:
        raise ResumeError.other_length(before, now)


def _marked_values(kept: Kept) -> Iterator[tuple[int, Sequence[Any]]]:
    for span in _spans(kept.marks):
        for first, values in kept.values:
            start, stop = max(first, span.start), min(first + len(values), span.stop)
            if start < stop:
                yield start, values[start - first : stop - first]


def _spans(marks: Sequence[Mark]) -> list[range]:
    """Return which items are marked: one range, if none was lost."""
    spans = [range(0)]
    for mark in marks:
        start = spans.pop().start if spans[-1].stop == mark.first else mark.first
        spans.append(range(start, mark.stop))
    return spans


def _seen_again(source: Source, marks: Sequence[Mark]) -> Iterator[tuple[Mark, Piece]]:
    """Take the items up to the last mark; yield them with theirs, or in a gap with a new one."""
    stop = 0
    for mark in marks:
        if stop < mark.first:
            gap = _take(source, stop, mark.first)
            yield Mark(stop, len(gap), fingerprint(gap.items)), gap
        piece = _take(source, mark.first, mark.stop)
        if fingerprint(piece.items) != mark.digest:
            raise ResumeError.other_items(mark.first, piece.items)
        yield mark, piece
        stop = mark.stop


def _take(source: Source, first: int, stop: int) -> Piece:
    taken = source.take(stop - first)
    while len(taken) < stop - first and len(more := source.take(stop - first - len(taken))):
        taken = [*taken, *more]
    if len(taken) < stop - first:
        raise ResumeError.fewer_items(first + len(taken))
    return Piece(first, taken)


def _pending(piece: Piece, outcomes: Outcomes) -> Iterator[Piece]:
    for run in outcomes.pending_runs(piece.first, len(piece)):
        start = run.start - piece.first
        yield piece.after(start).upto(len(run))
