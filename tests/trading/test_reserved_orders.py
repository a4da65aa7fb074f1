"""Reserved orders in the core: never sent twice, found again, adopted once. Rows K13, O02, O08."""

from __future__ import annotations

from datetime import date, time

import msgspec
import pytest

from kisnb.clock import DAY, MINUTE, Ns, kst
from kisnb.desk.record.archive import still_counting
from kisnb.events import DecisionRefused, Denied, ExternalFound, LinkUp, Unresolved
from kisnb.orders import (
    Account,
    Capabilities,
    OrderRef,
    OrderRow,
    OrderState,
    ReservedRow,
    SendReply,
)
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.order_books.order_words import next_step
from kisnb.trading.orders.resolver import WINDOW
from kisnb.trading.ports.commands import CancelOrder, ResolveOrder
from kisnb.trading.ports.effects import (
    AskReserved,
    CancelReply,
    CancelReserved,
    ReservedRead,
    Woke,
)  # fmt: skip
from kisnb.trading.state import State
from tests.trading.desk import CODE, Desk, notice, price_of
from tests.trading.test_resolver import answer, row

FRIDAY, MONDAY = date(2026, 11, 20), 20261123
EVENING, MORNING = kst(FRIDAY, time(16)), kst(date(2026, 11, 23), time(8, 31))
P = price_of()


def evening(**options: object) -> Desk:
    desk = Desk(**options)  # type: ignore[arg-type]
    desk.now = EVENING
    desk.say(LinkUp(desk.now))
    answer(desk, [], account=Account(10**8, 10**8, 10**8, 10**8, (), complete=True))
    return desk


def reserve(desk: Desk, key: str = "k", **changes: object) -> None:
    desk.submit(key, day=MONDAY, **changes)


def reserved(desk: Desk, key: str = "k", number: int = 3) -> None:
    desk.say(SendReply(key, "sent", reserved_as=number))


def lost(desk: Desk, key: str = "k") -> None:
    desk.say(SendReply(key, "unknown", text="no reply"))


def listed(number: int = 3, t: Ns = EVENING, **changes: object) -> ReservedRow:
    values: dict[str, object] = {
        "code": CODE, "side": Side.BUY, "kind": OrderKind.LIMIT, "qty": 10, "price": P,
        **changes,
    }  # fmt: skip
    return ReservedRow(MONDAY, number, t=t, **values)  # type: ignore[arg-type]


def read(desk: Desk, *rows: ReservedRow, at: Ns | None = None, complete: bool = True) -> None:
    """KIS's list of reserved orders, read when the desk next asks for it."""
    if at is not None:
        desk.say(Woke(at), at)
        answer(desk, [])
    query = [e for e in desk.effects if isinstance(e, AskReserved)][-1]
    desk.say(ReservedRead(query, rows if complete else None), desk.now)


def day_row(number: int = 41, **changes: object) -> OrderRow:
    changes = {"t": MORNING, "filled": 0, "leaves": 10, **changes}
    found = row(number, **changes)  # type: ignore[arg-type]
    return msgspec.structs.replace(found, ref=OrderRef(MONDAY, "06010", number))


