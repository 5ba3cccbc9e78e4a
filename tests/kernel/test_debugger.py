"""%pardebug: the item that failed again, in the kernel, under IPython's debugger."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest
from kernels import Cell, Kernel, plain
from support import Gate

HELPER = "def helper(x):\n    y = 10 * x\n    return y / x"
# What it does in a worker, and in the kernel.
ELSEWHERE = "__import__('multiprocessing').parent_process()"
END_THE_WORKER = f"%%parmap x in [5]\nif {ELSEWHERE}:\n    os._exit(3)\nx"
STICK_IN_C = f"%%parmap --timeout 0.1 x in [5]\nif {ELSEWHERE}:\n    sum(range(10 ** 11))\nx"


class Session(NamedTuple):
    """What the debugger showed: at its begin, and after each command."""

    opening: str
    shown: list[str]
    cell: Cell


def debug(kernel: Kernel, magic: str, *commands: str) -> Session:
    """Run a cell with ``%pardebug``, and give the debugger commands."""
    cell = kernel.start(magic)
    for command in commands:
        cell.answer("p '<command>'", command)
    opening, *shown = plain(cell.finish().stdout).split("'<command>'\n")
    return Session(opening, [text.strip("\n") for text in shown], cell)


def stack(where: str) -> list[tuple[str, int, str]]:
    """Return each frame that ``where`` shows: function, line, and that line's text."""
    places = re.findall(r"^[> ] (\S+)\((\d+)\)(.+)\(\)$", where, re.MULTILINE)
    assert all("/ipykernel_" in file for file, _, _ in places)
    texts = re.findall(r"^-+> \d+ (.*)$", where, re.MULTILINE)
    return [
        (function, int(line), text.strip())
        for (_, line, function), text in zip(places, texts, strict=True)
    ]


def is_calm(cell: Cell) -> bool:
    """Tell whether a cell has ended with no more than what the debugger showed."""
    return cell.succeeded and cell.kinds == ["stream"] and cell.stderr == ""


