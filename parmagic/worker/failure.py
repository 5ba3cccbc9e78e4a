"""An exception on its way from a worker to the kernel.

::

    exception ──pack──▶ Failure: bytes, text, places ──unpack──▶ the same class, with its frames

An exception brings others along: its cause, its context, the members of a group. Each becomes
one `Packed` whose bytes name the others by number. So each keeps its own traceback, and one
that cannot be sent does not spoil the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from parmagic.worker.bodies import from_bytes, set_slot, slot, to_bytes
from parmagic.worker.cancel import Cancelled
from parmagic.worker.errors import RemoteError
from parmagic.worker.frames import Frame, frames_of, traceback_of
from parmagic.worker.text import full_type_name, safe_str

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

# Of a long chain of causes those nearest to the exception are sent.
MAX_EXCEPTIONS = 100
MAX_NOTES = 100


class Packed(NamedTuple):
    """One exception: bytes to make it again, and what to show where they do not load.

    Attributes
    ----------
    body
        What was seen to load in the worker; empty if nothing was, and `reason` says why.
    cause, context
        The indices of these in `Failure.exceptions`.
    """

    body: bytes
    reason: str
    type_name: str
    text: str = ""
    notes: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    cause: int | None = None
    context: int | None = None
    suppress_context: bool = False


class Failure(NamedTuple):
    """An exception and those that it brings along, itself the last: builtins, safe to pickle."""

    exceptions: tuple[Packed, ...]

    @property
    def type_name(self) -> str:
        """The exception's class, as a traceback names it."""
        return self.exceptions[-1].type_name

    @property
    def text(self) -> str:
        """The exception's ``str()``."""
        return self.exceptions[-1].text


def pack(exception: BaseException) -> Failure:
    """Take ``exception`` apart, so that another process can raise it.

    Its class, arguments, attributes, notes, cause, context, group members and tracebacks are
    kept; what of them cannot be pickled is named by text. Whatever the exception does,
    nothing gets out of here but our own `Cancelled`.
    """
    try:
        return Failure(tuple(_pack(_family(exception))))
    except Cancelled:
        raise
    except BaseException as error:
        return Failure((Packed(b"", full_type_name(error), full_type_name(exception)),))


def unpack(failure: Failure) -> BaseException:
    """Make the exception that was packed, with a traceback of the frames that it had there.

    One that cannot be made here is a `RemoteError` under the same name, with a note that says
    why. Nothing gets out of here but KeyboardInterrupt.
    """
    made: list[BaseException] = []
    for packed in failure.exceptions:
        made.append(_unpack(packed, made))
    for exception, packed in zip(made, failure.exceptions, strict=True):
        _relate(exception, packed, made)
    return made[-1]


def _family(exception: BaseException) -> list[BaseException]:
    """Return ``exception`` and those that it brings along, the nearest last."""
    family = [exception]
    known = {id(exception)}
    for member in family:  # which grows meanwhile
        for relative in _relatives(member):
            if id(relative) not in known and len(family) < MAX_EXCEPTIONS:
                known.add(id(relative))
                family.append(relative)
    return family[::-1]


def _relatives(exception: BaseException) -> Iterator[BaseException]:
    yield from filter(None, (slot(exception, "__cause__"), slot(exception, "__context__")))
    if issubclass(type(exception), BaseExceptionGroup):
        yield from vars(BaseExceptionGroup)["exceptions"].__get__(exception)


def _pack(family: Sequence[BaseException]) -> Iterator[Packed]:
    numbers = {id(member): number for number, member in enumerate(family)}
    for number, member in enumerate(family):
        body, reason = _body(member, family[:number])
        yield Packed(
            body,
            reason,
            full_type_name(member),
            safe_str(member),
            _notes(member),
            frames_of(slot(member, "__traceback__")),
            numbers.get(id(slot(member, "__cause__"))),
            numbers.get(id(slot(member, "__context__"))),
            slot(member, "__suppress_context__"),
        )


def _body(exception: BaseException, others: Sequence[BaseException]) -> tuple[bytes, str]:
    try:
        return to_bytes(exception, others), ""
    except Cancelled:
        raise
    except BaseException as error:
        return b"", _reason(error)


def _reason(error: BaseException) -> str:
    return f"{full_type_name(error)}: {safe_str(error, 300)}"


def _notes(exception: BaseException) -> tuple[str, ...]:
    notes = slot(exception, "__dict__").get("__notes__")
    return tuple(map(safe_str, notes[:MAX_NOTES])) if isinstance(notes, list) else ()


def _unpack(packed: Packed, others: Sequence[BaseException]) -> BaseException:
    traceback = _traceback(packed.frames)
    exception = _made(packed, others, traceback)
    set_slot(exception, "__traceback__", traceback)
    return exception


def _traceback(frames: tuple[Frame, ...]) -> TracebackType | None:
    try:
        return traceback_of(frames)
    except Exception:
        return None  # names or lines that cannot be compiled


def _made(
    packed: Packed, others: Sequence[BaseException], traceback: TracebackType | None
) -> BaseException:
    if not packed.body:
        return _stand_in(packed, packed.reason, traceback)
    try:
        return from_bytes(packed.body, others)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return _stand_in(packed, _reason(error), traceback)


def _stand_in(packed: Packed, reason: str, traceback: TracebackType | None) -> RemoteError:
    from traceback import format_tb

    exception = RemoteError(packed.type_name, packed.text, "".join(format_tb(traceback)))
    for note in packed.notes:
        exception.add_note(note)
    exception.add_note(
        f"a RemoteError stands here for {packed.type_name}, which could not be sent: {reason}"
    )
    return exception


def _relate(exception: BaseException, packed: Packed, made: Sequence[BaseException]) -> None:
    set_slot(exception, "__cause__", None if packed.cause is None else made[packed.cause])
    set_slot(exception, "__context__", None if packed.context is None else made[packed.context])
    # Last, since a cause sets it too.
    set_slot(exception, "__suppress_context__", packed.suppress_context)
