"""The desk's state machine: rows before bytes, one order per key, quantities that add up."""

from __future__ import annotations

from datetime import date

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import kst
from kisnb.events import (
    CancelRefused,
    Denied,
    Filled,
    IntentRepeated,
    LinkUp,
    Rejected,
    SendStarted,
    SendUnknown,
    Trouble,
)
from kisnb.orders import Account, Capabilities, OrderPage, OrderRow, OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.ports.commands import CancelOrder
from kisnb.trading.ports.effects import (
    AskOrders,
    Cancel,
    CancelReply,
    OrdersRead,
    Persist,
    Publish,
    Send,
    WakeAt,
    Woke,
)
from kisnb.trading.ports.journal_rows import decode_row, encode_row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.trading.desk import CAN, CODE, DAY, NOON, Desk, notice, price_of, ref


def test_o01_the_row_of_a_send_is_persisted_before_the_send():
    effects = Desk().submit()
    send = next(i for i, e in enumerate(effects) if isinstance(e, Send))
    rows = [r for e in effects[:send] if isinstance(e, Persist) for r in e.rows]
    assert any(isinstance(r, SendStarted) and r.key == "k" for r in rows)


def test_o01_the_row_of_a_cancel_is_persisted_before_the_cancel():
    desk = Desk()
    desk.submit()
    desk.sent()
    effects = desk.say(CancelOrder("k"))
    assert [type(e) for e in effects if isinstance(e, Persist | Cancel)] == [Persist, Cancel]


def test_o03_a_reject_is_rejected_with_its_code_and_moves_no_position():
    desk = Desk()
    desk.submit()
    desk.say(SendReply("k", "rejected", msg_cd="APBK0952", text="주문가능금액을 초과 했습니다"))
    assert desk.order().state is OrderState.REJECTED
    assert desk.order().msg_cd == "APBK0952"
    assert desk.core.state.books.account.positions == {}
    assert not any(isinstance(e, Filled) for e in desk.published)
    assert any(isinstance(e, Rejected) for e in desk.published)


def test_o11_a_known_key_sends_nothing_and_is_looked_up_before_any_check():
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.set_halt("halted", "test")
    effects = desk.submit()
    assert len(desk.sends) == 1
    repeated = [e.event for e in effects if hasattr(e, "event")]
    assert repeated == [IntentRepeated(desk.now, repeated[0].intent, True)]


def test_o11_a_known_key_with_other_values_sends_nothing_and_says_so():
    desk = Desk()
    desk.submit()
    desk.submit(qty=11)
    assert len(desk.sends) == 1
    assert [e.same for e in desk.published if isinstance(e, IntentRepeated)] == [False]
    assert desk.order().quantity == 10


def test_a_notice_may_overtake_the_reply():
    desk = Desk()
    desk.submit()
    desk.say(notice("accepted"))
    desk.say(notice("filled", qty=4))
    assert desk.order().state is OrderState.SENDING
    desk.sent()
    assert desk.order().state is OrderState.ACCEPTED
    assert (desk.order().filled, desk.order().leaves) == (4, 6)
    assert desk.core.state.early == {}


def test_one_post_in_flight_per_stock_and_side():
    desk = Desk()
    desk.submit("a")
    desk.submit("b")
    desk.submit("c", side=Side.SELL)
    assert [s.intent.key for s in desk.sends] == ["a", "c"]
    desk.sent("a", 1)
    assert [s.intent.key for s in desk.sends] == ["a", "c", "b"]


def test_a_queued_order_passes_the_gate_again_when_its_turn_comes():
    desk = Desk()
    desk.submit("a")
    desk.submit("b")
    desk.set_halt("halted", "test")
    desk.sent("a", 1)
    assert desk.order("b").state is OrderState.DENIED
    assert len(desk.sends) == 1


def test_a_lost_answer_is_unknown_never_rejected():
    desk = Desk()
    desk.submit()
    desk.say(SendReply("k", "unknown", text="timeout"))
    assert desk.order().state is OrderState.UNKNOWN


def test_o01_a_restart_names_what_was_in_the_air_and_sends_nothing():
    desk = Desk()
    desk.submit("a")
    desk.submit("b")
    again = Desk(desk.rows)
    again.keep(again.core.start(NOON))
    assert again.order("a").state is OrderState.UNKNOWN
    assert again.order("b").state is OrderState.DENIED
    assert again.sends == []


def test_a_cancel_takes_out_what_is_left_and_a_fill_that_raced_it_counts():
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.say(notice("accepted"))
    desk.say(CancelOrder("k"))
    desk.say(notice("filled", qty=3))
    desk.say(notice("cancelled", number=8, qty=7, original=7))
    order = desk.order()
    assert (order.filled, order.cancelled, order.leaves, order.state) == (
        3,
        7,
        0,
        OrderState.CANCELLED,
    )


def test_a_refused_cancel_leaves_the_order_as_it_was():
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.say(notice("accepted"))
    desk.say(CancelOrder("k"))
    desk.say(
        CancelReply(SendReply("k", "rejected", msg_cd="APBK0000", text="취소할 수량이 없습니다"))
    )
    assert desk.order().state is OrderState.ACCEPTED
    assert not desk.order().cancel_asked
    assert any(isinstance(e, CancelRefused) for e in desk.published)


