"""The books against KIS's list and account.

Rows O04, O05, O06, O07, O08, O09; invariants 2, 3, 7 and 11.
"""

from __future__ import annotations

from datetime import time

import msgspec
import pytest

from kisnb.clock import SECOND, kst
from kisnb.events import (
    AccountOpened,
    CancelRefused,
    DriftCleared,
    DriftFound,
    ExternalFound,
    Filled,
    LinkUp,
    Revised,
    Trouble,
)
from kisnb.orders import Account, Holding, OrderPage, OrderState, SendReply
from kisnb.terms import OrderKind, Side
from kisnb.trading.order_books.order_book import EXTERNAL, UNASSIGNED
from kisnb.trading.orders.account_reconciliation import STANDS
from kisnb.trading.orders.order_reconciliation import AGREES
from kisnb.trading.orders.readings import EVERY, IDLE
from kisnb.trading.orders.resolver import WINDOW
from kisnb.trading.ports.commands import CancelOrder, Halt, ReviseOrder
from kisnb.trading.ports.effects import AskOrders, Cancel, CancelReply, OrdersRead, Revise, Woke
from kisnb.trading.state import State
from tests.trading.desk import CODE, DAY, NOON, Desk, intent, notice, price_of
from tests.trading.test_resolver import answer, row

P = price_of()


def accepted(qty: int = 10) -> Desk:
    """A desk with one order in the market."""
    desk = Desk()
    desk.submit(qty=qty)
    desk.sent()
    desk.say(notice("accepted", qty=qty))
    return desk


def asked(desk: Desk) -> list[AskOrders]:
    return [e for e in desk.effects if isinstance(e, AskOrders)]


def test_o04_a_fill_told_three_times_is_booked_once():
    desk = accepted()
    for _ in range(3):
        desk.say(notice("filled", qty=4))
    assert desk.order().filled == 4
    answer(desk, [row(filled=4, leaves=6, value=4 * P)])
    assert desk.order().filled == 4
    assert not any(isinstance(e, DriftFound) for e in desk.published)


def test_o04_a_second_fill_just_like_the_first_is_booked_once_the_list_says_so():
    desk = accepted()
    desk.say(notice("filled", qty=4))
    desk.say(notice("filled", qty=4))
    assert desk.order().filled == 4
    answer(desk, [row(filled=8, leaves=2, value=8 * P)])
    assert desk.order().filled == 8


def test_o04_a_lost_fill_is_repaired_to_the_won_shown_and_cleared():
    desk = accepted()
    desk.say(notice("filled", qty=3))
    desk.say(LinkUp(desk.now))
    answer(desk, [row(filled=10, leaves=0, value=10 * P - 1)])
    order = desk.order()
    assert order.state is OrderState.FILLED
    assert sum(f.qty * f.price for f in order.fills) == 10 * P - 1
    drifts = [e for e in desk.published if isinstance(e, DriftFound | DriftCleared)]
    assert [type(e) for e in drifts] == [DriftFound, DriftCleared]
    assert (drifts[0].ours, drifts[0].theirs) == (3, 10)
    assert desk.core.state.drifts == {}


def test_o04_a_fill_delayed_by_minutes_comes_after_its_repair_and_counts_once():
    desk = accepted()
    desk.say(LinkUp(desk.now))
    answer(desk, [row(filled=4, leaves=6, value=4 * P)])
    desk.say(notice("filled", qty=4), NOON + 240 * SECOND)
    answer(desk, [row(filled=4, leaves=6, value=4 * P)])
    assert desk.order().filled == 4
    desk.say(notice("filled", qty=6))
    answer(desk, [row(filled=10, leaves=0, value=10 * P)])
    assert (desk.order().filled, desk.order().state) == (10, OrderState.FILLED)


def test_o04_a_fill_before_acceptance_and_before_the_reply_and_an_old_list_change_nothing_twice():
    desk = Desk()
    desk.submit()
    desk.say(notice("filled", qty=10))
    desk.say(notice("accepted"))
    desk.sent()
    assert desk.order().state is OrderState.FILLED
    desk.say(LinkUp(desk.now))
    answer(desk, [row(filled=0, leaves=10)])
    assert desk.order().filled == 10


def test_o04_the_rows_of_a_repair_cost_what_the_single_fills_would_have_cost():
    whole, parts = accepted(), accepted()
    for qty in (3, 3, 4):
        parts.say(notice("filled", qty=qty, price=P + qty))
    value = sum(f.qty * f.price for f in parts.order().fills)
    whole.say(LinkUp(whole.now))
    answer(whole, [row(filled=10, leaves=0, value=value)])
    assert sum(f.fee for f in whole.order().fills) == sum(f.fee for f in parts.order().fills)
    assert whole.core.state.flow == parts.core.state.flow


