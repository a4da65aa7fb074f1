"""N04, N05: the page's part of a table and of a chart, without JupyterLab, driven with the messages
of a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from playwright.sync_api import expect

from kisnb.notebook.panels.part_words import part_words
from kisnb.notebook.panels.ticket_fields import TicketFields
from kisnb.terms import Phase
from tests.bench.panel import open_part, open_parts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COLUMNS = 6
PART = {
    "kind": "table", "name": "t", "title": "t", "empty": "none", "rows": 4, "fixed": True,
    "missing": "", "held": "rows wait",
}  # fmt: skip
LEFT_OUT_IN_TURN = [
    {"name": f"c{i}", "kind": "number", "tips": {}, "width": 12, "extra": i % 3}
    for i in range(COLUMNS)
]
"""Columns of which a narrow table leaves out one third after the other."""
STAYS = """
async () => {
    const head = document.querySelector(".tabulator-header");
    await new Promise((done) => setTimeout(done, 150));
    return head !== null && head.isConnected;
}
"""


FIRST_SEEN = """
() => {
    window.seen = [];
    const empty = "[data-table=u] .tabulator-header";
    const wanted = {row: ".tabulator-row", empty, chart: "canvas"};
    new MutationObserver(() => {
        for (const [name, selector] of Object.entries(wanted)) {
            if (!seen.includes(name) && document.querySelector(selector)) seen.push(name);
        }
    }).observe(document.body, {childList: true, subtree: true});
}
"""
"""Notes in ``window.seen`` what came to the page, the first one first."""
CUT = """
() => [...document.querySelectorAll(".tape .trades span, .depth .row > *")].filter((node) => {
    const own = node.getBoundingClientRect();
    const row = node.parentElement.getBoundingClientRect();
    const part = node.closest("section").getBoundingClientRect();
    const edge = Math.min(row.right, part.right) + 0.5;
    const isCut = node.scrollWidth > node.clientWidth || node.scrollHeight > 21;
    return isCut || own.right > edge || own.bottom > row.bottom + 0.5;
}).map((node) => node.textContent)
"""
"""The texts of trades and depth that are cut off, or that leave the part."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 900, "height": 600})
    yield context.new_page()
    context.close()


def tell(page: Page, table: dict[str, Any], seq: int) -> None:
    """A delta of a table, as the kernel sends it; the first message is a snapshot."""
    send(page, seq, tables={"t": table})


def send(page: Page, seq: int, **parts: dict[str, Any]) -> None:
    """A message of the kernel with ``tables`` or ``views``; the first one is a snapshot."""
    common = {"seq": seq, "header": {}, "views": {}, "tables": {}}
    page.evaluate("m => window.tell(m)", {"kind": "delta" if seq else "snapshot"} | common | parts)


