"""The budget of an order that nobody fills: one better price, and then its end. Row A10."""

from __future__ import annotations

import pytest

from kisnb.clock import MINUTE, SECOND, kst
from kisnb.events import AccountOpened, Depth, IntentTaken, Requoted
from kisnb.orders import Capabilities, OrderState, SendReply
from kisnb.requotes import Requote
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.ports.effects import Cancel, CancelReply, Revise, Send, WakeAt, Woke
from tests.trading.desk import CODE, DAY, NOON, Desk, notice, price_of, ref

PRICE = price_of()
AGENT = "mean"
SPEC = Requote()
CAN_ALL = Capabilities((Venue.KRX,), tuple(OrderKind), can_order=True)


def depth(one: Desk, bid: int, ask: int) -> None:
    t = one.now + SECOND
    one.say(Depth(t, CODE, Venue.KRX, ((ask, 100),), ((bid, 100),), t), t)


def trade(one: Desk, price: int) -> None:
    from kisnb.events import Tick

    t = one.now + SECOND
    one.say(
        Tick(t, CODE, Venue.KRX, price, 1, Side.SELL, 1, price, price + 100, price - 100, t, 9, 9),
        t,
    )


def desk(side: Side = Side.BUY, spec: Requote | None = SPEC, price: int = PRICE) -> Desk:
    """An agent's order of ten shares that rests at its price, number 7."""
    one = Desk([AccountOpened(NOON, 10**9, ((CODE, 50, 50 * PRICE),))], can=CAN_ALL)
    depth(one, PRICE, PRICE + 100)
    trade(one, PRICE)
    if side is Side.SELL:
        # Shares of its own.
        one.submit("in", agent=AGENT, price=PRICE + 100)
        one.sent("in", 1)
        one.say(notice("filled", 1, 10, PRICE + 100))
    one.submit("k", agent=AGENT, side=side, price=price, requote=spec)
    one.sent("k", 7)
    one.say(notice("accepted", 7, side=side))
    return one


def wait(one: Desk, seconds: int) -> None:
    at = one.now + seconds * SECOND
    one.say(Woke(at), at)


def steps(one: Desk) -> list[str]:
    return [row.step for row in one.rows if isinstance(row, Requoted)]


def revises(one: Desk) -> list[tuple[str, int | None, int]]:
    return [
        (e.intent.supersedes or "", e.intent.price, e.intent.qty)
        for e in one.effects
        if isinstance(e, Revise)
    ]


def cancels(one: Desk) -> list[str]:
    return [e.key for e in one.effects if isinstance(e, Cancel)]


def moved(one: Desk, number: int = 8, side: Side = Side.BUY, qty: int = 10) -> str:
    """KIS and the exchange carry the revise out."""
    key = next(e.intent.key for e in reversed(one.effects) if isinstance(e, Revise))
    one.say(SendReply(key, "sent", ref(number)))
    one.say(notice("revised", number, qty, original=7, side=side))
    return key


def cancelled(one: Desk, original: int, qty: int = 10, side: Side = Side.BUY) -> None:
    one.say(CancelReply(SendReply(cancels(one)[-1], "sent", ref(90))))
    one.say(notice("cancelled", 90, qty, original=original, side=side))


def test_a10_a_buy_goes_to_the_best_ask_once_is_then_cancelled_and_cools_down_ten_minutes():
    one = desk()
    wait(one, 20)
    assert (steps(one), revises(one)) == ([], [])
    depth(one, PRICE + 200, PRICE + 300)
    wait(one, 15)
    assert steps(one) == ["move"]
    assert revises(one) == [("k", PRICE + 300, 10)]
    key = moved(one)
    depth(one, PRICE + 500, PRICE + 600)
    wait(one, 20)
    assert (steps(one), cancels(one)) == (["move"], [])
    wait(one, 15)
    assert (steps(one), cancels(one)) == (["move", "cancel"], [key])
    cancelled(one, 8)
    assert steps(one) == ["move", "cancel", "cool"]
    assert len(revises(one)) == 1
    trade(one, PRICE)
    one.submit("soon", agent=AGENT)
    assert one.order("soon").text.startswith("requote guard: a buy of 005930 was given up unfilled")
    one.submit("hand")
    assert one.order("hand").state is OrderState.SENDING
    one.now += 10 * MINUTE
    one.say(SendReply("hand", "rejected", text="no"))
    trade(one, PRICE)
    one.submit("later", agent=AGENT)
    assert one.order("later").state is OrderState.SENDING
    # The order's own log has every step.
    assert any("to the best ask" in words for _, words in one.order("k").log)


