from __future__ import annotations

import concurrent.futures
import contextvars
import ctypes
import hashlib
import logging
import mmap
import multiprocessing
import multiprocessing.pool
import os
import pickle
import queue
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest

from parmagic.worker import search
from parmagic.worker.by_value import dumps
from parmagic.worker.cancel import Cancelled
from parmagic.worker.culprit import blame_function, blame_value
from parmagic.worker.errors import PayloadError


def cell(source: str, **names: Any) -> dict[str, Any]:
    """What a notebook's variables are after a cell was run."""
    variables = {"__name__": "__main__", **names}
    exec(compile(source, "/tmp/ipykernel_1/2.py", "exec", dont_inherit=True), variables)
    return variables


def refusal(value: object) -> BaseException:
    try:
        dumps(value)
    except BaseException as error:
        return error
    pytest.fail("this can be pickled")


def blamed(source: str, **names: Any) -> str:
    fn = cell(source, **names)["fit"]
    return str(blame_function(fn, refusal(fn)))


def blamed_value(value: object, what: str = "item 3") -> str:
    return str(blame_value(value, refusal(value), what))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as conn:
        yield conn


CONN = "a sqlite3.Connection. Open the connection inside the function."

# What people have in their notebooks: how it is made, what it is called, what to do instead
# of sending it, and of returning it.


def database(stack: ExitStack) -> sqlite3.Connection:
    return stack.enter_context(closing(sqlite3.connect(":memory:")))


def row(stack: ExitStack) -> object:
    connection = database(stack)
    connection.row_factory = sqlite3.Row
    return connection.execute("select 1 as one").fetchone()


def coroutine(stack: ExitStack) -> object:
    async def fetch() -> None: ...

    return stack.enter_context(closing(fetch()))


def opened(stack: ExitStack, mode: str) -> object:
    return stack.enter_context(Path(os.devnull).open(mode))


def temporary(stack: ExitStack) -> object:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - the stack closes it
    return stack.enter_context(file)


def memory_map(stack: ExitStack) -> object:
    return stack.enter_context(mmap.mmap(-1, 10))


def entry(stack: ExitStack) -> object:
    return next(stack.enter_context(os.scandir(os.path.dirname(__file__))))


def process(stack: ExitStack) -> object:
    return stack.enter_context(subprocess.Popen([sys.executable, "-c", ""]))


def released_view(stack: ExitStack) -> object:
    view = memoryview(b"abc")
    view.release()
    return view


def tracebacks(stack: ExitStack) -> object:
    try:
        raise ValueError
    except ValueError as error:
        return error.__traceback__


def stubborn(stack: ExitStack) -> object:
    source = "class Stubborn:\n    def __reduce__(self): raise NotImplementedError"
    return cell(source)["Stubborn"]()


CONNECTION = ("Open the connection inside the function.", "Return what was read from it.")
FILE = ("Open the file inside the function, or pass its path.", "Return its content or its path.")
GENERATOR = ("Pass a list, or make the generator inside the function.", "Return a list.")
LOCK = (
    'It locks threads, not processes: use multiprocessing.get_context("spawn").Lock(), or none.',
    "Leave it out: it locks threads, not processes.",
)
THREADS = (
    'It serves one process: make one with multiprocessing.get_context("spawn"), or inside the'
    " function.",
    "Leave it out: it serves one process.",
)
POOL = (
    "Leave it out: a worker cannot use a pool of the kernel.",
    "Return the results of the pool.",
)
STAYS = "Leave it out: it stays in the process that made it."
FORK = multiprocessing.get_context("fork")
START = ("Start it inside the function.", "Return what it computed.")
AWAIT = (
    "Pass what it gives when awaited, or call asyncio.run() inside the function.",
    "Return what it gives, as in asyncio.run(coroutine).",
)
OTHER = (
    "Make it inside the function, so that each worker has its own.",
    "Return plain values taken from it.",
)


def for_spawned(call: str) -> tuple[str, str]:
    maker = 'multiprocessing.get_context("spawn")'
    return f"It is for forked processes only: make it with {maker}.{call}.", STAYS


def both(send: str) -> tuple[str, str]:
    return send, send.replace("Pass", "Return")


Make = Callable[[ExitStack], object]

