from __future__ import annotations

import json
import pickle
import pickletools
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import pytest
import zoo

from parmagic.worker import failure as failures
from parmagic.worker.cancel import Cancelled
from parmagic.worker.errors import RemoteError, WorkerDied
from parmagic.worker.failure import Failure, pack, unpack
from parmagic.worker.frames import Frame

Raised = TypeVar("Raised", bound=BaseException)


def raised(error: Raised) -> Raised:
    try:
        raise error
    except BaseException:
        return error


def travelled(error: BaseException) -> BaseException:
    return unpack(pickle.loads(pickle.dumps(pack(error))))


def unpickling_error() -> Exception:
    """One with fields in C that are set by its __init__ only."""
    return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


SURVIVORS: list[Callable[[], BaseException]] = [
    lambda: ValueError("text", 7),
    lambda: KeyError("key"),
    lambda: FileNotFoundError(2, "No such file", "x.txt"),
    lambda: OSError("plain"),
    lambda: ImportError("text", name="module", path="p.py"),
    unpickling_error,
    lambda: json.JSONDecodeError("text", "document", 3),
    lambda: SyntaxError("text", ("x.py", 1, 2, "line", 1, 3)),
    lambda: subprocess.CalledProcessError(returncode=3, cmd="false"),
    lambda: WorkerDied(worker=1, exitcode=-9),
    lambda: RemoteError("sqlite3.Error", "locked"),
    lambda: SystemExit(3),
    lambda: KeyboardInterrupt("text"),
    lambda: GeneratorExit("text"),
    lambda: StopIteration(3),
    lambda: StopAsyncIteration("text"),
    lambda: ExceptionGroup("text", [ValueError(1), zoo.TakesTwo(7, "reason")]),
    lambda: BaseExceptionGroup("text", [KeyboardInterrupt()]),
    lambda: zoo.CustomGroup("text", [ValueError(1)]),
    lambda: zoo.TakesTwo(7, "reason"),
    lambda: zoo.Rewrites(7),
    lambda: zoo.KeywordOnly(code=7),
    lambda: zoo.ReduceRaises("text"),
    lambda: zoo.ReduceExits("text"),
    lambda: zoo.ReduceInterrupts("text"),
    lambda: zoo.ComesBackAsText("text"),
    lambda: zoo.ComesBackAsAnother("text"),
    lambda: zoo.ComesBackRewritten(7),
    lambda: zoo.SetstateRaises("text"),
    lambda: zoo.StrRaises("text"),
    lambda: zoo.StrExits("text"),
    lambda: zoo.StrReturnsNumber("text"),
    lambda: zoo.ReprRaises("text"),
    lambda: zoo.LiesAboutItself("text"),
    lambda: zoo.AttributesRaise("text"),
    lambda: zoo.Frozen("text"),
    lambda: zoo.FrozenDataclass(7),
    lambda: zoo.HoldsALock(7),
    lambda: zoo.NotesAreNoList("text"),
    lambda: zoo.NewTakesKeyword("text", code=7),
]


def kept(error: BaseException) -> Any:
    """What Python itself keeps for an exception, past its properties, as text."""
    attributes = dict(vars(BaseException)["__dict__"].__get__(error))
    for name in ("lock", "__notes__"):
        attributes.pop(name, None)
    return repr((type(error), vars(BaseException)["args"].__get__(error), attributes))


@pytest.mark.parametrize("make", SURVIVORS, ids=lambda make: type(make()).__name__)
def test_class_arguments_and_attributes_survive(make: Callable[[], BaseException]) -> None:
    assert kept(travelled(raised(make()))) == kept(make())


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (FileNotFoundError(2, "No such file", "x.txt"), "filename"),
        (ImportError("text", name="module"), "name"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "object"),
        (SyntaxError("text", ("x.py", 1, 2, "line", 1, 3)), "lineno"),
        (StopIteration(3), "value"),
        (SystemExit(3), "code"),
        (json.JSONDecodeError("text", "document", 3), "pos"),
        (zoo.HasSlots(3, ndim=2), "axis"),
        (np.exceptions.AxisError(3, 2), "axis"),
        (zoo.TakesTwoAsOSError(2, "No such file"), "errno"),
    ],
    ids=repr,
)
def test_fields_survive_that_are_no_attributes(error: BaseException, field: str) -> None:
    copy = travelled(error)
    assert getattr(copy, field) == getattr(error, field) is not None
    assert str(copy) == str(error)


