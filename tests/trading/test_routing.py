"""The desk routes at the last hop, keeps the evidence, and sends nothing where nothing is taken."""

from __future__ import annotations

from datetime import date, time

import pytest

from kisnb.clock import SECOND, kst
from kisnb.events import Denied, Depth, SendStarted, Tick
from kisnb.orders import Capabilities, OrderRef, OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.ports.commands import CancelOrder
from kisnb.trading.ports.effects import AskDepth, Cancel, DepthRead, Persist, Send
from kisnb.trading.ports.journal_rows import RouteDecided, decode_row, encode_row
from kisnb.trading.state import State
from tests.trading.desk import CODE, DAY, NOON, Desk, notice, price_of

EVERYWHERE = Capabilities(tuple(Venue), tuple(OrderKind), can_order=True)
PAPER = Capabilities((Venue.KRX,), (OrderKind.LIMIT, OrderKind.MARKET), can_order=True)
KRX_ONLY = "069500"
BASE = price_of()
TICK = 100


def desk(can: Capabilities = EVERYWHERE) -> Desk:
    return Desk(can=can)


def book(venue: Venue, spread: int = 1, size: int = 500, t: int = NOON) -> Depth:
    return Depth(t, CODE, venue, ((BASE + spread * TICK, size),), ((BASE, size),), t)


def trade(venue: Venue, spread: int = 1, size: int = 500, t: int = NOON) -> Tick:
    return Tick(
        t, CODE, venue, BASE, 1, Side.BUY, 1, BASE, BASE + spread * TICK, BASE, t, size, size
    )


def decisions(there: Desk) -> list[RouteDecided]:
    return [row for row in there.rows if isinstance(row, RouteDecided)]


def test_r03_the_tighter_venue_by_the_trade_channels_alone():
    there = desk()
    there.say(trade(Venue.KRX, spread=2))
    there.say(trade(Venue.NXT, spread=1))
    there.submit()
    (send,) = there.sends
    assert (send.route.venue, send.route.reason) == (Venue.NXT, "dual_listing_spread")


def test_r04_equal_spreads_go_to_the_default_and_a_later_depth_is_believed():
    there = desk()
    there.say(trade(Venue.KRX))
    there.say(trade(Venue.NXT, size=9_000))
    there.submit("tie")
    there.say(SendReply("tie", "rejected", text="no"))
    there.say(book(Venue.NXT, spread=0, t=NOON + 3 * SECOND), at=NOON + 3 * SECOND)
    there.submit("tighter")
    assert [(s.route.venue, s.route.reason) for s in there.sends] == [
        (Venue.KRX, "dual_listing_spread"),
        (Venue.NXT, "dual_listing_spread"),
    ]


def test_r07_the_evidence_is_synced_with_the_send_and_survives_the_fold():
    there = desk()
    there.say(trade(Venue.KRX))
    there.say(trade(Venue.NXT, spread=3))
    effects = there.submit()
    at = next(i for i, e in enumerate(effects) if isinstance(e, Send))
    (synced,) = [e for e in effects[:at] if isinstance(e, Persist)]
    assert [type(row) for row in synced.rows][-2:] == [RouteDecided, SendStarted]
    (decided,) = decisions(there)
    evidence = decided.evidence
    assert (evidence.session_id, evidence.venue, evidence.reason) == (
        "KRX_REG",
        Venue.KRX,
        "dual_listing_spread",
    )
    assert {seen.venue: seen.age for seen in evidence.seen} == {
        Venue.KRX: 3 * SECOND,
        Venue.NXT: 3 * SECOND,
    }
    assert {row.venue for row in evidence.alternatives} == set(Venue)
    assert decode_row(encode_row(decided)) == decided
    assert list(State.fold(there.rows).routes) == [evidence]
    assert not [e for e in there.published if isinstance(e, RouteDecided)]


def test_r04_books_that_no_channel_has_shown_are_read_once_before_the_order_leaves():
    there = desk()
    asked = [
        e for e in there.submit("a") + there.submit("b", side=Side.SELL) if isinstance(e, AskDepth)
    ]
    assert asked == [AskDepth(CODE, (Venue.KRX, Venue.NXT))]
    assert there.sends == []
    there.say(DepthRead(CODE, (book(Venue.KRX, size=10, spread=2), book(Venue.NXT))))
    assert [(s.intent.key, s.route.venue) for s in there.sends] == [
        ("a", Venue.NXT),
        ("b", Venue.NXT),
    ]


def test_r05_books_that_cannot_be_read_leave_the_session_default():
    there = desk()
    there.submit()
    there.say(DepthRead(CODE, ()))
    (send,) = there.sends
    assert (send.route.venue, send.route.reason) == (Venue.KRX, "fallback_data_unavailable")


@pytest.mark.parametrize(
    "changes",
    [{"protective": True}, {"venue": Venue.KRX}, {"code": KRX_ONLY, "price": price_of(KRX_ONLY)}],
)
def test_an_order_that_no_book_could_move_waits_for_none(changes):
    there = desk()
    there.submit(**changes)
    assert len(there.sends) == 1


