"""What a cell shows: prints, reports, the live line, and what of it a saved notebook keeps."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from kernels import Cell, Kernel, environment
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from support import Gate

LONGER_THAN_HALF_A_SECOND = "time.sleep(0.6)"


def is_report(bundle: dict[str, str], text: str) -> bool:
    return bundle["text/plain"] == text and 'class="parmagic-report"' in bundle["text/html"]


def is_output(bundle: dict[str, str]) -> bool:
    return 'class="parmagic-outputs"' in bundle["text/html"]


def is_button(bundle: dict[str, str]) -> bool:
    return "application/vnd.jupyter.widget-view+json" in bundle


def is_live_line(bundle: dict[str, str]) -> bool:
    return 'class="parmagic-line"' in bundle["text/html"] and " · " in bundle["text/plain"]


# What a cell shows without and with a front end, of a job that takes no time.
SHOWN = {
    "%%parmap x in range(3) -> ys\nx": ["display_data"],
    "%%parmap -o ys x in range(3)\nx": ["display_data"],
    "%%parmap range(3) -> ys\ndef f(x): return x": ["display_data"],
    "%%parmap\nys = []\nfor x in range(3):\n    ys.append(x)": ["display_data"],
    "%%parmap x in range(3)\nx": ["execute_result"],
    "%parmap x for x in range(3)": ["execute_result"],
    "%%parmap x in range(3)\nx;": [],
    "%parmap x for x in range(3);": [],
    "ys = %parmap x for x in range(3)": [],
    "ys = %parmap x for x in range(3);": [],
    "%parmap x for x in range(3) -> ys": [],
    "%parmap x for x in range(3) -> ys;": [],
    "%%parmap --quiet x in range(3) -> ys\nx": [],
    "%%parmap -q\nys = []\nfor x in range(3):\n    ys.append(x)": [],
    "%%parmap x in range(3) -> ys\n1 / x": ["display_data", "error"],
    "%%parmap -q x in range(3) -> ys\n1 / x": ["error"],
    "ys = %parmap 1 / x for x in range(3)": ["error"],
    "%%parmap x in range(3) -> ys\nprint('p') if x == 2 else 0": ["display_data"] * 2,
    "%%parmap -q x in range(3) -> ys\nprint('p') if x == 2 else 0": ["display_data"],
    "ys = %parmap print('p') for x in range(3)": ["display_data"],
}


@pytest.mark.parametrize("code", SHOWN)
@pytest.mark.parametrize("watched", [False, True])
def test_a_quick_cell_shows_its_report_once(
    kernel: Kernel, live_kernel: Kernel, watched: bool, code: str
) -> None:
    used = live_kernel if watched else kernel
    with used.configured(progress_after=60.0):
        assert used.run(code).kinds == SHOWN[code]


def test_named_results_show_a_report_and_unnamed_ones_are_the_cells_output(kernel: Kernel) -> None:
    named = kernel.run("%%parmap x in range(3) -> ys\nx")
    assert is_report(named.displays[0], "3 items done")
    unnamed = kernel.run("%%parmap x in range(3)\nx")
    assert is_report(unnamed.result, "[0, 1, 2]")
    assert kernel.run("ys").result["text/html"] == named.displays[0]["text/html"]


def test_quiet_leaves_the_list_alone(kernel: Kernel) -> None:
    assert kernel.run("%%parmap -q x in range(3)\nx").result == {"text/plain": "[0, 1, 2]"}
    with kernel.configured(quiet=True):
        assert kernel.run("%%parmap x in range(3)\nx").result == {"text/plain": "[0, 1, 2]"}


def test_a_failed_cell_reports_how_far_it_came(kernel: Kernel) -> None:
    cell = kernel.run("%%parmap --workers 1 --chunksize 3 x in [1, 2, 0]\n1 / x")
    assert is_report(cell.displays[0], "2 of 3 items done, 1 failed")
    assert "ZeroDivisionError: division by zero" in cell.displays[0]["text/html"]


def test_a_slow_cell_shows_no_line_where_nobody_looks_on(kernel: Kernel) -> None:
    with kernel.configured(progress_after=0.0):
        assert kernel.run("%%parmap x in range(2) -> ys\nx").kinds == ["display_data"]


@pytest.mark.parametrize("live", [False, True])
def test_the_configuration_decides_whether_somebody_looks_on(kernel: Kernel, live: bool) -> None:
    with kernel.configured(progress_after=0.0, live=live):
        cell = kernel.run("%%parmap x in range(2) -> ys\nx")
    assert ("update_display_data" in cell.kinds) is live


@pytest.mark.parametrize("items", ["range(2)", "iter(range(2))"])
def test_a_cell_of_more_than_half_a_second_shows_a_line_that_its_report_replaces(
    live_kernel: Kernel, items: str
) -> None:
    cell = live_kernel.run(f"%%parmap x in {items} -> ys\n{LONGER_THAN_HALF_A_SECOND}\nx")
    first, button = cell.displays
    assert is_live_line(first)
    assert is_button(button)
    *lines, report, no_button = cell.updates
    assert all(map(is_live_line, lines))
    assert is_report(report, "2 items done")
    assert no_button == {"text/html": "", "text/plain": ""}
    assert cell.shown == [report]
    assert cell.kinds[-1] == "comm_close"


def test_the_line_of_an_unnamed_map_gives_way_to_the_cells_output(live_kernel: Kernel) -> None:
    with live_kernel.configured(progress_after=0.0):
        cell = live_kernel.run("%%parmap x in range(2)\nx")
    assert is_live_line(cell.displays[0])
    assert cell.shown == []
    assert is_report(cell.result, "[0, 1]")


def test_the_line_of_a_failed_cell_becomes_its_report(live_kernel: Kernel) -> None:
    with live_kernel.configured(progress_after=0.0):
        cell = live_kernel.run("%%parmap x in [0]\n1 / x")
    assert is_live_line(cell.displays[0])
    (report,) = cell.shown
    assert is_report(report, "0 of 1 item done, 1 failed")
    assert cell.kinds[-1] == "error"


def test_the_line_of_an_interrupted_cell_becomes_its_report(
    live_kernel: Kernel, gate: Gate
) -> None:
    live_kernel.give(gate)
    with live_kernel.configured(progress_after=0.0):
        cell = live_kernel.start("%%parmap --workers 1 --chunksize 1 x in range(3)\ngate.enter()")
        cell.wait_for(lambda cell: cell.displays)
        live_kernel.interrupt()
        cell.finish()
    (report,) = cell.shown
    assert is_report(report, "0 of 3 items done, 3 pending, interrupted")


def test_the_line_is_repainted_a_few_times_a_second_at_most(live_kernel: Kernel) -> None:
    with live_kernel.configured(progress_after=0.0):
        cell = live_kernel.run("%%parmap x in range(80) -> ys\ntime.sleep(0.01)\nx")
    lines = [bundle for bundle in [*cell.displays, *cell.updates] if is_live_line(bundle)]
    assert 2 <= len(lines) <= 1 + 5 * live_kernel.value("ys.report.wall_seconds")


PRINTED = {
    "print(x)": "item 0: 0\nitem 1: 1\nitem 2: 2",
    "print(x, end='')": "item 0: 0\nitem 1: 1\nitem 2: 2",
    "print('é', '\\u4e2d', '\\U0001f600') if x == 1 else 0": "item 1: é 中 😀",
    "print('a\\nb') if x == 1 else 0": "item 1: a\n        b",
    "import sys; print(x, file=sys.stderr)": "item 0: 0\nitem 1: 1\nitem 2: 2",
    "import sys; sys.stdout.buffer.write(b'bytes\\n') if x == 2 else 0": "item 2: bytes",
    "print(x, end='\\r'), print('over')": "item 0: over\nitem 1: over\nitem 2: over",
    "import logging; logging.warning('low %s', x)": (
        "item 0: WARNING:root:low 0\nitem 1: WARNING:root:low 1\nitem 2: WARNING:root:low 2"
    ),
}


@pytest.mark.parametrize("statement", PRINTED)
@pytest.mark.parametrize("options", ["--workers 1", "--workers 2 --chunksize 1"])
def test_what_items_print_is_shown_by_item_under_their_own_cell(
    kernel: Kernel, statement: str, options: str
) -> None:
    cell = kernel.run(f"%%parmap {options} x in range(3) -> ys\n{statement}\nx")
    report, output = cell.displays
    assert is_report(report, "3 items done")
    assert is_output(output)
    assert output["text/plain"] == PRINTED[statement]
    assert (cell.stdout, cell.stderr) == ("", "")


def test_a_warning_is_shown_once_and_counted(kernel: Kernel) -> None:
    code = (
        "%%parmap --workers 2 --chunksize 1 x in range(40) -> ys\n"
        "import warnings\nwarnings.simplefilter('always')\nwarnings.warn('take care')\nx"
    )
    _, output = kernel.run(code).displays
    assert output["text/plain"].count("UserWarning: take care") == 1
    assert "40)" in output["text/plain"]


def test_what_an_item_printed_before_it_failed_is_shown(kernel: Kernel) -> None:
    cell = kernel.run("%%parmap x in [0]\nprint('before')\n1 / x")
    assert cell.kinds == ["display_data", "display_data", "error"]
    assert cell.displays[1]["text/plain"] == "item 0: before"


def test_what_items_print_is_shown_while_they_run(live_kernel: Kernel, gate: Gate) -> None:
    live_kernel.give(gate)
    with live_kernel.configured(progress_after=0.0):
        cell = live_kernel.start(
            "%%parmap --workers 1 --chunksize 1 x in range(2) -> ys\nprint('before')\ngate.enter(x)"
        )
        cell.wait_for(lambda cell: any(map(is_output, [*cell.displays, *cell.updates])))
        gate.open()
        cell.finish()
    report, output = cell.shown
    assert is_report(report, "2 items done")
    assert output["text/plain"] == "item 0: before\nitem 1: before"


def test_output_that_came_in_any_order_is_in_that_of_the_items_in_the_end(
    live_kernel: Kernel, gate: Gate
) -> None:
    live_kernel.give(gate)
    code = (
        "%%parmap --workers 2 --chunksize 1 x in range(2) -> ys\n"
        "gate.enter() if x == 0 else 0\nprint('item', x)\nx"
    )
    with live_kernel.configured(progress_after=0.0):
        cell = live_kernel.start(code)
        cell.wait_for(lambda cell: any(map(is_output, [*cell.displays, *cell.updates])))
        gate.open()
        cell.finish()
    assert cell.shown[-1]["text/plain"] == "item 0: item 0\nitem 1: item 1"


def test_much_output_is_shown_in_blocks_that_stay_small(live_kernel: Kernel) -> None:
    with live_kernel.configured(progress_after=0.0):
        cell = live_kernel.run(
            "%%parmap --chunksize 1 x in range(200) -> ys\nprint('line ' * 200)\nx"
        )
    blocks = [bundle for bundle in cell.shown if is_output(bundle)]
    sent = sum(len(str(bundle)) for bundle in [*cell.displays, *cell.updates])
    assert sum(bundle["text/plain"].count("item ") for bundle in blocks) == 200
    assert sent < 20 * 200 * 1_000


def test_a_flood_is_bounded_and_says_so(live_kernel: Kernel) -> None:
    cell = live_kernel.run("%%parmap x in range(2) -> ys\nfor n in range(200_000): print(n)\nx")
    assert live_kernel.value("list(ys)") == [0, 1]
    texts = [bundle["text/plain"] for bundle in cell.shown if is_output(bundle)]
    for index, text in enumerate(sorted(texts)):
        assert text.startswith(f"item {index}: 0\n")
        assert "199999" in text
        assert "characters left out" in text
    sizes = [len(str(message)) for message in cell.messages]
    assert max(sizes) < 1_500_000
    assert sum(sizes) < 25_000_000  # the longer it takes, the more often it is painted


def test_a_background_job_prints_under_the_cell_that_started_it(kernel: Kernel, gate: Gate) -> None:
    kernel.give(gate)
    kernel.run("def speak(x):\n    gate.enter(x)\n    print('item', x)")
    starting = kernel.start("job = parmagic.map_async(speak, [7])").finish()
    later = kernel.run("gate.open()\njob.result()\nprint('later')")
    assert later.stdout == "later\n"
    starting.wait_for(lambda cell: cell.stdout == "item 7\n")
    kernel.strays.clear()


def test_the_magic_can_be_used_below_other_magics(kernel: Kernel) -> None:
    timed = kernel.run("%%time\n%%parmap x in range(2) -> ys\nprint(x)\nx")
    assert timed.kinds == ["display_data", "display_data", "stream"]
    assert "Wall time" in timed.stdout
    captured = kernel.run("%%capture caught\n%%parmap x in range(2) -> ys\nprint(x)\nx")
    assert captured.kinds == []
    assert kernel.value("[o.data['text/plain'] for o in caught.outputs]") == [
        "2 items done",
        "item 0: 0\nitem 1: 1",
    ]


HOSTILE = "<script>alert('\"&')</script>"


@pytest.mark.parametrize(
    "code",
    [
        f"%%parmap x in [1] -> ys\n{HOSTILE!r}",
        f"%%parmap x in [{HOSTILE!r}] -> ys\nx",
        f"%%parmap x in [{HOSTILE!r}] -> ys\n1 / 0",
        f"%%parmap x in [1] -> ys\nraise ValueError({HOSTILE!r})\nx",
        "%%parmap x in [Hostile()] -> ys\nx",
        "%%parmap x in [Hostile()] -> ys\n1 / 0",
        f"%%parmap x in [1]\nraise type({HOSTILE!r}, (Exception,), {{}})(x)",
    ],
)
def test_a_hostile_text_is_escaped_in_the_report(kernel: Kernel, code: str) -> None:
    kernel.run(f"class Hostile:\n    def __repr__(self):\n        return {HOSTILE!r}")
    (bundle,) = kernel.run(code).displays
    assert "<script" not in bundle["text/html"].lower()
    assert "&lt;script&gt;" in bundle["text/html"]


def run_notebook(folder: Path, *cells: str, session: str | None = None) -> list[Cell]:
    """Run cells as nbclient does, and return their outputs as they are saved."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, allow_errors=True, timeout=60)
    client.execute(env=environment(folder, session), cwd=str(folder))
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.parametrize("session", [None, "notebook.ipynb"])
def test_a_saved_notebook_holds_the_report_and_no_live_line(
    tmp_path: Path, session: str | None
) -> None:
    load, named, unnamed, failed, line = run_notebook(
        tmp_path,
        "%load_ext parmagic\n%config ParMagic.progress_after = 0",
        "%%parmap x in range(2) -> ys\nprint(x)\nx",
        "%%parmap x in range(2)\nx",
        "%%parmap --workers 1 --chunksize 2 x in [1, 0]\n1 / x",
        "ys = %parmap x for x in range(2)\nsum(ys)",
        session=session,
    )
    assert load == []
    report, output = [each.data for each in named if each.data["text/plain"]]
    assert is_report(report, "2 items done")
    assert (is_output(output), output["text/plain"]) == (True, "item 0: 0\nitem 1: 1")
    assert is_report(unnamed[-1].data, "[0, 1]")
    assert is_report(failed[0].data, "1 of 2 items done, 1 failed")
    assert failed[-1].ename == "ZeroDivisionError"
    # What was shown and is no more cannot be taken back: it is empty.
    assert [text for output in line if (text := output.data["text/plain"])] == ["1"]
    saved = str([named, unnamed, failed, line])
    assert "parmagic-line" not in saved
    assert "widget" not in saved


