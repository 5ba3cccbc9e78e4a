"""Hear a widget while a cell runs.

A click is a message to the kernel, whose main thread runs the cell. ipykernel 7.4 can be told to
handle the messages of one widget in a thread of their own, a subshell; with another version they
wait for the end of the cell.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from typing import Any

_SUBSHELL_SECONDS = 5.0

_subshells: dict[int, str] = {}


def answer_at_once(shell: Any, widget: Any) -> bool:
    """Let what the user does to ``widget`` be heard in a thread of its own, if that is possible."""
    subshell = _subshell(getattr(shell, "kernel", None))
    if subshell is None or not hasattr(widget.comm, "_reply_subshell_for"):
        return False
    widget.comm._reply_subshell_for = lambda *_: subshell  # noqa: SLF001  # there is no other
    return True


def _subshell(kernel: Any) -> str | None:
    """Return the name of our thread for messages, which is made at the first use."""
    if kernel is None:
        return None
    if id(kernel) not in _subshells:
        made = _new_subshell(kernel)
        if made is None:
            return None
        _subshells[id(kernel)] = made
    return _subshells[id(kernel)]


def _new_subshell(kernel: Any) -> str | None:
    try:  # private, so another ipykernel may not have them
        manager = kernel.shell_channel_thread.manager
        create, loop = manager._create_subshell, manager._shell_channel_io_loop  # noqa: SLF001
    except AttributeError:
        return None
    made: Future[str] = Future()
    # In the thread that owns the channel.
    loop.add_callback(lambda: made.set_result(create()))
    with suppress(TimeoutError):
        return made.result(_SUBSHELL_SECONDS)
    return None
