"""Blackout windows: orders are journaled and not sent; afterwards sync, validate, route.

Row A08.
"""

from __future__ import annotations

from datetime import time

import pytest

from kisnb.clock import DAY as ONE_DAY
from kisnb.clock import MINUTE, SECOND, kst
from kisnb.events import AccountOpened, Depth, OrderHeld
from kisnb.orders import Account, Holding, OrderPage, OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.gate.blackout import MOST_HELD, window_end
from kisnb.trading.ports.commands import CancelOrder, Halt, ReviseOrder, Submit
from kisnb.trading.ports.effects import (
    AskOrders,
    Cancel,
    DepthRead,
    OrdersRead,
    Revise,
    WakeAt,
    Woke,
)
from kisnb.trading.ports.limits import Limits
from tests.trading.desk import CODE, DAY, NOON, Desk, intent, notice, price_of

PRICE = price_of()
NOON_WINDOW = (12 * 3600, 12 * 3600 + 60)
END = NOON + MINUTE
EMPTY = OrderPage((), complete=True)


def desk(held: int = 0, rows: list | None = None) -> Desk:
    opened = AccountOpened(NOON, 10**9, ((CODE, held, held * PRICE),) if held else ())
    return Desk(rows or [opened], Limits(windows=(NOON_WINDOW,)))


def asks(one: Desk) -> list[AskOrders]:
    return [e for e in one.effects if isinstance(e, AskOrders)]


def revises(one: Desk) -> list[str]:
    return [e.intent.key for e in one.effects if isinstance(e, Revise)]


def account(sellable: int) -> Account:
    # The other shares are in an external sell.
    held = (Holding(CODE, "", 10, sellable, 10 * PRICE, PRICE),) if sellable else ()
    return Account(10**9, 10**9, 10**9, 10**9, held, complete=True)


def answer(one: Desk, sellable: int = 0, *, page: OrderPage | None = EMPTY) -> None:
    one.say(OrdersRead(asks(one)[-1].query, page, account(sellable) if page is not None else None))


def test_a08_an_order_in_a_window_is_journaled_and_not_sent():
    one = desk()
    one.submit("a")
    assert one.order("a").state is OrderState.NEW
    assert not one.sends
    assert isinstance(one.rows[-1], OrderHeld)
    assert "blackout until 12:01:00: journaled, not sent" in one.order("a").text
    assert WakeAt(END) in one.effects


def test_a08_after_the_window_the_desk_asks_kis_first_and_sends_on_the_answer():
    one = desk()
    one.submit("a")
    one.say(Woke(END), END)
    assert asks(one)[-1].query.account
    assert not one.sends
    answer(one)
    assert [s.intent.key for s in one.sends] == ["a"]


def test_a08_an_order_that_the_gate_would_refuse_by_then_is_not_sent():
    one = desk()
    one.submit("a")
    one.say(Woke(END), END)
    one.core.gate.limits = Limits(max_order_value=1)
    answer(one)
    assert not one.sends
    assert one.order("a").state is OrderState.DENIED


def test_a08_the_route_is_that_of_the_session_after_the_window():
    late = (15 * 3600 + 19 * 60, 15 * 3600 + 31 * 60)
    one = Desk([AccountOpened(NOON, 10**9, ())], Limits(windows=(late,)))
    one.now = kst(DAY, time(15, 19, 30))
    one.submit("a")
    one.say(Woke(kst(DAY, time(15, 31))), kst(DAY, time(15, 31)))
    answer(one)
    assert one.order("a").state is OrderState.DENIED, (
        "at 15:31 the exchange takes no such order any more"
    )


def test_a08_a_protective_sell_is_sold_down_to_what_is_left_never_dropped():
    one = desk(held=10)
    one.submit("stop", side=Side.SELL, protective=True)
    one.say(Woke(END), END)
    answer(one, sellable=4)
    assert "KIS confirms 4 shares to sell; 4 are sold instead" in one.order("stop").text
    assert [(s.intent.qty, s.intent.protective) for s in one.sends] == [(4, True)]


def test_a08_a_protective_sell_goes_when_kis_does_not_answer():
    one = desk(held=10)
    one.submit("stop", side=Side.SELL, protective=True)
    one.submit("buy", code="000660", qty=1, price=price_of("000660"))
    one.say(Woke(END), END)
    answer(one, page=None)
    assert [s.intent.key for s in one.sends] == ["stop"]
    assert one.order("buy").state is OrderState.NEW


def test_a08_an_order_of_the_window_survives_a_restart():
    one = desk()
    one.submit("a")
    again = desk(rows=one.rows)
    again.keep(again.core.start(NOON + 30 * SECOND))
    assert again.order("a").state is OrderState.NEW
    again.say(Woke(END), END)
    answer(again)
    assert not again.sends, "what was asked when the desk was back speaks of the window"
    assert asks(again)[-1].query.asked >= END
    answer(again)
    assert [s.intent.key for s in again.sends] == ["a"]


