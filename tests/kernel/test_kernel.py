"""What a person does in a notebook, done to a real kernel."""

from __future__ import annotations

import ast

import pytest
from kernels import Kernel
from support import Gate, wait_until

# What notebooks define, a line that sends it there and back, and what is then true.
KINDS = {
    "a def": (
        "def double(x):\n    return 2 * x",
        "double(x) for x in [1, 2]",
        "got == [2, 4]",
    ),
    "a lambda": (
        "triple = lambda x: 3 * x",
        "(triple(x), triple) for x in [1, 2]",
        "[value for value, _ in got] == [3, 6] and got[1][1](5) == 15",
    ),
    "a closure": (
        "def adder(n):\n    def add(x):\n        return x + n\n    return add",
        "(add, add(1)) for add in [adder(5), adder(6)]",
        "[value for _, value in got] == [6, 7] and got[1][0](1) == 7",
    ),
    "a bound method": (
        "class Scale:\n"
        "    def __init__(self, n):\n        self.n = n\n"
        "    def apply(self, x):\n        return self.n * x",
        "(apply, apply(3)) for apply in [Scale(2).apply]",
        "got[0][1] == 6 and type(got[0][0].__self__) is Scale and got[0][0](4) == 8",
    ),
    "a function with globals, imports and helpers": (
        "import math\n"
        "import collections as c\n"
        "factor = 10\n"
        "def helper(x):\n    return math.floor(x) * factor\n"
        "def use(x):\n    return c.Counter({'x': helper(x)})",
        "use(x) for x in [1.5, 2.5]",
        "got == [c.Counter(x=10), c.Counter(x=20)]",
    ),
    "a function over a big array": (
        "import numpy as np\n"
        "big = np.arange(500_000.0)\n"
        "def rest(start):\n    return big[start:] * 2",
        "rest(start) for start in [0, 250_000]",
        "all((2 * big[start:] == rest).all() for start, rest in zip([0, 250_000], got))",
    ),
    "a dataclass": (
        "from dataclasses import dataclass, replace\n"
        "@dataclass(frozen=True)\n"
        "class Point:\n    x: int",
        "(replace(p, x=p.x + 1), type(p) is Point) for p in [Point(1)]",
        "got == [(Point(2), True)] and type(got[0][0]) is Point",
    ),
    "an Enum": (
        "from enum import Enum\n"
        "class Colour(Enum):\n    RED = 1\n    BLUE = 2",
        "(colour, colour is Colour.RED) for colour in Colour",
        "got[0][0] is Colour.RED and got[1][0] is Colour.BLUE and [same for _, same in got]"
        " == [True, False]",
    ),
    "a namedtuple": (
        "from collections import namedtuple\n"
        "Pair = namedtuple('Pair', 'a b')",
        "(pair._replace(a=0), type(pair) is Pair) for pair in [Pair(1, 2)]",
        "got == [(Pair(0, 2), True)] and type(got[0][0]) is Pair",
    ),
    "an instance of a class": (
        "class Box:\n    def __init__(self, content):\n        self.content = content",
        "(box, box.content, isinstance(box, Box)) for box in [Box([1]), Box({2})]",
        "[type(box) is Box and (box.content, there) == (content, True)"
        " for box, content, there in got] == [True, True] and got[1][1] == {2}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_notebook_defines_goes_there_and_back_and_so_does_its_redefinition(
    kernel: Kernel, kind: str
) -> None:
    definition, line, fact = KINDS[kind]
    for _ in range(2):
        assert kernel.run(definition).succeeded
        assert kernel.run(f"got = %parmap {line}").error == ""
        assert kernel.value(fact) is True


def test_the_next_run_sees_what_was_redefined(kernel: Kernel) -> None:
    results = []
    for number in (1, 2):
        kernel.run(f"part = {number}")
        kernel.run(f"class Tag:\n    value = {number}")
        kernel.run(f"def helper():\n    return part, Tag.value, {number}")
        results.append(kernel.run("%parmap helper() for _ in range(1)").result["text/plain"])
    assert results == ["[(1, 1, 1)]", "[(2, 2, 2)]"]


FORMS = {
    "a loop": "%%parmap x in xs -> ys\ny = x ** 2\ny",
    "clauses": "%%parmap x in xs for _ in [0] if x -> ys\nx ** 2",
    "a tuple target": "%%parmap i, x in enumerate(xs) -> ys\nx ** 2 + 0 * i",
    "a function": "%%parmap xs -> ys\ndef square(x):\n    return x ** 2",
    "a lambda": "%%parmap xs -> ys\nsquare = lambda x: x ** 2",
    "a class": "%%parmap xs -> ys\nclass Square(int):\n    def __new__(cls, x): return x ** 2",
    "tuples of arguments": "%%parmap --star zip(xs, [2] * 3) -> ys\npower = pow",
    "a comprehension": "ys = %parmap x ** 2 for x in xs",
    "a comprehension in brackets": "ys = %parmap [x ** 2 for x in xs]",
    "a named comprehension": "%parmap x ** 2 for x in xs -> ys",
    "a comment": "%%parmap x in xs -> ys  # -> zs\nx ** 2",
    "a comment in a line": "ys = %parmap x ** 2 for x in xs  # -> zs",
    "a comment alone": "%%parmap  # all of them\nys = [x ** 2 for x in xs]",
    "an option's name": "%%parmap -o ys x in xs\nx ** 2",
    "a cell that ends with a comprehension": "%%parmap\nn = 2\nys = [x ** n for x in xs]",
    "a cell that appends": "%%parmap\nys = []\nfor x in xs:\n    ys.append(x ** 2)",
    "a cell below another magic": "%%time\n%%parmap x in xs -> ys\nx ** 2",
    "a function below other magics": (
        "%%parmap xs -> ys\n!true\n%xmode Context\nn = %sx echo 2\n"
        "def square(x):\n    return x ** int(n[0])"
    ),
    "a generator": "%%parmap x in (x for x in xs) -> ys\nx ** 2",
    "a continued line": "ys = %parmap x ** 2 \\\n    for x in xs",
    "blank lines": "\n\n%%parmap x in xs -> ys\n\n\nx ** 2\n\n",
    "an indented cell": "%%parmap x in xs -> ys\n    y = x\n    y ** 2",
    "a serial run": "%%parmap --serial x in xs -> ys\nx ** 2",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_binds_the_same_list(kernel: Kernel, form: str) -> None:
    kernel.run("xs = [1, 2, 3]; ys = None")
    cell = kernel.run(FORMS[form])
    assert cell.error == cell.stderr == ""
    assert kernel.value("list(ys)") == [1, 4, 9]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (
            "def f(k):\n    xs = [1, 2]\n    ys = %parmap x * k for x in xs\n    return ys\nf(3)",
            "[3, 6]",
        ),
        (
            "def outer(k):\n    def inner(xs, k=k):\n        ys = %parmap [x, k] for x in xs\n"
            "        return ys\n    return inner('a')\nouter(3)",
            "[['a', 3]]",
        ),
        ("class A:\n    xs = [1, 2]\n    ys = %parmap 2 * x for x in xs\nA.ys", "[2, 4]"),
        ("for k in range(2):\n    r = %parmap x + k for x in [1]\nr", "[2]"),
        ("x = y = 0\nr = %parmap x + 1 for x in [1]\nr, x", "([2], 0)"),
    ],
)
def test_a_line_sees_the_variables_of_its_place(kernel: Kernel, cell: str, shown: str) -> None:
    assert kernel.run(cell).result["text/plain"] == shown


