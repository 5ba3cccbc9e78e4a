"""The first line of a magic: options, then Python, then perhaps a name for the results.

``--workers 4  x in xs if x > 0  -> ys``. IPython's own splitting would lose the inner
spaces of the Python part, so the options are taken from the front and the rest is left
as it was typed.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import keyword
import os
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError

_NAMED = re.compile(r"^(?P<rest>.*?)\s*->\s*(?P<name>[^\s'\"()\[\]{}]*(?:\s*,\s*\w+)*)\s*$")
# Not the minus sign of -x for x in xs.
_WORD = r"(?P<option>--[A-Za-z][\w-]*|-[A-Za-z](?!\s+for\b))"
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<value>.*?)(?P=quote)(?=\s|$)""")
_OPTION = re.compile(rf"{_WORD}(?:(?P<equals>=)|(?=\s|$))")


@dataclass(frozen=True)
class Option:
    """One option: its word, whether a value follows, and what it does."""

    word: str
    takes: str | None
    help: str
    short: str | None = None

    @property
    def field(self) -> str:
        """The keyword of `parmagic.map` that it stands for."""
        return self.word.removeprefix("--").replace("-", "_")


PARMAP = (
    Option("--workers", "N", "have N worker processes from now on"),
    Option("--chunksize", "N", "send N items together; by default as many as take 50 ms"),
    Option("--timeout", "SECONDS", "stop an item that takes longer: it fails with TimeoutError"),
    Option("--retries", "COUNT", "try an item that failed so many times again"),
    Option("--star", None, "call fn(*item): the items are tuples of arguments"),
    Option("--return-exceptions", None, "put exceptions in their places, and go on"),
    Option("--background", None, "return at once: the name is that of the job", short="--bg"),
    Option("--resume", None, "keep what this cell has finished, and run the rest"),
    Option("--checkpoint", "PATH", "keep results in a file too, and go on from there"),
    Option("--seed", "COUNT", "give each item random numbers of its own, the same in every run"),
    Option("--serial", None, "run in the kernel, one after the other: breakpoints work"),
    Option("--explain", None, "say what would be sent, and to how many workers; run nothing"),
    Option("--on", "BACKEND", "run it on dask, ray, ipyparallel or an executor: see %parpool?"),
    Option("--out", "NAME", "bind the results to NAME, as -> NAME does", short="-o"),
    Option("--quiet", None, "show no progress and no report", short="-q"),
)
PARPOOL = (
    Option("--workers", "N", "have N worker processes from now on"),
    Option("--restart", None, "end the workers, with what they run, and start new ones"),
    Option("--stop", None, "end the workers; the next use starts new ones"),
    Option("--clear", None, "forget the cell that %%parpool has run in every worker"),
    Option("--on", "BACKEND", "run what follows on dask, ray, ipyparallel or an executor"),
)
PARPANEL = (Option("--close", None, "close all panels; what there is to see stays as a picture"),)
PARDEBUG = (Option("--force", None, "run it even if it ended its worker, and may end the kernel"),)
_ITEM = Option("%pardebug", "COUNT", "the index of an item")


@dataclass(frozen=True)
class Line:
    """A magic's line, taken apart."""

    options: Mapping[str, Any]
    rest: str
    name: str | None = None


def parse_parmap(text: str, namespace: Mapping[str, Any]) -> Line:
    """Take the line of ``%parmap`` apart; numbers may be names of the notebook.

    Raises
    ------
    UsageError
        An option is unknown or lacks its value, or the name is no name.
    """
    options, rest = _take_options(text.strip().removesuffix(";"), PARMAP, namespace)
    if "timeout" in options and "serial" in options:
        raise UsageError("--timeout needs worker processes: leave out --serial")
    if "background" in options and "serial" in options:
        raise UsageError("--serial runs in the kernel, which --background leaves free: keep one")
    if "explain" in options and "serial" in options:
        raise UsageError("--serial sends nothing that --explain could list: leave out one of them")
    if "on" in options and "serial" in options:
        raise UsageError("--serial runs in the notebook itself: leave out --on")
    rest, name = _take_name(_without_comment(rest).rstrip().removesuffix(";"))
    out = options.pop("out", None)
    if name is not None and out is not None and name != out:
        raise UsageError(f"the results have two names, {out!r} and {name!r}: keep one")
    return Line(options, rest, _checked_name(name if name is not None else out))


def parse_parpool(text: str, namespace: Mapping[str, Any]) -> Line:
    """Take the line of ``%parpool`` apart."""
    options, rest = _take_options(text.strip(), PARPOOL, namespace)
    if rest:
        raise UsageError(f"%parpool takes options only, not {rest!r}: {_words(PARPOOL)}")
    return Line(options, rest)


def parse_parpanel(text: str, namespace: Mapping[str, Any]) -> Line:
    """Take the line of ``%parpanel`` apart."""
    options, rest = _take_options(text.strip(), PARPANEL, namespace)
    if rest:
        raise UsageError(f"%parpanel takes options only, not {rest!r}: {_words(PARPANEL)}")
    return Line(options, rest)


