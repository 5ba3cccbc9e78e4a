from __future__ import annotations

import copy
import json
import pickle

import pytest

import parmagic
from parmagic.mapping.results import Results


@pytest.fixture
def results() -> Results[str]:
    return parmagic.map(str, ["<b>", "b"], serial=True)


def test_they_are_a_list(results: Results[str]) -> None:
    assert isinstance(results, list)
    assert results == ["<b>", "b"]
    assert repr(results) == str(results) == "['<b>', 'b']"
    assert json.dumps(results) == '["<b>", "b"]'
    assert results[::-1] == ["b", "<b>"]


@pytest.mark.parametrize(
    "back", [lambda r: pickle.loads(pickle.dumps(r)), copy.copy, copy.deepcopy]
)
def test_elsewhere_they_are_a_plain_list(results: Results[str], back) -> None:
    assert type(back(results)) is list
    assert back(results) == results


def test_a_notebook_shows_them_with_the_report(results: Results[str]) -> None:
    html = results._repr_html_()
    assert "2 items" in html
    assert "&lt;b&gt;" in html
    assert "<b>'" not in html


def test_the_report_is_of_the_job_and_the_values_of_now(results: Results[str]) -> None:
    results[0] = "changed"
    assert results.report.preview == ("'changed'", "'b'")
    assert (results.report.items, results.report.done, results.report.state) == (2, 2, "done")
