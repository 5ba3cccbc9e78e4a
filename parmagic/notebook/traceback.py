"""Tracebacks of failed cells: the user's lines, and none of ours or of IPython's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from itertools import takewhile
from traceback import extract_tb
from types import TracebackType
from typing import Any

_NOT_THE_USERS = ("parmagic", "IPython", "concurrent.futures")


def show_own_frames_only(error: BaseException, *, whole_cell: bool) -> None:
    """Let IPython show ``error`` with the frames of the user's code only.

    In whatever mode ``%xmode`` has chosen. The exception itself keeps them all.

    Parameters
    ----------
    whole_cell
        Whether a cell magic was called: then the frames above ours only say so.
    """
    if hasattr(type(error), "_render_traceback_"):
        return  # it knows better
    with contextlib.suppress(Exception):  # an exception that takes no attributes
        error._render_traceback_ = OwnFrames(error, whole_cell)  # type: ignore[attr-defined]


def show_all_frames(error: BaseException) -> None:
    """Let IPython show ``error`` with all frames, ours too, for those who look for a fault."""
    with contextlib.suppress(Exception):
        error._render_traceback_ = AllFrames(error)  # type: ignore[attr-defined]


class AllFrames:
    """As `OwnFrames`, with nothing left out."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self) -> list[str]:
        from IPython import get_ipython

        writer = get_ipython().InteractiveTB
        before, writer.skip_hidden = writer.skip_hidden, False
        try:
            error = self._error
            lines: list[str] = writer.structured_traceback(
                type(error), error, error.__traceback__, tb_offset=0
            )
            return lines
        finally:
            writer.skip_hidden = before


class OwnFrames:
    """What IPython calls to show an error; an object, so that the error can still be pickled."""

    def __init__(self, error: BaseException, whole_cell: bool) -> None:
        self._error = error
        self._whole_cell = whole_cell

    def __call__(self) -> list[str]:
        from IPython import get_ipython

        lines: list[str] = get_ipython().InteractiveTB.structured_traceback(
            type(self._error), self._error, self.frames, tb_offset=0
        )
        return lines

    @property
    def frames(self) -> TracebackType | None:
        """The traceback of the user's code."""
        return _own_frames(self._error.__traceback__, whole_cell=self._whole_cell)


def hook_tracebacks(shell: Any) -> None:
    """Show a `SyntaxError` and groups of exceptions likewise: IPython does not ask them how to."""
    _hook_syntax_errors(shell)
    _hook_groups(shell)


def unhook_tracebacks(shell: Any) -> None:
    """Undo `hook_tracebacks`."""
    vars(shell.SyntaxTB).pop("structured_traceback", None)
    vars(shell).pop("showtraceback", None)


def _hook_syntax_errors(shell: Any) -> None:
    original = type(shell.SyntaxTB).structured_traceback

    def structured_traceback(
        kind: type, error: BaseException | None, frames: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        own = getattr(error, "_render_traceback_", None)
        if isinstance(own, OwnFrames):
            frames = extract_tb(own.frames)
        return original(shell.SyntaxTB, kind, error, frames, *args, **kwargs)

    shell.SyntaxTB.structured_traceback = structured_traceback


def _hook_groups(shell: Any) -> None:
    original = type(shell).showtraceback

    def showtraceback(*args: Any, **kwargs: Any) -> Any:
        error = sys.exception()
        own = getattr(error, "_render_traceback_", None)
        # Python itself prints a group, and what was raised while one was handled.
        is_printed = any(isinstance(each, BaseExceptionGroup) for each in _contexts(error))
        if error is not None and is_printed and isinstance(own, OwnFrames):
            error.__traceback__ = own.frames
        return original(shell, *args, **kwargs)

    shell.showtraceback = showtraceback


def _contexts(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


def _own_frames(traceback: TracebackType | None, *, whole_cell: bool) -> TracebackType | None:
    links = list(_links(traceback))
    above = list(takewhile(lambda link: not _is_of(link, "parmagic"), links))
    own = list(filter(_is_users, [] if whole_cell else above))
    below = list(filter(_is_users, links[len(above) :]))
    if own and below and _place(own[-1]) == _place(below[0]):
        del below[0]  # a line magic's line, in the worker
    return _linked([*own, *below])


def _linked(links: list[TracebackType]) -> TracebackType | None:
    linked: TracebackType | None = None
    for link in reversed(links):
        linked = TracebackType(linked, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return linked


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