def test_n04_a_table_is_drawn_at_each_width_and_shows_rows_that_come_change_and_go(
    page: Page,
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_part(page, PART)
    tell(page, {"columns": LEFT_OUT_IN_TURN, "rows": []}, 0)
    heads, rows = page.locator(".tabulator-col"), page.locator(".tabulator-row")
    expect(page.locator(".tabulator-placeholder")).to_contain_text("none")
    # Each width has its own level of what is left out. One of them lies at a boundary.
    counts = []
    for width in range(426, 404, -1):
        page.set_viewport_size({"width": width, "height": 600})
        page.wait_for_timeout(60)
        # A table that is built anew for ever has other headings a moment later.
        assert page.evaluate(STAYS), width
        counts.append(heads.count())
    # The columns of one level after the other are left out.
    assert counts == sorted(counts, reverse=True)
    assert set(counts) == {4, 2}
    page.set_viewport_size({"width": 900, "height": 600})
    expect(heads).to_have_count(COLUMNS)
    tell(page, {"add": [[0, "a", ["1"] * COLUMNS]]}, 1)
    tell(page, {"add": [[0, "b", ["2"] * COLUMNS]], "set": {"a": {"2": "77"}}}, 2)
    expect(rows).to_have_text(["222222", "1177111"])
    tell(page, {"set": {"a": {"0": ["9,000", "up"]}, "b": {"0": ["30", "down"]}}}, 3)
    expect(rows).to_have_text(["3022222", "9,000177111"])
    expect(rows.last.locator(".up")).to_have_text("9,000")
    # The changed cells are marked for a moment.
    expect(page.locator(".flash")).to_have_count(0)
    tell(page, {"set": {"a": {"3": "5"}, "b": {"3": "6"}}}, 4)
    expect(page.locator(".tabulator-cell.flash")).to_have_text(["6", "5"])
    expect(page.locator(".flash")).to_have_count(0)
    tell(page, {"set": {"a": {"3": "1"}, "b": {"3": "2"}}}, 5)
    # A changed cell counts when the rows are sorted and filtered.
    heads.first.click()
    expect(rows).to_have_text(["3022222", "9,000177111"])
    heads.first.click()
    expect(rows).to_have_text(["9,000177111", "3022222"])
    page.get_by_role("button", name="filter").click()
    page.keyboard.type("9,0")
    expect(rows).to_have_text(["9,000177111"])
    page.get_by_role("button", name="filter").click()
    tell(page, {"drop": ["a"]}, 6)
    expect(rows).to_have_text(["3022222"])
    # A row that the page does not have means that a message was lost: it asks for all rows.
    assert page.evaluate("window.asked") == 1
    tell(page, {"set": {"b": {"1": "5"}}}, 8)
    page.wait_for_function("window.asked === 2")
    assert errors == []


def test_n04_a_page_notices_a_lost_change_in_a_quiet_market(page: Page) -> None:
    open_part(page, PART)
    tell(page, {"columns": LEFT_OUT_IN_TURN, "rows": [["a", ["1"] * COLUMNS]]}, 0)
    tell(page, {"set": {"a": {"0": "2"}}}, 1)
    page.evaluate("m => window.tell(m)", {"kind": "beat", "seq": 1})
    assert page.evaluate("window.asked") == 1
    # Change 2 was lost, and none follows.
    page.evaluate("m => window.tell(m)", {"kind": "beat", "seq": 2})
    assert page.evaluate("window.asked") == 2


def test_n04_rows_come_before_the_chart_and_empty_tables_and_nothing_moves(page: Page) -> None:
    open_parts(page, [CHART, PART | {"name": "u"}, PART], "alone")
    page.evaluate(FIRST_SEEN)
    place = page.locator("[data-table=u] .grid")
    room = place.bounding_box()
    tables = {
        "u": {"columns": LEFT_OUT_IN_TURN, "rows": []},
        "t": {"columns": LEFT_OUT_IN_TURN, "rows": [["a", ["1"] * COLUMNS]]},
    }
    send(page, 0, tables=tables)
    page.wait_for_function("window.seen.length === 3")
    assert page.evaluate("window.seen[0]") == "row"
    expect(place.locator(".tabulator-placeholder")).to_contain_text("none")
    assert place.bounding_box() == room
    # A row that comes to it is drawn.
    send(page, 1, tables={"u": {"add": [[0, "b", ["2"] * COLUMNS]]}})
    expect(place.locator(".tabulator-row")).to_have_text("2" * COLUMNS)


def test_n04_a_table_of_another_width_keeps_its_rows_their_order_and_the_filter(
    page: Page,
) -> None:
    open_part(page, PART)
    rows = [[key, [f"{n}", *"12345"]] for n, key in enumerate("abcd")]
    tell(page, {"columns": LEFT_OUT_IN_TURN, "rows": rows}, 0)
    heads, shown = page.locator(".tabulator-col"), page.locator(".tabulator-row")
    first, last = page.locator(".tabulator-cell[tabulator-field=c0]"), heads.last
    heads.first.click()
    heads.first.click()
    expect(first).to_have_text(["3", "2", "1", "0"])
    # A row that is taken off the page is drawn anew: nobody may see the table blank.
    page.evaluate("window.blank = 0")
    page.evaluate("""() => {
        const look = () => {
            window.blank += document.querySelector(".tabulator-row") === null;
            requestAnimationFrame(look);
        };
        look();
    }""")
    page.set_viewport_size({"width": 404, "height": 600})
    expect(heads).to_have_count(2)
    expect(first).to_have_text(["3", "2", "1", "0"])
    # Rows under the pointer keep their places.
    page.mouse.move(300, 590)
    tell(page, {"set": {"b": {"0": "7", "5": "66"}}}, 1)
    expect(first).to_have_text(["7", "3", "2", "0"])
    page.get_by_role("button", name="filter").click()
    page.keyboard.type("7")
    expect(first).to_have_text(["7"])
    page.set_viewport_size({"width": 900, "height": 600})
    expect(heads).to_have_count(COLUMNS)
    expect(shown).to_have_text(["7123466"])
    expect(heads.first.locator("input")).to_have_value("7")
    # The column of this filter is left out where there is no room, and its filter with it.
    heads.first.locator("input").press("Control+a")
    page.keyboard.press("Delete")
    expect(shown).to_have_count(4)
    last.locator("input").press_sequentially("66")
    expect(first).to_have_text(["7"])
    page.set_viewport_size({"width": 404, "height": 600})
    expect(heads).to_have_count(2)
    expect(first).to_have_text(["7", "3", "2", "0"])
    assert page.evaluate("window.blank") == 0


def test_n04_each_press_of_an_arrow_counts_however_fast_it_comes(page: Page) -> None:
    field = {"column": "price", "name": "price", "lead": "at"}
    alert = {"fields": [field], "buttons": [["above", "or above", ""]]}
    open_part(page, PART | {"forms": {"alert": alert}})
    columns = [
        {"name": "price", "kind": "number", "tips": {}, "width": 12, "extra": 0},
        {"name": "", "kind": "action", "tips": {}, "width": 12, "extra": 0},
    ]
    tell(page, {"columns": columns, "rows": [["005930", ["71,000", "alert"]]]}, 0)
    page.get_by_role("button", name="alert").click()
    for arrow in ("▲", "▲", "▼"):
        page.get_by_role("button", name=arrow).click()
    asked = "window.sent.filter((message) => message.kind === 'step')"
    for n, (text, step) in enumerate([("71,000", 1), ("71,100", 1), ("71,200", -1)], 1):
        page.wait_for_function(f"{asked}.length === {n}")
        message = page.evaluate(f"{asked}.at(-1)")
        assert (message["text"], message["n"]) == (text, step)
        said = message | {"kind": "stepped", "text": ("71,100", "71,200", "71,100")[n - 1]}
        page.evaluate("m => window.tell(m)", said)
    expect(page.locator("form.alert input")).to_have_value("71,100")
    assert page.evaluate(f"{asked}.length") == 3


def test_n04_a_table_that_was_built_without_a_place_shows_its_rows_once_it_has_one(
    page: Page,
) -> None:
    open_part(page, PART)
    hidden = page.add_style_tag(content=".tabulator-tableholder, .tabulator-header {display: none}")
    columns = [{"name": "c", "kind": "number", "tips": {}, "width": 12, "extra": 0}]
    tell(page, {"columns": columns, "rows": [["a", ["1"]], ["b", ["2"]]]}, 0)
    heads, rows = page.locator(".tabulator-col"), page.locator(".tabulator-row")
    expect(heads).to_have_count(1)
    page.evaluate("window.frames2()")
    expect(rows).to_have_count(0)
    hidden.evaluate("node => node.remove()")
    expect(rows).to_have_text(["1", "2"])
    expect(heads).to_be_visible()
    # A filter that finds nothing leaves it empty.
    page.get_by_role("button", name="filter").click()
    page.keyboard.type("7")
    expect(rows).to_have_count(0)


AGENTS = [
    {"name": "agent", "kind": "text", "tips": {}, "width": 12},
    {"name": "note", "kind": "note", "tips": {}},
    {"name": "", "kind": "action", "tips": {}, "width": 30},
]
WIDTHS = {"beside the row": 900, "below the row": 230}
"""Where the buttons of a row stand, and a width of the page at which they do."""


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_n04_a_press_counts_for_its_row_when_the_table_is_drawn_anew_before_it_ends(
    page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 600})
    # The page's clock goes on by itself, and can jump.
    page.clock.install()
    open_part(page, PART)
    rows = [["a", ["first", "", "pause stop"]], ["b", ["second", "", "pause stop"]]]
    tell(page, {"columns": AGENTS, "rows": rows}, 0)
    seq = 0

    def press(label: str, *changes: dict[str, Any], row: int = 0) -> None:
        """Press a button of a row with the mouse; the changes arrive before it is released."""
        nonlocal seq
        page.mouse.move(5, 400)
        expect(page.locator("section.table")).not_to_contain_text("rows wait")
        button = page.locator(".tabulator-row").nth(row).locator(f"button[data-action={label}]")
        button.hover()
        page.mouse.down()
        for change in changes:
            seq += 1
            tell(page, change, seq)
            page.evaluate("window.frames2()")
        page.mouse.up()

    def pressed() -> list[str]:
        return page.evaluate(
            "window.sent.filter(m => m.kind === 'press').map(m => `${m.action} ${m.key}`)"
        )

    # The buttons of the row change, its note changes, all rows are sent anew, rows come on top.
    press("stop", {"set": {"a": {"2": "show stop"}}})
    assert pressed() == ["stop a"]
    press("pause", {"set": {"b": {"1": "bought 3"}}}, row=1)
    assert pressed() == ["stop a", "pause b"]
    press("stop", {"rows": [["b", ["second", "", "stop"]], ["c", ["third", "", "stop"]]]}, row=1)
    assert pressed() == ["stop a", "pause b", "stop b"]
    # While the pointer is on a button no row comes, so that a second click meets the same row.
    press("stop", {"add": [[0, "d", ["fourth", "", "stop"]]]}, {"drop": ["b"]}, row=1)
    assert pressed() == ["stop a", "pause b", "stop b", "stop c"]
    agents = page.locator(".tabulator-row .tabulator-cell:first-child")
    expect(agents).to_have_text(["second", "third"])
    expect(page.locator("section.table")).to_contain_text("rows wait")
    page.mouse.move(5, 400)
    expect(agents).to_have_text(["fourth", "third"])
    expect(page.locator("section.table")).not_to_contain_text("rows wait")
    # A button that takes another one's place takes no click of a double click.
    page.locator("button[data-action=stop]").first.hover()
    page.mouse.down()
    tell(page, {"set": {"d": {"2": "start"}}}, seq + 1)
    page.evaluate("window.frames2()")
    page.mouse.up()
    page.locator("button[data-action=start]").click(force=True)
    assert pressed()[4:] == ["stop d"]
    # A pointer that goes away from the button before it goes up presses nothing.
    page.locator("button[data-action=stop]").last.hover()
    page.mouse.down()
    page.mouse.move(5, 400)
    page.mouse.up()
    assert len(pressed()) == 5

    def rest(*changes: dict[str, Any]) -> None:
        """Let the pointer rest on the stop button of "third" until the waiting rows are drawn."""
        nonlocal seq
        page.mouse.move(5, 400)
        seq += 1
        last = [["c", ["third", "", "stop"]], ["e", ["fifth", "", "stop"]]]
        tell(page, {"rows": last}, seq)
        expect(agents).to_have_text(["third", "fifth"])
        page.clock.fast_forward(3_000)
        page.locator("button[data-action=stop]").first.hover()
        for change in changes:
            seq += 1
            tell(page, change, seq)
        page.evaluate("window.frames2()")
        expect(agents).to_have_text(["third", "fifth"])
        page.clock.fast_forward(6_000)

    def click() -> None:
        page.mouse.down()
        page.mouse.up()

    # A pointer that is parked on a button holds rows back for some seconds only. A click right
    # after them is for the row that it was aimed at, and a double click is, too.
    seq += 1
    above = {"add": [[0, "n", ["new", "", "stop"]]]}
    rest(above)
    expect(agents).to_have_text(["new", "third", "fifth"])
    click()
    click()
    assert pressed()[5:] == ["stop c"]
    # The row that it was aimed at is gone: the click counts for no other one.
    rest({"drop": ["c"]})
    expect(agents).to_have_text(["fifth"])
    click()
    assert pressed()[5:] == ["stop c"]
    # Whoever has seen the new row for a while, or moves to it, means it.
    rest(above)
    expect(agents).to_have_text(["new", "third", "fifth"])
    page.wait_for_timeout(600)
    page.clock.fast_forward(2_000)
    click()
    assert pressed()[5:] == ["stop c", "stop n"]
    rest(above)
    expect(agents).to_have_text(["new", "third", "fifth"])
    page.locator("button[data-action=stop]").nth(1).hover()
    click()
    assert pressed()[5:] == ["stop c", "stop n", "stop c"]


