"""Outcomes, and the pandas frame of them."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

import parmagic
from parmagic.mapping.frame import frame_of
from parmagic.mapping.job import Job
from parmagic.mapping.options import Options
from parmagic.mapping.outcome import Outcome


def test_outcomes_say_what_became_of_each_item() -> None:
    def run(x: int) -> float:
        print("item", x)
        return 1 / x

    results = parmagic.map(run, [2, 0], return_exceptions=True, chunksize=1)
    good, bad = results.outcomes
    assert (good.index, good.item, good.value, good.error) == (0, 2, 0.5, None)
    assert (bad.index, bad.item, bad.value) == (1, 0, None)
    assert isinstance(bad.error, ZeroDivisionError)
    assert (good.output, bad.output) == ("item 2\n", "item 0\n")
    assert good.seconds is not None
    assert 0 < good.seconds < 10
    assert good.worker in {worker.number for worker in parmagic_workers()}


def parmagic_workers() -> list[object]:
    from parmagic.pool.default import running_pool

    pool = running_pool()
    return [] if pool is None else list(pool.workers)


def test_outcomes_need_the_list_as_it_was() -> None:
    results = parmagic.map(abs, [1, -2, 3])
    results.pop()
    with pytest.raises(ValueError, match="there were 3 results, and the list has 2 now"):
        _ = results.outcomes


def test_values_taken_over_from_an_earlier_job_have_no_time() -> None:
    with pytest.raises(ZeroDivisionError):
        parmagic.map(lambda x: 1 / x, [1, 0], workers=1, chunksize=1)
    results = parmagic.map(lambda x: x, [1, 0], resume=parmagic.jobs[-1])
    kept, ran = results.outcomes
    assert (kept.seconds, kept.worker) == (None, None)
    assert ran.seconds is not None


def test_a_function_has_a_column_for_its_item() -> None:
    frame = parmagic.map(abs, [-1, 2], chunksize=1).frame()
    assert list(frame.columns) == ["item", "result", "seconds", "worker", "error"]
    assert list(frame["item"]) == [-1, 2]
    assert list(frame["result"]) == [1, 2]
    assert frame["result"].dtype == np.int64
    assert frame.index.name == "index"


def test_the_targets_of_a_loop_and_the_keys_of_its_results_are_columns() -> None:
    job = Job(
        lambda lr, depth: {"lr": lr, "score": lr * depth},
        [(0.5, 2), (2.0, 3)],
        Options(star=True),
        targets=["lr", "depth"],
    )
    frame = job.run().frame()
    assert list(frame.columns) == ["lr", "depth", "score", "seconds", "worker", "error"]
    assert frame[["lr", "depth", "score"]].to_numpy().tolist() == [[0.5, 2, 1], [2, 3, 6]]


def test_a_failed_item_has_its_error_and_no_result() -> None:
    frame = parmagic.map(lambda x: {"y": 1 / x}, [1, 0], return_exceptions=True).frame()
    assert frame["y"][0] == 1
    assert pd.isna(frame["y"][1])
    assert isinstance(frame["error"][1], ZeroDivisionError)
    assert frame["error"][0] is None


def test_arrays_stay_in_one_cell_each() -> None:
    frame = parmagic.map(np.arange, [2, 3]).frame()
    assert [list(each) for each in frame["result"]] == [[0, 1], [0, 1, 2]]


def test_a_key_may_have_the_name_of_a_measured_column() -> None:
    frame = frame_of([Outcome(0, 1, {"seconds": 5, "error": 6}, seconds=0.5)], ())
    assert list(frame.columns) == ["item", "seconds", "error", "seconds_", "worker", "error_"]
    assert (frame["seconds"][0], frame["seconds_"][0]) == (5, 0.5)


def test_no_items_make_an_empty_frame() -> None:
    frame = parmagic.map(abs, []).frame()
    assert len(frame) == 0
    assert list(frame.columns) == ["item", "result", "seconds", "worker", "error"]


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        frame_of([], ())


def test_large_items_are_not_kept_for_the_sake_of_the_frame() -> None:
    results = parmagic.map(len, [[1], [2, 3]])
    assert list(results.frame()["item"]) == [None, None]