HOSTILE: list[tuple[Make, str, tuple[str, str]]] = [
    (database, "a sqlite3.Connection", CONNECTION),
    (lambda s: s.enter_context(closing(database(s).cursor())), "a sqlite3.Cursor", CONNECTION),
    (row, "a sqlite3.Row", both("Pass dict(row) or tuple(row).")),
    (lambda s: s.enter_context(socket.socket()), "a socket.socket", CONNECTION),
    (lambda s: ssl.create_default_context(), "a ssl.SSLContext", CONNECTION),
    (lambda s: opened(s, "w"), "an open file (_io.TextIOWrapper)", FILE),
    (lambda s: opened(s, "r"), "an open file (_io.TextIOWrapper)", FILE),
    (lambda s: opened(s, "rb"), "an open file (_io.BufferedReader)", FILE),
    (temporary, "an open file (tempfile._TemporaryFileWrapper)", FILE),
    (memory_map, "an open file (mmap.mmap)", FILE),
    (entry, f"a {os.name}.DirEntry", both("Pass its path, as in entry.path.")),
    (lambda s: (x for x in "abc"), "a generator", GENERATOR),
    (coroutine, "a coroutine", AWAIT),
    (lambda s: threading.Lock(), "a thread lock (_thread.lock)", LOCK),
    (lambda s: threading.RLock(), "a thread lock (_thread.RLock)", LOCK),
    (lambda s: threading.Event(), "a threading.Event", THREADS),
    (lambda s: threading.Condition(), "a threading.Condition", THREADS),
    (lambda s: threading.Semaphore(), "a threading.Semaphore", THREADS),
    (lambda s: queue.Queue(), "a queue.Queue", THREADS),
    (lambda s: queue.SimpleQueue(), "a _queue.SimpleQueue", THREADS),
    (lambda s: threading.Thread(), "a threading.Thread", START),
    (process, "a subprocess.Popen", START),
    (
        lambda s: s.enter_context(concurrent.futures.ThreadPoolExecutor()),
        "a concurrent.futures.thread.ThreadPoolExecutor",
        POOL,
    ),
    (
        lambda s: s.enter_context(concurrent.futures.ProcessPoolExecutor()),
        "a concurrent.futures.process.ProcessPoolExecutor",
        POOL,
    ),
    (
        lambda s: s.enter_context(multiprocessing.pool.ThreadPool(1)),
        "a multiprocessing.pool.ThreadPool",
        POOL,
    ),
    (
        lambda s: concurrent.futures.Future(),
        "a concurrent.futures._base.Future",
        both("Pass its result, as in future.result()."),
    ),
    *(
        (make, f"a multiprocessing.{kind}", for_spawned(call))
        for make, kind, call in (
            (lambda s: FORK.Lock(), "synchronize.Lock", "Lock()"),
            (lambda s: FORK.RLock(), "synchronize.RLock", "RLock()"),
            (lambda s: FORK.Semaphore(), "synchronize.Semaphore", "Semaphore(...)"),
            (lambda s: FORK.Event(), "synchronize.Event", "Event()"),
            (lambda s: FORK.Condition(), "synchronize.Condition", "Condition()"),
            (lambda s: FORK.Barrier(2), "synchronize.Barrier", "Barrier(...)"),
            (lambda s: FORK.Queue(), "queues.Queue", "Queue()"),
            (lambda s: FORK.SimpleQueue(), "queues.SimpleQueue", "SimpleQueue()"),
            (lambda s: FORK.JoinableQueue(), "queues.JoinableQueue", "JoinableQueue()"),
            (lambda s: FORK.Value("i"), "sharedctypes.Synchronized", "Value(...)"),
            (lambda s: FORK.Array("i", 2), "sharedctypes.SynchronizedArray", "Array(...)"),
        )
    ),
    (
        lambda s: logging.Handler(),
        "a logging.Handler",
        both("Pass the logger, or call logging.getLogger() inside the function."),
    ),
    (released_view, "a memoryview", both("Pass bytes(view).")),
    (
        lambda s: weakref.ref(Make),
        "a weak reference (weakref.ReferenceType)",
        both("Pass what it refers to."),
    ),
    (lambda s: re.match("a", "a"), "a re.Match", both("Pass its text, as in match.group().")),
    (
        lambda s: hashlib.sha256(),
        "a _hashlib.HASH",
        ("Make it inside the function.", "Return its hexdigest()."),
    ),
    (
        lambda s: contextvars.ContextVar("x"),
        "a _contextvars.ContextVar",
        both("Pass its value, as in variable.get()."),
    ),
    (
        lambda s: sys._getframe(),
        "a frame",
        both("Pass its text, as in traceback.format_exc()."),
    ),
    (tracebacks, "a traceback", both("Pass its text, as in traceback.format_exc().")),
    (
        lambda s: ctypes.c_char_p(b"x"),
        "a ctypes.c_char_p",
        both("Pass what it points to, or make it inside the function."),
    ),
    (lambda s: threading.local(), "a _thread._local", OTHER),
    (stubborn, "a Stubborn", OTHER),
]

