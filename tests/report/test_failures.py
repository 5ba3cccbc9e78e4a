from dataclasses import replace

import pytest
from report.pages import DONE, Page

from parmagic.report.failures import render
from parmagic.report.report import FailedItem


def division(index, line="line 2"):
    error = "ZeroDivisionError: division by zero"
    return FailedItem(index, f"{index}.0", error, "ZeroDivisionError", line)


def bad_value(index):
    return FailedItem(index, "x", f"ValueError: bad {index}", "ValueError", "line 9 of model.py")


def text(*failures, failed=None):
    return Page(render(replace(DONE, failures=failures, failed=failed or len(failures)))).text


def test_nothing_is_shown_where_nothing_failed():
    assert render(DONE) == ""


def test_one_failure_is_one_row():
    assert text(division(7)) == "item 77.0ZeroDivisionError: division by zero · line 2"


def test_what_failed_alike_stands_under_one_heading():
    heading = "ZeroDivisionError: division by zero · line 2 · 2 items"
    assert text(division(3), division(5)) == f"{heading}item 33.0item 55.0"


def test_messages_that_differ_stand_beside_their_items():
    heading = "ValueError · line 9 of model.py · 2 items"
    assert text(bad_value(3), bad_value(5)) == f"{heading}item 3xbad 3item 5xbad 5"


def test_the_same_error_in_two_lines_makes_two_groups():
    shown = text(*(division(index, f"line {index % 2}") for index in range(6)))
    assert shown.count("ZeroDivisionError: division by zero") == 2
    assert "line 0 · 3 items" in shown
    assert "line 1 · 3 items" in shown


def test_three_items_are_shown_and_the_next_ones_folded_away():
    html = render(replace(DONE, failures=tuple(map(division, range(30))), failed=30))
    unfolded, folded = html.split("</summary>")
    assert unfolded.count("<tr") == 3
    assert Page(unfolded + "</summary></details>").text.endswith("27 more items")
    assert folded.count("<tr") == 7
    assert Page("<details>" + folded).text.endswith("and 20 more")


@pytest.mark.parametrize(
    ("known", "failed", "words"),
    [(10, 10, " · 10 items"), (100, 100, " · 100 items"), (100, 4321, " · at least 100 items")],
)
def test_a_group_counts_its_items_as_far_as_they_are_known(known, failed, words):
    shown = text(*map(division, range(known)), failed=failed)
    assert f"line 2{words}item" in shown
    assert ("more failed" in shown) is (failed > known)


def test_five_groups_are_shown_and_the_others_counted():
    shown = text(*(division(index, f"line {index}") for index in range(50)))
    assert shown.count("ZeroDivisionError") == 5
    assert shown.endswith("and 45 more failed")


def test_the_class_is_taken_from_the_error_where_it_is_not_given():
    old = FailedItem(0, "0", "KeyError: 'a'")
    assert (old.class_name, old.message) == ("KeyError", "'a'")
