"""A job as what Jupyter displays: MIME types and their contents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from parmagic.mapping.job import Job
from parmagic.report import html, now_html, output_html, text
from parmagic.report.markup import escaped, muted
from parmagic.report.output import ItemOutput
from parmagic.report.report import Report

Bundle = dict[str, Any]

_LINE_LENGTH = 200

NOTHING: Bundle = {"text/html": "", "text/plain": ""}


def report_bundle(job: Job[Any]) -> Bundle:
    """Return the report that stays; what the items have shown stands beside it."""
    report = job.report()
    return {"text/html": html.render(report, outputs=False), "text/plain": text.render(report)}


def ended_bundle(job: Job[Any]) -> Bundle:
    """Return the report of a job in the background, and how to go on if it did not finish well."""
    bundle = report_bundle(job)
    if job.exception() is None:
        return bundle
    advice = job.how_to_go_on()
    return {
        "text/html": bundle["text/html"] + muted(escaped(advice, _LINE_LENGTH)),
        "text/plain": f"{bundle['text/plain']}\n{advice}",
    }


def background_bundle(job: Job[Any]) -> Bundle:
    """Return what stands where a job was started that others wait for."""
    line = f"{job.what}: runs in the background"
    return {"text/html": muted(escaped(line, _LINE_LENGTH)), "text/plain": line}


def line_bundle(report: Report) -> Bundle:
    """Return the line of a running cell."""
    line = html.render_line(report) + now_html.render(report.now)
    return {"text/html": line, "text/plain": text.render_line(report)}


def block_bundle(outputs: Sequence[ItemOutput]) -> Bundle:
    """Return what some items have shown."""
    if not outputs:
        return NOTHING
    return {
        "text/html": output_html.render(outputs),
        "text/plain": text.render_outputs(outputs),
    }


def output_bundles(job: Job[Any]) -> Iterator[Bundle]:
    """Yield what all items have shown: as one, and what cannot be drawn within it."""
    outputs = job.record.outputs()
    if outputs:
        yield block_bundle(outputs)
        yield from foreign_bundles(outputs)


def foreign_bundles(outputs: Sequence[ItemOutput]) -> Iterator[Bundle]:
    """Yield the displays that only the front end itself can draw, such as those of plotly."""
    for output in outputs:
        for part in output.parts:
            if part.bundle is not None and not output_html.fits(part.bundle):
                yield dict(part.bundle)
