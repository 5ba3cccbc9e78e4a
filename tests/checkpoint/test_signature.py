from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
import zoo
from support import Notebook, Script

from parmagic.checkpoint.signature import signature

# A cell that defines `f`, and others that define a function that is another one.
CHANGES: dict[str, tuple[str, ...]] = {
    "code": ("def f(x): return x + 1", "def f(x): return x - 1", "def f(x): return x + 2"),
    "type of a constant": ("def f(x): return 1", "def f(x): return 1.0", "def f(x): return True"),
    "constants": ("def f(x): return (1, 2)", "def f(x): return (1, 3)", "def f(x): return [1, 2]"),
    "set": ("def f(x): return x in {'a', 'b'}", "def f(x): return x in {'a', 'c'}"),
    "name": ("def f(x): return len(x)", "def f(x): return max(x)"),
    "attribute": ("def f(x): return x.real", "def f(x): return x.imag"),
    "default": ("def f(x, y=1): return y", "def f(x, y=2): return y", "def f(x, *, y=1): return y"),
    "kind": ("def f(x): return x", "async def f(x): return x", "def f(x): yield x"),
    "lambda": ("f = lambda x: x", "f = lambda x: -x"),
    "nested": (
        "def f(x):\n  def g(): return 1\n  return g()",
        "def f(x):\n  def g(): return 2\n  return g()",
    ),
    "comprehension": ("def f(x): return [y for y in x]", "def f(x): return [-y for y in x]"),
    "exception": (
        "def f(x):\n  try: return g(x)\n  except ValueError: return 1",
        "def f(x):\n  try: return g(x)\n  except TypeError: return 1",
    ),
    "variable": ("n = 5\ndef f(x): return x > n", "n = 6\ndef f(x): return x > n"),
    "variable of an inner function": (
        "n = 5\ndef f(x): return [y > n for y in x]",
        "n = 6\ndef f(x): return [y > n for y in x]",
    ),
    "array": (
        "import numpy as np\na = np.zeros(9)\ndef f(x): return a[x]",
        "import numpy as np\na = np.ones(9)\ndef f(x): return a[x]",
    ),
    "helper": (
        "def g(x): return 1\ndef f(x): return g(x)",
        "def g(x): return 2\ndef f(x): return g(x)",
    ),
    "helper's helper": (
        "def h(x): return 1\ndef g(x): return h(x)\ndef f(x): return g(x)",
        "def h(x): return 2\ndef g(x): return h(x)\ndef f(x): return g(x)",
    ),
    "helper's variable": (
        "n = 1\ndef g(x): return n\ndef f(x): return g(x)",
        "n = 2\ndef g(x): return n\ndef f(x): return g(x)",
    ),
    "which helper": (
        "def g(x): return 1\nh = g\ndef f(x): return (g, h)",
        "def g(x): return 1\ndef h(x): return 1\ndef f(x): return (g, h)",
    ),
    "helpers in a dict": (
        "steps = {'a': lambda x: 1}\ndef f(x): return steps['a'](x)",
        "steps = {'a': lambda x: 2}\ndef f(x): return steps['a'](x)",
        "steps = {'b': lambda x: 1}\ndef f(x): return steps['a'](x)",
    ),
    "helpers in a set": (
        "def g(): return 1\nsteps = {g}\ndef f(x): return steps",
        "def g(): return 2\nsteps = {g}\ndef f(x): return steps",
    ),
    "recursion": (
        "def f(x): return f(x - 1) if x else 0",
        "def f(x): return f(x - 1) if x else 1",
    ),
    "mutual recursion": (
        "def g(x): return f(x)\ndef f(x): return g(x)",
        "def g(x): return f(x + 1)\ndef f(x): return g(x)",
    ),
    "closure": (
        "def make(n):\n  def f(x): return n\n  return f\nf = make(1)",
        "def make(n):\n  def f(x): return n\n  return f\nf = make(2)",
    ),
    "partial": tuple(
        f"import functools\ndef g(n, x): return n {sign} x\nf = functools.partial(g, {n})"
        for n in (1, 2)
        for sign in "+-"
    ),
    "method": (
        "class A:\n  def go(self, x): return 1\nf = A().go",
        "class A:\n  def go(self, x): return 2\nf = A().go",
        "class A:\n  def __init__(self): self.n = 1\n  def go(self, x): return 1\nf = A().go",
        "class A:\n  def __init__(self): self.n = 2\n  def go(self, x): return 1\nf = A().go",
    ),
    "callable": (
        "class A:\n  def __call__(self, x): return 1\nf = A()",
        "class A:\n  def __call__(self, x): return 2\nf = A()",
    ),
    "class": tuple(
        f"class A:\n  {inside}\ndef f(x): return A"
        for inside in (
            *(
                "n = 1",
                "n = 2",
                "def g(self): return 1",
                "def g(self): return 2",
                "__slots__ = 'a'",
            ),
            *("@staticmethod\n  def g(): return 1", "@staticmethod\n  def g(): return 2"),
            *("@classmethod\n  def g(c): return 1", "@classmethod\n  def g(c): return 2"),
            *("@property\n  def g(self): return 1", "@property\n  def g(self): return 2"),
        )
    ),
    "base": (
        "class B: n = 1\nclass A(B): pass\ndef f(x): return A",
        "class B: n = 2\nclass A(B): pass\ndef f(x): return A",
        "class A(Exception): pass\ndef f(x): return A",
        "class A(ValueError): pass\ndef f(x): return A",
    ),
    "second base": tuple(
        f"class A(OSError): pass\nclass B({base}): pass\ndef f(x): return (A, B)"
        for base in ("ValueError", "KeyError", "OSError")
    ),
    "class of a variable": (
        "class A:\n  def go(self): return 1\na = A()\ndef f(x): return a.go()",
        "class A:\n  def go(self): return 2\na = A()\ndef f(x): return a.go()",
    ),
    "super": (
        "class A:\n  def __init__(self): super().__init__()\ndef f(x): return A()",
        "class A:\n  def __init__(self): super().__init__(); self.n = 1\ndef f(x): return A()",
    ),
    "dataclass": tuple(
        f"import dataclasses as d\n@d.dataclass\nclass A:\n  x: int{default}\ndef f(x): return A"
        for default in ("", " = 1", " = 2")
    ),
    "enum": tuple(
        f"import enum\nclass A(enum.Enum):\n  ONE = {n}\ndef f(x): return A.ONE" for n in (1, 2)
    ),
    "named tuple": tuple(
        f"import collections\nA = collections.namedtuple('A', '{names}')\ndef f(x): return A"
        for names in ("a b", "a c")
    ),
    "decorated": tuple(
        "import functools\ndef twice(g):\n  @functools.wraps(g)\n"
        f"  def both(x): return {n} * g(x)\n  return both\n@twice\ndef f(x): return {m}"
        for n in (1, 2)
        for m in (3, 4)
    ),
    "cached": tuple(
        f"import functools\n@functools.cache\ndef g(x): return {n}\ndef f(x): return g(x)"
        for n in (1, 2)
    ),
    "partial that tells what it wraps": tuple(
        "import functools\ndef g(n, x): return n\n"
        f"f = functools.update_wrapper(functools.partial(g, {n}), g)"
        for n in (1, 2)
    ),
    "dispatch": tuple(
        "import functools\n@functools.singledispatch\ndef f(x): return 0\n"
        f"@f.register\ndef _(x: int): return {n}"
        for n in (1, 2)
    ),
    "local class": tuple(
        f"def f(x):\n  class A:\n    def __init__(self): self.n = {n}\n  return A" for n in (1, 2)
    ),
    "variable of a local class": tuple(
        f"n = {n}\ndef f(x):\n  class A:\n    m = n\n  return A" for n in (1, 2)
    ),
    "variable that a local class may hide": tuple(
        f"n = {n}\ndef f(x):\n  class A:\n    if m: n = 0\n    k = n\n  return A" for n in (1, 2)
    ),
    "variable that a local class hides for a while": tuple(
        f"n = {n}\ndef f(x):\n  class A:\n    n = 0\n    del n\n    k = n\n  return A"
        for n in (1, 2)
    ),
    "default in a local class": tuple(
        f"n = {n}\ndef f(x):\n  class A:\n    def g(self, m=n): return m\n  return A"
        for n in (1, 2)
    ),
    "function of a library": ("import math\nf = math.sin", "import math\nf = math.cos"),
    "module": (
        "import math as m\ndef f(x): return m.log",
        "import cmath as m\ndef f(x): return m.log",
    ),
}
FIRST = {name: cells[0] for name, cells in CHANGES.items()}


