"""Two notebooks of one account in two kernels, side by side in one browser: the same orders, each
its own agent."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.live_lab import Lab, write_notebook
from tests.browser.notebook_page import NotebookPage
from tests.browser.panel_page import column, rows

OPEN = "%load_ext kisnb", "%kis open sim --seed 7 --date 2026-11-20 --start 09:00:00"
FIRST = "%kis agents start volume_trigger --code 005930"
SECOND = "%kis agents start volume_trigger --code 000660"
REST = 'quote = await session.quote("005930")\norder = await session.buy("005930", 10, quote.lower)'
PHONE = 'await session.simulator.trade("buy", "035720", 4)'


def test_a02_two_notebooks_see_the_same_orders_and_an_agent_runs_in_one_of_them(
    lab: Lab, notebook: NotebookPage
) -> None:
    write_notebook(lab.folder / "first.ipynb", [*OPEN, FIRST, REST, "%kis panel", "%kis agents"])
    write_notebook(lab.folder / "second.ipynb", [*OPEN, SECOND, "%kis panel", FIRST, PHONE])
    other = notebook.beside()
    for page, name, cells in ((notebook, "first", 5), (other, "second", 4)):
        page.open(f"{name}.ipynb")
        for index in range(cells):
            page.run_cell(index)
    here, there = notebook.outputs(4), other.outputs(3)
    for panel in (here, there):
        expect(column(panel, "orders", "state")).to_have_text("accepted")
    expect(column(here, "agents", "state")).to_have_text(["running", "elsewhere"])
    expect(column(there, "agents", "state")).to_have_text(["running", "elsewhere"])
    expect(rows(there, "agents").last).to_contain_text("runs in first.ipynb")
    expect(other.run_cell(4)).to_contain_text(re.compile("DeskBusy.*first.ipynb"))
    other.run_cell(5)
    for panel in (here, there):
        bought = rows(panel, "orders").filter(has_text="035720")
        expect(bought).to_contain_text("filled", timeout=60_000)
        expect(bought).to_contain_text("external")
    expect(column(here, "agents", "state")).to_have_text(["running", "elsewhere"])
    expect(notebook.run_cell(5)).to_contain_text("running")


pytestmark = pytest.mark.browser
