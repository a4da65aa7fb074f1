"""N04, N06: how the panel looks in a real JupyterLab, at live, and in Notebook 7."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

from kisnb.clock import KST, kst
from kisnb.market.calendar import next_trading_day
from tests.browser.live_lab import Lab, write_notebook
from tests.browser.notebook_page import VIEWPORT, NotebookPage
from tests.browser.panel_page import FIRST, button, column, open_desk, open_notebook, panel_of, rows
from tests.machine_clock import sitecustomize
from tests.session.own_host import OwnHost

AGENT = "%kis agents start volume_trigger --code 005930"
CONTRAST = Path(__file__).with_name("panel_contrast.js")
"""Finds the text that is hardest to read."""
RISE = "root => getComputedStyle(root).getPropertyValue('--rise')"
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
        for (const cell of root.querySelectorAll(".tape .trades span"))
            if (cell.scrollWidth > cell.clientWidth)
                found.push(`${cell.textContent} is cut off in the trades`);
        // The parts of the desk stand beside and below one another.
        const parts = [...root.querySelectorAll(".parts > section")].map((e) =>
            [e.dataset.table ?? e.dataset.part, e.getBoundingClientRect()]);
        parts.forEach(([name, s], i) => {
            for (const [other, t] of parts.slice(i + 1))
                if (s.left < t.right - 0.5 && t.left < s.right - 0.5
                    && s.top < t.bottom - 0.5 && t.top < s.bottom - 0.5)
                    found.push(`${name} is under ${other}`);
        });
        return found;
    }
"""
"""Says what overlaps, leaves the panel or is cut off in it."""


def test_n04_every_text_can_be_read_and_nothing_overlaps_light_or_dark_wide_or_narrow(
    lab: Lab, notebook: NotebookPage
) -> None:
    cells = [
        "q = await session.quote('005930')",
        "o = await session.buy('005930', 5, q.lower)",
        "%kis buy 005930 1 @1",
        "await session.buy('000660', 2)\nawait session.protect('000660', stop='3%', take='5%')",
        "await session.alert('005930', above=q.upper)",
        AGENT,
        "%kis panel",
        "%kis config price_colours orange-blue",
    ]
    # The third order is refused, as it should be.
    open_notebook(lab, notebook, *cells, run=len(cells) - 1)
    panel = panel_of(notebook, FIRST + len(cells) - 2)
    read = CONTRAST.read_text()
    try:
        for width in (1440, 900):
            notebook.page.set_viewport_size({"width": width, "height": 900})
            for theme in ("JupyterLab Dark", "JupyterLab Light"):
                notebook.use_theme(theme)
                for name, n in ("agents", 1), ("orders", 3), ("exits", 1), ("alerts", 1):
                    expect(rows(panel, name)).to_have_count(n)
                expect(rows(panel, "notices").filter(has_text="denied")).to_have_count(1)
                expect(button(panel, "orders", "cancel")).to_have_count(1)
                # The agent's snapshot, and the question of the ticket.
                button(panel, "agents", "show").click()
                expect(panel.locator(".agent-box pre")).to_contain_text("parameters")
                contrast, text = notebook.page.evaluate(read)
                assert contrast >= 4.5, (text, width, theme)
                panel.locator(".agent-box").get_by_role("button", name="back").click()
                assert panel.evaluate(OVERLAPS) == [], (width, theme)
        # Colours for the colour-blind come to an open panel at once, and can be read, too.
        before = panel.evaluate(RISE)
        notebook.run_cell(FIRST + len(cells) - 1)
        expect(panel).to_have_attribute("data-colours", "orange-blue")
        assert panel.evaluate(RISE) != before
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            notebook.use_theme(theme)
            contrast, text = notebook.page.evaluate(read)
            assert contrast >= 4.5, (text, theme)
    finally:
        notebook.use_theme("JupyterLab Light")
        notebook.page.set_viewport_size(VIEWPORT)


@pytest.fixture
def live_host(tmp_path: Path, lab: Lab) -> Iterator[OwnHost]:
    """A simulator that plays KIS's live host."""
    host = OwnHost(tmp_path / "live", "--host", "live", "--start", "09:30:00")
    yield host
    lab.kisnb("desk", "stop", "--mode", "live")
    host.stop()


def at_trading_hours(credentials: Path) -> str:
    """A cell that sets the clock of the kernel, and of the desk that it starts, to a trading day;
    and names the keys."""
    ahead = kst(next_trading_day(datetime.now(KST).date()), 10 * 3600) - time.time_ns()
    folder = Path(sitecustomize.__file__).parent
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return (
        "import os\n"
        f"os.environ['KISNB_CREDENTIALS'] = {str(credentials)!r}\n"
        f"os.environ[{sitecustomize.AHEAD!r}] = '{ahead}'\n"
        f"os.environ['PYTHONPATH'] = {path!r}\n"
        f"exec(open({str(folder / 'sitecustomize.py')!r}).read(), {{}})\n"
    )