LOOP = "%%parmap\nys = []\nfor x in range(4):\n    ys.append(x)\n"


@pytest.mark.parametrize("last", ["ys", "z = 2\nys[:z]", "(\n    ys\n)  # done", "print(); ys"])
def test_a_cell_with_a_loop_shows_its_last_expression(kernel: Kernel, last: str) -> None:
    cell = kernel.run(LOOP + last)
    assert cell.result["text/plain"] == ("[0, 1]" if "z" in last else "[0, 1, 2, 3]")
    assert kernel.value("_ is Out[len(In) - 1] and list(_)") == ast.literal_eval(
        cell.result["text/plain"]
    )


@pytest.mark.parametrize("last", ["ys;", "None", "z = ys", "print(ys)"])
def test_a_cell_with_a_loop_has_no_result_where_the_loop_alone_has_none(
    kernel: Kernel, last: str
) -> None:
    assert kernel.run(LOOP + last).result == {}


def test_an_error_in_the_last_expression_has_its_line(kernel: Kernel) -> None:
    cell = kernel.run(LOOP + "\n\nys[9]")
    assert cell.error == "IndexError: list index out of range"
    assert "----> 7 ys[9]" in cell.traceback


def test_the_report_of_a_loop_has_the_values_of_its_items(kernel: Kernel) -> None:
    kernel.run("ys = {}")
    cell = kernel.run("%%parmap\nfor x in range(3):\n    ys[x] = x * x")
    assert "(2, 4)" in cell.shown[0]["text/html"]
    assert "(0, 4, 2)" not in cell.shown[0]["text/html"]
    assert kernel.value("parmagic.jobs[-1].values") == {0: (0, 0), 1: (1, 1), 2: (2, 4)}
    assert kernel.value("parmagic.jobs[-1].outcome(2).value") == (2, 4)
    assert kernel.value("list(parmagic.jobs[-1].result().frame().result)") == [
        (0, 0),
        (1, 1),
        (2, 4),
    ]