TICKET = {
    "revision": 0, "fields": msgspec.to_builtins(TicketFields()), "found": [], "suggested": [],
    "kinds": ["limit"], "stock": ["", "", ""], "venues": [""], "priced": True, "can": "",
    "sum": "", "route": "", "what_if": [], "warnings": [], "problem": "", "question": None,
    "result": ["", ""], "live": False, "armed": "",
}  # fmt: skip


def test_n04_the_second_click_of_a_double_click_sends_no_order(page: Page) -> None:
    open_part(page, part_words("ticket", {}, fixed=True))
    page.clock.install()
    send(page, 0, views={"ticket": TICKET})
    for seq, question in enumerate(("q1", "q2"), 1):
        send(page, seq, views={"ticket": TICKET | {"question": [question, "buy 10 005930?"]}})
        page.clock.run_for(100)
        confirm = page.get_by_role("button", name="send: buy")
        sent = f"window.sent.filter(m => m.confirm === '{question}').length"
        # The first click asked for the review.
        confirm.dispatch_event("click")
        assert page.evaluate(sent) == 0
        page.clock.run_for(700)
        confirm.click()
        confirm.dispatch_event("click")
        assert page.evaluate(sent) == 1


def test_n04_enter_chooses_a_stock_of_the_typed_text_and_not_of_an_older_list(page: Page) -> None:
    open_part(page, part_words("ticket", {}, fixed=True))
    samsung = ["005930", "삼성전자", "KOSPI"]
    hynix = ["000660", "SK하이닉스", "KOSPI"]
    ticket = TICKET | {"suggested": [samsung]}
    fields = msgspec.to_builtins(TicketFields())
    seq = -1

    def answer(search: str, *found: list[str]) -> None:
        """What the kernel says about a typed text."""
        nonlocal seq
        seq += 1
        view = ticket | {"fields": fields | {"search": search}, "found": list(found)}
        send(page, seq, views={"ticket": view})
        page.evaluate("window.frames2()")

    def chosen() -> list[str]:
        sent = page.evaluate("window.sent ?? []")
        return [message["choose"] for message in sent if "choose" in message]

    answer("")
    search, listed = page.locator("input[name=search]"), page.locator(".found button")
    search.click()
    # Before anything is typed it offers what the desk watches.
    expect(listed).to_have_text("삼성전자005930KOSPI")
    search.press("Enter")
    assert chosen() == []
    page.keyboard.type("ㅅ")
    answer("ㅅ", samsung, hynix)
    expect(listed).to_have_count(2)
    # The person typed on, and the list is not that of the new text yet.
    page.keyboard.type("ㅎㅇ")
    search.press("Enter")
    assert chosen() == []
    answer("ㅅㅎ", samsung)
    assert chosen() == []
    answer("ㅅㅎㅇ", hynix)
    assert chosen() == ["000660"]
    expect(listed).to_have_count(0)
    answer("ㅅㅎㅇ", hynix)
    assert chosen() == ["000660"]
    # A text that is changed after Enter was not entered. A press elsewhere closes the list.
    search.click()
    page.keyboard.type("ㅂ")
    search.press("Enter")
    page.keyboard.press("Backspace")
    answer("ㅅㅎㅇㅂ", samsung)
    answer("ㅅㅎㅇ", hynix)
    assert chosen() == ["000660"]
    expect(listed).to_have_text("SK하이닉스000660KOSPI")
    page.mouse.click(5, 5)
    expect(listed).to_have_count(0)


