"""A JupyterLab per test, with folders of its own; desk and simulator end with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.live_lab import Lab, NotebookPage, browse, find_chromium


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "no Chromium on this machine: install chromium (Debian: apt-get install chromium fonts-noto-cjk)"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if find_chromium() is None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    running = Lab(folder, tmp_path / "home")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def notebook(lab: Lab) -> Iterator[NotebookPage]:
    with browse(lab) as page:
        yield page
    assert page.strangers() == []
