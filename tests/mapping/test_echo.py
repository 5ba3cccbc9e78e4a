"""What the items write, where it cannot be shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import Script

SCRIPT = """
import sys
import parmagic

{before}
results = parmagic.map(lambda x: print("caf\\xe9" if x == 1 else x) or x, range(4), workers=1)
print(results, results.report.outputs[1].parts, file=sys.__stderr__)
"""


def prints(before: str = "") -> str:
    return SCRIPT.format(before=before)


def test_what_a_stream_cannot_write_is_written_in_another_way(
    script: Callable[..., Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    code, output, errors = script(prints()).end()
    assert (code, output) == (0, "0\ncaf\\xe9\n2\n3\n")
    assert errors.startswith("[0, 1, 2, 3] ")


def test_where_there_is_no_stream_nothing_is_shown(script: Callable[..., Script]) -> None:
    code, output, errors = script(prints("sys.stdout = sys.stderr = None")).end()
    assert (code, output) == (0, "")
    assert errors.startswith("[0, 1, 2, 3] ")


def test_a_stream_that_was_closed_costs_a_warning_and_no_result(
    script: Callable[..., Script],
) -> None:
    code, output, errors = script(prints("sys.stdout.close()")).end()
    assert (code, output) == (0, "")
    assert errors.count("RuntimeWarning: what the items write cannot be shown here") == 1
    assert "I/O operation on closed file.); it is kept in the report" in errors
    assert "[0, 1, 2, 3] " in errors
    assert "caf" in errors.splitlines()[-1]  # in the report
