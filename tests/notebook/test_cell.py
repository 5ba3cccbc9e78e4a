"""Cells are planned, run the way the magic runs them, and compared with ordinary Python."""

import ast
import copy
import inspect
import itertools
import pickle
import random
import traceback
import warnings
from types import FunctionType, ModuleType

import pytest
from IPython.core.error import UsageError

from parmagic.notebook.cell import FUNCTION, REPLAY, Plan, plan_cell, plan_line

NOTEBOOK = """
import collections, itertools, math
xs = [3, 1, 2]
ys = [10, 20]
pairs = [(1, 'a'), (2, 'b')]
rows = [[1, 2, 3], [4, 5]]
nested = [((1, 2), [3, 4]), ((5, 6), [7])]
words = 'one in two -> three in one'.split()
flag = True
offset = 100
out = []
seen = set()
table = {}
counts = collections.Counter()
groups = collections.defaultdict(list)
grid = [[0] * 3 for _ in range(4)]
total = 1000
def double(x): return 2 * x
"""


class Boom(Exception):
    """What the cells of this module raise."""


def notebook() -> dict:
    namespace = {"Boom": Boom}
    exec(NOTEBOOK, namespace)
    return namespace


def a_copy(namespace: dict) -> dict:
    """The notebook's variables as a worker sees them."""
    shared = (ModuleType, FunctionType, type)
    return {
        name: value if name == "__builtins__" or isinstance(value, shared) else copy.deepcopy(value)
        for name, value in namespace.items()
    }


def define(tree: ast.Module, name: str, namespace: dict) -> FunctionType:
    scope: dict = {}
    exec(compile(tree, "<cell>", "exec"), namespace, scope)
    return scope[name]


def run(plan: Plan, namespace: dict) -> object:
    """Do what the magic does, one item after the other, with a copy of all that is sent."""
    if plan.before:
        exec(compile(plan.before, "<cell>", "exec"), namespace)
    items = list(eval(compile(plan.items, "<cell>", "eval"), namespace))
    results = [call(plan, pickle.loads(pickle.dumps(item)), a_copy(namespace)) for item in items]
    results = pickle.loads(pickle.dumps(results))
    if plan.target:
        namespace[plan.target] = results
    if plan.replay:
        define(plan.replay, REPLAY, namespace)(results)
    if plan.after:
        exec(compile(plan.after, "<cell>", "exec"), namespace)
    if plan.last:
        return eval(compile(plan.last, "<cell>", "eval"), namespace)
    return results


def call(plan: Plan, item: object, namespace: dict) -> object:
    if plan.function:
        fn = define(plan.function, FUNCTION, namespace)
    else:
        fn = next(namespace[name] for name in plan.candidates if callable(namespace[name]))
    return fn(*item) if plan.star else fn(item)


# The loop form.

