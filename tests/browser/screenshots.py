"""``make screenshots``: pictures of the desk and of the quickstart notebook, taken in a real
JupyterLab, into notebooks/images/."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, ViewportSize

from tests.browser.live_lab import Lab, chromium, find_chromium, write_notebook
from tests.browser.notebook_page import CLOSE_NOTEBOOKS, NotebookPage, browse

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_quickstart.ipynb"
IMAGES = ROOT / "notebooks" / "images"
DAY_SECONDS = 300
VIEWPORT: ViewportSize = {"width": 1440, "height": 1100}
SHOWN = {"chart": "%kis chart"}
"""Picture → what the cell says whose output it shows."""
DESK = (
    "%load_ext kisnb",
    "%kis open sim --seed 7 --date 2026-11-20 --start 10:00 --fresh",
    (
        "%kis agents start volume_trigger --code 000660\n"
        "%kis agents start volume_trigger --code 005930"
    ),
    (
        "for i in range(3):\n"
        "    await session.buy('005930', 100, again=i)\n"
        "    await session.sleep(240)"
    ),
    (
        "quote = await session.quote('005930')\n"
        "await session.buy('005930', 50, quote.price - 2 * quote.tick)\n"
        "await session.sell('005930', 100, quote.price + 3 * quote.tick)\n"
        "await session.buy('035720', 20)\n"
        "await session.protect('005930', stop='3%', take='5%', trail='2%')\n"
        "await session.alert('005930', above=quote.upper)"
    ),
    "%kis panel desk 005930",
    "%kis until 10:40",
)
"""A morning at the desk."""
PANEL = 5
"""The cell of ``DESK`` whose output is the panel."""


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
        print(images / f"{name}.png")
    notebook.page.evaluate(CLOSE_NOTEBOOKS)
    write_notebook(notebook.lab.folder / "desk.ipynb", DESK)
    notebook.open("desk.ipynb")
    notebook.run_all(DAY_SECONDS)
    take_desk(notebook, images)
    for report in sorted(notebook.lab.folder.glob("**/*.html")):
        notebook.page.goto(report.as_uri())
        notebook.page.locator(".main-svg").first.wait_for(timeout=30_000)
        notebook.page.screenshot(path=images / "report.png")
        print(images / "report.png")


def take_desk(notebook: NotebookPage, images: Path) -> None:
    """Take the picture of the panel with an order in its ticket, and one of the whole window."""
    cell = notebook.cell(PANEL)
    settle(cell)
    panel = cell.locator(".kisnb-desk")
    panel.locator("input[name=quantity]").fill("10")
    panel.locator("input[name=stop]").fill("3%")
    panel.locator(".what-if div").first.wait_for(timeout=30_000)
    panel.get_by_role("button", name="review buy").click()
    panel.locator(".question.shown").wait_for(timeout=30_000)
    # The pointer would mark what it rests on.
    notebook.page.mouse.move(0, 0)
    notebook.page.wait_for_timeout(1_500)
    cell.scroll_into_view_if_needed()
    notebook.page.screenshot(path=images / "lab.png")
    notebook.page.set_viewport_size({"width": VIEWPORT["width"], "height": 1_700})
    notebook.page.wait_for_timeout(1_000)
    panel.screenshot(path=images / "panel.png")
    notebook.page.set_viewport_size(VIEWPORT)
    print(images / "panel.png")


def settle(cell: Locator) -> None:
    """Wait until the cell's output is drawn and its highlights have faded."""
    cell.locator(".main-svg, .kisnb-desk .tabulator-row").first.wait_for(timeout=30_000)
    cell.page.wait_for_timeout(1500)


if __name__ == "__main__":
    sys.exit(main())
