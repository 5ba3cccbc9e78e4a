"""IPython's ``display`` and its companions, for a process that has no notebook.

They take the same arguments; what they show is sent to the kernel as that of the item
that runs.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from parmagic.worker import capture


class DisplayHandle:
    """Something displayed that can be updated."""

    def __init__(self, display_id: str | None = None) -> None:
        self.display_id = display_id or _new_id()

    def __repr__(self) -> str:
        return f"<DisplayHandle display_id={self.display_id}>"

    def display(self, value: object, **options: Any) -> None:
        """Display ``value`` once more."""
        display(value, display_id=self.display_id, **options)

    def update(self, value: object, **options: Any) -> None:
        """Show ``value`` in the place of what was displayed."""
        update_display(value, display_id=self.display_id, **options)


def display(
    *objects: Any,
    include: Collection[str] | None = None,
    exclude: Collection[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    transient: Mapping[str, Any] | None = None,
    display_id: str | bool | None = None,
    raw: bool = False,
    clear: bool = False,
    update: bool = False,
    **_: Any,
) -> DisplayHandle | None:
    """Show objects below the cell, as in the notebook itself.

    Parameters
    ----------
    include, exclude
        MIME types; only these, or all but these, are shown.
    metadata
        Is sent along, and overrides that of the objects.
    display_id
        With an id, or True for a new one, a handle is returned that can update the display.
    raw
        Whether the objects are dicts of MIME types already.
    clear
        Whether to clear first what the item has shown.
    """
    name = _new_id() if display_id is True else display_id or (transient or {}).get("display_id")
    if update and not name:
        raise TypeError("display_id required for update_display")
    if clear:
        clear_output()
    if not objects and display_id:
        objects, raw = ({},), True  # room for what comes later
    for each in objects:
        _show(each, include, exclude, metadata=metadata or {}, name=name, raw=raw, update=update)
    return DisplayHandle(name) if display_id else None


def update_display(value: object, *, display_id: str, **options: Any) -> None:
    """Show ``value`` in the place of what was displayed under ``display_id``."""
    display(value, display_id=display_id, **{**options, "update": True})


def publish_display_data(
    data: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
    *,
    transient: Mapping[str, Any] | None = None,
    update: bool = False,
    **_: Any,
) -> None:
    """Show what has been brought into MIME types already."""
    display(data, metadata=metadata, transient=transient, raw=True, update=update)


def clear_output(wait: bool = False) -> None:  # noqa: ARG001  # IPython's name for it
    """Clear what the item has shown so far, in its own part of the cell's output."""
    capture.put("clear", None, 0)


def _show(
    value: Any,
    include: Collection[str] | None,
    exclude: Collection[str] | None,
    *,
    metadata: Mapping[str, Any],
    name: str | None,
    raw: bool,
    update: bool,
) -> None:
    from parmagic.worker.bundle import Bundle, bundle_of, shows_itself

    if not raw and shows_itself(value):
        return
    bundle = Bundle(value) if raw else bundle_of(value, include, exclude)
    bundle.update({}, metadata)
    if not raw and not bundle.data:
        return
    bundle = bundle.bounded()
    content = {"data": bundle.data, "metadata": bundle.metadata, "display_id": name}
    if not capture.put("update" if update else "display", content, bundle.nbytes):
        print(bundle.data.get("text/plain", ""))  # noqa: T201  # a program without a notebook


def _new_id() -> str:
    return os.urandom(16).hex()
