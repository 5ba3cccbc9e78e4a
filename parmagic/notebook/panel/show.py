"""Open panels, and close them."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from IPython.core.getipython import get_ipython
from IPython.display import display

from parmagic.notebook.choose import someone_looks
from parmagic.notebook.panel import still
from parmagic.notebook.panel.model import OptionsOf, PanelModel
from parmagic.notebook.panel.ticker import Ticker

# A cell that is run again has a new panel, and the old one is gone from the page. Where the front
# end does not name its cells, nobody can tell: more than these are not kept up to date.
MOST_PANELS = 8

_all: WeakSet[Panels] = WeakSet()


def panel() -> None:
    """Show the panel: run functions over items, watch them and the workers, by clicking.

    The same as ``%parpanel``. Jobs run on when the panel is closed.

    Raises
    ------
    RuntimeError
        This is no notebook.
    """
    shell: Any = get_ipython()
    if shell is None:
        raise RuntimeError("the panel needs a notebook, or IPython")
    if "parpanel" not in shell.magics_manager.magics["line"]:
        shell.extension_manager.load_extension("parmagic")
    shell.run_line_magic("parpanel", "")


def close_panels() -> None:
    """Close all panels of this process; they leave what there is to see without them."""
    for each in list(_all):
        each.close_all()


def end_panels() -> None:
    """Do so when the kernel ends, and its widgets with it.

    To close them, too, would be 200 messages to a front end that has forgotten them already.
    """
    for each in list(_all):
        each.end_all()


class Panels:
    """The open panels of a shell; they share one model and one ticker."""

    def __init__(self, shell: Any, options_of: OptionsOf) -> None:
        self._shell = shell
        self._model = PanelModel(shell.user_ns, shell.user_ns_hidden, options_of)
        self._ticker = Ticker()
        self._open: dict[Any, Any] = {}
        _all.add(self)

    def open(self, cell: str | None, live: bool | None) -> None:
        """Show one, or what there is to see without widgets.

        Parameters
        ----------
        cell
            The front end's name for the cell.
        live
            Whether a front end looks on; None to find out.
        """
        self._model.find_functions()
        if not hasattr(self._shell, "kernel"):
            print(still.text(self._model))  # noqa: T201  # what a terminal is for
        elif not someone_looks(live):
            display(still.bundle(self._model), raw=True)
        else:
            self._open_view(cell)

    def _open_view(self, cell: str | None) -> None:
        try:
            from parmagic.notebook.panel.view import View
        except ImportError:  # ipywidgets is not installed
            display(still.bundle(self._model), raw=True)
            return
        self._close_of(cell)
        view = View(self._shell, self._model, self._refresh, self._close)
        if not self._open:
            self._shell.events.register("post_run_cell", self._after_cell)
        self._open[cell or object()] = view
        view.show()
        self._ticker.add(view)

    def _close_of(self, cell: str | None) -> None:
        if cell in self._open:
            self._close(self._open[cell], seen=False)
        while len(self._open) >= MOST_PANELS:
            self._close(next(iter(self._open.values())))

    def _close(self, view: Any, *, seen: bool = True) -> None:
        self._open = {cell: each for cell, each in self._open.items() if each is not view}
        self._ticker.remove(view)
        view.close(seen=seen)
        if not self._open:
            self._shell.events.unregister("post_run_cell", self._after_cell)

    def close_all(self) -> None:
        """Close them all, and leave what there is to see without them."""
        for view in list(self._open.values()):
            self._close(view)

    def end_all(self) -> None:
        """Leave what there is to see without them in their places."""
        for view in self._open.values():
            self._ticker.remove(view)
            view.end()

    def _refresh(self) -> None:
        for view in list(self._open.values()):
            view.refresh()
        self._ticker.wake()

    def _after_cell(self, _: object = None) -> None:
        self._model.find_functions()
        self._refresh()