LOOPS = [
    # header, body, the same in ordinary Python
    ("x in xs", "x", "[x for x in xs]"),
    ("x in xs", "x;", "[x for x in xs]"),
    ("  x in xs  ", "x", "[x for x in xs]"),
    ("x in xs  # a note", "x", "[x for x in xs]"),
    ("x in xs", "y = x + 1\ny * y", "[(x + 1) ** 2 for x in xs]"),
    ("x in xs", "x + offset", "[x + offset for x in xs]"),
    ("x in xs", "x = x + 1", "[None for x in xs]"),
    ("x in xs", "x += 1\nx", "[x + 1 for x in xs]"),
    ("x in xs", "pass", "[None for x in xs]"),
    ("x in xs", "'a string'", "['a string' for x in xs]"),
    ("x in xs", "'a docstring'\nx", "[x for x in xs]"),
    ("x in xs", "'''two\n  lines'''", "['two\\n  lines' for x in xs]"),
    ("x in range(5)", "double(x)", "[double(x) for x in range(5)]"),
    ("x in range(10)[2:8:3]", "x", "[2, 5]"),
    ("i, x in enumerate(xs)", "i * x", "[i * x for i, x in enumerate(xs)]"),
    ("x, y in zip(xs, ys)", "x - y", "[x - y for x, y in zip(xs, ys)]"),
    ("(x, y) in zip(xs, ys)", "x - y", "[x - y for x, y in zip(xs, ys)]"),
    ("[x, y] in zip(xs, ys)", "x - y", "[x - y for x, y in zip(xs, ys)]"),
    ("x, in zip(xs)", "x", "xs"),
    ("first, *rest in rows", "first, rest", "[(r[0], r[1:]) for r in rows]"),
    ("(a, b), [c, *d] in nested", "a, b, c, d", "[(a, b, c, d) for (a, b), [c, *d] in nested]"),
    ("x, x in pairs", "x", "[x for x, x in pairs]"),
    ("_ in range(3)", "offset", "[offset for _ in range(3)]"),
    ("() in [(), ()]", "1", "[1, 1]"),
    ("x in xs if x > 1", "x", "[x for x in xs if x > 1]"),
    ("x in xs if x > 1 if x < 3", "x", "[x for x in xs if x > 1 if x < 3]"),
    ("x in xs if x in ys or x in words or x", "x", "[x for x in xs if x in ys or x]"),
    ("i, x in enumerate(xs) if i", "i, x", "[(i, x) for i, x in enumerate(xs) if i]"),
    ("x in xs for y in ys", "x * y", "[x * y for x in xs for y in ys]"),
    ("x in xs for y in range(x)", "x, y", "[(x, y) for x in xs for y in range(x)]"),
    ("x in xs for y in ys if x * y > 20", "x * y", "[x * y for x in xs for y in ys if x * y > 20]"),
    ("row in rows for x in row", "row, x", "[(row, x) for row in rows for x in row]"),
    ("x in rows for x in x", "x", "[x for x in rows for x in x]"),
    ("(a, b), c in nested for a in c", "a, b, c", "[(a, b, c) for (a, b), c in nested for a in c]"),
    ("() in [()] for _ in range(2) if ()", "1", "[]"),
    ("x in xs if (y := x * 2) > 2", "x, y", "[(x, y) for x in xs if (y := x * 2) > 2]"),
    ("x in [y for y in ys]", "x", "[x for x in [y for y in ys]]"),
    ("x in (y for y in ys if y > 10)", "x", "[20]"),
    ("x in {'for': 1, 'in': 2}", "x", "['for', 'in']"),
    ("x in map(lambda x: x * 2, xs)", "x", "[2 * x for x in xs]"),
    ("x in sorted(xs, key=lambda v: -v)", "x", "[3, 2, 1]"),
    ("x in xs if (lambda v: v > 1)(x)", "x", "[3, 2]"),
    ("w in 'a in b -> c'.split(' in ')", "w", "['a', 'b -> c']"),
    ("x in (xs if flag else ys)", "x", "[x for x in xs]"),
    ("größe in xs", "größe", "[x for x in xs]"),
    ("ﬁ in xs", "fi", "[x for x in xs]"),
    # What a loop takes, but no comprehension.
    ("x in 1, 2, 3", "x", "[1, 2, 3]"),
    ("x in *xs, *ys", "x", "[*xs, *ys]"),
    ("x in xs if flag else ys", "x", "[x for x in xs]"),
    ("x in (found := xs)", "x, len(found)", "[(x, 3) for x in xs]"),
    # What a body may do.
    ("x in xs", "import math as m\nm.sqrt(x)", "[math.sqrt(x) for x in xs]"),
    ("x in xs", "import os.path\nos.path.sep.join('ab')", "['a/b' for x in xs]"),
    ("x in xs", "from math import sqrt\nsqrt(x)", "[math.sqrt(x) for x in xs]"),
    ("x in xs", "def f(v):\n    return v + x\nf(1)", "[x + 1 for x in xs]"),
    ("x in xs", "def f():\n    for i in range(9):\n        yield i\nsum(f())", "[36 for x in xs]"),
    ("x in xs", "class A:\n    y = x\nA.y", "[x for x in xs]"),
    ("x in xs", "class A:\n    x = 1\n    y = x\nA.y", "[1 for x in xs]"),
    ("x in xs", "own_x = x\nclass A:\n    x = own_x\nA.x", "[x for x in xs]"),
    ("x in xs", "(lambda total: total + x)(1)", "[x + 1 for x in xs]"),
    ("x in xs", "total = 0\nfor y in ys:\n    total += y * x\ntotal", "[30 * x for x in xs]"),
    ("x in xs", "i = 0\nwhile True:\n    i += x\n    if i > 3: break\ni", "[6, 4, 4]"),
    ("x in xs", "for y in ys:\n    if x: continue\n    z = 1\nx", "[x for x in xs]"),
    ("x in xs", "for y in ys:\n    last = y\nlast", "[20 for x in xs]"),
    ("x in xs", "while x:\n    x -= 1\n    y = x\ny", "[0 for x in xs]"),
    ("x in xs", "mine = []\nmine.append(x)\nmine", "[[x] for x in xs]"),
    ("x in xs", "mine = {}\nmine[x] = 1\nmine.update(a=2)\nmine", "[{x: 1, 'a': 2} for x in xs]"),
    ("row in rows", "row.append(0)\nrow[0] = 9\nrow", "[[9, *row[1:], 0] for row in rows]"),
    ("x in xs", "with open('/dev/null') as f:\n    y = f.read()\ny", "['' for x in xs]"),
    (
        "x in xs",
        "try:\n    y = 1 // (x - 1)\nexcept ZeroDivisionError:\n    y = None\ny",
        "[0, None, 1]",
    ),
    ("x in xs", "try:\n    y = x\nexcept Exception as e:\n    raise\nelse:\n    z = y\nz", "xs"),
    ("x in xs", "try:\n    pass\nfinally:\n    y = x\ny", "xs"),
    ("x in xs", "if x > 1:\n    y = 1\nelif x:\n    y = 2\nelse:\n    raise Boom\ny", "[1, 2, 1]"),
    ("x in xs", "match x:\n    case 1: y = 'a'\n    case n: y = n\ny", "[3, 'a', 2]"),
    ("p in pairs", "match p:\n    case (a, b) if flag: c = b\n    case _: c = 0\nc", "['a', 'b']"),
    ("x in xs", "if (y := x) > 1:\n    y = 0\ny", "[0, 1, 0]"),
    ("x in xs", "zs = [z for z in xs]\nz = zs[0]\nz", "[3 for x in xs]"),
    ("x in xs", "[v for v in xs if (last := v)]\nlast", "[2 for x in xs]"),
    ("x in xs", "math.fsum([x])", "[float(x) for x in xs]"),
    ("x in xs", "if x < 0: os.remove(x)\nx", "xs"),
    ("x in xs", "y: int = x\ny", "xs"),
]


@pytest.mark.parametrize(("header", "body", "plain"), LOOPS)
def test_a_loop_gives_what_the_comprehension_gives(header, body, plain):
    assert run(plan_cell(header, body), notebook()) == eval(plain, notebook())


HEADERS = ["x in xs", "x in rows for x in x", "x in xs if x > 1", "i, x in enumerate(xs)"]
HEADERS += ["x in xs for y in ys", "*_, x in rows", "x in (4, 5)", "x in (y for y in ys)"]
VALUES = ["x", "x + offset", "[x for _ in ys]", "(lambda y: y + x)(1)", "({x: x}, 'for')"]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("value", VALUES)
def test_all_forms_of_a_loop_agree(header, value):
    plain = eval(f"[{value} for {header}]", notebook())
    assert run(plan_cell(header, value), notebook()) == plain
    assert run(plan_line(f"{value} for {header}"), notebook()) == plain
    assert run(plan_cell("", f"[{value} for {header}]"), notebook()) == plain


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("x in xs", "xs"),
        ("x in xs[::2]", "xs[::2]"),
        ("a, b in pairs", "pairs"),
        ("x in range(10**9)", "range(10 ** 9)"),
    ],
)
def test_the_items_of_one_clause_are_the_iterable_itself(header, code):
    plan = plan_cell(header, "x")
    assert ast.unparse(plan.items) == code
    assert not plan.star


def test_the_items_of_several_clauses_are_made_one_by_one():
    plan = plan_cell("x in itertools.count() for y in ys", "x + y")
    items = eval(compile(plan.items, "<cell>", "eval"), notebook())
    assert list(itertools.islice(items, 3)) == [(0, 10), (0, 20), (1, 10)]
    assert plan.star


@pytest.mark.parametrize(
    ("body", "has_value"),
    [
        ("x", True),
        ("x;", True),
        ("'x'", True),
        ("y = x", False),
        ("pass", False),
        ("if x: x", False),
    ],
)
def test_a_body_has_a_value_if_its_last_statement_is_an_expression(body, has_value):
    assert plan_cell("x in xs", body).has_value is has_value


