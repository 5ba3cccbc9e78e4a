"""Ctrl-C and Jupyter's Interrupt: SIGINT to the kernel and to its workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import Gate, Script, wait_until

# What the items do while the Interrupt comes, and whether their workers can stay.
OCCUPATIONS = {
    "sleep": ("time.sleep(100)", True),
    "loop": ("while True: pass", True),
    "loop with except": ("loop_with_except()", True),
    "wait for a lock": ("threading.Semaphore(0).acquire()", True),
    "wait for a pipe": ("os.read(os.pipe()[0], 1)", True),
    "print": ("print_for_ever()", True),
    "event loop": ("asyncio.run(sleep(number))", True),
    "swallow": ("swallow()", False),
    "C": ("stay_in_c(number)", False),
}
ITEMS = """
import asyncio, itertools, os, sys, threading, time
from collections import deque
from pathlib import Path
import parmagic
from parmagic.pool.default import default_pool
from support import Gate, wait_until

def loop_with_except():
    while True:
        try:
            1 / 0
        except Exception:
            pass

def print_for_ever():
    while True:
        print("x" * 100_000)

def swallow():
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass

def stay_in_c(number):
    note = map(os.mkdir, [gate.folder / f"{{number}} in C@{{os.getpid()}}"])
    deque(itertools.chain(note, itertools.repeat(0)), maxlen=0)

async def sleep(number):
    gate.note(f"{{number}} in the loop")
    await asyncio.sleep(100)

def fn(number):
    if number < 2:
        return number
    gate.note(number)
    {code}

def workers():
    assert wait_until(lambda: [w.state for w in default_pool(2).workers] == ["idle"] * 2)
    return {{worker.pid for worker in default_pool().workers}}

gate = Gate(Path(sys.argv[1]))
before = workers()
sys.stdout = open(os.devnull, "w")
"""
INTERRUPTED = """
try:
    parmagic.map(fn, range(100), chunksize=1)
except KeyboardInterrupt:
    gate.note("free")
job = parmagic.jobs[-1]
assert job.outcomes.values[:2] == [0, 1]
assert job.outcomes.pending() == list(range(2, 100))
assert job.report().state == "interrupted"
assert parmagic.map(abs, range(50), chunksize=1) == list(range(50))
print(len(before & workers()), file=sys.__stdout__)
"""


@pytest.mark.parametrize(("code", "stay"), OCCUPATIONS.values(), ids=OCCUPATIONS)
def test_an_interrupt_frees_the_caller_and_the_next_map_works(
    script: Callable[..., Script], gate: Gate, code: str, stay: bool
) -> None:
    kernel = script(ITEMS.format(code=code) + INTERRUPTED, gate.folder)
    gate.wait_for(4 if "number" in code else 2)
    kernel.interrupt()
    assert wait_until(lambda: "free" in gate.names, 2)
    assert kernel.end() == (0, "2\n" if stay else "0\n", "")


# Where else the caller may be: what runs meanwhile, and what it raises at the Interrupt.
MOMENTS = {
    "in the generator": "parmagic.map(abs, (time.sleep(100) for _ in iter(gate.note, 1)))",
    "in a serial map": "parmagic.map(fn, range(10), serial=True)",
    "waiting for a future": "pool.submit(fn, 5).result()",
    "waiting for the next value": "next(pool.map(fn, [5]))",
    "waiting for a job": "parmagic.map_async(fn, range(10)).result()",
    "between maps": "gate.note(), time.sleep(100)",
}
ELSEWHERE = """
pool = default_pool()
try:
    {moment}
except KeyboardInterrupt:
    gate.note("free")
gate.open()
assert parmagic.map(abs, range(50), chunksize=1) == list(range(50))
assert pool.submit(abs, -1).result() == 1
assert before == workers()
"""


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_an_interrupt_is_a_keyboard_interrupt_wherever_the_caller_is(
    script: Callable[..., Script], gate: Gate, moment: str
) -> None:
    source = ITEMS.format(code="gate.enter(number)") + ELSEWHERE.format(moment=moment)
    kernel = script(source, gate.folder)
    gate.wait_for(1)
    kernel.interrupt()
    assert wait_until(lambda: "free" in gate.names, 2)
    assert kernel.end() == (0, "", "")


STORM = """
import os, random, signal, sys, threading
import parmagic
from parmagic import ProcessPoolExecutor
from parmagic.pool.default import default_pool

armed = False

