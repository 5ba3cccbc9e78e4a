"""What tests of several floors need; workers import it too, so it imports little."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Return whether ``condition()`` came true in time."""
    deadline = time.monotonic() + seconds
    while not (met := bool(condition())) and time.monotonic() < deadline:
        time.sleep(0.003)
    return met


class Gate:
    """A door between processes: who comes leaves a name and a pid, and waits until it opens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def enter(self, name: object = "") -> None:
        self.note(name)
        while not (self.folder / "open").exists():
            time.sleep(0.003)

    def note(self, name: object = "") -> None:
        (self.folder / f"{name}@{os.getpid()}").touch()

    def open(self) -> None:
        (self.folder / "open").touch()

    @property
    def pids(self) -> list[int]:
        """Of those who came, one for each name."""
        return [int(path.name.rpartition("@")[2]) for path in self.folder.glob("*@*")]

    @property
    def names(self) -> set[str]:
        return {path.name.rpartition("@")[0] for path in self.folder.glob("*@*")}

    def wait_for(self, count: int = 1) -> None:
        assert wait_until(lambda: len(self.pids) >= count)


class Ended(NamedTuple):
    """What became of a script."""

    code: int
    output: str
    errors: str


class Script:
    """A Python program in a session of its own, as a terminal starts one."""

    def __init__(self, path: Path, *arguments: object, options: tuple[str, ...] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *options, path, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=path.parent,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        )
        self.pid = self._process.pid

    def line(self) -> str:
        """Wait for the next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def interrupt(self) -> None:
        """Send what Ctrl-C and Jupyter's Interrupt send: SIGINT to it and to its workers."""
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> Ended:
        """Wait for its end, and return what it wrote since the last `line`."""
        output, errors = self._process.communicate()
        return Ended(self._process.returncode, output, errors)

    def clean_up(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.communicate()


class Notebook:
    """A module ``__main__`` whose cells are run one after the other."""

    def __init__(self, main: ModuleType) -> None:
        self._names = vars(main)

    def run(self, cell: str) -> None:
        exec(compile(cell, "<cell>", "exec"), self._names)

    def __getitem__(self, name: str) -> Any:
        return self._names[name]


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
