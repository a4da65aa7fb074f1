"""What is, and what is not, evidence of an order whose answer was lost. Row O02."""

from __future__ import annotations

import pytest

from kisnb.clock import DAY, SECOND, Ns
from kisnb.events import AccountOpened, DecisionRefused, Unresolved
from kisnb.orders import Account, Holding, OrderPage, OrderState, SendReply
from kisnb.terms import OrderKind, Side
from kisnb.trading.orders.resolver import SKEW, WINDOW
from kisnb.trading.ports.commands import ResolveOrder, ReviseOrder
from kisnb.trading.ports.effects import AskOrders, OrdersQuery, OrdersRead, Woke
from tests.trading.desk import CODE, NOON, Desk, intent, notice, price_of
from tests.trading.desk import DAY as TODAY
from tests.trading.test_resolver import answer, lost, refusal, row

SENT = NOON + SECOND
P = price_of()


def refusals(desk: Desk) -> list[str]:
    return [e.text for e in desk.published if isinstance(e, DecisionRefused)]


def silence(desk: Desk) -> None:
    """KIS does not list its orders."""
    desk.say(Woke(desk.now), desk.now + 60 * SECOND)
    desk.say(OrdersRead([e.query for e in desk.effects if isinstance(e, AskOrders)][-1], None))


@pytest.mark.parametrize(
    ("t", "is_it"),
    [
        (SENT - SKEW, True),
        (SENT - SKEW - 1, False),
        (SENT + WINDOW, True),
        (SENT + WINDOW + 1, False),
    ],
)
def test_o02_a_row_within_the_clocks_difference_and_the_window_is_it_and_one_outside_is_not(
    t: Ns, is_it: bool
):
    desk = lost()
    answer(desk, [row(t=t)])
    assert (desk.order().state is OrderState.ACCEPTED) is is_it


def test_o02_clocks_are_thought_to_be_half_a_minute_apart_at_most():
    assert (SKEW, WINDOW) == (30 * SECOND, 90 * SECOND)


def test_o02_a_lost_market_order_is_found_by_its_price_of_nothing():
    desk = lost(kind=OrderKind.MARKET, price=None)
    answer(desk, [row(kind=OrderKind.MARKET, price=0)])
    assert (desk.order().state, desk.order().number) == (OrderState.ACCEPTED, 7)


def test_o02_a_row_that_is_another_order_s_is_not_adopted_by_its_twin():
    desk = lost("s1", side=Side.SELL)
    answer(desk, [])
    desk.submit("s2", side=Side.SELL)
    held = Holding(CODE, "", 20, 20, 20 * P, P)
    answer(desk, [], account=Account(10**8, 10**8, 10**8, 10**8, (held,), complete=True))
    desk.sent("s2", 8)
    answer(desk, [row(8, side=Side.SELL, t=desk.now)], desk.now + 60 * SECOND)
    assert (desk.order("s1").state, desk.order("s2").number) == (OrderState.UNKNOWN, 8)


def test_o02_a_cancel_s_row_is_not_taken_for_a_new_order():
    desk = lost()
    answer(desk, [row(original=3)])
    assert desk.order().state is OrderState.UNKNOWN


@pytest.mark.parametrize(
    ("qty", "is_it"), [(10, True), (6, True), (1, True), (0, False), (11, False)]
)
def test_o02_a_lost_revise_may_have_moved_less_than_it_asked_for_and_never_more(
    qty: int, is_it: bool
):
    """What traded before it arrived stays with the order that it revises."""
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.say(notice("accepted"))
    desk.say(ReviseOrder(intent("k/2", price=P + 100, supersedes="k")))
    desk.say(SendReply("k/2", "unknown"))
    moved = row(9, original=7, qty=qty, leaves=qty, price=P + 100, t=desk.now)
    answer(desk, [moved, row(filled=10 - min(qty, 10), leaves=0, value=(10 - min(qty, 10)) * P)])
    assert (desk.order("k/2").number == 9) is is_it


def test_o02_a_person_is_asked_once_whether_an_order_was_sent_and_after_its_window():
    desk = lost()
    for after, told in ((0, 0), (WINDOW - 1, 0), (WINDOW, 1), (WINDOW + 60 * SECOND, 1)):
        desk.say(
            OrdersRead(
                OrdersQuery(TODAY, "unknown", False, SENT + after, 0), OrderPage((), complete=True)
            )
        )
        assert len([e for e in desk.published if isinstance(e, Unresolved)]) == told, after
    assert "decide that it was never sent" in next(
        e.text for e in desk.published if isinstance(e, Unresolved)
    )


def test_o02_only_an_order_of_unknown_fate_can_be_decided():
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.say(ResolveOrder("k"))
    assert "the order is sent, there is nothing to decide" in refusal(desk)
    assert not any(isinstance(e, AskOrders) for e in desk.effects)


def test_o02_a_person_who_is_right_is_not_corrected():
    desk = lost()
    answer(desk, [])
    desk.say(ResolveOrder("k", 7))
    answer(desk, [row()])
    assert desk.order().number == 7
    silence(desk)
    assert refusals(desk) == []


@pytest.mark.parametrize(("adopt", "rows"), [(8, [row(8), row(7)]), (None, [])])
def test_o02_a_decision_that_was_carried_out_is_over(adopt: int | None, rows: list):
    desk = lost()
    answer(desk, rows)
    desk.now = SENT + WINDOW
    desk.say(ResolveOrder("k", adopt))
    answer(desk, rows)
    assert desk.order().state is not OrderState.UNKNOWN
    silence(desk)
    assert refusals(desk) == []


