"""Whatever happens to the items, each has one outcome, and resuming makes the list whole."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import parmagic
from parmagic.mapping.job import Job


class Misfortune(Exception):
    pass


ENDS: dict[str, type[BaseException]] = {
    "error": Misfortune,
    "death": parmagic.WorkerDied,
    "hang": TimeoutError,
    "odd value": parmagic.PayloadError,
}


class Fated:
    """A function whose items have the fates that they are given, until it is mended."""

    def __init__(self, fates: list[str]) -> None:
        self.fates = fates
        self.kernel = os.getpid()
        self.mended = False

    def __call__(self, item: int) -> Any:
        fate = "value" if self.mended else self.fates[item]
        if fate == "error":
            raise Misfortune
        if fate == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        if fate == "hang":
            time.sleep(100)
        if fate == "interrupt":
            os.kill(self.kernel, signal.SIGINT)
        return (each for each in ()) if fate == "odd value" else item * item


FATE = st.sampled_from(["value"] * 8 + [*ENDS] + ["interrupt"])


def mapped(fn: Fated, items: Iterable[int], **options: Any) -> Job[Any]:
    try:
        parmagic.map(fn, items, **options)
    except (*ENDS.values(), KeyboardInterrupt):
        pass
    return parmagic.jobs[-1]


@pytest.mark.parametrize("sized", [True, False])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    fates=st.lists(FATE, min_size=1, max_size=25),
    chunksize=st.none() | st.integers(1, 9),
    retries=st.integers(0, 1),
    keep_going=st.booleans(),
)
def test_each_item_has_one_outcome_and_resume_gives_the_serial_list(
    sized: bool, fates: list[str], chunksize: int | None, retries: int, keep_going: bool
) -> None:
    fn = Fated(fates)

    def items() -> Iterable[int]:
        return range(len(fates)) if sized else iter(range(len(fates)))

    job = mapped(
        fn,
        items(),
        workers=2,
        chunksize=chunksize,
        timeout=0.15,
        retries=retries,
        return_exceptions=keep_going,
    )
    values, errors, pending = set(job.values), set(job.errors), set(job.pending)
    assert len(values) + len(errors) + len(pending) == len(values | errors | pending)
    assert not sized or values | errors | pending == set(range(len(fates)))
    for index in values:
        assert (job.values[index], fates[index] in ("value", "interrupt")) == (index**2, True)
    for index in errors:
        assert type(job.errors[index]) is ENDS[fates[index]]
    if keep_going and "interrupt" not in fates:
        assert errors == {index for index, fate in enumerate(fates) if fate in ENDS}
    fn.mended = True
    assert parmagic.map(fn, items(), resume=job) == [n * n for n in range(len(fates))]
    assert parmagic.jobs[-1].report().kept == len(values)