def test_the_function_is_called_loop_body_with_the_names_of_the_targets():
    fn = define(plan_cell("lr in xs for depth in ys", "lr").function, FUNCTION, notebook())
    assert fn.__name__ == "loop_body"
    assert fn.__code__.co_varnames[: fn.__code__.co_argcount] == ("lr", "depth")


def test_names_may_be_shared_by_name():
    plan = plan_cell("i, x in enumerate(xs)", "table[i] = x", shared={"table"})
    assert "table[i] = x" in ast.unparse(plan.function)


# The function form.

FUNCTIONS = [
    # header, cell, candidates, results
    ("xs", "def f(x): return x + 1", ["f"], [4, 2, 3]),
    ("range(3)", "import math\ndef f(x): return math.sqrt(x * x)", ["f"], [0.0, 1.0, 2.0]),
    ("xs", "def f(x): return g(x)\ndef g(x): return -x\nf", ["g", "f"], [-3, -1, -2]),
    ("xs", "f = lambda x: x", ["f"], [3, 1, 2]),
    ("xs", "f: object = lambda x: x", ["f"], [3, 1, 2]),
    ("xs", "f = g = lambda x: x", ["g", "f"], [3, 1, 2]),
    ("xs", "f = double\nk = 3", ["k", "f"], [6, 2, 4]),
    ("xs", "def f(x): return x\nf = double", ["f"], [6, 2, 4]),
    ("xs", "def f(x): return x\na, b = 1, 2\nxs[0] = 5", ["f"], [5, 1, 2]),
    ("xs", "def f(x): return x\nf(3)\nfor i in xs: pass", ["f"], [3, 1, 2]),
    ("xs", "class Half:\n    def __new__(cls, x): return x / 2", ["Half"], [1.5, 0.5, 1.0]),
    ("xs", "async def f(x): await x\ndef g(x): return x", ["g", "f"], [3, 1, 2]),
    ("xs", "if flag:\n    def g(x): return 0\ndef f(x): return x", ["f"], [3, 1, 2]),
    ("new", "new = [1]\ndef f(x): return x", ["f", "new"], [1]),
    ("[x * 2 for x in xs if x > 1]", "def f(x): return x", ["f"], [6, 4]),
    ("xs if flag else ys", "def f(x): return x", ["f"], [3, 1, 2]),
    ("(*xs, *ys)", "def f(x): return x", ["f"], [3, 1, 2, 10, 20]),
    ("'a in b'.split(' in ')", "def f(x): return x", ["f"], ["a", "b"]),
    ("filter(lambda x: x in (1, 2), xs)", "def f(x): return x", ["f"], [1, 2]),
    ("xs  # for later", "def f(x): return x", ["f"], [3, 1, 2]),
]


@pytest.mark.parametrize(("header", "cell", "candidates", "results"), FUNCTIONS)
def test_a_function_is_found_and_called_on_the_items(header, cell, candidates, results):
    plan = plan_cell(header, cell)
    assert plan.function is None
    assert list(plan.candidates) == candidates
    assert run(plan, notebook()) == results


# The line form.

LINES = [
    ("f(x) for x in xs", "[f(x) for x in xs]"),
    ("[f(x) for x in xs]", "[f(x) for x in xs]"),
    ("(f(x) for x in xs)", "[f(x) for x in xs]"),
    ("f(x) for x in xs;", "[f(x) for x in xs]"),
    ("f(x) for x in xs  # note", "[f(x) for x in xs]"),
    ("(x, y) for x in xs for y in ys if x < y", "[(x, y) for x in xs for y in ys if x < y]"),
    ("f(a) + b for a, b in zip(xs, ys)", "[f(a) + b for a, b in zip(xs, ys)]"),
    ("{a: b} for a, *b in rows", "[{a: b} for a, *b in rows]"),
    ("'for x in ' + w for w in words", "['for x in ' + w for w in words]"),
    ("[y for y in row] for row in rows", "rows"),
    ("y for x in xs if (y := f(x)) > 2", "[y for x in xs if (y := f(x)) > 2]"),
    ("x if x > 1 else None for x in xs", "[x if x > 1 else None for x in xs]"),
]


@pytest.mark.parametrize(("line", "plain"), LINES)
def test_a_line_gives_what_the_comprehension_gives(line, plain):
    namespace = notebook() | {"f": lambda x: x * 2}
    assert run(plan_line(line), namespace) == eval(plain, namespace)


# Cells without a header.