def test_a_loop_that_was_mended_fills_what_all_items_did(kernel: Kernel) -> None:
    kernel.run("ys = []")
    loop = "\nfor x in [1, 2, 0]:\n    ys.append(1 / x"
    assert "ZeroDivisionError" in kernel.run(f"%%parmap --workers 1 --chunksize 1{loop})").error
    assert kernel.value("parmagic.jobs[-1].values") == {0: 1.0, 1: 0.5}
    assert kernel.run(f"%%parmap --resume{loop} if x else 0)").succeeded
    assert kernel.value("ys") == [1.0, 0.5, 0]


def test_a_loop_fills_what_the_items_did_that_ran_well(kernel: Kernel) -> None:
    cell = kernel.run(
        "%%parmap --return-exceptions\nys = []\nfor x in [1, 0, 2]:\n    ys.append(1 / x)\nys"
    )
    assert cell.result["text/plain"] == "[1.0, 0.5]"
    assert kernel.value("list(parmagic.jobs[-1].errors)") == [1]


@pytest.mark.parametrize("option", ["", "--serial", "-q"])
@pytest.mark.parametrize("cell", ["x in [1, 2]\nprint(x)", "[1, 2]\ndef f(x):\n    print(x)"])
def test_a_cell_whose_items_all_give_none_has_no_result(
    kernel: Kernel, cell: str, option: str
) -> None:
    kernel.run("'before'")
    run = kernel.run(f"%%parmap {option} {cell}")
    assert run.result == {}
    shown = run.stdout + "".join(str(bundle) for bundle in run.shown)
    assert ("2 items done" in shown) is (option != "-q")
    assert "None" not in shown
    assert kernel.value("_") == "before"
    assert kernel.value("parmagic.jobs[-1].values") == {0: None, 1: None}


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("%%parmap x in [0, 1]\nx or None", "[None, 1]"), ("%%parmap x in []\nprint(x)", "[]"),
     ("%parmap print(x) for x in [0]", "[None]")],
)  # fmt: skip
def test_none_is_shown_beside_others_and_as_the_value_of_a_line(
    kernel: Kernel, cell: str, shown: str
) -> None:
    assert kernel.run(cell).result["text/plain"] == shown


def test_a_column_of_a_frame_takes_the_results(kernel: Kernel) -> None:
    kernel.run("import pandas as pd\ndf = pd.DataFrame({'x': [1, 2]})")
    cell = kernel.run("%%parmap\ndf['y'] = [x * x for x in df.x]")
    assert cell.result == {}
    assert "2 items" in cell.shown[0]["text/plain"]
    assert kernel.value("list(df.y)") == [1, 4]