def test_o02_a_decision_against_what_kis_lists_is_refused_and_over():
    desk = lost()
    answer(desk, [row(8), row(7)])
    desk.now = SENT + WINDOW
    desk.say(ResolveOrder("k"))
    answer(desk, [row(8), row(7)])
    silence(desk)
    (said,) = refusals(desk)
    assert "it may have been sent: it could be #8 or #7" in said


def test_o02_a_list_that_was_asked_for_when_the_window_was_just_over_is_evidence():
    for asked, over in ((SENT + WINDOW - 1, False), (SENT + WINDOW, True)):
        desk = lost()
        answer(desk, [])
        desk.say(ResolveOrder("k"))
        desk.say(
            OrdersRead(
                OrdersQuery(TODAY, "decision", False, asked, 0), OrderPage((), complete=True)
            )
        )
        assert (desk.order().state is OrderState.REJECTED) is over


def test_o02_the_number_of_another_order_is_named_with_it():
    desk = Desk()
    desk.submit("before", code="000660", qty=1, price=price_of("000660"))
    desk.sent("before", 5)
    desk.submit("k")
    desk.say(SendReply("k", "unknown"))
    answer(desk, [])
    desk.say(ResolveOrder("k", 5))
    answer(desk, [])
    assert refusal(desk) == "#5 is the order before; nothing that KIS lists could be it"


def next_day(desk: Desk) -> tuple[OrdersQuery, OrdersQuery]:
    """The questions that a desk asks on the day after: of the day before, and of its own."""
    tomorrow = NOON + DAY
    desk.say(Woke(tomorrow), tomorrow)
    before, today = [e.query for e in desk.effects if isinstance(e, AskOrders)][-2:]
    assert before.day < today.day
    return before, today


def test_o02_the_list_of_another_day_decides_nothing():
    desk = lost()
    answer(desk, [])
    before, today = next_day(desk)
    desk.say(ResolveOrder("k"))
    desk.say(OrdersRead(today, OrderPage((), complete=True)))
    assert desk.order().state is OrderState.UNKNOWN
    desk.say(OrdersRead(before, OrderPage((row(),), complete=True)))
    assert desk.order().number == 7


def test_o02_two_that_it_could_be_are_left_to_a_person_on_a_day_that_is_over_too():
    desk = lost()
    answer(desk, [])
    before, _ = next_day(desk)
    desk.say(OrdersRead(before, OrderPage((row(8), row(7)), complete=True)))
    assert desk.order().state is OrderState.UNKNOWN


@pytest.mark.parametrize(
    ("agent", "qty", "passes"),
    [("a", 5, True), ("a", 6, False), ("b", 1, False), ("c", 1, False), ("", 40, True)],
)
def test_o02_while_kis_states_another_holding_a_protective_sell_stays_within_its_shares(
    agent: str, qty: int, passes: bool
):
    """Agent ``a`` has a buy of 5 of unknown fate, b has none, and c one that KIS lists as open.

    40 are nobody's.
    """
    desk = Desk([AccountOpened(NOON, 10**9, ((CODE, 40, 40 * P),))])
    desk.submit("rests", agent="c", qty=5)
    desk.sent("rests", 3)
    desk.say(notice("accepted", 3, 5))
    desk.submit("lost", agent="a", qty=5)
    desk.say(SendReply("lost", "unknown"))
    account = Account(
        10**9, 10**9, 10**9, 10**9, (Holding(CODE, "", 45, 45, 45 * P, P),), complete=True
    )
    open_buy = row(3, qty=5)
    answer(desk, [open_buy], account=account)
    assert (CODE, "holding") in desk.core.state.drifts
    desk.submit("stop", agent=agent, qty=qty, side=Side.SELL, protective=True)
    answer(desk, [open_buy], account=account)
    assert (desk.order("stop").state is OrderState.SENDING) is passes, desk.order("stop").text


def test_o02_an_account_that_holds_what_an_order_of_unknown_fate_traded_is_not_the_opening_one():
    desk = Desk()
    desk.submit("lost", qty=5)
    desk.say(SendReply("lost", "unknown"))
    held = (Holding(CODE, "", 45, 45, 45 * P, P),)
    account = Account(10**9, 10**9, 10**9, 10**9, held, complete=True)
    two = [row(8, qty=5, leaves=0, filled=5, value=5 * P), row(7, qty=5)]
    answer(desk, two, account=account)
    assert desk.core.state.opened is None
    desk.say(ResolveOrder("lost", 8))
    answer(desk, two)
    answer(desk, two, desk.now + 60 * SECOND, account=account)
    assert desk.core.state.books.account.position(CODE).qty == 45
    assert desk.core.state.drifts == {}


def test_o02_nobody_decides_for_a_row_that_an_order_on_its_way_could_be():
    desk = lost("s1", side=Side.SELL)
    answer(desk, [])
    desk.submit("s2", side=Side.SELL)
    held = Holding(CODE, "", 20, 20, 20 * P, P)
    answer(desk, [], account=Account(10**8, 10**8, 10**8, 10**8, (held,), complete=True))
    assert desk.order("s2").state is OrderState.SENDING
    desk.say(ResolveOrder("s1", 8))
    answer(desk, [row(8, side=Side.SELL, t=desk.now)])
    assert "could be" in refusals(desk)[-1]
    assert "decide again when it has" in refusals(desk)[-1]
    desk.sent("s2", 8)
    assert (desk.order("s1").state, desk.order("s2").number) == (OrderState.UNKNOWN, 8)
