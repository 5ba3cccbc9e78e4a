"""Whose frames a traceback shows."""

from __future__ import annotations

import copy
import pickle
import traceback
from types import TracebackType

import pytest
from IPython.core.interactiveshell import InteractiveShell

from parmagic.notebook.traceback import OwnFrames, show_own_frames_only


class Stubborn(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise RuntimeError("no attributes")


class ShowsItself(Exception):
    def _render_traceback_(self) -> list[str]:
        return ["itself"]


def failure(shell: InteractiveShell, *cells: str) -> BaseException:
    """Run cells, and return what the last one raised."""
    for cell in cells:
        result = shell.run_cell(cell, store_history=True)
    assert result.error_in_exec is not None
    return result.error_in_exec


def functions(frames: TracebackType | None) -> list[str]:
    return [each.name for each in traceback.extract_tb(frames)]


def own(error: BaseException) -> list[str]:
    render = error._render_traceback_
    assert isinstance(render, OwnFrames)
    return functions(render.frames)


def test_the_frames_of_a_cell_magic_are_those_of_its_items(shell: InteractiveShell) -> None:
    error = failure(shell, "def helper(x): return 1 / x", "%%parmap --serial x in [0]\nhelper(x)")
    assert own(error) == ["<module>", "helper"]


def test_the_frames_of_a_line_magic_are_those_around_it_too(shell: InteractiveShell) -> None:
    error = failure(
        shell,
        "def helper(x): return 1 / x",
        "def outer():\n    ys = %parmap --serial helper(x) for x in [0]",
        "outer()",
    )
    assert own(error) == ["<module>", "outer", "helper"]


def test_a_library_that_an_item_uses_is_the_users(shell: InteractiveShell) -> None:
    error = failure(shell, "%%parmap --serial x in ['{']\n__import__('json').loads(x)")
    assert own(error) == ["<module>", "loads", "decode", "raw_decode"]


def test_the_exception_itself_keeps_all_frames(shell: InteractiveShell) -> None:
    error = failure(shell, "%%parmap --serial x in [0]\n1 / x")
    assert {"run_cell_magic", "parmap"} <= set(functions(error.__traceback__))


def test_frames_of_the_kernel_and_of_an_item_on_one_line_are_one(shell: InteractiveShell) -> None:
    assert own(failure(shell, "ys = %parmap --serial 1 / x for x in [0]")) == ["<module>"]


def test_an_error_that_cannot_be_marked_is_raised_all_the_same(shell: InteractiveShell) -> None:
    shell.user_ns["Stubborn"] = Stubborn
    assert type(failure(shell, "%%parmap --serial x in [0]\nraise Stubborn")) is Stubborn


def test_an_error_that_shows_itself_still_does(shell: InteractiveShell) -> None:
    shell.user_ns["ShowsItself"] = ShowsItself
    error = failure(shell, "%%parmap --serial x in [0]\nraise ShowsItself")
    assert error._render_traceback_() == ["itself"]


@pytest.mark.parametrize(
    "copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy]
)
def test_a_marked_error_can_be_copied(copied: object) -> None:
    error = ZeroDivisionError("division by zero")
    show_own_frames_only(error, whole_cell=True)
    assert repr(copied(error)) == repr(error)


def test_a_syntax_error_of_an_item_shows_no_frames_of_ours(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    failure(shell, "%%parmap --serial x in ['1 +']\neval(x)")
    shown = capsys.readouterr().out
    assert "line 2\n    eval(x)" in shown
    assert "magic.py" not in shown
    assert "interactiveshell.py" not in shown


def test_a_syntax_error_elsewhere_is_shown_as_ever(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = []
    for load in ("load", "unload"):
        getattr(shell.extension_manager, f"{load}_extension")("parmagic")
        failure(shell, "eval('1 +')")
        texts.append(capsys.readouterr().out.replace("Cell In[2]", "Cell In[1]"))
    assert texts[0] == texts[1]
    assert "eval('1 +')" in texts[0]
    assert "structured_traceback" not in vars(shell.SyntaxTB)
