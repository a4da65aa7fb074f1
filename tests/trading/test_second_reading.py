"""One reading of KIS's list or account is not final.

Row O15; rows O02, O04, O05 and O08 where a reading is wrong.
"""

from __future__ import annotations

from datetime import time

import msgspec
import pytest

from kisnb.clock import SECOND, Ns, kst
from kisnb.events import (
    AccountOpened,
    Cancelled,
    DriftCleared,
    DriftFound,
    ExternalFound,
    Filled,
    LinkUp,
    Notice,
    Reopened,
    Trouble,
)
from kisnb.market.universe import Universe
from kisnb.orders import Account, OrderPage, OrderRef, OrderRow, OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import EXTERNAL, UNASSIGNED
from kisnb.trading.orders.account_reconciliation import STANDS
from kisnb.trading.orders.order_reconciliation import AGREES, FOLLOWED
from kisnb.trading.orders.readings import EVERY
from kisnb.trading.orders.resolver import WINDOW
from kisnb.trading.ports.commands import CancelOrder, ResolveOrder
from kisnb.trading.ports.effects import (
    AskOrders,
    Cancel,
    CancelReply,
    OrdersQuery,
    OrdersRead,
    Persist,
    Woke,
)
from kisnb.trading.state import State
from tests.trading.desk import CAN, CODE, DAY, NOON, Desk, notice, price_of, ref
from tests.trading.test_listed_totals import drifts, read, read_twice
from tests.trading.test_reconciliation import accepted, account, open_desk, revise
from tests.trading.test_resolver import answer, lost, refusal, row

P = price_of()
PART = {"qty": 40, "filled": 40, "leaves": 0, "value": 40 * P}
"""A row that shows 40 shares of an order of 400."""


def whole(**changes: object) -> OrderRow:
    return row(**{"qty": 400, "leaves": 400, **changes})


def ended_by_part() -> Desk:
    """A desk that two readings made believe that 360 of 400 shares are gone."""
    desk = accepted(400)
    read_twice(desk, row(**PART))
    assert (desk.order().state, desk.order().cancelled) == (OrderState.CANCELLED, 360)
    return desk


def adds_up(desk: Desk) -> None:
    """Each order adds up, and the journal folds to the same orders."""
    folded = State.fold(desk.rows).books
    for order in desk.core.state.books.orders.values():
        assert order.quantity == order.filled + order.cancelled + order.leaves
        again = folded.orders[order.key]
        assert (again.state, again.filled, again.cancelled) == (
            order.state,
            order.filled,
            order.cancelled,
        )
    assert list(folded.live) == list(desk.core.state.books.live)


# an unexpected end


def test_o15_a_row_that_shows_a_part_of_an_order_does_not_end_it():
    desk = accepted(400)
    read(desk, row(**PART))
    order = desk.order()
    assert (order.state, order.filled, order.leaves) == (OrderState.ACCEPTED, 40, 360)
    (drift,) = [d for d in drifts(desk) if d.what == "cancelled"]
    assert (drift.ours, drift.theirs) == (0, 360)
    assert ("k", "cancelled") in desk.core.state.drifts, "the doubt is shown"
    desk.say(CancelOrder("k"))
    assert [e.ref.number for e in desk.effects if isinstance(e, Cancel)] == [7]
    adds_up(desk)


def test_o15_a_true_list_clears_the_doubt_and_the_fills_count_once():
    desk = accepted(400)
    read(desk, row(**PART))
    read(desk, whole(filled=100, leaves=300, value=100 * P))
    assert (desk.order().filled, desk.order().leaves) == (100, 300)
    assert desk.core.state.drifts == {}
    adds_up(desk)


def test_o15_a_second_reading_counts_only_when_it_was_asked_for_long_enough_after_the_first():
    desk = accepted(400)
    read(desk, row(**PART))
    found = desk.now
    desk.now += AGREES
    read(desk, row(**PART), begun=found + AGREES - 1)
    assert desk.order().is_open
    read(desk, row(**PART), begun=found + AGREES)
    assert (desk.order().state, desk.order().cancelled) == (OrderState.CANCELLED, 360)


@pytest.mark.parametrize("seen_before", [False, True])
@pytest.mark.parametrize(
    ("side", "stated", "ends"),
    [
        # KIS holds what it would hold if the 14 shares had traded, too.
        (Side.SELL, 40, False), (Side.BUY, 63, False),
        # KIS holds what the list says.
        (Side.SELL, 54, True), (Side.BUY, 49, True),
        # An account without shares that fills prove says nothing about these 14.
        (Side.SELL, 1, True),
    ],
)  # fmt: skip
def test_o15_an_end_that_the_account_contradicts_does_not_count(
    side: Side, stated: int, ends: bool, seen_before: bool
):
    """The list shows 9 of 23 shares, twice. An exit that believed it would sell 14 twice."""
    desk = open_desk((CODE, 63 if side is Side.SELL else 40, 63 * P))
    desk.submit(side=side, qty=23)
    desk.sent()
    desk.say(notice("accepted", qty=23, side=side))
    part = row(side=side, qty=9, filled=9, leaves=0, value=9 * P)
    held = account((CODE, stated, stated * P))
    read(desk, part, held=held)
    if seen_before:
        desk.now += SECOND
        read(desk, part, held=held)
    desk.now += AGREES
    read(desk, part, held=None if seen_before else held)
    assert desk.order().is_ended is ends
    if not ends:
        read(desk, row(side=side, qty=23, filled=23, leaves=0, value=23 * P), held=held)
        assert desk.order().state is OrderState.FILLED
        assert desk.core.state.books.account.position(CODE).qty == stated
        assert desk.core.state.drifts.keys() <= {(CODE, "holding"), ("cash", "cash")}
    adds_up(desk)