@pytest.mark.parametrize(
    "cell", ["for x in [1]:\n    y = x\n    out.append(y)", "out[0] = [1 for x in [1]]"]
)
def test_what_cannot_be_filled_shows_its_line(kernel: Kernel, cell: str) -> None:
    kernel.run("out = ()")
    last = cell.splitlines()[-1]
    run = kernel.run(f"%%parmap\nz = 1\n{cell}")
    assert f"----> {len(cell.splitlines()) + 2} {last}" in run.traceback
    assert "_parmagic" not in run.traceback


def test_a_map_can_use_the_results_of_the_one_before(kernel: Kernel) -> None:
    kernel.run("%parmap x + 1 for x in range(3)")
    kernel.run("r = _")
    assert kernel.run("%parmap (x, len(r)) for x in r").result["text/plain"] == (
        "[(1, 3), (2, 3), (3, 3)]"
    )


def test_the_function_and_what_else_the_cell_defines_stay_defined(kernel: Kernel) -> None:
    kernel.run("%%parmap [3] -> cubes\nimport fractions\nn = 3\ndef cube(x):\n    return x ** n")
    assert kernel.value("(cubes, cube(2), n, fractions.__name__)") == ([27], 8, 3, "fractions")


def test_what_an_item_changes_stays_in_the_worker(kernel: Kernel) -> None:
    kernel.run("stuff = [0]\ndef change(x):\n    stuff.append(x)\n    return len(stuff)")
    kernel.run("lengths = %parmap --chunksize 1 change(x) for x in range(4)")
    assert kernel.value("stuff") == [0]


def test_the_loop_leaves_no_names_behind(kernel: Kernel) -> None:
    before = set(kernel.value("sorted(globals())"))
    kernel.run("%%parmap item in range(3) -> found\nlocal = item\nlocal")
    new = set(kernel.value("sorted(globals())")) - before
    assert {name for name in new if not name.startswith("_i")} == {"found"}


def test_the_workers_stay_for_the_next_cell(kernel: Kernel) -> None:
    kernel.run("%parpool --workers 1")
    first = kernel.run("%parmap os.getpid() for _ in range(3)").result["text/plain"]
    second = kernel.run("%%parmap _ in range(3)\nos.getpid()").result["text/plain"]
    assert first == second


@pytest.mark.parametrize("count", [1, 3])
def test_workers_sets_how_many_there_are(kernel: Kernel, gate: Gate, count: int) -> None:
    kernel.give(gate)
    cell = kernel.start(
        f"%%parmap --workers {count} --chunksize 1 x in range({count}) -> pids\n"
        "gate.enter(x)\nos.getpid()"
    )
    gate.wait_for(count)
    gate.open()
    assert cell.finish().succeeded
    assert set(kernel.value("list(pids)")) == set(gate.pids)
    assert wait_until(lambda: kernel.worker_pids() == set(gate.pids))


def test_a_number_may_be_a_name_of_the_notebook(kernel: Kernel) -> None:
    kernel.run("count = 1")
    kernel.run("%parmap --workers count x for x in range(2)")
    assert wait_until(lambda: len(kernel.worker_pids()) == 1)


def test_the_configuration_gives_the_defaults(kernel: Kernel) -> None:
    kernel.run("%parpool --stop")
    with kernel.configured(workers=1, return_exceptions=True):
        assert kernel.run("%parmap 1 / x for x in [0]").result["text/plain"] == (
            "[ZeroDivisionError('division by zero')]"
        )
        assert len(kernel.worker_pids()) == 1


@pytest.mark.parametrize("trait", ["workers", "chunksize"])
def test_a_configuration_that_cannot_be_is_refused_at_once(kernel: Kernel, trait: str) -> None:
    assert "should not be less than 1" in kernel.run(f"%config ParMagic.{trait} = 0").stderr
    assert kernel.run("%parmap x for x in [1]").result["text/plain"] == "[1]"
    kernel.run(f"%config ParMagic.{trait} = None")


