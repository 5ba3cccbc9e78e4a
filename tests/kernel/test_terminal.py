"""IPython in a terminal: no Jupyter, Ctrl-C from the keyboard, and scripts that are run."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kernels import environment, plain
from support import Gate, alive, wait_until

pexpect = pytest.importorskip("pexpect")

PROMPT = r"In \[\d+\]: $"
DEBUGGER_PROMPT = r"ipdb> $"
CONTINUATION = re.compile(r" *\.\.\.: ")


class Terminal:
    """IPython on a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"],
            env=environment(folder) | {"TERM": "dumb"},
            cwd=str(folder),
            encoding="utf-8",
            timeout=30,
            echo=False,
            dimensions=(50, 200),
        )
        self.pid = self._child.pid
        self._wait_for_prompt()

    def run(self, code: str) -> str:
        """Run a cell, and return what appears on the terminal."""
        self.start(code)
        return self._wait_for_prompt()

    def start(self, code: str) -> None:
        ending = ["", ""] if "\n" in code else []
        for line in [*code.splitlines(), *ending]:
            self._child.sendline(line)

    def debug(self, code: str, *commands: str) -> list[str]:
        """Run a cell that opens the debugger, and return what it and each command show."""
        shown = []
        for line in (code, *commands):
            self._child.sendline(line)
            shown.append(self._wait_for_prompt(f"{DEBUGGER_PROMPT}|{PROMPT}"))
        return shown

    def press_ctrl_c(self, prompt: str = PROMPT) -> str:
        """Interrupt the cell that runs, and return what appears up to the next prompt."""
        self._child.sendintr()
        return self._wait_for_prompt(prompt)

    def _wait_for_prompt(self, prompt: str = PROMPT) -> str:
        self._child.expect(prompt)
        shown = plain(self._child.before).replace("\r\n", "\n")
        return CONTINUATION.sub("", shown).strip("\n")

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def leave(self) -> int:
        """Leave IPython, and return its exit code."""
        self._child.sendline("exit")
        self._child.expect(pexpect.EOF)
        self._child.close()
        code: int = self._child.exitstatus
        return code

    def clean_up(self) -> None:
        if not self._child.closed:
            for process in self.processes() if alive(self.pid) else []:
                process.kill()
            self._child.close(force=True)


@pytest.fixture(scope="module")
def module_terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("terminal"))
    yield terminal
    terminal.clean_up()


@pytest.fixture
def terminal(module_terminal: Terminal) -> Terminal:
    module_terminal.run(
        "import os, time, parmagic; from pathlib import Path; from support import Gate"
    )
    module_terminal.run("%load_ext parmagic")
    return module_terminal


@pytest.fixture
def new_terminal(tmp_path: Path) -> Iterator[Terminal]:
    """One that the test may end."""
    terminal = Terminal(tmp_path)
    terminal.run("%load_ext parmagic")
    yield terminal
    terminal.clean_up()


def give(terminal: Terminal, gate: Gate) -> None:
    terminal.run(f"gate = Gate(Path({str(gate.folder)!r}))")


def out(shown: str) -> str:
    """Return what follows ``Out[3]:``."""
    return shown.partition("]: ")[2]


@pytest.mark.parametrize(
    "code",
    [
        "%parmap x ** 2 for x in range(3)",
        "%%parmap x in range(3)\ny = x ** 2\ny",
        "%%parmap range(3)\ndef square(x):\n    return x ** 2",
    ],
)
def test_the_results_are_shown_as_the_list_that_they_are(terminal: Terminal, code: str) -> None:
    assert out(terminal.run(code)) == "[0, 1, 4]"


def test_named_results_show_a_line_of_report(terminal: Terminal) -> None:
    assert terminal.run("%%parmap x in range(3) -> ys\nx ** 2") == "3 items done"
    assert out(terminal.run("ys")) == "[0, 1, 4]"


def test_what_items_print_appears(terminal: Terminal) -> None:
    shown = terminal.run("%%parmap --workers 1 x in range(3) -> ys\nprint('item', x)\nx")
    assert shown == "item 0\nitem 1\nitem 2\n3 items done"


def test_a_slow_map_writes_its_line_over_itself(terminal: Terminal) -> None:
    terminal.run("%config ParMagic.progress_after = 0")
    shown = terminal.run("%%parmap --workers 1 x in range(60) -> ys\ntime.sleep(0.01)\nx")
    terminal.run("%config ParMagic.progress_after = 0.5")
    empty, *lines, report = shown.split("\r")
    assert empty == ""
    assert sum("/60 · " in line for line in lines) >= 2
    assert all("/60 · " in line or not line.strip() for line in lines)
    assert report == "60 items done"


