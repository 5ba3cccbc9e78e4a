"""A class of the notebook, raised in another process, is the notebook's class when it is back."""

from __future__ import annotations

import io
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle
import pytest

from parmagic.worker.classes import Unpickler
from parmagic.worker.failure import Failure, unpack

CELL = """
import enum

class Kind(enum.Enum):
    SMALL = 1

class MyError(Exception):
    seen = []

    def __init__(self, number, kind=None):
        super().__init__(f"no {number}")
        self.kind = kind

    def __str__(self):
        return f"{self.args[0]} {unit}"

def fail(number):
    MyError.seen.append(number)
    raise MyError(number, Kind.SMALL)

def fail_with_a_class_of_its_own(number):
    class Own(MyError):
        pass
    raise Own(number)

class Mine(MyError):
    def again(self):
        return Other

class Other(Mine):
    def again(self):
        return Mine

def fail_with_classes_that_name_each_other(number):
    raise Other(number)
"""

WORKER = """
import cloudpickle
from parmagic.worker.failure import pack

fn = cloudpickle.loads(payload)
unit = "of the worker"
for item in items:
    try:
        fn(item)
    except Exception as error:
        connection.send(pack(error))
"""


@pytest.fixture
def notebook() -> dict[str, Any]:
    """What a notebook's variables are after the cell was run."""
    variables: dict[str, Any] = {"__name__": "__main__", "unit": "of the notebook"}
    exec(CELL, variables)
    return variables


def failures_in_a_worker(fn: Callable[[Any], Any], items: list[Any]) -> list[Failure]:
    """What a spawned process packs when ``fn`` is called there on each of the items."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    names = {"payload": cloudpickle.dumps(fn), "items": items, "connection": theirs}
    worker = spawn.Process(target=exec, args=(WORKER, names))
    with ours, theirs:
        worker.start()
        failures = [ours.recv() for _ in items]
        worker.join()
    worker.close()
    return failures


def error_of_a_worker(fn: Callable[[Any], Any]) -> Any:
    (failure,) = failures_in_a_worker(fn, [7])
    return unpack(failure)


def test_it_is_caught_by_its_class(notebook: dict[str, Any]) -> None:
    error = error_of_a_worker(notebook["fail"])
    assert type(error) is notebook["MyError"]
    assert error.kind is notebook["Kind"].SMALL


def test_the_class_is_left_as_it_is(notebook: dict[str, Any]) -> None:
    to_text = notebook["MyError"].__str__
    error = error_of_a_worker(notebook["fail"])
    notebook["unit"] = "since then"
    assert notebook["MyError"].__str__ is to_text
    assert notebook["MyError"].seen == []
    assert str(error) == "no 7 since then"


def test_a_class_that_the_function_defines_is_a_subclass_of_it(notebook: dict[str, Any]) -> None:
    to_text = notebook["MyError"].__str__
    error = error_of_a_worker(notebook["fail_with_a_class_of_its_own"])
    assert type(error).__name__ == "Own"
    assert type(error).__mro__[1] is notebook["MyError"]
    assert notebook["MyError"].__str__ is to_text


def test_classes_that_name_each_other_are_left_as_they_are(notebook: dict[str, Any]) -> None:
    error = error_of_a_worker(notebook["fail_with_classes_that_name_each_other"])
    assert type(error) is notebook["Other"]
    assert error.again() is notebook["Mine"]
    assert notebook["Mine"].again.__globals__ is notebook


def test_a_class_that_a_worker_defines_once_is_one_class_here() -> None:
    cell: dict[str, Any] = {"__name__": "__main__"}
    source = "def define():\n    class Own(Exception):\n        note = 'its own'\n    return Own\n"
    exec(source + "own = []\ndef fail(_):\n    own or own.append(define())\n    raise own[0]", cell)
    first, second = map(unpack, failures_in_a_worker(cell["fail"], [1, 2]))
    assert type(first) is type(second)
    assert type(first).note == "its own"  # type: ignore[attr-defined]


def test_what_pickle_wrote_is_read_as_usual() -> None:
    value = {"key": [1, 2.5, ValueError]}
    assert Unpickler(io.BytesIO(pickle.dumps(value))).load() == value


def test_large_buffers_are_taken_from_outside() -> None:
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(pickle.PickleBuffer(b"large"), 5, buffer_callback=buffers.append)
    assert bytes(Unpickler(io.BytesIO(body), buffers=buffers).load()) == b"large"
