"""N04, N05: panel and chart in a real JupyterLab, in a real browser, without one request that leaves the machine."""

from __future__ import annotations

import re

import pytest
from live_lab import Lab, NotebookPage, write_notebook
from playwright.sync_api import Locator, expect

OPEN = "%load_ext kisnb", "%kis open sim --seed 7 --date 2026-11-20 --start 09:00:00"
AGENT = "%kis agents start volume_trigger --code 005930"
LATER = """
import asyncio
async def later():
    await session.sleep(60)
    await session.buy("005930", 10)
task = asyncio.create_task(later())
%kis until close
"""


def column(panel: Locator, table: str, name: str) -> Locator:
    """The cells of one column, top row first."""
    heads = panel.locator(f"section[data-table={table}] th").all_inner_texts()
    return panel.locator(f"section[data-table={table}] tbody td:nth-child({heads.index(name) + 1})")


def test_n04_agents_and_orders_change_while_a_cell_waits(lab: Lab, notebook: NotebookPage) -> None:
    write_notebook(lab.folder / "panel.ipynb", [*OPEN, AGENT, "%kis panel", LATER])
    notebook.open("panel.ipynb")
    for index in range(4):
        notebook.run_cell(index)
    panel = notebook.outputs(3)
    expect(panel.locator(".kisnb-mode")).to_have_text("SIM")
    before = column(panel, "agents", "note").inner_text()
    assert column(panel, "orders", "state").count() == 0
    notebook.start_cell(4)
    expect(column(panel, "agents", "note")).not_to_have_text(before, timeout=20_000)
    expect(panel.locator("section[data-table=orders] tbody tr")).to_have_count(1, timeout=20_000)
    clock = panel.locator(".clock").inner_text()
    expect(panel.locator(".clock")).not_to_have_text(clock)
    assert notebook.prompt(4) == "[*]:"
    notebook.wait_for_prompt(4)
    expect(column(panel, "orders", "state").first).to_have_text("filled")
    expect(column(panel, "orders", "filled").first).to_have_text("10")
    expect(panel.locator(".clock")).to_have_text(re.compile("15:3"))


def test_n04_the_buttons_cancel_an_order_and_stop_an_agent(lab: Lab, notebook: NotebookPage) -> None:
    rest = 'quote = await session.quote("005930")\norder = await session.buy("005930", 10, quote.lower)'
    write_notebook(
        lab.folder / "buttons.ipynb",
        [*OPEN, AGENT, rest, "%kis panel", "order", "session.agents"],
    )
    notebook.open("buttons.ipynb")
    for index in range(5):
        notebook.run_cell(index)
    panel = notebook.outputs(4)
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    panel.locator("section[data-table=orders] button").click()
    expect(column(panel, "orders", "state")).to_have_text("cancelled")
    panel.locator("section[data-table=agents] button").click()
    expect(column(panel, "agents", "state")).to_have_text("stopped")
    expect(panel.locator("button:visible")).to_have_count(0)
    expect(notebook.run_cell(5)).to_contain_text("cancelled")
    expect(notebook.run_cell(6)).to_contain_text("stopped")


def test_n04_a_second_view_and_a_reloaded_page_show_the_same(lab: Lab, notebook: NotebookPage) -> None:
    write_notebook(lab.folder / "twice.ipynb", [*OPEN, "%kis buy 005930 10", "%kis panel", "%kis panel"])
    notebook.open("twice.ipynb")
    notebook.run_all()
    first, second = (notebook.outputs(i).locator("section[data-table=orders] tbody tr") for i in (3, 4))
    expect(first).to_have_count(1)
    expect(second).to_have_text(first.inner_text())
    notebook.command("docmanager:save")
    notebook.page.wait_for_timeout(1000)
    notebook.open("twice.ipynb")
    expect(second).to_have_count(1, timeout=20_000)


def test_n05_a_chart_draws_offline(lab: Lab, notebook: NotebookPage) -> None:
    cells = [*OPEN, '%kis buy 005930 10\nawait session.watch("005930")', "%kis until 09:30", "%kis chart 005930"]
    write_notebook(lab.folder / "chart.ipynb", cells)
    notebook.open("chart.ipynb")
    notebook.run_all()
    drawn = notebook.outputs(4)
    expect(drawn.locator(".main-svg").first).to_be_visible(timeout=30_000)
    expect(drawn.locator(".trace.boxes")).to_have_count(1)


def test_n07_a_report_opens_as_a_file_and_draws(lab: Lab, notebook: NotebookPage) -> None:
    cells = [*OPEN, '%kis buy 005930 10\nawait session.watch("005930")', "%kis until 09:30", "%kis report -o day.html"]
    write_notebook(lab.folder / "report.ipynb", cells)
    notebook.open("report.ipynb")
    notebook.run_all()
    expect(notebook.outputs(4)).to_contain_text("day.html")
    notebook.page.goto((lab.folder / "day.html").as_uri())
    expect(notebook.page.locator("h1")).to_contain_text("2026-11-20")
    expect(notebook.page.locator(".chart .main-svg").first).to_be_visible(timeout=30_000)
    expect(notebook.page.locator("section", has_text="Fills").first).to_be_visible()


pytestmark = pytest.mark.browser