def test_a10_a_buy_whose_ask_ran_away_is_cancelled_without_a_better_price():
    one = desk()
    depth(one, PRICE * 102 // 100, PRICE * 103 // 100)
    wait(one, 40)
    assert steps(one) == ["cancel"]
    assert revises(one) == []
    assert cancels(one) == ["k"]
    text = next(row.text for row in one.rows if isinstance(row, Requoted))
    assert "is more than 2 % above the last price" in text
    cancelled(one, 7)
    assert steps(one) == ["cancel", "cool"]


def test_a10_a_sell_goes_to_the_best_bid_once_and_then_to_the_most_aggressive_kind():
    one = desk(Side.SELL, price=PRICE + 2000)
    depth(one, PRICE - 100, PRICE)
    wait(one, 40)
    assert revises(one) == [("k", PRICE - 100, 10)]
    key = moved(one, side=Side.SELL)
    one.say(notice("filled", 8, 4, PRICE - 100, side=Side.SELL))
    wait(one, 40)
    assert cancels(one) == [key]
    # Nothing is sold before the cancel is confirmed: the shares would be in two orders.
    wait(one, 1)
    assert len([e for e in one.effects if isinstance(e, Send)]) == 2
    cancelled(one, 8, 6, Side.SELL)
    assert steps(one) == ["move", "cancel", "last"]
    last = one.sends[-1].intent
    assert (last.side, last.qty, last.kind, last.agent) == (Side.SELL, 6, OrderKind.MARKET, AGENT)
    one.say(SendReply(last.key, "sent", ref(9)))
    one.say(notice("filled", 9, 6, PRICE - 200, side=Side.SELL))
    assert one.core.state.books.of(AGENT).position(CODE).qty == 0
    assert one.core.state.requotes.budgets == {}


def test_a10_shares_that_were_filled_while_the_move_was_on_its_way_are_not_sold_again():
    one = desk(Side.SELL, price=PRICE + 2000)
    depth(one, PRICE - 100, PRICE)
    wait(one, 40)
    one.say(notice("filled", 7, 4, PRICE + 2000, side=Side.SELL))
    moved(one, side=Side.SELL, qty=6)
    wait(one, 40)
    cancelled(one, 8, 6, Side.SELL)
    assert one.sends[-1].intent.qty == 6


def test_a10_a_filled_order_needs_no_step():
    one = desk()
    one.say(notice("filled", 7, 10, PRICE))
    wait(one, 120)
    assert steps(one) == []
    assert one.core.state.requotes.budgets == {}


def test_a10_a_partly_filled_buy_moves_only_what_is_left():
    one = desk()
    one.say(notice("filled", 7, 3, PRICE))
    depth(one, PRICE + 100, PRICE + 200)
    wait(one, 40)
    assert revises(one) == [("k", PRICE + 200, 7)]


@pytest.mark.parametrize("side", list(Side))
def test_a10_while_the_desk_is_halted_nothing_is_requoted(side: Side):
    one = desk(side, price=PRICE if side is Side.BUY else PRICE + 2000)
    one.set_halt("halted", "a test")
    sent = len(one.sends)
    wait(one, 60)
    wait(one, 60)
    assert steps(one) == ["end"]
    assert (revises(one), cancels(one), len(one.sends)) == ([], [], sent)


def test_a10_a_sell_whose_cancel_ends_in_a_halt_is_not_sold_again():
    one = desk(Side.SELL, price=PRICE + 2000)
    depth(one, PRICE - 100, PRICE)
    wait(one, 40)
    moved(one, side=Side.SELL)
    wait(one, 40)
    one.set_halt("halted", "a test")
    sent = len(one.sends)
    cancelled(one, 8, 10, Side.SELL)
    assert steps(one) == ["move", "cancel", "end"]
    assert len(one.sends) == sent


def test_a10_the_budget_outlives_a_restart_of_the_desk():
    one = desk()
    depth(one, PRICE + 200, PRICE + 300)
    wait(one, 40)
    key = moved(one)
    again = Desk(one.rows, can=CAN_ALL)
    again.now = one.now
    again.keep(again.core.start(one.now))
    assert any(isinstance(e, WakeAt) for e in again.effects)
    depth(again, PRICE + 500, PRICE + 600)
    wait(again, 40)
    # It was moved before the restart, so that it is cancelled now and not moved once more.
    assert (revises(again), cancels(again)) == ([], [key])
    cancelled(again, 8)
    third = Desk(again.rows, can=CAN_ALL)
    third.now = again.now
    trade(third, PRICE)
    third.submit("soon", agent=AGENT)
    assert "requote guard" in third.order("soon").text


def test_a10_a_desk_that_dies_between_the_cancel_and_the_last_sell_sells_once():
    one = desk(Side.SELL, price=PRICE + 2000)
    depth(one, PRICE - 100, PRICE)
    wait(one, 40)
    moved(one, side=Side.SELL)
    wait(one, 40)
    cancelled(one, 8, 10, Side.SELL)
    assert one.order(one.sends[-1].intent.key).state is OrderState.SENDING
    # The desk dies before the row of the POST: the order was never sent, and another one is.
    last = one.sends[-1].intent.key
    keep = [
        row for row in one.rows if getattr(row, "key", "") != last or isinstance(row, IntentTaken)
    ]
    again = Desk(keep, can=CAN_ALL)
    again.now = one.now
    again.keep(again.core.start(one.now))
    depth(again, PRICE - 100, PRICE)
    trade(again, PRICE)
    wait(again, 10)
    wait(again, 10)
    assert again.order(last).state is OrderState.DENIED
    (sent,) = again.sends
    assert (sent.intent.side, sent.intent.qty) == (Side.SELL, 10)


def test_a10_a_move_that_kis_refuses_leaves_the_order_which_is_then_cancelled():
    one = desk()
    depth(one, PRICE + 200, PRICE + 300)
    wait(one, 40)
    key = next(e.intent.key for e in one.effects if isinstance(e, Revise))
    one.say(SendReply(key, "rejected", msg_cd="APBK0000", text="no"))
    wait(one, 40)
    assert (steps(one), cancels(one)) == (["move", "cancel"], ["k"])
    assert len(revises(one)) == 1


def test_a10_an_order_that_somebody_cancels_or_moves_is_left_alone():
    from kisnb.trading.ports.commands import CancelOrder

    one = desk()
    one.say(CancelOrder("k"))
    cancelled(one, 7)
    wait(one, 60)
    assert steps(one) == []
    assert one.core.state.requotes.cooled == {}


def test_a10_the_time_of_a_call_auction_does_not_count():
    one = desk()
    one.now = kst(DAY, 15 * 3600 + 20 * 60 + 1)
    wait(one, 60)
    assert steps(one) == []


def test_a10_the_shares_of_one_order_are_never_in_two_live_orders():
    """Every message in turn: at no step do the live orders hold more than the ten shares."""
    one = desk(Side.SELL, price=PRICE + 2000)
    most = 0

    def look() -> None:
        nonlocal most
        live = [o for o in one.core.state.books.live.values() if o.intent.agent == AGENT]
        sold = sum(o.filled for o in one.core.state.books.orders.values() if o.side is Side.SELL)
        moving = {o.intent.supersedes for o in live if o.ref is None}
        most = max(most, sold + sum(o.leaves for o in live if o.key not in moving))

    depth(one, PRICE - 100, PRICE)
    for act in (
        lambda: wait(one, 40),
        lambda: moved(one, side=Side.SELL),
        lambda: wait(one, 40),
        lambda: wait(one, 40),
        lambda: cancelled(one, 8, 10, Side.SELL),
        lambda: wait(one, 40),
    ):
        act()
        look()
    assert most == 10
