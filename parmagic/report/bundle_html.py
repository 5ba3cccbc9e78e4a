"""One display of an item as HTML that can do nothing: an image, a table or text."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from parmagic.report.harmless import harmless

_MOST_CHARACTERS = 500_000
_MOST_IMAGE_CHARACTERS = 20_000_000
_IMAGE = "display:block;max-width:100%;height:auto"
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*")


class Drawn(NamedTuple):
    """A display, drawn: ``html`` is ready to be shown, ``text`` must be escaped.

    Only one of the two is not empty.
    """

    html: str = ""
    text: str = ""
    is_image: bool = False


def fits(bundle: Mapping[str, Any]) -> bool:
    """Say whether `draw` can do a display justice, or only the front end itself can.

    That is so for what runs or needs an extension, such as plots of plotly and widgets, and
    for what is larger than one would have in a list.
    """
    return _drawn(bundle) is not None


def draw(bundle: Mapping[str, Any], text: str, metadata: Mapping[str, Any]) -> Drawn:
    """Draw a display; where it does not fit, ``text`` stands for it."""
    drawn = _drawn(bundle)
    if drawn is None:
        return Drawn(text=text)
    return _sized(drawn, metadata.get(_kind(bundle))) if drawn.is_image else drawn


def _drawn(bundle: Mapping[str, Any]) -> Drawn | None:
    if not bundle or not bundle.keys() <= _KNOWN.keys():
        return None
    mime = _kind(bundle)
    return _KNOWN[mime](mime, bundle[mime])


def _kind(bundle: Mapping[str, Any]) -> str:
    return next(each for each in _KNOWN if each in bundle)


def _sized(image: Drawn, size: Any) -> Drawn:
    # On a screen with two pixels for one it is sharp then.
    width = size.get("width") if isinstance(size, Mapping) else None
    if not isinstance(width, int):
        return image
    return image._replace(html=image.html.replace("<img ", f'<img width="{width}" ', 1))


def _html(_: str, content: Any) -> Drawn | None:
    html = _text(content)
    copy = None if len(html) > _MOST_CHARACTERS else harmless(html)
    return None if copy is None else Drawn(html=f"<div>{copy}</div>")


def _svg(_: str, content: Any) -> Drawn | None:
    # As an image it can neither run nor load anything.
    svg = _text(content).encode("utf-8", "replace")
    return _image("image/svg+xml", b64encode(svg).decode())


def _image(mime: str, content: Any) -> Drawn | None:
    base64 = "".join(_text(content).split())
    if len(base64) > _MOST_IMAGE_CHARACTERS or not _BASE64.fullmatch(base64):
        return None
    return Drawn(
        html=f'<img src="data:{mime};base64,{base64}" alt="{mime}" style="{_IMAGE}">',
        is_image=True,
    )


def _plain(_: str, content: Any) -> Drawn | None:
    text = _text(content)
    return Drawn(text=text) if len(text) <= _MOST_CHARACTERS else None


def _json(mime: str, content: Any) -> Drawn | None:
    return _plain(mime, json.dumps(content, indent=1, default=str, ensure_ascii=False))


def _text(content: Any) -> str:
    """Return what a bundle holds as text; notebooks also have it as a list of lines."""
    return "".join(map(str, content)) if isinstance(content, list | tuple) else str(content)


# The first that a bundle has is drawn.
_KNOWN: dict[str, Callable[[str, Any], Drawn | None]] = {
    "text/html": _html,
    "image/svg+xml": _svg,
    "image/png": _image,
    "image/jpeg": _image,
    "image/gif": _image,
    "image/webp": _image,
    "text/markdown": _plain,
    "text/latex": _plain,
    "application/json": _json,
    "text/plain": _plain,
}