# A failing cell; the item's line; and the frames of the item.
FORMS = {
    "a loop": (
        "%%parmap x in [4, 2, 0]\n\nz = x // 2\nhelper(z)",
        "item 2 of 'x in [4, 2, 0]': 0",
        [("<module>", 4, "helper(z)"), ("helper", 3, "return y / x")],
    ),
    "a loop with a function of its own": (
        "%%parmap x in [4, 2, 0]\ndef inner(x):\n    return helper(x)\ninner(x)",
        "item 2 of 'x in [4, 2, 0]': 0",
        [
            ("<module>", 4, "inner(x)"),
            ("inner", 3, "return helper(x)"),
            ("helper", 3, "return y / x"),
        ],
    ),
    "clauses": (
        "%%parmap i in [1, 2] for x in [i, i - 1] -> ys\ni + helper(x)",
        "item 1 of 'i in [1, 2] for x in [i, i - 1]': (1, 0)",
        [("<module>", 2, "i + helper(x)"), ("helper", 3, "return y / x")],
    ),
    "a function": (
        "%%parmap [4, 2, 0]\nn = 2\ndef f(x):\n    return helper(x)",
        "item 2 of '[4, 2, 0]': 0",
        [("f", 4, "return helper(x)"), ("helper", 3, "return y / x")],
    ),
    "tuples of arguments": (
        "%%parmap --star [(4, 2), (1, 0)]\ndef f(n, x):\n    return n + helper(x)",
        "item 1 of '[(4, 2), (1, 0)]': (1, 0)",
        [("f", 3, "return n + helper(x)"), ("helper", 3, "return y / x")],
    ),
    "a line": (
        "n = 1\nys = %parmap helper(x) for x in [4, 2, 0]",
        "item 2 of 'helper(x) for x in [4, 2, 0]': 0",
        [
            ("<module>", 2, "ys = get_ipython().run_line_magic("
             "'parmap', 'helper(x) for x in [4, 2, 0]')"),
            ("helper", 3, "return y / x"),
        ],
    ),
    "a line in a function": (
        "def outer(k):\n    ys = %parmap helper(k * x) for x in [4, 0]\n    return ys\nouter(3)",
        "item 1 of 'helper(k * x) for x in [4, 0]': 0",
        [
            ("<module>", 2, "ys = get_ipython().run_line_magic("
             "'parmap', 'helper(k * x) for x in [4, 0]')"),
            ("helper", 3, "return y / x"),
        ],
    ),
    "a plain loop": (
        "%%parmap\nys = []\nfor x in [4, 2, 0]:\n    ys.append(helper(x))",
        "item 2 of 'loop': 0",
        [("<module>", 4, "ys.append(helper(x))"), ("helper", 3, "return y / x")],
    ),
    "a serial run": (
        "%%parmap --serial x in [4, 2, 0]\nhelper(x)",
        "item 2 of 'x in [4, 2, 0]': 0",
        [("<module>", 2, "helper(x)"), ("helper", 3, "return y / x")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_debugger_opens_where_the_item_fails_and_shows_the_users_frames_only(
    kernel: Kernel, form: str
) -> None:
    code, item, frames = FORMS[form]
    kernel.run(HELPER)
    assert kernel.run(code).error == "ZeroDivisionError: division by zero"
    opening, (variables, where, _), cell = debug(kernel, "%pardebug", "p x, y", "where", "q")
    assert opening.startswith(f"{item}\nZeroDivisionError: division by zero\n> ")
    assert stack(opening) == frames[-1:]
    assert variables == "(0, 0)"
    assert stack(where) == frames
    assert is_calm(cell)


def test_the_cell_that_calls_is_above_with_its_variables_and_all_its_lines(kernel: Kernel) -> None:
    kernel.run(HELPER)
    kernel.run("%%parmap x in [4, 2, 0]\n\nz = x // 2\nhelper(z)\n\nx")
    commands = ("up", "p x, z", "ll", "up", "down", "p y", "q")
    _, shown, _ = debug(kernel, "%pardebug", *commands)
    up, variables, listing, above, down, below, _ = shown
    assert stack(up) == [("<module>", 4, "helper(z)")]
    assert variables == "(0, 0)"
    assert [line.split(maxsplit=1)[-1] for line in listing.splitlines()] == [
        "# %%parmap x in [4, 2, 0]", "2", "z = x // 2", "4 helper(z)", "5", "x",
    ]  # fmt: skip
    assert above == "*** Oldest frame"
    assert stack(down) == [("helper", 3, "return y / x")]
    assert below == "0"


def test_it_begins_where_the_users_code_calls_a_library_which_is_below(kernel: Kernel) -> None:
    kernel.run("%%parmap x in ['1', '{']\nimport json\njson.loads(x)")
    opening, (down, _), _ = debug(kernel, "%pardebug", "down", "q")
    assert stack(opening) == [("<module>", 3, "json.loads(x)")]
    assert "/json/__init__.py" in down
    assert "loads()" in down


@pytest.mark.parametrize(
    ("raised", "shown"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("next(iter([]))", "StopIteration"),
        ("eval('1 +')", "SyntaxError: invalid syntax"),
        ("raise KeyError('k') from ValueError('v')", "KeyError: 'k'"),
        ("raise ExceptionGroup('g', [ValueError('v')])", "ExceptionGroup: g (1 sub-exception)"),
    ],
)
def test_any_exception_can_be_looked_into(kernel: Kernel, raised: str, shown: str) -> None:
    kernel.run(f"%%parmap x in [7]\n{raised}\nx")
    opening, (variable, _), cell = debug(kernel, "%pardebug", "p x", "q")
    assert shown in opening
    assert stack(opening) == [("<module>", 2, raised)]
    assert variable == "7"
    assert is_calm(cell)


def test_without_an_index_it_is_the_first_that_failed_even_if_a_cell_ran_well_since(
    kernel: Kernel,
) -> None:
    kernel.run("%%parmap --return-exceptions x in [1, 0, 2, 0] -> ys\n1 / x")
    kernel.run("%parmap x for x in [1, 0]")
    session = debug(kernel, "%pardebug", "q")
    assert session.opening.startswith("item 1 of 'x in [1, 0, 2, 0]': 0\n")
    session = debug(kernel, "n = 3\n%pardebug n", "q")
    assert session.opening.startswith("item 3 of 'x in [1, 0, 2, 0]': 0\n")


def test_an_item_that_runs_well_has_its_value_and_needs_no_debugger(kernel: Kernel) -> None:
    kernel.run("divisor = 0\ndef over(x):\n    return x / divisor")
    kernel.run("ys = %parmap over(x) for x in [6]")
    kernel.run("divisor = 3")
    cell = kernel.run("%pardebug")
    assert cell.stdout == (
        "item 0 of 'over(x) for x in [6]': 6\n"
        "Item 0 runs well in the kernel, with the variables as they are now.\n"
    )
    assert cell.result["text/plain"] == "2.0"
    assert kernel.run("value = %pardebug 0").result == {}
    assert kernel.value("value") == 2.0
    assert kernel.run("%pardebug 0;").result == {}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "%%parmap x in [1]\n(i for i in [x])",
            "PayloadError: cannot send the result of item 0 back: it is a generator.",
        ),
        (
            "%%parmap x in [__import__('threading').Lock()]\nx.locked()",
            "PayloadError: cannot send item 0 to the workers: it is a thread lock",
        ),
    ],
)
def test_what_only_could_not_be_sent_is_said_again(kernel: Kernel, code: str, said: str) -> None:
    assert kernel.run(code).error.startswith(said)
    cell = kernel.run("%pardebug")
    assert "runs well in the kernel: what failed was the way to a worker or back" in cell.stdout
    assert said in cell.stdout
    assert cell.kinds == ["stream", "execute_result"]


