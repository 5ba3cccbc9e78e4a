"""A program with a fault in it, on trial: what it tells, how it ends, what it leaves.

::

    source ──▶ program ──tell(fact)──▶ facts
                  └──▶ exit code, output, errors, and what is left of it

Each program has a session, an empty folder and a time limit of its own. What it may use
beside parmagic stands in `stage`.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, NamedTuple

from support import ROOT, Gate, alive, wait_until

LIMIT_SECONDS = 15.0
# After the end of a program, whatever ended it.
LEFT_SECONDS = 5.0

PRELUDE = """\
import os, signal, sys, threading, time
import parmagic
from faults.stage import *
from parmagic.pool.default import default_pool
"""

# In the middle of a chunk of 8, so that others are before and behind it.
GUILTY = 3
FAULTY_ITEM = """
def fn(number):
    if number == 3:
{fault}
    return number ** 2

tell(odd_ones(fn))
check()
"""


def faulty_item(fault: str) -> str:
    return FAULTY_ITEM.format(fault=indent(dedent(fault), " " * 8))


def died(exitcode: int, item: int = GUILTY) -> tuple[str, int, str, int]:
    return "WorkerDied", item, str(item), exitcode


class Ended(NamedTuple):
    """What became of a program."""

    code: int
    facts: list[Any]
    output: str
    errors: str


class Trial:
    """A program that runs.

    Parameters
    ----------
    folder
        An empty one: the program's ``gate`` is there, its TMPDIR, and where it starts.
    source
        What follows the `PRELUDE`.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self._folder = folder
        for name in ("gate", "here", "tmp"):
            (folder / name).mkdir()
        (folder / "facts").touch()
        (folder / "program.py").write_text(PRELUDE + dedent(source))
        self.gate = Gate(folder / "gate")
        with (folder / "output").open("w") as output, (folder / "errors").open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, folder / "program.py"],
                stdin=subprocess.PIPE,  # kept open: who reads it without being meant to, hangs
                stdout=output,
                stderr=errors,
                start_new_session=True,
                cwd=folder / "here",
                env={
                    **os.environ,
                    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
                    "TMPDIR": str(folder / "tmp"),
                    "TRIAL": str(folder),
                },
            )
        self.pid = self._process.pid

    @property
    def facts(self) -> list[Any]:
        """What the program has told by now."""
        lines = (self._folder / "facts").read_text().splitlines(keepends=True)
        return [ast.literal_eval(line) for line in lines if line.endswith("\n")]

    @property
    def left(self) -> list[str]:
        """Its processes, and what lies in its folder for temporary files.

        Blocks of shared memory are looked for after every test, see tests/conftest.py.
        """
        files = map(str, (self._folder / "tmp").iterdir())
        return [*map(_describe, self._processes()), *files]

    def wait_for(self, fact: Any) -> Trial:
        """Wait until the program has told ``fact``."""
        assert wait_until(lambda: fact in self.facts or not alive(self.pid), LIMIT_SECONDS)
        assert fact in self.facts, self._errors
        return self

    def signal(self, number: int) -> None:
        """Send a signal to the program alone."""
        os.kill(self.pid, number)

    def interrupt(self) -> None:
        """Send what Jupyter's Interrupt sends: SIGINT to the program and to its workers."""
        os.killpg(self.pid, signal.SIGINT)

    def end(self) -> Ended:
        """Wait for its end, and until nothing is left of it."""
        assert wait_until(lambda: not alive(self.pid), LIMIT_SECONDS), self._last_words()
        code = self._process.wait()
        assert wait_until(lambda: not self.left, LEFT_SECONDS), self.left
        return Ended(code, self.facts, (self._folder / "output").read_text(), self._errors)

    def told(self, *, noisy: bool = False) -> list[Any]:
        """Return its facts at its end, which must be a good one, and quiet unless ``noisy``."""
        ended = self.end()
        assert ended.code == 0, self._last_words()
        assert noisy or not ended.errors, ended.errors
        return ended.facts

    def clean_up(self) -> None:
        """End what should not be there."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.communicate()

    @property
    def _errors(self) -> str:
        return (self._folder / "errors").read_text()

    def _last_words(self) -> str:
        return f"{self.facts}\n{self._errors}"

    def _processes(self) -> Iterator[int]:
        # By their environment: a session can be left.
        mark = f"TRIAL={self._folder}".encode()
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    yield int(path.name)


def _describe(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return str(pid)
