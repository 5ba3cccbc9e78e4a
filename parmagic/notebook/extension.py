"""Add the magics to a shell, and take them away."""

from __future__ import annotations

from typing import Any

from parmagic.notebook.completion import complete_line
from parmagic.notebook.magic import ParMagic
from parmagic.notebook.traceback import hook_syntax_errors, unhook_syntax_errors
from parmagic.pool.exit import close_all


def load(shell: Any) -> None:
    """Add the magics and their completion; end the pool when the shell ends."""
    shell.register_magics(ParMagic)
    import parmagic.worker.by_value  # noqa: F401  # cloudpickle: better now than in the first cell

    matchers = shell.Completer.custom_matchers
    if complete_line not in matchers:
        matchers.append(complete_line)
    hook_syntax_errors(shell)
    # ipykernel waits for children that do not end by themselves, before atexit is reached.
    if shell.has_trait("exit_now"):
        shell.observe(_close, "exit_now")


def unload(shell: Any) -> None:
    """Take away what `load` added, and end the pool."""
    for kind, names in (("line", ("parmap", "parpool", "pardebug")), ("cell", ("parmap",))):
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    if complete_line in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete_line)
    unhook_syntax_errors(shell)
    if shell.has_trait("exit_now"):
        shell.unobserve(_close, "exit_now")
    close_all()


def _close(change: Any) -> None:
    if change["new"]:
        close_all()
