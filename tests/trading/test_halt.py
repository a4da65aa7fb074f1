"""The kill switch and its states; what each lets pass, over restarts, to the last hop.

Row A07, invariant 6.
"""

from __future__ import annotations

from datetime import time

import pytest

from kisnb.clock import SECOND, kst
from kisnb.events import AccountOpened, HaltSet, HaltStep, SendStarted
from kisnb.orders import OrderPage, OrderState, SendReply
from kisnb.terms import Side
from kisnb.trading.order_books.order_book import UNASSIGNED
from kisnb.trading.ports.commands import CancelOrder, Halt, Submit
from kisnb.trading.ports.effects import AskOrders, Cancel, OrdersRead, Persist, Send, Woke
from kisnb.trading.ports.journal_rows import decode_row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import LiftHalt
from kisnb.trading.state import State
from tests.trading.desk import CODE, DAY, NOON, Desk, intent, notice, price_of

PRICE = price_of()
EMPTY = OrderPage((), complete=True)


def desk(held: int = 0) -> Desk:
    return Desk([AccountOpened(NOON, 10**9, ((CODE, held, held * PRICE),) if held else ())])


def steps(one: Desk) -> list[tuple[str, bool]]:
    return [(row.step, row.done) for row in one.rows if isinstance(row, HaltStep)]


def answer(one: Desk, page: OrderPage | None = EMPTY) -> None:
    asked = [
        e for e in one.effects if isinstance(e, AskOrders) and e.query.why.startswith("kill switch")
    ]
    one.say(OrdersRead(asked[-1].query, page))


def open_order(one: Desk, key: str, number: int, **changes: object) -> None:
    one.submit(key, **changes)
    one.sent(key, number)
    one.say(notice("accepted", number))


def queries(one: Desk) -> int:
    return sum(
        isinstance(e, AskOrders) and e.query.why.startswith("kill switch") for e in one.effects
    )


def test_a07_the_steps_in_their_order():
    one = desk()
    open_order(one, "a", 1)
    effects = one.say(Halt("enough"))
    assert isinstance(effects[0], Persist)
    assert isinstance(effects[0].rows[0], HaltSet), (
        "the block is synced before anything else is done"
    )
    assert [e.key for e in effects if isinstance(e, Cancel)] == ["a"]
    one.say(notice("cancelled", 2, 10, original=1))
    answer(one)
    assert steps(one) == [
        (s, True) for s in ("block", "cancel", "query", "state", "snapshot", "notify")
    ]
    assert one.core.state.halt == "halted"


def test_a07_orders_that_wait_and_orders_in_the_air_are_cancelled_too():
    one = desk()
    one.submit("air")
    one.submit("waits")
    one.say(Halt("enough"))
    assert one.order("waits").state is OrderState.DENIED
    one.sent("air", 1)
    assert [e.key for e in one.effects if isinstance(e, Cancel)] == ["air"]


def test_a07_it_asks_three_times_with_pauses_of_one_and_two_seconds_and_then_says_failed():
    one = desk()
    open_order(one, "a", 1)
    one.say(Halt("enough"))
    start = one.now
    answer(one, None)
    assert queries(one) == 1
    one.say(Woke(), one.now + SECOND)
    assert queries(one) == 2
    answer(one, None)
    one.say(Woke(), one.now + SECOND)
    assert queries(one) == 2, "two seconds, not one"
    one.say(Woke(), one.now + SECOND)
    assert queries(one) == 3
    answer(one, None)
    assert ("query", False) in steps(one)
    failed = next(row for row in one.rows if isinstance(row, HaltStep) and not row.done)
    assert failed.text.startswith("FAILED: still open: #1")
    assert steps(one)[-1] == ("notify", True), "the next steps are taken all the same"
    assert one.core.state.halt == "halted"
    assert one.now > start


def test_a07_flatten_sells_all_that_is_held_and_only_then():
    one = desk(held=30)
    one.say(Halt("enough", flatten=True))
    assert not one.sends
    answer(one)
    assert [(s.intent.code, s.intent.side, s.intent.qty, s.intent.agent) for s in one.sends] == [
        (CODE, Side.SELL, 30, UNASSIGNED)
    ]
    assert one.core.state.halt == "halted"


