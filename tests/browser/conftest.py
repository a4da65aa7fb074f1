"""A JupyterLab with folders of its own, emptied between two tests, and a window on it.

Desk, simulator and kernels end with each test. JupyterLab stays loaded in the window.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.live_lab import Lab, chromium, find_chromium
from tests.browser.notebook_page import NotebookPage, browse

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WAIT = 20_000
"""Milliseconds for which a check waits for what it expects, on a loaded machine, too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = (
        "no Chromium on this machine: install chromium (Debian: apt-get install chromium "
        "fonts-noto-cjk)"
    )
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if find_chromium() is None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    place = tmp_path_factory.mktemp("lab")
    folder = place / "notebooks"
    folder.mkdir()
    running = Lab(folder, place / "home")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def lab(running_lab: Lab) -> Iterator[Lab]:
    yield running_lab
    running_lab.clear()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for this folder's tests, because no event loop can run in this thread beside it."""
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT)
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def window(browser: Browser, running_lab: Lab) -> Iterator[NotebookPage]:
    """One for this folder's tests: loading JupyterLab takes longer than most tests."""
    with browse(browser, running_lab) as page:
        # The page's clock goes on by itself, and a test can let time pass.
        page.page.clock.install()
        yield page


@pytest.fixture
def notebook(
    request: pytest.FixtureRequest, window: NotebookPage, lab: Lab
) -> Iterator[NotebookPage]:
    failed = request.session.testsfailed
    yield window
    strangers, errors = window.strangers(), window.unexpected_errors()
    if request.session.testsfailed > failed:
        # The next test must not meet what this one left behind, such as a dialog.
        window.leave()
    window.clear()
    assert strangers == []
    assert errors == [], "\n".join(errors)
