"""Warnings that name the user's line, not one of ours."""

from __future__ import annotations

import sys
import warnings

_NOT_THE_USERS = ("parmagic", "IPython")


def warn_user(text: str) -> None:
    """Issue a `RuntimeWarning` at the line that led here."""
    level, frame = 1, sys._getframe()  # noqa: SLF001  # as warnings itself does
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__")):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _NOT_THE_USERS