@pytest.mark.parametrize(
    ("clock", "changes", "said"),
    [
        ((8, 10), {"code": KRX_ONLY, "price": price_of(KRX_ONLY)}, "NXT does not list KODEX 200"),
        (
            (8, 10),
            {"kind": OrderKind.MARKET, "price": None, "venue": Venue.NXT},
            "takes no market orders",
        ),
        (
            (12, 0),
            {"kind": OrderKind.MARKET, "price": None, "venue": Venue.NXT},
            "takes no market orders",
        ),
        ((16, 30), {"kind": OrderKind.MARKET, "price": None}, "takes no market orders"),
        ((20, 0), {}, "closed at 20:00"),
    ],
)
def test_r06_r09_what_no_venue_takes_is_refused_with_evidence_and_nothing_sent(
    clock, changes, said
):
    there = desk()
    there.now = kst(DAY, time(*clock)) - SECOND
    there.submit(**changes)
    assert there.sends == []
    (denied,) = [row for row in there.rows if isinstance(row, Denied)]
    assert said in denied.reason
    assert denied.cure
    (decided,) = decisions(there)
    assert decided.evidence.venue is None


@pytest.mark.parametrize(
    ("day", "clock", "code", "venue", "kind"),
    [
        (DAY, (8, 10), CODE, Venue.NXT, OrderKind.LIMIT),
        (DAY, (12, 0), KRX_ONLY, Venue.KRX, OrderKind.LIMIT),
        (DAY, (16, 30), "000660", Venue.KRX, OrderKind.AFTER_LIMIT),
        (date(2026, 9, 11), (12, 0), KRX_ONLY, Venue.KRX, OrderKind.LIMIT),
    ],
)
def test_r06_the_venue_and_the_kind_that_take_it_now(day, clock, code, venue, kind):
    there = desk()
    there.now = kst(day, time(*clock)) - SECOND
    wanted = {"venue": Venue.KRX} if venue is Venue.KRX else {}
    there.submit(code=code, price=price_of(code), **wanted)
    (send,) = there.sends
    assert (send.route.venue, send.route.kind) == (venue, kind)


def test_r06_a_stale_better_krx_book_before_the_open_changes_nothing():
    there = desk()
    there.now = kst(DAY, time(8, 10))
    there.say(book(Venue.KRX, spread=0, size=10**6, t=there.now), at=there.now)
    there.submit()
    assert [s.route.venue for s in there.sends] == [Venue.NXT]


def test_r08_a_queued_intent_is_routed_by_the_session_in_which_it_is_sent():
    there = desk()
    there.now = kst(DAY, time(8, 49))
    there.submit("first")
    there.submit("second")
    assert [s.route.venue for s in there.sends] == [Venue.NXT]
    nine = kst(DAY, time(9, 5))
    there.say(trade(Venue.KRX, t=nine), at=nine)
    there.say(trade(Venue.NXT, spread=4, t=nine), at=nine)
    there.say(
        SendReply("first", "sent", OrderRef(20261120, "06010", 7, Venue.NXT)), at=nine + SECOND
    )
    assert [(s.intent.key, s.route.venue) for s in there.sends] == [
        ("first", Venue.NXT),
        ("second", Venue.KRX),
    ]
    assert [d.evidence.session_id for d in decisions(there)] == ["NXT_PRE", "KRX_REG"]


def test_r08_a_cancel_goes_where_the_order_went_whoever_executes():
    there = desk()
    there.submit(venue=Venue.SOR)
    there.say(SendReply("k", "sent", OrderRef(20261120, "06010", 7, Venue.SOR)))
    there.say(notice("accepted"))
    assert there.order().state is OrderState.ACCEPTED
    cancel = [e for e in there.say(CancelOrder("k")) if isinstance(e, Cancel)]
    assert [c.ref.venue for c in cancel] == [Venue.SOR]


def test_a_connection_without_the_kinds_of_the_after_market_waits_for_the_next_day():
    there = desk(PAPER)
    there.now = kst(DAY, time(16, 30))
    there.submit()
    assert there.sends == []
    assert (
        there.order().text
        == "KRX's after-market takes no limit orders; order on the next trading day"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": OrderKind.STOP_LIMIT}, "needs a stop price"),
        ({"stop": BASE}, "a limit order has no stop price"),
        ({"kind": OrderKind.STOP_LIMIT, "stop": BASE + 1}, "off the tick grid"),
        ({"kind": OrderKind.BEST_OPPOSITE}, "a best-opposite order has no price"),
        ({"kind": OrderKind.LIMIT_IOC, "price": None}, "a limit-ioc order needs a price"),
    ],
)
def test_prices_belong_to_the_kind(changes, said):
    there = desk()
    there.submit(**changes)
    assert there.sends == []
    assert said in there.order().text
