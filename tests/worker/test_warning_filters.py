from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from one_worker import OneWorker

from parmagic.worker import warning_filters
from parmagic.worker.warning_filters import apply_filters, filters_here, send_warnings


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(warning_filters, "_applied", None)
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield


class Own(UserWarning):
    """Of a module that a worker does not have."""


def ignore_text() -> None:
    warnings.filterwarnings("ignore", message="take", category=UserWarning)


WAYS: dict[str, tuple[Callable[[], Any], str, type[Warning], bool]] = {
    "ignore all": (lambda: warnings.simplefilter("ignore"), "x", UserWarning, False),
    "ignore a class": (lambda: warnings.simplefilter("ignore", UserWarning), "x", Own, False),
    "ignore another": (lambda: warnings.simplefilter("ignore", Own), "x", UserWarning, True),
    "own class": (lambda: warnings.simplefilter("ignore", Own), "x", Own, False),
    "a class of a library": (
        lambda: warnings.simplefilter("ignore", np.exceptions.RankWarning),
        "x", np.exceptions.RankWarning, False,
    ),
    "ignore a text": (ignore_text, "Take care", UserWarning, False),
    "ignore another text": (ignore_text, "give", UserWarning, True),
    "ignore a module": (
        lambda: warnings.filterwarnings("ignore", module=".*test_warning"), "x", UserWarning, False,
    ),
    "ignore another module": (
        lambda: warnings.filterwarnings("ignore", module="numpy"), "x", UserWarning, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_filters_hold_after_their_journey(name: str) -> None:
    choose, text, category, shown = WAYS[name]
    warnings.simplefilter("always")
    choose()
    filters = pickle.loads(pickle.dumps(filters_here()))
    for _ in range(2):
        with warnings.catch_warnings(record=True) as seen:
            warnings.warn(text, category, stacklevel=1)
        assert bool(seen) is shown
        warnings.resetwarnings()
        apply_filters(filters)


def test_no_class_is_sent() -> None:
    warnings.simplefilter("ignore", np.exceptions.RankWarning)
    assert b"RankWarning" in pickle.dumps(filters_here())
    assert "c" not in {type(each).__name__ for each in filters_here()[0]}
    assert not any(isinstance(each, type) for each in filters_here()[0])


def test_a_change_is_seen() -> None:
    before = filters_here()
    assert filters_here() is before
    warnings.simplefilter("ignore")
    assert filters_here() != before


def test_they_are_applied_once() -> None:
    apply_filters(filters_here())
    warnings.simplefilter("ignore")  # as a module does that an item imports
    chosen = list(warnings.filters)
    apply_filters(())
    assert warnings.filters == chosen


def test_what_the_notebook_has_chosen_holds_in_workers(same_worker: OneWorker) -> None:
    def fn(x: int) -> None:
        warnings.warn(f"care {x}", stacklevel=1)

    chosen = {}
    for action in ("ignore", "error", "always"):
        warnings.simplefilter(action)  # type: ignore[arg-type]
        ran = same_worker.run(fn, range(2))
        chosen[action] = ran.failures, len(ran.of("warning"))
    assert chosen == {"ignore": (0, 0), "error": (2, 0), "always": (0, 2)}


def test_outside_of_workers_warnings_are_written_as_ever(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    send_warnings()
    warnings.simplefilter("always")
    warnings.warn("care", stacklevel=1)
    assert "UserWarning: care" in capsys.readouterr().err