def test_n06_live_stands_in_a_red_rail_and_a_buy_needs_the_typed_arming(
    lab: Lab, notebook: NotebookPage, live_host: OwnHost
) -> None:
    write_notebook(
        lab.folder / "live.ipynb",
        [at_trading_hours(live_host.file), "%load_ext kisnb", "%kis open live", "%kis panel"],
    )
    notebook.open("live.ipynb")
    for index in range(4):
        notebook.run_cell(index)
    panel = panel_of(notebook, 3)
    ticket = panel.locator(".ticket")
    expect(panel.locator(".kisnb-mode")).to_have_text("LIVE")
    expect(panel).to_have_css("border-top-color", "rgb(196, 0, 0)")
    expect(ticket).to_have_css("border-left-width", "10px")
    expect(ticket).to_have_css("border-left-color", "rgb(196, 0, 0)")
    expect(ticket.locator(".armed")).to_contain_text("Live is not armed: buys are blocked")

    def review(quantity: str) -> None:
        ticket.locator("input[name=quantity]").fill(quantity)
        ticket.locator("select[name=kind]").select_option("market")
        ticket.get_by_role("button", name="review buy").click()
        ticket.get_by_role("button", name="send: buy").click()

    ticket.locator("input[name=search]").fill("005930")
    expect(ticket.locator(".found button").first).to_contain_text("삼성전자")
    ticket.locator("input[name=search]").press("Enter")
    expect(ticket.locator(".stock")).to_contain_text("005930 삼성전자")
    review("1")
    expect(ticket.locator(".result")).to_contain_text("Live is not armed")

    tail = str(live_host.entries["my_acct_stock"])[4:8]
    form = ticket.locator(".arming")
    for typed, told in (
        (("0000", "30", "5,000,000"), "not the last four digits"),
        ((tail, "soon", "5,000,000"), "Minutes 'soon' is not a whole number"),
        ((tail, "30", ""), "The budget is missing"),
    ):
        for name, text in zip(("tail", "minutes", "budget"), typed, strict=True):
            form.locator(f"input[name={name}]").fill(text)
        form.get_by_role("button", name="arm").click()
        expect(ticket.locator(".result")).to_contain_text(told)
        expect(ticket.locator(".armed")).to_contain_text("Live is not armed")
    # A wrong form is corrected. The digits are typed again each time, and never shown.
    form.locator("input[name=tail]").fill(tail)
    form.locator("input[name=budget]").fill("5,000,000")
    assert form.locator("input[name=tail]").get_attribute("type") == "password"
    form.get_by_role("button", name="arm").click()
    expect(ticket.locator(".armed")).to_contain_text(
        re.compile(r"Live is armed until \d\d:\d\d:\d\d for buys of 5,000,000 won")
    )
    assert tail not in panel.inner_text()
    review("2")
    expect(column(panel, "orders", "state").first).to_have_text("filled", timeout=60_000)


def test_n04_notebook_7_shows_the_panel_and_takes_an_order(
    lab: Lab, notebook: NotebookPage
) -> None:
    write_notebook(lab.folder / "seven.ipynb", [*open_desk("10:00:00"), "%kis panel"])
    page = notebook.page
    # Of Notebook's own plugins two look for settings of JupyterLab that it does not have.
    notebook.expected_errors += ["reading 'schema'", "registered\\.$"]
    notebook.open_in_notebook_7("seven.ipynb")
    for index in range(3):
        cell = page.locator(".jp-Notebook .jp-CodeCell").nth(index)
        cell.locator(".cm-content").click(timeout=60_000)
        page.keyboard.press("Control+Enter")
        notebook.wait_for_prompt(index)
    panel = panel_of(notebook, 2)
    expect(panel.locator(".trading")).to_have_text("active: orders pass")
    ticket = panel.locator(".ticket")
    ticket.locator("input[name=search]").fill("삼성전자")
    # Enter takes the first stock that was found.
    expect(ticket.locator(".found button").first).to_contain_text("삼성전자")
    ticket.locator("input[name=search]").press("Enter")
    expect(ticket.locator(".stock")).to_contain_text("005930 삼성전자")
    ticket.locator("input[name=quantity]").fill("3")
    ticket.locator("select[name=kind]").select_option("market")
    ticket.get_by_role("button", name="review buy").click()
    ticket.get_by_role("button", name="send: buy").click()
    expect(column(panel, "orders", "state")).to_have_text("filled")
    # HALT stays in sight here, too.
    panel.locator("section[data-table=notices]").scroll_into_view_if_needed()
    expect(panel.locator("button.kill")).to_be_in_viewport()
    panel.locator("button.kill").click()
    panel.locator("button.kill").click()
    expect(panel.locator(".trading")).to_contain_text("halted because of", timeout=60_000)


pytestmark = pytest.mark.browser
