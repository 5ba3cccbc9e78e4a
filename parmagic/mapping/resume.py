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


def resume(source: Source, kept: Kept, outcomes: Outcomes) -> list[Piece]:
    """Put the kept values into ``outcomes``, and return the items that were seen without one.

    Raises
    ------
    ResumeError
        The items of ``source`` are not those of the earlier job.
    """
    _check_length(kept.length, source.length)
    for first, values in kept.values:
        outcomes.record(first, values)
    outcomes.kept = outcomes.done
    return [
        pending for mark in kept.marks for pending in _pending(_seen_again(source, mark), outcomes)
    ]


def _check_length(before: int | None, now: int | None) -> None:
    if before is not None and now is not None and before != now:
        raise ResumeError.other_length(before, now)


def _seen_again(source: Source, mark: Mark) -> Piece:
    items = _take(source, mark.length)
    if len(items) < mark.length:
        raise ResumeError.fewer_items(mark.first + len(items))
    if fingerprint(items) != mark.digest:
        raise ResumeError.other_items(mark.first, items)
    return Piece(mark.first, items)


def _take(source: Source, length: int) -> Sequence[Any]:
    taken = source.take(length)
    while len(taken) < length and len(more := source.take(length - len(taken))):
        taken = [*taken, *more]
    return taken


def _pending(piece: Piece, outcomes: Outcomes) -> Iterator[Piece]:
    for run in outcomes.pending_runs(piece.first, len(piece)):
        start = run.start - piece.first
        yield piece.after(start).upto(len(run))