def test_n04_a_large_trade_at_a_high_price_is_not_cut_in_any_width(page: Page) -> None:
    open_part(page, part_words("tape", {}, fixed=True), "desk")
    trades = [
        ["09:02:56", "1,234,000", "up", "115,505", "down", "KRX"],
        ["09:02:56", "1,234", "up", "11,155,505", "down", "NXT"],
        ["09:02:56", "70,100", "down", "20", "up", "KRX"],
    ]
    send(page, 0, views={"tape": {"title": "Trades of 삼성바이오로직스", "trades": trades}})
    expect(page.locator(".trades > div")).to_have_count(3)
    for width in (1440, 1180, 1100, 900, 700, 420):
        page.set_viewport_size({"width": width, "height": 600})
        page.evaluate("window.frames2()")
        assert page.evaluate(CUT) == [], width


def test_n04_the_phase_of_a_venue_and_large_depth_are_not_cut_in_any_width(page: Page) -> None:
    open_part(page, part_words("depth", {}, fixed=True), "desk")
    row = [
        "1,234,000",
        "up",
        "+29.99",
        True,
        "sell 10,000",
        ["1,234,567", "ask", 100],
        ["7", "ask", 1],
    ]
    for seq, (phase, other) in enumerate(pairwise(["", *Phase])):
        depth = {
            "code": "005930", "title": "005930 삼성전자", "price": ["1,234,000", "▲ 1", "up"],
            "line": "expected 71,300 × 159,241 at KRX", "totals": [["12,345,678", "9"]] * 2,
            "venues": [[f"KRX {phase}", "tip"], [f"NXT {other}", "tip"]], "r0": row, "r19": row,
        }  # fmt: skip
        send(page, seq, views={"depth": depth})
        expect(page.locator(".heads .qty").last).to_have_text(f"NXT {other}")
        for width in (1440, 1180, 900, 420):
            page.set_viewport_size({"width": width, "height": 700})
            page.evaluate("window.frames2()")
            assert page.evaluate(CUT) == [], (width, phase)