def test_o05_a_cancel_reported_twice_counts_once():
    desk = accepted()
    desk.say(CancelOrder("k", 4))
    for _ in range(2):
        desk.say(notice("cancelled", 8, qty=4, original=7))
    assert (desk.order().cancelled, desk.order().leaves, desk.order().state) == (
        4,
        6,
        OrderState.ACCEPTED,
    )


def test_o05_a_cancel_whose_notice_was_lost_is_found_in_the_list():
    desk = accepted()
    desk.say(CancelOrder("k"))
    desk.say(CancelReply(SendReply("k", "sent", None)))
    answer(desk, [row(leaves=0, cancelled=10)], desk.now + 6 * SECOND)
    assert (desk.order().cancelled, desk.order().state) == (10, OrderState.CANCELLED)
    assert desk.order().quantity == 10


def test_o05_a_cancel_that_kis_took_and_did_not_carry_out_has_failed_in_words():
    desk = accepted()
    desk.say(CancelOrder("k"))
    desk.say(CancelReply(SendReply("k", "sent", None)))
    answer(desk, [row()], desk.now + 6 * SECOND)
    assert not desk.order().cancel_asked
    assert "10 shares" in [e.text for e in desk.published if isinstance(e, CancelRefused)][-1]


def test_o05_nothing_left_to_cancel_asks_why_and_finds_the_fill():
    desk = accepted()
    desk.say(CancelOrder("k"))
    refused = SendReply("k", "rejected", msg_cd="APBK0927", text="취소할 수량이 없습니다")
    desk.say(CancelReply(refused))
    answer(desk, [row(filled=10, leaves=0, value=10 * P)])
    assert desk.order().state is OrderState.FILLED


@pytest.mark.parametrize("fill_first", [True, False])
def test_o05_the_end_of_an_order_does_not_depend_on_what_was_told_first(fill_first):
    desk = accepted()
    desk.say(CancelOrder("k"))
    told = [notice("filled", qty=3), notice("cancelled", 8, qty=7, original=7)]
    for one in told if fill_first else reversed(told):
        desk.say(one)
    assert (desk.order().filled, desk.order().cancelled, desk.order().state) == (
        3,
        7,
        OrderState.CANCELLED,
    )


# revise


def revise(
    desk: Desk, qty: int = 10, price: int = P + 100, key: str = "k/2", **changes: object
) -> None:
    desk.say(ReviseOrder(intent(key, qty=qty, price=price, supersedes="k", **changes)))


def test_o06_a_revise_is_an_order_linked_to_its_parent_and_states_the_loss_of_priority():
    desk = accepted()
    revise(desk)
    (post,) = [e for e in desk.effects if isinstance(e, Revise)]
    assert (post.ref.number, post.intent.qty, post.intent.price) == (7, 10, P + 100)
    assert "loses its place: the price changes" in desk.order("k/2").route.reason
    desk.sent("k/2", 9)
    desk.say(notice("revised", 9, qty=10, original=7))
    assert (desk.order().state, desk.order().revised_by) == (OrderState.CANCELLED, ["k/2"])
    assert "#9" in desk.order().text
    child = desk.order("k/2")
    assert (child.state, child.number, child.intent.supersedes) == (OrderState.ACCEPTED, 9, "k")
    desk.say(notice("filled", 9, qty=10, price=P + 100))
    assert child.state is OrderState.FILLED


def test_o06_a_fill_that_races_a_revise_stays_with_the_parent_and_only_the_rest_moves():
    for early in (True, False):
        desk = accepted()
        revise(desk)
        fill, moved = notice("filled", qty=4), notice("revised", 9, qty=6, original=7)
        if early:
            desk.say(moved)
        desk.sent("k/2", 9)
        for one in (fill,) if early else (moved, fill):
            desk.say(one)
        assert (desk.order().filled, desk.order().cancelled, desk.order().leaves) == (4, 6, 0)
        child = desk.order("k/2")
        assert (child.quantity, child.leaves, child.cancelled, child.state) == (
            10,
            6,
            4,
            OrderState.ACCEPTED,
        )


def test_o06_a_revise_whose_notice_was_lost_is_found_in_the_list():
    desk = accepted()
    revise(desk, qty=6)
    desk.sent("k/2", 9)
    parent, child = row(leaves=4), row(9, original=7, qty=6, leaves=6, price=P + 100)
    desk.say(LinkUp(desk.now))
    answer(desk, [child, parent])
    assert (desk.order().leaves, desk.order().cancelled, desk.order().revised_by) == (4, 6, ["k/2"])
    assert (desk.order("k/2").state, desk.order("k/2").leaves) == (OrderState.ACCEPTED, 6)
    assert len([e for e in desk.published if isinstance(e, Revised)]) == 1