def signature_of(notebook: Notebook, cell: str) -> bytes:
    notebook.run(cell)
    return signature(notebook["f"])


@pytest.mark.parametrize("cells", CHANGES.values(), ids=CHANGES)
def test_a_change_changes_the_signature(cells: tuple[str, ...], notebook: Notebook) -> None:
    assert len({signature_of(notebook, cell) for cell in cells}) == len(cells)


@pytest.mark.parametrize("cell", FIRST.values(), ids=FIRST)
def test_the_same_cell_gives_the_same(cell: str, notebook: Notebook) -> None:
    assert len(signature_of(notebook, cell)) == 16
    assert signature_of(notebook, cell) == signature_of(notebook, cell)


@pytest.mark.parametrize("cell", FIRST.values(), ids=FIRST)
def test_place_and_comments_make_no_difference(cell: str, notebook: Notebook) -> None:
    first, *rest = cell.splitlines()
    moved = "\n# comment\n\n" * 7 + "\n".join([first + "  # another", "", *rest])
    assert signature_of(notebook, cell) == signature_of(notebook, moved)


HIDING = "def f(x):\n  class A:\n    n = 0\n    m = n\n  return A"


def test_a_variable_that_a_local_class_hides_makes_no_difference(notebook: Notebook) -> None:
    assert signature_of(notebook, f"n = 1\n{HIDING}") == signature_of(notebook, f"n = 2\n{HIDING}")