def test_o02_a_reserved_order_is_journaled_before_it_is_sent_and_keeps_its_cash():
    desk = evening()
    reserve(desk)
    (send,) = desk.sends
    assert (send.route.venue, send.intent.day) == (Venue.KRX, MONDAY)
    reserved(desk)
    assert (desk.order().state, desk.order().reserved_as) == (OrderState.RESERVED, 3)
    assert State.fold(desk.rows).books.orders["k"].state is OrderState.RESERVED
    reserve(desk)
    assert len(desk.sends) == 1, "the same key sends nothing"
    reserve(desk, "large", qty=10**8 // P)
    assert desk.order("large").state is OrderState.DENIED


def test_o02_a_lost_reply_is_found_in_the_list_of_reserved_orders_and_not_sent_again():
    desk = evening()
    reserve(desk)
    lost(desk)
    answer(desk, [])
    read(desk, listed(5, qty=9), listed(4), listed(2, t=EVENING - WINDOW))
    assert (desk.order().state, desk.order().reserved_as) == (OrderState.RESERVED, 4)
    assert len(desk.sends) == 1


def test_o02_two_rows_like_it_leave_it_unknown_and_a_person_decides():
    desk = evening()
    reserve(desk)
    lost(desk)
    answer(desk, [])
    read(desk, listed(4), listed(5))
    assert desk.order().state is OrderState.UNKNOWN
    desk.say(ResolveOrder("k", 9))
    read(desk, listed(4), listed(5))
    (no,) = [e for e in desk.published if isinstance(e, DecisionRefused)]
    assert "R4 or R5" in no.text
    desk.say(ResolveOrder("k", 5))
    read(desk, listed(4), listed(5))
    assert desk.order().reserved_as == 5


def test_o02_no_row_proves_nothing_until_the_window_is_over_and_a_person_says_so():
    desk = evening()
    reserve(desk)
    lost(desk)
    answer(desk, [])
    read(desk)
    desk.say(ResolveOrder("k", None))
    read(desk)
    assert (
        "can still come to light"
        in [e for e in desk.published if isinstance(e, DecisionRefused)][-1].text
    )
    read(desk, at=desk.now + 2 * MINUTE)
    (open_case,) = [e for e in desk.published if isinstance(e, Unresolved)]
    assert "for 2026-11-23" in open_case.text
    assert desk.order().state is OrderState.UNKNOWN
    desk.say(ResolveOrder("k", None))
    read(desk, complete=False)
    assert desk.order().state is OrderState.UNKNOWN
    desk.say(ResolveOrder("k", None))
    read(desk)
    assert desk.order().state is OrderState.REJECTED


def test_o02_a_desk_that_dies_while_it_reserves_asks_kis_and_sends_nothing():
    before = evening()
    reserve(before)
    desk = Desk(before.rows)
    desk.keep(desk.core.start(EVENING + MINUTE))
    desk.now = EVENING + MINUTE
    assert desk.order().state is OrderState.UNKNOWN
    answer(desk, [])
    read(desk, listed(4))
    assert desk.order().reserved_as == 4
    assert desk.sends == []


def morning() -> Desk:
    """The desk of Monday, with the rows that count from Friday."""
    before = evening()
    reserve(before)
    reserved(before)
    desk = Desk(still_counting(before.rows))
    desk.keep(desk.core.start(MORNING - 10 * MINUTE))
    desk.now = MORNING - 10 * MINUTE
    answer(desk, [])
    read(desk, listed())
    assert desk.order().state is OrderState.RESERVED
    desk.say(LinkUp(desk.now))
    answer(desk, [])
    read(desk, listed())
    return desk


def test_o08_in_the_morning_the_order_is_adopted_once_and_is_nobody_elses():
    desk = morning()
    # The day's list may show it before the list of reserved orders names it.
    answer(desk, [day_row()], MORNING)
    assert not any(isinstance(e, ExternalFound) for e in desk.published)
    read(desk, listed(order=41))
    answer(desk, [day_row(filled=4, leaves=6, value=4 * P)])
    order = desk.order()
    assert (order.state, order.number, order.filled) == (OrderState.ACCEPTED, 41, 4)
    assert order.ref == OrderRef(MONDAY, "06010", 41)
    read(desk, listed(order=41))
    answer(desk, [day_row(filled=10, leaves=0, value=10 * P)], desk.now + MINUTE)
    assert list(desk.core.state.books.orders) == ["k"]
    assert (order.state, order.filled) == (OrderState.FILLED, 10)
    assert desk.core.state.books.account.position(CODE).qty == 10
    assert desk.sends == []


def test_o08_a_notice_that_comes_first_waits_for_the_adoption():
    desk = morning()
    desk.say(notice("accepted", 41), MORNING)
    desk.say(notice("filled", 41), MORNING)
    answer(desk, [day_row(filled=10, leaves=0, value=10 * P)])
    read(desk, listed(order=41))
    answer(desk, [day_row(filled=10, leaves=0, value=10 * P)])
    assert desk.order().filled == 10
    assert len(desk.core.state.books.orders) == 1


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"refused": "주문가능금액을 초과 했습니다"}, OrderState.REJECTED),
        ({"cancelled": True}, OrderState.CANCELLED),
    ],
)
def test_o08_what_kis_makes_no_order_of_ends(changes: dict[str, object], state: OrderState):
    desk = morning()
    answer(desk, [day_row(50, qty=7, leaves=7)], MORNING)
    read(desk, listed(**changes))
    assert desk.order().state is state
    assert [e.ref.number for e in desk.published if isinstance(e, ExternalFound)] == [50]


