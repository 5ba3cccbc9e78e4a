"""An explanation as HTML: a card with facts, and a table of what the function uses.

As in the report, styles are inline, and all makes sense without them.
"""

from __future__ import annotations

from collections.abc import Sequence

from parmagic.report import explanation_text as text
from parmagic.report.explanation import Captured, Explanation
from parmagic.report.markup import CELL, FIRST_CELL, MUTED, ROW, TABLE, escaped, isolated, muted

# JupyterLab drops var() from untrusted notebooks, so each colour comes first without it.
_CARD = (
    "display:inline-block;box-sizing:border-box;max-width:960px;margin:2px 0;padding:6px 12px;"
    "border:1px solid rgba(128,128,128,.35);"
    "border-color:var(--jp-border-color2,rgba(128,128,128,.35));"
    "border-radius:4px;line-height:1.5;overflow-wrap:anywhere"
)
_INDENTED = f"{FIRST_CELL};padding-left:16px"
_SIZE = f"{CELL};text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
# A red that is legible on white and on black.
_REFUSED = "color:#e53935;color:var(--jp-error-color1,#e53935)"
_STYLES = tuple(_SIZE if column == "size" else CELL for column in text.COLUMNS)


def render(explanation: Explanation) -> str:
    """Draw the card."""
    what = escaped(text.headline(explanation), text.CHARACTERS)
    return (
        f'<div class="parmagic-explanation" role="group" aria-label="{what}" style="{_CARD}">'
        f"<div><strong>{what}</strong></div>{_facts(explanation)}"
        f"{_table(explanation.captured)}{_problem(explanation)}</div>"
    )


def _facts(explanation: Explanation) -> str:
    rows = "".join(
        f'<tr style="{ROW}"><th scope="row" style="{FIRST_CELL};{MUTED}">{word}</th>'
        f'<td style="{CELL}">{_shown(fact)}</td></tr>'
        for word, fact in text.facts(explanation)
    )
    return f'<table style="{TABLE}"><tbody>{rows}</tbody></table>'


def _table(captured: Sequence[Captured]) -> str:
    if not captured:
        return muted(text.NO_VARIABLES)
    rows = "".join(map(_row, captured[: text.SHOWN]))
    return (
        f'<table style="{TABLE}"><thead>{_heads()}</thead><tbody>{rows}</tbody></table>'
        f"{muted(text.more(captured))}"
    )


def _heads() -> str:
    heads = "".join(
        f'<th scope="col" style="{style};font-weight:normal;{MUTED}">{column}</th>'
        for column, style in zip(text.COLUMNS, _STYLES, strict=True)
    )
    return f'<tr style="{ROW}">{heads}</tr>'


def _row(captured: Captured) -> str:
    name, *others = map(_shown, text.cells(captured))
    if captured.refused:
        name = f'<strong style="{_REFUSED}">{name}</strong>'
    style = _INDENTED if captured.through else FIRST_CELL
    cells = "".join(
        f'<td style="{style}">{cell}</td>' for cell, style in zip(others, _STYLES[1:], strict=True)
    )
    return f'<tr style="{ROW}"><th scope="row" style="{style}"><code>{name}</code></th>{cells}</tr>'


def _problem(explanation: Explanation) -> str:
    if not explanation.problem:
        return ""
    return f'<div style="margin:6px 0 0">{_shown(text.problem(explanation))}</div>'


def _shown(string: str) -> str:
    return isolated(string, text.CHARACTERS)
