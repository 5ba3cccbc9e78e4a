from __future__ import annotations

import gc
import io
import json
import linecache
import os
import re
import subprocess
import sys
import traceback
import weakref
from collections.abc import Callable
from types import FunctionType, TracebackType
from typing import Any

import pytest

from parmagic.worker.frames import FIRST_FRAMES, LAST_FRAMES, Frame, frames_of, traceback_of

CELL = """\
def mean(values, *, digits=3):
    return round(sum(values) /
                 len(values), digits)

class Table:
    def row(self, *numbers):
        return [mean(n) for n in numbers]

ümläut = lambda: (1 + 1, Table().row([]))
"""


@pytest.fixture
def cell() -> Any:
    """The variables of a cell that was run, whose source linecache knows."""
    filename = "/tmp/ipykernel_1/123.py"
    linecache.cache[filename] = (len(CELL), None, CELL.splitlines(keepends=True), filename)
    variables: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CELL, filename, "exec", dont_inherit=True), variables)
    yield variables
    del linecache.cache[filename]


def raised(fn: Callable[[], object]) -> BaseException:
    try:
        fn()
    except BaseException as error:
        return error
    pytest.fail("nothing was raised")


def printed(error: BaseException, tb: TracebackType | None) -> str:
    return "".join(traceback.format_exception(type(error), error, tb))


def of_module(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The same function, but its module is called ``name``."""
    variables = {**fn.__globals__, "__name__": name}
    return FunctionType(fn.__code__, variables, closure=fn.__closure__)


def names(error: BaseException, *, skip: int) -> list[str]:
    """The functions of the frames that are sent, without the first of the traceback."""
    tb = error.__traceback__
    for _ in range(skip):
        assert tb is not None
        tb = tb.tb_next
    return [frame.name for frame in frames_of(tb)]


def call(fn: Callable[[], object]) -> object:
    return fn()


def test_python_prints_the_same_traceback_as_for_the_original(cell: Any) -> None:
    error = raised(cell["ümläut"])
    copy = traceback_of(frames_of(error.__traceback__))
    assert printed(error, copy) == printed(error, error.__traceback__)
    assert re.search(r"return round\(sum\(values\) /\n +[~^]+\n", printed(error, copy))


def test_frames_have_the_names_and_places_of_the_originals(cell: Any) -> None:
    error = raised(cell["ümläut"])
    copy = traceback_of(frames_of(error.__traceback__))
    for (frame, lineno), (original, original_lineno) in zip(
        traceback.walk_tb(copy), traceback.walk_tb(error.__traceback__), strict=True
    ):
        assert lineno == frame.f_lineno == original_lineno
        for name in ("co_filename", "co_name", "co_qualname", "co_firstlineno"):
            assert getattr(frame.f_code, name) == getattr(original.f_code, name)


def test_frames_have_the_parameters_of_the_originals_without_their_values(cell: Any) -> None:
    *_, last = traceback.walk_tb(traceback_of(frames_of(raised(cell["ümläut"]).__traceback__)))
    assert repr(dict(last[0].f_locals)) == "{'values': ..., 'digits': ...}"


def test_a_frame_that_was_sent_twice_is_the_same_the_second_time(cell: Any) -> None:
    frames = frames_of(raised(cell["ümläut"]).__traceback__)
    assert frames_of(traceback_of(frames)) == frames


def test_our_own_frames_at_the_beginning_are_left_out() -> None:
    loop, package = of_module(call, "parmagic.worker.loop"), of_module(call, "parmagic")
    users = of_module(lambda: 1 / 0, "__main__")
    error = raised(lambda: loop(lambda: None) or package(users))
    assert names(error, skip=2) == ["<lambda>"]


def test_our_own_frames_below_the_users_are_kept() -> None:
    ours = of_module(call, "parmagic.mapping.map")
    error = raised(lambda: ours(lambda: 1 / 0))
    assert names(error, skip=1) == ["<lambda>", "call", "<lambda>"]


def test_our_own_frames_are_kept_if_there_are_no_others() -> None:
    error = raised(of_module(lambda: 1 / 0, "parmagic.worker.loop"))
    assert names(error, skip=1) == ["<lambda>"]


def test_a_package_whose_name_begins_like_ours_is_not_ours() -> None:
    theirs = of_module(call, "parmagical")
    error = raised(lambda: theirs(lambda: 1 / 0))
    assert names(error, skip=2) == ["call", "<lambda>"]


def test_of_a_deep_recursion_the_first_and_the_last_frames_are_kept() -> None:
    def descend(depth: int) -> int:
        return descend(depth + 1) if depth < 500 else 1 // 0

    frames = frames_of(raised(lambda: descend(0)).__traceback__)
    assert len(frames) == FIRST_FRAMES + LAST_FRAMES
    assert [frame.name for frame in frames[:3]] == ["raised", "<lambda>", "descend"]
    assert traceback_of(frames) is not None


def test_no_traceback_is_none() -> None:
    assert frames_of(None) == ()
    assert traceback_of(()) is None


def test_where_columns_are_not_known_no_carets_are_printed(cell: Any) -> None:
    frames = frames_of(raised(cell["ümläut"]).__traceback__)
    without = [f._replace(end_lineno=f.lineno, column=-1, end_column=-1) for f in frames]
    text = printed(ValueError(), traceback_of(tuple(without)))
    assert "    return round(sum(values) /\n" in text
    assert "^" not in text


def test_a_process_without_columns_sends_none() -> None:
    source = (
        "from parmagic.worker.frames import frames_of\n"
        "try: 1 / 0\n"
        "except Exception as error: print(tuple(frames_of(error.__traceback__)[0])[4:])"
    )
    command = [sys.executable, "-X", "no_debug_ranges", "-c", source]
    output = subprocess.run(command, capture_output=True, check=True, env=environment()).stdout
    assert output.split() == b"(1, 2, -1, -1, ())".split()


@pytest.mark.parametrize(
    "frame",
    [
        Frame("x.py", 5, "f", "f", 9, 5, -1, -1, ()),  # the line lies above its function
        Frame("x.py", 5, "f", "f", 9, 7, 4, 2, ()),  # the end stands left of the beginning
        Frame("x.py", 5, "<genexpr>", "f.<locals>.<genexpr>", 5, 5, 0, 3, (".0",)),
        Frame("<string>", 1, "<module>", "<module>", 1, 1, 0, 3, ()),
        Frame("", 10**6, "", "", 1, 10**6, 0, 10**4, ("a",) * 3),
    ],
    ids=repr,
)
def test_odd_places_are_kept(frame: Frame) -> None:
    copy = traceback_of((frame,))
    assert copy is not None
    assert copy.tb_lineno == copy.tb_frame.f_lineno == frame.lineno
    assert printed(ValueError(), copy).startswith("Traceback")


def test_a_traceback_keeps_nothing_of_its_makers_alive() -> None:
    class Chunk:
        pass

    def make() -> tuple[TracebackType | None, weakref.ref[Chunk]]:
        chunk = Chunk()
        place = Frame("kept.py", 1, "f", "f", 1, 1, 0, 3, ())
        return traceback_of((place,)), weakref.ref(chunk)

    copy, chunk = make()
    gc.collect()
    assert copy is not None
    assert chunk() is None


# Python 3.13 crashed here while these were frames of generators that had ended.
def test_variables_of_the_frames_can_be_looked_at_and_cleared(cell: Any) -> None:
    copy = traceback_of(frames_of(raised(cell["ümläut"]).__traceback__))
    gc.collect()
    for _ in range(2):
        for frame, _ in traceback.walk_tb(copy):
            repr(dict(frame.f_locals))
        traceback.clear_frames(copy)
        gc.collect()
    assert printed(ValueError(), copy).startswith("Traceback")


def environment() -> dict[str, str]:
    """One in which a child finds parmagic."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


NOTEBOOK = """
import json, pickle, subprocess, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from parmagic.worker.by_value import dumps
from parmagic.worker.errors import add_item_note
from parmagic.worker.failure import unpack

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config, colors="nocolor")
cell, worker = json.load(sys.stdin)
shell.run_cell(cell)
payload = dumps(shell.user_ns["half"])
failure = subprocess.run(
    [sys.executable, "-c", worker], input=payload, capture_output=True, check=True
).stdout

texts = {}
for mode in ("Plain", "Context", "Verbose", "Minimal"):
    shell.InteractiveTB.set_mode(mode)
    error = unpack(pickle.loads(failure))
    add_item_note(error, 17, "number = 'x'")
    assert type(error) is shell.user_ns["Unsplittable"]
    texts[mode] = shell.InteractiveTB.text(type(error), error, error.__traceback__, tb_offset=0)
json.dump(texts, sys.stdout)
"""

WORKER = """
import pickle, sys
from parmagic.worker.failure import pack

half = pickle.load(sys.stdin.buffer)
__name__ = "parmagic.worker.loop"
try:
    half("x")
except Exception as error:
    pickle.dump(pack(error), sys.stdout.buffer)
"""

NOTEBOOK_CELL = """\
class Unsplittable(Exception):
    def __init__(self, what, why):
        super().__init__(f"{what}: {why}")

def split(number):
    # the line above
    return number / 2

def half(number):
    try:
        return split(number)
    except TypeError as error:
        raise Unsplittable(number, "no number") from error
"""


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """What IPython shows of an error of a worker, in each of its modes."""
    output = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        input=json.dumps([NOTEBOOK_CELL, WORKER]),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env=environment(),
    ).stdout
    found: dict[str, str] = json.load(io.StringIO(output))
    return found