def test_o08_a_reserved_order_that_kis_never_made_an_order_ends_with_its_day():
    desk = morning()
    answer(desk, [], MORNING + DAY)
    read(desk, listed())
    assert desk.order().state is OrderState.EXPIRED


def test_k13_the_answer_says_what_of_a_reserved_order_was_not_checked():
    """A price above today's upper limit may be right tomorrow, so the gate lets it pass."""
    desk = evening()
    reserve(desk, price=2 * P, qty=1)
    reserved(desk)
    assert desk.order().state is OrderState.RESERVED
    assert "price limits and halts are not known, so they were not checked" in next_step(
        desk.order()
    )


def test_o03_a_cancel_goes_to_the_reserved_order_and_its_reply_ends_it():
    desk = evening()
    reserve(desk)
    reserved(desk)
    desk.say(CancelOrder("k", 4))
    assert "cancelled as a whole" in desk.order().text
    desk.say(CancelOrder("k"))
    (cancel,) = [e for e in desk.effects if isinstance(e, CancelReserved)]
    assert (cancel.number, cancel.day) == (3, MONDAY)
    desk.say(CancelReply(SendReply("k", "rejected", msg_cd="APBK0927", text="too late")))
    assert desk.order().state is OrderState.RESERVED
    desk.say(CancelOrder("k"))
    desk.say(CancelReply(SendReply("k", "sent")))
    assert desk.order().state is OrderState.CANCELLED


NO_RESERVATION = Capabilities(
    (Venue.KRX,), (OrderKind.LIMIT, OrderKind.MARKET), can_order=True, reserves=False
)


@pytest.mark.parametrize(
    ("at", "changes", "can", "why"),
    [
        (time(16), {}, NO_RESERVATION, "reserves no orders; use live or sim"),
        (time(12), {}, None, "reserves no orders at 12:00"),
        (time(23, 50), {}, None, "while its server rests"),
        (time(7), {}, None, "reserves orders for 2026-11-20 now, not for 2026-11-23"),
        (time(16), {"price": P + 1}, None, "off the tick grid"),
        (time(16), {"price": None}, None, "a limit order needs a price"),
        (time(16), {"kind": OrderKind.MARKET}, None, "a market order has no price"),
    ],
)
def test_k13_what_kis_would_not_reserve_is_refused_here(
    at: time, changes: dict[str, object], can: Capabilities | None, why: str
):
    desk = Desk(**({"can": can} if can else {}))  # type: ignore[arg-type]
    desk.now = kst(FRIDAY, at)
    reserve(desk, **changes)
    assert desk.sends == []
    (denied,) = [e for e in desk.published if isinstance(e, Denied)]
    assert why in f"{denied.reason}; {denied.cure}"


def test_k13_the_last_permission_asks_for_the_hours_once_more():
    desk = evening()
    reserve(desk)
    assert desk.core.may_send(EVENING, "k")
    assert "server rests" in desk.core.may_send(kst(FRIDAY, time(23, 45)), "k").reason
