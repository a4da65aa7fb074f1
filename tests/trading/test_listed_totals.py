"""What KIS's totals may and may not book, order by order and share by share.

Rows O04 to O08, invariants 2, 3 and 7.
"""

from __future__ import annotations

from datetime import time

import msgspec
import pytest

from kisnb.clock import DAY as ONE_DAY
from kisnb.clock import SECOND, Ns, kst, kst_day
from kisnb.events import (
    AccountOpened,
    CancelRefused,
    DriftCleared,
    DriftFound,
    ExternalFound,
    LinkUp,
    Revised,
)
from kisnb.orders import (
    Account,
    Capabilities,
    Holding,
    OrderPage,
    OrderRef,
    OrderRow,
    OrderState,
    SendReply,
)
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.orders.account_reconciliation import STANDS
from kisnb.trading.orders.order_reconciliation import AGREES
from kisnb.trading.orders.readings import EVERY, IDLE, SETTLES, UNANSWERED
from kisnb.trading.ports.commands import CancelOrder
from kisnb.trading.ports.effects import AskOrders, CancelReply, OrdersQuery, OrdersRead, Woke
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.trading.desk import CODE, DAY, NOON, Desk, notice, price_of
from tests.trading.test_reconciliation import accepted, account, asked, open_desk, revise
from tests.trading.test_resolver import answer, lost, row

P = price_of()
CLOSE = kst(DAY, time(15, 30))


def read(desk: Desk, *rows: OrderRow, held: Account | None = None, begun: Ns | None = None) -> None:
    """KIS's list of the day comes, as if asked for at ``begun``, else just now."""
    question = OrdersQuery(DAY, "test", held is not None, begun or desk.now, desk.core.state.fills)
    desk.say(OrdersRead(question, OrderPage(rows, complete=True), held), desk.now)


def read_twice(desk: Desk, *rows: OrderRow, at: Ns | None = None) -> None:
    """KIS's list says the same twice, so long apart that the second reading counts."""
    desk.now = at or desk.now
    read(desk, *rows)
    desk.now += AGREES
    read(desk, *rows)


def drifts(desk: Desk) -> list[DriftFound]:
    return [e for e in desk.published if isinstance(e, DriftFound)]


# orders


def test_o04_a_list_that_says_nothing_new_writes_nothing():
    desk = accepted()
    desk.say(notice("filled", qty=4))
    before = len(desk.rows)
    read(desk, row(filled=4, leaves=6, value=4 * P))
    assert len(desk.rows) == before


def test_o04_an_order_of_yesterday_is_not_taken_for_today_s_with_the_same_number():
    desk = accepted()
    desk.now += ONE_DAY
    today = msgspec.structs.replace(
        row(filled=10, leaves=0, value=10 * P), ref=OrderRef(20261121, "06010", 7)
    )
    desk.say(
        OrdersRead(
            OrdersQuery(kst_day(desk.now), "test", False, desk.now, 0),
            OrderPage((today,), complete=True),
        )
    )
    assert (desk.order().filled, desk.order().leaves) == (0, 10)


@pytest.mark.parametrize("what", ["filled", "cancelled"])
def test_o04_a_difference_of_an_order_that_a_desk_found_and_died_on_is_cleared_by_the_next_list(
    what,
):
    desk = Desk([DriftFound(NOON, "k", what, 0, 4)])
    read(desk)
    assert [e.what for e in desk.published if isinstance(e, DriftCleared)] == [what]
    assert desk.core.state.drifts == {}


def test_o05_a_partial_cancel_is_found_in_the_list_once_however_late_its_notice_comes():
    desk = accepted()
    desk.say(CancelOrder("k", 4))
    read(desk, row(leaves=6, cancelled=4))
    assert (desk.order().cancelled, desk.order().leaves, desk.order().state) == (
        4,
        6,
        OrderState.ACCEPTED,
    )
    assert [(e.ours, e.theirs) for e in drifts(desk)] == [(0, 4)]
    desk.say(notice("cancelled", 8, qty=4, original=7))
    read(desk, row(leaves=6, cancelled=4))
    assert (desk.order().cancelled, desk.order().leaves) == (4, 6)


