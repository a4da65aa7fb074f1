"""Books are the fold of the desk's facts, whatever a session expected."""

from __future__ import annotations

from kisnb.events import Denied, Filled, IntentTaken, SendStarted, Sent
from kisnb.orders import OrderRef, Route
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.order_books import book_summary
from kisnb.trading.order_books.order_book import OrderBooks
from tests.trading.desk import NOON, intent


def test_o11_the_intent_that_the_desk_took_counts_not_the_one_that_was_expected():
    books = OrderBooks()
    order = books.add_pending(intent("k", qty=11), NOON)
    books.apply(IntentTaken(NOON, intent("k", qty=10)))
    assert order.quantity == 10


def trade(
    books: OrderBooks,
    key: str,
    side: Side,
    qty: int,
    price: int,
    fee: int,
    tax: int = 0,
    code: str = "005930",
) -> None:
    books.apply(IntentTaken(NOON, intent(key, side=side, qty=qty, code=code)))
    books.apply(SendStarted(NOON, key, Route(Venue.KRX, OrderKind.LIMIT, "session_default")))
    books.apply(Sent(NOON, key, OrderRef(20261120, "", len(books.orders))))
    books.apply(Filled(NOON, key, qty, price, fee, tax, Venue.KRX))


def test_o13_the_summary_adds_up_to_the_won():
    books = OrderBooks()
    trade(books, "b", Side.BUY, 10, 70_000, fee=98)
    trade(books, "s1", Side.SELL, 4, 71_000, fee=40, tax=568)
    trade(books, "s2", Side.SELL, 4, 70_100, fee=40, tax=560)
    trade(books, "other", Side.BUY, 3, 200_000, fee=84, code="000660")
    books.apply(IntentTaken(NOON, intent("no")))
    books.apply(Denied(NOON, "no", "too large"))
    samsung, hynix, everything = books.account.summary().to_dicts()
    # bought 4 of 10 shares twice: the fee of the buy counts for what was sold, 39 won each time
    assert samsung == {
        "code": "005930", "orders": 4, "fills": 3, "bought": 10, "sold": 8, "position": 2,
        "turnover": 700_000 + 284_000 + 280_400, "win_rate": 0.5, "realised": 4_000 + 400,
        "costs": 98 + 608 + 600,
        "realised_net": 4_400 - 39 - 39 - 608 - 600,
    }  # fmt: skip
    assert (hynix["turnover"], hynix["win_rate"]) == (600_000, None)
    assert everything["code"] == "all"
    assert everything["turnover"] == samsung["turnover"] + hynix["turnover"]
    assert everything["realised_net"] == samsung["realised_net"]
    assert everything["bought"] is None


def test_m05_a_position_is_found_by_the_number_of_its_code():
    books, number = OrderBooks(), 5930
    trade(books, "b", Side.BUY, 10, 70_000, fee=98)
    assert books.account.position(number).qty == 10  # type: ignore[arg-type]
    assert books.account.position(660).code == "000660"  # type: ignore[arg-type]


def test_o13_an_empty_book_sums_to_nothing():
    (everything,) = OrderBooks().account.summary().to_dicts()
    assert (
        everything["code"],
        everything["orders"],
        everything["realised"],
        everything["win_rate"],
    ) == (
        "all",
        0,
        0,
        None,
    )


def test_o13_the_summary_of_many_stocks_takes_one_pass_over_the_orders():
    books = OrderBooks()
    for n in range(300):
        for part in ("b", "c"):
            trade(books, f"{part}{n}", Side.BUY, 2, 1_000 + n, fee=1, code=f"{n:06}")

    class Counted(list):
        """Orders that count how often they are walked through."""

        walks = 0

        def __iter__(self):
            Counted.walks += 1
            return super().__iter__()

    book = books.account
    summary = book_summary.summary(Counted(book.orders.values()), book.positions)
    assert Counted.walks == 1
    assert summary.equals(book.summary())
    assert summary.height == 301
    assert summary["orders"].to_list() == [2] * 300 + [600]
    assert summary["turnover"][-1] == sum(4 * (1_000 + n) for n in range(300))