def test_two_runs_of_a_notebook_save_the_same_texts(tmp_path: Path) -> None:
    cells = ["%load_ext parmagic", "%%parmap x in range(4) -> ys\nx", "%%parmap x in [2]\n1 / x"]
    first, second = (
        [
            [each.data["text/plain"] for each in outputs]
            for outputs in run_notebook(tmp_path, *cells)
        ]
        for _ in range(2)
    )
    assert first == second == [[], ["4 items done"], ["[0.5]"]]


SLOW = "%%parmap --chunksize 1 x in range(4) -> ys\nimport time\nprint(x)\ntime.sleep(0.3)\nx"
WITHOUT_WIDGETS = "import sys; sys.modules['ipywidgets'] = None"


@pytest.mark.parametrize("before", ["1", WITHOUT_WIDGETS], ids=["widgets", "no widgets"])
@pytest.mark.parametrize("session", [None, "notebook.ipynb"], ids=["static", "live"])
def test_a_saved_notebook_ends_with_all_done(
    tmp_path: Path, session: str | None, before: str
) -> None:
    *_, slow = run_notebook(tmp_path, before, "%load_ext parmagic", SLOW, session=session)
    report, output = [each.data for each in slow if each.data["text/plain"]]
    assert is_report(report, "4 items done")
    assert output["text/plain"] == "item 0: 0\nitem 1: 1\nitem 2: 2\nitem 3: 3"
    assert "parmagic-line" not in str(slow)
    assert "widget" not in str(slow)


