"""A result that cannot be sent, under the name that users of ``multiprocessing.Pool`` know."""

from __future__ import annotations

from multiprocessing.pool import MaybeEncodingError  # type: ignore[attr-defined]

from parmagic.worker.errors import PayloadError


class UnsendableResult(PayloadError, MaybeEncodingError):  # type: ignore[misc]  # of Any
    """What a call returned cannot be sent back.

    Attributes
    ----------
    value
        The repr of what it returned.
    exc
        The repr of the error that pickling it ended in.
    """

    def __init__(self, message: str, value: str, exc: str) -> None:
        Exception.__init__(self, message, value, exc)
        self.value = self.result = value
        self.exc = self.reason = exc

    def __str__(self) -> str:
        return str(self.args[0])


def as_pool_error(error: BaseException) -> BaseException:
    """Return what a `Pool` raises for ``error``."""
    if type(error) is not PayloadError or not error.result:
        return error
    known = UnsendableResult(str(error), error.result, error.reason)
    for note in getattr(error, "__notes__", ()):
        known.add_note(note)
    return known