def test_attributes_that_cannot_be_pickled_are_named_in_a_note() -> None:
    copy = travelled(raised(zoo.HoldsALock(7)))
    assert vars(copy) == {
        "code": 7,
        "__notes__": ["'lock' (_thread.lock) stayed in the worker: it cannot be pickled"],
    }


def test_arguments_that_cannot_be_pickled_become_text() -> None:
    lock = threading.Lock()
    copy = travelled(ValueError("text", lock))
    assert copy.args == ("text", repr(lock))
    assert vars(copy) == {}


def test_notes_survive() -> None:
    error = zoo.TakesTwo(7, "reason")
    error.add_note("first")
    error.add_note("second")
    assert travelled(error).__notes__ == ["first", "second"]


def test_cause_context_and_their_tracebacks_survive() -> None:
    def fail() -> None:
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError as error:
            try:
                raise KeyError("context")
            except KeyError:
                raise zoo.TakesTwo(7, "reason") from error

    with pytest.raises(zoo.TakesTwo) as caught:
        fail()
    assert printed(travelled(caught.value)) == printed(caught.value)
    assert "ZeroDivisionError" in printed(caught.value)


def printed(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_a_cause_that_is_the_context_too_stays_one_object() -> None:
    error = ValueError("effect")
    error.__cause__ = error.__context__ = KeyError("cause")
    copy = travelled(error)
    assert copy.__cause__ is copy.__context__
    assert repr(copy.__cause__) == "KeyError('cause')"


@pytest.mark.parametrize("suppress", [True, False])
def test_whether_the_context_is_shown_survives(suppress: bool) -> None:
    error = ValueError("effect")
    error.__context__ = KeyError("context")
    error.__suppress_context__ = suppress
    copy = travelled(error)
    assert copy.__suppress_context__ is suppress
    assert repr(copy.__context__) == "KeyError('context')"


def test_members_of_groups_keep_their_tracebacks_and_causes() -> None:
    effect = raised(zoo.TakesTwo(7, "reason"))
    effect.__cause__ = raised(KeyError("cause"))
    error = raised(ExceptionGroup("outer", [effect, ExceptionGroup("inner", [OSError(2, "text")])]))
    assert printed(travelled(error)) == printed(error)
    assert printed(error).count('File "') == 3


def test_members_that_cannot_be_sent_do_not_spoil_their_group() -> None:
    group = travelled(ExceptionGroup("text", [ValueError(1), zoo.of_a_class_with_a_lock()]))
    assert isinstance(group, ExceptionGroup)
    assert repr(group.exceptions[0]) == "ValueError(1)"
    assert isinstance(group.exceptions[1], RemoteError)


def test_an_exception_among_the_attributes_stays_the_cause_that_it_is() -> None:
    error = ValueError("effect")
    error.original = error.__cause__ = raised(KeyError("cause"))  # type: ignore[attr-defined]
    copy = travelled(error)
    assert copy.original is copy.__cause__  # type: ignore[attr-defined]
    assert copy.__cause__ is not None
    assert copy.__cause__.__traceback__ is not None


def test_a_circle_of_causes_and_attributes_survives() -> None:
    error, other = ValueError("one"), KeyError("other")
    error.__cause__, other.__context__ = other, error
    error.friend, other.friend = other, error  # type: ignore[attr-defined]
    copy = travelled(error)
    assert copy.__cause__ is not None
    assert copy.__cause__.__context__ is copy


def test_of_a_long_chain_the_nearest_causes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_EXCEPTIONS", 5)
    error = ValueError(0)
    last: BaseException = error
    for number in range(1, 10_000):
        last.__cause__ = last = ValueError(number)
    causes = list(chain(travelled(error)))
    assert [cause.args for cause in causes] == [(0,), (1,), (2,), (3,), (4,)]
    for cause in chain(error):  # or its end would be a recursion, too deep for Python
        cause.__cause__ = None


def chain(error: BaseException | None) -> Any:
    while error is not None:
        following = error.__cause__
        yield error
        error = following


def test_a_deep_recursion_arrives() -> None:
    def descend() -> None:
        descend()

    with pytest.raises(RecursionError) as caught:
        descend()
    error = travelled(caught.value)
    assert type(error) is RecursionError
    assert 10 < len(list(traceback.walk_tb(error.__traceback__))) <= 100


def test_what_cannot_be_made_again_is_a_remote_error_of_that_name() -> None:
    error = raised(zoo.of_a_class_with_a_lock())
    error.add_note("its note")
    error.__cause__ = KeyError("cause")
    copy = travelled(error)
    assert isinstance(copy, RemoteError)
    assert copy.type_name == "zoo.of_a_class_with_a_lock.<locals>.Local"
    assert str(copy) == "text of it"
    note, why = copy.__notes__
    assert note == "its note"
    assert why.startswith(
        f"a RemoteError stands here for {copy.type_name}, which could not be sent"
    )
    assert why.endswith(": TypeError: cannot pickle '_thread.lock' object")
    assert "in raised\n    raise error" in copy.remote_traceback
    assert printed(copy).startswith("KeyError: 'cause'")


def test_an_error_of_a_hostile_class_is_a_remote_error() -> None:
    copy = travelled(raised(zoo.ErrorOfHostileClass("text")))
    assert isinstance(copy, RemoteError)
    assert copy.type_name == "zoo.ErrorOfHostileClass"
    assert str(copy) == "text"


def test_a_class_that_cannot_be_imported_here_is_a_remote_error() -> None:
    module = ModuleType("only_there")
    exec("class Error(Exception): pass", vars(module))
    sys.modules["only_there"] = module
    try:
        failure = pack(module.Error("text"))
    finally:
        del sys.modules["only_there"]
    copy = unpack(failure)
    assert isinstance(copy, RemoteError)
    assert printed(copy) == (
        "only_there.Error: text\na RemoteError stands here for only_there.Error, which could not"
        " be sent: ModuleNotFoundError: No module named 'only_there'\n"
    )


@pytest.mark.parametrize("body", [b"", b"damaged", pickle.dumps(7), pickle.dumps((7, (), {}))])
def test_bytes_that_are_no_exception_are_a_remote_error(body: bytes) -> None:
    packed = pack(ValueError("text")).exceptions[-1]
    copy = unpack(Failure((packed._replace(body=body),)))
    assert isinstance(copy, RemoteError)
    assert str(copy) == "text"


def test_places_that_cannot_be_compiled_are_left_out() -> None:
    packed = pack(ValueError("text")).exceptions[-1]
    frame = Frame("a\0b.py", 1, "f", "f", 1, 1, 0, 3, ())
    copy = unpack(Failure((packed._replace(frames=(frame,)),)))
    assert repr(copy) == "ValueError('text')"
    assert copy.__traceback__ is None


def test_an_interrupt_that_an_exception_raises_does_not_get_out_of_pack() -> None:
    class Interrupting(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    class Unsendable:
        lock = threading.Lock()

        def __repr__(self) -> str:
            raise KeyboardInterrupt

    assert pack(raised(Interrupting())).type_name.endswith("Interrupting")
    assert pack(raised(ValueError(Unsendable()))).type_name == "ValueError"


@pytest.mark.parametrize("step", ["__str__", "__reduce__"])
def test_a_cancellation_gets_out_of_pack(step: str) -> None:
    def cancel(self: object) -> str:
        raise Cancelled

    with pytest.raises(Cancelled):
        pack(type("Hostile", (Exception,), {step: cancel})())


def test_a_failure_says_what_was_raised_without_being_unpacked() -> None:
    failure = pack(zoo.TakesTwo(7, "reason"))
    assert failure.type_name == "zoo.TakesTwo"
    assert failure.text == "reason (7)"


@pytest.mark.parametrize("make", SURVIVORS, ids=lambda make: type(make()).__name__)
def test_a_failure_pickles_as_builtins_in_our_named_tuples(
    make: Callable[[], BaseException],
) -> None:
    body = pickle.dumps(pack(raised(make())), protocol=2)
    globals_named = {arg for code, arg, _ in pickletools.genops(body) if code.name == "GLOBAL"}
    assert globals_named <= {
        "parmagic.worker.failure Failure",
        "parmagic.worker.failure Packed",
        "parmagic.worker.frames Frame",
        "_codecs encode",  # how this protocol writes bytes
    }


def test_an_exception_is_not_made_by_its_init() -> None:
    class Printing(Exception):
        made = 0

        def __init__(self, text: str) -> None:
            super().__init__(text)
            type(self).made += 1

    copy = travelled(Printing("text"))
    assert copy.args == ("text",)
    assert Printing.made == 1


def test_a_worker_imports_nothing_heavy_for_it() -> None:
    source = (
        "import sys, parmagic.worker.failure\n"
        "heavy = {'cloudpickle', 'IPython', 'numpy', 'ast', 'inspect', 'traceback'}\n"
        "print(heavy & sys.modules.keys())"
    )
    command = [sys.executable, "-S", "-c", f"import sys; sys.path = {sys.path!r}; {source}"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"set()\n"
