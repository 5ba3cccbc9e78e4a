"""A report as HTML: the card that stays in the notebook, and the line of a running cell.

The text alone makes sense, because GitHub drops every style. Styles are inline, because
untrusted notebooks lose ``<style>``. Colours are those of JupyterLab's theme; where there is
none, text keeps the colour of the page and the rest is translucent grey, legible on any ground.
"""

from html import escape

from parmagic.report import text
from parmagic.report.report import FailedItem, Report
from parmagic.report.units import count, duration

# Together these keep every card under 20 kB, were it all quotes (six bytes each).
_SHOWN = 10
_RESULT_LENGTH = 60
_ITEM_LENGTH = 40
_ERROR_LENGTH = 120
_WHAT_LENGTH = 100

# JupyterLab drops var() from untrusted notebooks, so each colour comes first without it.
_CARD = (
    "display:inline-block;box-sizing:border-box;max-width:960px;margin:2px 0;padding:6px 12px;"
    "border:1px solid rgba(128,128,128,.35);"
    "border-color:var(--jp-border-color2,rgba(128,128,128,.35));"
    "border-radius:4px;line-height:1.5;overflow-wrap:anywhere"
)
_MUTED = "opacity:.7"
_SECTION = "margin:4px 0 0"
_LINE = "width:480px;max-width:100%;line-height:1.5;font-variant-numeric:tabular-nums"
_TRACK = (
    "display:flex;height:4px;margin:4px 0;border-radius:2px;overflow:hidden;"
    "background:rgba(128,128,128,.25);background:var(--jp-layout-color2,rgba(128,128,128,.25))"
)
_DONE = "background:#1976d2;background:var(--jp-brand-color1,#1976d2)"
_FAILED = "background:#d32f2f;background:var(--jp-error-color1,#d32f2f)"
_DASHES = (
    "flex:1;opacity:.6;background:repeating-linear-gradient(90deg,"
    "var(--jp-brand-color1,#1976d2) 0 8px,transparent 8px 16px)"
)
# Undo the stripes, right alignment and small print that front ends give to tables.
_TABLE = "margin:4px 0 0;border:none;border-collapse:collapse;table-layout:auto;font-size:inherit"
_ROW = "background:none"
_CELL = "padding:0 12px 0 0;text-align:left;vertical-align:top;line-height:1.5"
_INDEX = f"{_CELL};font-weight:normal;white-space:nowrap"
_ITEM = f"{_CELL};overflow-wrap:break-word"


def render(report: Report) -> str:
    """Draw the card that stays in the notebook."""
    what = _escaped(report.what, _WHAT_LENGTH)
    body = "".join(section(report) for section in _SECTIONS)
    return (
        f'<div class="parmagic-report" role="group" aria-label="{what}" style="{_CARD}">'
        f"{body}</div>"
    )


def render_line(report: Report) -> str:
    """Draw the live line of a running cell: a slim bar over a line of facts."""
    facts = _facts(_progress(report))
    return f'<div class="parmagic-line" style="{_LINE}">{_bar(report)}{facts}</div>'


def _headline(report: Report) -> str:
    return render_line(report) if report.state == "running" else _facts(_ending(report))


def _ending(report: Report) -> list[str]:
    if report.state != "done":
        ended = f"{report.state.capitalize()} after {duration(report.wall_seconds)}"
        return [ended, *text.tally(report)]
    failed = [f"{report.failed:,} failed"] if report.failed else []
    kept = [f"{report.kept:,} kept from before"] if report.kept else []
    speed = [] if report.failed or report.kept else _speed(report)
    return [_summary(report), *failed, *kept, *speed]


def _summary(report: Report) -> str:
    if report.items == 0:
        return "No items"
    workers = f" on {count(report.workers, 'worker')}" if report.workers else ""
    ran = report.finished - report.kept
    return f"{count(ran, 'item')}{workers} in {duration(report.wall_seconds)}"


def _speed(report: Report) -> list[str]:
    if report.speedup is None:
        return []
    times = round(report.speedup, 1)
    if times == 1:
        return ["as fast as a serial loop"]
    return [f"{times} times as fast as a serial loop" if times > 1 else "slower than a serial loop"]


def _remark(report: Report) -> str:
    return f'<div style="{_MUTED}">{report.remark}</div>' if report.remark else ""


def _preview(report: Report) -> str:
    shown = [_isolated(result, _RESULT_LENGTH) for result in report.preview[:_SHOWN]]
    if not shown:
        return ""
    hidden = report.done - len(shown)
    more = f", … {hidden:,} more" if hidden > 0 else ""
    return f'<div style="{_SECTION}"><samp>[{", ".join(shown)}{more}]</samp></div>'


def _failures(report: Report) -> str:
    shown = report.failures[:_SHOWN]
    if not shown:
        return ""
    rows = "".join(map(_failure, shown))
    hidden = report.failed - len(shown)
    more = f'<div style="{_MUTED}">and {hidden:,} more</div>' if hidden > 0 else ""
    return f'<table style="{_TABLE}"><tbody>{rows}</tbody></table>{more}'


def _failure(failure: FailedItem) -> str:
    return (
        f'<tr style="{_ROW}"><th scope="row" style="{_INDEX}">item {failure.index}</th>'
        f'<td style="{_ITEM}"><samp>{_isolated(failure.item, _ITEM_LENGTH)}</samp></td>'
        f'<td style="{_CELL}">{_isolated(failure.error, _ERROR_LENGTH)}</td></tr>'
    )


def _progress(report: Report) -> list[str]:
    known = report.items is not None
    facts = [f"{report.done:,} of {report.items:,}" if known else count(report.done, "item")]
    facts += text.pace(report)
    facts += [f"{count(report.busy_workers, 'worker')} busy"] if report.busy_workers else []
    facts += [f"{report.failed:,} failed"] if report.failed else []
    return facts


def _facts(facts: list[str]) -> str:
    """Set the first fact in bold, and the others after it in grey."""
    first, *others = facts
    rest = "".join(f" · {fact}" for fact in others)
    return f'<div><strong>{first}</strong><span style="{_MUTED}">{rest}</span></div>'


def _bar(report: Report) -> str:
    what = _escaped(report.what, _WHAT_LENGTH)
    return (
        f'<div role="progressbar" aria-label="{what}"{_range(report)} style="{_TRACK}">'
        f"{_filled(report)}</div>"
    )


def _range(report: Report) -> str:
    if report.items is None:
        return ""
    return f' aria-valuemin="0" aria-valuemax="{report.items}" aria-valuenow="{report.finished}"'


def _filled(report: Report) -> str:
    if report.items is None:
        return f'<div style="{_DASHES}"></div>'
    parts = ((report.done, _DONE), (report.failed, _FAILED))
    widths = [(100 * part / report.items, style) for part, style in parts if part]
    return "".join(f'<div style="width:{width:.1f}%;{style}"></div>' for width, style in widths)


def _isolated(string: str, length: int) -> str:
    # Without <bdi>, a Hebrew or Arabic result would swap places with its neighbours.
    return f"<bdi>{_escaped(string, length)}</bdi>"


def _escaped(string: str, length: int) -> str:
    """Escape a string for HTML, on one line and cut to so many characters."""
    line = "".join(map(_visible, " ".join(string.split())))
    return escape(line if len(line) <= length else f"{line[: length - 1]}…")


def _visible(character: str) -> str:
    """Spell out what cannot be seen or sent: controls, bidi overrides, lone surrogates."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()


# What a card shows, from top to bottom.
_SECTIONS = (_headline, _remark, _preview, _failures)
