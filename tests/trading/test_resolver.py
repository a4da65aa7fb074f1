"""Orders whose answer was lost.

Rows O01, O02: UNKNOWN until evidence or a person says otherwise, never sent again.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kisnb.clock import SECOND, Ns
from kisnb.events import AccountOpened, DecisionRefused, Denied, Rejected, Resolved, Unresolved
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
from kisnb.trading.orders.resolver import WINDOW
from kisnb.trading.ports.commands import ResolveOrder
from kisnb.trading.ports.effects import AskOrders, DepthRead, OrdersRead, Woke
from tests.trading.desk import CODE, NOON, Desk, notice, price_of, ref


def row(number: int = 7, t: Ns = NOON + SECOND, **changes: object) -> OrderRow:
    values: dict[str, object] = {
        "ref": ref(number),
        "original": 0,
        "code": CODE,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "qty": 10,
        "price": price_of(),
        "filled": 0,
        "average": 0,
        "leaves": 10,
        "cancelled": 0,
        "rejected": 0,
        "t": t,
        "value": 0,
        **changes,
    }
    return OrderRow(**values)  # type: ignore[arg-type]


def lost(key: str = "k", **changes: object) -> Desk:
    """A desk with one order whose answer never came."""
    desk = Desk()
    desk.submit(key, **changes)
    desk.say(SendReply(key, "unknown", text="timeout"))
    return desk


def answer(
    desk: Desk, rows: Sequence[OrderRow], at: Ns | None = None, account: Account | None = None
) -> None:
    """Answer the newest question; ask again first when none is open."""
    if at is not None:
        desk.say(Woke(at), at)
    question = [e.query for e in desk.effects if isinstance(e, AskOrders)][-1]
    desk.say(OrdersRead(question, OrderPage(tuple(rows), complete=True), account), desk.now)


def test_o02_the_list_is_read_at_once_and_exactly_one_row_is_adopted():
    desk = lost()
    assert [type(e) for e in desk.effects if isinstance(e, AskOrders)] == [AskOrders]
    answer(desk, [row()])
    assert (desk.order().state, desk.order().number) == (OrderState.ACCEPTED, 7)
    (resolved,) = [e for e in desk.published if isinstance(e, Resolved)]
    assert "#7" in resolved.evidence
    assert len(desk.sends) == 1


def test_o02_what_was_adopted_comes_with_its_fills_to_the_won():
    desk = lost()
    answer(desk, [row(filled=7, leaves=3, value=7 * price_of() + 3)])
    order = desk.order()
    assert (order.filled, order.leaves, sum(f.qty * f.price for f in order.fills)) == (
        7,
        3,
        7 * price_of() + 3,
    )


@pytest.mark.parametrize(
    "other",
    [
        {"code": "000660"},
        {"side": Side.SELL},
        {"qty": 11},
        {"price": 70_900},
        {"t": NOON - 60 * SECOND},
        {"t": NOON + 2 * WINDOW},
        {"ref": OrderRef(20261119, "06010", 7)},
    ],
)
def test_o02_a_row_that_differs_in_anything_is_not_it(other):
    desk = lost()
    answer(desk, [row(**other)])
    assert desk.order().state is OrderState.UNKNOWN


def test_o02_a_number_known_before_the_send_is_not_it():
    desk = Desk()
    desk.submit("before")
    desk.sent("before", 9)
    desk.submit("k")
    desk.say(SendReply("k", "unknown"))
    answer(desk, [row(number=8), row(number=9)])
    assert desk.order().state is OrderState.UNKNOWN


def test_o02_several_candidates_are_left_to_a_person():
    desk = lost()
    answer(desk, [row(8), row(7)])
    assert desk.order().state is OrderState.UNKNOWN
    answer(desk, [row(8), row(7)], NOON + WINDOW + 2 * SECOND)
    (told,) = [e for e in desk.published if isinstance(e, Unresolved)]
    assert sorted(told.candidates) == [7, 8]
    desk.say(ResolveOrder("k", 9))
    answer(desk, [row(8), row(7)])
    assert "no order like it as #9" in refusal(desk)
    desk.say(ResolveOrder("k"))
    answer(desk, [row(8), row(7)])
    assert "#8 or #7" in refusal(desk)
    assert desk.order().state is OrderState.UNKNOWN
    desk.say(ResolveOrder("k", 8))
    answer(desk, [row(8), row(7)])
    assert (desk.order().state, desk.order().number) == (OrderState.ACCEPTED, 8)
    assert desk.core.state.books.orders["external:20261120:06010:7"].is_open


def test_o02_a_person_who_says_never_twice_is_believed_and_similar_rows_are_external():
    desk = lost()
    answer(desk, [row(8), row(7)], NOON + WINDOW + 2 * SECOND)
    desk.say(ResolveOrder("k"))
    answer(desk, [row(8), row(7)])
    assert "say it once more if all of these are somebody else's" in refusal(desk)
    desk.say(ResolveOrder("k"))
    answer(desk, [row(9), row(8), row(7)])
    assert "#9 or #8 or #7" in refusal(desk), "of #9 nobody was warned"
    assert desk.order().state is OrderState.UNKNOWN
    desk.say(ResolveOrder("k"))
    answer(desk, [row(9), row(8), row(7)])
    assert desk.order().state is OrderState.REJECTED
    assert "KIS listed #9 and #8 and #7" in desk.order().text
    others = [o for o in desk.core.state.books.live.values() if o.intent.agent == "external"]
    assert sorted(o.number for o in others) == [7, 8, 9]


def refusal(desk: Desk) -> str:
    return [e.text for e in desk.published if isinstance(e, DecisionRefused)][-1]


def test_o02_an_order_missing_in_the_list_stays_unknown_until_a_person_decides():
    desk = lost()
    answer(desk, [])
    desk.say(ResolveOrder("k"))
    answer(desk, [])
    assert "can still come to light until 12:01:31" in refusal(desk)
    answer(desk, [], NOON + WINDOW + 2 * SECOND)
    assert desk.order().state is OrderState.UNKNOWN
    assert not any(isinstance(e, Rejected) for e in desk.published)
    desk.say(ResolveOrder("k"))
    answer(desk, [])
    assert desk.order().state is OrderState.REJECTED
    assert "a person says that it was never sent" in desk.order().text
    assert len(desk.sends) == 1


def test_o02_a_list_that_was_read_before_the_window_was_over_is_no_evidence_however_late_it_comes():
    """A reading may take minutes; what it was asked for is what it tells of."""
    desk = lost()
    (early,) = [e.query for e in desk.effects if isinstance(e, AskOrders)]
    desk.say(Woke(NOON + 95 * SECOND), NOON + 95 * SECOND)
    desk.say(ResolveOrder("k"), NOON + 96 * SECOND)
    assert len([e for e in desk.effects if isinstance(e, AskOrders)]) == 2
    desk.say(OrdersRead(early, OrderPage((), complete=True)))
    assert desk.order().state is OrderState.UNKNOWN
    desk.submit("twin")
    assert not [s for s in desk.sends if s.intent.key == "twin"], "it would be bought twice"


def test_o02_a_decision_is_refused_when_kis_does_not_answer():
    desk = lost()
    answer(desk, [])
    desk.say(ResolveOrder("k"))
    question = [e.query for e in desk.effects if isinstance(e, AskOrders)][-1]
    desk.say(OrdersRead(question, None))
    assert "decide again" in refusal(desk)
    desk.say(ResolveOrder("nobody"))
    assert "no order has this key" in refusal(desk)


def test_o02_a_person_who_is_wrong_is_corrected_by_the_one_row_that_is_it():
    desk = lost()
    answer(desk, [])
    desk.say(ResolveOrder("k"))
    answer(desk, [row()])
    assert desk.order().state is OrderState.ACCEPTED
    assert "#7" in refusal(desk)


def test_o02_the_list_of_a_day_that_is_over_is_evidence():
    desk = lost()
    answer(desk, [])
    tomorrow = NOON + 86_400 * SECOND
    desk.say(Woke(tomorrow), tomorrow)
    for asked in [e.query for e in desk.effects if isinstance(e, AskOrders)][-2:]:
        desk.say(OrdersRead(asked, OrderPage((), complete=True)), tomorrow)
    assert desk.order().state is OrderState.REJECTED
    assert "never sent" in desk.order().text


def test_o02_buys_of_the_stock_are_locked_and_others_are_not():
    desk = lost()
    desk.submit("again")
    assert desk.order("again").state is OrderState.DENIED
    assert "not known yet" in desk.order("again").text
    desk.submit("other", code="000660", price=182_000)
    assert [s.intent.key for s in desk.sends] == ["k", "other"]
    answer(desk, [row()])
    desk.submit("later")
    assert [s.intent.key for s in desk.sends] == ["k", "other", "later"]


def test_o02_a_sell_goes_up_to_what_the_broker_confirms_as_sellable():
    for sellable, expected in ((10, OrderState.SENDING), (9, OrderState.DENIED)):
        desk = lost()
        answer(desk, [])
        desk.submit("s", side=Side.SELL, protective=True)
        assert desk.order("s").state is OrderState.NEW
        assert [e.query.account for e in desk.effects if isinstance(e, AskOrders)][-1]
        held = Holding(CODE, "", 20, sellable, 20 * price_of(), price_of())
        answer(desk, [], account=Account(10**8, 10**8, 10**8, 10**8, (held,), complete=True))
        assert desk.order("s").state is expected
    (denied,) = [e for e in desk.published if isinstance(e, Denied)]
    assert "9 shares to sell" in denied.reason


def test_o02_a_confirmed_sell_does_not_wait_for_books_too():
    desk = Desk(can=Capabilities(tuple(Venue), (OrderKind.LIMIT,), can_order=True))
    desk.say(DepthRead(CODE, ()))
    desk.submit(venue=Venue.KRX)
    desk.say(SendReply("k", "unknown"))
    answer(desk, [])
    desk.submit("s", side=Side.SELL)
    held = Holding(CODE, "", 20, 20, 20 * price_of(), price_of())
    answer(desk, [], account=Account(10**8, 10**8, 10**8, 10**8, (held,), complete=True))
    assert desk.order("s").state is OrderState.SENDING


def test_o02_a_lost_sell_and_its_twin_share_one_row_so_that_none_is_adopted():
    desk = lost("s1", side=Side.SELL)
    answer(desk, [])
    desk.submit("s2", side=Side.SELL)
    held = Holding(CODE, "", 20, 20, 20 * price_of(), price_of())
    answer(desk, [], account=Account(10**8, 10**8, 10**8, 10**8, (held,), complete=True))
    desk.say(SendReply("s2", "unknown"))
    answer(desk, [row(side=Side.SELL, t=NOON + 6 * SECOND)])
    assert {desk.order(key).state for key in ("s1", "s2")} == {OrderState.UNKNOWN}


def test_o01_a_restarted_desk_asks_for_what_was_in_the_air_and_adopts_it():
    desk = Desk()
    desk.submit()
    again = Desk(desk.rows)
    again.now = desk.now
    again.keep(again.core.start(NOON + 5 * SECOND))
    assert again.order().state is OrderState.UNKNOWN
    answer(again, [row()])
    assert (again.order().state, again.order().number) == (OrderState.ACCEPTED, 7)
    assert again.sends == []


def test_an_early_notice_of_a_lost_order_waits_for_the_list():
    desk = Desk()
    desk.submit()
    desk.say(notice("filled", 7, qty=4))
    desk.say(SendReply("k", "unknown"))
    answer(desk, [row(filled=4, leaves=6, value=4 * price_of())])
    assert (desk.order().filled, desk.order().state) == (4, OrderState.ACCEPTED)
    assert desk.core.state.early == {}


def test_o02_a_buy_that_waited_in_the_limiter_does_not_leave_beside_an_order_of_unknown_fate():
    desk = Desk([AccountOpened(NOON, 10**9, ((CODE, 10, 700_000),))])
    desk.submit("exit", side=Side.SELL)
    desk.submit("buy")
    assert desk.core.may_send(desk.now, "buy")
    desk.say(SendReply("exit", "unknown", text="no answer came"))
    permission = desk.core.may_send(desk.now, "buy")
    assert not permission
    assert "was sent is not known yet" in permission.reason