def test_after_the_close_open_orders_expire_when_kis_confirms_it():
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.say(notice("accepted"))
    evening = kst(DAY, 15 * 3600 + 31 * 60)
    asked = [e for e in desk.say(Woke(), evening) if isinstance(e, AskOrders)]
    assert [a.query.day for a in asked] == [DAY]
    desk.say(OrdersRead(asked[0].query, None), evening)
    assert desk.order().is_open
    row = OrderRow(
        ref(), 0, CODE, Side.BUY, OrderKind.LIMIT, 10, price_of(), 0, 0, 0, 0, 0, NOON, 0
    )
    desk.say(OrdersRead(asked[0].query, OrderPage((row,), complete=True)), evening)
    assert desk.order().state is OrderState.EXPIRED
    assert desk.order().leaves == 0


def denial(desk: Desk) -> str:
    (denied,) = [e for e in desk.published if isinstance(e, Denied)]
    assert desk.sends == []
    return f"{denied.reason}. {denied.cure}"


def test_the_gate_refuses_with_reason_and_cure():
    cases = {
        "off the tick grid": {"price": price_of() + 1},
        "outside today's limits": {"price": price_of() * 2},
        "quantity 0 is not valid": {"qty": 0},
        "not a listed issue": {"code": "999999"},
        "above the limit": {"qty": 1_000_000},
        "needs a price": {"price": None},
        "takes no orders from this desk": {"venue": Venue.NXT},
        "takes no best-opposite orders. use limit or market": {
            "kind": OrderKind.BEST_OPPOSITE,
            "price": None,
        },
    }
    for words, changes in cases.items():
        desk = Desk()
        desk.submit(**changes)
        assert words in denial(desk)


def test_a_closed_session_is_refused_with_its_hours():
    desk = Desk()
    desk.now = kst(DAY, 7 * 3600)
    desk.submit()
    assert "KRX is closed at 07:00:01 KST on 2026-11-20. KRX takes it from 08:30:00" in denial(desk)


def test_reading_only_refuses_every_order_in_one_line():
    can = Capabilities(
        (Venue.KRX,), tuple(OrderKind), can_order=False, why_not="orders go to the simulator"
    )
    desk = Desk(can=can)
    desk.submit()
    assert denial(desk) == "this desk is open for reading only. orders go to the simulator"


def test_the_value_limit_counts_a_market_order_at_the_upper_limit_and_lets_a_reducing_sell_pass():
    limits = Limits(max_order_value=10 * price_of())
    desk = Desk(limits=limits)
    desk.submit("m", kind=OrderKind.MARKET, price=None)
    assert "above the limit" in denial(desk)
    desk = Desk(limits=limits)
    desk.submit("b")
    desk.sent("b")
    desk.say(notice("filled"))
    desk.submit("s", side=Side.SELL, kind=OrderKind.MARKET, price=None)
    assert [s.intent.key for s in desk.sends] == ["b", "s"]


def test_halted_sends_nothing_and_reducing_only_sells_what_is_held():
    desk = Desk()
    desk.set_halt("reducing", "test")
    desk.submit("s", side=Side.SELL)
    desk.submit("b")
    assert desk.sends == []
    assert CAN.can_order


@st.composite
def days(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [
                        "submit",
                        "sent",
                        "rejected",
                        "unknown",
                        "accepted",
                        "filled",
                        "cancel",
                        "cancelled",
                        "refused",
                    ]
                ),
                st.integers(0, 3),
                st.integers(1, 12),
            ),
            max_size=40,
        )
    )


@given(days())
def test_the_state_is_the_fold_of_the_rows_and_quantities_add_up(steps):
    """Invariants 3, 4 and 7 over any order of commands, replies and notices."""
    desk = Desk()
    for what, i, qty in steps:
        key, number = f"k{i}", 100 + i
        known = desk.core.state.books.orders.get(key)
        match what:
            case "submit":
                desk.submit(key, qty=qty)
            case "sent" | "rejected" | "unknown" if (
                known is not None and known.state is OrderState.SENDING
            ):
                desk.say(SendReply(key, what, ref(number) if what == "sent" else None))
            case "accepted" | "filled":
                desk.say(notice(what, number, qty))
            case "refused":
                desk.say(notice(what, number))
            case "cancelled" if (
                known is not None and known.leaves >= qty and known.state is OrderState.ACCEPTED
            ):
                desk.say(notice(what, 900 + i, qty, original=number))
            case "cancel":
                desk.say(CancelOrder(key))
    state = desk.core.state
    for order in state.books.orders.values():
        assert order.quantity == order.filled + order.cancelled + order.leaves
        assert order.leaves >= 0
    bought = sum(f.qty for _, f in state.books.account.fills)
    assert sum(p.qty for p in state.books.account.positions.values()) == bought
    started = [r.key for r in desk.rows if isinstance(r, SendStarted)]
    assert sorted(started) == sorted({*started})
    assert started == [s.intent.key for s in desk.sends]
    folded = State.fold([decode_row(encode_row(r)) for r in desk.rows])
    assert picture(folded) == picture(state)


