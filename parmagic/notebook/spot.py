"""One output of a cell, whose content may be replaced."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from IPython.core.getipython import get_ipython


class Spot:
    """One output, updated under its display id, by which it always arrives.

    Also from another thread, and while a later cell captures what is displayed.
    """

    def __init__(self) -> None:
        self._publisher: Any = None
        self._id: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether there has been something to see."""
        return self._id is not None

    def another(self) -> Spot:
        """Return a spot of the same cell."""
        spot = Spot()
        spot._publisher = self._publisher  # one of us
        return spot

    def show(self, bundle: dict[str, Any]) -> None:
        """Show ``bundle``, in the place of what was there."""
        update = self.is_taken
        if not update:
            shell: Any = get_ipython()
            self._publisher = self._publisher or shell.display_pub
            self._id = uuid4().hex
        transient = {"display_id": self._id}
        self._publisher.publish(bundle, {}, transient=transient, update=update)