CELLS = [
    # cell, and the names that only the ordinary loop leaves behind
    ("zs = [double(x) for x in xs]", ""),
    ("k = 2\nzs = [k * x for x in xs if x > 1]", ""),
    ("zs = [(x, y) for x in xs for y in ys]", ""),
    ("zs = [a + str(b) for b, a in pairs]", ""),
    ("for x in xs:\n    pass\nzs = [x for x in ys]", ""),
    ("table['zs'] = [double(x) for x in xs]", ""),
    ("grid[0][:2] = [x for x in ys]", ""),
    ("grid[0][2]: int = [x for x in ys]", "__annotations__"),
    ("a, *b = [double(x) for x in xs]", ""),
    ("zs = table['zs'] = [double(x) for x in xs]", ""),
    ("out += [double(x) for x in xs]", ""),
    ("import types\nconfig = types.SimpleNamespace()\nconfig.zs = [x for x in xs]", ""),
    ("for x in xs:\n    out.append(double(x))", "x"),
    ("out = []\nfor x in xs:\n    y = x * x\n    out.append(y)\nz = sum(out)", "x y"),
    ("for a, b in pairs:\n    table[a] = b", "a b"),
    ("for a, *b in rows:\n    table[a] = b\n    out.append(a)", "a b"),
    ("for x in xs:\n    table['last'] = x", "x"),
    ("for i in range(len(grid)):\n    grid[i][1] = i\nz = grid[2]", "i"),
    ("for i in range(len(out)):\n    out[i] = i", ""),
    ("for k in sorted(table):\n    table[k] = 1", ""),
    ("for i in range(4):\n    grid[i] = grid[i] + [i]", "i"),
    ("for i in range(len(words)):\n    w = words[i]\n    words[i] = w + words[i].upper()", "i w"),
    ("for i in range(4):\n    grid[i][:2] = [i, i]", "i"),
    ("for i in range(4):\n    grid[i][::2] = i, i", "i"),
    ("for x in xs:\n    seen.add(x % 2)", "x"),
    ("for r in rows:\n    out.extend(v * 2 for v in r)", "r"),
    ("for r in rows:\n    out += [v for v in r]", "r"),
    ("for x in xs:\n    total += x", "x"),
    ("for x in xs:\n    total -= x\n    total *= 2", "x"),
    ("for x in xs:\n    counts[x % 2] += x", "x"),
    ("for w in words:\n    counts.update(w)", "w"),
    ("for w in words:\n    counts.update({w: 1})", "w"),
    ("for w in words:\n    groups[len(w)].append(w)", "w"),
    ("for w in words:\n    table.setdefault(len(w), []).append(w)", "w"),
    ("for w in words:\n    table.setdefault(len(w), w)", "w"),
    ("for x in xs:\n    out.insert(0, x)", "x"),
    ("for x in xs:\n    if x == 1:\n        continue\n    out.append(x)", "x"),
    ("for x in xs:\n    if x > 1:\n        out.append(x)\n    else:\n        seen.add(x)", "x"),
    (
        "for x in xs:\n    for y in ys:\n        if y > 10: continue\n        out.append((x, y))",
        "x y",
    ),
    (
        "for x in xs:\n    for y in ys: break\n    else: continue\n    total += y",
        "x y",
    ),
    ("for x in xs:\n    try: out.append(1 // x)\n    except ValueError: out.append(0)", "x"),
    ("for x in xs:\n    try: out.append(1 // (x - 1))\n    except Exception: total += 1", "x"),
    ("for x in xs:\n    try: total += 1 // x\n    finally: total += 1", "x"),
    ("for x in xs:\n    try:\n        continue\n    finally:\n        out.append(x)", "x"),
    ("for x in xs:\n    with open('/dev/null'):\n        out.append(x)", "x"),
    ("for x in xs:\n    match x:\n        case 1: out.append(x)\n        case _: total += x", "x"),
    (
        "for x in xs:\n    mine = []\n    mine.append(x)\n    out.append(mine)\n    mine.append(0)",
        "x mine",
    ),
    ("for x in xs:\n    part = 0\n    part += x\n    total += part", "x part"),
    ("for x in xs:\n    x = [x]\n    x += [1]\n    out.append(x)", "x"),
    ("for x in xs:\n    out.append(x)\nx = 5\nz = x", ""),
    ("for x in xs:\n    out.append([total for total in range(x)])", "x"),
    ("slice = 3\nfor i in range(4):\n    grid[i][0:slice] = [slice] * 3", "i"),
    ("for x in 1, 2:\n    out.append(x)", "x"),
    ("for x in xs:\n    é = x\n    out.append(é)", "x é"),
    ("for x in []:\n    out.append(x)", ""),
]


@pytest.mark.parametrize(("cell", "left_behind"), CELLS)
def test_a_cell_means_the_same_without_the_magic(cell, left_behind):
    plain, planned = notebook(), notebook()
    exec(cell, plain)
    run(plan_cell("", cell), planned)
    for name in left_behind.split():
        del plain[name]
    assert without_functions(planned) == without_functions(plain)


def without_functions(namespace: dict) -> dict:
    return {name: value for name, value in namespace.items() if not callable(value)}


def test_the_comprehension_that_ends_a_cell_is_its_value():
    plan = plan_cell("", "k = 3\n[k * x for x in xs]")
    assert plan.target is None
    assert plan.has_value
    assert run(plan, notebook()) == [9, 3, 6]


@pytest.mark.parametrize("above", ["", "\n", "\nz = 1\n"])
def test_the_expression_that_ends_a_cell_is_its_value(above):
    plan, namespace = plan_cell("", f"for x in xs:\n    out.append(x){above}\nout * 2"), notebook()
    assert run(plan, namespace) == [3, 1, 2, 3, 1, 2]
    assert namespace["out"] == [3, 1, 2]


@pytest.mark.parametrize("end", ["", "\nz = out", "\nif out:\n    out"])
def test_a_cell_that_ends_otherwise_has_no_value(end):
    assert plan_cell("", f"for x in xs:\n    out.append(x){end}").last is None


def test_the_results_of_the_last_comprehension_get_its_name():
    assert plan_cell("", "zs: list[int] = [x for x in xs]").target == "zs"


def test_the_first_results_can_be_replayed_alone():
    plan, namespace = plan_cell("", "for x in xs:\n    out.append(x)"), notebook()
    define(plan.replay, REPLAY, namespace)([[(0, 3)], [(0, 1)]])
    assert namespace["out"] == [3, 1]


@pytest.mark.parametrize(
    ("cell", "names"),
    [("table['zs'] = [1 for x in xs]", ("table",)), ("out += [1 for x in xs]", ("out",))],
)
def test_what_is_assigned_to_has_to_exist_first(cell, names):
    plan = plan_cell("", cell)
    assert plan.changes == names
    assert plan.target is None


VALUES_OF_ITEMS = [
    # the body of a loop over xs, and the value of each item
    ("out.append(x)", [3, 1, 2]),
    ("out.extend([x])", [[3], [1], [2]]),
    ("table[x] = x * x", [(3, 9), (1, 1), (2, 4)]),
    ("table['last'] = x", [("last", 3), ("last", 1), ("last", 2)]),
    ("grid[x][:1] = [x]", [(x, slice(None, 1, None), [x]) for x in (3, 1, 2)]),
    ("counts[x] += 1", [(3, 1), (1, 1), (2, 1)]),
    ("total += x", [3, 1, 2]),
    ("groups[x].append(0)", [(3, 0), (1, 0), (2, 0)]),
    ("if x > 1: out.append(x)", [3, None, 2]),
    ("out.append(x)\n    if x > 1: table[x] = 0", [[3, (3, 0)], 1, [2, (2, 0)]]),
    ("out.reverse()", [(), (), ()]),
    ("pass", [None, None, None]),
]


@pytest.mark.parametrize(("body", "values"), VALUES_OF_ITEMS)
def test_the_value_of_an_item_is_what_it_has_put_into_the_notebook(body, values):
    plan, namespace = plan_cell("", f"for x in xs:\n    {body}"), notebook()
    assert list(map(plan.value_of, run(plan, namespace))) == values


def test_the_names_that_a_replay_changes_are_told():
    plan = plan_cell("", "for x in xs:\n    out.append(x)\n    total += x\n    out.append(0)")
    assert plan.changes == ("out", "total")
    assert not plan.has_value