def test_parpool_shows_restarts_and_stops_the_workers(kernel: Kernel) -> None:
    kernel.run("%parpool --workers 2")
    assert wait_until(lambda: len(kernel.worker_pids()) == 2)
    before = kernel.worker_pids()
    assert all(str(pid) in kernel.run("%parpool").result["text/plain"] for pid in before)
    kernel.run("%parpool --restart")
    kernel.run("%parmap x for x in range(4)")
    after = kernel.worker_pids()
    assert after
    assert not after & before
    assert "no workers" in kernel.run("%parpool --stop").result["text/plain"]
    assert kernel.worker_pids() == set()
    assert kernel.run("%parmap x for x in range(2)").result["text/plain"] == "[0, 1]"


@pytest.mark.parametrize("option", ["--workers 3", "--restart --workers=3"])
def test_parpool_tells_of_workers_that_are_still_to_start(kernel: Kernel, option: str) -> None:
    kernel.run("%parpool --stop")
    shown = kernel.run(f"%parpool {option}").result["text/plain"]
    there = sum("starting" in line for line in shown.splitlines())
    assert there + (int(shown.splitlines()[-1].split()[0]) if "to start" in shown else 0) == 3


@pytest.mark.parametrize("end", ["--restart", "--stop"])
def test_as_many_workers_start_as_were_asked_for_last(kernel: Kernel, end: str) -> None:
    kernel.run("%parpool --workers 3")
    kernel.run(f"%parpool {end}")
    kernel.run("%parmap x for x in range(2)")
    assert wait_until(lambda: len(kernel.worker_pids()) == 3)
    kernel.run("%parpool --workers 2")


def test_unloading_takes_the_magics_and_the_workers_away(kernel: Kernel) -> None:
    kernel.run("%parmap x for x in range(2)")
    workers = kernel.worker_pids()
    assert workers
    kernel.run("%unload_ext parmagic")
    left = {process.pid for process in kernel.processes()}
    assert not left & workers
    assert len(left) <= 1  # multiprocessing's tracker, which may have a queue in its care
    assert "not found" in kernel.run("%parmap x for x in range(2)").stderr
    assert "%%parmap" not in kernel.completions("%%par")
    kernel.run("%load_ext parmagic")
    assert kernel.run("%parmap x for x in range(2)").result["text/plain"] == "[0, 1]"


def test_reloading_changes_nothing(kernel: Kernel) -> None:
    kernel.run("%reload_ext parmagic")
    assert kernel.run("%parmap x for x in range(2)").result["text/plain"] == "[0, 1]"
    assert kernel.completions("%parpool --s") == ["--stop"]


# What only IPython understands, where workers would run it: what is named, and what to write.
ESCAPES = {
    "a command": (
        "x in [1]\nx\n!ls -l",
        "'!ls -l' on line 3",
        "subprocess.run('ls -l', shell=True)",
    ),
    "a command's output": (
        "x in [1]\nif x:\n    y = !echo {x}",
        "'!echo {x}' on line 3",
        "subprocess.getoutput(f'echo {x}').splitlines()",
    ),
    "a magic": ("x in [1]\n%matplotlib inline", "'%matplotlib inline' on line 2", "Move it out"),
    "a timer": ("x in [1]\n%time abs(x)", "'%time abs(x)' on line 2", "abs(x)"),
    "a cell magic": ("x in [1]\n%%time\nx", "'%%time' on line 2", "above %%parmap"),
    "a question": ("x in [1]\nx?", "'x?' on line 2", "Move it out of the body"),
    "a nested line": (
        "x in [1]\n\nys = %parmap y for y in [x]",
        "'%parmap y for y in [x]' on line 3",
        "parmagic.map(f, xs)",
    ),
    "one in a loop": ("\nfor x in [1]:\n    !ls", "'!ls' on line 3", "subprocess.run('ls'"),
    "one in the function": ("[1]\ndef f(x):\n    !ls", "'!ls' on line 3", "subprocess.run('ls'"),
}


@pytest.mark.parametrize("kind", ESCAPES)
def test_what_only_ipython_understands_is_named_as_it_was_written(
    kernel: Kernel, kind: str
) -> None:
    code, what, instead = ESCAPES[kind]
    cell = kernel.run(f"%%parmap {code}")
    assert cell.kinds == ["stream"]
    assert cell.stderr.startswith(f"UsageError: {what}")
    assert instead in cell.stderr