def test_o06_shares_of_a_revise_without_a_reply_do_not_count_as_cancelled():
    desk = accepted()
    revise(desk, qty=6)
    desk.say(LinkUp(desk.now))
    parent, child = row(leaves=4), row(9, t=desk.now, original=7, qty=6, leaves=6, price=P + 100)
    answer(desk, [child, parent])
    assert desk.order().leaves == 10
    desk.sent("k/2", 9)
    desk.say(notice("revised", 9, qty=6, original=7))
    answer(desk, [child, parent], desk.now + EVERY)
    assert (desk.order().cancelled, desk.order().leaves, desk.order("k/2").leaves) == (6, 4, 6)


def test_o05_o06_shares_of_a_lost_revise_count_as_cancelled_when_its_window_is_over():
    """The revise never reached KIS, the cancel did, and the cancel's notice was lost."""
    desk = accepted()
    revise(desk)
    desk.say(SendReply("k/2", "unknown"))
    posted = desk.now
    desk.say(CancelOrder("k", 3))
    desk.say(CancelReply(SendReply("k", "sent", None)))
    listed = [row(8, original=7, qty=3, price=0, leaves=0, cancelled=3), row(leaves=7, cancelled=3)]
    answer(desk, listed, posted + WINDOW - 5 * SECOND)
    assert (desk.order().leaves, desk.order().cancel_asked) == (10, True), (
        "they may live on in the revise"
    )
    answer(desk, listed, posted + WINDOW + 5 * SECOND)
    assert (desk.order().leaves, desk.order().cancelled, desk.order().cancel_asked) == (7, 3, False)
    assert desk.order("k/2").state is OrderState.UNKNOWN


def test_o06_shares_of_a_lost_revise_wait_while_several_rows_could_be_it():
    desk = accepted()
    revise(desk, qty=6)
    desk.say(SendReply("k/2", "unknown"))
    twins = [
        row(n, original=7, qty=6, leaves=6, price=P + 100, t=NOON + 5 * SECOND) for n in (9, 8)
    ]
    answer(desk, [*twins, row(leaves=4)], desk.now + WINDOW + 5 * SECOND)
    assert (desk.order().leaves, desk.order("k/2").state) == (10, OrderState.UNKNOWN)


def test_o06_a_refused_revise_asks_what_became_of_its_order():
    desk = accepted()
    revise(desk)
    before = len(asked(desk))
    desk.say(SendReply("k/2", "rejected", msg_cd="APBK0927", text="정정취소 가능수량이 없습니다"))
    assert len(asked(desk)) == before + 1
    answer(desk, [row(leaves=0, cancelled=10)])
    answer(desk, [row(leaves=0, cancelled=10)], desk.now + AGREES)
    assert desk.order().state is OrderState.CANCELLED


def test_o06_a_lost_revise_is_adopted_by_its_parent_and_price():
    desk = accepted()
    revise(desk)
    desk.say(SendReply("k/2", "unknown"))
    answer(desk, [row(9, original=7, price=P + 100, t=NOON + 5 * SECOND), row(leaves=0)])
    assert (desk.order("k/2").state, desk.order("k/2").number) == (OrderState.ACCEPTED, 9)
    assert (desk.order().state, desk.order().revised_by) == (OrderState.CANCELLED, ["k/2"])


def test_o06_what_cannot_be_revised_is_denied_with_its_cure():
    for words, changes in {
        "more than the 10 left": {"qty": 11},
        "keep stock and side": {"side": Side.SELL},
        "give a price": {"kind": OrderKind.MARKET, "price": None},
    }.items():
        desk = accepted()
        revise(desk, **changes)
        assert words in desk.order("k/2").text
        assert not any(isinstance(e, Revise) for e in desk.effects)
    desk = accepted()
    revise(desk)
    desk.sent("k/2", 9)
    revise(desk, key="k/3")
    assert "another change" in desk.order("k/3").text


# the end of the day


def test_o07_the_rest_expires_when_the_rule_table_and_the_list_agree():
    desk = accepted()
    desk.say(notice("filled", qty=4))
    close = kst(DAY, time(15, 30)) + 2 * SECOND
    answer(desk, [row(filled=4, leaves=6, value=4 * P)], close)
    assert desk.order().is_open
    answer(desk, [row(filled=4, leaves=0, value=4 * P)], close + 2 * EVERY)
    assert (desk.order().state, desk.order().expired, desk.order().leaves) == (
        OrderState.EXPIRED,
        6,
        0,
    )


