"""HTML of others that may stand inside ours: tables and text, but nothing that acts."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

_VOID = {"br", "col", "hr", "img", "wbr"}
# fmt: off
_TAGS = _VOID | {
    "a", "abbr", "b", "bdi", "blockquote", "caption", "cite", "code", "colgroup", "dd", "del",
    "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4",
    "h5", "h6", "i", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small",
    "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "tr", "tt", "u", "ul", "var",
}
_ATTRIBUTES = {
    "align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "class", "color",
    "colspan", "dir", "halign", "height", "lang", "open", "reversed", "role", "rowspan", "scope",
    "scoped", "span", "start", "title", "type", "valign", "value", "width",
}
# fmt: on
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_IMAGE = re.compile(r"https?://|data:image/(?:png|jpeg|gif|webp);base64,", re.IGNORECASE)
# What could leave its place, load something, or hide one of these words.
_MOVING = re.compile(
    r"position|fixed|sticky|url|image|expression|behaviou?r|binding|import|z-index|[\\@<]|/\*",
    re.IGNORECASE,
)


def harmless(html: str) -> str | None:
    """Return ``html`` written anew, without its style sheets; None if it does anything.

    All elements must be closed, and all of them and their attributes be known to be harmless.
    What a browser gets is what was read here, so both understand it alike. The style sheets of
    data frames are left out; with others, which may be needed, it is not harmless.
    """
    copy = _Copy()
    copy.feed(html)
    copy.close()
    return None if copy.is_harmful or copy.open else "".join(copy.pieces)


class _Copy(HTMLParser):
    """Write what is read, until something is not harmless."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.open: list[str] = []
        self.is_harmful = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "style" and not (tag in _TAGS and all(_is_harmless(*each) for each in attrs)):
            self.is_harmful = True
        if tag not in _VOID:
            self.open.append(tag)
        if tag != "style":
            self.pieces.append(f"<{tag}{''.join(map(_attribute, attrs))}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:  # a browser takes it for one that is left open
            self.is_harmful = True

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.is_harmful = True
        if tag != "style":
            self.pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.pieces.append(escape(data, quote=False))
        elif not data.lstrip().startswith(".dataframe"):
            self.is_harmful = True

    def handle_decl(self, decl: str) -> None:
        self.is_harmful |= bool(decl)

    def unknown_decl(self, data: str) -> None:
        self.is_harmful |= bool(data)

    def handle_pi(self, data: str) -> None:
        self.is_harmful |= bool(data)


def _is_harmless(name: str, value: str | None) -> bool:
    if name == "href":
        return _LINK.match(value or "") is not None
    if name == "src":
        return _IMAGE.match(value or "") is not None
    if name == "style":
        return _MOVING.search(value or "") is None
    return name in _ATTRIBUTES


def _attribute(attribute: tuple[str, str | None]) -> str:
    name, value = attribute
    return f" {name}" if value is None else f' {name}="{escape(value)}"'