@pytest.mark.parametrize("option", ["--serial", "--on threads"])
def test_what_ipython_understands_runs_where_the_notebook_is(kernel: Kernel, option: str) -> None:
    kernel.run("from concurrent.futures import ThreadPoolExecutor\nthreads = ThreadPoolExecutor(1)")
    cell = kernel.run(f"%%parmap {option} x in [1, 2]\ny = !echo a\n(x, y[0])")
    assert cell.result["text/plain"] == "[(1, 'a'), (2, 'a')]"
    kernel.run("threads.shutdown()")


def test_what_stands_beside_the_loop_may_be_ipythons(kernel: Kernel) -> None:
    cell = kernel.run(
        "%%parmap\nys = !echo a\nfor x in [1]:\n    ys.append(x)\nz = !echo b\n[*ys, *z]"
    )
    assert cell.result["text/plain"] == "['a', 1, 'b']"


# Names that stand for a method of the notebook's: what is said, and what to write.
ALIASES = {
    "a loop": ("%%parmap\nadd = ys.append\nfor x in range(3): add(x)", "line 3", "ys.append(x)"),
    "a body": ("%%parmap x in range(3)\nadd(2 * x)", "line 2", "%%parmap x in range(3) -> ys"),
    "a line": ("%parmap add(x) for x in range(3)", "line 1", "%%parmap x in range(3) -> ys"),
    "an update": ("%%parmap x in range(3)\nput({x: x})", "'counts.update'", "counts.update(part)"),
    "no name": ("%%parmap x in range(3)\nhide(x)", "the 'append' of a list", "-> ys"),
}


@pytest.mark.parametrize("kind", ALIASES)
def test_a_method_that_changes_the_notebook_in_vain_is_refused(kernel: Kernel, kind: str) -> None:
    kernel.run(
        "from collections import Counter\nys, counts = [], Counter()\n"
        "add, put, hide = ys.append, counts.update, [].append"
    )
    code, what, instead = ALIASES[kind]
    cell = kernel.run(code)
    assert cell.kinds == ["stream"]
    assert cell.stderr.startswith("UsageError: ")
    assert what in cell.stderr
    assert instead in cell.stderr


