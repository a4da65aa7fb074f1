"""N04: a day at the panel in a real JupyterLab, by mouse and keyboard: the ticket, the rows of
tables, the agents, the names behind Tab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.live_lab import Lab, true_ledger
from tests.browser.notebook_page import NotebookPage
from tests.browser.panel_page import (
    FIRST,
    button,
    column,
    open_notebook,
    panel_of,
    rows,
    table,
)

AGENT = "%kis agents start volume_trigger --code 005930"
REST = 'quote = await session.quote("005930")\norder = await session.buy("005930", 10, quote.lower)'
SLOW = "import asyncio\nawait asyncio.sleep(8)\nprint('slept to the end')"
SECONDS = 60_000


def order_by_mouse(lab: Lab, notebook: NotebookPage, panel: Locator) -> None:
    """Find a stock, click a price, send one order with two clicks, move it and cancel it."""
    ticket, depth = panel.locator(".ticket"), panel.locator(".depth")
    ticket.locator("input[name=search]").click()
    # Initials, as a person types them; d d would delete the cell.
    notebook.page.keyboard.type("ㅅㅅㅈㅈ")
    expect(ticket.locator(".found button").first).to_contain_text("삼성전자")
    notebook.page.keyboard.press("Enter")
    expect(depth.locator("h4")).to_have_text("005930 삼성전자")
    # The fourth price below the best bid waits there and is not filled.
    row = depth.locator(".level").nth(14)
    expect(row.locator(".qty.bid").first).not_to_be_empty()
    row.locator(".price").click()
    price = ticket.locator("input[name=price]")
    expect(price).to_have_value(re.compile(r"\d\d,\d00"))
    ticket.locator("input[name=quantity]").fill("10")
    expect(ticket.locator(".sum")).to_contain_text("won; fee")
    expect(ticket.locator(".what-if")).to_contain_text("KRX:")
    price.press("ArrowUp")
    price.press("ArrowDown")
    ticket.get_by_role("button", name="review buy").click()
    question = ticket.locator(".question")
    expect(question).to_contain_text("buy 10 005930 삼성전자 at")
    assert rows(panel, "orders").count() == 0
    send = question.get_by_role("button", name="send: buy")
    send.dblclick()
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    expect(ticket.locator(".result")).to_contain_text("accepted")
    expect(depth.locator(".level.mine .own")).to_have_text("buy 10")
    bought = [o for o in true_ledger(lab)["orders"] if o["side"] == "buy"]
    assert [order["leaves"] for order in bought] == [10]
    button(panel, "orders", "revise").click()
    form = panel.locator("form.revise")
    form.locator("input").first.fill("69,000")
    form.get_by_role("button", name="move").click()
    expect(column(panel, "orders", "price").first).to_have_text("69,000")
    button(panel, "orders", "cancel").first.click()
    expect(column(panel, "orders", "state").first).to_have_text("cancelled")
    expect(rows(panel, "orders").locator("button")).to_have_count(0)


def start_by_mouse(panel: Locator) -> None:
    """Start an agent for the stock of the ticket in the form above the table of agents."""
    table(panel, "agents").get_by_role("button", name="start an agent").click()
    form = panel.locator("form.start-form")
    form.get_by_role("button", name="volume_trigger", exact=True).click()
    expect(form.locator("pre")).not_to_be_empty()
    code = form.locator("input[name=code]")
    expect(code).to_have_value("005930")
    code.fill("999999")
    form.get_by_role("button", name="start", exact=True).click()
    expect(form.locator(".bad")).to_contain_text("999999")
    code.fill("005930")
    start, first = form.locator("label", has_text="qty"), "input[name=qty]"
    before = start.locator(first).input_value()
    start.get_by_role("button", name="▲").click()
    expect(start.locator(first)).to_have_value(str(int(before) + 1))
    form.get_by_role("button", name="start", exact=True).click()
    expect(form).to_have_count(0)
    expect(column(panel, "agents", "state")).to_have_text("running")


def alert_by_mouse(panel: Locator) -> None:
    """Set a price alert in the row of a stock, and end it."""
    stock = rows(panel, "stocks").filter(has_text="005930")
    stock.locator("button[data-action=alert]").click()
    form = panel.locator("form.row-form.alert")
    price = form.locator("input")
    before = int(price.input_value().replace(",", ""))
    for _ in range(3):
        form.get_by_role("button", name="▲").click()
    expect(price).to_have_value(f"{before + 300:,}")
    form.get_by_role("button", name="or above").click()
    expect(form).to_have_count(0)
    expect(rows(panel, "alerts")).to_have_count(1)
    expect(rows(panel, "alerts")).to_contain_text(f"{before + 300:,}")
    button(panel, "alerts", "off").click()
    expect(rows(panel, "alerts")).to_have_count(0)


def agent_by_mouse(panel: Locator) -> None:
    """Look at an agent, and stop it."""
    button(panel, "agents", "show").click()
    box = panel.locator(".agent-box")
    expect(box.locator("b")).to_contain_text("agent VolumeTrigger-005930 (VolumeTrigger) at 10:")
    for line in ("parameters: code='005930'", "0 orders, 0 open", "why it does nothing:"):
        expect(box.locator("pre")).to_contain_text(line)
    # It is asked for anew while it is open.
    first = box.locator("b").inner_text()
    expect(box.locator("b")).not_to_have_text(first)
    box.get_by_role("button", name="back").click()
    expect(box).to_have_count(0)


def test_n04_orders_and_agents_are_handled_by_mouse_and_no_key_reaches_the_notebook(
    lab: Lab, notebook: NotebookPage
) -> None:
    show, rest, slow, order, agents, complete = range(FIRST, FIRST + 6)
    cells = ("%kis panel", REST, SLOW, "order", "session.agents", "%kis quote 삼")
    open_notebook(lab, notebook, *cells, start="10:00:00", run=1)
    panel = panel_of(notebook, show)
    order_by_mouse(lab, notebook, panel)
    start_by_mouse(panel)
    alert_by_mouse(panel)
    agent_by_mouse(panel)

    # The button of the order is gone after its press, and the one of the agent, too. A plain cell
    # has no focus of its own.
    notebook.run_cell(rest)
    expect(column(panel, "orders", "state").first).to_have_text("accepted")
    notebook.start_cell(slow)
    for place in (
        button(panel, "orders", "cancel"),
        column(panel, "orders", "state").first,
        panel.locator("button.kill"),
        button(panel, "agents", "stop"),
    ):
        place.click()
        for keys in ("dd", "00", "ii"):
            notebook.page.keyboard.type(keys, delay=30)
    expect(column(panel, "orders", "state").first).to_have_text("cancelled")
    expect(column(panel, "agents", "state")).to_have_text("stopped")
    notebook.page.keyboard.type("dd00ii", delay=30)
    expect(notebook.page.locator(".jp-Dialog")).to_have_count(0)
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(FIRST + len(cells))
    expect(notebook.outputs(slow)).to_have_text(re.compile("slept to the end"))
    expect(rows(panel, "orders").locator("button")).to_have_count(0)
    expect(rows(panel, "agents").locator("button")).to_have_text(["show", "start"])
    expect(notebook.run_cell(order)).to_contain_text("cancelled")
    expect(notebook.run_cell(agents)).to_contain_text("stopped")

    # Tab shows the names of stocks, each in one line.
    notebook.cell(complete).locator(".cm-content").click()
    notebook.page.keyboard.press("End")
    notebook.page.keyboard.press("Tab")
    names = notebook.page.locator(".jp-Completer-typeExtended")
    expect(names.filter(has_text="삼성전자").first).to_be_visible()
    high = names.evaluate_all("all => all.map((e) => [e.textContent, e.clientHeight])")
    assert max(height for _, height in high) < 30, high
    notebook.page.keyboard.press("Escape")

    # The same keys delete a cell where they are the notebook's.
    notebook.cell(complete).locator(".jp-InputPrompt").click()
    notebook.page.keyboard.type("dd", delay=30)
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(FIRST + len(cells) - 1)


def test_n04_a_table_is_sorted_filtered_and_walked_by_keys_without_a_server_route(
    lab: Lab, notebook: NotebookPage
) -> None:
    # As in a front end without our route: the kernel sends the library.
    asked: list[str] = []
    notebook.expected_errors += ["Failed to load resource", "dynamically imported module"]
    notebook.page.route(
        "**/kisnb/vendor/**", lambda route: (asked.append(route.request.url), route.abort())[1]
    )
    notebook.page.evaluate("globalThis[Symbol.for('kisnb.libraries')]?.clear()")
    many = "q = await session.quote('005930')\n" + "\n".join(
        f"await session.buy('005930', {n}, q.lower + {n} * 100)" for n in (3, 20, 1)
    )
    open_notebook(lab, notebook, many, "%kis panel orders", start="10:00:00")
    panel = panel_of(notebook, FIRST + 1)
    expect(rows(panel, "orders")).to_have_count(3)
    assert asked
    orders = table(panel, "orders")
    head = orders.locator(".tabulator-col", has_text="quantity")
    head.click()
    expect(column(panel, "orders", "quantity")).to_have_text(["1", "3", "20"])
    head.click()
    expect(column(panel, "orders", "quantity")).to_have_text(["20", "3", "1"])
    orders.locator(".tabulator-tableholder").focus()
    notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("ArrowDown")
    expect(orders.locator(".tabulator-row.current")).to_contain_text("3")
    notebook.page.keyboard.press("Enter")
    notebook.page.keyboard.press("ArrowRight")
    notebook.page.keyboard.press("Enter")
    expect(column(panel, "orders", "state")).to_have_text(["accepted", "cancelled", "accepted"])
    orders.get_by_role("button", name="filter").click()
    notebook.page.keyboard.type("09:")
    expect(rows(panel, "orders")).to_have_count(0)
    orders.get_by_role("button", name="filter").click()
    expect(rows(panel, "orders")).to_have_count(3)


LATER = """
import asyncio
async def later():
    await session.sleep(60)
    await session.cancel(rested)
    await session.buy("005930", 7)
