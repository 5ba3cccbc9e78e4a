"""The line of a magic, taken apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from IPython.core.error import UsageError

from parmagic.notebook.options import PARMAP, PARPOOL, parse_parmap, parse_parpool

NOTEBOOK = {
    "n": 3,
    "text": "5",
    "whole": 4.0,
    "numpy": np.int64(6),
    "half": 2.5,
    "endless": float("inf"),
    "none": None,
    "negative": -1,
    "xs": [1, 2],
    "path": Path("runs/1.db"),
    "array": np.arange(3),
}

# Each: the line; then options, the rest and the name of the results.
RIGHT: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("", {}, "", None),
    ("   ", {}, "", None),
    ("x in xs", {}, "x in xs", None),
    ("  x in   xs  ", {}, "x in   xs", None),
    ("x in xs -> ys", {}, "x in xs", "ys"),
    ("x in xs->ys", {}, "x in xs", "ys"),
    ("x in xs ->ys  ", {}, "x in xs", "ys"),
    ("xs -> été", {}, "xs", "été"),
    ("-> ys", {}, "", "ys"),
    ("x in xs -> ys;", {}, "x in xs", "ys"),
    ("f(x) for x in xs;", {}, "f(x) for x in xs", None),
    # Options come first; what comes after the first other word is Python.
    ("-q x in xs", {"quiet": True}, "x in xs", None),
    ("--quiet x in xs", {"quiet": True}, "x in xs", None),
    ("--quiet", {"quiet": True}, "", None),
    ("--star --serial -q xs", {"star": True, "serial": True, "quiet": True}, "xs", None),
    ("--return-exceptions xs", {"return_exceptions": True}, "xs", None),
    ("-q -q xs", {"quiet": True}, "xs", None),
    ("x in xs --quiet", {}, "x in xs --quiet", None),
    ("x in xs if x --n", {}, "x in xs if x --n", None),
    ("--workers 4 x in xs", {"workers": 4}, "x in xs", None),
    ("--workers=4 x in xs", {"workers": 4}, "x in xs", None),
    ("--workers\t4\tx in xs", {"workers": 4}, "x in xs", None),
    ("--workers   4   x in xs", {"workers": 4}, "x in xs", None),
    ("--workers 4 --chunksize=2 xs", {"workers": 4, "chunksize": 2}, "xs", None),
    ("--workers 4 --workers 5 xs", {"workers": 5}, "xs", None),
    ("--workers 4 -> ys", {"workers": 4}, "", "ys"),
    # Numbers of the notebook, whatever their type.
    ("--workers n xs", {"workers": 3}, "xs", None),
    ("--workers text xs", {"workers": 5}, "xs", None),
    ("--workers whole xs", {"workers": 4}, "xs", None),
    ("--workers numpy xs", {"workers": 6}, "xs", None),
    ("--chunksize=n xs", {"chunksize": 3}, "xs", None),
    ("--timeout 2.5 xs", {"timeout": 2.5}, "xs", None),
    ("--timeout half xs", {"timeout": 2.5}, "xs", None),
    ("--timeout=n xs", {"timeout": 3.0}, "xs", None),
    ("--retries 0 xs", {"retries": 0}, "xs", None),
    ("--retries numpy xs", {"retries": 6}, "xs", None),
    ("--resume x in xs -> ys", {"resume": True}, "x in xs", "ys"),
    # A path is a word, a word in quotes, or a name of the notebook.
    ("--checkpoint run.db xs", {"checkpoint": "run.db"}, "xs", None),
    ("--checkpoint='a run.db' xs", {"checkpoint": "a run.db"}, "xs", None),
    ('--checkpoint "it\'s.db" xs', {"checkpoint": "it's.db"}, "xs", None),
    ("--checkpoint path xs", {"checkpoint": Path("runs/1.db")}, "xs", None),
    ("--checkpoint xs x in xs", {"checkpoint": "xs"}, "x in xs", None),
    # Three ways to name the results.
    ("--out ys x in xs", {}, "x in xs", "ys"),
    ("--out=ys x in xs", {}, "x in xs", "ys"),
    ("-o ys x in xs", {}, "x in xs", "ys"),
    ("-o=ys x in xs", {}, "x in xs", "ys"),
    ("-o n xs", {}, "xs", "n"),
    ("-o ys x in xs -> ys", {}, "x in xs", "ys"),
    # A minus sign is none of our business.
    ("-x for x in xs", {}, "-x for x in xs", None),
    ("-q for q in xs", {}, "-q for q in xs", None),
    ("-o for o in xs -> ys", {}, "-o for o in xs", "ys"),
    ("-x ** 2 for x in xs", {}, "-x ** 2 for x in xs", None),
    ("-f(x) for x in xs", {}, "-f(x) for x in xs", None),
    ("-1 for x in xs", {}, "-1 for x in xs", None),
    ("- x for x in xs", {}, "- x for x in xs", None),
    ("-q -q for q in xs", {"quiet": True}, "-q for q in xs", None),
    # An arrow in a string, or in brackets, is none.
    ("w in 'a -> b'", {}, "w in 'a -> b'", None),
    ('w in "a -> b"', {}, 'w in "a -> b"', None),
    ("w in ['-> b', c]", {}, "w in ['-> b', c]", None),
    ("w in {'->': 1}", {}, "w in {'->': 1}", None),
    ("w in 'a -> b' -> ys", {}, "w in 'a -> b'", "ys"),
    ("w in 'it''s -> x'.split() -> ys", {}, "w in 'it''s -> x'.split()", "ys"),
    ("f'{x:->8}' for x in xs", {}, "f'{x:->8}' for x in xs", None),
    ("x in xs if x -(-> ys", {}, "x in xs if x -(", "ys"),
    ("x in xs if x > -1 -> ys", {}, "x in xs if x > -1", "ys"),
    # A comment says nothing to us, and a # in a string begins none.
    ("x in xs -> ys  # a note", {}, "x in xs", "ys"),
    ("x in xs->ys# a note", {}, "x in xs", "ys"),
    ("x in xs -> ys;  # a note", {}, "x in xs", "ys"),
    ("x in xs  # -> ys", {}, "x in xs", None),
    ("x in xs -> ys  # -> zs", {}, "x in xs", "ys"),
    ("f(x) for x in xs -> ys # [(", {}, "f(x) for x in xs", "ys"),
    ("--workers 4  # a note", {"workers": 4}, "", None),
    ("# a note", {}, "", None),
    ("w in ['#', \"#\"] -> ys", {}, "w in ['#', \"#\"]", "ys"),
    ("'#' for x in xs -> ys  # '", {}, "'#' for x in xs", "ys"),
    ("f'{x:#x}' for x in xs -> ys", {}, "f'{x:#x}' for x in xs", "ys"),
    ("--checkpoint a#b.db xs", {"checkpoint": "a#b.db"}, "xs", None),
    # Braces and dollars are not IPython's here.
    ("x in {1, 2} -> ys", {}, "x in {1, 2}", "ys"),
    ("'$n {n}' for x in xs", {}, "'$n {n}' for x in xs", None),
]


@pytest.mark.parametrize(("line", "options", "rest", "name"), RIGHT)
def test_a_line_is_options_python_and_a_name(
    line: str, options: dict[str, Any], rest: str, name: str | None
) -> None:
    found = parse_parmap(line, NOTEBOOK)
    assert (dict(found.options), found.rest, found.name) == (options, rest, name)


def test_numbers_are_plain_ints() -> None:
    for word in ("n", "text", "whole", "numpy"):
        assert type(parse_parmap(f"--workers {word} xs", NOTEBOOK).options["workers"]) is int


WRONG = [
    ("--wrokers 2 xs", "unknown option --wrokers. Did you mean --workers?"),
    ("--worker 2 xs", "unknown option --worker. Did you mean --workers?"),
    ("--return_exceptions xs", "unknown option --return_exceptions. Did you mean --return-exc"),
    ("--Quiet xs", "unknown option --Quiet. Did you mean --quiet?"),
    ("--gpu xs", "unknown option --gpu. There are --workers, --chunksize, --timeout, "),
    ("--help", "unknown option --help. There are --workers"),
    ("--quiet=1 xs", "--quiet takes no value"),
    ("-q=1 xs", "--quiet takes no value"),
    ("--workers", "--workers needs a value: --workers N"),
    ("--workers=", "--workers needs a value: --workers N"),
    ("--workers --quiet xs", "--workers needs a value"),
    ("--workers -> ys", "--workers needs a value"),
    ("--out", "--out needs a value: --out NAME"),
    ("--out -> ys", "--out needs a value"),
    ("-o -q xs", "--out needs a value"),
    ("--workers x in xs", "--workers needs a whole number of 1 or more, not x"),
    ("--workers 0 xs", "--workers needs a whole number of 1 or more, not 0"),
    ("--workers -1 xs", "--workers needs a whole number of 1 or more, not -1"),
    ("--workers=-1 xs", "--workers needs a whole number of 1 or more, not -1"),
    ("--workers 2.5 xs", "--workers needs a whole number of 1 or more, not 2.5"),
    ("--workers '2' xs", "--workers needs a whole number of 1 or more, not '2'"),
    ("--retries -1 xs", "--retries needs a whole number of 0 or more, not -1"),
    *[
        (f"--timeout {word} xs", f"--timeout needs a number of seconds, such as 2.5, not {word}")
        for word in ("0", "-1", "soon", "negative", "none", "xs")
    ],
    ("--timeout 1 --serial xs", "--timeout needs worker processes: leave out --serial"),
    ("--resume=yes xs", "--resume takes no value"),
    ("--checkpoint", "--checkpoint needs a value: --checkpoint PATH"),
    ("--workers 1+1 xs", "--workers needs a whole number of 1 or more, not 1+1"),
    *[
        (f"--chunksize {word} xs", f"--chunksize needs a whole number of 1 or more, not {word}")
        for word in ("half", "endless", "none", "negative", "xs", "array", "missing")
    ],
    ("x in xs ->", "after -> comes the name for the results"),
    ("x in xs -> 2", "after -> comes the name for the results, such as -> ys, not '2'"),
    ("x in xs -> for", "after -> comes the name for the results"),
    ("x in xs -> None", "after -> comes the name for the results"),
    ("x in xs -> a.b", "after -> comes the name for the results"),
    ("-o 2 xs", "after -> comes the name for the results"),
    ("-o lambda xs", "after -> comes the name for the results"),
    ("x in xs -> a, b", "one list and have one name, not 'a, b'. Afterwards: a, b = zip(*results)"),
    ("-o ys xs -> zs", "the results have two names, 'ys' and 'zs': keep one"),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_a_wrong_line_says_what_to_write(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_parmap(line, NOTEBOOK)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("", {}),
        ("--workers 2", {"workers": 2}),
        ("--workers=n --restart", {"workers": 3, "restart": True}),
        (" --stop ", {"stop": True}),
    ],
)
def test_parpool_takes_options(line: str, options: dict[str, Any]) -> None:
    assert dict(parse_parpool(line, NOTEBOOK).options) == options


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("4", "%parpool takes options only, not '4': --workers, --restart, --stop"),
        ("--stop now", "%parpool takes options only, not 'now'"),
        ("stop", "%parpool takes options only, not 'stop'"),
        (
            "--quiet",
            "unknown option --quiet. There are --workers, --restart, --stop, --clear, --on.",
        ),
        ("-q", "%parpool takes options only, not '-q'"),
        ("--stopp", "Did you mean --stop?"),
        ("--workers", "--workers needs a value"),
    ],
)
def test_a_wrong_line_of_parpool_says_what_there_is(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_parpool(line, NOTEBOOK)
    assert message in str(caught.value)


def test_every_option_is_explained_and_every_word_is_its_own() -> None:
    for options in (PARMAP, PARPOOL):
        words = [word for each in options for word in (each.word, each.short) if word]
        assert len(words) == len(set(words))
        assert all(each.help for each in options)