def test_o05_no_more_is_taken_out_than_is_left_when_a_list_is_behind_with_its_fills():
    desk = accepted()
    desk.say(notice("filled", qty=6))
    read_twice(desk, row(filled=0, leaves=0))
    order = desk.order()
    assert (order.filled, order.cancelled, order.leaves) == (6, 4, 0)


def cancelling() -> Desk:
    """A desk whose cancel KIS has taken."""
    desk = accepted()
    desk.say(CancelOrder("k"))
    desk.say(CancelReply(SendReply("k", "sent", None)))
    return desk


def test_o05_a_cancel_has_failed_only_by_a_list_that_was_asked_for_when_it_had_settled():
    desk = cancelling()
    taken = desk.now
    desk.now += EVERY
    read(desk, row(), begun=taken + SETTLES - 1)
    assert desk.order().cancel_asked
    read(desk, row(), begun=taken + SETTLES)
    assert not desk.order().cancel_asked


def test_o05_a_list_that_is_behind_with_a_fill_does_not_say_that_a_cancel_has_failed():
    desk = cancelling()
    desk.say(notice("filled", qty=3))
    desk.now += EVERY
    read(desk, row())
    assert desk.order().cancel_asked


def test_o05_a_second_cancel_is_not_failed_by_the_time_of_the_first():
    desk = cancelling()
    desk.now += EVERY
    read(desk, row())
    desk.say(CancelOrder("k"))
    read(desk, row())
    assert desk.order().cancel_asked, "its reply has not come yet"
    assert len([e for e in desk.published if isinstance(e, CancelRefused)]) == 1


def test_o05_whether_a_cancel_was_carried_out_is_looked_up_when_it_has_settled():
    desk = cancelling()
    taken = desk.now
    assert not asked(desk)
    desk.say(Woke(), taken + SETTLES)
    assert len(asked(desk)) == 1


def test_o06_a_revise_that_was_found_in_the_list_moved_its_shares_and_cancelled_none():
    desk = accepted()
    revise(desk, qty=6)
    desk.sent("k/2", 9)
    read(desk, row(9, original=7, qty=6, leaves=6, price=P + 100), row(leaves=4))
    assert [(e.qty, e.by, e.number) for e in desk.published if isinstance(e, Revised)] == [
        (6, "k/2", 9)
    ]
    assert drifts(desk) == []


@pytest.mark.parametrize("moved", [10, 6])
def test_o06_shares_that_a_list_showed_as_gone_live_on_in_the_revise_that_a_later_list_shows(
    moved: int,
):
    desk = accepted()
    revise(desk, qty=moved)
    desk.sent("k/2", 9)
    # A cancel makes the shares' end expected, and the list need not show so young an order yet.
    desk.say(CancelOrder("k"))
    parent = row(leaves=10 - moved, cancelled=moved)
    read(desk, parent)
    order = desk.order()
    assert (order.cancelled, order.revised_by) == (moved, [])
    child = row(9, original=7, qty=moved, leaves=moved, price=P + 100)
    read(desk, child, parent)
    read(desk, child, parent)
    assert [(f.qty, f.number) for f in order.facts if isinstance(f, Revised)] == [(moved, 9)]
    assert (order.cancelled, order.leaves, order.revised_by) == (moved, 10 - moved, ["k/2"])
    assert order.text == f"{moved} shares live on as #9"
    assert desk.order("k/2").leaves == moved
    again = State.fold(desk.rows).books.orders["k"]
    assert (again.state, again.cancelled, again.revised_by) == (order.state, moved, ["k/2"])


def test_o06_a_lost_revise_that_moved_less_than_it_asked_for_is_so_much_smaller():
    desk = accepted()
    revise(desk)
    desk.say(SendReply("k/2", "unknown"))
    moved = row(9, original=7, qty=6, leaves=6, price=P + 100, t=desk.now)
    read(desk, moved, row(filled=4, leaves=0, value=4 * P))
    child, parent = desk.order("k/2"), desk.order()
    assert (child.quantity, child.cancelled, child.leaves, child.state) == (
        10,
        4,
        6,
        OrderState.ACCEPTED,
    )
    assert (parent.filled, parent.cancelled, parent.leaves) == (4, 6, 0)
    assert [e.subject for e in drifts(desk)] == ["k"], "its fill, whose notice was lost"


# the end of the day