def flattened(one: Desk) -> HaltStep:
    return next(row for row in one.rows if isinstance(row, HaltStep) and row.step == "flatten")


def test_a07_a_flatten_says_of_each_sell_how_far_it_has_come():
    one = desk(held=30)
    one.say(Halt("enough", flatten=True))
    answer(one)
    assert flattened(one).text == f"sell 30 {CODE} market is on its way"


def test_a07_a08_a_flatten_in_a_blackout_says_that_its_sells_wait():
    noon = 12 * 3600
    opened = AccountOpened(NOON, 10**9, ((CODE, 30, 30 * PRICE),))
    one = Desk([opened], Limits(windows=((noon, noon + 60),)))
    one.say(Halt("enough", flatten=True))
    answer(one)
    assert not one.sends
    assert (
        flattened(one).text
        == f"sell 30 {CODE} market waits: blackout until 12:01:00: journaled, not sent"
    )
    assert "on its way" not in "".join(row.text for row in one.rows if isinstance(row, HaltStep))


def test_a07_a_flatten_whose_sells_the_market_does_not_take_says_failed():
    one = desk(held=30)
    one.now = kst(DAY, time(17))
    one.say(Halt("enough", flatten=True))
    answer(one)
    assert not flattened(one).done
    assert flattened(one).text.startswith(
        f"FAILED: left are 30 {CODE}: KRX's after-market takes no market orders"
    )


def test_a07_an_order_of_unknown_fate_is_not_said_to_be_cancelled_nor_its_shares_to_be_sold():
    one = desk(held=30)
    one.submit("lost", side=Side.SELL, qty=20)
    one.say(SendReply("lost", "unknown", text="no answer came"))
    one.say(Halt("enough", flatten=True))
    cancels = [
        (row.done, row.text)
        for row in one.rows
        if isinstance(row, HaltStep) and row.step == "cancel"
    ]
    assert [done for done, _ in cancels] == [False]
    assert f"FAILED: without a number, not cancelled yet: sell 20 {CODE}" in cancels[0][1]
    for _ in range(3):
        answer(one)
        one.say(Woke(one.now + 3 * SECOND), one.now + 3 * SECOND)
    one.say(Woke(), one.now + 10 * SECOND)
    left = [row.text for row in one.rows if isinstance(row, HaltStep) and row.step == "flatten"][-1]
    assert left.startswith(f"FAILED: left are 30 {CODE}: sell 10 {CODE} market waits")
    assert "20 of them are in sells that have not ended" in left


def test_a07_without_flatten_nothing_is_sold():
    one = desk(held=30)
    one.say(Halt("enough", "reducing"))
    answer(one)
    assert not one.sends


@pytest.mark.parametrize(
    ("state", "buy", "reduce", "more"),
    [
        ("active", True, True, False),
        ("reducing", False, True, False),
        ("halted", False, False, False),
    ],
)
def test_a07_what_each_state_lets_pass_also_after_a_restart(
    state: str, buy: bool, reduce: bool, more: bool
):
    one = desk(held=10)
    one.set_halt(state, "so")
    again = Desk(one.rows)
    again.keep(again.core.start(one.now + SECOND))
    for key, wish in (
        ("buy", {"side": Side.BUY, "code": "000660", "qty": 1, "price": price_of("000660")}),
        ("more", {"side": Side.SELL, "qty": 11}),
        ("reduce", {"side": Side.SELL, "qty": 10, "protective": True}),
    ):
        again.submit(key, **wish)
    passed = {s.intent.key for s in again.sends}
    assert passed == {
        key for key, passes in (("buy", buy), ("reduce", reduce), ("more", more)) if passes
    }


def test_a07_a_cancel_passes_in_every_state():
    for state in ("active", "reducing", "halted"):
        one = desk()
        open_order(one, "a", 1)
        one.set_halt(state, "so")
        one.say(CancelOrder("a"))
        assert [e.key for e in one.effects if isinstance(e, Cancel)] == ["a"]