def picture(state: State) -> list[tuple[object, ...]]:
    orders = [
        (o.key, o.state, o.filled, o.cancelled, o.ref, o.text) for o in state.books.orders.values()
    ]
    waiting = [(k, [msgspec.structs.astuple(n) for n in v]) for k, v in sorted(state.early.items())]
    return [*orders, ("early", waiting), ("halt", state.halt)]


def test_a_sent_order_whose_desk_died_is_unknown_once():
    desk = Desk()
    desk.submit()
    again = Desk(desk.rows)
    again.keep(again.core.start(NOON))
    third = Desk(again.rows)
    third.keep(third.core.start(NOON))
    assert [type(r) for r in third.rows].count(SendUnknown) == 1


def test_o01_kill_between_any_two_effects_loses_no_order_and_sends_none_twice():
    desk = Desk()
    desk.submit("a")
    desk.submit("b")
    desk.sent("a", 1)
    desk.say(notice("accepted", 1))
    desk.say(notice("filled", 1, qty=4))
    desk.say(CancelOrder("a"))
    desk.say(notice("cancelled", 9, qty=6, original=1))
    for killed_after in range(len(desk.effects) + 1):
        done = desk.effects[:killed_after]
        rows = [r for e in done if isinstance(e, Persist) for r in e.rows]
        left = [e.intent.key for e in done if isinstance(e, Send)]
        again = Desk(rows)
        again.keep(again.core.start(NOON))
        for key in left:
            assert again.order(key).state not in (OrderState.NEW, OrderState.DENIED)
            again.submit(key)
        assert again.sends == []
        told = [
            e.event
            for e in done
            if isinstance(e, Publish) and not isinstance(e.event, IntentRepeated)
        ]
        assert all(event in rows for event in told)


def test_an_order_that_is_cancelled_before_its_turn_is_never_sent():
    desk = Desk()
    desk.submit("a")
    desk.submit("b")
    desk.say(CancelOrder("b"))
    assert desk.order("b").state is OrderState.DENIED
    desk.sent("a", 1)
    assert [s.intent.key for s in desk.sends] == ["a"]


def test_a_cancel_that_comes_while_the_order_is_sent_follows_the_reply():
    desk = Desk()
    desk.submit()
    assert not any(isinstance(e, Cancel) for e in desk.say(CancelOrder("k")))
    assert [(e.key, e.ref) for e in desk.sent() if isinstance(e, Cancel)] == [("k", ref())]
    lost = Desk()
    lost.submit()
    lost.say(CancelOrder("k"))
    lost.say(SendReply("k", "unknown", text="timeout"))
    assert lost.order().state is OrderState.UNKNOWN
    assert any(isinstance(e, CancelRefused) for e in lost.published)


def test_a_cancel_that_was_in_the_air_at_a_restart_can_be_sent_again():
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.say(CancelOrder("k"))
    again = Desk(desk.rows)
    again.keep(again.core.start(NOON))
    assert not again.order().cancel_asked
    assert any(isinstance(e, Cancel) for e in again.say(CancelOrder("k")))


def test_a_notice_that_cannot_be_changes_nothing_and_is_named():
    for before, impossible in (
        ("accepted", "refused"),
        ("filled", "cancelled"),
        ("refused", "filled"),
    ):
        desk = Desk()
        desk.submit()
        desk.sent()
        desk.say(notice(before))
        state = desk.order().state
        desk.say(notice(impossible))
        assert desk.order().state is state
        assert isinstance(desk.published[-1], Trouble)


def test_the_day_after_is_scheduled_from_its_midnight_so_that_its_first_phase_is_not_missed():
    desk = Desk()
    (wake,) = [e.t for e in desk.say(Woke(), kst(DAY, 23 * 3600)) if isinstance(e, WakeAt)]
    assert wake == kst(date(2026, 11, 21), 0)


EMPTY = Account(10**9, 10**9, 10**9, 10**9, (), complete=True)


def test_a12_a_desk_that_runs_for_days_reads_kis_at_the_begin_of_each_trading_day():
    """Friday evening, over the weekend: the first market session of Monday begins at 08:00."""
    desk = Desk()
    evening, monday = kst(DAY, 21 * 3600), kst(date(2026, 11, 23), 8 * 3600)
    desk.keep(desk.core.start(evening))
    desk.say(LinkUp(evening), evening)
    (asked,) = [e for e in desk.effects if isinstance(e, AskOrders)]
    desk.say(OrdersRead(asked.query, OrderPage((), complete=True), EMPTY), evening)
    read: list[tuple[int, str]] = []
    t = evening
    while t < monday:
        t = min(e.t for e in desk.effects if isinstance(e, WakeAt) and e.t > t)
        for effect in desk.say(Woke(), t):
            if isinstance(effect, AskOrders):
                read.append((t, effect.query.why))
                assert effect.query.account
                desk.say(OrdersRead(effect.query, OrderPage((), complete=True), EMPTY), t)
    assert read == [(monday, "begin of a trading day")]