def test_a08_cancels_pass_and_the_kill_switch_ends_what_is_held():
    one = desk()
    one.submit("a")
    one.say(Halt("enough"))
    assert one.order("a").state is OrderState.DENIED


def test_a08_what_comes_up_behind_the_limiter_when_a_window_has_begun_waits_for_its_end():
    one = desk(held=10)
    one.now = NOON - 3 * SECOND
    one.submit("buy")
    one.submit("stop", side=Side.SELL, protective=True)
    assert [s.intent.key for s in one.sends] == ["buy", "stop"]
    for key in ("buy", "stop"):
        assert one.core.may_send(NOON - 1, key)
        permission = one.core.may_send(NOON, key)
        assert not permission
        assert "blackout until 12:01:00" in permission.reason
        one.say(SendReply(key, "kept", text=permission.reason), NOON)
        assert one.order(key).state is OrderState.NEW
        assert "journaled, not sent" in one.order(key).text
    one.say(Woke(END), END)
    answer(one, sellable=10)
    assert [s.intent.key for s in one.sends] == ["buy", "stop", "buy", "stop"]
    assert one.core.may_send(one.now, "buy")


def test_a08_an_order_that_the_last_hop_kept_is_as_if_never_begun_for_the_next_desk_too():
    one = desk()
    one.now = NOON - 2 * SECOND
    one.submit("a")
    one.say(SendReply("a", "kept", text="blackout"), NOON)
    again = desk(rows=one.rows)
    again.keep(again.core.start(NOON + SECOND))
    assert (again.order("a").state, again.order("a").sent_at, again.order("a").route) == (
        OrderState.NEW,
        0,
        None,
    )
    assert not again.core.state.books.unknown_in(CODE)


def test_a08_an_order_that_was_cancelled_while_it_waited_in_the_limiter_never_leaves():
    one = desk()
    one.now = NOON - 3 * SECOND
    one.submit("a")
    one.say(CancelOrder("a"))
    permission = one.core.may_send(NOON, "a")
    assert not permission
    one.say(SendReply("a", "kept", text=permission.reason), NOON)
    assert one.order("a").state is OrderState.DENIED
    assert "cancelled before it was sent" in one.order("a").text
    assert not [e for e in one.effects if isinstance(e, Cancel)]


def test_a08_a_second_window_holds_what_the_first_one_held():
    windows = (NOON_WINDOW, (NOON_WINDOW[1] + 10, NOON_WINDOW[1] + 70))
    one = desk()
    one.core.gate.limits = Limits(windows=windows)
    shown(one, 100_000)
    one.submit("a", kind=OrderKind.MARKET, price=None, qty=1)
    one.say(Woke(END), END)
    shown(one, 106_000)
    one.now = END + 15 * SECOND
    answer(one)
    assert not one.sends
    assert one.order("a").text.startswith("blackout until 12:02:10")
    assert WakeAt(END + 70 * SECOND) in one.effects
    one.say(Woke(END + 70 * SECOND), END + 70 * SECOND)
    answer(one)
    assert not one.sends
    assert "the price moved from 100,000 to 106,000" in one.order("a").text


@pytest.mark.parametrize(("moved", "passes"), [(5, True), (6, False)])
def test_a08_a_revise_that_was_held_is_measured_on_the_price_after_the_window_too(
    moved: int, passes: bool
):
    one = desk()
    one.now = NOON - 10 * SECOND
    one.submit("a")
    one.sent("a", 7)
    one.say(notice("accepted", 7))
    one.core.gate.limits = Limits(windows=(NOON_WINDOW,), max_quote_age=2 * SECOND)
    one.now = NOON
    shown(one, 100_000)
    one.say(ReviseOrder(intent("r", price=PRICE + 100, supersedes="a")))
    one.say(Woke(END), END)
    answer(one)
    assert not revises(one), "the newest price is a minute old"
    ask = 100_000 + moved * 1_000
    one.say(DepthRead(CODE, (Depth(one.now, CODE, Venue.KRX, ((ask, 10),), ((ask - 100, 10),)),)))
    assert bool(revises(one)) is passes
    assert ("the price moved" in one.order("r").text) is not passes


def test_a08_a_revise_of_a_protective_sell_is_not_dropped_however_far_the_price_has_moved():
    one = desk(held=10)
    one.now = NOON - 10 * SECOND
    one.submit("a", side=Side.SELL, protective=True)
    one.sent("a", 7)
    one.say(notice("accepted", 7, side=Side.SELL))
    one.now = NOON
    shown(one, 100_000)
    one.say(
        ReviseOrder(intent("r", side=Side.SELL, price=PRICE - 100, supersedes="a", protective=True))
    )
    one.say(Woke(END), END)
    shown(one, 60_000)
    answer(one, sellable=10)
    assert revises(one) == ["r"]