# Where a function can have them, and how that is told.
PLACES = {
    "global": (
        """
def fit(x):
    return thing
""",
        "it uses 'thing' (line 3)",
    ),
    "closure": (
        """
def make(thing):
    def fit(x):
        x += 1
        return thing
    return fit

fit = make(thing)
""",
        "it uses 'thing' (line 5)",
    ),
    "default": (
        """
def fit(x, a=1, b=thing):
    return b
""",
        "it has the default 'b' (line 2)",
    ),
    "attribute": (
        """
class Model: pass

model = Model()
model.inner = thing

def fit(x):
    return model
""",
        "it uses 'model.inner' (line 8)",
    ),
    "element": (
        """
models = {"a": [1, thing]}

def fit(x):
    return models
""",
        "it uses models['a'][1] (line 5)",
    ),
    "helper": (
        """
def load():
    return thing

def fit(x):
    return load()
""",
        "it uses 'load' (line 6), which uses 'thing' (line 3)",
    ),
}


def each_hostile(*, advice: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("make", "named", "advice"),
        [pytest.param(make, named, say[advice], id=named) for make, named, say in HOSTILE],
    )


@pytest.mark.parametrize(("source", "where"), PLACES.values(), ids=PLACES)
@each_hostile(advice=0)
def test_a_function_is_refused_with_variable_type_line_and_advice(
    make: Make, named: str, advice: str, source: str, where: str, stack: ExitStack
) -> None:
    message = blamed(source, thing=make(stack))
    assert message == f"cannot send 'fit' to the workers: {where}, {named}. {advice}"


@each_hostile(advice=0)
def test_an_item_is_refused_with_its_part_and_advice(
    make: Make, named: str, advice: str, stack: ExitStack
) -> None:
    message = blamed_value({"log": make(stack)})
    assert message == f"cannot send item 3 to the workers: its ['log'] is {named}. {advice}"


@each_hostile(advice=1)
def test_a_result_is_refused_with_what_to_return_instead(
    make: Make, named: str, advice: str, stack: ExitStack
) -> None:
    message = blamed_value(make(stack), "the result of item 3")
    assert message == f"cannot send the result of item 3 back: it is {named}. {advice}"


# How the variable is named.

