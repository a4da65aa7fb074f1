"""N04: the account line of a panel: what it adds up, and what it says when a figure is missing."""

from __future__ import annotations

from datetime import date

from kisnb.clock import kst
from kisnb.events import AccountOpened, Filled, IntentTaken, SendStarted, Sent
from kisnb.notebook.panels.desk_head import account_line
from kisnb.orders import Intent, OrderRef, Route
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.order_books.account_figures import AccountFigures, account_figures
from kisnb.trading.state import State

OPEN = kst(date(2026, 11, 20), 9 * 3600)
CASH = 1_000_000


def bought(price: int = 70_000, qty: int = 10, fee: int = 100) -> State:
    """A desk that opened with 5 shares of another stock and bought ten of Samsung."""
    state = State()
    state.apply(AccountOpened(OPEN, CASH, [("000660", 5, 900_000)]))
    intent = Intent("k", "", "005930", Side.BUY, qty, OrderKind.LIMIT, price)
    state.apply(IntentTaken(OPEN, intent))
    state.apply(SendStarted(OPEN, "k", Route(Venue.KRX, OrderKind.LIMIT, "session_default")))
    state.apply(Sent(OPEN, "k", OrderRef(20261120, "00950", 1)))
    state.apply(Filled(OPEN, "k", qty, price, fee, 0, Venue.KRX))
    return state


def figures(state: State, prices: dict[str, int]) -> AccountFigures:
    bases = {"005930": 69_000, "000660": 180_000}
    return account_figures(state.cash, state.day, state.books, bases, prices)


def texts(shown: AccountFigures) -> dict[str, str]:
    return {figure.name: figure.text for figure in account_line(shown)}


def test_n04_equity_and_the_days_result_before_and_after_cost() -> None:
    shown = figures(bought(), {"005930": 71_000, "000660": 181_000})
    # 1,000,000 - 700,100 of cash, 710,000 and 905,000 of shares; the opening was 1,900,000.
    assert (shown.cash, shown.equity, shown.costs) == (299_900, 1_914_900, 100)
    assert (shown.result, shown.before_cost) == (14_900, 15_000)
    assert texts(shown) == {
        "equity": "1,914,900",
        "today after cost": "+14,900 (+0.78 %)",
        "before cost": "+15,000",
        "cash D+2": "299,900",
    }
    tones = [figure.tone for figure in account_line(shown)]
    assert tones == ["", "up", "up", ""]


def test_n04_a_holding_without_a_price_makes_a_dash_and_never_a_zero() -> None:
    shown = figures(bought(), {"005930": 71_000})
    assert shown.missing == {"000660"}
    assert texts(shown) == {
        "equity": "–",
        "today after cost": "–",
        "before cost": "–",
        "cash D+2": "299,900",
    }
    (equity, *_) = account_line(shown)
    assert equity.tip == "Not known: no price of today for 000660."


def test_n04_cash_that_kis_has_not_stated_makes_a_dash() -> None:
    shown = figures(State(), {})
    assert texts(shown)["equity"] == texts(shown)["cash D+2"] == "–"
    assert "KIS has not stated the cash yet" in account_line(shown)[0].tip