@pytest.mark.parametrize(
    ("code", "refusal", "cause"),
    [
        (END_THE_WORKER, "item 0 ended its worker", "WorkerDied: worker "),
        (STICK_IN_C, "item 0 could not be stopped", "TimeoutError: took longer than 0.1 s"),
    ],
)
def test_what_would_end_or_block_the_kernel_has_to_be_forced(
    kernel: Kernel, code: str, refusal: str, cause: str
) -> None:
    assert kernel.run(code).error.startswith(cause)
    cell = kernel.run("%pardebug")
    assert cell.stderr.startswith(f"UsageError: {refusal}")
    assert cause in cell.stderr
    assert "%pardebug --force 0\n" in cell.stderr
    assert cell.stdout == ""
    for forced in ("%pardebug --force", "%pardebug --force 0", "%pardebug 0 --force"):
        assert kernel.run(forced).result["text/plain"] == "5"


def test_interrupt_opens_the_debugger_where_the_item_hangs(kernel: Kernel, gate: Gate) -> None:
    kernel.give(gate)
    kernel.run("%%parmap --timeout 0.1 x in [5]\ny = x\ngate.enter(y)")
    cell = kernel.start("%pardebug")
    gate.wait_for(2)
    kernel.interrupt()
    shown = plain(cell.answer("up -1", "p y", "q").finish().stdout)
    assert "TimeoutError: took longer than 0.1 s. Interrupt opens the debugger" in shown
    assert "\nKeyboardInterrupt\n> " in shown
    assert shown.endswith("\n5\n")
    assert is_calm(cell)


def test_interrupt_at_the_debuggers_prompt_ends_the_cell(kernel: Kernel) -> None:
    kernel.run("%%parmap x in [0]\n1 / x")
    cell = kernel.start("%pardebug")
    cell.wait_for_prompt()
    kernel.interrupt()
    assert is_calm(cell.finish())
    assert is_calm(debug(kernel, "%pardebug", "q").cell)


def test_there_is_one_debugger_for_those_who_have_it_called_anyway(kernel: Kernel) -> None:
    kernel.run("%%parmap x in [0]\n1 / x")
    kernel.run("%pdb on")
    session = debug(kernel, "%pardebug", "q")
    kernel.run("%pdb off")
    assert is_calm(session.cell)


def test_who_leaves_at_a_breakpoint_of_the_item_has_left(kernel: Kernel) -> None:
    kernel.run("stop = False\nimport pdb")
    kernel.run("%%parmap x in [0]\nif stop:\n    pdb.set_trace()\n1 / x")
    kernel.run("stop = True")
    session = debug(kernel, "%pardebug", "p x", "q")
    assert session.shown[0] == "0"
    assert session.cell.succeeded
    assert "ZeroDivisionError" not in session.cell.stdout