def test_a_page_made_of_a_saved_notebook_has_report_timeline_and_output(tmp_path: Path) -> None:
    cells = ["%load_ext parmagic", SLOW, "%%parmap x in range(2)\nx", "%%parmap x in [0]\n1 / x"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    for cell, outputs in zip(notebook.cells, run_notebook(tmp_path, *cells), strict=True):
        cell.outputs = outputs
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count('class="parmagic-report"') == 3
    assert 'class="parmagic-outputs"' in page
    assert "<svg" in page[page.index('class="parmagic-report"') :]
    assert "4 items on" in page


def test_a_report_shows_itself(kernel: Kernel) -> None:
    kernel.run("%%parmap x in range(3) -> ys\nprint(x)\nx")
    assert is_report(kernel.run("ys.report").result, "3 items done")
    assert is_report(kernel.run("parmagic.jobs[-1].report()").result, "3 items done")


def test_what_map_shows_appears_under_its_cell_as_it_comes(kernel: Kernel) -> None:
    code = "def speak(x):\n    print(x)\n    display({'text/plain': 'shown'}, raw=True)"
    kernel.run(code)
    cell = kernel.run("parmagic.map(speak, [7]);")
    assert cell.kinds == ["stream", "display_data"]
    assert (cell.stdout, cell.displays) == ("7\n", [{"text/plain": "shown"}])


def test_quick_cells_report_under_200_kilobytes(kernel: Kernel) -> None:
    cell = kernel.run("%%parmap --chunksize 100 x in range(100_000) -> ys\nx")
    assert len(cell.displays[0]["text/html"]) < 200_000