@pytest.mark.parametrize(
    ("attribute", "counts"),
    [
        *(("co_code", True), ("co_exceptiontable", True), ("co_names", True), ("co_flags", True)),
        *(("co_consts", True), ("co_argcount", True), ("co_filename", False), ("co_name", False)),
        *(("co_firstlineno", False), ("co_linetable", False), ("co_qualname", False)),
    ],
)
def test_what_runs_counts_and_where_it_stands_does_not(attribute: str, counts: bool) -> None:
    def f(x: Any, y: Any) -> Any:
        try:
            return x.y + 1
        except ValueError:
            return 2

    async def g(x: Any, *, z: Any) -> Any:
        return x.z() + 3

    codes = f.__code__, f.__code__.replace(**{attribute: getattr(g.__code__, attribute)})
    one, other = (FunctionType(code, globals()) for code in codes)
    assert (signature(one) != signature(other)) == counts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x, n=(1, 2)): return g(x)", "def g(x, n=(1, 2)): return x"),
        ("a = 'some text'\ndef f(x): return a, b", "b = 'some text'"),
        ("def f(x): return g((1, 2, 3))", "def g(x): return (1, 2, 3)"),
    ],
)
def test_it_makes_no_difference_which_cells_hold_it(
    one: str, other: str, notebook: Notebook
) -> None:
    notebook.run(other)
    apart = signature_of(notebook, one)
    assert signature_of(notebook, f"{other}\n{one}") == apart


@pytest.mark.parametrize("unrelated", ["n = 1", "def h(x): return 1", "import math", "x = 1"])
def test_what_the_function_does_not_use_does_not_count(unrelated: str, notebook: Notebook) -> None:
    before = signature_of(notebook, "def f(x): return x")
    notebook.run(unrelated)
    assert signature(notebook["f"]) == before


def test_use_does_not_count(notebook: Notebook) -> None:
    cells = "\n".join((FIRST["cached"].replace("def f", "def f0"), FIRST["dispatch"]))
    notebook.run(f"{cells}\nold = f\ndef f(x): return f0(x), old(x)")
    before = signature(notebook["f"])
    for number in range(3000):  # by then Python has specialised the code
        notebook["f"](number)
    assert signature(notebook["f"]) == before