def test_o15_an_exit_that_the_list_shows_smaller_is_not_taken_for_ended():
    """The account says nothing: somebody else's buy hides what the exit sold."""
    desk = open_desk((CODE, 63, 63 * P))
    desk.submit(side=Side.SELL, qty=23, protective=True)
    desk.sent()
    desk.say(notice("accepted", qty=23, side=Side.SELL))
    part = row(side=Side.SELL, qty=9, filled=9, leaves=0, value=9 * P)
    held = account((CODE, 54, 54 * P))
    read(desk, part, held=held)
    for _ in range(FOLLOWED // EVERY - 1):
        desk.now += EVERY
        read(desk, part, held=held)
        assert desk.order().leaves == 14
    read(desk, row(side=Side.SELL, qty=23, filled=23, leaves=0, value=23 * P), held=held)
    assert desk.order().state is OrderState.FILLED
    adds_up(desk)


def test_o15_what_a_confirmed_cancel_of_all_left_out_has_traded():
    """The account is not open yet, and a list shows 20 of 46 shares, twice."""
    desk = Desk()
    desk.submit(side=Side.SELL, qty=46)
    desk.sent()
    desk.say(notice("accepted", qty=46, side=Side.SELL))
    desk.say(notice("filled", qty=20, side=Side.SELL))
    desk.say(CancelOrder("k"))
    desk.say(notice("cancelled", 8, qty=6, original=7, side=Side.SELL))
    read_twice(desk, row(side=Side.SELL, qty=20, filled=20, leaves=0, value=20 * P))
    assert (desk.order().cancelled, desk.order().leaves) == (6, 20)
    whole = row(side=Side.SELL, qty=46, filled=40, leaves=0, cancelled=6, value=40 * P)
    read(desk, whole)
    assert (desk.order().filled, desk.order().cancelled, desk.order().leaves) == (40, 6, 0)
    assert desk.core.state.drifts == {}
    adds_up(desk)


def test_o15_a_confirmed_cancel_of_a_part_after_a_refused_one_of_all_keeps_no_order_open():
    """The list shows twice that the rest is gone. Only a cancel of all would contradict it."""
    desk = open_desk((CODE, 40, 40 * P))
    desk.submit(side=Side.SELL, qty=40)
    desk.sent()
    desk.say(notice("accepted", qty=40, side=Side.SELL))
    desk.say(CancelOrder("k"))
    desk.say(CancelReply(SendReply("k", "unknown", msg_cd="EGW00002")))
    desk.say(CancelOrder("k", 1))
    desk.say(notice("cancelled", 8, qty=1, original=7, side=Side.SELL))
    assert (desk.order().cancelled, desk.order().leaves) == (1, 39)
    gone = row(side=Side.SELL, qty=40, filled=0, leaves=0, cancelled=40)
    read_twice(desk, gone)
    assert (desk.order().state, desk.order().cancelled) == (OrderState.CANCELLED, 40)
    adds_up(desk)


def test_o15_an_end_that_the_account_contradicts_for_long_counts():
    desk = open_desk((CODE, 63, 63 * P))
    desk.submit(side=Side.SELL, qty=23)
    desk.sent()
    desk.say(notice("accepted", qty=23, side=Side.SELL))
    part = row(side=Side.SELL, qty=9, filled=9, leaves=0, value=9 * P)
    held = account((CODE, 40, 40 * P))
    read(desk, part, held=held)
    for _ in range(FOLLOWED // EVERY):
        assert desk.order().is_open
        desk.now += EVERY
        read(desk, part, held=held)
    assert (desk.order().state, desk.order().cancelled) == (OrderState.CANCELLED, 14)
    adds_up(desk)


def test_o15_the_second_reading_is_asked_for():
    desk = accepted(400)
    read(desk, row(**PART))
    asked = len([e for e in desk.effects if isinstance(e, AskOrders)])
    desk.say(Woke(), desk.now + AGREES)
    assert len([e for e in desk.effects if isinstance(e, AskOrders)]) == asked + 1


@pytest.mark.parametrize(
    "first", [{"leaves": 0, "cancelled": 10}, {"leaves": 0, "rejected": 10}, {"leaves": 0}]
)
def test_o15_no_end_that_nobody_asked_for_counts_at_once(first: dict):
    desk = Desk()
    desk.submit()
    desk.sent()
    read(desk, row(**first))
    assert desk.order().state is OrderState.SENT
    read(desk, row())
    assert desk.order().state is OrderState.ACCEPTED
    assert desk.core.state.drifts == {}
    read_twice(desk, row(**first))
    assert desk.order().is_ended


def test_o15_a_cancel_that_has_a_row_of_its_own_counts_at_once():
    desk = accepted()
    request = row(8, original=7, qty=4, leaves=0)
    read(desk, request, row(leaves=6, cancelled=4))
    assert (desk.order().cancelled, desk.order().leaves) == (4, 6)
    assert desk.core.state.drifts == {}


def test_o15_an_order_of_a_kind_that_does_not_wait_ends_at_once():
    desk = Desk(can=msgspec.structs.replace(desk_can(), kinds=(OrderKind.LIMIT_IOC,)))
    desk.submit(kind=OrderKind.LIMIT_IOC)
    desk.sent()
    read(desk, row(kind=OrderKind.LIMIT_IOC, leaves=0, cancelled=10))
    assert desk.order().state is OrderState.CANCELLED


def desk_can():
    return Desk().core.rules.capabilities


# an order that ended wrongly


@pytest.mark.parametrize(
    ("later", "state"),
    [
        ({"filled": 400, "leaves": 0, "value": 400 * P}, OrderState.FILLED),
        ({"filled": 40, "leaves": 360, "value": 40 * P}, OrderState.ACCEPTED),
        ({"filled": 200, "leaves": 200, "value": 200 * P}, OrderState.ACCEPTED),
    ],
)
def test_o15_an_order_that_ended_wrongly_opens_again(later: dict, state: OrderState):
    desk = ended_by_part()
    desk.now += SECOND
    read(desk, whole(**later))
    order = desk.order()
    assert (order.state, order.filled, order.leaves) == (
        state,
        later["filled"],
        400 - later["filled"],
    )
    assert [e.qty for e in desk.published if isinstance(e, Reopened)] == [360]
    assert [(d.ours, d.theirs) for d in drifts(desk) if d.what == "cancelled"][-1] == (360, 0)
    assert desk.core.state.books.account.position(CODE).qty == order.filled
    assert ("k" in desk.core.state.books.live) is (state is OrderState.ACCEPTED)
    assert len(desk.sends) == 1, "it is never sent again"
    adds_up(desk)


def test_o15_the_fill_notice_of_an_order_that_ended_wrongly_has_the_list_read_and_counts_once():
    desk = ended_by_part()
    answer(desk, [row(**PART)])
    asked = len([e for e in desk.effects if isinstance(e, AskOrders)])
    desk.say(notice("filled", qty=60))
    desk.say(Woke(), desk.now + AGREES)
    assert len([e for e in desk.effects if isinstance(e, AskOrders)]) > asked
    read(desk, whole(filled=100, leaves=300, value=100 * P))
    assert (desk.order().filled, desk.order().state) == (100, OrderState.ACCEPTED)
    desk.say(notice("filled", qty=300))
    read(desk, whole(filled=400, leaves=0, value=400 * P))
    assert (desk.order().filled, desk.order().state) == (400, OrderState.FILLED)
    adds_up(desk)


def test_o15_an_order_that_opened_again_can_be_cancelled_and_locks_what_it_may_still_buy():
    desk = ended_by_part()
    desk.now += SECOND
    read(desk, whole(filled=40, leaves=360, value=40 * P))
    desk.say(CancelOrder("k"))
    assert len([e for e in desk.effects if isinstance(e, Cancel)]) == 1
    read(desk, whole(filled=40, leaves=0, cancelled=360, value=40 * P))
    assert (desk.order().state, desk.order().cancelled) == (OrderState.CANCELLED, 360)
    adds_up(desk)


def test_o15_an_order_that_the_list_once_called_refused_opens_again():
    desk = Desk()
    desk.submit()
    desk.sent()
    read_twice(desk, row(leaves=0, rejected=10))
    assert desk.order().state is OrderState.REJECTED
    read(desk, row(filled=3, leaves=7, value=3 * P))
    assert (desk.order().state, desk.order().filled, desk.order().leaves) == (
        OrderState.ACCEPTED,
        3,
        7,
    )
    adds_up(desk)


def test_o15_an_order_that_expired_by_the_list_opens_again_when_its_last_fills_are_listed():
    desk = accepted()
    desk.now = kst(DAY, time(15, 30)) + 5 * SECOND
    read(desk, row(leaves=0))
    assert desk.order().state is OrderState.EXPIRED
    desk.now += SECOND
    read(desk, row(filled=10, leaves=0, value=10 * P))
    assert (desk.order().state, desk.order().filled) == (OrderState.FILLED, 10)
    adds_up(desk)


def test_o15_a_list_that_is_behind_a_notice_opens_nothing_before_a_second_one_agrees():
    desk = accepted()
    desk.say(CancelOrder("k"))
    desk.say(notice("cancelled", 8, qty=10, original=7))
    desk.now += SECOND
    read(desk, row())
    assert desk.order().state is OrderState.CANCELLED
    read(desk, row(leaves=0, cancelled=10))
    assert desk.core.state.drifts == {}
    read_twice(desk, row())
    assert desk.order().state is OrderState.ACCEPTED
    adds_up(desk)


def test_o15_shares_that_a_revise_moved_do_not_come_back():
    desk = accepted()
    revise(desk, qty=6)
    desk.sent("k/2", 9)
    moved = row(9, original=7, qty=6, leaves=6, price=P + 100)
    read(desk, moved, row(leaves=4))
    assert (desk.order().cancelled, desk.order().leaves) == (6, 4)
    read_twice(desk, moved, row(leaves=10))
    assert (desk.order().cancelled, desk.order().leaves) == (6, 4)
    adds_up(desk)


# rows that are another order


@pytest.mark.parametrize(
    "other",
    [
        {"code": "000660", "side": Side.SELL},
        {"code": "000660"},
        {"side": Side.SELL},
        {"qty": 11},
        {"kind": OrderKind.MARKET},
        {"ref": OrderRef(20261120, "06010", 7, Venue.NXT)},
    ],
)
def test_o15_a_row_with_our_number_that_says_another_order_books_nothing_and_is_shown(other: dict):
    desk = accepted()
    desk.now += AGREES
    read(desk, row(**{"filled": 7, "leaves": 0, "value": 7 * P, **other}))
    assert (desk.order().state, desk.order().filled) == (OrderState.ACCEPTED, 0)
    assert any("nothing is booked from that row" in t.text for t in troubles(desk))
    assert [d.what for d in drifts(desk)] == ["listed"]
    read(desk, row(filled=2, leaves=8, value=2 * P))
    assert desk.order().filled == 2
    assert desk.core.state.drifts == {}


def test_o15_a_row_of_another_branch_with_our_number_is_an_external_order():
    desk = open_desk()
    desk.submit()
    desk.sent()
    other = row(
        filled=7, leaves=0, qty=7, value=7 * 190_000, code="000660", side=Side.SELL,
        ref=OrderRef(20261120, "00950", 7),
    )  # fmt: skip
    read(desk, other, row())
    assert (desk.order().filled, desk.order().state) == (0, OrderState.ACCEPTED)
    (found,) = [e for e in desk.published if isinstance(e, ExternalFound)]
    assert found.ref.branch == "00950"
    assert desk.order("external:20261120:00950:7").filled == 7
    read(desk, other, row())
    assert len([e for e in desk.published if isinstance(e, ExternalFound)]) == 1
    adds_up(desk)


@pytest.mark.parametrize("branch", ["", "00950"])
def test_o15_our_whole_order_matches_without_a_branch_and_under_another_one(branch: str):
    desk = accepted()
    listed = row(filled=4, leaves=6, value=4 * P, ref=OrderRef(20261120, branch, 7))
    read(desk, listed)
    assert desk.order().filled == 4
    assert not any(isinstance(e, ExternalFound) for e in desk.published)


def test_o15_a_reply_without_a_branch_still_finds_its_row():
    desk = Desk()
    desk.submit()
    desk.say(SendReply("k", "sent", OrderRef(20261120, "", 7)))
    read(desk, row(filled=4, leaves=6, value=4 * P))
    assert desk.order().filled == 4


def test_o15_a_notice_of_another_branch_or_stock_with_our_number_is_not_ours():
    desk = accepted()
    other = Notice(NOON, "filled", 7, 0, CODE, Side.BUY, 4, P, "00950", Venue.KRX)
    desk.say(other)
    assert desk.order().filled == 0
    desk.say(msgspec.structs.replace(other, branch="06010", code="000660"))
    assert desk.order().filled == 0
    desk.say(msgspec.structs.replace(other, branch="06010"))
    assert desk.order().filled == 4


def test_o15_an_early_notice_of_another_branch_waits_on_when_our_reply_comes():
    desk = Desk()
    desk.submit()
    desk.say(Notice(NOON, "filled", 7, 0, CODE, Side.BUY, 4, P, "00950", Venue.KRX))
    desk.sent()
    assert desk.order().filled == 0
    assert [n.branch for n in desk.core.state.early[20261120, 7]] == ["00950"]


# lists and statements that lack something


def holding() -> Desk:
    """A desk that bought 10 shares after the account had been opened."""
    desk = open_desk()
    desk.submit()
    desk.sent()
    desk.say(notice("filled"))
    return desk


FILLED = row(filled=10, leaves=0, value=10 * P)


def troubles(desk: Desk) -> list[Trouble]:
    return [e for e in desk.published if isinstance(e, Trouble)]


def test_o15_an_empty_statement_erases_nothing_however_often_it_comes():
    desk = holding()
    cash = desk.core.state.cash
    empty = account(cash=10**8)
    for _ in range(4):
        read(desk, FILLED, held=empty)
        desk.now += STANDS
    state = desk.core.state
    assert (state.books.account.position(CODE).qty, state.cash, state.halt) == (10, cash, "active")
    assert (CODE, "holding") in state.drifts
    assert len(troubles(desk)) == 1
    assert "%kis accept 005930" in troubles(desk)[0].text
    desk.submit("exit", side=Side.SELL)
    assert desk.order("exit").state is OrderState.SENDING
    read(desk, FILLED, held=account((CODE, 10, 10 * P), cash=cash or 0))


def test_o15_a_full_statement_clears_what_an_empty_one_had_shown():
    desk = holding()
    read(desk, FILLED, held=account())
    read(desk, FILLED, held=account((CODE, 10, 10 * P), cash=desk.core.state.cash or 0))
    assert desk.core.state.drifts == {}


def test_o15_an_empty_statement_opens_no_account_that_fills_contradict():
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.say(notice("filled"))
    read(desk, FILLED, held=account())
    assert desk.core.state.opened is None
    read(desk, FILLED, held=account((CODE, 10, 10 * P)))
    assert desk.core.state.opened is not None
    assert desk.core.state.books.account.position(CODE).qty == 10


@pytest.mark.parametrize("complete", [True, False])
def test_o15_a_sell_beside_an_unknown_order_uses_the_shares_on_which_books_and_statement_agree(
    complete: bool,
):
    for protective in (True, False):
        desk = holding()
        read(desk, FILLED, held=account((CODE, 10, 10 * P), cash=desk.core.state.cash or 0))
        desk.submit("lost", qty=1)
        desk.say(SendReply("lost", "unknown"))
        answer(desk, [FILLED])
        desk.submit("exit", side=Side.SELL, protective=protective)
        broken = msgspec.structs.replace(account(), complete=complete)
        answer(desk, [FILLED], account=broken)
        assert desk.order("exit").state is OrderState.SENDING


def test_o15_an_empty_list_ends_no_order_and_is_shown_until_the_list_has_it_again():
    desk = accepted()
    desk.now += AGREES
    for _ in range(3):
        read(desk)
        desk.now += STANDS
    assert desk.order().is_open
    ((subject, what),) = desk.core.state.drifts
    assert (subject, what) == ("orders of 2026-11-20", "listed")
    read(desk, row())
    assert desk.core.state.drifts == {}


def test_o15_a_list_that_lacks_an_order_books_no_difference_of_the_account():
    desk = holding()
    desk.now += AGREES
    more = account((CODE, 15, 15 * P), cash=desk.core.state.cash or 0)
    for _ in range(3):
        read(desk, held=more)
        desk.now += STANDS
    assert desk.core.state.books.account.position(CODE).qty == 10
    read(desk, FILLED, held=more)
    assert desk.core.state.books.account.position(CODE).qty == 15


def broken_off(desk: Desk, *rows: OrderRow, held: Account | None = None) -> None:
    """A list of which a page, or a row, could not be read."""
    query = OrdersQuery(DAY, "test", held is not None, desk.now, desk.core.state.fills)
    desk.say(OrdersRead(query, None, held, OrderPage(rows, complete=False)), desk.now)


def test_o15_an_incomplete_list_books_its_fills_and_no_end():
    desk = accepted()
    desk.say(CancelOrder("k"))
    broken_off(desk, row(filled=4, leaves=0, cancelled=6, value=4 * P))
    assert (desk.order().filled, desk.order().leaves) == (4, 6)
    read(desk, row(filled=4, leaves=0, cancelled=6, value=4 * P))
    assert desk.order().state is OrderState.CANCELLED


def test_o02_an_incomplete_list_adopts_no_order_and_proves_no_absence():
    desk = lost()
    broken_off(desk, row())
    assert desk.order().state is OrderState.UNKNOWN
    tomorrow = NOON + 86_400 * SECOND
    desk.now = tomorrow
    broken_off(desk)
    assert desk.order().state is OrderState.UNKNOWN


def test_o02_a_person_is_warned_before_a_list_that_lacks_orders_shows_that_one_was_never_sent():
    desk = accepted()
    desk.submit("b", price=P - 100)
    desk.say(SendReply("b", "unknown"))
    late: Ns = desk.now + WINDOW + SECOND
    for n in range(2):
        desk.say(ResolveOrder("b"), late + n * SECOND)
        answer(desk, [])
        if not n:
            assert desk.order("b").state is OrderState.UNKNOWN
            assert "lacks orders that KIS has accepted" in refusal(desk)
    assert desk.order("b").state is OrderState.REJECTED


# order numbers


def phone_first() -> Desk:
    """A desk that knows #900001 from the phone, and lost the reply of an order of its own."""
    desk = open_desk()
    read(desk, row(900_001, price=P - 500))
    desk.submit()
    desk.say(SendReply("k", "unknown"))
    return desk


def test_o02_a_number_below_a_known_one_is_left_to_a_person_who_can_adopt_it():
    desk = phone_first()
    listed = [row(900_001, price=P - 500), row(2, t=desk.now)]
    answer(desk, listed)
    assert desk.order().state is OrderState.UNKNOWN
    assert [e.ref.number for e in desk.published if isinstance(e, ExternalFound)] == [900_001]
    desk.say(ResolveOrder("k", 2))
    answer(desk, listed)
    assert (desk.order().state, desk.order().number) == (OrderState.ACCEPTED, 2)
    adds_up(desk)


@pytest.mark.parametrize("side", list(Side))
def test_o02_an_order_shown_as_external_becomes_ours_when_a_person_says_so(side: Side):
    desk = Desk([AccountOpened(NOON, 10**9, ((CODE, 20, 20 * P),))])
    desk.submit(agent="a", side=Side.BUY)
    desk.sent()
    desk.say(notice("filled"))
    desk.submit("lost", agent="a", side=side)
    desk.say(SendReply("lost", "unknown"))
    # The clocks are apart, so that the row cannot be the order by itself.
    early = desk.now - 120 * SECOND
    theirs = row(2, t=early, side=side, filled=4, leaves=6, value=4 * P)
    listed = [theirs, FILLED]
    answer(desk, listed, account=account((CODE, 30, 30 * P)))
    external = desk.order("external:20261120:06010:2")
    assert (external.intent.agent, external.filled) == (EXTERNAL, 4)
    assert desk.order("lost").state is OrderState.UNKNOWN
    flow = desk.core.state.flow
    desk.say(ResolveOrder("lost", 2))
    answer(desk, listed)
    order, books = desk.order("lost"), desk.core.state.books
    assert (order.state, order.number, order.filled) == (OrderState.ACCEPTED, 2, 4)
    assert external.key not in books.orders
    assert external.key not in books.live
    assert external.key not in books.of(EXTERNAL).orders
    sign = 1 if side is Side.BUY else -1
    assert books.of("a").position(CODE).qty == 10 + sign * 4
    assert books.of(EXTERNAL).position(CODE).qty == 0
    assert books.account.position(CODE).qty == 30 + sign * 4
    assert desk.core.state.flow == flow
    read(desk, msgspec.structs.replace(theirs, filled=10, leaves=0, value=10 * P), FILLED)
    assert (order.state, order.filled) == (OrderState.FILLED, 10)
    assert len([e for e in desk.published if isinstance(e, Filled)]) == 3
    assert len(desk.sends) == 2
    adds_up(desk)


def test_o02_a_twin_of_another_branch_is_not_adopted_without_a_person():
    desk = accepted()
    desk.submit("b", price=P - 100)
    desk.say(SendReply("b", "unknown"))
    twin = row(9, price=P - 100, t=desk.now, ref=OrderRef(20261120, "00950", 9))
    answer(desk, [twin, row()])
    assert desk.order("b").state is OrderState.UNKNOWN
    answer(desk, [msgspec.structs.replace(twin, ref=ref(9)), row()])
    assert (desk.order("b").state, desk.order("b").number) == (OrderState.ACCEPTED, 9)


def test_o15_the_rows_of_an_order_that_opened_again_are_read_back_from_the_journal():
    desk = ended_by_part()
    desk.now += SECOND
    read(desk, whole(filled=40, leaves=360, value=40 * P))
    again = Desk(desk.rows)
    assert again.order().leaves == 360
    assert [type(f) for f in again.order().facts][-2:] == [Cancelled, Reopened]
    assert any(isinstance(e, DriftFound) for e in desk.rows)


# external orders that the list shows in part at first


def test_o15_an_external_order_that_was_found_in_part_grows_to_its_whole_quantity():
    desk = open_desk()
    read(desk, row(31, qty=4, filled=4, leaves=0, value=4 * P))
    external = desk.order("external:20261120:06010:31")
    assert external.state is OrderState.FILLED
    read(desk, row(31, qty=40, filled=10, leaves=30, value=10 * P))
    assert (external.state, external.quantity, external.filled, external.leaves) == (
        OrderState.ACCEPTED,
        40,
        10,
        30,
    )
    assert desk.core.state.books.account.position(CODE).qty == 10
    adds_up(desk)


def test_o15_a_row_that_differs_from_the_notice_of_its_order_is_not_booked():
    desk = open_desk()
    desk.say(notice("accepted", 31, qty=90))
    part = row(31, qty=38, filled=38, leaves=0, value=38 * P)
    read(desk, part)
    desk.now += AGREES
    read(desk, part, held=account((CODE, 40, 40 * P)))
    assert list(desk.core.state.books.orders) == []
    read(desk, row(31, qty=90, filled=40, leaves=50, value=40 * P))
    external = desk.order("external:20261120:06010:31")
    assert (external.quantity, external.filled) == (90, 40)
    adds_up(desk)


def test_o15_a_list_that_goes_on_to_differ_from_a_notice_counts_in_the_end():
    desk = open_desk()
    desk.say(notice("accepted", 31, qty=90))
    desk.now += FOLLOWED
    read(desk, row(31, qty=38, filled=38, leaves=0, value=38 * P))
    assert desk.order("external:20261120:06010:31").filled == 38


def test_o15_a_list_without_an_order_that_was_just_sent_does_not_open_the_account():
    """The account has the fill of the order already, and its notice is still to come."""
    desk = Desk()
    desk.say(LinkUp(desk.now))
    desk.submit(qty=40)
    desk.sent()
    desk.say(notice("accepted", qty=40))
    held = account((CODE, 80, 80 * P))
    desk.now += SECOND
    answer(desk, [], account=held)
    assert desk.core.state.opened is None
    desk.say(notice("filled", qty=40))
    filled = row(qty=40, filled=40, leaves=0, value=40 * P)
    desk.now += SECOND
    read(desk, filled, held=held)
    assert desk.core.state.books.account.position(CODE).qty == 80
    assert desk.core.state.drifts == {}
    adds_up(desk)


@pytest.mark.parametrize("noticed", [True, False])
def test_o15_shares_at_the_opening_that_an_order_of_the_day_explains_later_count_once(
    *, noticed: bool
):
    """The list lacked the order by which 40 of the 80 shares had come."""
    desk = Desk()
    desk.say(LinkUp(desk.now))
    # Without the notice: the order was placed and filled while no desk ran.
    if noticed:
        desk.say(notice("accepted", 31, qty=40))
    held = account((CODE, 80, 80 * P))
    answer(desk, [], account=held)
    filled = row(31, qty=40, filled=40, leaves=0, value=40 * P, t=desk.now - SECOND)
    desk.now += SECOND
    read(desk, filled)
    assert desk.core.state.books.account.position(CODE).qty == 120
    read(desk, filled, held=held)
    desk.now += STANDS
    read(desk, filled, held=held)
    assert desk.core.state.books.account.position(CODE).qty == 80
    assert desk.core.state.drifts == {}
    assert State.fold(desk.rows).unproven == desk.core.state.unproven


@pytest.mark.parametrize(
    ("late", "opening", "unproven"), [(-1, 80, 40), (-1, 10, 10), (600, 80, 0)]
)
def test_o15_only_shares_of_the_opening_that_came_before_it_may_be_taken_back(
    late: int, opening: int, unproven: int
):
    desk = Desk()
    desk.say(LinkUp(desk.now))
    answer(desk, [], account=account((CODE, opening, opening * P)))
    placed = desk.now + late * SECOND
    desk.now += 700 * SECOND
    read(desk, row(31, qty=40, filled=40, leaves=0, value=40 * P, t=placed))
    assert desk.core.state.unproven[CODE] == unproven
    desk.now += STANDS
    # An empty statement erases nothing, however often it comes.
    for _ in range(3):
        read(desk, row(31, qty=40, filled=40, leaves=0, value=40 * P, t=placed), held=account())
        desk.now += STANDS
    assert desk.core.state.books.account.position(CODE).qty == opening + 40


def test_o15_an_order_from_elsewhere_that_grows_explains_no_share_of_the_opening_twice():
    desk = Desk()
    desk.say(LinkUp(desk.now))
    answer(desk, [], account=account((CODE, 80, 80 * P)))
    placed = desk.now - SECOND
    read(desk, row(31, qty=4, filled=4, leaves=0, value=4 * P, t=placed))
    assert desk.core.state.unproven[CODE] == 4
    read(desk, row(31, qty=40, filled=40, leaves=0, value=40 * P, t=placed))
    assert desk.core.state.unproven[CODE] == 40
    assert State.fold(desk.rows).unproven == desk.core.state.unproven


@pytest.mark.parametrize(("stated", "sent"), [(14, True), (6, False)])
def test_o15_an_exit_beside_an_unknown_buy_is_tried_only_when_kis_states_more(
    stated: int, *, sent: bool
):
    desk = open_desk((CODE, 10, 10 * P))
    desk.submit("lost", agent="a", qty=4)
    desk.say(SendReply("lost", "unknown"))
    read(desk, held=account((CODE, stated, stated * P)))
    desk.submit("exit", agent="a", side=Side.SELL, qty=1, protective=True)
    answer(desk, [], account=account((CODE, stated, stated * P)))
    assert (desk.order("exit").state is OrderState.SENDING) is sent


def test_o08_an_unknown_order_keeps_only_its_own_stock_from_being_booked():
    desk = open_desk((CODE, 10, 10 * P))
    desk.submit("lost", code="000660", qty=1, price=182_000)
    desk.say(SendReply("lost", "unknown"))
    held = account((CODE, 15, 15 * P))
    read(desk, held=held)
    desk.now += STANDS
    read(desk, held=held)
    assert desk.core.state.books.account.position(CODE).qty == 15


def test_o15_an_unknown_order_that_was_found_in_part_as_somebody_elses_becomes_ours():
    desk = lost(qty=40)
    answer(desk, [row(qty=4, filled=4, leaves=0, value=4 * P)])
    assert desk.order("external:20261120:06010:7").filled == 4
    answer(desk, [row(qty=40, filled=10, leaves=30, value=10 * P)])
    order, books = desk.order(), desk.core.state.books
    assert (order.state, order.number, order.filled) == (OrderState.ACCEPTED, 7, 10)
    assert list(books.orders) == ["k"]
    assert books.account.position(CODE).qty == books.of("").position(CODE).qty == 10
    assert books.of(EXTERNAL).position(CODE).qty == 0
    adds_up(desk)


@pytest.mark.parametrize(
    ("found", "filled", "state"),
    [
        (4, 0, OrderState.UNKNOWN),
        (4, 4, OrderState.ACCEPTED),
        (41, 0, OrderState.ACCEPTED),
    ],
)
def test_o15_a_twin_of_an_unknown_order_is_not_adopted_beside_what_may_be_its_part(
    found: int, filled: int, state: OrderState
):
    """The list showed an end of 4 shares that nobody asked for: they may be a part of our 40.

    An order that was filled, or that has more shares than ours, is another one.
    """
    desk = lost(qty=40)
    stranger = row(8, qty=found, filled=filled, leaves=0, value=filled * P)
    read_twice(desk, stranger)
    read(desk, row(9, qty=40, leaves=40), stranger)
    assert desk.order().state is state


def test_o15_a_twin_is_not_adopted_beside_an_external_order_that_a_later_list_shows_as_whole():
    """The first lists showed 4 filled shares of an order of 40. It may be ours, and so may #8."""
    desk = lost(qty=40)
    part = row(9, qty=4, filled=4, leaves=0, value=4 * P)
    read_twice(desk, part)
    whole_rows = [row(9, qty=40, filled=40, leaves=0, value=40 * P), row(8, qty=40, leaves=40)]
    for _ in range(3):
        read(desk, *whole_rows)
        desk.now += SECOND
    external = desk.core.state.books.by_number(20261120, 9)
    assert external is not None
    assert external.filled == 40
    assert desk.order().state is OrderState.UNKNOWN


def test_o15_an_end_by_the_list_alone_is_read_again_every_minute_for_a_while():
    desk = ended_by_part()
    answer(desk, [row(**PART)])
    for _ in range(3):
        asked = len([e for e in desk.effects if isinstance(e, AskOrders)])
        desk.say(Woke(), desk.now + EVERY)
        assert len([e for e in desk.effects if isinstance(e, AskOrders)]) == asked + 1
        answer(desk, [row(**PART)])


# the account beside a list in doubt


def test_o15_a_notice_whose_order_no_list_shows_keeps_the_account_from_being_booked():
    desk = open_desk()
    desk.say(notice("filled", 31, qty=5))
    desk.now += AGREES
    more = account((CODE, 5, 5 * P), cash=10**8 - 5 * P)
    for _ in range(3):
        read(desk, held=more)
        desk.now += STANDS
    assert desk.core.state.books.account.position(CODE).qty == 0
    assert ("orders of 2026-11-20", "listed") in desk.core.state.drifts
    read(desk, row(31, filled=5, leaves=5, value=5 * P), held=more)
    assert desk.core.state.books.account.position(CODE).qty == 5


def test_o15_shares_booked_only_because_kis_stated_them_are_taken_back_when_it_does_not():
    desk = open_desk()
    more = account((CODE, 5, 5 * P))
    read(desk, held=more)
    desk.now += STANDS
    read(desk, held=more)
    assert desk.core.state.books.account.position(CODE).qty == 5
    for _ in range(2):
        read(desk, held=account())
        desk.now += STANDS
    assert desk.core.state.books.account.position(CODE).qty == 0
    assert State.fold(desk.rows).books.account.position(CODE).qty == 0


def stated_desk(*, paid: bool = True) -> tuple[Desk, Account]:
    """A desk that booked 5 shares because KIS had stated them for a minute, and KIS's statement."""
    desk = open_desk((CODE, 20, 20 * P))
    desk.submit(qty=40)
    desk.sent()
    desk.say(notice("accepted", qty=40))
    cash = 10**8 - (5 * P + desk_fee(desk) if paid else 0)
    more = account((CODE, 25, 25 * P), cash=cash)
    desk.now += STANDS
    for _ in range(2):
        read(desk, whole_of_40(), held=more)
        desk.now += STANDS
    state = desk.core.state
    assert (state.books.account.position(CODE).qty, state.cash) == (25, cash)
    return desk, more


def desk_fee(desk: Desk) -> int:
    """Return what 5 shares cost in fees."""
    rules = Rules(Universe.packaged(), CAN)
    return rules.fee_and_tax(desk.now, CODE, Side.BUY, 0, 5 * P, Venue.SOR)[0]


def whole_of_40(filled: int = 0) -> OrderRow:
    return row(qty=40, filled=filled, leaves=40 - filled, value=filled * P)


@pytest.mark.parametrize("paid", [True, False])
def test_o15_a_fill_that_comes_to_light_takes_back_the_shares_that_kis_had_stated_of_it(
    *, paid: bool
):
    """The cash of them was booked too, or was not."""
    desk, more = stated_desk(paid=paid)
    read(desk, whole_of_40(5))
    state = desk.core.state
    assert state.books.account.position(CODE).qty == 25
    assert state.books.of("").position(CODE).qty == 5
    assert state.books.of(UNASSIGNED).position(CODE).qty == 20
    assert state.unproven[CODE] == 0
    assert state.cash == 10**8 - 5 * P - desk_fee(desk)
    assert state.unexplained(desk.now) == 0
    read(desk, whole_of_40(5), held=msgspec.structs.replace(more, cash_d2=state.cash))
    assert state.drifts == {}
    # Further fills are new ones.
    read(desk, whole_of_40(12))
    assert state.books.account.position(CODE).qty == 32
    adds_up(desk)
    assert State.fold(desk.rows).cash == state.cash


def test_o15_a_part_of_the_hidden_fill_takes_back_as_much_as_it_has():
    desk, _ = stated_desk()
    read(desk, whole_of_40(2))
    state = desk.core.state
    assert (state.books.account.position(CODE).qty, state.unproven[CODE]) == (25, 3)
    read(desk, whole_of_40(9))
    assert (state.books.account.position(CODE).qty, state.unproven[CODE]) == (29, 0)
    assert state.unexplained(desk.now) == 0


@pytest.mark.parametrize(("before", "held"), [(100, 25), (0, 30)])
def test_o15_a_late_notice_takes_back_stated_shares_only_when_its_fill_is_older(
    before: int, held: int
):
    desk, _ = stated_desk()
    at = desk.now - (STANDS + before * SECOND)
    desk.say(msgspec.structs.replace(notice("filled", qty=5), t=at))
    assert desk.core.state.books.account.position(CODE).qty == held


def test_o15_an_order_that_came_after_the_stated_shares_explains_none_of_them():
    desk, _ = stated_desk()
    read(desk, whole_of_40(), row(31, qty=5, filled=5, leaves=0, value=5 * P, t=desk.now))
    state = desk.core.state
    assert (state.books.account.position(CODE).qty, state.unproven[CODE]) == (30, 5)


def test_o15_a_sell_explains_no_stated_shares():
    desk, _ = stated_desk()
    sold = row(31, qty=5, filled=5, leaves=0, value=5 * P, side=Side.SELL, t=NOON)
    read(desk, whole_of_40(), sold)
    state = desk.core.state
    assert (state.books.account.position(CODE).qty, state.unproven[CODE]) == (20, 5)


def test_o15_a_hidden_fill_and_what_it_takes_back_are_kept_together():
    """A desk that dies has both rows in its journal, or neither."""
    desk, _ = stated_desk()
    read(desk, whole_of_40(5))
    kept = [e.rows for e in desk.effects if isinstance(e, Persist)][-1]
    assert [type(r) for r in kept][-3:] == [Filled, AccountOpened, DriftCleared]
    again = Desk(desk.rows[: -len(kept)])
    again.say(LinkUp(desk.now), desk.now)
    read(again, whole_of_40(5))
    assert again.core.state.books.account.position(CODE).qty == 25
    assert again.core.state.cash == desk.core.state.cash


def test_o15_a_hidden_fill_whose_shares_are_sold_already_leaves_no_cost_behind():
    desk, _ = stated_desk()
    desk.submit("s", side=Side.SELL, qty=25)
    desk.sent("s", 9)
    desk.say(notice("filled", 9, 25, side=Side.SELL))
    read(desk, whole_of_40(5), row(9, qty=25, filled=25, leaves=0, value=25 * P, side=Side.SELL))
    position = desk.core.state.books.account.position(CODE)
    assert (position.qty, position.in_lots, position.cost) == (0, 0, 0)


def test_o15_the_account_is_not_booked_while_an_end_is_in_doubt():
    desk = open_desk()
    desk.submit(qty=40)
    desk.sent()
    read_twice(desk, row(qty=17, leaves=0))
    more = account((CODE, 40, 40 * P), cash=10**8 - 40 * P)
    for _ in range(3):
        read(desk, row(qty=17, leaves=0), held=more)
        desk.now += STANDS
    assert desk.core.state.books.account.position(CODE).qty == 0
    read(desk, row(qty=40, filled=40, leaves=0, value=40 * P), held=more)
    assert desk.core.state.books.account.position(CODE).qty == 40
    adds_up(desk)


def test_o06_a_row_of_a_revise_with_fewer_shares_than_were_filled_takes_nothing_out():
    desk = accepted()
    revise(desk)
    desk.sent("k/2", 9)
    desk.say(notice("revised", 9, qty=10, original=7))
    desk.say(notice("filled", 9, qty=8, price=P + 100))
    part = row(9, original=7, qty=4, filled=4, leaves=0, value=4 * (P + 100), price=P + 100)
    read(desk, part, row(leaves=0, cancelled=10))
    child = desk.order("k/2")
    assert (child.filled, child.cancelled, child.leaves) == (8, 0, 2)
    adds_up(desk)


def test_o15_an_expected_end_keeps_no_account_from_being_opened():
    desk = Desk()
    phone = row(31, kind=OrderKind.LIMIT_IOC, leaves=0, cancelled=10)
    read(desk, phone, held=account())
    read(desk, phone, held=account())
    assert desk.core.state.opened == 10**8


@pytest.mark.parametrize(("back", "is_opened"), [(360, True), (100, False)])
def test_o15_an_order_that_opened_again_no_longer_keeps_the_account_from_opening(
    back: int, is_opened: bool
):
    desk = ended_by_part()
    desk.now += SECOND
    held = account((CODE, 40, 40 * P))
    still_gone = 360 - back
    shown = whole(filled=40, leaves=back, cancelled=still_gone, value=40 * P)
    read(desk, shown, held=held)
    assert [e.qty for e in desk.published if isinstance(e, Reopened)] == [back]
    desk.now += SECOND
    read(desk, shown, held=held)
    assert (desk.core.state.opened is not None) == is_opened
