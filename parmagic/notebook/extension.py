"""Add the magics to a shell, and take them away."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from IPython.display import publish_display_data

from parmagic.notebook.completion import complete_line
from parmagic.notebook.magic import ParMagic
from parmagic.notebook.panel.show import close_panels, end_panels
from parmagic.notebook.traceback import hook_tracebacks, unhook_tracebacks
from parmagic.pool import output, registry, tracker
from parmagic.pool.default import forget_start_up
from parmagic.pool.exit import close_all, close_pools
from parmagic.report import html, text
from parmagic.report.report import Report


def load(shell: Any) -> None:
    """Add the magics and their completion; end the pool when the shell ends."""
    shell.register_magics(ParMagic)
    if "parmagic" not in shell.user_ns:  # our messages speak of parmagic.jobs
        shell.push({"parmagic": sys.modules["parmagic"]}, interactive=False)
    import parmagic.worker.by_value  # noqa: F401  # cloudpickle: better now than in the first cell

    registry.watch()
    matchers = shell.Completer.custom_matchers
    if complete_line not in matchers:
        matchers.append(complete_line)
    hook_tracebacks(shell)
    output.show_display = _display
    output.bounded = hasattr(shell, "kernel")
    _format_reports(shell)
    # ipykernel waits for children that do not end by themselves, before atexit is reached.
    if shell.has_trait("exit_now"):
        tracker.claim()
        shell.observe(_close, "exit_now")


def unload(shell: Any) -> None:
    """Take away what `load` added, and end the pool."""
    for kind, names in (
        ("line", ("parmap", "parpool", "parpanel", "pardebug")),
        ("cell", ("parmap", "parpool")),
    ):
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    if complete_line in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete_line)
    unhook_tracebacks(shell)
    close_panels()
    output.show_display = output.print_text
    output.bounded = False
    registry.unwatch()
    # `_close` stays: multiprocessing's tracker may have a queue or a lock in its care.
    close_pools()
    forget_start_up()


def _format_reports(shell: Any) -> None:
    formatters = shell.display_formatter.formatters
    formatters["text/html"].for_type(Report, html.render)
    formatters["text/plain"].for_type(Report, _write)


def _write(report: Report, printer: Any, _: bool) -> None:
    printer.text(text.render(report))


def _display(content: Mapping[str, Any], update: bool) -> None:
    """Show what an item of `parmagic.map` displays, in the cell that runs."""
    transient = {"display_id": content["display_id"]} if content["display_id"] else {}
    publish_display_data(
        dict(content["data"]), dict(content["metadata"]), transient=transient, update=update
    )


def _close(change: Any) -> None:
    if change["new"]:
        end_panels()
        close_all()