CHART = {"kind": "chart", "name": "chart", "lengths": ["1m"], "missing": ""}
DRAWN = """
() => {
    window.drawn = new Map();
    const fill = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        const width = this.measureText(text).width;
        const left = this.textAlign === "center" ? x - width / 2 : x;
        window.drawn.set(text, [left, left + width]);
        fill.apply(this, arguments);
    };
}
"""
"""Keeps the left and the right edge of each text that a canvas draws, in the canvas's pixels."""


def test_n05_the_shares_of_neighbouring_fills_are_not_drawn_over_each_other(page: Page) -> None:
    page.evaluate(DRAWN)
    open_part(page, CHART)
    start, bars = 1_795_132_800, 60
    rows = [
        [start + 60 * i, 70_000, 70_500, 69_500, 70_100, 100, None, None, None, None, 0]
        for i in range(bars)
    ]
    bought = {10: "100", 11: "100", 12: "1,000", 30: "7", 50: "23"}
    marks = [[start + 60 * i, "buy", text, f"buy {text}"] for i, text in bought.items()]
    marks += [[start + 60 * 11, "sell", "40", "sell 40"]]
    chart = {
        "kind": "candles", "code": "005930", "every": "1m", "title": "t", "why": "", "number": 1,
        "reset": True, "rows": rows, "marks": sorted(marks), "orders": [],
    }  # fmt: skip
    page.evaluate("m => window.tell(m)", chart)
    page.locator("canvas").first.wait_for()
    page.wait_for_function("() => window.drawn.has('23')")
    drawn = page.evaluate("Object.fromEntries(window.drawn)")
    assert drawn.keys() >= {"1,200 in 3", "7", "23", "40"}
    assert not drawn.keys() & {"100", "1,000"}
    # The sell stands above its candle, the buys stand below theirs.
    below = sorted(drawn[text] for text in ("1,200 in 3", "7", "23"))
    assert all(left[1] < right[0] for left, right in pairwise(below)), drawn

    def zoom(start: float, by: int) -> dict[str, list[float]]:
        """Drag the time axis by pixels, left for wider bars. The texts that are drawn then."""
        box = page.locator(".chart table").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] * start, box["y"] + box["height"] - 8
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + by, y, steps=4)
        page.evaluate("window.drawn.clear()")
        page.mouse.move(x + by + 1, y)
        page.evaluate("window.frames2()")
        page.mouse.up()
        found: dict[str, list[float]] = page.evaluate("Object.fromEntries(window.drawn)")
        return found

    # Wider bars have room for each number, closer bars for fewer.
    near = {"rows": rows[:14], "marks": marks[:3], "code": "000660", "number": 2}
    page.evaluate("window.drawn.clear()")
    page.evaluate("m => window.tell(m)", chart | near)
    page.wait_for_function("() => window.drawn.has('1,200 in 3')")
    drawn = zoom(0.84, -650)
    assert "1,000" in drawn
    assert "1,200 in 3" not in drawn
    assert "1,200 in 3" in zoom(0.2, 600)


