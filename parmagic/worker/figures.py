"""A backend of matplotlib for workers: draws with Agg, and shows figures below the cell.

Imported by matplotlib, in workers whose items draw.
"""

from __future__ import annotations

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from parmagic.worker.display import display


class FigureManager(FigureManagerBase):
    """A figure of pyplot, which ``fig.show()`` shows."""

    def show(self) -> None:
        """Show the figure and close it, so that it is not shown again."""
        display(self.canvas.figure)
        Gcf.destroy(self)

    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:  # noqa: ARG003  # matplotlib's name
        """Show all open figures, and close them."""
        for manager in Gcf.get_all_fig_managers():
            manager.show()


class FigureCanvas(FigureCanvasAgg):
    """Where figures are drawn."""

    manager_class = FigureManager
