"""The frames of a traceback, sent from one process and made again in another.

::

    traceback ──frames_of──▶ (file, line, name, columns) … ──traceback_of──▶ traceback

Only places travel, no source. The kernel has the cells in its own `linecache`, so that Python
and IPython show the lines of the notebook, with arrow and carets, as for a local exception.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, NamedTuple

# Those that call the user's function: where it cannot be called so, or is one of C, they are the
# last that a traceback knows.
_CALLERS = {
    f"parmagic.worker.{name}"
    for name in ("async_items", "cancel", "function", "items", "random_numbers")
}
# Of a RecursionError's thousand frames: how it was entered, and where it ended.
FIRST_FRAMES = 20
LAST_FRAMES = 80


class Frame(NamedTuple):
    """One place in a traceback.

    Attributes
    ----------
    filename, lineno
        The line that was running.
    name, qualname, first_line
        The function, and the line where it begins.
    end_lineno, column, end_column
        Where the expression that was running begins and ends, in bytes of the line. Columns
        are -1 where they are not known.
    parameters
        The names of the function's parameters, which IPython shows.
    """

    filename: str
    lineno: int
    name: str
    qualname: str
    first_line: int
    end_lineno: int
    column: int
    end_column: int
    parameters: tuple[str, ...]


def frames_of(traceback: TracebackType | None) -> tuple[Frame, ...]:
    """Return the frames of ``traceback`` without parmagic's own at its beginning and end.

    Those are kept only if there are no others and the last does not call the user's function, so
    that a mistake of ours can be found. Of many frames the first and the last are returned.
    """
    links = _links(traceback)
    foreign = [number for number, link in enumerate(links) if not _is_ours(link)]
    if foreign:
        links = links[foreign[0] : foreign[-1] + 1]
    elif links and _module(links[-1]) in _CALLERS:
        links = []
    if len(links) > FIRST_FRAMES + LAST_FRAMES:
        links = links[:FIRST_FRAMES] + links[-LAST_FRAMES:]
    return tuple(_frame(link) for link in links)


def traceback_of(frames: tuple[Frame, ...]) -> TracebackType | None:
    """Return a traceback that looks like the one that ``frames`` were taken from.

    Its frames have no variables but the parameters, whose values read ``...``.
    """
    traceback = None
    for frame in reversed(frames):
        traceback = _link(frame, traceback)
    return traceback


def _links(traceback: TracebackType | None) -> list[TracebackType]:
    links = []
    while traceback is not None:
        links.append(traceback)
        traceback = traceback.tb_next
    return links


def _is_ours(link: TracebackType) -> bool:
    return f"{_module(link)}.".startswith("parmagic.")


def _module(link: TracebackType) -> str:
    name = link.tb_frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def _frame(link: TracebackType) -> Frame:
    code = link.tb_frame.f_code
    lineno = link.tb_lineno or code.co_firstlineno
    place = (code.co_filename, lineno, code.co_name, code.co_qualname, code.co_firstlineno)
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return Frame(*place, *_extent(code, link.tb_lasti, lineno), parameters)


def _extent(code: CodeType, lasti: int, lineno: int) -> tuple[int, int, int]:
    # An instruction is two bytes, and has one position.
    positions = next(islice(code.co_positions(), max(lasti, 0) // 2, None), (None,) * 4)
    line, end_line, column, end_column = positions
    if line != lineno or end_line is None or column is None or end_column is None:
        return lineno, -1, -1
    return end_line, column, end_column


def _link(frame: Frame, next_link: TracebackType | None) -> TracebackType:
    made = _frame_object(frame)
    return TracebackType(next_link, made, made.f_lasti, frame.lineno)


@lru_cache(maxsize=1024)
def _frame_object(frame: Frame) -> FrameType:
    """Make a frame that has ended where ``frame`` says."""
    from inspect import currentframe
    from threading import Thread

    function = FunctionType(_code(frame), {"this_frame": currentframe})
    arguments = [_Unsent()] * len(frame.parameters)
    made: list[FrameType] = []
    # In a thread of its own, because a frame keeps its callers alive, and with them all of their
    # variables: a kept exception would keep the chunk that it came with. A generator's frame
    # has no callers, but Python 3.13 crashes when its variables are looked at.
    thread = Thread(target=lambda: made.append(function(*arguments)))
    thread.start()
    thread.join()
    return made[0]


def _code(frame: Frame) -> CodeType:
    import ast

    first_line = min(frame.first_line, frame.lineno)
    module: Any = ast.parse("def function(): return this_frame()")
    nodes: Any = ast.walk(module.body[0].body[0])
    for node in nodes:
        node.lineno = frame.lineno - first_line + 1
        node.end_lineno = frame.end_lineno - first_line + 1
        node.col_offset, node.end_col_offset = frame.column, frame.end_column
    code: CodeType = compile(module, frame.filename, "exec").co_consts[0]
    return code.replace(
        co_name=frame.name,
        co_qualname=frame.qualname,
        co_firstlineno=first_line,
        co_varnames=frame.parameters,
        co_argcount=len(frame.parameters),
        co_nlocals=len(frame.parameters),
    )


class _Unsent:
    """The value of a variable that stayed in the worker."""

    def __repr__(self) -> str:
        return "..."
