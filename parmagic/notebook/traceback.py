"""Tracebacks of failed cells: the user's lines, and none of ours or of IPython's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import dropwhile
from types import TracebackType
from typing import Any

_NOT_THE_USERS = ("parmagic", "IPython", "concurrent.futures")


def show_own_frames_only(error: BaseException, shell: Any, *, whole_cell: bool) -> None:
    """Let IPython show ``error`` with the frames of the user's code only.

    In whatever mode ``%xmode`` has chosen. The exception itself keeps them all.

    Parameters
    ----------
    whole_cell
        Whether a cell magic was called: then the frames above ours only say so.
    """

    def render() -> list[str]:
        frames = _own_frames(error.__traceback__, whole_cell=whole_cell)
        lines: list[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, frames, tb_offset=0
        )
        return lines

    with contextlib.suppress(AttributeError, TypeError):  # an exception without a __dict__
        error._render_traceback_ = render  # type: ignore[attr-defined]


def _own_frames(traceback: TracebackType | None, *, whole_cell: bool) -> TracebackType | None:
    links = list(_links(traceback))
    if whole_cell:
        links = list(dropwhile(lambda link: not _is_of(link, "parmagic"), links))
    own: TracebackType | None = None
    for link in reversed([link for link in links if _is_users(link)]):
        if own is None or _place(link) != _place(own):  # a line magic's line, in both processes
            own = TracebackType(own, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return own


def _place(link: TracebackType) -> tuple[str, int]:
    return link.tb_frame.f_code.co_filename, link.tb_lineno


def _links(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_users(link: TracebackType) -> bool:
    return not any(_is_of(link, package) for package in _NOT_THE_USERS)


def _is_of(link: TracebackType, package: str) -> bool:
    module = str(link.tb_frame.f_globals.get("__name__", ""))
    return module == package or module.startswith(f"{package}.")