def test_n04_ten_thousand_orders_are_drawn_sorted_filtered_and_changed(page: Page) -> None:
    open_part(page, PART)
    columns = [
        {"name": f"c{i}", "kind": "number", "tips": {}, "width": 12, "extra": 0} for i in range(3)
    ]
    whole = [[f"k{n}", [f"{n:,}", f"{n % 7}", "open"]] for n in range(10_000)]
    tell(page, {"columns": columns, "rows": whole}, 0)
    rows = page.locator(".tabulator-row")
    expect(page.locator(".count").first).to_have_text("10,000")
    expect(rows.first).to_have_text("00open")
    # Only the rows in sight are on the page.
    assert rows.count() < 60
    tell(page, {"set": {f"k{n}": {"2": "done"} for n in range(9_980, 10_000)}}, 1)
    head = page.locator(".tabulator-col").first
    head.click()
    head.click()
    expect(rows.first).to_have_text("9,9993done")
    tell(page, {"add": [[0, "new", ["10,000", "4", "open"]]], "drop": ["k9999"]}, 2)
    expect(rows.first).to_have_text("10,0004open")
    expect(rows.nth(1)).to_have_text("9,9982done")
    page.get_by_role("button", name="filter").click()
    page.keyboard.type("9,98")
    expect(rows).to_have_count(10)


pytestmark = pytest.mark.browser
