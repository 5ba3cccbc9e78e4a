"""What all drawings share: text made safe for HTML, and the colours."""

from __future__ import annotations

import re
from html import escape

# JupyterLab drops var() from untrusted notebooks, so each colour comes first without it.
GREY = "rgba(128,128,128,.25)"
TRACK = f"background:{GREY};background:var(--jp-layout-color2,{GREY})"
DONE = "background:#1976d2;background:var(--jp-brand-color1,#1976d2)"
FAILED = "background:#d32f2f;background:var(--jp-error-color1,#d32f2f)"
MUTED = "opacity:.7"
# Undo the stripes, right alignment and small print that front ends give to tables.
TABLE = "margin:4px 0 0;border:none;border-collapse:collapse;table-layout:auto;font-size:inherit"
ROW = "background:none"
CELL = "padding:0 12px 0 0;text-align:left;vertical-align:top;line-height:1.5"
FIRST_CELL = f"{CELL};font-weight:normal;white-space:nowrap"

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# Controls but for tab and newline, bidi overrides, lone surrogates.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(string: str, length: int) -> str:
    """Escape a string for HTML, on one line and cut to so many characters."""
    # Cut before anything else: it may have megabytes. Most of what goes is white space.
    line = "".join(map(_visible, " ".join(string[: 10 * length].split())))
    cut = len(line) > length or len(string) > 10 * length
    return escape(f"{line[: length - 1]}…" if cut else line)


def isolated(string: str, length: int) -> str:
    """Escape a string as `escaped` does, so that its direction stays its own."""
    # Without <bdi>, a Hebrew or Arabic result would swap places with its neighbours.
    return f"<bdi>{escaped(string, length)}</bdi>"


def legible(text: str) -> str:
    """Remove the colours of a terminal, and spell out what cannot be seen or sent."""
    plain = _ANSI.sub("", text.replace("\r\n", "\n"))
    return _UNSEEN.sub(lambda found: _spelled(found[0]), plain)


def folded(summary: str, body: str, style: str = "margin:4px 0 0") -> str:
    """Fold ``body`` away under a line that a click, or the space bar, opens."""
    return (
        f'<details style="{style}"><summary style="cursor:pointer">{summary}</summary>'
        f"{body}</details>"
    )


def muted(text: str) -> str:
    """Set text in grey, on lines of its own."""
    return f'<div style="{MUTED}">{text}</div>'


def _visible(character: str) -> str:
    """Spell out what cannot be seen or sent: controls, bidi overrides, lone surrogates."""
    return character if character.isprintable() else _spelled(character)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()