def test_o07_what_vanishes_before_its_time_was_taken_out_and_did_not_expire():
    desk = accepted()
    desk.say(LinkUp(desk.now))
    answer(desk, [row(leaves=0)])
    answer(desk, [row(leaves=0)], desk.now + AGREES)
    assert desk.order().state is OrderState.CANCELLED


def test_o07_an_order_of_a_day_that_is_over_has_expired_whatever_its_list_calls_left():
    desk = accepted()
    morning = kst(DAY, time(8)) + 86_400 * SECOND
    desk.say(Woke(morning), morning)
    for one in asked(desk)[-2:]:
        desk.say(OrdersRead(one.query, OrderPage((row(),), complete=True)), morning)
    assert desk.order().state is OrderState.EXPIRED


# the account


def account(*held: tuple[str, int, int], cash: int = 10**8) -> Account:
    holdings = tuple(Holding(code, "", qty, qty, cost, cost // qty) for code, qty, cost in held)
    return Account(cash, cash, cash, cash, holdings, complete=True)


def open_desk(*held: tuple[str, int, int], cash: int = 10**8) -> Desk:
    desk = Desk()
    desk.say(LinkUp(desk.now))
    answer(desk, [], account=account(*held, cash=cash))
    return desk


def test_o08_the_first_holdings_are_unassigned_and_count():
    desk = open_desk((CODE, 20, 1_400_001))
    books = desk.core.state.books
    assert (books.account.position(CODE).qty, books.account.position(CODE).cost) == (20, 1_400_001)
    assert books.of(UNASSIGNED).position(CODE).qty == 20
    assert State.fold(desk.rows).books.account.position(CODE).qty == 20


def test_o08_what_was_sold_before_its_holding_was_read_was_held_all_the_same():
    desk = Desk()
    desk.say(LinkUp(desk.now))
    desk.submit("s", side=Side.SELL, qty=15)
    desk.sent("s", 3)
    desk.say(notice("filled", 3, qty=15, side=Side.SELL))
    answer(desk, [], account=account(cash=10**8))
    sold = [row(3, side=Side.SELL, qty=15, filled=15, leaves=0, value=15 * P)]
    answer(desk, sold, desk.now + EVERY, account=account(cash=10**8 + desk.core.state.flow))
    position = desk.core.state.books.account.position(CODE)
    assert (position.qty, position.opened, position.sold, len(position.lots)) == (0, 15, 15, 0)
    assert desk.core.state.opened == 10**8


def test_o08_an_order_from_the_phone_is_external_counts_and_is_cancelled_by_the_kill_switch_alone():
    desk = open_desk()
    desk.say(notice("accepted", 31))
    desk.say(notice("filled", 31, qty=4))
    answer(desk, [row(31, filled=4, leaves=6, value=4 * P)])
    key = "external:20261120:06010:31"
    order = desk.order(key)
    assert (order.intent.agent, order.filled, order.leaves) == (EXTERNAL, 4, 6)
    assert desk.core.state.books.account.position(CODE).qty == 4
    assert [e.ref.number for e in desk.published if isinstance(e, ExternalFound)] == [31]
    desk.say(CancelOrder(key))
    assert not any(isinstance(e, Cancel) for e in desk.effects)
    assert "only the kill switch" in desk.order(key).text
    desk.say(CancelOrder(key, kill_switch=True))
    assert [e.ref.number for e in desk.effects if isinstance(e, Cancel)] == [31]


@pytest.mark.parametrize("kind", [OrderKind.LIMIT, OrderKind.MARKET])
def test_o08_an_order_from_the_phone_in_a_stock_that_the_desk_does_not_know_is_booked_too(
    kind: OrderKind,
):
    """A share that was listed after the issues were fetched, a subscription right."""
    desk, new = open_desk(), "0099Z0"
    desk.say(LinkUp(desk.now))
    listed = msgspec.structs.replace(row(31, filled=4, leaves=6, value=4 * P), code=new, kind=kind)
    answer(desk, [listed], account=account((new, 4, 4 * P)))
    (order,) = desk.core.state.books.live.values()
    assert (order.filled, order.leaves) == (4, 6)
    assert desk.core.state.books.account.position(new).qty == 4
    desk.submit()
    if kind is OrderKind.LIMIT:
        assert [s.intent.key for s in desk.sends] == ["k"], "and what it reserves is counted"
    else:
        assert "the cost of buy 10 0099Z0 market is not known" in desk.order().text


def test_o08_a_row_that_may_be_an_order_in_the_air_is_not_taken_for_somebody_else_s():
    desk = open_desk()
    desk.submit()
    desk.say(LinkUp(desk.now))
    answer(desk, [row(t=desk.now)])
    assert not any(isinstance(e, ExternalFound) for e in desk.published)
    desk.sent()
    assert list(desk.core.state.books.orders) == ["k"]


def test_o08_a_holding_that_no_order_explains_is_shown_and_taken_as_it_is_when_it_stands():
    desk = open_desk()
    desk.say(LinkUp(desk.now))
    more = account((CODE, 5, 350_000))
    answer(desk, [], account=more)
    assert [(e.ours, e.theirs) for e in desk.published if isinstance(e, DriftFound)] == [(0, 5)]
    assert desk.core.state.books.account.position(CODE).qty == 0
    answer(desk, [], desk.now + STANDS, account=more)
    assert desk.core.state.books.account.position(CODE).qty == 5
    assert any(isinstance(e, DriftCleared) for e in desk.published)
    assert len([e for e in desk.published if isinstance(e, AccountOpened)]) == 2


def test_o08_the_kill_switch_s_older_reading_of_the_account_shows_no_drift():
    """It was asked before the fill was booked, and comes when another reading is under way."""
    desk = open_desk()
    desk.submit()
    desk.sent()
    desk.say(Halt("enough"))
    old = asked(desk)[-1].query
    desk.say(notice("filled"))
    desk.say(LinkUp(desk.now))
    assert asked(desk)[-1].query != old
    desk.say(
        OrdersRead(
            old, OrderPage((row(filled=10, leaves=0, value=10 * P),), complete=True), account()
        )
    )
    assert not [e for e in desk.published if isinstance(e, DriftFound)]


def test_o09_position_and_cash_are_the_sum_of_what_was_told_to_the_won():
    desk = open_desk((CODE, 20, 20 * P))
    desk.submit("s", side=Side.SELL, qty=15)
    desk.sent("s", 3)
    desk.say(notice("filled", 3, qty=15, side=Side.SELL))
    state = desk.core.state
    paid = sum(f.fee + f.tax for f in desk.order("s").fills)
    assert state.books.account.position(CODE).qty == 5
    assert state.opened + state.flow == 10**8 + 15 * P - paid
    answer(
        desk, [row(3, side=Side.SELL, qty=15, filled=15, leaves=0, value=15 * P)], NOON + 2 * EVERY
    )
    assert state.drifts == {}


# when it asks


def test_it_asks_after_every_link_and_every_minute_while_orders_are_open_else_every_five():
    desk = open_desk()
    for wait, open_orders in ((EVERY, False), (IDLE, False), (EVERY, True)):
        if open_orders:
            desk.submit()
            desk.sent()
        count, due = len(asked(desk)), open_orders or wait == IDLE
        desk.say(Woke(), desk.now + wait)
        assert len(asked(desk)) == count + due
        if due:
            assert asked(desk)[-1].query.account
            desk.say(OrdersRead(asked(desk)[-1].query, OrderPage((), complete=True), account()))


def test_o08_a_phone_order_of_which_no_notice_came_is_found_by_the_list():
    desk = open_desk()
    answer(desk, [row(31, filled=10, leaves=0, value=10 * P)], desk.now + IDLE)
    assert desk.core.state.books.account.position(CODE).qty == 10


def test_an_order_that_waits_for_its_turn_has_no_expiry_yet():
    desk = Desk()
    desk.submit("a")
    desk.submit("b")
    desk.say(Woke(), kst(DAY, time(15, 20)))
    assert desk.order("b").state is OrderState.NEW


def test_a_silent_kis_is_asked_again_and_nothing_changes():
    desk = accepted()
    desk.say(LinkUp(desk.now))
    for _ in range(3):
        desk.say(OrdersRead(asked(desk)[-1].query, None))
        desk.say(Woke(), desk.now + EVERY)
    assert len(asked(desk)) == 4
    assert desk.order().is_open


def test_a_clock_that_was_set_back_is_asked_to_wake_again():
    desk = accepted()
    later = desk.now + EVERY
    assert [e.t for e in desk.say(Woke(later), desk.now - 20 * SECOND)] == [later]  # type: ignore[union-attr]


def test_an_impossible_fact_is_reported_and_the_list_of_kis_is_read():
    desk = accepted()
    desk.say(notice("filled", qty=10))
    desk.say(notice("cancelled", 8, qty=3, original=7))
    assert isinstance([e for e in desk.published if not isinstance(e, Filled)][-1], Trouble)
    assert len(asked(desk)) == 1