def test_a_trace_does_not_count(notebook: Notebook) -> None:
    before = signature_of(notebook, "def f(x):\n  return x")
    trace = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        notebook["f"](1)
        assert signature(notebook["f"]) == before
    finally:
        sys.settrace(trace)


def test_what_a_module_holds_does_not_count(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("helpers")
    monkeypatch.setitem(sys.modules, "helpers", module)
    cell = "import helpers\ndef f(x): return helpers.g(x), g(x), made(x)"
    signatures = set()
    for number in range(2):
        exec(
            f"cache = [{number}]\ndef g(x): return {number}\n"
            "def make():\n  def made(x): return cache\n  return made",
            vars(module),
        )
        notebook.run("from helpers import g, make\nmade = make()")
        signatures.add(signature_of(notebook, cell))
    assert len(signatures) == 1


def test_what_a_library_makes_of_a_function_shows_the_function(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Compiled:
        """As Numba's are: pickled with a number of the process."""

        def __init__(self, fn: Any) -> None:
            self.__wrapped__ = fn
            self.number = object()

    Compiled.__qualname__ = "Compiled"
    monkeypatch.setattr(sys.modules[__name__], "Compiled", Compiled, raising=False)
    monkeypatch.setitem(notebook._names, "compiled", Compiled)
    cells = [f"@compiled\ndef g(x): return {n}\ndef f(x): return g(x)" for n in (1, 1, 2)]
    digests = [signature_of(notebook, cell) for cell in cells]
    assert digests[0] == digests[1] != digests[2]


def test_a_long_chain_of_helpers_is_followed_to_its_end(notebook: Notebook) -> None:
    chain = "\n".join(f"def g{n}(x): return g{n + 1}(x)" for n in range(3000))
    cells = [f"{chain}\ndef g3000(x): return {n}\ndef f(x): return g0(x)" for n in (1, 2)]
    assert signature_of(notebook, cells[0]) != signature_of(notebook, cells[1])


class MakesFunctions:
    """Each look at it finds a function that was not there before, which uses another of it."""

    def __reduce__(self) -> Any:
        more = MakesFunctions()
        return (lambda: more), ()


HOSTILE: dict[str, Callable[[], Any]] = {
    "lock": threading.Lock,
    "raises": zoo.ReduceRaises,
    "exits": zoo.ReduceExits,
    "lies": zoo.LiesAboutItself,
    "has no attributes": zoo.AttributesRaise,
    "hostile class": lambda: zoo.OfHostileClass,
    "of a hostile class": zoo.OfHostileClass,
    "local hostile class": lambda: zoo.HostileMeta("Local", (), {}),
    "makes functions": MakesFunctions,
    "generator": lambda: (n for n in range(3)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_variable_counts_and_hides_nothing_else(kind: str, notebook: Notebook) -> None:
    digests = []
    for number in (1, 1, 2):
        notebook._names["hostile"] = HOSTILE[kind]()
        notebook.run(f"def f(x): return hostile, n\nn = {number}")
        digests.append(signature(notebook["f"]))
    assert digests[0] == digests[1] != digests[2]


def test_an_interrupt_gets_out(notebook: Notebook) -> None:
    notebook._names["hostile"] = zoo.ReduceInterrupts()
    with pytest.raises(KeyboardInterrupt):
        signature_of(notebook, "def f(x): return hostile")


@pytest.mark.parametrize(
    "fn", [len, abs, np.sqrt, str.upper, "".join, np.zeros(3).sum, threading.Lock]
)
def test_whatever_can_be_called_has_a_signature(fn: Callable[..., Any]) -> None:
    assert signature(fn) == signature(fn) != signature(max)


def test_another_kernel_finds_the_same(
    script: Callable[..., Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from parmagic.checkpoint.signature import signature\n" + "".join(
        f"{cell}\nprint(signature(f).hex())\n" for cell in FIRST.values()
    )
    kernels = []
    for seed in "12":
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        kernels.append(script(source))
    ends = [kernel.end() for kernel in kernels]
    assert {end.code for end in ends} == {0}, ends[0].errors
    lines = [end.output.split() for end in ends]
    assert [name for name, *pair in zip(FIRST, *lines, strict=True) if len({*pair}) > 1] == []
