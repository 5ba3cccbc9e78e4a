"""The values of a chunk to bytes; one that cannot be pickled does not spoil the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parmagic.worker import reserve
from parmagic.worker.compact import compact
from parmagic.worker.items import ItemRun
from parmagic.worker.pickling import Pickled, dump

if TYPE_CHECKING:
    from parmagic.worker.failure import Failure


def dump_values(walk: ItemRun, first: int) -> Pickled:
    """Pickle the values of ``walk``; those that refuse become failures of their items."""
    try:
        return dump(compact(walk.values))
    except BaseException:  # a hostile __reduce__ may raise SystemExit
        walk.reject(list(_unpicklable(walk.values, first)))
        return dump(walk.values)


def _unpicklable(values: list[object], first: int) -> list[tuple[int, Failure]]:
    found = []
    for index, value in enumerate(values):
        try:
            dump(value)
        except BaseException as error:
            found.append((index, _blame(value, first + index, error)))
    return found


def _blame(value: object, index: int, error: BaseException) -> Failure:
    reserve.give_up()
    from parmagic.worker.culprit import blame_value_calmly
    from parmagic.worker.failure import pack
    from parmagic.worker.text import safe_repr

    blame = blame_value_calmly(value, error, f"the result of item {index}")
    blame.result, blame.reason = safe_repr(value), safe_repr(error)
    return pack(blame)
