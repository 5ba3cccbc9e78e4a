"""A report as HTML: the card that stays in the notebook, and the line of a running cell.

The text alone makes sense, because GitHub drops every style. Styles are inline, because
untrusted notebooks lose ``<style>``. Colours are those of JupyterLab's theme; where there is
none, text keeps the colour of the page and the rest is translucent grey, legible on any ground.
"""

from parmagic.report import details, failures, output_html, text
from parmagic.report.markup import DONE, FAILED, MUTED, TRACK, escaped, folded, isolated
from parmagic.report.remark import remark
from parmagic.report.report import Report
from parmagic.report.units import count, duration, percent

# Together with the bounds of its parts these keep every card under 200 kB.
_SHOWN = 10
_RESULT_LENGTH = 60
_WHAT_LENGTH = 100
_OUTPUT_BYTES = 30_000
_OUTPUT_IMAGE_BYTES = 30_000

_CARD = (
    "display:inline-block;box-sizing:border-box;max-width:960px;max-width:min(960px,100%);"
    "margin:2px 0;padding:6px 12px;"
    "border:1px solid rgba(128,128,128,.35);"
    "border-color:var(--jp-border-color2,rgba(128,128,128,.35));"
    "border-radius:4px;line-height:1.5;overflow-wrap:anywhere"
)
_SECTION = "margin:4px 0 0"
_LINE = "width:480px;max-width:100%;line-height:1.5;font-variant-numeric:tabular-nums"
_BAR = f"display:flex;height:4px;margin:4px 0;border-radius:2px;overflow:hidden;{TRACK}"
_DASHES = (
    "flex:1;opacity:.6;background:repeating-linear-gradient(90deg,"
    "var(--jp-brand-color1,#1976d2) 0 8px,transparent 8px 16px)"
)


def render(report: Report, *, outputs: bool = True) -> str:
    """Draw the card that stays in the notebook.

    Parameters
    ----------
    outputs
        Whether it holds what the items printed, which may also stand above it.
    """
    what = escaped(report.what, _WHAT_LENGTH)
    body = "".join(section(report) for section in _SECTIONS)
    shown = _outputs(report) if outputs else ""
    return (
        f'<div class="parmagic-report" role="group" aria-label="{what}" style="{_CARD}">'
        f"{body}{shown}</div>"
    )


def render_line(report: Report) -> str:
    """Draw the live line of a running cell: a slim bar over a line of facts."""
    facts = _facts(_progress(report))
    return f'<div class="parmagic-line" style="{_LINE}">{_bar(report)}{facts}</div>'


def render_ending(report: Report) -> str:
    """Draw what came of a job, without a frame: how it ended, a remark, the first results."""
    return "".join(section(report) for section in _ENDING)


def render_headline(report: Report) -> str:
    """Draw the line of a running job, or how it ended."""
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
    workers += f" of {escaped(report.backend, _WHAT_LENGTH)}" if report.backend else ""
    ran = report.finished - report.kept
    return f"{count(ran, 'item')}{workers} in {duration(report.wall_seconds)}"


def _speed(report: Report) -> list[str]:
    if report.speedup is None:
        return []
    times = round(report.speedup, 1)
    if times <= 1:
        return [f"{'slower than' if times < 1 else 'as fast as'} a serial loop"]
    # Clocks of several processes agree only so far: nothing is more than ideal.
    used = percent(min(report.efficiency or 0, 1), 1)
    return [f"{times} times as fast as a serial loop ({used} efficiency)"]


def _remark(report: Report) -> str:
    why = remark(report)
    return f'<div style="{MUTED}">{why}</div>' if why else ""


def _preview(report: Report) -> str:
    shown = [isolated(result, _RESULT_LENGTH) for result in report.preview[:_SHOWN]]
    if set(report.preview) <= {"None"}:
        return ""  # a notebook shows no None
    hidden = report.done - len(shown)
    more = f", … {hidden:,} more" if hidden > 0 else ""
    return f'<div style="{_SECTION}"><samp>[{", ".join(shown)}{more}]</samp></div>'


def _outputs(report: Report) -> str:
    """Fold away what the items printed and displayed."""
    if not report.outputs:
        return ""
    shown = output_html.render(
        report.outputs, nbytes=_OUTPUT_BYTES, image_bytes=_OUTPUT_IMAGE_BYTES
    )
    summary = f'<span style="{MUTED}">Output of {count(len(report.outputs), "item")}</span>'
    return folded(summary, shown)


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
    return f'<div><strong>{first}</strong><span style="{MUTED}">{rest}</span></div>'


def _bar(report: Report) -> str:
    what = escaped(report.what, _WHAT_LENGTH)
    return (
        f'<div role="progressbar" aria-label="{what}"{_range(report)} style="{_BAR}">'
        f"{_filled(report)}</div>"
    )


def _range(report: Report) -> str:
    if report.items is None:
        return ""
    return f' aria-valuemin="0" aria-valuemax="{report.items}" aria-valuenow="{report.finished}"'


def _filled(report: Report) -> str:
    if report.items is None:
        return f'<div style="{_DASHES}"></div>'
    parts = ((report.done, DONE), (report.failed, FAILED))
    widths = [(100 * part / report.items, style) for part, style in parts if part]
    return "".join(f'<div style="width:{width:.1f}%;{style}"></div>' for width, style in widths)


# What a card shows, from top to bottom.
_ENDING = (render_headline, _remark, _preview)
_SECTIONS = (*_ENDING, failures.render, details.render)