task = asyncio.create_task(later())
%kis until close
"""
COMMS = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.commsOverSubshells"
"""Whether JupyterLab hands the messages of widgets to subshells of the kernel."""


def test_n04_the_panel_changes_while_a_cell_waits_in_each_view_and_after_a_reload(
    lab: Lab, notebook: NotebookPage
) -> None:
    # Long enough an afternoon for a cell that waits for the close.
    _, _, first, second, later, *waits = range(FIRST, FIRST + 11)
    cells = [AGENT, f"{REST}\nrested = order", "%kis panel", "%kis panel", LATER]
    for n, _ in enumerate(("disabled", "perComm", "perCommTarget")):
        cells += [REST.replace("10", str(n + 1)), f"await session.sleep({300 + n})"]
    open_notebook(lab, notebook, *cells, start="13:00:00", run=second - FIRST + 1)
    panel, other = panel_of(notebook, first), panel_of(notebook, second)
    orders = rows(panel, "orders")
    expect(panel.locator(".kisnb-mode")).to_have_text("SIM")
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    expect(rows(other, "orders")).to_have_text(str(orders.first.text_content()))
    # The ticket is one for all views, so what is typed in one stands in the others.
    panel.locator(".ticket input[name=quantity]").fill("12")
    expect(other.locator(".ticket input[name=quantity]")).to_have_value("12")

    # Clicks reach the kernel while a cell awaits, with comms over subshells and without.
    for mode, (places, sleeps) in zip(
        ("disabled", "perComm", "perCommTarget"), zip(*[iter(waits)] * 2, strict=True), strict=True
    ):
        notebook.page.evaluate(f"mode => {{ {COMMS} = mode }}", mode)
        listed = orders.count()
        notebook.run_cell(places)
        notebook.start_cell(sleeps)
        # The newest order is the first row: a click that comes sooner cancels the one before it.
        expect(orders).to_have_count(listed + 1)
        # The pointer still rests where it cancelled the last order. A press there, right after
        # another row has slid under it, counts for nothing.
        notebook.page.mouse.move(5, 5)
        button(panel, "orders", "cancel").first.click()
        expect(column(panel, "orders", "state").first).to_have_text("cancelled")
        assert notebook.prompt(sleeps) == "[*]:", mode
        notebook.command("notebook:interrupt-kernel")
        expect(notebook.outputs(sleeps)).not_to_be_empty()

    told = rows(panel, "agents")
    note, clock = told.inner_text(), panel.locator(".clock").inner_text()
    before = orders.count()
    notebook.start_cell(later)
    expect(column(panel, "orders", "state").last).to_have_text("cancelled")
    expect(orders).not_to_have_count(before)
    expect(told).not_to_have_text(note)
    expect(panel.locator(".clock")).not_to_have_text(clock)
    assert notebook.prompt(later) == "[*]:"
    notebook.wait_for_prompt(later)
    bought = orders.filter(has_text=re.compile(r"삼성전자\s*7\s*market"))
    expect(bought).to_contain_text("filled")
    expect(panel.locator(".clock")).to_have_text(re.compile("15:3"))

    # A second view shows the same, and both are drawn anew after a reload.
    expect(rows(other, "orders")).to_have_text(orders.all_text_contents())
    count = orders.count()
    notebook.save()
    notebook.reload("desk.ipynb")
    expect(rows(other, "orders")).to_have_count(count, timeout=SECONDS)
    expect(rows(panel, "orders")).to_have_count(count, timeout=SECONDS)


pytestmark = pytest.mark.browser
