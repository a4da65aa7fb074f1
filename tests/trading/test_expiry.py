"""Orders end with their session by the dated rule table, when KIS's list confirms it. Row O07."""

from __future__ import annotations

from datetime import date, time

import pytest

from kisnb.clock import SECOND, kst
from kisnb.events import AccountOpened, Expired
from kisnb.market import order_rules
from kisnb.orders import Capabilities, OrderPage, OrderRef, OrderState
from kisnb.terms import OrderKind, Venue
from kisnb.trading.ports.effects import AskOrders, OrdersRead, Woke
from kisnb.trading.ports.limits import Limits
from tests.trading.desk import DAY, NOON, Desk, notice, price_of
from tests.trading.test_gate import cost
from tests.trading.test_resolver import row

P = price_of()
BOTH = Capabilities((Venue.KRX, Venue.NXT), (OrderKind.LIMIT, OrderKind.MARKET), can_order=True)


def resting(venue: Venue) -> Desk:
    """A desk whose whole cash is reserved by one order in the market."""
    desk = Desk([AccountOpened(NOON, cost(10), ())], Limits(), BOTH)
    desk.submit(venue=venue)
    desk.sent()
    desk.say(notice("accepted"))
    desk.submit("more", qty=1, venue=venue)
    assert desk.order("more").state is OrderState.DENIED, "every won is reserved"
    return desk


def asked_at(desk: Desk, at: time) -> list[AskOrders]:
    """What the desk asks within a few seconds of a moment."""
    asks = []
    for after in (0, 2, 4):
        asks += [
            e for e in desk.say(Woke(), kst(DAY, at) + after * SECOND) if isinstance(e, AskOrders)
        ]
    return asks


@pytest.mark.parametrize(("venue", "ends"), [(Venue.KRX, time(15, 30)), (Venue.NXT, time(20))])
def test_o07_an_order_expires_at_its_venue_s_end_and_its_cash_is_free_again(
    venue: Venue, ends: time
):
    desk = resting(venue)
    at = OrderRef(20261120, "06010", 7, venue)
    for before in (at for at in (time(15, 20), time(15, 30), time(15, 40)) if at < ends):
        for ask in asked_at(desk, before):
            desk.say(OrdersRead(ask.query, OrderPage((row(ref=at),), complete=True)), desk.now)
        assert desk.order().state is OrderState.ACCEPTED
    asks = asked_at(desk, ends)
    assert asks, "KIS is asked when its session has ended"
    desk.say(OrdersRead(asks[-1].query, None), desk.now)
    assert desk.order().state is OrderState.ACCEPTED, "silence is not a confirmation"
    desk.say(
        OrdersRead(asks[-1].query, OrderPage((row(leaves=0, ref=at),), complete=True)), desk.now
    )
    order, state = desk.order(), desk.core.state
    assert (order.state, order.expired, order.leaves) == (OrderState.EXPIRED, 10, 0)
    assert [e.qty for e in desk.published if isinstance(e, Expired)] == [10]
    assert state.cash == cost(10)
    assert desk.core.gate._reserved(desk.now, order.intent, state) == 0


@pytest.mark.parametrize(
    ("day", "venue", "kind", "entered", "ends"),
    [
        (date(2026, 9, 11), Venue.KRX, OrderKind.LIMIT, time(10), time(15, 30)),
        (date(2026, 9, 14), Venue.KRX, OrderKind.LIMIT, time(10), time(15, 30)),
        (date(2026, 9, 14), Venue.KRX, OrderKind.AFTER_LIMIT, time(16, 30), time(20)),
        (date(2026, 11, 20), Venue.NXT, OrderKind.LIMIT, time(8, 30), time(20)),
        (date(2026, 11, 20), Venue.NXT, OrderKind.LIMIT, time(15, 45), time(20)),
        (date(2026, 11, 19), Venue.KRX, OrderKind.LIMIT, time(11), time(16, 30)),
    ],
)
def test_o07_the_times_are_those_of_the_dated_table(
    day: date, venue: Venue, kind: OrderKind, entered: time, ends: time
):
    assert order_rules.expires(kst(day, entered), venue, kind) == kst(day, ends)
