"""Tab after ``%%parmap`` offers its options and the notebook's names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from IPython import get_ipython
from IPython.core.completer import SimpleCompletion, context_matcher

from parmagic.notebook.options import PARDEBUG, PARMAP, PARPANEL, PARPOOL, Option

_OPTIONS = {
    "%%parmap": PARMAP,
    "%parmap": PARMAP,
    "%%parpool": PARPOOL[:1],
    "%parpool": PARPOOL,
    "%parpanel": PARPANEL,
    "%pardebug": PARDEBUG,
}
# A line magic may stand after `ys = `.
_LINE = re.compile(rf"(?:.*=)?\s*(?P<magic>{'|'.join(_OPTIONS)})\s+(?P<typed>.*)")


@context_matcher(identifier="parmagic.line")  # type: ignore[untyped-decorator]
def complete_line(context: Any) -> dict[str, Any]:
    """Offer what may come first in the line of a magic; the rest IPython completes well."""
    match = _LINE.fullmatch(context.line_with_cursor[: context.cursor_position])
    if match is None:
        return {"completions": []}
    *words, word = re.split(r"\s+", match["typed"])
    options = _OPTIONS[match["magic"]]
    if not _are_options(words, options):
        return {"completions": []}
    if word.startswith("-"):
        return _offer([each.word for each in options if each.word.startswith(word)], "param")
    # Jedi sees two names side by side, which is not Python.
    return _offer(get_ipython().Completer.global_matches(word) if word else [], "variable")


def _are_options(words: Sequence[str], options: Sequence[Option]) -> bool:
    """Tell whether ``words`` are options and their values, so that another may follow."""
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        option = next((each for each in options if name in (each.word, each.short)), None)
        if option is None:
            return False
        if option.takes and not equals:
            next(rest, None)
    return True


def _offer(found: Sequence[str], kind: str) -> dict[str, Any]:
    completions = [SimpleCompletion(text, type=kind) for text in found]
    return {"completions": completions, "suppress": bool(found) and kind == "param"}
