"""What Tab offers in the line of a magic."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from parmagic.notebook.options import PARMAP, PARPOOL

ALL = {option.word for option in PARMAP}


@pytest.fixture(params=[True, False], ids=["jedi", "no jedi"])
def tab(request: pytest.FixtureRequest, shell: InteractiveShell) -> object:
    """What is offered at the end of a text, in the order in which it is."""
    shell.Completer.use_jedi = request.param
    shell.user_ns |= {"numbers": [1], "number": 1, "other": 2}

    def press(text: str) -> list[str]:
        with provisionalcompleter():
            return [each.text for each in shell.Completer.completions(text, len(text))]

    return press


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%%parmap -", ALL),
        ("%%parmap --", ALL),
        ("%%parmap  --", ALL),
        ("%%parmap --s", {"--star", "--seed", "--serial"}),
        ("%%parmap --serial", {"--serial"}),
        ("%%parmap -q --", ALL),
        ("%%parmap --workers 2 --", ALL),
        ("%%parmap --workers=2 --", ALL),
        ("%%parmap -o ys --", ALL),
        ("%parmap --", ALL),
        ("    %parmap --", ALL),
        ("ys = %parmap --", ALL),
        ("ys=%parmap --", ALL),
        ("n = 1\nys = %parmap --", ALL),
        ("%%time\n%%parmap --", ALL),
        ("%parpool --", {option.word for option in PARPOOL}),
        ("%parpool --re", {"--restart"}),
    ],
)
def test_options_are_offered_where_one_may_stand(tab, typed: str, offered: set[str]) -> None:
    assert set(tab(typed)) == offered


@pytest.mark.parametrize(
    "typed",
    [
        "%%parmap x in numbers -",
        "%%parmap x in numbers --",
        "%%parmap --workers 2 x --",
        "%%parmap --workers=2 x --",
        "%%parmap numbers -",
        "ys = %parmap number -",
        "%%parmapped --",
        "%%time --",
        "%%parmap x in numbers\nother -",
        "other --",
        "print('%parmap') --",
        "%%parmap --nothing",
        "%%parmap --workers 2 --nothing",
    ],
)
def test_options_are_not_offered_where_python_stands(tab, typed: str) -> None:
    assert not ALL & set(tab(typed))


@pytest.mark.parametrize(
    "typed",
    [
        "%%parmap numb",
        "%%parmap -q numb",
        "%%parmap --workers numb",
        "%%parmap --workers 2 numb",
        "%%parmap x in numb",
        "%%parmap x in range(numb",
        "%parmap numb",
        "ys = %parmap numb",
        "ys = %parmap f(x) for x in numb",
        "%%parmap x in other\nnumb",
        "%%parmap x in other if x > numb",
    ],
)
def test_names_of_the_notebook_are_offered_once(tab, typed: str) -> None:
    offered = tab(typed)
    assert sorted(offered) == ["number", "numbers"]


@pytest.mark.parametrize(
    "typed", ["", "\n", "%%parmap", "%%parmap ", "%%parmap x in other\n", "%%parmap\n\n", "%", "%%"]
)
def test_nothing_that_is_typed_makes_it_fail(
    tab, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tab(typed)
    assert capsys.readouterr() == ("", "")


def test_unloading_takes_the_completion_away(shell: InteractiveShell) -> None:
    matchers = shell.Completer.custom_matchers
    assert len(matchers) == 1
    shell.run_cell("%reload_ext parmagic")
    assert len(matchers) == 1
    shell.extension_manager.unload_extension("parmagic")
    assert matchers == []
    shell.extension_manager.load_extension("parmagic")