# What is refused, and what to write instead.

BODIES = [
    # header, body, what the error says
    ("x in xs", "y = 1\nreturn x", "'return' on line 3", "End the cell with: x"),
    ("x in xs", "if x: return", "'return' on line 2", "%%parmap x in xs if ..."),
    ("x in xs", "yield x", "'yield' on line 2", "values.append(x)"),
    ("x in xs", "y = yield", "'yield' on line 2", "values.append(None)"),
    ("x in xs", "yield from x", "'yield' on line 2", "values.extend(x)"),
    ("x in xs", "if x:\n    continue", "'continue' on line 3", "%%parmap x in xs if ..."),
    ("x in xs", "break", "'break' on line 2", "itertools.takewhile(..., results)"),
    ("x in xs", "for y in x: pass\nelse: break", "'break' on line 3", "-> results"),
    ("x in xs", "try: x\nfinally: continue", "'continue' on line 3", "header"),
    ("x in xs", "global total\ntotal = x", "'total' is global (line 2)", "-> parts"),
    ("x in xs", "nonlocal total\ntotal = x", "'total' is nonlocal (line 2)", "-> parts"),
    (
        "x in xs",
        "total = 0\ndef f():\n    global total\nf()",
        "'total' is global (line 4)",
        "parts",
    ),
    ("x in xs", "from math import *\nsin(x)", "line 2", "from math import ..."),
    ("x in xs", "total += x", "'total' is updated in the loop (line 2)", "total = sum(parts)"),
    ("x in xs", "\nfor y in x:\n    total += y", "(line 4)", "End the cell with y:"),
    ("x in xs", "total -= x", "'total'", "for x in parts: total -= x"),
    ("x in xs", "total *= f(x)", "'total'", "for part in parts: total *= part"),
    ("x in xs", "total += 1", "'total'", "End the cell with 1:"),
    ("x in xs", "best = max(best, x)", "'best' is read on line 2", "%%parmap x in xs -> parts"),
    ("x in xs", "if x > best:\n    best = x", "'best' is read on line 2", "best = ..."),
    ("x in xs", "y = [state for _ in x]\nstate = y", "'state' is read on line 2", "own_state"),
    ("x in xs", "if x == 3:\n    y = x\nprint(y)", "'y' is read on line 4", "y"),
    (
        "x in xs",
        "try:\n    y = 1 / x\nexcept ValueError:\n    pass\ny",
        "'y' is read on line 6",
        "y",
    ),
    ("x in xs", "match x:\n    case 1: y = x\ny", "'y' is read on line 4", "y"),
    ("x in xs", "class A:\n    x = x\nA.x", "'x' on line 3 would be the notebook's", "own_x = x"),
    ("x in xs", "del xs", "'xs' is read on line 2", "xs"),
    (
        "x in xs",
        "y = f(x)\nout.append(y)",
        "'out' is updated",
        "End the cell with y: %%parmap x in xs -> out",
    ),
    (
        "x in xs",
        "out.append(f(x))\nx",
        "(line 2)",
        "End the cell with f(x): %%parmap x in xs -> out",
    ),
    ("x in xs if x", "out.append(x)", "'out'", "%%parmap x in xs if x -> out"),
    (
        "a, b in pairs",
        "out.append((a, b))",
        "'out'",
        "End the cell with (a, b): %%parmap a, b in pairs",
    ),
    ("x in xs", "seen.add(x)", "'seen'", "for x in parts: seen.add(x)"),
    ("x in xs", "out.extend(f(x))", "'out'", "for part in parts: out.extend(part)"),
    ("x in xs", "out.insert(0, x)", "'out'", "for x in parts: out.insert(0, x)"),
    ("x in xs", "table.update(f(x))", "'table'", "for part in parts: table.update(part)"),
    ("x in xs", "table.update(a=x)", "'table'", "-> parts"),
    (
        "x in xs",
        "table.setdefault(x, f(x))",
        "'table'",
        "for x, part1 in parts: table.setdefault(x, part1)",
    ),
    (
        "x in xs",
        "groups[x].append(f(x))",
        "'groups'",
        "for x, part1 in parts: groups[x].append(part1)",
    ),
    ("x in xs", "table.setdefault(x, []).append(1)", "'table'", "-> parts"),
    ("x in xs", "model.layers.append(x)", "'model'", "for x in parts: model.layers.append(x)"),
    ("x in xs", "y = out.pop()", "'out' is updated in the loop (line 2)", "-> parts"),
    ("k in xs", "v = f(k)\ntable[k] = v", "'table'", "End the cell with (k, v):"),
    ("k in xs", "table[k] = f(k)", "'table'", "for k, part in parts: table[k] = part"),
    ("k in xs", "table['last'] = k", "'table'", "for k in parts: table['last'] = k"),
    ("k in xs", "counts[k] += 1", "'counts'", "for k in parts: counts[k] += 1"),
    ("i in xs", "grid[i, :] = f(i)", "'grid'", "-> parts"),
    ("i in xs", "a, grid[i] = f(i)", "'grid' is updated", "-> parts"),
    ("i in xs", "for grid[i] in f(i): pass", "'grid' is updated", "-> parts"),
    (
        "x in xs",
        "config.rate = x\nfit()",
        "'config' is updated in the loop (line 2)",
        "config.rate = x",
    ),
    ("x in xs", "del table[x]", "'table' is updated in the loop (line 2)", "-> parts"),
    ("x in xs", "y = 1\nif x:\n    with x:\n        out.append(y)", "'out'", "(line 5)"),
    (
        "x in xs",
        "out.append(averylongname_of_a_function(averylongname_of_a_list, x, keyword=x))",
        "...",
        "-> out",
    ),
]

