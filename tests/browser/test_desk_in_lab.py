"""N04, N05: depth, ticket and live candles in a real JupyterLab, by mouse and keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.live_lab import Lab, true_ledger, write_notebook
from tests.browser.notebook_page import NotebookPage, button, column, rows

OPEN = "%load_ext kisnb", "%kis open sim --seed 7 --date 2026-11-20 --start 10:00:00"
SECONDS = 20_000


def opened(lab: Lab, notebook: NotebookPage, *cells: str) -> Locator:
    """The panel of the last cell."""
    write_notebook(lab.folder / "desk.ipynb", [*OPEN, *cells])
    notebook.open("desk.ipynb")
    for index in range(len(OPEN) + len(cells)):
        notebook.run_cell(index)
    return notebook.outputs(len(OPEN) + len(cells) - 1).locator(".kisnb-desk")


def test_n04_a_stock_is_found_a_price_is_clicked_and_two_clicks_send_one_order(
    lab: Lab, notebook: NotebookPage
) -> None:
    errors: list[str] = []
    notebook.page.on("pageerror", lambda error: errors.append(str(error)))
    panel = opened(lab, notebook, "%kis panel")
    ticket, depth = panel.locator(".ticket"), panel.locator(".depth")
    ticket.locator("input[name=search]").click()
    # Initials, as a person types them; d d would delete the cell.
    notebook.page.keyboard.type("ㅅㅅㅈㅈ")
    expect(ticket.locator(".found button").first).to_contain_text("삼성전자", timeout=SECONDS)
    notebook.page.keyboard.press("Enter")
    expect(depth.locator("h4")).to_have_text("005930 삼성전자", timeout=SECONDS)
    # The fourth price below the best bid waits there and is not filled.
    row = depth.locator(".level").nth(14)
    expect(row.locator(".qty.bid").first).not_to_be_empty(timeout=SECONDS)
    row.locator(".price").click()
    price = ticket.locator("input[name=price]")
    expect(price).to_have_value(re.compile(r"\d\d,\d00"))
    ticket.locator("input[name=quantity]").fill("10")
    expect(ticket.locator(".sum")).to_contain_text("won; fee", timeout=SECONDS)
    expect(ticket.locator(".what-if")).to_contain_text("KRX:", timeout=SECONDS)
    price.press("ArrowUp")
    price.press("ArrowDown")
    ticket.get_by_role("button", name="review buy").click()
    question = ticket.locator(".question")
    expect(question).to_contain_text("buy 10 005930 삼성전자 at", timeout=SECONDS)
    assert rows(panel, "orders").count() == 0
    send = question.get_by_role("button", name="send: buy")
    send.dblclick()
    expect(column(panel, "orders", "state")).to_have_text("accepted", timeout=SECONDS)
    expect(ticket.locator(".result")).to_contain_text("accepted", timeout=SECONDS)
    expect(depth.locator(".level.mine .own")).to_have_text("buy 10", timeout=SECONDS)
    bought = [o for o in true_ledger(lab)["orders"] if o["side"] == "buy"]
    assert [order["leaves"] for order in bought] == [10]
    # The order is moved and cancelled in its row.
    button(panel, "orders", "revise").click()
    form = panel.locator("form.revise")
    form.locator("input").first.fill("69,000")
    form.get_by_role("button", name="move").click()
    expect(column(panel, "orders", "price").first).to_have_text("69,000", timeout=SECONDS)
    button(panel, "orders", "cancel").first.click()
    expect(column(panel, "orders", "state").first).to_have_text("cancelled", timeout=SECONDS)
    assert errors == []


def test_n05_live_candles_grow_and_follow_the_theme(lab: Lab, notebook: NotebookPage) -> None:
    panel = opened(lab, notebook, "%kis buy 005930 10", "%kis panel chart 005930")
    chart = panel.locator(".chart")
    expect(chart.locator("canvas").first).to_be_visible(timeout=SECONDS)
    expect(chart.locator(".legend")).to_contain_text("MA5", timeout=SECONDS)
    first = chart.locator(".legend").inner_text()
    expect(chart.locator(".legend")).not_to_have_text(first, timeout=60_000)
    ground = "e => getComputedStyle(e.closest('.kisnb-desk')).getPropertyValue('--ground')"
    light = chart.evaluate(ground)
    notebook.use_theme("JupyterLab Dark")
    expect(chart.locator(".legend span").first).to_have_css("color", "rgb(255, 183, 77)")
    assert chart.evaluate(ground) != light
    chart.get_by_role("button", name="5m").click()
    expect(chart.get_by_role("button", name="5m")).to_have_attribute("aria-pressed", "true")
    notebook.use_theme("JupyterLab Light")


def test_n04_a_table_is_sorted_filtered_and_walked_by_keys_without_a_server_route(
    lab: Lab, notebook: NotebookPage
) -> None:
    # As in a front end without our route: the kernel sends the library.
    asked: list[str] = []
    notebook.page.route(
        "**/kisnb/vendor/**", lambda route: (asked.append(route.request.url), route.abort())[1]
    )
    notebook.page.evaluate("globalThis[Symbol.for('kisnb.libraries')]?.clear()")
    many = "q = await session.quote('005930')\n" + "\n".join(
        f"await session.buy('005930', {n}, q.lower + {n} * 100)" for n in (3, 20, 1)
    )
    panel = opened(lab, notebook, many, "%kis panel orders")
    expect(rows(panel, "orders")).to_have_count(3, timeout=SECONDS)
    assert asked
    table = panel.locator("section[data-table=orders]")
    head = table.locator(".tabulator-col", has_text="quantity")
    head.click()
    expect(column(panel, "orders", "quantity")).to_have_text(["1", "3", "20"])
    head.click()
    expect(column(panel, "orders", "quantity")).to_have_text(["20", "3", "1"])
    table.locator(".tabulator-tableholder").focus()
    notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("ArrowDown")
    expect(table.locator(".tabulator-row.current")).to_contain_text("3")
    notebook.page.keyboard.press("Enter")
    notebook.page.keyboard.press("ArrowRight")
    notebook.page.keyboard.press("Enter")
    expect(column(panel, "orders", "state")).to_have_text(["accepted", "cancelled", "accepted"])
    table.get_by_role("button", name="filter").click()
    notebook.page.keyboard.type("09:")
    expect(rows(panel, "orders")).to_have_count(0)
    table.get_by_role("button", name="filter").click()
    expect(rows(panel, "orders")).to_have_count(3)


pytestmark = pytest.mark.browser
