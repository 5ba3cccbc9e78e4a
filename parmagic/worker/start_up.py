"""The start-up cell, in a worker: its names are there for the functions that come after it."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from parmagic.worker.bequest import Bequest
from parmagic.worker.function import remember_sources
from parmagic.worker.legacy import Names
from parmagic.worker.surroundings import Surroundings


def run(
    body: Bequest, names: Iterable[str], surroundings: Surroundings, sources: dict[str, str]
) -> Names:
    """Run the cell, a pickled function that binds ``names`` among its globals; return them."""
    surroundings.apply()
    remember_sources(sources)
    cell = body.load()
    cell()
    made = Names({name: cell.__globals__[name] for name in names if name in cell.__globals__})
    vars(sys.modules["__main__"]).update(made)
    return made
