"""Tab after ``%%parmap --`` offers its options."""

from __future__ import annotations

from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher

from parmagic.notebook.options import PARMAP, PARPOOL, Option

_OPTIONS = {"%%parmap": PARMAP, "%parmap": PARMAP, "%parpool": PARPOOL}


@context_matcher(identifier="parmagic.options")  # type: ignore[untyped-decorator]
def complete_options(context: Any) -> dict[str, Any]:
    """Offer the options of the magic whose line is being typed, and nothing else then."""
    line = context.full_text.splitlines()[context.cursor_line] if context.full_text else ""
    before = line[: context.cursor_position]
    options = _options_of(before)
    word = before.rsplit(" ", 1)[-1]
    if not options or not word.startswith("-") or word.startswith("->"):
        return {"completions": []}
    found = [
        SimpleCompletion(option.word, type="param")
        for option in options
        if option.word.startswith(word)
    ]
    return {"completions": found, "suppress": bool(found)}


def _options_of(line: str) -> tuple[Option, ...]:
    for magic, options in _OPTIONS.items():
        # A line magic may stand after `ys = `.
        if line.lstrip().startswith(magic) or (magic == "%parmap" and f" {magic} " in line):
            return options
    return ()