@pytest.mark.parametrize("magic", ["%debug", "%tb"])
def test_one_can_come_back_to_the_failure_without_another_run(kernel: Kernel, magic: str) -> None:
    kernel.run(HELPER)
    kernel.run("%%parmap x in [0]\nprint('runs')\nhelper(x)")
    first = debug(kernel, "%pardebug", "where", "q")
    assert first.cell.stdout.startswith("item 0 of 'x in [0]': 0\nruns\n")
    if magic == "%debug":
        assert stack(debug(kernel, "%debug", "where", "q").shown[0]) == stack(first.shown[0])
    else:
        lines = re.findall(r"^-+> (\d+) (.*)$", kernel.run("%tb").traceback, re.MULTILINE)
        assert lines == [("3", "helper(x)"), ("3", "    return y / x")]


def test_what_is_not_python_has_nothing_to_look_into(kernel: Kernel) -> None:
    kernel.run("%%parmap ['1', 'z']\nf = int")
    cell = kernel.run("%pardebug")
    assert cell.error == "ValueError: invalid literal for int() with base 10: 'z'"
    assert "The debugger has nothing to show: what failed is not written in Python" in (
        cell.traceback
    )
    assert "/parmagic/" not in cell.traceback


def test_where_nobody_can_be_asked_the_traceback_is_shown(kernel: Kernel) -> None:
    kernel.run(HELPER)
    kernel.run("%%parmap x in [0]\nhelper(x)")
    cell = kernel.start("%pardebug", can_ask=False).finish()
    assert cell.error == "ZeroDivisionError: division by zero"
    assert "The debugger needs a front end that can be asked for input" in cell.traceback
    assert re.findall(r"^-+> \d+ (.*)$", cell.traceback, re.MULTILINE) == [
        "helper(x)", "    return y / x",
    ]  # fmt: skip
    assert not any(ours in cell.traceback for ours in ("/parmagic/", "Stdin", "ipdb"))


@pytest.mark.parametrize(
    ("code", "magic", "said"),
    [
        ("1", "%pardebug", "there is no job to look into yet"),
        ("1", "%pardebug 3", "there is no job to look into yet"),
        (
            "%parmap x for x in [1]",
            "%pardebug",
            "no item has failed. %pardebug 0 runs the first of 'x for x in [1]' all the same",
        ),
        ("%parmap x for x in [1]", "%pardebug 1", "'x for x in [1]' has no item 1: it has 1 item"),
        ("ys = %parmap 1 / len(x) for x in iter([[1], []])", "%pardebug 0", "item 0 is gone"),
        ("1", "%pardebug all", "%pardebug needs a whole number of 0 or more, not all"),
        ("1", "%pardebug --help", "unknown option --help. There are --force."),
    ],
)
def test_a_mistake_is_explained(
    new_kernel: Callable[[], Kernel], code: str, magic: str, said: str
) -> None:
    kernel = new_kernel()
    kernel.run(code)
    cell = kernel.run(magic)
    assert cell.stderr.startswith(f"UsageError: {said}")
    assert cell.stdout == ""


def test_an_interrupted_job_names_an_item_to_look_into(
    new_kernel: Callable[[], Kernel], gate: Gate
) -> None:
    kernel = new_kernel()
    kernel.give(gate)
    cell = kernel.start("%%parmap --chunksize 1 --workers 1 x in range(3)\nif x: gate.enter(x)")
    gate.wait_for()
    kernel.interrupt()
    cell.finish()
    said = "no item has failed. %pardebug 1 runs the first of 'x in range(3)' that has not finished"
    assert said in kernel.run("%pardebug").stderr


def test_a_coroutine_function_can_be_looked_into(kernel: Kernel) -> None:
    kernel.run("%%parmap [0]\nasync def f(x):\n    return 1 / x")
    cell = kernel.start("%pardebug", can_ask=False).finish()
    assert cell.error == "ZeroDivisionError: division by zero"


def test_a_question_mark_shows_a_manual_that_begins_with_an_example(kernel: Kernel) -> None:
    for manual in (kernel.run("%pardebug?").page, kernel.help("%pardebug")):
        assert "%pardebug 3" in "".join(manual.splitlines()[:7])
        assert "--force" in manual


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("%pard", "%pardebug"), ("%pardebug --", "--force"), ("%pardebug --f", "--force")],
)
def test_tab_completes_it(kernel: Kernel, typed: str, offered: str) -> None:
    assert offered in kernel.completions(typed)