def test_an_exception_shows_the_lines_of_the_cell(terminal: Terminal) -> None:
    shown = terminal.run("%%parmap x in [2, 0]\ny = x\n1 / y")
    assert "1 of 2 items done, 1 failed" in shown or "0 of 2 items done, 1 failed" in shown
    assert "----> 3 1 / y" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "in item 1: 0" in shown
    assert "/parmagic/" not in shown
    assert "site-packages" not in shown


def test_the_debugger_shows_the_item_that_failed_and_the_cell(terminal: Terminal) -> None:
    terminal.run("def half_of(x):\n    y = 2 * x\n    return x / y")
    terminal.run("%%parmap x in [2, 0]\nz = x\nhalf_of(z)")
    opening, variables, above, ended = terminal.debug("%pardebug", "p x, y", "up", "q")
    assert opening.startswith("item 1 of 'x in [2, 0]': 0\nZeroDivisionError: division by zero\n> ")
    assert "----> 3     return x / y" in opening
    assert variables == "(0, 0)"
    assert "----> 3 half_of(z)" in above
    assert ended == ""


def test_ctrl_c_opens_the_debugger_where_the_item_hangs(terminal: Terminal, gate: Gate) -> None:
    give(terminal, gate)
    terminal.run("%%parmap --timeout 0.1 x in [5]\ny = x\ngate.enter(y)")
    terminal.start("%pardebug")
    gate.wait_for(2)
    shown = terminal.press_ctrl_c(DEBUGGER_PROMPT)
    assert "KeyboardInterrupt\n> " in shown
    above, variable, ended = terminal.debug("up", "p y", "q")
    assert "----> 3 gate.enter(y)" in above
    assert (variable, ended) == ("5", "")


def test_a_mistake_shows_what_to_write(terminal: Terminal) -> None:
    shown = terminal.run("%%parmap for x in [1]:\nx")
    assert shown.startswith("UsageError: ")
    assert "%%parmap x in [1]" in shown


def test_ctrl_c_ends_the_cell_and_keeps_the_workers(terminal: Terminal, gate: Gate) -> None:
    give(terminal, gate)
    terminal.start("%%parmap --workers 2 --chunksize 1 x in range(9)\ngate.enter(x)")
    gate.wait_for(2)
    shown = terminal.press_ctrl_c()
    assert "KeyboardInterrupt: 0 results kept in parmagic.jobs[-1]" in shown
    assert shown.count("Traceback") == 1
    assert out(terminal.run("%parmap x for x in range(3)")) == "[0, 1, 2]"
    pids = terminal.run("sorted(w.pid for w in parmagic.pool.default.running_pool().workers)")
    assert out(pids) == str(sorted(gate.pids))


def test_ctrl_c_at_the_prompt_leaves_the_workers_alone(terminal: Terminal) -> None:
    terminal.run("%parmap --workers 1 x for x in range(3)")
    before = terminal.run("%parmap os.getpid() for x in range(1)")
    assert "Traceback" not in terminal.press_ctrl_c()
    assert out(terminal.run("%parmap os.getpid() for x in range(1)")) == out(before)


SCRIPT = """
import os
from pathlib import Path
import parmagic

Path("runs").mkdir(exist_ok=True)
(Path("runs") / str(os.getpid())).touch()

def square(x):
    return x * x

class Box:
    def __init__(self, content):
        self.content = content

print(parmagic.map(square, range(4)))
print([box.content for box in parmagic.map(Box, "ab")])
"""


def test_a_script_that_is_run_uses_the_pool_and_is_not_run_by_the_workers(
    terminal: Terminal,
) -> None:
    (terminal.folder / "script.py").write_text(SCRIPT)
    terminal.run("%parpool --stop")
    assert terminal.run("%run script.py") == "[0, 1, 4, 9]\n['a', 'b']"
    assert out(terminal.run("%parmap square(x) for x in range(3)")) == "[0, 1, 4]"
    runs = {path.name for path in (terminal.folder / "runs").iterdir()}
    assert runs == {str(terminal.pid)}


def test_a_script_that_is_run_again_can_start_workers(terminal: Terminal) -> None:
    (terminal.folder / "again.py").write_text(SCRIPT)
    for _ in range(2):
        terminal.run("%parpool --stop")
        assert terminal.run("%run again.py") == "[0, 1, 4, 9]\n['a', 'b']"


def test_leaving_ipython_leaves_no_process(new_terminal: Terminal) -> None:
    assert out(new_terminal.run("%parmap x for x in range(3)")) == "[0, 1, 2]"
    started = new_terminal.processes()
    assert len(started) >= 2
    assert new_terminal.leave() == 0
    assert [process for process in started if alive(process.pid)] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_the_workers_of_a_terminal_that_is_closed_end(new_terminal: Terminal, number: int) -> None:
    new_terminal.run("%parmap x for x in range(3)")
    started = new_terminal.processes()
    assert len(started) >= 2
    os.kill(new_terminal.pid, number)
    assert wait_until(lambda: not any(alive(process.pid) for process in started), 5)