def test_o07_what_was_cancelled_before_does_not_expire():
    desk = accepted()
    desk.say(CancelOrder("k", 4))
    desk.say(notice("cancelled", 8, qty=4, original=7))
    desk.now = CLOSE + 5 * SECOND
    read(desk, row(leaves=0, cancelled=4))
    order = desk.order()
    assert (order.state, order.cancelled, order.expired) == (OrderState.EXPIRED, 10, 6)
    assert drifts(desk) == []


def test_o07_a_cancel_whose_notice_was_lost_and_an_end_with_the_session_are_told_apart():
    desk = accepted()
    desk.now = CLOSE + 5 * SECOND
    read(desk, row(leaves=0, cancelled=4))
    order = desk.order()
    assert (order.state, order.cancelled, order.expired) == (OrderState.EXPIRED, 10, 6)
    assert [(e.what, e.ours, e.theirs) for e in drifts(desk)] == [("cancelled", 0, 4)]


@pytest.mark.parametrize(
    ("at", "end"), [(CLOSE - 1, OrderState.CANCELLED), (CLOSE, OrderState.EXPIRED)]
)
def test_o07_an_order_ends_with_its_session_from_the_moment_of_its_end_on(at: Ns, end: OrderState):
    desk = accepted()
    # The second reading counts, and it comes at that moment.
    read_twice(desk, row(leaves=0), at=at - AGREES)
    assert desk.order().state is end


@pytest.mark.parametrize(
    ("venue", "end"), [(Venue.KRX, OrderState.EXPIRED), (Venue.NXT, OrderState.CANCELLED)]
)
def test_o07_an_order_from_the_phone_ends_with_the_session_of_its_venue(
    venue: Venue, end: OrderState
):
    desk = open_desk()
    ref = OrderRef(20261120, "06010", 31, venue)
    read(desk, msgspec.structs.replace(row(31), ref=ref))
    desk.now = CLOSE + 5 * SECOND
    read_twice(desk, msgspec.structs.replace(row(31, leaves=0), ref=ref))
    assert desk.order("external:20261120:06010:31").state is end


# external orders


@pytest.mark.parametrize(
    ("changes", "found"),
    [({"filled": 10, "leaves": 0, "value": 10 * P}, True), ({}, True), ({"leaves": 0}, False)],
)
def test_o08_a_revise_from_the_phone_is_an_order_and_a_cancel_is_none(changes: dict, found: bool):
    desk = open_desk()
    read(desk, row(31, original=30, **changes))
    assert bool([e for e in desk.published if isinstance(e, ExternalFound)]) is found


def test_o08_a_market_buy_from_the_phone_reserves_at_the_upper_limit():
    desk = open_desk(cash=100 * P)
    read(desk, row(31, kind=OrderKind.MARKET, price=0, qty=80, leaves=80))
    assert desk.order("external:20261120:06010:31").intent.price is None
    desk.submit()
    assert "that no open order has reserved" in desk.order().text


# the account


def test_o08_nothing_is_compared_while_an_order_is_on_its_way():
    desk = open_desk()
    desk.submit()
    read(desk, held=account(cash=10**8 - 10 * P))
    assert drifts(desk) == []
    desk.say(Woke(), desk.now + SETTLES)
    assert asked(desk)[-1].query.account


def test_o08_a_difference_is_taken_as_it_is_when_it_has_stood_and_no_sooner():
    for stood, taken in ((0, False), (STANDS - 1, False), (STANDS, True)):
        desk = open_desk()
        found = desk.now
        read(desk, held=account((CODE, 5, 5 * P)))
        read(
            desk,
            held=account((CODE, 5, 5 * P)),
            begun=desk.core.state.drifts[CODE, "holding"].t + stood,
        )
        assert desk.core.state.books.account.position(CODE).qty == (5 if taken else 0), (
            stood,
            found,
        )


def test_o08_no_difference_is_taken_as_it_is_while_an_order_is_of_unknown_fate():
    """It may be what that order did."""
    desk = open_desk()
    desk.submit()
    desk.say(SendReply("k", "unknown"))
    read(desk, held=account((CODE, 5, 5 * P)))
    desk.now += STANDS
    read(desk, held=account((CODE, 5, 5 * P)))
    assert desk.core.state.books.account.position(CODE).qty == 0
    assert (CODE, "holding") in desk.core.state.drifts