NAMED_IN_FUNCTIONS = {
    "it uses 'conn' (line 3)": """
def fit(x):
    return [y for y in x if (lambda: conn)()]
""",
    "it uses 'conn' (line 4)": """
def fit(x):
    x.conn.close()
    x.conn = conn
""",
    "it has the default 'box' (line 2)": """
def fit(x, *, box=conn): ...
""",
    "it has the annotation 'x' (line 2)": """
def fit(x: conn): ...
""",
    "it has the attribute 'cache' (line 2)": """
def fit(x): ...
fit.cache = conn
""",
    "it uses 'self.conn'": """
class Model:
    def __init__(self, conn): self.conn = conn
    def fit(self, x): ...
fit = Model(conn).fit
""",
    "it has the argument 'conn'": """
import functools
fit = functools.partial(lambda x, conn: x, conn=conn)
""",
    "it has the argument args[0]": """
import functools
fit = functools.partial(lambda conn, x: x, conn)
""",
    "it wraps 'fit', which uses 'conn' (line 9)": """
import functools
def logged(fn):
    @functools.wraps(fn)
    def inner(*arguments): return fn(*arguments)
    return inner
@logged
def fit(x):
    return conn
""",
    "it uses 'Model.load' (line 5), which uses 'conn' (line 3)": """
class Model:
    def load(self): return conn
def fit(x):
    return Model()
""",
    "it uses 'model.size' (line 7), which uses 'conn' (line 4)": """
class Model:
    @property
    def size(self): return conn
model = Model()
def fit(x):
    return model
""",
    "it uses 'Model.conn' (line 5)": """
class Model:
    conn = conn
def fit(x):
    return Model
""",
    "it uses 'model.conn' (line 7)": """
class Model:
    __slots__ = ("a", "conn")
model = Model()
model.conn = conn
def fit(x):
    return model
""",
    "it uses 'model.db' (line 7)": """
class Model:
    def __getstate__(self): return {"db": self.conn}
model = Model()
model.conn = conn
def fit(x):
    return model
""",
    "it uses 'point.conn' (line 9)": """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    conn: object
point = Point(1, conn)
def fit(x):
    return point
""",
    "it uses point[1] (line 5)": """
import collections
point = collections.namedtuple("Point", "x conn")(1, conn)
def fit(x):
    return point
""",
    "it uses conns[2] (line 5)": """
import collections
conns = collections.deque([1, 2, conn])
def fit(x):
    return conns
""",
    "it uses conns['a'][None][0] (line 6)": """
import collections
conns = collections.defaultdict(list)
conns["a"] = {None: (conn,)}
def fit(x):
    return conns
""",
    "it uses conns[...] (line 4)": """
conns = {conn}
def fit(x):
    return conns
""",
    "it uses 'a' (line 6), which uses 'b' (line 2), which uses 'conn' (line 4)": """
def a(): return fit, a, b
def b(): return (fit,
    a, conn)
def fit(x):
    return fit, a, b
""",
}


@pytest.mark.parametrize(("named", "source"), NAMED_IN_FUNCTIONS.items(), ids=NAMED_IN_FUNCTIONS)
def test_the_variable_is_named_as_it_would_be_written(
    named: str, source: str, conn: sqlite3.Connection
) -> None:
    message = blamed(source, conn=conn)
    assert message.partition(" to the workers: ")[2] == f"{named}, {CONN}"


CALLED = {
    "'fit'": "def fit(x): return conn",
    "the lambda": "fit = lambda x: conn",
    "'Model.fit'": "class Model:\n    def fit(self, x): return conn\nfit = Model().fit",
    "'Model'": "class Model:\n    def __call__(self, x): return conn\nfit = Model",
    "a Model": "class Model:\n    def __call__(self, x): return conn\nfit = Model()",
    "'inner'": "def make():\n    def inner(x): return conn\n    return inner\nfit = make()",
    "'part'": "import functools\ndef part(x): return conn\nfit = functools.partial(part)",
    "'Connection.execute'": "fit = conn.execute",
}


@pytest.mark.parametrize(("called", "source"), CALLED.items(), ids=CALLED)
def test_the_function_is_called_what_its_author_calls_it(
    called: str, source: str, conn: sqlite3.Connection
) -> None:
    message = blamed(source, conn=conn)
    assert message.startswith(f"cannot send {called} to the workers: it")
    assert message.endswith(CONN)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda conn: {"a": [0, (1, conn)]}, "its ['a'][1][1] is"),
        (lambda conn: {conn}, "its [...] is"),
        (lambda conn: lambda: conn, "it uses 'conn' (line {}),"),
        (lambda conn: {"call": lambda: conn}, "its ['call'] uses 'conn' (line {}),"),
    ],
)
def test_the_part_of_an_item_is_named_as_its_index(
    value: Callable[[Any], Any], reason: str, conn: sqlite3.Connection
) -> None:
    message = blamed_value(value(conn)).replace(" of test_culprit.py", "")
    line = value.__code__.co_firstlineno
    assert message == f"cannot send item 3 to the workers: {reason.format(line)} {CONN}"


def test_a_long_name_is_cut_in_the_middle(conn: sqlite3.Connection) -> None:
    chain: Any = conn
    for _ in range(50):
        chain = {"next": chain}
    named = re.search(r"its (.*) is", blamed_value(chain))
    assert named is not None
    assert len(named[1]) == 60
    assert named[1].startswith("['next']['next']")
    assert named[1].endswith("['next']['next']")


