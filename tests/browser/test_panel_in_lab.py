"""N04: the panel in a real JupyterLab, in a real browser, without one request that leaves the
machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.live_lab import Lab, write_notebook
from tests.browser.notebook_page import NotebookPage, button, column, rows

OPEN = "%load_ext kisnb", "%kis open sim --seed 7 --date 2026-11-20 --start 09:00:00"
AFTERNOON = "%load_ext kisnb", "%kis open sim --seed 7 --date 2026-11-20 --start 13:00:00"
"""Long enough a day for a cell that waits for the close."""
AGENT = "%kis agents start volume_trigger --code 005930"
REST = 'quote = await session.quote("005930")\norder = await session.buy("005930", 10, quote.lower)'
CONTRAST = Path(__file__).with_name("panel_contrast.js")
"""Finds the text that is hardest to read."""
OVERLAPS = """
    root => {
        const found = [];
        for (const line of root.querySelectorAll(".tabulator-row, .account, .facts")) {
            const seen = [...line.children].filter((e) => e.checkVisibility() && e.textContent);
            const boxes = seen.map((e) => [e, e.getBoundingClientRect()]);
            const edge = root.getBoundingClientRect();
            boxes.forEach(([a, s], i) => {
                // Half a pixel is rounding.
                if (s.right > edge.right + 0.5) found.push(`${a.textContent} leaves the panel`);
                for (const [b, t] of boxes.slice(i + 1))
                    if (s.left < t.right - 0.5 && t.left < s.right - 0.5
                        && s.top < t.bottom - 0.5 && t.top < s.bottom - 0.5)
                        found.push(`${a.textContent} is under ${b.textContent}`);
                // A number or a state that is cut off would be another one.
                if (/number|signed|state|side/.test(a.className) && a.scrollWidth > a.clientWidth)
                    found.push(`${a.textContent} is cut off`);
            });
        }
        return found;
    }
"""
"""Says what overlaps, leaves the panel or is cut off in it."""
LATER = """
import asyncio
async def later():
    await session.sleep(60)
    await session.cancel(order)
    await session.buy("005930", 7)
