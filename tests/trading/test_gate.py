"""The gate: limits with reservations that no two orders share, and no buy on an old price.

Row A05.
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import SECOND
from kisnb.events import AccountOpened, Depth
from kisnb.market.costs import CostModel
from kisnb.market.universe import Universe
from kisnb.orders import Account, OrderPage, OrderState, SendReply
from kisnb.terms import Kind, OrderKind, Side, Venue
from kisnb.trading.ports.effects import AskOrders, DepthRead, OrdersRead, Woke
from kisnb.trading.ports.limits import Limits
from tests.trading.desk import CODE, DAY, NOON, Desk, notice, price_of, ref

PRICE = price_of()
OTHER = "000660"


def desk_with(cash: int, held: int = 0, **limits: object) -> Desk:
    """A desk whose account KIS has stated."""
    opened = AccountOpened(NOON, cash, ((CODE, held, held * PRICE),) if held else ())
    return Desk([opened], Limits(**limits))  # type: ignore[arg-type]


def denied(desk: Desk, key: str = "k") -> str:
    order = desk.order(key)
    return order.text if order.state is OrderState.DENIED else ""


def cost(qty: int, price: int = PRICE) -> int:
    """What a buy takes of the cash, its fee included."""
    return qty * price + CostModel().fee(
        qty * price, Venue.KRX, desk_with(0).core.rules.universe.get(CODE).kind
    )


def test_a05_two_buys_at_once_cannot_spend_the_same_won():
    desk = desk_with(cost(10) + cost(10) - 1)
    desk.submit("a")
    desk.sent("a", 1)
    desk.submit("b")
    assert len(desk.sends) == 1
    assert f"above the {cost(10) - 1:,} won that no open order has reserved" in denied(desk, "b")


def test_a05_a_buy_of_the_last_won_passes():
    desk = desk_with(cost(10))
    desk.submit("a")
    assert len(desk.sends) == 1


def test_a05_an_order_in_the_air_holds_its_reservation_and_one_of_another_stock_sees_it():
    other = price_of(OTHER)
    desk = desk_with(cost(10) + other - 1)
    desk.submit("a")
    assert desk.order("a").state is OrderState.SENDING
    desk.submit("b", code=OTHER, qty=1, price=other)
    assert "reserved" in denied(desk, "b")


def test_a05_a_cancelled_buy_gives_its_reservation_back():
    desk = desk_with(cost(10))
    desk.submit("a")
    desk.sent("a", 1)
    desk.say(notice("accepted", 1))
    desk.say(notice("cancelled", 2, 10, original=1))
    desk.submit("b")
    assert len(desk.sends) == 2


def test_a05_a_filled_buy_has_spent_what_it_had_reserved():
    desk = desk_with(2 * cost(10))
    desk.submit("a")
    desk.sent("a", 1)
    desk.say(notice("filled", 1, 10, PRICE))
    assert desk.core.state.cash == cost(10)
    desk.submit("b", qty=11)
    assert "reserved" in denied(desk, "b")
    desk.submit("c")
    assert len(desk.sends) == 2


def test_a05_a_market_buy_reserves_at_the_upper_limit():
    upper = PRICE * 13 // 10
    desk = desk_with(cost(10, upper) - 10 * 500)
    desk.submit("a", kind=OrderKind.MARKET, price=None)
    assert "reserved" in denied(desk, "a")
    desk.submit("b", qty=9, kind=OrderKind.MARKET, price=None)
    assert len(desk.sends) == 1


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from(["sent", "rejected", "unknown", "filled"])),
        max_size=12,
    )
)
def test_a05_cash_less_what_is_reserved_is_never_negative(plan: list[tuple[int, str]]):
    desk = desk_with(3_000_000)
    for number, (qty, outcome) in enumerate(plan, start=1):
        key = f"k{number}"
        desk.submit(
            key,
            qty=qty,
            code=CODE if number % 2 else OTHER,
            price=PRICE if number % 2 else price_of(OTHER),
        )
        if desk.order(key).state is OrderState.SENDING:
            desk.say(SendReply(key, "sent" if outcome == "filled" else outcome, ref(number)))  # type: ignore[arg-type]
            if outcome == "filled" and number % 2:
                desk.say(notice("filled", number, qty, PRICE))
        state = desk.core.state
        gate = desk.core.gate
        probe = desk.order(key).intent
        reserved = gate._reserved(desk.now, msgspec.structs.replace(probe, key="probe"), state)
        assert state.cash is not None
        assert state.cash - reserved >= 0


def of_special_issue(**facts: object) -> Desk:
    """A desk that holds 7 shares of an issue with these facts, and all cash."""
    desk = desk_with(10**9, held=7)
    rules = desk.core.gate.rules
    item = msgspec.structs.replace(rules.universe.get(CODE), **facts)
    rules.days.universe = Universe([item])
    return desk


@pytest.mark.parametrize("facts", [{"liquidation": True}, {"listed_on": DAY}])
def test_m06_without_limit_prices_any_price_passes_and_a_buy_needs_one(facts: dict[str, object]):
    desk = of_special_issue(**facts)
    desk.submit("market", kind=OrderKind.MARKET, price=None)
    assert "삼성전자 has no upper limit price today" in denied(desk, "market")
    assert "order with a price" in denied(desk, "market")
    desk.submit("none", price=None)
    assert "give a price" in denied(desk, "none")
    desk.submit("buy", qty=1, price=900_000)
    desk.submit("sell", side=Side.SELL, qty=2, price=3)
    desk.submit("out", side=Side.SELL, qty=2, kind=OrderKind.MARKET, price=None)
    assert [s.intent.key for s in desk.sends] == ["buy", "sell"]
    desk.sent("sell", 2)
    assert [s.intent.key for s in desk.sends] == ["buy", "sell", "out"]


def test_m06_the_gate_keeps_the_wider_limits_of_a_leveraged_etf():
    desk = of_special_issue(kind=Kind.ETF, base=17_310, multiple=2.0)
    desk.submit("below", qty=1, price=6_920)
    assert "stay within 6,925 to 27,695" in denied(desk, "below")
    desk.submit("at", qty=1, price=6_925)
    assert [s.intent.key for s in desk.sends] == ["at"]


def test_a05_a_buy_above_thirty_percent_of_the_cash_is_a_slip_of_the_finger():
    desk = desk_with(1000 * PRICE, max_cash_percent=30)
    desk.submit("a", qty=301)
    assert "more than 30 % of the cash" in denied(desk, "a")
    desk.submit("b", qty=299)
    assert len(desk.sends) == 1


def test_a05_limits_of_stock_agent_and_account_count_what_is_held_and_on_order():
    for limit, whose in (
        ("max_stock_value", f"you would hold {{:,}} won of {CODE}"),
        ("max_agent_value", "agent one would hold {:,} won"),
        ("max_account_value", "the account would hold {:,} won"),
    ):
        desk = desk_with(10**12, **{limit: 25 * PRICE})
        desk.submit("a", agent="one")
        desk.sent("a", 1)
        desk.say(notice("filled", 1, 10, PRICE))
        desk.submit("b", agent="one")
        desk.sent("b", 2)
        desk.submit("c", agent="one")
        assert f"with this order {whose.format(30 * PRICE)}, above" in denied(desk, "c"), limit
        assert f"raise {limit}" in denied(desk, "c")


def test_a05_another_agent_has_its_own_limit():
    desk = desk_with(10**12, max_agent_value=15 * PRICE)
    desk.submit("a", agent="one")
    desk.sent("a", 1)
    desk.submit("b", agent="two")
    assert len(desk.sends) == 2


def test_a05_a_sell_that_reduces_passes_every_size_limit():
    desk = desk_with(
        0, 1000, max_order_value=1, max_stock_value=1, max_account_value=1, max_cash_percent=1
    )
    desk.submit("a", side=Side.SELL, qty=1000)
    assert len(desk.sends) == 1


def test_a05_two_sells_cannot_sell_the_same_shares():
    desk = desk_with(0, 10)
    desk.submit("a", side=Side.SELL, qty=6)
    desk.sent("a", 1)
    desk.submit("b", side=Side.SELL, qty=5)
    assert "more than the 4 that can be sold; sell 4" in denied(desk, "b")
    desk.submit("c", side=Side.SELL, qty=4)
    assert len(desk.sends) == 2


def book(t: int) -> Depth:
    return Depth(t, CODE, Venue.KRX, ((PRICE, 10),), ((PRICE - 100, 10),), t)


def test_a05_a_buy_that_waited_for_the_account_still_needs_a_fresh_price():
    desk = Desk(limits=Limits(max_quote_age=2 * SECOND, needs_account=True))
    desk.submit("a")
    account = Account(10**9, 10**9, 10**9, 10**9, (), complete=True)
    (asked,) = [e for e in desk.effects if isinstance(e, AskOrders)]
    desk.say(OrdersRead(asked.query, OrderPage((), complete=True), account))
    assert not desk.sends
    desk.say(DepthRead(CODE, (book(0),)))
    assert [s.intent.key for s in desk.sends] == ["a"]


def test_a05_an_account_that_kis_tells_in_part_is_asked_for_again_after_a_pause():
    desk = Desk(limits=Limits(needs_account=True))
    desk.submit("a")
    for pause in (2, 4, 8):
        asked = [e for e in desk.effects if isinstance(e, AskOrders)]
        desk.say(OrdersRead(asked[-1].query, OrderPage((), complete=True), None))
        begun = desk.now
        desk.say(Woke(desk.now), begun + pause * SECOND - 1)
        assert [e for e in desk.effects if isinstance(e, AskOrders)] == asked
        desk.say(Woke(desk.now), begun + pause * SECOND)
        assert len([e for e in desk.effects if isinstance(e, AskOrders)]) == len(asked) + 1
    asked = [e for e in desk.effects if isinstance(e, AskOrders)]
    account = Account(10**9, 10**9, 10**9, 10**9, (), complete=True)
    desk.say(OrdersRead(asked[-1].query, OrderPage((), complete=True), account))
    assert [s.intent.key for s in desk.sends] == ["a"]


@pytest.mark.parametrize("qty", [0, -1])
def test_a05_a_quantity_below_one_is_no_quantity(qty: int):
    desk = desk_with(10**9)
    desk.submit("a", qty=qty)
    assert "give at least 1 share" in denied(desk, "a")
