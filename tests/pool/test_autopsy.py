"""What is said of a worker that died."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parmagic
from parmagic.worker.errors import WorkerDied


def fall(item: int) -> int:
    print("item", item, flush=item % 2 == 0)
    if item == 3:
        print("last words of", item, file=sys.stderr)
        fault()
    return item


def fault() -> None:
    ctypes.string_at(0)


def died(fn: Callable[..., Any], items: Any = range(6), **options: Any) -> WorkerDied:
    with pytest.raises(WorkerDied) as raised:
        parmagic.map(fn, items, **options)
    return raised.value


@pytest.mark.parametrize("chunksize", [1, 6])
def test_its_item_is_named_with_what_it_printed_last(chunksize: int) -> None:
    error = died(fall, chunksize=chunksize)
    assert (error.item, error.item_repr, error.exitcode) == (3, "3", -signal.SIGSEGV)
    assert error.output == "item 3\nlast words of 3\n"
    assert str(error).splitlines()[1:] == ["It printed last:", "    item 3", "    last words of 3"]


def test_what_an_earlier_job_printed_are_not_its_last_words() -> None:
    parmagic.map(print, ["the first job"], workers=1)
    assert died(lambda item: fault(), [1], workers=1).output == ""


def test_what_an_earlier_try_printed_are_not_its_last_words(tmp_path: Path) -> None:
    def fall_again(item: int) -> None:
        if (tmp_path / "tried").exists():
            fault()
        (tmp_path / "tried").touch()
        raise ValueError(print("the first try"))

    assert died(fall_again, [1], workers=1, retries=1).output == ""


def test_a_fault_in_c_has_the_traceback_of_the_python_code_that_led_there() -> None:
    error = died(fall)
    frames = traceback.extract_tb(error.__traceback__)
    names = [frame.name for frame in frames if frame.filename == __file__]
    assert names[-2:] == ["fall", "fault"]
    assert frames[-1].name == "string_at"
    behind = frames[[frame.name for frame in frames].index("fall") :]
    links = list(traceback.walk_tb(error.__traceback__))
    first_lines = {frame.f_code.co_name: frame.f_code.co_firstlineno for frame, _ in links}
    assert first_lines["fall"] == fall.__code__.co_firstlineno
    assert not any("parmagic" in frame.filename.split("/")[-2:] for frame in behind)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda: os._exit(7), "The function, or a library that it calls, ended the process"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "often means that memory ran out"),
        (os.abort, "Signal 6 means that C code gave up"),
    ],
)
def test_how_it_ended_is_said_with_what_that_often_means(
    end: Callable[[], None], said: str
) -> None:
    error = died(lambda item: end() if item == 2 else item)
    assert said in str(error)
    assert "while it ran item 2 (2)" in str(error)


class EndsWhen:
    """An object whose way to or from the worker is the end of the worker."""

    def __init__(self, number: int, moment: str) -> None:
        self.number = number
        self.moment = moment
        self.kernel = os.getpid()

    def __reduce__(self) -> Any:
        if self.moment == "pickled" and os.getpid() != self.kernel:
            os._exit(5)
        return _made, (self.number, self.moment, self.kernel)


def _made(number: int, moment: str, kernel: int) -> EndsWhen:
    if moment == "unpickled" and os.getpid() != kernel:
        os._exit(5)
    made = EndsWhen(number, moment)
    made.kernel = kernel
    return made


@pytest.mark.parametrize(
    ("moment", "said"),
    [("unpickled", "while it received item 4"), ("pickled", "while it sent the result of item 4")],
)
@pytest.mark.parametrize("chunksize", [1, 9])
def test_the_item_is_found_whose_way_was_the_end(moment: str, said: str, chunksize: int) -> None:
    items = [EndsWhen(number, moment if number == 4 else "never") for number in range(9)]
    results: Any = parmagic.map(
        lambda item: item, items, chunksize=chunksize, return_exceptions=True
    )
    assert said in str(results[4])
    others = [*results[:4], *results[5:]]
    assert [each.number for each in others] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_a_function_that_ends_each_worker_is_an_error_of_the_job() -> None:
    class Function:
        def __init__(self, kernel: int) -> None:
            if os.getpid() != kernel:
                os._exit(5)
            self.kernel = kernel

        def __reduce__(self) -> Any:
            return Function, (self.kernel,)

        def __call__(self, item: int) -> int:
            return item

    error = died(Function(os.getpid()))
    assert error.item is None
    assert "while it loaded the function" in str(error)
    assert parmagic.map(abs, [-1]) == [1]
