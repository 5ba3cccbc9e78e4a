"""What would be sent to the workers, found out without sending it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from parmagic.backends.use import described, workforce_in_use
from parmagic.mapping.captures import captures
from parmagic.mapping.new_run import chunksize_of
from parmagic.mapping.options import Options
from parmagic.mapping.sizer import TARGET_SECONDS
from parmagic.mapping.source import is_array, length_of
from parmagic.mapping.weight import Weight, weigh
from parmagic.mapping.workforce import check
from parmagic.pool.cpus import usable_cpus
from parmagic.pool.default import running_pool
from parmagic.pool.payload import Way
from parmagic.report import explanation_html, explanation_text
from parmagic.report.explanation import Captured, Explanation, Route
from parmagic.report.units import count, duration
from parmagic.worker.culprit import blame_function
from parmagic.worker.text import safe_repr, type_name

_ITEM_CHARACTERS = 60
_IN_MEMORY: tuple[Route, ...] = (
    "shared memory, once for all workers",
    "stays where it is, in shared memory",
)
# To begin to iterate over these runs nobody's code, and uses nothing up.
_KEPT = (range, list, tuple, dict, set, frozenset, str, bytes)


class Explained(Explanation):
    """An `Explanation` that shows itself in a notebook and in a terminal."""

    __slots__ = ()

    def __repr__(self) -> str:
        return explanation_text.render(self)

    def _repr_html_(self) -> str:
        return explanation_html.render(self)


def explain(
    fn: Callable[..., Any],
    *iterables: Iterable[Any],
    star: bool = False,
    workers: int | None = None,
    chunksize: int | None = None,
    on: Any = None,
) -> Explained:
    """Show what `map` would send, and to how many workers, without running anything.

    ::

        parmagic.explain(fit, paths)

    It lists what ``fn`` uses, how large that is, how it gets into the workers, and what cannot
    be sent, with the line where it is used. No worker is started, and no item is made.

    Parameters
    ----------
    fn, *iterables, star, workers, chunksize, on
        As for `map`.
    """
    if not callable(fn):
        raise TypeError(f"the first argument must be a function, not {type(fn).__name__}")
    if not iterables:
        raise TypeError("explain() must have at least two arguments.")
    star = star or len(iterables) > 1
    options = Options(workers=workers, chunksize=chunksize, star=star, on=on)
    return explained(fn, iterables, options)


def explained(
    fn: Callable[..., Any],
    iterables: Sequence[Iterable[Any]],
    options: Options,
    *,
    what: str | None = None,
) -> Explained:
    """Do `explain` for a job with these ``options``.

    Parameters
    ----------
    iterables
        One gives the items; of several, each item has one of each.
    what
        The job in the user's words.
    """
    whole = weigh(fn)
    place = _place(options)
    kind = _kind_of_items(iterables)
    return Explained(
        what=what or f"{getattr(fn, '__name__', type(fn).__name__)} over {kind}",
        items=_length(iterables),
        item_kind=kind,
        first_item=_first_item(iterables),
        star=options.star,
        workers=place.workers,
        running=place.running,
        backend=place.name,
        chunks=_chunks(options.chunksize, one_by_one=whole.may_wait or place.one_by_one),
        captured=tuple(_travelling(each, place.way) for each in captures(fn, whole)),
        function_bytes=_function_bytes(whole, place.way),
        shared_bytes=_nbytes(whole.homeless) if place.way is Way.SHARED else 0,
        problem=_problem(fn, whole, place.way),
    )


class _Place(NamedTuple):
    """Where a job would run: how many workers there are to be, and how many there are."""

    workers: int
    running: int
    name: str
    way: Way
    one_by_one: bool


def _place(options: Options) -> _Place:
    elsewhere = workforce_in_use(options.on)
    if elsewhere is not None:
        check(options, elsewhere)
        size = elsewhere.size
        name = f"{described(elsewhere)}: {count(size, 'worker')}"
        one_by_one = chunksize_of(options, elsewhere=bool(elsewhere.name)) == 1
        return _Place(size, size, name, elsewhere.way, one_by_one)
    pool = running_pool()
    workers = options.workers or (usable_cpus() if pool is None else pool.max_workers)
    name = f"this machine: {workers} {'process' if workers == 1 else 'processes'}"
    running = 0 if pool is None else len(pool.workers)
    one_by_one = chunksize_of(options, elsewhere=False) == 1
    return _Place(workers, running, name, Way.SHARED, one_by_one)


def _travelling(captured: Captured, way: Way) -> Captured:
    """Say how something gets there, which `captures` knows for processes of this machine."""
    if way is Way.DIRECT:
        return replace(captured, route="used as it is")
    if way is Way.INLINE and captured.route in _IN_MEMORY:
        return replace(captured, route="with the function")
    return captured


def _function_bytes(whole: Weight, way: Way) -> int | None:
    if way is Way.DIRECT:
        return 0
    if whole.error:
        return None
    return whole.body_bytes + (_nbytes(whole.buffers) if way is Way.INLINE else 0)


def _nbytes(buffers: Iterable[memoryview]) -> int:
    return sum(buffer.nbytes for buffer in buffers)


def _problem(fn: Callable[..., Any], whole: Weight, way: Way) -> str:
    if whole.error is None or way is Way.DIRECT:
        return ""
    return str(blame_function(fn, whole.error))


def _chunks(chunksize: int | None, *, one_by_one: bool) -> str:
    if chunksize is None and one_by_one:
        return "one item each, for they may wait for each other"
    if chunksize is None:
        return f"as many items as take {duration(TARGET_SECONDS)}"
    return f"{count(chunksize, 'item')} each"


def _kind_of_items(iterables: Sequence[Iterable[Any]]) -> str:
    kinds = [type_name(each) for each in iterables]
    return kinds[0] if len(kinds) == 1 else f"zip of {', '.join(kinds)}"


def _length(iterables: Sequence[Iterable[Any]]) -> int | None:
    lengths = [length_of(each) for each in iterables]
    known = [length for length in lengths if length is not None]
    return min(known) if len(known) == len(lengths) else None


def _first_item(iterables: Sequence[Iterable[Any]]) -> str:
    first = next(zip(*iterables, strict=False), ()) if all(map(_is_kept, iterables)) else ()
    if not first:
        return ""
    return safe_repr(first[0] if len(first) == 1 else first, _ITEM_CHARACTERS)


def _is_kept(items: Iterable[Any]) -> bool:
    return type(items) in _KEPT or is_array(items)
