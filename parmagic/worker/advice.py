"""What to do instead of sending an object that cannot be pickled.

Kinds of objects are known by the names of their types, so that nothing is imported.
"""

from __future__ import annotations

import re
import sys
from fnmatch import fnmatchcase
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of objects that cannot be pickled.

    Attributes
    ----------
    types
        Patterns of ``module.QualName``, for the type of the object or one of its bases.
    send
        What to do instead of capturing it in a function or passing it as an item.
    give_back
        What to do instead of returning it. When empty: `send`, with "Return" for "Pass".
    noun
        What people call it, where the name of its type does not say it.
    """

    types: str
    send: str
    give_back: str = ""
    noun: str = ""

    def includes(self, names: list[str]) -> bool:
        """Tell whether a type whose bases have these names is of this kind."""
        return any(fnmatchcase(name, types) for types in self.types.split() for name in names)

    def advice(self, *, back: bool) -> str:
        """Say what to do instead of sending it, or of giving it ``back``."""
        if not back:
            return self.send
        return self.give_back or self.send.replace("Pass ", "Return ")


OTHER = Kind(
    "*",
    "Make it inside the function, so that each worker has its own.",
    "Return plain values taken from it.",
)

TOO_DEEP = Kind("", "Pass it in a flatter form, such as a list of its nodes.")

# What processes share, and what people call to make it. Windows gives no handles to a process
# that runs.
_MAKER = (
    "multiprocessing.Manager()"
    if sys.platform == "win32"
    else 'multiprocessing.get_context("spawn")'
)
_SHARED = (
    ("multiprocessing.sharedctypes.Synchronized", "Value(...)"),
    ("multiprocessing.sharedctypes.*", "Array(...)"),
    ("multiprocessing.synchronize.Barrier", "Barrier(...)"),
    *(
        (f"multiprocessing.*.{name}", f"{name}()")
        for name in ("JoinableQueue", "SimpleQueue", "Queue", "RLock", "Lock", "Condition", "Event")
    ),
    *(
        (f"multiprocessing.synchronize.{name}", f"{name}(...)")
        for name in ("BoundedSemaphore", "Semaphore")
    ),
)


def _for_workers(call: str) -> str:
    if sys.platform == "win32":
        return f"Make it with {_MAKER}.{call}."
    # Before Python 3.14 Linux makes them without a name by which others could find them.
    return f"It is for forked processes only: make it with {_MAKER}.{call}."


# The first that includes a type counts: the narrow stand above the wide.
KINDS = (
    Kind("sqlite3.Row", "Pass dict(row) or tuple(row)."),
    Kind(
        "sqlite3.* sqlalchemy.engine.* sqlalchemy.orm.session.* duckdb.* _duckdb.* asyncpg.*"
        " psycopg*.*onnection psycopg*.*ursor mysql.connector.* MySQLdb.* pymysql.* pyodbc.*"
        " oracledb.* pymongo.* redis.* socket.* _socket.* ssl.* _ssl.* zmq.* http.client.*"
        " ftplib.* smtplib.* paramiko.* aiohttp.*",
        "Open the connection inside the function.",
        "Return what was read from it.",
    ),
    Kind("ipykernel.iostream.*", "Call print(): what a function prints appears under its cell."),
    Kind(
        "IPython.* ipykernel.*",
        "Workers have no IPython: take what you need from it, and pass that.",
    ),
    Kind("ipywidgets.*", "Pass its value, as in slider.value."),
    Kind("tqdm.*", "Leave it out: parmagic shows the progress itself.", noun="a progress bar"),
    Kind("logging.*Handler", "Pass the logger, or call logging.getLogger() inside the function."),
    Kind(
        "h5py.* netCDF4.* zipfile.ZipFile tempfile._TemporaryFile* mmap.mmap _io._IOBase",
        "Open the file inside the function, or pass its path.",
        "Return its content or its path.",
        noun="an open file",
    ),
    Kind("*.DirEntry", "Pass its path, as in entry.path."),
    Kind(
        "builtins.generator builtins.async_generator",
        "Pass a list, or make the generator inside the function.",
        "Return a list.",
    ),
    Kind(
        "itertools.* builtins.map builtins.filter builtins.zip builtins.enumerate"
        " builtins.*_iterator",
        "Pass a list, or make the iterator inside the function.",
        "Return a list.",
        noun="an iterator",
    ),
    Kind(
        "builtins.coroutine asyncio.* _asyncio.*",
        "Pass what it gives when awaited, or call asyncio.run() inside the function.",
        "Return what it gives, as in asyncio.run(coroutine).",
    ),
    Kind("concurrent.futures._base.Future", "Pass its result, as in future.result()."),
    Kind(
        "concurrent.futures.* multiprocessing.pool.* parmagic.pool.*",
        "Leave it out: a worker cannot use a pool of the kernel.",
        "Return the results of the pool.",
    ),
    *(
        Kind(types, _for_workers(name), "Leave it out: it stays in the process that made it.")
        for types, name in _SHARED
    ),
    Kind(
        "multiprocessing.connection.*",
        "Open the connection inside the function.",
        "Leave it out: it stays in the process that made it.",
    ),
    Kind(
        "multiprocessing.managers.BaseManager",
        "Pass what it has made, as in manager.dict().",
        "Leave it out: it stays in the process that made it.",
    ),
    Kind(
        "threading.Thread multiprocessing.process.BaseProcess subprocess.Popen",
        "Start it inside the function.",
        "Return what it computed.",
    ),
    Kind(
        "_thread.lock _thread.RLock threading._RLock",
        f"It locks threads, not processes: use {_MAKER}.Lock(), or none.",
        "Leave it out: it locks threads, not processes.",
        noun="a thread lock",
    ),
    Kind(
        "threading.* queue.* _queue.*",
        f"It serves one process: make one with {_MAKER}, or inside the function.",
        "Leave it out: it serves one process.",
    ),
    Kind("functools._lru_cache_wrapper", "Pass the function without its cache: fn.__wrapped__."),
    Kind("functools.cached_property", "It holds a lock before Python 3.12: use @property."),
    Kind(
        "weakref.WeakKeyDictionary",
        "Pass a plain dict. A function of functools.singledispatch must be moved to a module.",
    ),
    Kind("weakref.*", "Pass what it refers to.", noun="a weak reference"),
    Kind("builtins.memoryview", "Pass bytes(view)."),
    Kind("re.Match", "Pass its text, as in match.group()."),
    Kind("_hashlib.*", "Make it inside the function.", "Return its hexdigest()."),
    Kind("_contextvars.ContextVar", "Pass its value, as in variable.get()."),
    Kind("builtins.frame builtins.traceback", "Pass its text, as in traceback.format_exc()."),
    Kind("_ctypes.* _cffi_backend.*", "Pass what it points to, or make it inside the function."),
)


def kind_of(value: object) -> Kind:
    """Find the kind of ``value``; `OTHER` when there is nothing special to say of it."""
    names = [_full_name(base) for base in type(value).__mro__]
    return next((kind for kind in KINDS if kind.includes(names)), OTHER)


def describe(value: object) -> str:
    """Name what ``value`` is, with an article: ``a thread lock (_thread.lock)``."""
    name = _written(type(value))
    noun = kind_of(value).noun
    return f"{noun} ({name})" if noun else f"{_article(name)} {name}"


def _written(cls: type) -> str:
    """Name a type as one writes it, without the modules that nobody imports it from."""
    name = _full_name(cls).rpartition("<locals>.")[2]
    return re.sub(r"^(builtins|__main__)\.", "", name)


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _article(name: str) -> str:
    # By sound: an item, an unknown, but a unit, a user.
    return "an" if re.match(r"_*([aeio]|un(?!i))", name, re.IGNORECASE) else "a"