def test_a08_windows_that_touch_are_one_and_the_end_is_outside():
    windows = ((43_200, 43_260), (43_260, 43_320))
    assert window_end(NOON, windows) == NOON + 2 * MINUTE
    assert window_end(NOON + 2 * MINUTE, windows) is None
    assert window_end(NOON - 1, windows) is None


def shown(one: Desk, ask: int) -> None:
    one.say(Depth(one.now, CODE, Venue.KRX, ((ask, 10),), ((ask - 100, 10),), one.now))


@pytest.mark.parametrize(("moved", "sent"), [(5, True), (-5, True), (6, False), (-6, False)])
def test_a08_a_buy_whose_price_moved_more_than_five_percent_is_dropped(moved: int, sent: bool):
    one = desk()
    shown(one, 100_000)
    one.submit("a", kind=OrderKind.MARKET, price=None, qty=1)
    one.say(Woke(END), END)
    shown(one, 100_000 + moved * 1_000)
    answer(one)
    assert bool(one.sends) is sent
    if not sent:
        assert f"the price moved from 100,000 to {100_000 + moved * 1_000:,}" in one.order("a").text


@pytest.mark.parametrize(("ask", "sent"), [(105_000, True), (106_000, False)])
def test_a08_a_buy_is_measured_on_the_price_after_the_window_not_on_the_one_before(
    ask: int, sent: bool
):
    one = desk()
    one.core.gate.limits = Limits(windows=(NOON_WINDOW,), max_quote_age=2 * SECOND)
    shown(one, 100_000)
    one.submit("a", kind=OrderKind.MARKET, price=None, qty=1)
    one.say(Woke(END), END)
    answer(one)
    assert not one.sends, "the newest price is a minute old"
    one.say(DepthRead(CODE, (Depth(one.now, CODE, Venue.KRX, ((ask, 10),), ((ask - 100, 10),)),)))
    assert bool(one.sends) is sent
    assert ("the price moved" in one.order("a").text) is not sent


@pytest.mark.parametrize("protective", [True, False])
def test_a08_a_sell_is_not_dropped_however_far_the_price_has_moved(protective: bool):
    one = desk(held=10)
    shown(one, 100_000)
    one.submit("a", side=Side.SELL, kind=OrderKind.MARKET, price=None, protective=protective)
    one.say(Woke(END), END)
    shown(one, 71_000)
    answer(one, sellable=10)
    assert [s.intent.key for s in one.sends] == ["a"]


def test_a08_the_price_at_which_it_was_held_is_in_the_journal():
    one = desk()
    shown(one, 100_000)
    one.submit("a", kind=OrderKind.MARKET, price=None, qty=1)
    again = desk(rows=one.rows)
    again.keep(again.core.start(NOON + 30 * SECOND))
    again.say(Woke(END), END)
    shown(again, 110_000)
    answer(again)
    answer(again)
    assert "the price moved" in again.order("a").text


def test_a08_five_hundred_orders_wait_at_most_and_a_protective_sell_besides():
    one = desk(held=10)
    for n in range(MOST_HELD + 1):
        one.say(Submit(intent(f"k{n}", qty=1)), NOON + SECOND)
    assert one.order(f"k{MOST_HELD}").state is OrderState.DENIED
    assert "500 orders wait" in one.order(f"k{MOST_HELD}").text
    one.say(Submit(intent("stop", side=Side.SELL, protective=True)), NOON + SECOND)
    assert one.order("stop").state is OrderState.NEW
    assert len(one.core.state.held) == MOST_HELD + 1


def test_a08_a_window_may_go_over_midnight_and_what_it_holds_outlives_a_desk():
    late = (23 * 3600 + 1800, 24 * 3600 + 600)
    evening, midnight = kst(DAY, time(23, 45)), kst(DAY, time(0)) + ONE_DAY
    for at in (evening, midnight, midnight + 9 * MINUTE):
        assert window_end(at, (late,)) == midnight + 10 * MINUTE
    assert window_end(midnight + 10 * MINUTE, (late,)) is None
    assert window_end(evening, (late, (600, 1200))) == midnight + 20 * MINUTE
    one = Desk([AccountOpened(NOON, 10**9, ())], Limits(windows=(late,)))
    one.say(Submit(intent("a")), evening)
    again = Desk(one.rows, Limits(windows=(late,)))
    again.keep(again.core.start(midnight + MINUTE))
    assert again.order("a").state is OrderState.NEW