def test_ipython_shows_the_lines_of_the_cell_with_an_arrow(texts: dict[str, str]) -> None:
    assert (
        "Cell In[1], line 7, in split(number)\n"
        "      5 def split(number):\n"
        "      6     # the line above\n"
        "----> 7     return number / 2\n"
    ) in texts["Context"]
    assert '---> 13     raise Unsplittable(number, "no number") from error\n' in texts["Context"]


def test_ipython_shows_the_cause_and_the_note_and_not_our_loop(texts: dict[str, str]) -> None:
    text = texts["Context"]
    assert "TypeError: unsupported operand" in text
    assert "The above exception was the direct cause" in text
    assert text.endswith("Unsplittable: x: no number\nin item 17: number = 'x'")
    assert re.findall(r"^\S.*line \d+.*", text, re.MULTILINE) == [
        "Cell In[1], line 11, in half(number)",
        "Cell In[1], line 7, in split(number)",
        "Cell In[1], line 13, in half(number)",
    ]


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("Plain", "  Cell In[1], line 13 in half\n    raise Unsplittable(number"),
        ("Verbose", "Cell In[1], line 7, in split(number=...)\n"),
        ("Minimal", "Unsplittable: x: no number\nin item 17: number = 'x'"),
    ],
)
def test_ipython_shows_it_in_all_of_its_modes(mode: str, line: str, texts: dict[str, str]) -> None:
    assert line in texts[mode]
