"""N05, N07: charts and reports in a real JupyterLab, in a real browser, without one request that
leaves the machine."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.live_lab import Lab, write_notebook
from tests.browser.notebook_page import NotebookPage

OPEN = "%load_ext kisnb", "%kis open sim --seed 7 --date 2026-11-20 --start 09:00:00"


def test_n05_a_chart_draws_offline(lab: Lab, notebook: NotebookPage) -> None:
    cells = [*OPEN, '%kis buy 005930 10\nawait session.watch("005930")', "%kis until 09:30"]
    charts = ["%kis chart 005930", "%kis chart 005930 --every 5m", "%kis chart 005930 --every 10s"]
    write_notebook(lab.folder / "chart.ipynb", [*cells, *charts])
    notebook.open("chart.ipynb")
    notebook.run_all()
    for index in range(4, 7):
        drawn = notebook.outputs(index)
        expect(drawn.locator(".main-svg").first).to_be_visible(timeout=30_000)
        expect(drawn.locator(".trace.boxes")).to_have_count(1)
        wide = drawn.locator(".jp-OutputArea-output").evaluate("e => e.scrollWidth - e.clientWidth")
        assert wide <= 0


def test_n07_a_report_opens_as_a_file_and_draws(lab: Lab, notebook: NotebookPage) -> None:
    cells = [
        *OPEN,
        '%kis buy 005930 10\nawait session.watch("005930")',
        "%kis until 09:30",
        "%kis report -o day.html",
    ]
    write_notebook(lab.folder / "report.ipynb", cells)
    notebook.open("report.ipynb")
    notebook.run_all()
    expect(notebook.outputs(4)).to_contain_text("day.html")
    notebook.page.goto((lab.folder / "day.html").as_uri())
    expect(notebook.page.locator("h1")).to_contain_text("2026-11-20")
    expect(notebook.page.locator(".chart .main-svg").first).to_be_visible(timeout=30_000)
    expect(notebook.page.locator("section", has_text="Fills").first).to_be_visible()


pytestmark = pytest.mark.browser
