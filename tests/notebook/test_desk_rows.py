"""N04: what the desk panel shows of orders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from kisnb.clock import SECOND, kst
from kisnb.drawing.tables import cells_of
from kisnb.events import (
    Accepted,
    Cancelled,
    CancelStarted,
    Denied,
    Filled,
    IntentTaken,
    OrderFact,
    SendStarted,
    SendUnknown,
    Sent,
)
from kisnb.notebook.panels.desk_html import ROWS, table_html
from kisnb.notebook.panels.desk_rows import ORDERS_SHOWN, order_table
from kisnb.notebook.panels.row_deltas import Cells
from kisnb.orders import Intent, OrderRef, Route
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.order_books.order_columns import IN_OUTPUT, IN_PANEL

OPEN = kst(date(2026, 11, 20), 9 * 3600)

NAMES = [
    "time", "side", "stock", "quantity", "price", "filled", "average", "state", "venue", "number",
    "agent", "why", "button",
]  # fmt: skip


def books_after(*facts: OrderFact) -> OrderBooks:
    books = OrderBooks()
    for fact in facts:
        books.apply(fact)
    return books


def taken(
    key: str, qty: int = 10, price: int | None = 71_000, side: Side = Side.BUY
) -> IntentTaken:
    kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    return IntentTaken(OPEN, Intent(key, "trigger", "005930", side, qty, kind, price))


def accepted(key: str, number: int) -> list[OrderFact]:
    route = Route(Venue.KRX, OrderKind.LIMIT, "session_default")
    ref = OrderRef(20261120, "00950", number)
    return [SendStarted(OPEN, key, route), Sent(OPEN, key, ref), Accepted(OPEN + SECOND, key, ref)]


def order_rows(books: OrderBooks) -> Mapping[str, Cells]:
    return order_table({"005930": "삼성전자"}.__getitem__, books.orders.values).rows()


def shown(books: OrderBooks, key: str) -> dict[str, str]:
    cells = order_rows(books)[key]
    texts = [cell if isinstance(cell, str) else cell[0] for cell in cells]
    return dict(zip(NAMES, texts, strict=True))


def test_n04_an_order_from_intent_to_fill() -> None:
    books = books_after(taken("k"))
    assert shown(books, "k")["state"] == "new"
    for fact in (*accepted("k", 17), Filled(OPEN + SECOND, "k", 4, 71_000, 10, 0, Venue.KRX)):
        books.apply(fact)
    assert shown(books, "k") == {
        "time": "09:00:00", "number": "17", "agent": "trigger", "venue": "KRX",
        "stock": "005930 삼성전자", "side": "buy", "quantity": "10", "price": "71,000",
        "filled": "4", "average": "71,000",
        "state": "accepted", "why": "", "button": "cancel",
    }  # fmt: skip
    books.apply(Filled(OPEN + SECOND, "k", 6, 71_100, 10, 0, Venue.KRX))
    assert {name: shown(books, "k")[name] for name in ("state", "filled", "average")} == {
        "state": "filled", "filled": "10", "average": "71,060",
    }  # fmt: skip


def test_a_cancel_under_way_and_a_refusal_say_so() -> None:
    books = books_after(
        taken("k", price=None), *accepted("k", 1), CancelStarted(OPEN, "k", None), taken("bad")
    )
    books.apply(Denied(OPEN, "bad", "too large", "buy less"))
    assert (shown(books, "k")["state"], shown(books, "k")["price"]) == ("cancelling", "market")
    assert shown(books, "bad")["state"] == "denied"
    assert "too large" in shown(books, "bad")["why"]


def test_n04_newest_first_and_an_open_order_never_leaves_the_panel() -> None:
    books = books_after(taken("old"), *accepted("old", 1))
    for i in range(ORDERS_SHOWN + 5):
        books.apply(taken(f"k{i}"))
        books.apply(Denied(OPEN, f"k{i}", "no"))
    keys = list(order_rows(books))
    assert keys[0] == f"k{ORDERS_SHOWN + 4}"
    assert len(keys) == ORDERS_SHOWN + 1
    assert keys[-1] == "old"
    books.apply(Cancelled(OPEN, "old", 10))
    assert "old" not in order_rows(books)


def test_static_tables_escape_what_came_from_outside() -> None:
    books = books_after(taken("k"), Denied(OPEN, "k", "<script>alert(1)</script>"))
    html = table_html("Orders", IN_PANEL, books.orders.values())
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_n04_a_static_table_of_thousands_has_the_first_rows_and_says_how_many_more() -> None:
    books = books_after(*(taken(f"k{i}") for i in range(1_250)))
    orders = list(books.orders.values())
    html = table_html("Orders", IN_PANEL, orders)
    assert html.count("<tr>") == 1 + ROWS
    assert html.endswith("<div>and 1,200 more</div>")
    assert "more" not in table_html("Orders", IN_PANEL, orders[:ROWS])


def test_n04_the_tone_of_a_cell_and_the_button_of_a_row_come_with_it() -> None:
    books = books_after(taken("k"), *accepted("k", 1), taken("bad", side=Side.SELL), taken("lost"))
    for fact in (
        Denied(OPEN, "bad", "too large"),
        SendStarted(OPEN, "lost", Route(Venue.KRX, OrderKind.LIMIT, "session_default")),
        SendUnknown(OPEN, "lost", "no answer"),
    ):
        books.apply(fact)
    rows = order_rows(books)
    assert (("buy", "up") in rows["k"], ("sell", "down") in rows["bad"]) == (True, True)
    assert ("denied", "bad") in rows["bad"]
    assert ("unknown", "unsure") in rows["lost"]
    assert [rows[key][-1] for key in ("k", "bad", "lost")] == ["cancel", "", "cancel"]
    books.apply(CancelStarted(OPEN, "k", None))
    assert order_rows(books)["k"][-1] == ""


def test_frames_outputs_and_the_panel_show_the_same_orders_in_their_own_columns() -> None:
    books = books_after(taken("k"), *accepted("k", 17), CancelStarted(OPEN, "k", None))
    (row,) = books.account.frame().rows(named=True)
    assert (row["state"], row["quantity"], row["number"]) == ("accepted", 10, 17)
    assert shown(books, "k")["state"] == "cancelling"
    (output,) = cells_of(IN_OUTPUT, books.orders.values())
    assert [cell.text for cell in output if cell.text in shown(books, "k").values()][:4] == [
        "09:00:00", "17", "trigger", "buy",
    ]  # fmt: skip


def test_n04_a_row_that_did_not_change_keeps_its_cells() -> None:
    books = books_after(taken("k"), *accepted("k", 1), taken("old"), Denied(OPEN, "old", "no"))
    table = order_table(str, books.orders.values)
    before = table.rows()
    books.apply(Filled(OPEN + SECOND, "k", 4, 71_000, 10, 0, Venue.KRX))
    after = table.rows()
    assert after["old"] is before["old"]
    assert after["k"] != before["k"]
    assert after["k"] == order_table(str, books.orders.values).rows()["k"]
