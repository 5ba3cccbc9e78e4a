"""The outcomes of a job as a pandas frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parmagic.mapping.outcome import Outcome

if TYPE_CHECKING:
    from pandas import DataFrame


def frame_of(outcomes: Iterable[Outcome], targets: Sequence[str]) -> DataFrame:
    """Make a frame with one row an item, which is also its index.

    Parameters
    ----------
    targets
        The names of the loop's variables: a column each. Without, there is a column ``item``.

    Raises
    ------
    ImportError
        pandas is not installed.
    """
    pandas = _pandas()
    rows = list(outcomes)
    columns = {**_items(rows, targets), **_values(rows)}
    measured: dict[str, Any] = {
        "seconds": [row.seconds for row in rows],
        "worker": pandas.array([row.worker for row in rows], dtype="Int64"),
        "error": [row.error for row in rows],
    }
    for name, column in measured.items():
        columns[_free(name, columns)] = column
    index = pandas.Index([row.index for row in rows], name=_free("index", columns), dtype="int64")
    series = {name: _series(pandas, column, index) for name, column in columns.items()}
    frame: DataFrame = pandas.DataFrame(series, index=index)
    return frame


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise ImportError("frame() needs pandas: pip install pandas") from None
    return pandas


def _items(rows: list[Outcome], targets: Sequence[str]) -> dict[str, Any]:
    if len(targets) < 2:
        return {(*targets, "item")[0]: [row.item for row in rows]}
    return {name: [_nth(row.item, number) for row in rows] for number, name in enumerate(targets)}


def _nth(item: Any, number: int) -> Any:
    return item[number] if isinstance(item, tuple | list) and number < len(item) else None


def _values(rows: list[Outcome]) -> dict[str, Any]:
    """Return the values as one column or, if all are dicts, their keys as columns each."""
    values = [row.value for row in rows if row.error is None]
    if not values or not all(isinstance(value, Mapping) for value in values):
        return {"result": [row.value for row in rows]}
    keys = dict.fromkeys(key for value in values for key in value)
    return {key: [(row.value or {}).get(key) for row in rows] for key in keys}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


def _series(pandas: Any, column: Any, index: Any) -> Any:
    if not isinstance(column, list):
        return pandas.Series(column, index=index)
    # Of a list of arrays, pandas would make a table.
    cells = pandas.Series([None] * len(column), index=index, dtype=object)
    for number, cell in enumerate(column):
        cells.iat[number] = cell
    return cells.infer_objects()