# What looks like such a method, and changes nothing of the notebook's in vain.
HARMLESS = {
    "a print": "show = print",
    "a method that reads": "show = ys.count",
    "a function": "def show(x): pass",
    "a file": "import io\nshow = io.StringIO",
    "a queue": "import multiprocessing as mp\nshow = mp.get_context('spawn').SimpleQueue().put",
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_loop_that_is_run_for_what_it_does_elsewhere_is_run(kernel: Kernel, kind: str) -> None:
    kernel.run(f"ys = []\n{HARMLESS[kind]}")
    assert kernel.run("%%parmap\nfor x in range(3):\n    show(x)").stderr == ""
    kernel.run("add = ys.append")
    assert kernel.run("%%parmap x in range(3)\nadd = [].append\nadd(x)").stderr == ""
    assert kernel.run("%parmap (lambda add: add(x))(abs) for x in range(3)").stderr == ""
    assert kernel.run("%parmap [add(x) for add in [abs]] for x in range(3)").stderr == ""


def test_a_method_changes_the_notebook_where_the_notebook_is(kernel: Kernel) -> None:
    kernel.run("ys = []\nadd = ys.append")
    assert kernel.run("%%parmap --serial\nfor x in range(3):\n    add(x)").succeeded
    assert kernel.value("ys") == [0, 1, 2]


MISTAKES = {
    "an unknown option": ("%%parmap --wrokers 2 x in [1]\nx", "Did you mean --workers?"),
    "no loop and no items": ("%%parmap x of xs\nx", "neither the line of a loop"),
    "no comprehension": ("%parmap 1 + 1", "%parmap f(x) for x in xs"),
    "a name that is none": ("%%parmap x in [1] -> 2\nx", "-> ys"),
    "a sum": ("%%parmap x in [1]\ntotal += x", "'total'"),
    "an empty cell": ("%%parmap x in [1]\n# nothing", "The cell is empty"),
    "nothing to call": ("%%parmap [1]\nx = 3", "none of x can be called"),
    "no value for the name": ("%%parmap x in [1] -> ys\ny = x", "list of None"),
    "a parpool with arguments": ("%parpool 4", "%parpool takes options only"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_shown_as_a_message_without_a_traceback(kernel: Kernel, mistake: str) -> None:
    code, message = MISTAKES[mistake]
    cell = kernel.run(code)
    assert not cell.succeeded
    assert set(cell.kinds) == {"stream"}
    assert cell.stderr.startswith("UsageError: ")
    assert message in cell.stderr
    assert "Traceback" not in cell.stderr


OPTIONS = [
    "--workers",
    "--chunksize",
    "--star",
    "--return-exceptions",
    "--serial",
    "--out",
    "--quiet",
    "-o",
    "-q",
]


def test_a_question_mark_shows_a_manual_that_begins_with_an_example(kernel: Kernel) -> None:
    for manual in (
        kernel.run("%%parmap?").page,
        kernel.run("?%parmap").page,
        kernel.help("%%parmap"),
    ):
        assert "%%parmap" in "".join(manual.splitlines()[:5])
        assert [option for option in OPTIONS if option not in manual] == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%%par", "%%parmap"),
        ("%par", "%parpool"),
        ("%%parmap --", "--workers"),
        ("%%parmap -", "--chunksize"),
        ("%%parmap --re", "--return-exceptions"),
        ("%%parmap --workers 2 --qu", "--quiet"),
        ("ys = %parmap --wo", "--workers"),
        ("%parpool --", "--restart"),
        ("%%parmap num", "numbers"),
        ("%%parmap --workers num", "numbers"),
        ("ys = %parmap num", "numbers"),
        ("%%parmap x in num", "numbers"),
        ("%%parmap x in range(2)\nnum", "numbers"),
        ("%%parmap x in range(2)\n", "numbers"),
    ],
)
def test_tab_offers_options_and_names(kernel: Kernel, typed: str, offered: str) -> None:
    kernel.run("numbers = [1]")
    assert offered in kernel.completions(typed)


def test_a_cell_runs_while_a_job_runs_in_the_background(kernel: Kernel, gate: Gate) -> None:
    kernel.give(gate)
    kernel.run("%parpool --workers 2")
    kernel.run("def wait(x):\n    gate.enter(x)\n    return x")
    kernel.run("job = parmagic.map_async(wait, range(1))")
    assert kernel.run("%parmap 2 * x for x in range(3)").result["text/plain"] == "[0, 2, 4]"
    assert kernel.value("job.done()") is False
    assert kernel.run("gate.open()\nawait job").result["text/plain"] == "[0]"


def test_awaiting_a_job_lets_other_coroutines_run(kernel: Kernel, gate: Gate) -> None:
    kernel.give(gate)
    cell = kernel.run(
        "import asyncio\n"
        "async def open_gate():\n    gate.open()\n"
        "job = parmagic.map_async(gate.enter, ['a', 'b'])\n"
        "await asyncio.gather(job, open_gate())"
    )
    assert cell.result["text/plain"] == "[[None, None], None]"


def test_an_awaited_job_raises_the_items_own_exception(kernel: Kernel) -> None:
    cell = kernel.run(
        "try:\n    await parmagic.map_async(lambda x: 1 / x, [0])\n"
        "except ZeroDivisionError as error:\n    print(error.__notes__[0])"
    )
    assert cell.stdout == "in item 0: 0\n"


def test_a_map_runs_in_a_thread_of_the_kernel(kernel: Kernel) -> None:
    cell = kernel.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as threads:\n"
        "    found = list(threads.map(lambda n: parmagic.map(lambda x: x * n, [1, 2]), range(8)))\n"
        "found == [[n, 2 * n] for n in range(8)]"
    )
    assert cell.result["text/plain"] == "True"


def test_a_map_within_an_item_runs_in_its_worker(kernel: Kernel) -> None:
    cell = kernel.run("%%parmap x in [2, 3]\nparmagic.map(lambda y: y * x, [1, 2])")
    assert cell.result["text/plain"] == "[[2, 4], [3, 6]]"