def on_interrupt(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

def send(count):
    moment = random.Random(7)
    for _ in range(count):
        threading.Event().wait(moment.choice([0.0001, 0.001, 0.01, 0.04]))
        os.killpg(0, signal.SIGINT)

def work(number):
    global armed
    try:
        armed = True
        results = parmagic.map(lambda x: x * number, range(300))
        value = default_pool().submit(pow, number, 2).result()
        armed = False
    except KeyboardInterrupt:
        armed = False
        return 1
    assert results == [x * number for x in range(300)]
    assert value == number ** 2
    return 0

signal.signal(signal.SIGINT, on_interrupt)
default_pool(2)
assert work(2) == 0  # from now on nothing is imported, which Python does not like to be stopped
thread = threading.Thread(target=send, args=(150,))
thread.start()
interrupted = number = 0
while thread.is_alive():
    number += 1
    interrupted += work(number)
assert work(3) == 0
print(interrupted > 10)
"""


def test_a_storm_of_interrupts_spoils_nothing(script: Callable[..., Script]) -> None:
    assert script(STORM).end() == (0, "True\n", "")


STARTING = """
import os, signal, sys, threading
import parmagic

timer = threading.Timer(float(sys.argv[1]), os.killpg, (0, signal.SIGINT))
timer.start()
try:
    results = parmagic.map(abs, range(100))
    timer.join()
    signal.pause()
except KeyboardInterrupt:
    pass
assert parmagic.map(abs, [-1, -2]) == [1, 2]
"""


@pytest.mark.parametrize("seconds", [0.02, 0.04, 0.06, 0.08, 0.1, 0.15])
def test_an_interrupt_while_workers_start_is_quiet(
    script: Callable[..., Script], seconds: float
) -> None:
    assert script(STARTING, seconds).end() == (0, "", "")


IMPORTING = """
import os, signal, sys
import parmagic

class Interrupting:
    def find_spec(self, name, *_):
        if name == "parmagic.mapping.job":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
try:
    parmagic.map(abs, range(100))
except KeyboardInterrupt:
    print(*(name in sys.modules for name in ("parmagic.mapping.job", "parmagic.mapping.map")))
assert parmagic.map(abs, [-1, -2]) == [1, 2]
"""


def test_an_interrupt_waits_for_the_end_of_an_import(script: Callable[..., Script]) -> None:
    assert script(IMPORTING).end() == (0, "True True\n", "")


TWICE = """
import os, signal, sys
import parmagic

class Item:
    interrupts = 0

    def __reduce__(self):
        if Item.interrupts:
            Item.interrupts -= 1
            os.kill(os.getpid(), signal.SIGINT)
        return Item, ()

def give():
    items = [Item() for _ in range(4)]
    return parmagic.map(lambda item: 1, items, checkpoint=sys.argv[1], serial=True)

Item.interrupts = 2  # when the first item is marked, and when all are at the end
try:
    give()
except KeyboardInterrupt:
    print("interrupted", Item.interrupts)
print(give())
"""


def test_a_second_interrupt_leaves_no_checkpoint_open(
    script: Callable[..., Script], tmp_path: Path
) -> None:
    end = script(TWICE, tmp_path / "run.db").end()
    assert end == (0, "interrupted 0\n[1, 1, 1, 1]\n", "")


OPENING = """
import os, signal, sys
import parmagic
from parmagic.checkpoint.checkpoint import Checkpoint

def interrupt(frame, event, argument):
    if frame.f_code is Checkpoint._read.__code__:
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGINT)

sys.setprofile(interrupt)
try:
    parmagic.map(abs, [-1], checkpoint=sys.argv[1], serial=True)
except KeyboardInterrupt:
    print("interrupted")
print(parmagic.map(abs, [-1], checkpoint=sys.argv[1], serial=True))
"""


def test_an_interrupt_while_a_checkpoint_is_opened_does_not_leave_it_open(
    script: Callable[..., Script], tmp_path: Path
) -> None:
    end = script(OPENING, tmp_path / "run.db").end()
    assert end == (0, "interrupted\n[1]\n", "")


HANDLED = """
import asyncio, os, signal
from parmagic.pool.interrupts import Interrupts

async def main():
    try:
        with Interrupts():
            os.kill(os.getpid(), signal.SIGINT)
        print("goes on")
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        print("cancelled")
        raise

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_noted_interrupt_is_the_business_of_who_handles_it(script: Callable[..., Script]) -> None:
    assert script(HANDLED).end() == (0, "goes on\ncancelled\ninterrupted\n", "")
