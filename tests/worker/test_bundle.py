from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.display import HTML, JSON, Image, Javascript, Latex, Markdown

from parmagic.worker import bundle as module
from parmagic.worker.bundle import Bundle, bundle_of, shows_itself
from parmagic.worker.cancel import Cancelled

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Shows:
    """Has the methods that it is given."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        vars(self).update(methods)

    def __repr__(self) -> str:
        return "Shows()"


LIKE_IPYTHON = {
    "number": 3,
    "text": "a\nb",
    "html": HTML("<b>ä</b>"),
    "markdown": Markdown("**x**"),
    "latex": Latex("$x$"),
    "json": JSON({"x": [1, None]}),
    "javascript": Javascript("1"),
    "frame": pd.DataFrame({"x": [1, 2]}),
    "several": Shows(_repr_html_=lambda: "<i>", _repr_latex_=lambda: "$$", _repr_svg_=lambda: None),
    "metadata": Shows(_repr_svg_=lambda: ("<svg/>", {"isolated": True})),
    "bundle": Shows(_repr_mimebundle_=lambda **kinds: {"text/html": "<p>", "x/y": "z"}),
    "bundle and metadata": Shows(
        _repr_mimebundle_=lambda **kinds: ({"x/y": "z"}, {"x/y": {"width": 1}})
    ),
    "bundle before method": Shows(
        _repr_mimebundle_=lambda **kinds: {"text/html": "<p>"}, _repr_html_=lambda: "<i>"
    ),
    "not callable": Shows(_repr_html_="no method"),
}


@pytest.mark.parametrize("value", LIKE_IPYTHON.values(), ids=LIKE_IPYTHON)
def test_it_is_what_ipython_collects(value: object) -> None:
    data, metadata = DisplayFormatter().format(value)
    found = bundle_of(value)
    assert (found.data, found.metadata) == (data, metadata)


@pytest.mark.parametrize(
    ("include", "exclude"),
    [(["text/html"], None), (None, ["text/html"]), (["x/y", "text/plain"], ["x/y"])],
)
def test_kinds_can_be_chosen(include: Any, exclude: Any) -> None:
    value = Shows(_repr_mimebundle_=lambda **_: {"x/y": "z"}, _repr_html_=lambda: "<i>")
    data, _ = DisplayFormatter().format(value, include=include, exclude=exclude)
    assert bundle_of(value, include, exclude).data == data


def test_images_travel_as_text() -> None:
    assert bundle_of(Image(PNG)).data["image/png"] == base64.b64encode(PNG).decode()


def test_an_object_that_prints_itself_for_ipython_does_so_here() -> None:
    class Pretty:
        def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
            printer.text("pretty")

    assert bundle_of(Pretty()).data == {"text/plain": "pretty"}


def test_a_class_does_not_show_what_its_instances_do() -> None:
    class Shown:
        def _repr_html_(self) -> str:
            return "<i>"

    assert bundle_of(Shown()).data.keys() == {"text/plain", "text/html"}
    assert bundle_of(Shown).data.keys() == {"text/plain"}


def fail(*_: Any, **__: Any) -> Any:
    raise SystemExit


class Any_:
    """Has attributes of any name, as mocks and remote objects have."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: "anything"

    def __repr__(self) -> str:
        return "Any_()"


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit

    __repr__ = fail


class Text(str):
    __slots__ = ()

    __str__ = __repr__ = encode = fail


HARMLESS: dict[str, tuple[object, dict[str, Any]]] = {
    "failing methods": (
        Shows(**dict.fromkeys([*module._METHODS.values(), "_repr_mimebundle_"], fail)),
        {"text/plain": "Shows()"},
    ),
    "any attribute": (Any_(), {"text/plain": "Any_()"}),
    "hostile": (Hostile(), {"text/plain": "<Hostile object, repr() failed>"}),
    "a bundle of nonsense": (
        Shows(_repr_mimebundle_=lambda **_: {"x/y": object(), 1: "z"}),
        {"text/plain": "Shows()", "1": "z"},
    ),
    "no bundle": (Shows(_repr_mimebundle_=lambda **_: 3), {"text/plain": "Shows()"}),
    "not for JSON": (Shows(_repr_json_=lambda: {1j}), {"text/plain": "Shows()"}),
    "surrogates": (Shows(_repr_html_=lambda: "\ud800"), {
        "text/plain": "Shows()", "text/html": "\\ud800",
    }),
    "text of a class": (Shows(_repr_html_=lambda: Text("x")), {
        "text/plain": "Shows()", "text/html": "x",
    }),
    "a widget": (
        Shows(_repr_mimebundle_=lambda **_: {"application/vnd.jupyter.widget-view+json": {}}),
        {"text/plain": "Shows()"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)  # pytest itself is not safe from the values
def test_what_cannot_be_shown_is_left_out(name: str) -> None:
    value, data = HARMLESS[name]
    found = bundle_of(value)
    assert found.data == data
    assert all(type(key) is str for key in found.data)
    json.dumps([found.data, found.metadata]).encode()


def test_a_cancelled_item_is_not_held_up() -> None:
    def cancelled() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        bundle_of(Shows(_repr_html_=cancelled))


@pytest.mark.parametrize(("method", "shown"), [(lambda: None, True), (fail, False), (None, False)])
def test_an_object_may_show_itself(method: Any, shown: bool) -> None:
    assert shows_itself(Shows(_ipython_display_=method)) is shown
    assert not shows_itself(3)


def test_what_is_too_large_is_named_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    small = Bundle({"text/html": "x" * (1 << 20)})
    assert small.bounded() is small
    large = Bundle({"text/html": "x" * (3 << 20), "text/plain": "three"}).bounded()
    assert large.data == {
        "text/plain": "three\n[not shown: 3 MB, and 1 MB is the most."
        " Show a part of it, or save it to a file and show the path.]"
    }
