"""The cases with much data: as items, as results, and in what a function uses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import arrays
from case import Case
from functions import dicts
from numpy.typing import NDArray
from peers import Peer
from targets import Ratio
from timing import timed

# Items and results.


def _items(peer: Peer) -> float:
    items = _forty_arrays()
    return timed(lambda: peer.map(arrays.total, items), [number * 1e6 for number in range(40)])


@cache
def _forty_arrays() -> list[NDArray[Any]]:
    return [arrays.eight_megabytes(number) for number in range(40)]


def _results(fn: Callable[[int], Any], count: int, peer: Peer) -> float:
    return timed(lambda: peer.map(fn, range(count)), list(range(count)), view=_numbers)


def _numbers(results: Any) -> list[Any]:
    return [each[-1] for each in results]


def _dicts(count: int, peer: Peer) -> float:
    expected = [str(number) for number in range(count)]
    return timed(lambda: peer.map(dicts, range(count)), expected, view=_first_texts)


def _first_texts(results: Any) -> list[str]:
    return [each[0]["b"] for each in results]


# What a function uses: an array that is new in each turn, and made before it is timed.


def _first_call(peer: Peer) -> float:
    blocks = arrays.new_blocks()
    with peer.holding(blocks) as on_each_block:
        fn = peer.block_sum()
        return timed(lambda: on_each_block(fn), arrays.block_sums(blocks))


def _second_call(peer: Peer) -> float:
    blocks = arrays.new_blocks()
    with peer.holding(blocks) as on_each_block:
        fn = peer.block_sum()
        on_each_block(fn)
        return timed(lambda: on_each_block(fn), arrays.block_sums(blocks))


def _first_call_of_another(peer: Peer) -> float:
    blocks = arrays.new_blocks()
    with peer.holding(blocks) as on_each_block:
        fn = peer.block_sum()
        on_each_block(fn)
        on_each_block(fn)
        edited = peer.block_sum(plus=1)
        return timed(lambda: on_each_block(edited), arrays.block_sums(blocks, plus=1))


# Before the first turn.


def _import_numpy(peer: Peer) -> None:
    peer.warm_up(arrays.kilobyte)


def run_a_cell(peer: Peer) -> None:
    """Start the pool, and let every worker import NumPy and what functions of a cell need."""
    _import_numpy(peer)
    with peer.holding(arrays.new_blocks(length=1)) as on_each_block:
        on_each_block(peer.block_sum())


def large_cases() -> list[Case]:
    array = partial(Case, warm_up=_import_numpy)
    capture = partial(Case, warm_up=run_a_cell, needs_cells=True)
    return [
        array("in", "40 items of 8 MB", _items, 7, (Ratio("ray", 0.5), Ratio("joblib", 0.25))),
        array(
            "out",
            "40 results of 8 MB",
            partial(_results, arrays.eight_megabytes, 40),
            7,
            (Ratio("ray", 0.3),),
        ),
        array(
            "out40",
            "20 results of 40 MB",
            partial(_results, arrays.forty_megabytes, 20),
            7,
            (Ratio("ray", 0.4),),
        ),
        array(
            "small",
            "20,000 results of 1 KB",
            partial(_results, arrays.kilobyte, 20_000),
            7,
            (Ratio("Pool", 0.35),),
        ),
        Case(
            "dicts",
            "2,000 results of 1,000 dicts",
            partial(_dicts, 2000),
            5,
            (Ratio("Pool", 0.85),),
        ),
        capture("capture", "uses a new 400 MB array", _first_call, 7, (Ratio("joblib", 1.1),)),
        capture("again", "  ... the same again", _second_call, 7, (Ratio("joblib", 1.0),)),
        capture(
            "edited",
            "  ... function edited",
            _first_call_of_another,
            7,
            (Ratio("joblib", 0.5),),
        ),
    ]
