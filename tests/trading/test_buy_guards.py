"""The guards of an agent's buys, as the desk checks them. Row A11."""

from __future__ import annotations

from kisnb.clock import MINUTE, SECOND, Ns
from kisnb.events import AccountOpened, GuardsSet, Tick
from kisnb.exits import Protection
from kisnb.guards import Guards
from kisnb.orders import Order, OrderState, SendReply
from kisnb.terms import Side, Venue
from kisnb.trading.ports.commands import Protect, SetGuards
from tests.trading.desk import CODE, NOON, Desk, notice, price_of, ref

PRICE = price_of()
AGENT = "mean"


def desk(cash: int = 10**9, guards: Guards | None = None) -> Desk:
    one = Desk([AccountOpened(NOON, cash, ())])
    one.say(SetGuards(AGENT, guards or Guards()))
    return one


def trade(one: Desk, price: int, at: Ns | None = None) -> None:
    t = at or one.now + SECOND
    one.say(Tick(t, CODE, Venue.KRX, price, 1, Side.SELL, 1, price, price + 100, price, t, 9, 9), t)


def order(one: Desk, key: str, side: Side = Side.BUY, price: int = PRICE, qty: int = 10) -> Order:
    one.submit(key, agent=AGENT, side=side, price=price, qty=qty)
    return one.order(key)


def filled(one: Desk, number: int, side: Side, qty: int = 10, price: int = PRICE) -> None:
    one.say(SendReply(one.sends[-1].intent.key, "sent", ref(number)))
    one.say(notice("filled", number, qty, price, side=side))


def test_a11_after_a_stop_the_agent_does_not_buy_the_stock_for_half_an_hour():
    one = desk()
    order(one, "in")
    filled(one, 1, Side.BUY)
    one.say(Protect(Protection("p", AGENT, CODE, stop=300)))
    stop = PRICE * 9 // 10
    trade(one, stop)
    filled(one, 2, Side.SELL, 10, stop)
    again = order(one, "again", price=stop - 1000)
    assert again.state is OrderState.DENIED
    assert again.text.startswith("re-entry guard: a stop sold 005930")
    # A person is not guarded by the agent's guards.
    one.submit("hand", price=stop - 1000)
    assert one.order("hand").state is OrderState.SENDING
    one.now += 31 * MINUTE
    trade(one, stop)
    assert order(one, "later", price=stop - 1000).state is not OrderState.DENIED


def test_a11_no_buy_above_the_last_sale_and_its_fee_for_half_an_hour():
    one = desk()
    order(one, "in")
    filled(one, 1, Side.BUY)
    order(one, "out", Side.SELL)
    filled(one, 2, Side.SELL)
    above = order(one, "above", price=PRICE + 100)
    assert "recent-sell guard" in above.text
    assert order(one, "same", price=PRICE).state is OrderState.SENDING
    one.now += 31 * MINUTE
    trade(one, PRICE)
    one.say(SendReply("same", "rejected", text="no"))
    assert order(one, "late", price=PRICE + 100).state is OrderState.SENDING


def test_a11_a_stock_that_ran_up_is_not_chased_near_its_high():
    one = desk()
    up = PRICE * 105 // 100 // 100 * 100
    trade(one, up)
    assert "chase guard" in order(one, "near", price=up).text
    lower = up * 99 // 100 // 100 * 100
    assert order(one, "below", price=lower).state is OrderState.SENDING
    one = desk()
    trade(one, PRICE * 103 // 100)
    assert order(one, "calm", price=PRICE * 103 // 100 // 100 * 100).state is OrderState.SENDING


def test_a11_after_a_buy_without_cash_the_agent_waits_ten_minutes():
    one = desk(cash=PRICE * 12)
    poor = order(one, "poor", qty=100)
    assert poor.state is OrderState.DENIED
    next_one = order(one, "soon", qty=1)
    assert next_one.text.startswith("cash guard: a buy was denied for want of cash")
    one.now += 11 * MINUTE
    trade(one, PRICE)
    assert order(one, "later", qty=1).state is OrderState.SENDING


def test_a11_guards_are_journaled_once_and_outlive_a_restart():
    one = desk()
    one.say(SetGuards(AGENT, Guards()))
    assert sum(isinstance(row, GuardsSet) for row in one.rows) == 1
    again = Desk(one.rows)
    assert again.core.state.guards == {AGENT: Guards()}
    again.say(SetGuards(AGENT, None))
    trade(again, PRICE * 105 // 100)
    near = order(again, "near", price=PRICE * 105 // 100 // 100 * 100)
    assert near.state is OrderState.SENDING


def test_a11_a_guard_of_zero_is_off():
    one = desk(guards=Guards(reentry=0, recent_sell=0, chase_change=0, cash_retry=0))
    trade(one, PRICE * 105 // 100)
    assert order(one, "near", price=PRICE * 105 // 100 // 100 * 100).state is OrderState.SENDING
