"""N05, N07: candles, charts and reports in a real JupyterLab, without a request off the machine."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.live_lab import Lab
from tests.browser.notebook_page import NotebookPage
from tests.browser.panel_page import FIRST, open_notebook, panel_of

BUY = '%kis buy 005930 10\nawait session.watch("005930")'
CHARTS = "%kis chart 005930", "%kis chart 005930 --every 5m", "%kis chart 005930 --every 10s"
GROUND = "e => getComputedStyle(e.closest('.kisnb-desk')).getPropertyValue('--ground')"


def test_n05_candles_grow_and_follow_the_theme_and_charts_and_a_report_draw_offline(
    lab: Lab, notebook: NotebookPage
) -> None:
    live, report = FIRST + 2, FIRST + 3
    charts = range(FIRST + 4, FIRST + 7)
    cells = (BUY, "%kis until 09:30", "%kis panel chart 005930", "%kis report -o day.html", *CHARTS)
    open_notebook(lab, notebook, *cells)

    chart = panel_of(notebook, live).locator(".chart")
    expect(chart.locator("canvas").first).to_be_visible()
    legend = chart.locator(".legend")
    expect(legend).to_contain_text("MA5")
    first = legend.inner_text()
    expect(legend).not_to_have_text(first, timeout=60_000)
    light = chart.evaluate(GROUND)
    notebook.use_theme("JupyterLab Dark")
    expect(legend.locator("span").first).to_have_css("color", "rgb(255, 183, 77)")
    assert chart.evaluate(GROUND) != light
    chart.get_by_role("button", name="5m").click()
    expect(chart.get_by_role("button", name="5m")).to_have_attribute("aria-pressed", "true")
    notebook.use_theme("JupyterLab Light")

    for index in charts:
        drawn = notebook.outputs(index)
        expect(drawn.locator(".main-svg").first).to_be_visible(timeout=30_000)
        expect(drawn.locator(".trace.boxes")).to_have_count(1)
        wide = drawn.locator(".jp-OutputArea-output").evaluate("e => e.scrollWidth - e.clientWidth")
        assert wide <= 0

    expect(notebook.outputs(report)).to_contain_text("day.html")
    notebook.close_all()
    notebook.page.goto((lab.folder / "day.html").as_uri())
    expect(notebook.page.locator("h1")).to_contain_text("2026-11-20")
    expect(notebook.page.locator(".chart .main-svg").first).to_be_visible(timeout=30_000)
    expect(notebook.page.locator("section", has_text="Fills").first).to_be_visible()


pytestmark = pytest.mark.browser
