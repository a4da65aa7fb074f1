"""``make screenshots``: pictures of the quickstart notebook, taken in a real JupyterLab, into
notebooks/images/."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, ViewportSize

from tests.browser.live_lab import Lab, chromium, find_chromium
from tests.browser.notebook_page import NotebookPage, browse

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_quickstart.ipynb"
IMAGES = ROOT / "notebooks" / "images"
DAY_SECONDS = 300
VIEWPORT: ViewportSize = {"width": 1400, "height": 1100}
SHOWN = {"panel": "%kis panel", "chart": "%kis chart"}
"""Picture → what the cell says whose output it shows."""


def main() -> int:
    """Exit status 0, or 2 when there is no Chromium."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="?", type=Path, default=IMAGES, help="folder to write to")
    images = parser.parse_args().images
    if find_chromium() is None:
        print(
            "screenshots: no Chromium here; on Debian: apt-get install chromium fonts-noto-cjk",
            file=sys.stderr,
        )
        return 2
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kisnb-screenshots-") as home:
        folder = Path(home) / "notebooks"
        folder.mkdir()
        shutil.copy(NOTEBOOK, folder)
        lab = Lab(folder, Path(home) / "home", speed="step")
        try:
            lab.start()
            with (
                chromium() as browser,
                browse(browser, lab, viewport=VIEWPORT, scale=1.5) as notebook,
            ):
                take(notebook, images)
        finally:
            lab.stop()
    return 0


def take(notebook: NotebookPage, images: Path) -> None:
    """Run the notebook to its end and take its pictures."""
    notebook.open(NOTEBOOK.name)
    notebook.command("application:toggle-left-area")
    notebook.run_all(DAY_SECONDS)
    for name, text in SHOWN.items():
        cell = notebook.page.locator(
            ".jp-CodeCell", has=notebook.page.locator(".cm-content", has_text=text)
        ).first
        cell.scroll_into_view_if_needed()
        settle(cell)
        cell.locator(".jp-Cell-outputWrapper").screenshot(path=images / f"{name}.png")
        if name == "panel":
            notebook.page.screenshot(path=images / "lab.png")
        print(images / f"{name}.png")
    for report in sorted(notebook.lab.folder.glob("**/*.html")):
        notebook.page.goto(report.as_uri())
        notebook.page.locator(".main-svg").first.wait_for(timeout=30_000)
        notebook.page.screenshot(path=images / "report.png")
        print(images / "report.png")


def settle(cell: Locator) -> None:
    """Wait until the cell's output is drawn and its highlights have faded."""
    cell.locator(".main-svg, .kisnb-desk .tabulator-row").first.wait_for(timeout=30_000)
    cell.page.wait_for_timeout(1500)


if __name__ == "__main__":
    sys.exit(main())
