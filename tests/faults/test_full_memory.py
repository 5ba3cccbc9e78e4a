"""Where there is little memory, or few descriptors, it is slower, or a clear error, and goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from textwrap import dedent, indent

import pytest
from support import Ended, Script, wait_until

TRANSPORTS = ("memfd", "shm", "named", "file")


@cache
def can_mount() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and not subprocess.run(command).returncode


mounts = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not can_mount(),
    reason="needs root, who may mount a file system for a test alone",
)

# It begins again with file systems of its own, which end with it.
MOUNTED = """
import os, sys
os.environ["PARMAGIC_MEMORY"] = {transport!r}
if "INSIDE" not in os.environ:
    os.environ["INSIDE"] = "yes"
    mounts = {mounts!r}
    commands = " && ".join(f"mount -t tmpfs -o size={{m}} tmpfs {{at}}" for at, m in mounts.items())
    inside = f"{{commands}} && exec {{sys.executable}} {{__file__}}"
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", inside])
os.environ["TMPDIR"] = "/mnt" if "/mnt" in {mounts!r} else os.path.dirname(__file__)
"""
PRELUDE = """
import errno, gc, os, resource, sys, warnings
import numpy as np
import parmagic
from support import wait_until

warnings.filterwarnings("ignore", "there is no shared memory", RuntimeWarning)
FIVE, COUNT = range(5), {count}

def right(results):
    return [(array[0], array[-1], len(array)) for array in results] == [(n, n, COUNT) for n in FIVE]

def items():
    return parmagic.map(np.sum, (np.full(COUNT, n) for n in FIVE), chunksize=1, workers=2) == [
        n * COUNT for n in FIVE
    ]

def results():
    return right(parmagic.map(lambda n: np.full(COUNT, n), FIVE, chunksize=1, workers=2))

def several_in_a_chunk():
    return right(parmagic.map(lambda n: np.full(COUNT, n), FIVE, chunksize=5, workers=2))

def chained():
    made = parmagic.map(lambda n: np.full(COUNT, n), FIVE, chunksize=1, workers=2)
    return right(parmagic.map(lambda array: array + 0, made, chunksize=1, workers=2))

def captured():
    kept = np.arange(COUNT)
    return parmagic.map(lambda n: kept[n] + kept[-1], FIVE, chunksize=1, workers=2) == [
        n + COUNT - 1 for n in FIVE
    ]

def text():
    return [each == "x" * 8 * COUNT for each in
            parmagic.map(lambda n: "x" * 8 * COUNT, FIVE[:2], workers=2)] == [True] * 2

def shared():
    kept = parmagic.share(np.arange(COUNT))
    return parmagic.map(lambda n: kept[n] + kept[-1], FIVE, chunksize=1, workers=2) == [
        n + COUNT - 1 for n in FIVE
    ]

def writable():
    kept = parmagic.share(np.zeros(COUNT), writable=True)
    def fill(n):
        kept[n] = n
    parmagic.map(fill, FIVE, workers=2)
    return list(kept[:5]) == [*FIVE]

def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]

WAYS = items, results, several_in_a_chunk, chained, captured, text, shared, writable
"""
ALL = """
for way in WAYS:
    print(way.__name__, attempt(way), flush=True)
"""
WAYS = (
    *("items", "results", "several_in_a_chunk", "chained", "captured", "text"),
    *("shared", "writable"),
)


def facts(ended: Ended) -> dict[str, str]:
    assert (ended.code, ended.errors) == (0, ""), ended
    return dict(line.split() for line in ended.output.splitlines())


def all_right(**but: str) -> dict[str, str]:
    return dict.fromkeys(WAYS, "True") | but


@mounts
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_in_a_container_with_64_megabytes_for_sharing_all_is_right(
    script: Callable[..., Script], transport: str
) -> None:
    mounted = MOUNTED.format(transport=transport, mounts={"/dev/shm": "64m"})
    source = mounted + PRELUDE.format(count=5_000_000) + ALL
    assert facts(script(source).end()) == all_right()


@mounts
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_where_also_the_folder_for_temporary_files_is_full_values_go_in_messages(
    script: Callable[..., Script], transport: str
) -> None:
    full = {"/dev/shm": "4m", "/mnt": "1m"}
    source = MOUNTED.format(transport=transport, mounts=full) + PRELUDE.format(count=1_000_000)
    told = facts(script(source + ALL).end())
    # Only what is shared needs memory that is shared; and of memfd there is enough. Of the others
    # too, if a worker has found the folder full when it first asked for one, and taken another.
    ends = {"True"} if transport == "memfd" else {"True", "ENOSPC"}
    assert {told.pop("shared"), told.pop("writable")} <= ends
    assert set(told.values()) == {"True"}
    assert len(told) == len(WAYS) - 2


# Files, and so segments, of no more than so many bytes.
LIMIT = "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))\n"
IN_WORKERS = """
def limit(_):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))