# Where it is used.


def test_a_line_of_a_file_is_named_with_the_file(tmp_path: Path, conn: sqlite3.Connection) -> None:
    path = tmp_path / "helpers.py"
    path.write_text("def fit(x):\n    return conn\n")
    variables = {"__name__": "__main__", "conn": conn}
    exec(compile(path.read_text(), str(path), "exec"), variables)
    fn: Any = variables["fit"]
    assert "(line 2 of helpers.py)" in str(blame_function(fn, refusal(fn)))


def test_a_cell_is_named_by_who_knows_its_number(conn: sqlite3.Connection) -> None:
    fn = cell("def fit(x): return conn", conn=conn)["fit"]
    names = {"/tmp/ipykernel_1/2.py": "Cell In[3]"}
    message = str(blame_function(fn, refusal(fn), label=names.__getitem__))
    assert "it uses 'conn' (line 1 of Cell In[3]), a sqlite3.Connection" in message


# What is not to blame.


def test_what_is_imported_is_not_looked_into(conn: sqlite3.Connection) -> None:
    source = "import os, json\ndef fit(x): return os, json.dumps, json.JSONEncoder, conn"
    assert "it uses 'conn' (line 2)" in blamed(source, conn=conn)


def test_what_comes_after_the_culprit_is_not_touched(conn: sqlite3.Connection) -> None:
    touched = []

    class Mine:
        def __reduce__(self) -> Any:
            touched.append(self)
            return Mine, ()

    assert f"its [0] is {CONN}" in blamed_value([conn, Mine()])
    assert f"it uses 'conn' (line 1), {CONN}" in blamed(
        "def fit(x): return conn, mine", conn=conn, mine=Mine()
    )
    assert not touched


def test_what_refers_back_to_the_whole_is_not_blamed(conn: sqlite3.Connection) -> None:
    whole: dict[str, Any] = {"self": None}
    whole["self"] = [whole]
    whole["conn"] = conn
    assert f"its ['conn'] is {CONN}" in blamed_value(whole)


def test_a_variable_without_a_value_is_passed_by(conn: sqlite3.Connection) -> None:
    source = """
def make():
    def fit(x): return later, conn
    return fit
    later = 1
fit = make()
"""
    assert f"it uses 'conn' (line 3), {CONN}" in blamed(source, conn=conn)


def test_an_error_that_is_not_about_pickling_is_told_as_it_is() -> None:
    assert str(blame_value([1], MemoryError(), "item 3")) == (
        "cannot send item 3 to the workers: MemoryError"
    )
    assert str(blame_function(cell("def fit(x): ...")["fit"], OSError("disk full"))) == (
        "cannot send 'fit' to the workers: OSError: disk full"
    )


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="holds a lock before Python 3.12 only")
def test_a_cached_property_is_blamed_for_its_lock() -> None:
    source = """
import functools
class Model:
    @functools.cached_property
    def size(self): return 1
def fit(x): return Model
"""
    assert blamed(source).endswith(
        "it uses 'Model.size' (line 6), a functools.cached_property. "
        "It holds a lock before Python 3.12: use @property."
    )


# Whatever the objects do.


