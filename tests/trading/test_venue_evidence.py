"""What KIS's list says of venue and kind tells a lost order from somebody else's. Row O02."""

from __future__ import annotations

from datetime import time

import pytest

from kisnb.clock import SECOND, kst
from kisnb.events import Unresolved
from kisnb.orders import Capabilities, OrderRef, OrderRow, OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.orders.resolver import WINDOW
from kisnb.trading.ports.commands import CancelOrder, Halt, ResolveOrder, ReviseOrder
from kisnb.trading.ports.effects import Cancel
from tests.trading.desk import DAY, NOON, Desk, intent, notice, price_of
from tests.trading.test_resolver import answer, refusal, row

K = OrderKind
KRX, NXT, SOR = Venue.KRX, Venue.NXT, Venue.SOR
ALL = Capabilities(tuple(Venue), tuple(OrderKind), can_order=True)
P = price_of()
AFTER_MARKET = kst(DAY, time(17))


def lost(venue: Venue, kind: OrderKind = K.LIMIT, at: int = 0) -> Desk:
    """A desk that sent one order to ``venue``; the answer never came."""
    desk = Desk(can=ALL)
    desk.now = at or desk.now
    price, stop = (P if kind.priced else None), (P if kind is K.STOP_LIMIT else None)
    desk.submit(venue=venue, kind=kind, price=price, stop=stop)
    assert desk.order().state is OrderState.SENDING, desk.order().text
    desk.say(SendReply("k", "unknown", text="timeout"))
    return desk


def listed(
    desk: Desk, venue: Venue, kind: OrderKind = K.LIMIT, number: int = 7, **changes
) -> OrderRow:
    price = P if kind.priced else 0
    ref = OrderRef(20261120, "06010", number, venue)
    values = {"ref": ref, "kind": kind, "price": price, "t": desk.order().sent_at}
    return row(**values | changes)


def fate(desk: Desk, *rows: OrderRow) -> OrderState:
    """What the order is when its window is over and KIS lists ``rows``."""
    answer(desk, rows)
    answer(desk, rows, desk.now + WINDOW + 2 * SECOND)
    return desk.order().state


def others(desk: Desk) -> list[int]:
    return [o.number for o in desk.core.state.books.orders.values() if o.intent.agent == "external"]


@pytest.mark.parametrize("sent", list(Venue))
@pytest.mark.parametrize("there", list(Venue))
def test_o02_a_row_of_another_venue_is_external_and_a_trade_of_sor_is_for_a_person(
    sent: Venue, there: Venue
):
    desk = lost(sent)
    state = fate(desk, listed(desk, there))
    if sent is there:
        assert state is OrderState.ACCEPTED
        assert others(desk) == []
    else:
        assert state is OrderState.UNKNOWN
        assert others(desk) == ([] if sent is SOR else [7])


def test_o02_an_order_at_nextrade_and_its_twin_at_krx_are_found_and_cancelled_apart():
    desk = lost(NXT)
    answer(desk, [listed(desk, KRX, number=8)])
    assert desk.order().state is OrderState.UNKNOWN
    assert others(desk) == [8]
    answer(desk, [listed(desk, NXT, number=9), listed(desk, KRX, number=8)], desk.now + 5 * SECOND)
    desk.say(CancelOrder("k"))
    (cancel,) = [e for e in desk.effects if isinstance(e, Cancel)]
    assert (cancel.ref.number, cancel.ref.venue) == (9, NXT)


@pytest.mark.parametrize(
    ("sent", "there"),
    [
        (K.LIMIT, K.LIMIT_IOC),
        (K.LIMIT, K.CONDITIONAL),
        (K.LIMIT, K.AFTER_LIMIT),
        (K.LIMIT_IOC, K.LIMIT_FOK),
        (K.MARKET, K.BEST_OPPOSITE),
        (K.MARKET, K.MARKET_IOC),
        (K.BEST_OPPOSITE, K.MARKET),
        (K.BEST_OWN, K.BEST_OPPOSITE),
        (K.STOP_LIMIT, K.CONDITIONAL),
    ],
)
def test_o02_a_row_of_another_kind_is_somebody_else_s(sent: OrderKind, there: OrderKind):
    desk = lost(KRX, sent)
    assert fate(desk, listed(desk, KRX, there)) is OrderState.UNKNOWN
    assert others(desk) == [7]


@pytest.mark.parametrize(
    "kind", [K.LIMIT, K.LIMIT_IOC, K.MARKET, K.BEST_OPPOSITE, K.CONDITIONAL, K.STOP_LIMIT]
)
def test_o02_a_row_of_its_kind_is_it(kind: OrderKind):
    desk = lost(KRX, kind)
    assert fate(desk, listed(desk, KRX, kind)) is OrderState.ACCEPTED


@pytest.mark.parametrize(
    ("there", "is_it"), [(K.AFTER_LIMIT, True), (K.LIMIT, False), (K.AFTER_LIMIT_IOC, False)]
)
def test_o02_an_order_of_krx_s_after_market_is_looked_for_under_the_kind_that_it_was_sent_as(
    there: OrderKind, is_it: bool
):
    desk = lost(KRX, K.LIMIT, AFTER_MARKET)
    assert desk.order().route.kind is K.AFTER_LIMIT
    assert (fate(desk, listed(desk, KRX, there)) is OrderState.ACCEPTED) is is_it