def parse_start_up(text: str, namespace: Mapping[str, Any]) -> Line:
    """Take the line of ``%%parpool`` apart."""
    line = parse_parpool(text, namespace)
    if others := [f"--{each}" for each in line.options if each != "workers"]:
        raise UsageError(
            f"%%parpool runs its cell in every worker, and takes --workers only. In a cell of its"
            f" own, write: %parpool {' '.join(others)}"
        )
    return line


def parse_pardebug(text: str, namespace: Mapping[str, Any]) -> Line:
    """Take the line of ``%pardebug`` apart; the option ``index`` is there if one was given."""
    options, rest = _take_options(text.strip().removesuffix(";"), PARDEBUG, namespace)
    index, rest = _first_word(rest, quotes=False)
    more, rest = _take_options(rest, PARDEBUG, namespace)
    if rest:
        raise UsageError(f"%pardebug takes the index of one item, not '{index} {rest}'")
    if index:
        more["index"] = _converted(_ITEM, index, namespace)
    return Line({**options, **more}, "")


def _take_options(
    text: str, known: tuple[Option, ...], namespace: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    found: dict[str, Any] = {}
    while (match := _OPTION.match(text)) is not None:
        option = _find(match["option"], known)
        if option is None:
            break
        text = text[match.end() :].lstrip()
        if option.takes is None:
            _refuse_value(option, match)
            found[option.field] = True
        else:
            value, text = _take_value(option, text)
            found[option.field] = _converted(option, value, namespace)
    return found, text


def _find(word: str, known: tuple[Option, ...]) -> Option | None:
    for option in known:
        if word in (option.word, option.short):
            return option
    if not word.startswith("--"):
        return None  # -x for x in xs: a minus sign
    # Without the dashes, or all words would look alike.
    near = difflib.get_close_matches(word[2:], [option.word[2:] for option in known], n=1)
    meant = f" Did you mean --{near[0]}?" if near else f" There are {_words(known)}."
    raise UsageError(f"unknown option {word}.{meant}")


def _refuse_value(option: Option, match: re.Match[str]) -> None:
    if match["equals"]:
        raise UsageError(f"{option.word} takes no value")


def _take_value(option: Option, text: str) -> tuple[str, str]:
    value, rest = _first_word(text, quotes=option.takes == "PATH")
    if not value or value.startswith("->") or _OPTION.match(value):
        raise UsageError(f"{option.word} needs a value: {option.word} {option.takes}")
    return value, rest


def _first_word(text: str, *, quotes: bool) -> tuple[str, str]:
    """Return the first word, with spaces if it is in quotes, and what follows it."""
    match = _QUOTED.match(text) if quotes else None
    if match is not None:
        return match["value"], text[match.end() :].lstrip()
    word, *rest = text.split(maxsplit=1) or [""]
    return word, "".join(rest)


def _converted(option: Option, value: str, namespace: Mapping[str, Any]) -> Any:
    match option.takes:
        case "N":
            return _whole_number(option, value, namespace.get(value, value), at_least=1)
        case "COUNT":
            return _whole_number(option, value, namespace.get(value, value), at_least=0)
        case "SECONDS":
            return _seconds(option, value, namespace.get(value, value))
        case "PATH":
            return _path(value, namespace)
        case "BACKEND":
            return namespace.get(value, value.strip("\"'"))
    return value


def _whole_number(option: Option, value: str, number: Any, *, at_least: int) -> int:
    try:
        whole = int(number)
        exact = isinstance(number, str) or bool(whole == number)
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact or whole < at_least:
        raise UsageError(f"{option.word} needs a whole number of {at_least} or more, not {value}")
    return whole


def _seconds(option: Option, value: str, number: Any) -> float:
    try:
        seconds = float(number)
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if not seconds > 0:
        raise UsageError(f"{option.word} needs a number of seconds, such as 2.5, not {value}")
    return seconds


def _path(value: str, namespace: Mapping[str, Any]) -> str | os.PathLike[str]:
    # A name of the notebook, as for a number; else the path itself.
    path = namespace.get(value)
    return path if isinstance(path, str | os.PathLike) else value


def _without_comment(code: str) -> str:
    """Leave out a comment at the end; a ``#`` in a string begins none."""
    # What cannot be split into tokens is left to who reads it next, and says what is wrong.
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                return code.removesuffix(token.string)
    return code


def _take_name(text: str) -> tuple[str, str | None]:
    match = _NAMED.match(text)
    return (text, None) if match is None else (match["rest"], match["name"])


def _checked_name(name: str | None) -> str | None:
    if name is None or (name.isidentifier() and not keyword.iskeyword(name)):
        return name
    if "," in name:
        raise UsageError(
            f"the results are one list and have one name, not '{name}'."
            f" Afterwards: {name} = zip(*results)"
        )
    raise UsageError(f"after -> comes the name for the results, such as -> ys, not {name!r}")


def _words(known: tuple[Option, ...]) -> str:
    return ", ".join(option.word for option in known)
