"""Widgets as the panel has them: labelled, in its style, and sent only when they change."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ipywidgets import HTML, Button, HBox, Text, VBox, Widget

# What takes long to draw is drawn less often, so that all drawing takes this part of the time.
_MOST_SHARE = 0.05
# What all panels together send in a second; what is least urgent waits.
MOST_UPDATES = 10

_sent: deque[float] = deque(maxlen=MOST_UPDATES)


def button(
    label: str, tooltip: str, click: Callable[[], None], *, icon: str = "", plain: bool = False
) -> Button:
    """Make a button that calls ``click``."""
    made = Button(description=label, tooltip=tooltip, icon=icon)
    made.add_class("parmagic-button")
    if plain:
        made.add_class("parmagic-plain")
    made.on_click(lambda _: click())
    return made


def field(label: str, change: Callable[[str], None], *, hint: str = "", tooltip: str = "") -> Text:
    """Make a field that calls ``change`` when its text is committed: by Enter, or on leaving it."""
    made = Text(description=label, placeholder=hint, tooltip=tooltip, continuous_update=False)
    made.add_class("parmagic-field")
    made.observe(lambda event: change(event["new"]), "value")
    return made


def shown(*classes: str) -> HTML:
    """Make a place for HTML, which takes no room as long as it is empty."""
    made = HTML()
    for each in classes:
        made.add_class(each)
    return made


def show(place: HTML, html: str) -> None:
    """Put HTML in its place, if it is not there already."""
    if place.value != html:
        place.value = html
        _sent.append(time.monotonic())


def offer(place: Any, offered: list[tuple[str, Any]], *, keep: bool = True) -> None:
    """Let one of these be chosen: what was chosen before if it is still there, else the first."""
    chosen = place.value
    place.options = offered
    values = [value for _, value in offered]
    if values:
        place.value = chosen if keep and chosen in values else values[0]


def row(*children: Widget, classes: Iterable[str] = ()) -> HBox:
    """Put widgets side by side."""
    return _with(HBox(list(children)), classes)


def column(*children: Widget, classes: Iterable[str] = ()) -> VBox:
    """Put widgets one below the other."""
    return _with(VBox(list(children)), classes)


def _with(box: Any, classes: Iterable[str]) -> Any:
    for each in classes:
        box.add_class(each)
    return box


def close(widget: Any) -> None:
    """Close a widget and all that it holds."""
    for child in getattr(widget, "children", ()):
        close(child)
    for name in ("style", "layout"):
        part = getattr(widget, name, None)
        if isinstance(part, Widget):
            part.close()
    widget.close()


def _is_room() -> bool:
    # It may be two places that are drawn.
    return len(_sent) < MOST_UPDATES or time.monotonic() - _sent[1] > 1


class Thinned:
    """Draw now and then.

    Parameters
    ----------
    draw
        What to do.
    seconds
        How often at most; less often where it takes long.
    """

    def __init__(self, draw: Callable[[], None], seconds: float) -> None:
        self._draw = draw
        self._seconds = seconds
        self._next = 0.0

    def __call__(self, *, now: bool = False) -> None:
        """Draw if it is time, or at once."""
        if now or (time.monotonic() >= self._next and _is_room()):
            before = time.thread_time()  # others may keep us waiting
            self._draw()
            spent = time.thread_time() - before
            self._next = time.monotonic() + max(self._seconds, spent / _MOST_SHARE)
