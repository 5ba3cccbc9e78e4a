"""An Interrupt again and again: the caller is free at once, and the workers stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults.trial import Trial

FIFTY = """
import random
import numpy

sys.stdout = open(os.devnull, "w")

def fn(number):
    with open(log, "ab") as file:
        file.write(b"x")
    WORK[number % len(WORK)](number)
    return number ** 2

WORK = [
    lambda number: time.sleep(0.02),
    lambda number: sum(n for n in range(500_000)),
    lambda number: numpy.sort(numpy.random.default_rng(number).random(200_000)),
    lambda number: [print("x" * 100) for _ in range(5_000)],
]

def meet(number):
    for work in WORK:  # so that both workers have imported all of NumPy that is used
        work(number)
    gate.note()
    wait_until(lambda: len(gate.pids) == 2)

def begun():
    return os.path.getsize(log)

def interrupt(seconds):
    threading.Event().wait(seconds)
    times.append(time.monotonic())
    os.killpg(0, signal.SIGINT)

log = gate.folder / "log"
log.touch()
moments = random.Random(7)
times, late, wrong, strays = [], [], [], []
parmagic.map(meet, range(2), workers=2, chunksize=1)
before = idle_pids()
for turn in range(50):
    thread = threading.Thread(target=interrupt, args=(moments.uniform(0, 0.06),))
    try:
        thread.start()
        parmagic.map(fn, range(100_000), chunksize=moments.choice([None, 1, 5]))
    except KeyboardInterrupt:
        late += [seconds for seconds in [time.monotonic() - times[-1]] if seconds > 1]
    count = begun()
    thread.join()
    outcomes = parmagic.jobs[-1].outcomes
    pending = set(outcomes.pending())
    values = enumerate(outcomes.values)
    wrong += [(n, plain(value)) for n, value in values if n not in pending and value != n ** 2]
    wrong += [(n, plain(error)) for n, error in outcomes.errors.items()]
    idle_pids()
    strays += [begun() - count] if begun() != count else []
tell(len(times))
tell([late, wrong, strays])
tell(len(before & idle_pids()))
check()
"""


def test_fifty_interrupts_cost_nothing(trial: Callable[..., Trial]) -> None:
    assert trial(FIFTY).told() == [50, [[], [], []], 2, "well"]


IMPORTING = """
def fn(number):
    gate.note(number)
    import numpy
    gate.enter("numpy")

def interrupt():
    gate.wait_for(2)
    threading.Event().wait({seconds})
    os.killpg(0, signal.SIGINT)

threading.Thread(target=interrupt).start()
tell(caught(parmagic.map, fn, range(9), workers=2, chunksize=1))
outcomes = parmagic.jobs[-1].outcomes
tell([plain(error) for error in outcomes.errors.values()])
tell(outcomes.pending() == list(range(9)))
gate.open()
tell(parmagic.map(fn, range(4), chunksize=1))
check()
"""


@pytest.mark.parametrize("seconds", [0.02, 0.05, 0.08])
def test_an_interrupt_cuts_an_import_short_and_the_next_one_works(
    trial: Callable[..., Trial], seconds: float
) -> None:
    told = trial(IMPORTING.format(seconds=seconds)).told()
    assert told == ["KeyboardInterrupt", [], True, [None] * 4, "well"]


# What an item has done to the signal that stops it, before another map is interrupted.
DISARMED = {
    "ignored": "signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "default": "signal.signal(signal.SIGINT, signal.SIG_DFL)",
    "Python's own": "signal.signal(signal.SIGINT, signal.default_int_handler)",
    "a handler that raises": "signal.signal(signal.SIGINT, lambda *_: 1 / 0)",
    "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])",
}
DISARMING = """
def disarm(number):
    {fault}
    gate.note(number)
    wait_until(lambda: len(gate.pids) >= 2)

def rest(number):
    gate.note("rest")
    time.sleep(600)

def interrupt():
    wait_until(lambda: len(list(gate.folder.glob("rest@*"))) == 2)
    times.append(time.monotonic())
    os.killpg(0, signal.SIGINT)

times = []
parmagic.map(disarm, range(2), workers=2, chunksize=1)
idle_pids()
threading.Thread(target=interrupt).start()
tell(caught(parmagic.map, rest, range(9), chunksize=1))
tell(time.monotonic() - times[0] < 1)
tell(parmagic.jobs[-1].outcomes.errors)
check()
"""


@pytest.mark.parametrize("fault", DISARMED.values(), ids=DISARMED)
def test_an_item_that_disarms_the_interrupt_does_not_keep_the_next_map(
    trial: Callable[..., Trial], fault: str
) -> None:
    told = trial(DISARMING.format(fault=fault)).told()
    assert told == ["KeyboardInterrupt", True, {}, "well"]


# How an item answers the Interrupt; only one that does not end costs its worker.
ANSWERS = {
    "swallows it": ("try: rest()\n    except BaseException: return 1", 2),
    "raises another": (
        "try: rest()\n    except BaseException: raise ValueError from None",
        2,
    ),
    "dies of it": ("try: rest()\n    except BaseException: os._exit(5)", 0),
    "goes on": (
        "while True:\n        try: rest()\n        except BaseException: pass",
        0,
    ),
    "takes long to clean up": (
        "try: rest()\n    finally: time.sleep(600)",
        0,
    ),
    "cleans up": ("try: rest()\n    finally: time.sleep(0.1)", 2),
}
ANSWERED = """
def rest():
    gate.note("resting")
    time.sleep(600)

def fn(number):
    {answer}

def interrupt():
    gate.wait_for(2)
    times.append(time.monotonic())
    os.killpg(0, signal.SIGINT)

times = []
parmagic.map(abs, range(4), workers=2)
before = idle_pids()
threading.Thread(target=interrupt).start()
tell(caught(parmagic.map, fn, range(9), chunksize=1))
tell(time.monotonic() - times[0] < 1)
outcomes = parmagic.jobs[-1].outcomes
tell([plain(error) for error in outcomes.errors.values()])
tell(outcomes.pending() == list(range(9)))
tell(len(before & idle_pids()))
check()
"""


@pytest.mark.parametrize(("answer", "stay"), ANSWERS.values(), ids=ANSWERS)
def test_however_an_item_answers_the_interrupt_the_caller_is_free(
    trial: Callable[..., Trial], answer: str, stay: int
) -> None:
    told = trial(ANSWERED.format(answer=answer)).told()
    assert told == ["KeyboardInterrupt", True, [], True, stay, "well"]
