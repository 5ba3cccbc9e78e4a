"""Figures of matplotlib as images; imported only where there are some."""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# What `%config InlineBackend.figure_formats` may say.
_KINDS = {
    "png": "image/png",
    "png2x": "image/png",
    "retina": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
}
_TWICE = ("png2x", "retina")
# Width and height, after the signature and the head of the first chunk (PNG, 11.2.2).
_PNG_SIZE, _PNG_SIZE_PLACE = struct.Struct(">II"), 16

_formats: list[str] = ["png"]
_options: dict[str, Any] = {"bbox_inches": "tight"}


def use(formats: Iterable[str], options: Mapping[str, Any]) -> None:
    """Draw in these formats from now on, with these arguments of ``print_figure``."""
    _formats[:] = [each for each in formats if each in _KINDS]
    _options.clear()
    _options.update(options)


def images(figure: Figure) -> dict[str, Callable[[], Any]]:
    """Return, by MIME type, what draws ``figure`` as Jupyter does."""
    return {_KINDS[each]: lambda each=each: _image(figure, each) for each in _formats}  # type: ignore[misc]


def _image(figure: Figure, form: str) -> Any:
    """Draw ``figure``; None if there is nothing in it."""
    if not figure.axes and not figure.lines:
        return None
    if not hasattr(figure.canvas, "print_png"):
        FigureCanvasAgg(figure)
    try:
        return _with_size(_drawn(figure, form)) if form in _TWICE else _drawn(figure, form)
    except Exception:  # such as a formula that cannot be set: that is no fault of the item
        sys.excepthook(*sys.exc_info())
        return None


def _drawn(figure: Figure, form: str) -> bytes | str:
    colours = {"facecolor": figure.get_facecolor(), "edgecolor": figure.get_edgecolor()}
    dpi = figure.dpi * 2 if form in _TWICE else figure.dpi
    arguments = {"dpi": dpi, **colours, **_options}
    with io.BytesIO() as file:
        figure.canvas.print_figure(file, format="png" if form in _TWICE else form, **arguments)
        image = file.getvalue()
    return image.decode() if form == "svg" else image


def _with_size(png: Any) -> tuple[bytes, dict[str, int]]:
    """Let a front end draw two pixels as one."""
    width, height = _PNG_SIZE.unpack_from(png, _PNG_SIZE_PLACE)
    return png, {"width": width // 2, "height": height // 2}
