"""N05, N07: a back-test's result and its tear sheet in a real JupyterLab and as a file."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from kisnb.drawing.theme import DARK, LIGHT
from tests.browser.live_lab import Lab, write_notebook
from tests.browser.notebook_page import NotebookPage

SETTING = """
import random
import kisnb, polars as pl
from kisnb.market.calendar import is_trading_day

chance, price, rows = random.Random(7), 70_000, []
for day in pl.date_range(pl.date(2021, 1, 4), pl.date(2023, 12, 28), eager=True):
    if is_trading_day(day):
        close = round(price * (1 + chance.gauss(0, 0.015)) / 100) * 100
        rows.append(("005930", day, price, max(price, close), min(price, close), close, 10**6))
        price = close
names = ["code", "date", "open", "high", "low", "close", "volume"]
bars = pl.DataFrame(rows, schema=names, orient="row")
"""
AGENT = """
class Dip(kisnb.Agent):
    code: str = "005930"
    every = "1d"

    def on_bar(self, bar):
        if bar.close < bar.open and not self.held():
            self.buy(50)
        elif bar.close > bar.open and self.held():
            self.sell(self.held())

result = kisnb.backtest(Dip, bars, cash=10_000_000, costs="bankis", benchmark="005930")
result
"""


def stroke(drawn: Locator) -> str:
    """The colour of a chart's first curve, as the browser paints it."""
    curve = drawn.locator("svg.kisnb-curves path[fill=none]").first
    return str(curve.evaluate("e => getComputedStyle(e).stroke"))


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


def test_n07_a_result_and_its_tear_sheet_draw_in_jupyterlab_and_as_a_file(
    lab: Lab, notebook: NotebookPage
) -> None:
    write_notebook(lab.folder / "backtest.ipynb", [SETTING, AGENT, 'result.report("sheet.html")'])
    notebook.open("backtest.ipynb")
    notebook.run_all()
    # JupyterLab's viewer blocks the sheet's script, and says so in the console.
    notebook.expected_errors += ["Blocked script execution"]

    # The result follows the theme of JupyterLab.
    drawn = notebook.outputs(1)
    expect(drawn.locator("svg.kisnb-curves")).to_have_count(2)
    expect(drawn).to_contain_text("Sharpe")
    assert stroke(drawn) == rgb(LIGHT.line)
    wide = drawn.locator(".jp-OutputArea-output").evaluate("e => e.scrollWidth - e.clientWidth")
    assert wide <= 0
    notebook.use_theme("JupyterLab Dark")
    try:
        assert stroke(drawn) == rgb(DARK.line)
    finally:
        notebook.use_theme("JupyterLab Light")

    # The tear sheet draws where scripts are blocked.
    expect(notebook.outputs(2)).to_contain_text("sheet.html")
    opened = "window.jupyterapp.commands.execute('docmanager:open', {path: 'sheet.html'})"
    notebook.page.evaluate(f"() => {opened}.then(() => null)")
    frame = notebook.page.frame_locator(".jp-HTMLViewer iframe")
    expect(frame.locator("h1")).to_contain_text("Dip", timeout=30_000)
    charts = frame.locator("svg.kisnb-curves")
    expect(charts).to_have_count(3)
    for chart in [*charts.all(), frame.locator(".candles svg").first]:
        box = chart.bounding_box()
        assert box is not None
        assert (box["width"] > 300, box["height"] > 50) == (True, True)
    # Nothing follows the pointer here.
    expect(frame.locator(".chart output")).to_have_count(0)

    # As a file it shows the values under the pointer.
    page = notebook.page
    notebook.close_all()
    page.goto((lab.folder / "sheet.html").as_uri())
    chart = page.locator(".chart").first
    chart.locator("svg").hover()
    expect(chart.locator("output")).to_contain_text("equity")
    expect(chart.locator("output")).to_contain_text("2022-")
    for scheme, palette in (("light", LIGHT), ("dark", DARK)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert stroke(page.locator("body")) == rgb(palette.line)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(color_scheme="light")


pytestmark = pytest.mark.browser
