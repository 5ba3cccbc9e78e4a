from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

from browser.lab import Lab
from browser.notebook import BrowserNotebook
from browser.page import LabPage

CHROMIUM = os.environ.get("PARMAGIC_CHROMIUM", "/usr/bin/chromium")
EXPECT_SECONDS = 30.0
MISSING = f"{CHROMIUM} is missing: sudo apt-get install chromium"
OPTIONS = [
    "--no-sandbox",  # which refuses to work for root
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have 64 MB of it, and our own tests count what is there
    "--disable-background-networking",
    "--disable-component-update",
    # A page without a screen counts as one in the background, whose timers are slow.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if shutil.which(CHROMIUM) is None:
        required = os.environ.get("PARMAGIC_REQUIRE_BROWSER") == "1"
        (pytest.fail if required else pytest.skip)(MISSING)
    expect.set_options(timeout=1000 * EXPECT_SECONDS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


# Automatic, so that it is there before a test's belongings are counted.
@pytest.fixture(scope="package", autouse=True)
def lab_page(lab: Lab, browser: Browser) -> Iterator[LabPage]:
    page = LabPage(lab, browser)
    yield page
    page.close()


@pytest.fixture
def page(lab_page: LabPage) -> Iterator[LabPage]:
    """The page; a test after which its console holds errors has failed."""
    lab_page.console.clear()
    yield lab_page
    lab_page.look()
    assert lab_page.errors == []


@pytest.fixture
def notebook(
    page: LabPage, request: pytest.FixtureRequest
) -> Iterator[Callable[..., BrowserNotebook]]:
    """Open a notebook of the cells that are given, with a kernel of its own."""
    opened: list[BrowserNotebook] = []

    def open_notebook(*cells: str) -> BrowserNotebook:
        name = f"{file_name(request.node.name)}-{len(opened)}"
        opened.append(BrowserNotebook(page, page.lab.write(name, *cells)))
        return opened[-1]

    yield open_notebook
    for each in opened:
        each.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of what a failed test saw."""
    report = yield
    if report.when == "call" and report.failed and isinstance(item.funcargs.get("page"), LabPage):
        report.sections.append(("browser", evidence(item.funcargs["page"], file_name(item.name))))
    return report


def evidence(page: LabPage, name: str) -> str:
    try:
        shot = page.screenshot(name) or page.save_screenshot(page.lab.folder / f"{name}.png")
    except Error as error:  # the page has crashed, which may be why the test has failed
        return f"no screenshot: {error}"
    return "\n".join([f"screenshot: {shot}", *page.console[-10:]])


def file_name(name: str) -> str:
    """Return the name of a test as that of a file."""
    return re.sub(r"\W+", "-", name).strip("-")