HEADERS_REFUSED = [
    ("for x in xs", "without its 'for' and its colon", "%%parmap x in xs"),
    ("x in xs:", "without its 'for' and its colon", "%%parmap x in xs"),
    ("for a, b in pairs if a :", "without its 'for' and its colon", "%%parmap a, b in pairs if a"),
    ("x in", "'x in': the items are missing", "%%parmap x in xs"),
    ("numbers squared", "'numbers squared'", "%%parmap numbers -> squared"),
    ("ys = xs", "'='", "%%parmap xs -> ys"),
    ("x = xs[1:]", "'='", "%%parmap x in xs[1:]"),
    ("f(x) for x in xs", "what follows the 'for'", "ys = %parmap f(x) for x in xs"),
    ("zs = [f(x) for x in xs]", "what follows the 'for'", "zs = %parmap [f(x) for x in xs]"),
    ("zs = f(x) for x in xs", "what follows the 'for'", "%%parmap x in xs"),
    ("(x in xs)", "'x in xs' is true or false", "%%parmap x in xs"),
    ("x not in xs", "'x not in xs' is true or false", "%%parmap x in xs"),
    ("not x in xs", "is true or false", "%%parmap x in xs"),
    ("not xs", "'not xs' is true or false", "%%parmap x in xs"),
    ("x in xs and y in ys", "'xs and y in ys' is true or false", "for y in ys"),
    ("x in xs in ys", "'xs in ys' is true or false", "%%parmap x in xs"),
    ("8", "8 is a number", "%%parmap range(8)"),
    ("x in 8", "8 is a number", "%%parmap x in range(8)"),
    ("x.y in xs", "'x.y' cannot be the name of an item", "%%parmap x in xs"),
    ("a, d[k] in xs", "'d[k]' cannot be the name of an item", "%%parmap x in xs"),
    ("x in xs for x.y in x", "'x.y' cannot be the name of an item", "%%parmap x in x"),
    ("f(x) in xs if x", "neither", "%%parmap x in xs"),
    ("x async for x in xs", "cannot wait", "%%parmap x in items"),
    ("x in xs async for y in x", "cannot wait", "items = [y async for y in x]"),
    ("x in await f()", "cannot wait", "items = [x for x in await f()]"),
    ("x in xs if await f(x)", "cannot wait", "%%parmap x in items"),
    ("await f()", "cannot wait", "items = await f()"),
    ("x in xs if", "neither", "%%parmap x in xs"),
    ("if x", "neither", "%%parmap xs"),
    ("x in xs] + [1", "neither", "%%parmap x in xs"),
    ("x in xs] or [0 for y in ys", "neither", "%%parmap x in xs"),
    ("x in xs: pass #", "neither", "%%parmap x in xs"),
    ("x in xs; y", "neither", "%%parmap x in xs"),
    ("x in (yield)", "neither", "%%parmap x in xs"),
    ("x in xs if (x := 1)", "neither", "%%parmap x in xs"),
    ("*x in xs", "neither", "%%parmap x in xs"),
    ("x in xs\0", "neither", "%%parmap x in xs"),
    ("-> ys", "neither", "%%parmap xs"),
    ("xs", "no function to call on the items of 'xs'", "%%parmap x in xs"),
    ("[p for p in xs if p]", "no function", "%%parmap p in xs if p"),
]

LINES_REFUSED = [
    ("f(x)", "'f(x)' is not a comprehension", "%parmap f(x) for x in xs"),
    ("", "not a comprehension", "%parmap f(x) for x in xs"),
    ("x in xs", "not what to do with them", "%parmap f(x) for x in xs"),
    ("[f(x) for x in xs][:2]", "not a comprehension", "%parmap f(x) for x in xs"),
    ("f(x) for x in xs] + [1", "not a comprehension", "%parmap f(x) for x in xs"),
    ("f(x) for x in xs], [g(y) for y in ys", "not a comprehension", "%parmap f(x) for x in xs"),
    (
        "{f(x) for x in xs}",
        "not a set",
        "results = %parmap f(x) for x in xs and afterwards: set(results)",
    ),
    ("{k: v for k, v in xs if k}", "not a dict", "%parmap (k, v) for k, v in xs if k"),
    ("(yield x) for x in xs", "not a comprehension", "%parmap f(x) for x in xs"),
    ("(y := f(x)) for x in xs", "'y :='", "%%parmap x in xs"),
    ("out.append(x) for x in xs", "'out' is updated", "%%parmap x in xs -> out"),
    ("f(x) for x.y in xs", "'x.y' cannot be the name of an item", "%%parmap x in xs"),
    ("f(x) for x in 8", "8 is a number", "range(8)"),
]