def test_invariant_6_an_order_that_waited_in_the_limiter_does_not_leave_a_halted_desk():
    one = desk(held=10)
    one.submit("buy", code="000660", qty=1, price=price_of("000660"))
    one.submit("exit", side=Side.SELL, protective=True)
    assert one.core.may_send(one.now, "buy")
    one.set_halt("reducing", "so")
    assert not one.core.may_send(one.now, "buy")
    assert one.core.may_send(one.now, "exit")
    one.set_halt("halted", "so")
    assert not one.core.may_send(one.now, "exit")


def test_a07_a_desk_that_dies_in_the_middle_goes_on_when_it_is_back():
    one = desk()
    open_order(one, "a", 1)
    one.say(Halt("enough"))
    again = Desk(one.rows)
    again.keep(again.core.start(one.now + SECOND))
    assert again.core.state.halt == "halted"
    assert [e.key for e in again.effects if isinstance(e, Cancel)] == ["a"]
    again.say(notice("cancelled", 2, 10, original=1))
    answer(again)
    assert steps(again)[-1] == ("notify", True)


@pytest.mark.parametrize(
    "wish", [Halt("enough", flatten=True), Halt("enough", "reducing"), Halt("enough")]
)
def test_a07_a_desk_that_is_back_ends_as_the_person_wanted(wish: Halt):
    one = desk(held=10)
    one.say(wish)
    again = Desk(one.rows)
    again.keep(again.core.start(one.now + SECOND))
    answer(again)
    assert (again.core.state.halt, again.core.state.halt_reason) == (wish.state, "enough")
    assert [s.intent.qty for s in again.sends] == ([10] if wish.flatten else [])
    if wish.flatten:
        # Its sell is on the way: the run says what remains, and ends.
        again.say(Woke(), again.now + 10 * SECOND)
    assert steps(again)[-1] == ("notify", True)
    assert not again.core.state.halting


def test_a07_a_run_in_a_journal_that_does_not_say_its_end_yet_ends_halted():
    older = decode_row(b'["HaltStep",1,"block",true,"no new order passes: enough"]')
    assert State.fold([older]).halting == "halted"


def test_a07_a_flatten_in_the_journal_of_an_earlier_version_goes_on():
    rows = [
        b'["HaltSet",1,"halted","enough"]',
        b'["HaltStep",1,"block",true,"no new order passes: enough","flatten"]',
    ]
    state = State.fold([decode_row(row) for row in rows])
    assert (state.halting, state.flatten_reason) == ("halted", "enough")


def test_a07_a_desk_that_dies_while_it_flattens_sells_no_share_twice():
    one = desk(held=10)
    one.say(Halt("enough", flatten=True))
    answer(one)
    rows = one.rows[: next(n for n, row in enumerate(one.rows) if isinstance(row, SendStarted)) + 1]
    again = Desk(rows)
    again.keep(again.core.start(one.now + SECOND))
    for _ in range(3):
        answer(again)
        again.say(Woke(again.now + 3 * SECOND), again.now + 3 * SECOND)
    assert steps(again)[-1] == ("notify", True)
    assert again.sends == [], "the sell of unknown fate may live"


def test_a07_an_order_that_comes_to_light_between_the_queries_is_cancelled_as_well():
    one = desk()
    one.submit("air")
    one.say(Halt("enough"))
    one.sent("air", 1)
    one.say(notice("accepted", 1))
    answer(one)
    assert steps(one)[-1][0] in ("cancel", "block", "query")
    assert not [e for e in one.say(Submit(intent("late"))) if isinstance(e, Send)]


def test_invariant_5_an_order_in_the_limiter_is_not_sent_to_a_venue_that_has_closed():
    one = desk()
    one.now = kst(DAY, time(15, 29, 58))
    one.submit("late")
    assert one.core.may_send(kst(DAY, time(15, 29, 59)), "late")
    permission = one.core.may_send(kst(DAY, time(15, 30)), "late")
    assert not permission
    assert "KRX" in permission.reason


def test_a07_nobody_sets_another_state_while_the_kill_switch_is_at_work():
    one = desk()
    open_order(one, "a", 1)
    one.say(Halt("enough"))
    one.say(LiftHalt("too early"))
    assert one.core.state.halt == "halted"
    one.say(notice("cancelled", 2, 10, original=1))
    answer(one)
    one.say(LiftHalt("now"))
    assert one.core.state.halt == "active"
