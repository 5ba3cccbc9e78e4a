"""What an object shows of itself, by MIME type, as IPython collects it but without IPython."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from parmagic.worker.cancel import Cancelled
from parmagic.worker.loaded import loaded
from parmagic.worker.text import type_name

MOST_BYTES = 20 << 20

# The methods that objects have, in IPython's order.
_METHODS = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "application/pdf": "_repr_pdf_",
    "image/jpeg": "_repr_jpeg_",
    "text/latex": "_repr_latex_",
    "application/json": "_repr_json_",
    "application/javascript": "_repr_javascript_",
}
_ANY_NAME = "_ipython_canary_method_should_not_exist_"
# A widget's view shows a model that lives in this process, which the page does not know.
_HERE_ONLY = "application/vnd.jupyter.widget-view+json"


class Bundle:
    """The representations of something that is displayed.

    Attributes
    ----------
    data, metadata
        By MIME type: texts, images as base64, and what JSON can hold.
    """

    def __init__(
        self, data: Mapping[Any, Any] | None = None, metadata: Mapping[Any, Any] | None = None
    ) -> None:
        self.data: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.update(data or {}, metadata or {})

    @property
    def nbytes(self) -> int:
        """About how large it is."""
        return sum(
            len(each) if isinstance(each, str) else len(str(each)) for each in self.data.values()
        )

    def update(self, data: Mapping[Any, Any], metadata: Mapping[Any, Any]) -> None:
        """Add representations, as far as they can be shown elsewhere."""
        for target, source in ((self.data, data), (self.metadata, metadata)):
            for key, value in source.items():
                sendable = _sendable(value)
                if sendable is not None and key != _HERE_ONLY:
                    target[_plain(str(key))] = sendable

    def bounded(self) -> Bundle:
        """Return itself, or its text and a note if it is too large."""
        if self.nbytes <= MOST_BYTES:
            return self
        text = str(self.data.get("text/plain", ""))[: MOST_BYTES // 2]
        note = (
            f"[not shown: {self.nbytes / 2**20:.0f} MB, and {MOST_BYTES >> 20} MB is the most."
            " Show a part of it, or save it to a file and show the path.]"
        )
        return Bundle({"text/plain": f"{text}\n{note}" if text else note})


def bundle_of(
    value: object, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> Bundle:
    """Ask ``value`` for its representations; those that fail are left out."""
    bundle = Bundle()

    def wanted(kind: str) -> bool:
        return (not include or kind in include) and kind not in (exclude or ())

    _add_mimebundle(bundle, value, include, exclude)
    bundle.data = {kind: each for kind, each in bundle.data.items() if wanted(kind)}
    for kind, write in _writers(value).items():
        if wanted(kind) and kind not in bundle.data:
            _add(bundle, kind, _tried(write))
    return bundle


def shows_itself(value: object) -> bool:
    """Let ``value`` do all by itself, if it knows how to (``_ipython_display_``)."""
    method = _method(value, "_ipython_display_")
    return method is not None and _tried(lambda: (method(),)) is not None


def _add_mimebundle(
    bundle: Bundle,
    value: object,
    include: Collection[str] | None,
    exclude: Collection[str] | None,
) -> None:
    method = _method(value, "_repr_mimebundle_")
    found = None if method is None else _tried(lambda: method(include=include, exclude=exclude))
    data, metadata = _with_metadata(found)
    if data is not None:
        _tried(lambda: bundle.update(dict(data), dict(metadata or {})))


def _add(bundle: Bundle, kind: str, found: object) -> None:
    data, metadata = _with_metadata(found)
    if data is not None:
        _tried(lambda: bundle.update({kind: data}, {} if metadata is None else {kind: metadata}))


def _with_metadata(found: object) -> tuple[Any, Any]:
    return found if type(found) is tuple and len(found) == 2 else (found, None)


def _writers(value: object) -> dict[str, Callable[[], Any]]:
    methods = {kind: _method(value, name) for kind, name in _METHODS.items()}
    writers = {kind: method for kind, method in methods.items() if method is not None}
    figure: Any = value
    if _is_figure(figure):
        from parmagic.worker.drawing import images

        writers |= images(figure)
    return {"text/plain": lambda: _text(value), **writers}


def _is_figure(value: object) -> bool:
    module = loaded("matplotlib.figure")
    return module is not None and issubclass(type(value), module.Figure)


def _method(value: object, name: str) -> Callable[..., Any] | None:
    # A class has the methods of its instances; and some objects have attributes of any name.
    if issubclass(type(value), type) or _tried(lambda: getattr(value, _ANY_NAME)) is not None:
        return None
    method = _tried(lambda: getattr(value, name))
    return method if callable(method) else None


def _text(value: object) -> str:
    if _method(value, "_repr_pretty_") is not None:
        pretty = _tried(lambda: _pretty(value))
        if isinstance(pretty, str):
            return pretty
    text = _tried(lambda: repr(value))
    return text if isinstance(text, str) else f"<{type_name(value)} object, repr() failed>"


def _pretty(value: object) -> str:
    from IPython.lib.pretty import pretty

    text: str = pretty(value)
    return text


def _tried(call: Callable[[], Any]) -> Any:
    """Return what ``call`` returns, or None if it fails in whatever way."""
    try:
        return call()
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException:
        return None


def _sendable(value: object) -> Any:
    """Return ``value`` made of builtins, or None where that cannot be."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, bytes | bytearray | memoryview):
        import base64

        return base64.b64encode(value).decode("ascii")
    import json

    return _tried(lambda: json.loads(json.dumps(value)))


def _plain(text: str) -> str:
    # Without a class of its own, and without what front ends cannot encode.
    return str.encode(text, "utf-8", "backslashreplace").decode()