CELLS_REFUSED = [
    ("", "The cell is empty", "ys = %parmap f(x) for x in xs"),
    ("# a note", "The cell is empty", "f(x)"),
    ("x = 1", "no loops", "%%parmap x in xs"),
    ("while x: pass", "no loops", "ys = [f(x) for x in xs]"),
    ("for x in xs: pass\nfor y in ys: pass", "2 loops", "%%parmap x in xs"),
    ("if x:\n    for x in xs: pass", "no loops", "%%parmap x in xs"),
    (
        "d = {x: f(x) for x in xs}",
        "The dict comprehension on line 2",
        "results = %parmap (x, f(x)) for x in xs and afterwards: d = dict(results)",
    ),
    (
        "k = 1\n{f(x) for x in xs if x}",
        "The set comprehension on line 3",
        "results = %parmap f(x) for x in xs if x and afterwards: set(results)",
    ),
    (
        "total = sum(f(x) for x in xs)",
        "The generator expression on line 2",
        "results = %parmap f(x) for x in xs and afterwards: total = sum(results)",
    ),
    (
        "zs = sorted([f(x) for x in xs], key=len)",
        "The list comprehension on line 2 cannot",
        "results = %parmap f(x) for x in xs and afterwards: zs = sorted(results, key=len)",
    ),
    (
        "zs = [f(x) for x in xs]\nprint(zs)",
        "The list comprehension on line 2 is not the last statement",
        "Write in a cell below: print(zs) or in its place: zs = %parmap f(x) for x in xs",
    ),
    ("f = lambda: [x for x in xs]", "no loops", "ys = [f(x) for x in xs]"),
    ("for x in xs: pass\nelse:\n    y = 1", "'else' after the loop (line 4)", "y = 1"),
    ("for x in xs:\n    if x: break", "'break' on line 3", "-> results"),
    ("for x in xs:\n    return x", "'return' on line 3", "End the cell with: x"),
    ("for x in xs:\n    global y\n    y = 1", "'y' is global (line 3)", "-> parts"),
    ("y = await f()\nfor x in xs: pass", "'await' on line 2", "In a cell above"),
    ("async for x in xs: pass", "'await' on line 2", "In a cell above"),
    ("for x in xs:\n    state = step(state, x)", "'state' is read on line 3", "own_state"),
    ("for x in xs:\n    d = x - last\n    last = x", "'last' is read on line 3", "own_last"),
    (
        "for x in xs:\n    total += x\n    print(total)",
        "'total' is read on line 4 and updated on line 3",
        "sum",
    ),
    (
        "for x in xs:\n    out.append(len(out))",
        "'out' is read on line 3 and updated on line 3",
        "Run it as a plain loop",
    ),
    ("for x in xs:\n    f = lambda: out\n    out.append(1)", "'out' is read on line 3", "plain"),
    (
        "for x in xs:\n    if x not in seen:\n        seen.add(x)",
        "'seen' is read on line 3",
        "seen.add(x)",
    ),
    (
        "for x in xs:\n    table[x] = table.get(x, 0) + 1",
        "'table' is read on line 3",
        "table = collections.Counter() and in it: table[x] += 1",
    ),
    (
        "for i in ys:\n    grid[i] = grid[i] * 2",
        "If no 'i' comes twice",
        "End the cell with (i, grid[i] * 2): %%parmap i in ys -> parts",
    ),
    (
        "for x in xs:\n    if x not in table:\n        table[x] = f(x)",
        "If no 'x' comes twice",
        "End the cell with (x, f(x)): %%parmap x in xs -> parts",
    ),
    (
        "for x in xs:\n    try:\n        table[x] += 1\n    except KeyError:\n        table[x] = 1",
        "'try'",
        "table[x] += 1",
    ),
    ("for x in out:\n    out.append(x)", "runs over it (line 2)", "for x in list(out):"),
    (
        "for k, v in table.items():\n    table[k] = v",
        "runs over it",
        "for (k, v) in list(table.items()):",
    ),
    ("for row in rows:\n    row.append(1)", "'row' is updated in the loop (line 3)", "-> row"),
    ("for row in rows:\n    row[0] = 1", "'row' is updated in the loop (line 3)", "-> parts"),
    ("for row in rows:\n    row += [1]\n    out.append(row)", "'row' is updated", "sum(parts)"),
    (
        "for x in xs:\n    config.rate = x",
        "'config' is updated in the loop (line 3)",
        "config.rate",
    ),
    ("for x in xs:\n    del table[x]", "'table' is updated in the loop (line 3)", "-> parts"),
    ("for x in xs:\n    y = out.pop()", "'out' is updated in the loop (line 3)", "-> parts"),
    (
        "for x in xs:\n    y = f(x)\nprint(y)",
        "'y' is read after the loop (line 4)",
        "y_of_each.append(y)",
    ),
    ("for x in xs:\n    pass\nx", "'x' is read after the loop (line 4)", "x_of_each.append(x)"),
    (
        "for i, x in xs:\n    pass\nz = sum(i for _ in xs)",
        "'i' is read after the loop",
        "i_of_each",
    ),
    ("for x in xs:\n    class A: x = x", "'x' on line 3 would be the notebook's", "x = own_x"),
    ("for obj.x in xs: pass", "'obj.x' cannot be the name of an item", "%%parmap x in xs"),
    ("zs = [(y := x) for x in xs]", "'y :='", "%%parmap x in xs"),
]


# header, and a cell in which items need each other's results
CARRIED = [
    ("", "for x in xs:\n    table[x] = table.get(x - 1, 0) + x"),
    ("", "for x in xs:\n    table[x] = table[x - 1] + table[x]"),
    ("", "for x in xs:\n    out.append(len(out))"),
    ("", "for x in xs:\n    y = out[-1] + x\n    out.append(y)"),
    ("", "for i in range(4):\n    grid[i] = grid[i - 1] + 1"),
    ("", "for x in xs:\n    total += x * total"),
    ("", "for x in xs:\n    if x not in out:\n        out.append(x)"),
    ("", "for x in xs:\n    if x not in seen:\n        seen.add(x)\n        out.append(x)"),
    ("x in xs", "table[x] = table.get(x - 1, 0) + x"),
    ("x in xs", "y = out[-1] + x\nout.append(y)"),
    ("x in xs", "total += x * total"),
]


@pytest.mark.parametrize(("header", "cell"), CARRIED)
def test_where_items_need_each_other_no_rewriting_is_offered(header, cell):
    message = refusal(plan_cell, header, cell)
    assert "Run it as a plain loop" in message
    assert "parts" not in message


# Own elements of a range, and what is only nearly so.
NOT_ALONE = [
    "for i in [0, 0]:\n    grid[i] = grid[i] * 2",
    "for i in range(-1, 3):\n    grid[i] = grid[i] * 2",
    "for i in range(4):\n    i = 0\n    grid[i] = grid[i] * 2",
    "for i in range(4):\n    for _ in xs:\n        grid[i] = grid[i] * 2",
    "for i in range(4):\n    grid[i] = [i]\n    out.append(grid[i])",
    "for i in range(4):\n    f = lambda: grid[i]\n    grid[i] = f()",
    "for i in range(4):\n    grid[i] = grid[i] * 2\n    grid[i] = [1]",
    "for i in range(4):\n    grid[i] = grid[i] * 2\n    grid[0].append(1)",
    "for i in range(4):\n    if i:\n        grid[0] = []\n    grid[i] = grid[i] * 2",
]


@pytest.mark.parametrize("cell", NOT_ALONE)
def test_an_element_that_others_may_touch_is_not_read(cell):
    assert "'grid' is read on line" in refusal(plan_cell, "", cell)


def refusal(plan, *arguments) -> str:
    with pytest.raises(UsageError) as caught:
        plan(*arguments)
    return " ".join(str(caught.value).split())


@pytest.mark.parametrize(("header", "body", "what", "instead"), BODIES)
def test_a_body_that_needs_other_items_is_refused(header, body, what, instead):
    message = refusal(plan_cell, header, body)
    assert what in message
    assert instead in message


@pytest.mark.parametrize(("header", "what", "instead"), HEADERS_REFUSED)
def test_a_header_that_is_a_mistake_is_refused(header, what, instead):
    message = refusal(plan_cell, header, "f(x)")
    assert what in message
    assert instead in message


@pytest.mark.parametrize(("line", "what", "instead"), LINES_REFUSED)
def test_a_line_that_is_no_comprehension_is_refused(line, what, instead):
    message = refusal(plan_line, line)
    assert what in message
    assert instead in message


@pytest.mark.parametrize(("cell", "what", "instead"), CELLS_REFUSED)
def test_a_loop_that_would_mean_something_else_is_refused(cell, what, instead):
    message = refusal(plan_cell, "", cell)
    assert what in message
    assert instead in message