task = asyncio.create_task(later())
%kis until close
"""


def test_n04_agents_and_orders_change_while_a_cell_waits(lab: Lab, notebook: NotebookPage) -> None:
    write_notebook(lab.folder / "panel.ipynb", [*AFTERNOON, AGENT, REST, "%kis panel", LATER])
    notebook.open("panel.ipynb")
    for index in range(5):
        notebook.run_cell(index)
    panel = notebook.outputs(4)
    orders = rows(panel, "orders")
    expect(panel.locator(".kisnb-mode")).to_have_text("SIM")
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    agent = rows(panel, "agents")
    note, clock = agent.inner_text(), panel.locator(".clock").inner_text()
    notebook.start_cell(5)
    expect(column(panel, "orders", "state").last).to_have_text("cancelled", timeout=20_000)
    expect(orders).not_to_have_count(1)
    expect(agent).not_to_have_text(note)
    expect(panel.locator(".clock")).not_to_have_text(clock)
    assert notebook.prompt(5) == "[*]:"
    notebook.wait_for_prompt(5)
    expect(orders.nth(orders.count() - 2)).to_contain_text("filled")
    expect(panel.locator(".clock")).to_have_text(re.compile("15:3"))


def test_n04_the_buttons_cancel_an_order_and_stop_an_agent(
    lab: Lab, notebook: NotebookPage
) -> None:
    write_notebook(
        lab.folder / "buttons.ipynb", [*OPEN, AGENT, REST, "%kis panel", "order", "session.agents"]
    )
    notebook.open("buttons.ipynb")
    for index in range(5):
        notebook.run_cell(index)
    panel = notebook.outputs(4)
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    button(panel, "orders", "cancel").click()
    expect(column(panel, "orders", "state")).to_have_text("cancelled")
    button(panel, "agents", "stop").click()
    expect(column(panel, "agents", "state")).to_have_text("stopped")
    expect(rows(panel, "orders").locator("button")).to_have_count(0)
    expect(rows(panel, "agents").locator("button")).to_have_text(["start"])
    expect(notebook.run_cell(5)).to_contain_text("cancelled")
    expect(notebook.run_cell(6)).to_contain_text("stopped")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_n04_every_text_can_be_read_and_nothing_overlaps_at_900_px(
    lab: Lab, notebook: NotebookPage, theme: str
) -> None:
    notebook.page.set_viewport_size({"width": 900, "height": 900})
    cells = [
        *OPEN,
        "q = await session.quote('005930')",
        "o = await session.buy('005930', 5, q.lower)",
        "%kis buy 005930 1 @1",
        "await session.buy('000660', 2)\nawait session.protect('000660', stop='3%', take='5%')",
        "await session.alert('005930', above=q.upper)",
        AGENT,
    ]
    write_notebook(lab.folder / "narrow.ipynb", [*cells, "%kis panel"])
    errors: list[str] = []
    notebook.page.on("pageerror", lambda error: errors.append(str(error)))
    notebook.open("narrow.ipynb")
    notebook.use_theme(theme)
    for index in range(len(cells)):
        notebook.run_cell(index)
    panel = notebook.run_cell(len(cells))
    for table, n in ("agents", 1), ("orders", 3), ("exits", 1), ("alerts", 1):
        expect(rows(panel, table)).to_have_count(n)
    expect(button(panel, "orders", "cancel")).to_have_count(1)
    contrast, text = notebook.page.evaluate(CONTRAST.read_text())
    assert contrast >= 4.5, text
    assert panel.locator(".kisnb-desk").evaluate(OVERLAPS) == []
    assert errors == []


def test_n04_a_second_view_and_a_reloaded_page_show_the_same(
    lab: Lab, notebook: NotebookPage
) -> None:
    write_notebook(
        lab.folder / "twice.ipynb", [*OPEN, "%kis buy 005930 10", "%kis panel", "%kis panel"]
    )
    notebook.open("twice.ipynb")
    notebook.run_all()
    first, second = (rows(notebook.outputs(i), "orders") for i in (3, 4))
    expect(first).to_have_count(1, timeout=30_000)
    expect(second).to_have_text(str(first.text_content()), timeout=30_000)
    notebook.save()
    notebook.reload("twice.ipynb")
    expect(second).to_have_count(1, timeout=60_000)


SLOW = "import asyncio\nawait asyncio.sleep(8)\nprint('slept to the end')"


def test_n04_keys_pressed_in_a_panel_never_reach_the_notebook(
    lab: Lab, notebook: NotebookPage
) -> None:
    write_notebook(lab.folder / "keys.ipynb", [*OPEN, AGENT, REST, "%kis panel", SLOW])
    notebook.open("keys.ipynb")
    for index in range(5):
        notebook.run_cell(index)
    panel = notebook.outputs(4).locator(".kisnb-desk")
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    notebook.start_cell(5)
    # The button of the order is gone after its press, and the one of the agent, too. A plain cell
    # has no focus of its own.
    for place in (
        button(panel, "orders", "cancel"),
        column(panel, "orders", "state"),
        panel.locator("button.kill"),
        button(panel, "agents", "stop"),
    ):
        place.click()
        for keys in ("dd", "00", "ii"):
            notebook.page.keyboard.type(keys, delay=30)
    expect(column(panel, "orders", "state")).to_have_text("cancelled")
    expect(column(panel, "agents", "state")).to_have_text("stopped")
    notebook.page.keyboard.type("dd00ii", delay=30)
    expect(notebook.page.locator(".jp-Dialog")).to_have_count(0)
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(6)
    expect(notebook.outputs(5)).to_have_text(re.compile("slept to the end"), timeout=20_000)
    # The same keys delete a cell where they are the notebook's.
    notebook.cell(5).locator(".jp-InputPrompt").click()
    notebook.page.keyboard.type("dd", delay=30)
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(5)


pytestmark = pytest.mark.browser
