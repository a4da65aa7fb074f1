"""N04: the page's part of a table, driven with the messages of a kernel, without JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.bench.panel import open_part

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COLUMNS = 6
PART = {
    "kind": "table", "name": "t", "title": "t", "empty": "none", "rows": 4, "fixed": True,
    "missing": "",
}  # fmt: skip
STAYS = """
async () => {
    const head = document.querySelector(".tabulator-header");
    await new Promise((done) => setTimeout(done, 150));
    return head !== null && head.isConnected;
}
"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 900, "height": 600})
    yield context.new_page()
    context.close()


def tell(page: Page, table: dict[str, Any], seq: int) -> None:
    """A delta, as the kernel sends it; the first message is a snapshot."""
    common = {"seq": seq, "header": {}, "views": {}, "tables": {"t": table}}
    page.evaluate("m => window.tell(m)", {"kind": "delta" if seq else "snapshot"} | common)


def test_n04_a_table_is_drawn_at_each_width_and_shows_rows_that_come_change_and_go(
    page: Page,
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_part(page, PART)
    columns = [
        {"name": f"c{i}", "kind": "number", "tips": {}, "width": 12, "extra": i % 3}
        for i in range(COLUMNS)
    ]
    tell(page, {"columns": columns, "rows": []}, 0)
    heads, rows = page.locator(".tabulator-col"), page.locator(".tabulator-row")
    expect(page.locator(".tabulator-placeholder")).to_contain_text("none")
    # Each width has its own level of what is left out. One of them lies at a boundary.
    for width in range(426, 404, -1):
        page.set_viewport_size({"width": width, "height": 600})
        expect(heads).to_have_count(COLUMNS)
        page.wait_for_timeout(60)
        # A table that is built anew for ever has other headings a moment later.
        assert page.evaluate(STAYS), width
    page.set_viewport_size({"width": 900, "height": 600})
    tell(page, {"add": [[0, "a", ["1"] * COLUMNS]]}, 1)
    tell(page, {"add": [[0, "b", ["2"] * COLUMNS]], "set": {"a": {"2": "77"}}}, 2)
    expect(rows).to_have_text(["222222", "1177111"])
    tell(page, {"set": {"a": {"0": ["9,000", "up"]}, "b": {"0": ["30", "down"]}}}, 3)
    expect(rows).to_have_text(["3022222", "9,000177111"])
    expect(rows.last.locator(".up")).to_have_text("9,000")
    # A changed cell counts when the rows are sorted and filtered.
    heads.first.click()
    expect(rows).to_have_text(["3022222", "9,000177111"])
    heads.first.click()
    expect(rows).to_have_text(["9,000177111", "3022222"])
    page.get_by_role("button", name="filter").click()
    page.keyboard.type("9,0")
    expect(rows).to_have_text(["9,000177111"])
    page.get_by_role("button", name="filter").click()
    tell(page, {"drop": ["a"]}, 4)
    expect(rows).to_have_text(["3022222"])
    # A row that the page does not have means that a message was lost: it asks for all rows.
    assert page.evaluate("window.asked") == 1
    tell(page, {"set": {"b": {"1": "5"}}}, 6)
    page.wait_for_function("window.asked === 2")
    assert errors == []


pytestmark = pytest.mark.browser