WAITING_CELLS = [
    ("x in xs", "await f(x)"),
    ("x in xs", "[await f(y) for y in x]"),
    ("x in xs", "async for y in x: pass"),
    ("x in xs", "async with x: pass"),
    ("x in xs", "[y async for y in x]"),
    ("", "for x in xs:\n    ys.append(await f(x))"),
    ("", "ys = [await f(x) for x in xs]"),
]


@pytest.mark.parametrize(("header", "cell"), WAITING_CELLS)
def test_a_body_that_waits_becomes_a_coroutine_function(header, cell):
    namespace = notebook()
    fn = define(plan_cell(header, cell).function, FUNCTION, namespace)
    assert inspect.iscoroutinefunction(fn)
    assert not inspect.iscoroutinefunction(
        define(plan_cell("x in xs", "async def f(): await x").function, FUNCTION, namespace)
    )


def test_the_function_form_cannot_await():
    assert "await" in refusal(plan_cell, "xs", "y = await f()\ndef g(x): return x")


def test_an_error_has_a_column_of_words_and_one_of_code():
    with pytest.raises(UsageError) as caught:
        plan_cell("x in xs", "total += x")
    assert str(caught.value) == (
        "'total' is updated in the loop (line 2), but each item runs in its own process, "
        "so the notebook's 'total' would not change.\n"
        "    End the cell with x:        %%parmap x in xs -> parts\n"
        "    and add up afterwards:      total = sum(parts)"
    )


# A body is refused exactly if some way through it reads a name that is not set.


def random_body(rng: random.Random, depth: int = 0) -> list[str]:
    lines = []
    for _ in range(rng.randint(1, 3)):
        kind = rng.choice(["set", "set", "read", "if", "ifelse", "raise"] if depth < 3 else ["set"])
        if kind.startswith("if"):
            lines += ["if toss():", *indented(random_body(rng, depth + 1))]
        if kind == "ifelse":
            lines += ["else:", *indented(random_body(rng, depth + 1))]
        if kind == "raise" and depth:
            return [*lines, "raise Boom"]
        if kind in ("set", "read"):
            name = rng.choice("ab")
            lines.append(f"{name} = 1" if kind == "set" else f"print({name}, end='')")
    return lines or ["pass"]


def indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def reads_an_unset_name(body: list[str]) -> bool:
    tosses = sum("if" in line for line in body)
    code = "\n".join(["def f():", *indented([*body, "a = b = 0"])])
    for outcome in itertools.product([True, False], repeat=tosses):
        namespace = {"toss": iter(outcome).__next__, "Boom": Boom}
        exec(code, namespace)
        try:
            namespace["f"]()
        except UnboundLocalError:
            return True
        except Boom:
            pass
    return False


@pytest.mark.parametrize("seed", range(150))
def test_a_body_is_refused_if_some_way_through_it_reads_an_unset_name(seed):
    body = random_body(random.Random(seed))
    try:
        plan_cell("x in xs", "\n".join([*body, "a = b = 0"]))
    except UsageError:
        assert reads_an_unset_name(body)
    else:
        assert not reads_an_unset_name(body)


# Lines.

RAISING = [
    # header, cell, the line that raises
    ("x in xs", "y = 1\n\nraise Boom", 4),
    ("x in xs", "def f():\n    raise Boom\nf()", 3),
    ("x in xs", "(\n    x,\n    1 / 0,\n)", 4),
    ("a, b in xs", "a", 1),
    ("x in xs for y in ys", "x\n1 / 0", 3),
    ("x in 1 / 0", "x", 1),
    ("x in xs if 1 / 0", "x", 1),
    ("xs", "k = 1\ndef f(x):\n    raise Boom", 4),
    ("1 / 0", "def f(x): return x", 1),
    ("xs", "def f(x): return x\n1 / 0", 3),
    ("", "k = 1\n1 / 0\nfor x in xs: pass", 3),
    ("", "k = 1\nfor x in 1 / 0:\n    pass", 3),
    ("", "for x in xs:\n    out.append(\n        1 / 0)", 4),
    ("", "for a, b in xs:\n    pass", 2),
    ("", "for x in xs:\n    y = 1\n    nowhere.append(x)", 4),
    ("", "for x in xs:\n    y = 1\n    out[7:'a'] = [x]", 4),
    ("", "for x in xs:\n    out.append(x)\n\n1 / 0", 5),
    ("", "for x in xs:\n    out.append(x)\n1 / 0\nz = 1", 4),
    ("", "k = 1\nzs = [\n    1 / 0\n    for x in xs]", 4),
    ("", "k = 1\n\nout[7:'a'] = [x for x in xs]", 4),
    ("", "k = 1\nzs = [\n    x\n    for x in xs if 1 / 0]", 5),
]


@pytest.mark.parametrize("first_line", [1, 2, 7])
@pytest.mark.parametrize(("header", "cell", "line"), RAISING)
def test_a_traceback_has_the_lines_of_the_cell(header, cell, line, first_line):
    plan = plan_cell(header, cell, first_line=first_line)
    with pytest.raises(Exception) as caught:
        run(plan, notebook())
    frames = traceback.extract_tb(caught.value.__traceback__)
    found = [frame.lineno for frame in frames if frame.filename == "<cell>"][-1]
    assert found == (line if line == 1 else line - 2 + first_line)


def test_a_line_is_an_expression_in_tracebacks():
    with pytest.raises(ZeroDivisionError) as caught:
        run(plan_line("1 / 0 for x in xs"), notebook())
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno, frame.name) == ("<cell>", 1, "<expression>")


@pytest.mark.parametrize(
    ("header", "cell", "line"),
    [
        ("x in xs", "y = 1\nx +", 3),
        ("x in xs", "if x:\ny", 3),
        ("xs", "def f(x): return x\nreturn 1", 3),
        ("", "for x in xs:\n    out.append(x\n", 3),
        ("", "for *a, *b in xs:\n    pass", 2),
        ("x in xs", "y = 1\n*a, *b = x", 3),
        ("x in xs", "from __future__ import annotations", 2),
    ],
)
def test_a_syntax_error_has_the_line_of_the_cell(header, cell, line):
    with pytest.raises(SyntaxError) as caught:
        plan_cell(header, cell, filename="Cell In[3]")
    assert (caught.value.filename, caught.value.lineno) == ("Cell In[3]", line)


def test_warnings_about_the_cell_are_given_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plan_cell(r"x in '\d'", r"'\d'")
    assert len(caught) == 1
