"""Show what the items write, as long as that can be shown."""

from __future__ import annotations

from collections.abc import Callable

from parmagic.pool.warning import warn_user
from parmagic.worker.capture import Output


class Echo:
    """Pass on what the items write; warn once, and be quiet, where it cannot be shown.

    No result is worth less for a stream that was closed.
    """

    def __init__(self, show: Callable[[Output], None]) -> None:
        self._show = show
        self._is_quiet = False

    def show(self, output: Output) -> None:
        """Show ``output`` where the notebook or the program shows such things."""
        if self._is_quiet:
            return
        try:
            self._show(output)
        except Exception as error:
            self._is_quiet = True
            warn_user(
                f"what the items write cannot be shown here ({type(error).__name__}: {error}); it"
                " is kept in the report"
            )