def test_o08_of_a_larger_holding_only_what_is_more_comes_in_with_its_part_of_the_cost():
    desk = open_desk((CODE, 5, 500_000))
    more = account((CODE, 20, 2_200_000))
    read(desk, held=more)
    desk.now += STANDS
    read(desk, held=more)
    opened = [e for e in desk.published if isinstance(e, AccountOpened)][-1]
    assert opened.holdings == ((CODE, 15, 1_650_000),)
    assert desk.core.state.books.account.position(CODE).cost == 500_000 + 1_650_000


# when it asks


def test_o04_after_each_list_the_next_is_asked_for_within_a_minute_while_an_order_is_open():
    desk = accepted()
    desk.say(LinkUp(desk.now))
    for _ in range(3):
        count = len(asked(desk))
        answer(desk, [row()])
        desk.say(Woke(), desk.now + EVERY)
        assert len(asked(desk)) == count + 1


def test_at_night_and_with_nothing_open_nobody_is_asked():
    desk = open_desk()
    count = len(asked(desk))
    desk.say(Woke(), kst(DAY, time(23)))
    while len(asked(desk)) > count:
        count = len(asked(desk))
        desk.say(OrdersRead(asked(desk)[-1].query, OrderPage((), complete=True), account()))
    desk.say(Woke(), desk.now + IDLE)
    desk.say(Woke(), desk.now + IDLE)
    assert len(asked(desk)) == count


def test_one_question_is_under_way_at_a_time_and_one_that_never_ends_is_asked_again():
    desk = accepted()
    desk.say(LinkUp(desk.now))
    begun = desk.now
    desk.say(LinkUp(desk.now))
    desk.say(Woke(), begun + UNANSWERED - 1)
    assert len(asked(desk)) == 1
    desk.say(Woke(), begun + UNANSWERED)
    assert len(asked(desk)) == 2


def test_the_link_asks_for_the_account_too_and_of_two_days_with_the_newer_alone():
    desk = accepted()
    desk.now += ONE_DAY
    desk.say(LinkUp(desk.now))
    assert [(ask.query.day.day, ask.query.account) for ask in asked(desk)] == [
        (20, False),
        (21, True),
    ]


def test_o02_a_list_that_did_not_come_is_asked_for_again_after_growing_pauses():
    desk = lost()
    for pause in (2, 4, 8, 16, 30, 30):
        desk.say(OrdersRead(asked(desk)[-1].query, None))
        count, begun = len(asked(desk)), desk.now
        desk.say(Woke(), begun + pause * SECOND - 1)
        desk.say(Woke(), begun + pause * SECOND)
        assert len(asked(desk)) == count + 1, pause
    answer(desk, [])
    desk.say(OrdersRead(asked(desk)[-1].query, None))
    count = len(asked(desk))
    desk.say(Woke(), desk.now + 2 * SECOND)
    assert len(asked(desk)) == count + 1, "one list that came, and the pause is short again"


@pytest.mark.parametrize(("sellable", "state"), [(9, OrderState.DENIED), (10, OrderState.SENDING)])
def test_o02_a_sell_that_waits_for_kis_goes_by_its_own_stock_when_the_account_comes_at_last(
    sellable: int, state: OrderState
):
    desk = lost()
    answer(desk, [])
    desk.submit("s", side=Side.SELL)
    desk.say(OrdersRead(asked(desk)[-1].query, OrderPage((), complete=True), None))
    assert desk.order("s").state is OrderState.NEW
    desk.say(Woke(), desk.now + 2 * SECOND)
    assert asked(desk)[-1].query.account
    held = Holding("000660", "", 99, 99, 99, 1), Holding(CODE, "", 20, sellable, 20 * P, P)
    answer(desk, [], account=Account(10**8, 10**8, 10**8, 10**8, held, complete=True))
    assert desk.order("s").state is state


def test_o07_every_day_that_has_an_open_order_is_asked_for():
    desk = Desk(limits=Limits(), can=Capabilities((Venue.KRX,), (OrderKind.LIMIT,), can_order=True))
    desk.submit()
    desk.sent()
    desk.now += 3 * ONE_DAY
    desk.say(LinkUp(desk.now))
    assert [e.query.day.day for e in desk.effects if isinstance(e, AskOrders)] == [20, 23]
