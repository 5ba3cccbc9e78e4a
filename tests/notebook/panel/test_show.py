"""The panel where there are no widgets: the same as text."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

import parmagic


def test_in_a_terminal_it_prints_the_workers_and_the_jobs(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run_cell("%parmap --workers 1 x for x in range(3)").success
    capsys.readouterr()
    assert shell.run_cell("%parpanel").success
    worker, row, *_, job = capsys.readouterr().out.splitlines()[:3]
    assert worker == "1 worker, 1 idle"
    assert row.split()[:2] == ["worker", "1"]
    assert "idle" in row
    assert "3 items" in row
    assert " · x for x in range(3) · 3 items done · " in job


def test_the_function_does_what_the_magic_does(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run_cell("%unload_ext parmagic").success
    parmagic.panel()  # which loads it
    assert "No workers yet" in capsys.readouterr().out


def test_outside_of_ipython_it_says_what_it_needs() -> None:
    with pytest.raises(RuntimeError, match="the panel needs a notebook, or IPython"):
        parmagic.panel()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--clsoe", "unknown option --clsoe. Did you mean --close?"),
        ("square", "%parpanel takes options only, not 'square': --close"),
    ],
)
def test_what_it_does_not_know_it_says(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    shell.run_cell(f"%parpanel {line}")
    written = capsys.readouterr()
    assert f"UsageError: {message}" in written.out + written.err


def test_to_close_none_is_no_error(shell: InteractiveShell) -> None:
    assert shell.run_cell("%parpanel --close").success
