"""What a cell that fails shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernels import Cell, Kernel, plain

# A failing cell, after helper(x) of an earlier cell was defined to be 1 / x; and of each
# frame that is to be shown, its line in its cell and that line's text.
HELPER = "def helper(x):\n    return 1 / x"
FORMS = {
    "a loop": (
        "%%parmap x in [4, 2, 0]\n\ny = x // 2\n1 / y",
        [(4, "1 / y")],
    ),
    "a function": (
        "%%parmap [4, 2, 0]\nn = 2\ndef f(x):\n    return helper(x)",
        [(4, "return helper(x)"), (2, "return 1 / x")],
    ),
    "a lambda": (
        "%%parmap [4, 2, 0]\nf = lambda x: (\n    helper(x)\n)",
        [(3, "helper(x)"), (2, "return 1 / x")],
    ),
    "a loop with a function of its own": (
        "%%parmap x in [4, 2, 0]\ndef inner(x):\n    return helper(x)\ninner(x)",
        [(4, "inner(x)"), (3, "return helper(x)"), (2, "return 1 / x")],
    ),
    "a line in the middle of a cell": (
        "n = 1\nif n:\n    ys = %parmap helper(x) for x in [4, 2, 0]\nm = 2",
        [(3, "ys = get_ipython().run_line_magic"), (2, "return 1 / x")],
    ),
    "a line whose own expression fails": (
        "n = 1\n\nys = %parmap 1 / x for x in [4, 2, 0]",
        [(3, "ys = get_ipython().run_line_magic")],
    ),
    "a line in a function": (
        "def outer(xs):\n    ys = %parmap helper(x) for x in xs\n    return ys\nouter([4, 2, 0])",
        [(4, "outer([4, 2, 0])"), (2, "ys = get_ipython().run_line_magic"), (2, "return 1 / x")],
    ),
    "a plain loop": (
        "%%parmap\nys = []\nfor x in [4, 2, 0]:\n    ys.append(helper(x))",
        [(4, "ys.append(helper(x))"), (2, "return 1 / x")],
    ),
    "a plain comprehension": (
        "%%parmap\nn = 1\nys = [helper(x) for x in [4, 2, 0]]",
        [(3, "ys = [helper(x) for x in [4, 2, 0]]"), (2, "return 1 / x")],
    ),
    "a serial run": (
        "%%parmap --serial x in [4, 2, 0]\n\nhelper(x)",
        [(3, "helper(x)"), (2, "return 1 / x")],
    ),
}
MODES = ["Context", "Verbose", "Plain", "Minimal"]


@pytest.fixture
def in_mode(kernel: Kernel, mode: str) -> Iterator[Kernel]:
    kernel.run(f"%xmode {mode}")
    yield kernel
    kernel.run("%xmode Context")


def shows_only_the_users(cell: Cell) -> bool:
    return not any(ours in cell.traceback for ours in ("/parmagic/", "/IPython/", "site-packages"))


def frames(cell: Cell, mode: str) -> list[tuple[int, str]]:
    """Return the line of each frame that is shown, and what stands there."""
    lines = cell.traceback.splitlines()
    if mode == "Plain":
        places = [n for n, line in enumerate(lines) if line.startswith("  Cell In[")]
        return [(int(lines[n].split("line ")[1].split()[0]), lines[n + 1].strip()) for n in places]
    arrows = [line.split(maxsplit=2) for line in lines if line.startswith("---") and "> " in line]
    return [(int(number), text.strip()) for _, number, text in arrows]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS)
def test_an_exception_shows_its_class_its_lines_its_item_and_nothing_of_ours(
    in_mode: Kernel, mode: str, form: str
) -> None:
    code, expected = FORMS[form]
    in_mode.run(HELPER)
    cell = in_mode.run(code)
    assert cell.error == "ZeroDivisionError: division by zero"
    assert "in item 2: 0" in cell.traceback
    assert shows_only_the_users(cell)
    if mode != "Minimal":
        shown = frames(cell, mode)
        assert [line for line, _ in shown] == [line for line, _ in expected]
        assert all(
            text.startswith(there) for (_, text), (_, there) in zip(shown, expected, strict=True)
        )


def test_a_frame_is_named_after_its_cell(kernel: Kernel) -> None:
    helper = kernel.run(HELPER).number
    cell = kernel.run("%%parmap x in [0]\nhelper(x)")
    assert f"Cell In[{cell.number}], line 2\n" in cell.traceback
    assert f"Cell In[{helper}], line 2, in helper(x)" in cell.traceback


def test_every_turn_of_a_recursion_on_one_line_is_shown(kernel: Kernel) -> None:
    kernel.run("def down(n): return down(n - 1) if n else 1 / n")
    cell = kernel.run("ys = %parmap down(n) for n in [3]")
    assert [line for line, _ in frames(cell, "Context")] == [1, 1, 1, 1, 1]


def test_an_exception_of_one_cell_is_not_shown_with_the_lines_of_another(kernel: Kernel) -> None:
    """The same text in two cells has one cache entry in IPython."""
    for _ in range(2):
        cell = kernel.run("%%parmap x in [0]\n1 / x")
        assert f"Cell In[{cell.number}], line 2" in cell.traceback


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("code", "error", "line"),
    [
        ("%%parmap x in nothing\nx", "NameError: name 'nothing' is not defined", 1),
        ("%%parmap [1]\nn = 1\n1 / 0\ndef f(x): ...", "ZeroDivisionError: division by zero", 3),
        ("%%parmap\nfor x in [1]:\n    pass\nn = 1 / 0", "ZeroDivisionError: division by zero", 4),
        ("%%parmap\nfor x in [1]:\n    gone.append(x)", "NameError: name 'gone' is not defined", 0),
        ("ys = %parmap x for x in nothing", "NameError: name 'nothing' is not defined", 1),
        ("%%parmap x in 'one' if x / 1\nx", "TypeError: unsupported operand", 1),
        ("n = 5\nys = %parmap x for x in n", "TypeError: 'int' object is not iterable", 2),
    ],
)  # fmt: skip
def test_what_fails_in_the_kernel_shows_none_of_our_frames_either(
    in_mode: Kernel, mode: str, code: str, error: str, line: int
) -> None:
    cell = in_mode.run(code)
    assert cell.error.startswith(error)
    assert shows_only_the_users(cell)
    if line and mode != "Minimal":
        assert frames(cell, mode)[0][0] == line


def test_an_iterable_that_fails_shows_its_own_line(kernel: Kernel) -> None:
    kernel.run("def numbers():\n    yield 1\n    raise OSError('no more')")
    cell = kernel.run("%%parmap x in numbers()\nx")
    assert cell.error == "OSError: no more"
    assert shows_only_the_users(cell)
    assert frames(cell, "Context") == [(3, "raise OSError('no more')")]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("%%parmap x in [1]\nx +", 2),
        ("%%parmap x in [1]\n\nif x:\nx", 4),
        ("%%parmap [1]\ndef f(x):\n    return ]", 3),
    ],
)
def test_a_cell_that_is_not_python_looks_as_without_the_magic(
    kernel: Kernel, code: str, line: int
) -> None:
    cell = kernel.run(code)
    plain_cell = kernel.run(f"# {code.removeprefix('%%')}")
    assert cell.error.partition(":")[0] == plain_cell.error.partition(":")[0]
    assert f"Cell In[{cell.number}], line {line}\n" in cell.traceback
    assert shows_only_the_users(cell)


def test_a_syntax_error_of_an_item_keeps_its_class_and_shows_the_cell(kernel: Kernel) -> None:
    cell = kernel.run("%%parmap x in ['1 +']\n\neval(x)")
    assert cell.error.startswith("SyntaxError: invalid syntax")
    assert f"Cell In[{cell.number}], line 3\n    eval(x)" in cell.traceback
    assert "in item 0: '1 +'" in cell.traceback
    assert shows_only_the_users(cell)


def test_an_except_around_a_line_catches_the_items_class(kernel: Kernel) -> None:
    cell = kernel.run(
        "try:\n    ys = %parmap 1 / x for x in [1, 0]\n"
        "except ZeroDivisionError as error:\n    print(type(error), error.__notes__[0])"
    )
    assert cell.stdout == "<class 'ZeroDivisionError'> in item 1: 0\n"
    assert cell.kinds == ["stream"]


def test_an_exception_class_of_the_notebook_is_caught(kernel: Kernel) -> None:
    kernel.run(
        "class Refused(Exception):\n"
        "    def __init__(self, why, *, code):\n"
        "        super().__init__(why)\n        self.code = code"
    )
    cell = kernel.run(
        "def refuse(x):\n    raise Refused('no', code=x)\n"
        "try:\n    ys = %parmap refuse(x) for x in [7]\n"
        "except Refused as error:\n    print(error, error.code)"
    )
    assert cell.stdout == "no 7\n"


def test_a_caught_exception_can_be_an_item_of_the_next_map(kernel: Kernel) -> None:
    cell = kernel.run(
        "try:\n    ys = %parmap 1 / x for x in [0]\nexcept ZeroDivisionError as error:\n"
        "    caught = error\n%parmap repr(e) for e in [caught]"
    )
    assert cell.result["text/plain"] == "[\"ZeroDivisionError('division by zero')\"]"


def test_an_exception_raised_from_another_shows_both(kernel: Kernel) -> None:
    cell = kernel.run(
        "%%parmap x in [0]\ntry:\n    1 / x\nexcept ZeroDivisionError as error:\n"
        "    raise KeyError('k') from error"
    )
    assert cell.error == "KeyError: 'k'"
    assert [line for line, _ in frames(cell, "Context")] == [3, 5]
    assert shows_only_the_users(cell)


def test_exceptions_can_be_put_among_the_results(kernel: Kernel) -> None:
    kernel.run("%%parmap --return-exceptions x in [1, 0, 2] -> mixed\n1 / x")
    assert kernel.value("[type(value).__name__ for value in mixed]") == [
        "float", "ZeroDivisionError", "float",
    ]  # fmt: skip
    assert kernel.value("mixed[1].__notes__") == ["in item 1: 0"]


def test_what_had_finished_is_kept(kernel: Kernel) -> None:
    kernel.run("%%parmap --workers 1 --chunksize 1 x in [4, 2, 0, 1]\n8 // x")
    assert kernel.value("parmagic.jobs[-1].outcomes.done") >= 2


@pytest.mark.parametrize(
    ("death", "words"),
    [
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("os.kill(os.getpid(), 11)", "killed by signal 11"),
    ],
)
def test_a_worker_that_dies_is_named_with_its_item_and_the_next_cell_works(
    kernel: Kernel, death: str, words: str
) -> None:
    cell = kernel.run(f"%%parmap path in ['a.tif', 'b.tif']\nif path == 'b.tif':\n    {death}\n1")
    assert cell.error.startswith("WorkerDied: worker ")
    assert words in cell.error
    assert "item 1 ('b.tif')" in cell.error
    assert shows_only_the_users(cell)
    assert kernel.run("%parmap x for x in range(3)").result["text/plain"] == "[0, 1, 2]"


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("lock = __import__('threading').Lock()\nys = %parmap (x, lock) for x in [1]", "'lock'"),
        ("%%parmap x in [1]\nget_ipython()\nx", "Workers have no IPython"),
        ("%%parmap x in [1, __import__('threading').Lock()]\n1", "item 1"),
        ("%%parmap x in [1]\n(i for i in [1])", "the result of item 0"),
    ],
)
def test_what_cannot_be_sent_is_named(kernel: Kernel, code: str, named: str) -> None:
    cell = kernel.run(code)
    assert cell.error.startswith("PayloadError: ")
    assert named in cell.error
    assert shows_only_the_users(cell)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("raise StopIteration(4)", "StopIteration: 4"),
        ("raise GeneratorExit", "GeneratorExit: "),
        ("next(iter([]))", "StopIteration: "),
        ("assert x, 'no x'", "AssertionError: no x"),
    ],
)
def test_any_exception_of_an_item_ends_its_cell_only(
    kernel: Kernel, raised: str, error: str
) -> None:
    cell = kernel.run(f"%%parmap x in [0]\n{raised}\nx")
    assert cell.error == error
    assert "in item 0: 0" in cell.traceback
    assert kernel.run("%parmap x for x in [1]").result["text/plain"] == "[1]"


def test_an_item_whose_repr_fails_is_named_all_the_same(kernel: Kernel) -> None:
    kernel.run("class Mute:\n    def __repr__(self):\n        raise RuntimeError('never')")
    cell = kernel.run("%%parmap x in [Mute()]\n1 / 0")
    assert cell.error == "ZeroDivisionError: division by zero"
    assert "in item 0: <Mute object" in cell.traceback


FAILING = "def invert(x):\n    return 1 / x"


@pytest.fixture
def failed(kernel: Kernel) -> Cell:
    kernel.run(FAILING)
    return kernel.run("%%parmap x in [0]\ny = x\ninvert(y)")


def test_the_lines_of_the_cell_come_before_those_that_they_call(failed: Cell) -> None:
    lines = [line for line in failed.traceback.splitlines() if "---->" in line]
    assert [line.split(maxsplit=2)[2] for line in lines] == ["invert(y)", "return 1 / x"]


@pytest.mark.usefixtures("failed")
def test_tb_shows_the_last_error_again_without_our_frames(kernel: Kernel, failed: Cell) -> None:
    again = kernel.run("%tb")
    shown = again.stdout + again.stderr + again.traceback
    assert "----> 3 invert(y)" in plain(shown)
    assert "ZeroDivisionError: division by zero" in plain(shown)
    assert "parmagic/" not in plain(shown)


@pytest.mark.usefixtures("failed")
def test_the_last_error_is_where_debuggers_look_for_it(kernel: Kernel) -> None:
    kernel.run("import sys")
    assert kernel.value("type(sys.last_value).__name__") == "ZeroDivisionError"
    assert kernel.value("sys.last_value.__notes__[0]") == "in item 0: 0"
    assert kernel.value("sys.last_value.__traceback__ is not None")


def test_our_frames_are_shown_to_those_who_ask(kernel: Kernel) -> None:
    with kernel.configured(all_frames=True):
        cell = kernel.run("%%parmap x in [0]\n1 / x")
    assert "----> 2 1 / x" in cell.traceback
    assert "mapping/job.py" in cell.traceback
    assert "hidden" not in cell.traceback


@pytest.mark.parametrize("raised", ["the group", "another, from it"])
def test_a_group_of_exceptions_is_shown_with_the_users_lines_only(
    kernel: Kernel, raised: str
) -> None:
    body = 'raise ExceptionGroup("several", [ValueError(x), TypeError("b")])'
    if raised != "the group":
        body = (
            f"try:\n    {body}\nexcept ExceptionGroup as group:\n    raise KeyError(x) from group"
        )
    cell = kernel.run(f"%%parmap x in range(3)\n{body}")
    assert not cell.succeeded
    shown = cell.stderr + cell.stdout + cell.traceback
    assert "ValueError: 0" in shown
    assert "TypeError: b" in shown
    assert "several (2 sub-exceptions)" in shown
    assert 'raise ExceptionGroup("several"' in shown
    assert "magic.py" not in shown
    assert "job.py" not in shown


def test_a_breakpoint_in_an_item_says_where_it_works(kernel: Kernel) -> None:
    cell = kernel.run("%%parmap x in range(2)\ny = x\nbreakpoint()")
    assert "no keyboard" in cell.error
    assert "--serial" in cell.error
    assert "(3, 'breakpoint()')" in str(frames(cell, "Context"))


def test_a_forgotten_star_is_named(kernel: Kernel) -> None:
    cell = kernel.run("%%parmap zip([1, 2], [3, 4])\ndef add(x, y): return x + y")
    assert "missing 1 required positional argument: 'y'" in cell.error
    assert "with --star (star=True) it is called as add(*item)" in cell.traceback
    assert shows_only_the_users(cell)