def nested(levels: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    return deep


TOO_DEEP = "a list nested too deeply. {} it in a flatter form, such as a list of its nodes."


def test_what_is_nested_too_deeply_is_named_as_a_whole() -> None:
    source = "def load(): return tree\ndef fit(x): return load()"
    assert blamed(source, tree=nested(100_000)).endswith(
        f"it uses 'load' (line 2), which uses 'tree' (line 1), {TOO_DEEP.format('Pass')}"
    )
    assert blamed_value(nested(100_000), "the result of item 3").endswith(
        f"back: it is {TOO_DEEP.format('Return')}"
    )


HOSTILE_CLASSES = {
    "__reduce__ raises": "def __reduce__(self): raise ValueError",
    "__reduce__ exits": "def __reduce__(self): raise SystemExit",
    "__reduce__ gives rubbish": "def __reduce__(self): return 1, 2, 3, 4, 5, 6, 7",
    "__reduce__ never ends": "def __reduce__(self): return Hostile, (Hostile(),)",
    "__getstate__ raises": "def __getstate__(self): raise ValueError",
    "__getattribute__ raises": "def __getattribute__(self, name): raise ValueError",
    "__getattr__ raises": "lock = LOCK\n    def __getattr__(self, name): raise ValueError",
    "__repr__ raises": "lock = LOCK\n    def __repr__(self): raise ValueError",
    "__class__ raises": "__class__ = property(lambda self: 1 / 0)",
    "__eq__ and __hash__ raise": "lock = LOCK\n    def __eq__(self, other): 1 / 0\n"
    "    def __hash__(self): 1 / 0",
}


@pytest.mark.parametrize("body", HOSTILE_CLASSES.values(), ids=HOSTILE_CLASSES)
def test_no_object_can_make_the_search_fail(body: str) -> None:
    source = f"class Hostile:\n    {body}\nhostile = Hostile()\ndef fit(x): return hostile"
    message = blamed(source, LOCK=threading.Lock())
    assert re.match(r"cannot send 'fit' to the workers: \w+", message)
    value = cell(source, LOCK=threading.Lock())["hostile"]
    assert re.match(r"cannot send item 3 to the workers: \w+", blamed_value(value))


def test_an_object_that_fails_half_way_is_blamed_itself() -> None:
    source = """
class Broken:
    def __reduce__(self): return list, (), None, (1 // x for x in (1, 0))
broken = Broken()
"""
    message = blamed_value([cell(source)["broken"]])
    assert message.startswith("cannot send item 3 to the workers: its [0] is a Broken.")


def test_a_function_that_cannot_be_taken_apart_is_not_called_unpicklable_itself() -> None:
    fn = cell("def fit(x): ...")["fit"]
    fn.__module__ = threading.Lock()
    error = refusal(fn)
    message = str(blame_function(fn, error))
    assert message == f"cannot send 'fit' to the workers: {type(error).__name__}: {error}"


def test_a_hostile_metaclass_cannot_make_the_search_fail() -> None:
    source = """
class Meta(type):
    def __getattribute__(cls, name): raise ValueError
    def __hash__(cls): raise ValueError
class Hostile(metaclass=Meta):
    lock = LOCK
hostile = Hostile()
def fit(x): return hostile
"""
    variables = cell(source, LOCK=threading.Lock())
    error = TypeError("no")
    assert "to the workers: TypeError: no" in str(blame_function(variables["fit"], error))
    assert "to the workers: TypeError: no" in str(blame_value(variables["hostile"], error, "it"))
    assert "cannot send the function" in str(blame_function(variables["hostile"], error))


def test_an_error_that_has_no_text_is_told_by_its_type() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    message = str(blame_value([1], Mute(), "item 3"))
    assert "Mute" in message


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Cancelled])
def test_interrupt_and_cancel_get_out(stop: type[BaseException]) -> None:
    class Interrupted:
        def __reduce__(self) -> Any:
            raise stop

    with pytest.raises(stop):
        blame_value(Interrupted(), TypeError(), "item 3")


def test_a_search_without_end_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        def __reduce__(self) -> Any:
            return list, (), None, iter(int, 1)

    monkeypatch.setattr(search, "SEARCH_SECONDS", 0.1)
    begun = monotonic()
    error = TypeError("no")
    fn = cell("def fit(x): return endless", endless=Endless())["fit"]
    assert str(blame_function(fn, error)) == "cannot send 'fit' to the workers: TypeError: no"
    message = str(blame_value([Endless()], error, "item 3"))
    assert message == "cannot send item 3 to the workers: TypeError: no"
    assert monotonic() - begun < 10


def test_a_large_array_before_the_culprit_costs_no_copy(conn: sqlite3.Connection) -> None:
    array = np.zeros(200_000_000, dtype=np.uint8)
    error = refusal([conn])
    tracemalloc.start()
    try:
        message = str(blame_value([array, conn], error, "item 3"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"its [1] is {CONN}" in message
    assert peak < array.nbytes / 10


def test_blame_travels(conn: sqlite3.Connection) -> None:
    blame = blame_value(conn, refusal(conn), "the result of item 3")
    again = pickle.loads(pickle.dumps(blame))
    assert type(again) is PayloadError
    assert str(again) == str(blame)
