"""Blackout windows: orders are journaled and not sent; afterwards sync, validate, route. Row A08."""

from __future__ import annotations

from datetime import time

from kisnb.clock import MINUTE, SECOND, kst
from kisnb.events import AccountOpened, OrderHeld
from kisnb.orders import Account, Holding, OrderPage, OrderState
from kisnb.terms import Side
from kisnb.trading.blackout import window_end
from kisnb.trading.commands import Answer, Ask, Halt, WakeAt, Woke
from kisnb.trading.limits import Limits
from tests.trading.desk import CODE, DAY, NOON, Desk, price_of

PRICE = price_of()
NOON_WINDOW = (12 * 3600, 12 * 3600 + 60)
END = NOON + MINUTE
EMPTY = OrderPage((), complete=True)


def desk(held: int = 0, rows: list | None = None) -> Desk:
    opened = AccountOpened(NOON, 10**9, ((CODE, held, held * PRICE),) if held else ())
    return Desk(rows or [opened], Limits(windows=(NOON_WINDOW,)))


def asks(one: Desk) -> list[Ask]:
    return [e for e in one.effects if isinstance(e, Ask)]


def account(sellable: int) -> Account:
    held = (Holding(CODE, "", sellable, sellable, sellable * PRICE, PRICE),) if sellable else ()
    return Account(10**9, 10**9, 10**9, 10**9, held, complete=True)


def answer(one: Desk, sellable: int = 0, *, page: OrderPage | None = EMPTY) -> None:
    one.say(Answer(asks(one)[-1].question, page, account(sellable) if page is not None else None))


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
    assert asks(one)[-1].question.account
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
    assert one.order("a").state is OrderState.DENIED, "at 15:31 the exchange takes no such order any more"


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
    assert [s.intent.key for s in again.sends] == ["a"]


def test_a08_cancels_pass_and_the_kill_switch_ends_what_is_held():
    one = desk()
    one.submit("a")
    one.say(Halt("enough"))
    assert one.order("a").state is OrderState.DENIED


def test_a08_windows_that_touch_are_one_and_the_end_is_outside():
    windows = ((43_200, 43_260), (43_260, 43_320))
    assert window_end(NOON, windows) == NOON + 2 * MINUTE
    assert window_end(NOON + 2 * MINUTE, windows) is None
    assert window_end(NOON - 1, windows) is None