@pytest.mark.parametrize(
    ("venue", "sent", "there", "changes"),
    [
        (KRX, K.LIMIT, K.LIMIT, {"kind_known": False}),
        (NXT, K.LIMIT, K.LIMIT, {"venue_given": False}),
        (SOR, K.LIMIT, K.LIMIT, {"venue_given": False}),
        (KRX, K.CONDITIONAL, K.MARKET, {"price": P}),
        (KRX, K.STOP_LIMIT, K.LIMIT, {}),
        (KRX, K.BEST_OPPOSITE, K.BEST_OPPOSITE, {"price": P}),
    ],
)
def test_o02_a_row_that_does_not_tell_is_left_to_a_person_who_may_adopt_it(
    venue: Venue, sent: OrderKind, there: OrderKind, changes: dict
):
    desk = lost(venue, sent)
    only = listed(desk, KRX, there, **changes)
    assert fate(desk, only) is OrderState.UNKNOWN
    assert others(desk) == []
    (told,) = [e for e in desk.published if isinstance(e, Unresolved)]
    assert told.candidates == (7,)
    assert "#7 (listed at KRX as " in told.text
    desk.say(ResolveOrder("k", 7))
    answer(desk, [only])
    assert (desk.order().state, desk.order().number) == (OrderState.ACCEPTED, 7)


def test_o02_a_row_without_a_venue_is_krx_s_as_kis_reads_it():
    desk = lost(KRX)
    assert fate(desk, listed(desk, KRX, venue_given=False)) is OrderState.ACCEPTED


def test_o02_a_row_of_sor_and_a_row_it_may_have_traded_as_are_left_to_a_person():
    desk = lost(SOR)
    assert (
        fate(desk, listed(desk, SOR, number=8), listed(desk, KRX, number=7)) is OrderState.UNKNOWN
    )
    assert others(desk) == []


def test_o02_a_person_cannot_adopt_a_row_of_another_venue():
    desk = lost(NXT)
    desk.say(ResolveOrder("k", 7))
    answer(desk, [listed(desk, KRX)])
    assert "KIS lists no order like it as #7; nothing that KIS lists could be it" in refusal(desk)
    assert others(desk) == [7]


@pytest.mark.parametrize("where", [SOR, KRX, NXT])
def test_o02_an_order_of_the_smart_router_is_cancelled_where_it_was_sent_wherever_it_is_listed(
    where: Venue,
):
    desk = lost(SOR)
    there = listed(desk, where)
    answer(desk, [there])
    desk.say(ResolveOrder("k", 7))
    answer(desk, [there])
    desk.say(CancelOrder("k"))
    (cancel,) = [e for e in desk.effects if isinstance(e, Cancel)]
    assert cancel.ref.venue is SOR


def test_o02_the_acceptance_of_a_router_s_order_by_the_list_keeps_where_it_was_sent():
    desk = Desk(can=ALL)
    desk.submit(venue=SOR)
    desk.say(SendReply("k", "sent", OrderRef(20261120, "06010", 7, SOR)))
    desk.say(Halt("stop", "halted"))
    answer(desk, [listed(desk, KRX)])
    assert desk.order().state is OrderState.ACCEPTED
    assert desk.order().ref.venue is SOR


def revised(venue: Venue, kind: OrderKind) -> Desk:
    """A desk with an open order whose revise was lost."""
    desk = Desk(can=ALL)
    desk.submit(venue=venue, kind=kind)
    desk.say(SendReply("k", "sent", OrderRef(20261120, "06010", 7, venue)))
    desk.say(notice("accepted"))
    desk.say(ReviseOrder(intent("k/2", price=P + 100, supersedes="k")))
    assert desk.order("k/2").state is OrderState.SENDING, desk.order("k/2").text
    desk.say(SendReply("k/2", "unknown"))
    return desk


@pytest.mark.parametrize(
    ("sent", "there", "state"),
    [
        (K.LIMIT, K.LIMIT, OrderState.ACCEPTED),
        (K.CONDITIONAL, K.CONDITIONAL, OrderState.ACCEPTED),
        (K.CONDITIONAL, K.LIMIT, OrderState.ACCEPTED),
        (K.LIMIT, K.LIMIT_IOC, OrderState.UNKNOWN),
    ],
)
def test_o06_a_lost_revise_is_found_under_the_kind_that_it_kept_or_changed_to(
    sent: OrderKind, there: OrderKind, state: OrderState
):
    desk = revised(KRX, sent)
    moved = listed(desk, KRX, there, 9, original=7, price=P + 100, t=desk.now)
    answer(desk, [moved, listed(desk, KRX, sent, leaves=0, cancelled=10)])
    assert desk.order("k/2").state is state
    assert others(desk) == []


def test_o06_a_revise_at_another_venue_is_not_ours():
    desk = revised(NXT, K.LIMIT)
    moved = listed(desk, KRX, K.LIMIT, 9, original=7, price=P + 100, t=desk.now)
    answer(desk, [moved, listed(desk, NXT)])
    assert desk.order("k/2").state is OrderState.UNKNOWN


@pytest.mark.parametrize("where", list(Venue))
def test_o06_a_lost_revise_at_the_smart_router_is_found_wherever_it_is_listed(where: Venue):
    desk = revised(SOR, K.LIMIT)
    moved = listed(desk, where, K.LIMIT, 9, original=7, price=P + 100, t=desk.now)
    answer(desk, [moved, listed(desk, where, leaves=0, cancelled=10)])
    assert desk.order("k/2").number == 9
    assert desk.order("k/2").ref.venue is SOR
    assert desk.order().leaves == 0


def test_o02_a_lost_sell_at_nextrade_is_not_the_phone_s_at_krx():
    desk = Desk(can=ALL)
    desk.submit(venue=NXT, side=Side.SELL)
    assert desk.now > NOON
    desk.say(SendReply("k", "unknown"))
    assert fate(desk, listed(desk, KRX, side=Side.SELL)) is OrderState.UNKNOWN
