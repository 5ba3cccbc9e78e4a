from __future__ import annotations

import base64
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib_inline.config import InlineBackend
from one_worker import OneWorker

from parmagic.worker.settings import settings_here


def printed(_: int) -> str:
    import numpy as np
    import pandas as pd

    return f"{np.array([1 / 3, 1e9])} {pd.Series([1.0, 2, 3])}"


def divided(_: int) -> Any:
    import numpy as np

    return np.float64(1) / np.float64(0)


def styled(_: int) -> tuple[Any, ...]:
    import matplotlib as mpl

    names = ("figure.dpi", "font.serif", "axes.prop_cycle")
    return (*(mpl.rcParams[name] for name in names), mpl.get_backend())


def by_value(fn: Any) -> Any:
    """Return ``fn`` as a cell defines it."""
    return type(fn)(fn.__code__, {"__name__": "__main__", "__builtins__": __builtins__})


@contextmanager
def inline(**traits: Any) -> Iterator[None]:
    backend = InlineBackend.instance()
    for name, value in traits.items():
        setattr(backend, name, value)
    yield
    InlineBackend.clear_instance()


def test_arrays_and_frames_are_printed_as_in_the_kernel(worker: OneWorker) -> None:
    plain = printed(0)
    fn = by_value(printed)
    assert worker.run(fn).values == [plain]
    with np.printoptions(precision=2, suppress=True), pd.option_context("display.max_rows", 2):
        assert worker.run(fn).values == [printed(0)] != [plain]
    assert worker.run(fn).values == [plain]


def test_a_function_that_formats_comes_along(worker: OneWorker) -> None:
    with np.printoptions(formatter={"float": lambda x: f"<{x:.1f}>"}):
        assert worker.run(by_value(printed)).values[0].startswith("[<0.3> <1000000000.0>]")


def test_floating_point_errors_are_handled_as_in_the_kernel(worker: OneWorker) -> None:
    fn = by_value(divided)
    with np.errstate(divide="ignore"):
        assert worker.run(fn).values == [np.inf]
    with np.errstate(divide="raise"):
        assert worker.run(fn).failures == 1


def test_the_style_of_figures_is_that_of_the_kernel(worker: OneWorker) -> None:
    fn = by_value(styled)
    _, _, _, backend = worker.run(fn).values[0]
    with mpl.rc_context({"figure.dpi": 151}), style.context("dark_background"):
        mpl.rcParams["font.serif"].insert(0, "Mine")
        styles = styled(0)[:3]
        assert worker.run(fn).values == [(*styles, backend)]
        mpl.rcParams["font.serif"].insert(0, "Other")  # in place
        assert worker.run(fn).values[0][1][:2] == ["Other", "Mine"]
    assert worker.run(fn).values[0][1] == mpl.rcParams["font.serif"]


FORMATS = {
    "png": {"image/png"},
    "svg": {"image/svg+xml"},
    "jpeg": {"image/jpeg"},
    "pdf": {"application/pdf"},
    "retina": {"image/png"},
}


@pytest.mark.filterwarnings("ignore:.*InlineBackend.*:DeprecationWarning")  # of its own making
@pytest.mark.parametrize("form", FORMATS)
def test_figures_have_the_format_of_the_kernel(same_worker: OneWorker, form: str) -> None:
    def fn(x: int) -> None:
        figure = Figure(figsize=(4, 3))
        figure.subplots()
        display(figure)  # type: ignore[name-defined]  # noqa: F821  # a name that cells have

    with inline(figure_formats={form}, print_figure_kwargs={"bbox_inches": None}):
        ((_, _, content),) = same_worker.run(fn).output
    data = content["data"]
    assert data.keys() == {"text/plain", *FORMATS[form]}
    if form == "retina":
        width, height = struct.unpack(">II", base64.b64decode(data["image/png"])[16:24])
        assert (width, height) == (800, 600)
        assert content["metadata"] == {"image/png": {"width": 400, "height": 300}}


def test_they_are_equal_as_long_as_nothing_changes() -> None:
    before = settings_here()
    assert {name for name, _ in before} >= {"numpy", "pandas", "matplotlib"}
    assert settings_here() is not before
    assert settings_here() == before
    with np.printoptions(precision=3):
        assert settings_here() != before
    assert settings_here() == before


def test_they_are_looked_at_in_no_time() -> None:
    settings_here()
    begun = time.perf_counter()
    for _ in range(100):
        settings_here()
    assert time.perf_counter() - begun < 0.1


def test_nothing_is_imported_for_them(worker: OneWorker) -> None:
    def fn(x: int) -> set[str]:
        import sys

        return {"numpy", "pandas", "matplotlib"} & sys.modules.keys()

    assert worker.run(by_value(fn)).values == [set()]
