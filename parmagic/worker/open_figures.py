"""The figures that items leave open: each item's own are shown when it ends."""

from __future__ import annotations

import sys

from parmagic.worker.cancel import Cancelled

PYPLOT = "matplotlib.pyplot"
BACKEND = "module://parmagic.worker.figures"
_HELPERS = "matplotlib._pylab_helpers"


def show_open_figures() -> None:
    """Show and close the open figures; with a backend that does not show, close them (0.2 µs)."""
    figures = sys.modules[_HELPERS].Gcf
    if figures.figs:
        try:
            sys.modules[PYPLOT].show()
        except Cancelled:
            raise
        except BaseException:  # whatever is wrong with them, the item has done its work
            sys.excepthook(*sys.exc_info())
        figures.destroy_all()


def forget_open_figures() -> None:
    """Close the figures that were there before the first item, such as in what it captured."""
    sys.modules[_HELPERS].Gcf.destroy_all()


def show_figures() -> None:
    """Show and close the open figures, whatever backend the process has."""
    from parmagic.worker.display import display

    figures = sys.modules[_HELPERS].Gcf
    for manager in figures.get_all_fig_managers() if figures.figs else ():
        display(manager.canvas.figure)
    figures.destroy_all()
