from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from copy import copy

import pytest
import zoo

from parmagic.worker.errors import (
    ParmagicError,
    PayloadError,
    RemoteError,
    WorkerDied,
    add_item_note,
)

OURS = [
    PayloadError("cannot send 'fit'"),
    WorkerDied(worker=3, exitcode=-9, item=17, item_repr="path = 'big.tif'"),
    WorkerDied(3, None),
    RemoteError("sqlite3.Error", "locked", "  File ..."),
]


def test_a_dead_worker_is_described_with_its_item_and_the_likely_cause() -> None:
    died = WorkerDied(worker=3, exitcode=-9, item=17, item_repr="path = 'big.tif'")
    assert str(died) == (
        "worker 3 was killed by signal 9 while it ran item 17 (path = 'big.tif'). "
        "Signal 9 often means that memory ran out."
    )


@pytest.mark.parametrize(
    ("exitcode", "text"),
    [
        (-11, "was killed by signal 11. Signal 11 (segmentation fault) means a fault in C code"),
        (-6, "was killed by signal 6. Signal 6 means that C code gave up"),
        (-15, "was killed by signal 15. Signal 15 is a request to end"),
        (-64, "was killed by signal 64."),
        (-1000, "was killed by signal 1000."),
        (0xC0000005, "ended. Exit code 0xC0000005 (access violation) means a fault in C code"),
        (3, "ended. The function, or a library that it calls, ended the process with exit code 3."),
        (0, "ended. The function, or a library that it calls, ended the process with exit code 0."),
        (None, "ended."),
    ],
)
def test_the_end_of_a_worker_is_explained(exitcode: int | None, text: str) -> None:
    message = str(WorkerDied(worker=1, exitcode=exitcode))
    assert message.startswith(f"worker 1 {text}")
    assert message.endswith(".")
    assert message.count(".") == 1 + text.count(". ")


def test_in_a_list_a_dead_worker_is_one_short_line() -> None:
    died = WorkerDied(2, -11, 1, "path = 'big.tif'", output="one line\n" * 100)
    assert repr([died]) == ("[WorkerDied('worker 2 was killed by signal 11 while it ran item 1')]")


def test_an_item_without_text_is_named_by_its_index() -> None:
    assert "while it ran item 0. " in str(WorkerDied(worker=1, exitcode=-9, item=0))


@pytest.mark.parametrize("error", OURS, ids=repr)
@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy])
def test_our_errors_survive_pickling_and_copying(
    error: ParmagicError, again: Callable[[ParmagicError], ParmagicError]
) -> None:
    error.add_note("in item 3")
    other = again(error)
    assert type(other) is type(error)
    assert (str(other), repr(other)) == (str(error), repr(error))
    assert vars(other) == vars(error)


@pytest.mark.parametrize(
    ("ours", "builtin"), [(PayloadError, TypeError), (WorkerDied, RuntimeError)]
)
def test_our_errors_are_caught_under_the_builtin_names_too(
    ours: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(ours, builtin)
    assert issubclass(ours, ParmagicError)


def test_a_stand_in_is_printed_under_the_name_of_the_original() -> None:
    error = RemoteError("sqlite3.Error", "locked", "  File ...")
    assert traceback.format_exception_only(error) == ["sqlite3.Error: locked\n"]
    assert type(error).__name__ == "Error"  # what IPython prints
    assert isinstance(error, RemoteError)
    assert error.remote_traceback == "  File ..."


def test_stand_ins_for_one_class_are_of_one_class() -> None:
    assert type(RemoteError("a.Error", "x")) is type(RemoteError("a.Error", "y"))


def test_the_note_names_the_item_below_the_error() -> None:
    error = ValueError("bad")
    add_item_note(error, 17, "path = 'big.tif'")
    assert "".join(traceback.format_exception_only(error)) == (
        "ValueError: bad\nin item 17: path = 'big.tif'\n"
    )


@pytest.mark.parametrize(
    "hostile", [zoo.NotesAreNoList, zoo.Frozen, zoo.AttributesRaise, zoo.LiesAboutItself]
)
def test_an_error_that_takes_no_note_is_left_as_it_is(hostile: type[Exception]) -> None:
    add_item_note(hostile(), 17, "'big.tif'")