parmagic.map(limit, range(40), chunksize=1, workers=2)
"""
LIMITS = {
    "everywhere": (LIMIT, all_right(shared="EFBIG", writable="EFBIG")),
    "in workers": (IN_WORKERS, all_right()),
    # What the workers have made by then, it may use again.
    "in the kernel": ("parmagic.map(abs, range(9), workers=2)\n" + LIMIT, all_right()),
}


@pytest.mark.parametrize("transport", ["memfd", "named"])
@pytest.mark.parametrize(("limit", "expected"), LIMITS.values(), ids=LIMITS)
def test_where_files_are_limited_values_go_in_messages(
    script: Callable[..., Script], transport: str, limit: str, expected: dict[str, str]
) -> None:
    chosen = f"import os; os.environ['PARMAGIC_MEMORY'] = {transport!r}\n"
    source = chosen + PRELUDE.format(count=500_000) + limit + ALL
    before = {*Path("/dev/shm").iterdir()}
    assert facts(script(source).end()) == expected
    left = {*Path("/dev/shm").glob("parmagic*")} - before
    # What another test, beside this one, has made goes away by itself.
    assert wait_until(lambda: not any(path.exists() for path in left), seconds=60)


# Memory that fills up while a job runs, and is free again.
FILLS = """
print("begin", chained(), flush=True)
with open("/dev/shm/full", "wb", buffering=0) as file:
    try:
        while file.write(bytes(1 << 20)):
            pass
    except OSError:
        pass
for way in WAYS:
    print(way.__name__, attempt(way), flush=True)
os.unlink("/dev/shm/full")
print("end", chained(), shared(), sep="")
"""


@mounts
@pytest.mark.parametrize("transport", ["shm", "named"])
def test_memory_may_be_full_for_a_while(script: Callable[..., Script], transport: str) -> None:
    mounted = MOUNTED.format(transport=transport, mounts={"/dev/shm": "64m"})
    source = mounted + PRELUDE.format(count=300_000) + FILLS
    told = facts(script(source.replace('print("end", ', 'print("end ", ')).end())
    assert told == all_right(begin="True", end="TrueTrue")


# Descriptors.

FEW = """
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
live = parmagic.map(lambda n: np.full(30_000, n), range(200), chunksize=1, workers=2)
for way in WAYS:
    print(way.__name__, attempt(way), flush=True)
print("live", all((array == n).all() for n, array in enumerate(live)))
"""


@pytest.mark.parametrize("limit", [64, 40])
@pytest.mark.parametrize("transport", ["memfd", "named"])
def test_with_few_descriptors_all_is_right(
    script: Callable[..., Script], transport: str, limit: int
) -> None:
    chosen = f"import os; os.environ['PARMAGIC_MEMORY'] = {transport!r}\n"
    source = chosen + PRELUDE.format(count=30_000) + FEW.format(limit=limit)
    assert facts(script(source).end()) == all_right(live="True")


HOARD = """
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
hoard = []

def take_all(spare=0):
    try:
        while True:
            hoard.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        for _ in range(spare):
            os.close(hoard.pop())

def give_back():
    while hoard:
        os.close(hoard.pop())

def attempt(call):
    try:
        return call()
    except OSError as error:
        return "told" if "ulimit" in str(error) or "open files" in str(error) else repr(error)
    except (parmagic.PoolBroken, parmagic.PayloadError) as error:
        return "told" if "open files" in str(error) else repr(error)

"""
MOMENTS = {
    "before": """
        take_all({spare})
        print("first", attempt(way))
        give_back()
    """,
    "between": """
        print("first", way())
        take_all({spare})
        print("second", attempt(way))
        give_back()
    """,
    "during": """
        parmagic.map(abs, range(3), workers=2)
        import threading
        begun, taken = threading.Event(), threading.Event()
        def slow_items():
            for n in FIVE:
                if n == 2:
                    begun.set()
                    taken.wait()
                yield n
        def take_during():
            begun.wait()
            take_all({spare})
            taken.set()
        thread = threading.Thread(target=take_during)
        thread.start()
        def during():
            return right(parmagic.map(lambda n: np.full(COUNT, n), slow_items(), chunksize=1))
        print("first", attempt(during))
        thread.join()
        print("second", attempt(way))
        give_back()
    """,
    "while results live": """
        live = parmagic.map(lambda n: np.full(COUNT, n), FIVE, chunksize=1, workers=2)
        take_all({spare})
        print("first", right(live))
        print("second", attempt(way))
        del live
        parmagic.jobs.clear()
        gc.collect()
        print("third", attempt(way))
        give_back()
    """,
}


CASES = [
    pytest.param(moment, spare, id=f"{name}-{spare}")
    for name, moment in MOMENTS.items()
    for spare in (0, 1)
]


@pytest.mark.parametrize(("moment", "spare"), CASES)
def test_when_all_descriptors_are_taken_it_is_right_or_told(
    script: Callable[..., Script], moment: str, spare: int
) -> None:
    each = dedent(moment).format(spare=spare)
    source = PRELUDE.format(count=50_000) + HOARD
    source += f"for way in WAYS:\n{indent(each, '    ')}"
    source += "    print('end', way.__name__, way(), flush=True)\n"
    ended = script(source).end()
    assert (ended.code, ended.errors) == (0, ""), ended
    lines = ended.output.splitlines()
    assert [line for line in lines if line.startswith("end")] == [f"end {w} True" for w in WAYS]
    assert {line.partition(" ")[2] for line in lines if not line.startswith("end")} <= {
        *("True", "told")
    }


SHARED_WITHOUT = """
assert shared()
take_all()
try:
    parmagic.share(np.zeros(COUNT))
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
give_back()
assert shared()
"""


def test_to_share_without_descriptors_is_an_error_that_says_so(
    script: Callable[..., Script],
) -> None:
    source = PRELUDE.format(count=50_000) + HOARD + SHARED_WITHOUT
    assert script(source).end() == (0, "EMFILE\n", "")
