"""A flatten is a run of its own: it sells until nothing is held, or says what remains.

Row A07, invariant 6.
"""

from __future__ import annotations

from datetime import time

import msgspec
import pytest

from kisnb.clock import SECOND, kst
from kisnb.events import AccountOpened, FlattenSet, HaltSet, HaltStep, LinkUp
from kisnb.market.universe import Universe
from kisnb.orders import Account, Capabilities, Holding, Intent, OrderPage, OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.ports.commands import Halt, Submit
from kisnb.trading.ports.effects import AskOrders, Cancel, OrdersRead, Woke
from kisnb.trading.ports.queries import LiftHalt
from tests.trading.desk import CODE, DAY, NOON, Desk, intent, notice, price_of, ref

PRICE = price_of()
CASH = 10**9
ALL_KINDS = Capabilities((Venue.KRX, Venue.NXT), tuple(OrderKind), can_order=True)
SELL = Side.SELL


def desk(held: int = 30, can: Capabilities | None = None) -> Desk:
    opened = AccountOpened(NOON, CASH, ((CODE, held, held * PRICE),) if held else ())
    return Desk([opened], can=can) if can else Desk([opened])


def answer(one: Desk, held: int | None = None) -> None:
    """KIS answers the newest question; ``held`` None leaves the account out."""
    asked = next(e.query for e in reversed(one.effects) if isinstance(e, AskOrders))
    account = None
    if held is not None:
        holdings = (Holding(CODE, "", held, held, held * PRICE, PRICE),) if held else ()
        cash = one.core.state.cash or 0
        account = Account(cash, cash, cash, cash, holdings, complete=True)
    one.say(OrdersRead(asked, OrderPage((), complete=True), account))


def flattening(held: int = 30, **changes: object) -> Desk:
    """A desk whose flatten has sent its first sells."""
    one = desk(held, **changes)  # type: ignore[arg-type]
    one.say(Halt("enough", flatten=True))
    answer(one)
    return one


def fill(one: Desk, number: int, qty: int) -> None:
    """The newest sell is taken by KIS and trades so many shares."""
    one.say(SendReply(one.sends[-1].intent.key, "sent", ref(number)))
    one.say(notice("accepted", number, side=SELL))
    if qty:
        one.say(notice("filled", number, qty, side=SELL))


def flatten_steps(one: Desk) -> list[HaltStep]:
    return [row for row in one.rows if isinstance(row, HaltStep) and row.step == "flatten"]


def wait(one: Desk, seconds: float) -> None:
    one.say(Woke(), one.now + int(seconds * SECOND))


def test_a07_what_the_market_did_not_take_is_sold_again_until_nothing_is_held():
    one = flattening(30)
    fill(one, 1, 12)
    one.say(notice("cancelled", 2, 18, original=1, side=SELL))
    wait(one, 1)
    assert [s.intent.qty for s in one.sends] == [30, 18]
    fill(one, 3, 18)
    # The first question was asked before the last fill.
    answer(one, 0)
    answer(one, 0)
    assert one.core.state.flatten_reason is None
    assert flatten_steps(one)[-1].text == "nothing is held, as KIS confirms"
    assert one.core.state.halt == "halted"
    assert [row.on for row in one.rows if isinstance(row, FlattenSet)] == [True, False]


def test_a07_the_books_alone_do_not_say_that_nothing_is_held():
    one = flattening(30)
    fill(one, 1, 30)
    assert one.core.state.flatten_reason is not None
    answer(one, 5)
    assert one.core.state.flatten_reason is not None, "KIS still states five shares"
    wait(one, 10)
    assert "KIS states 5" in flatten_steps(one)[-1].text


def test_a07_a_flatten_says_what_remains_and_why_and_the_run_of_the_switch_ends():
    one = flattening(30)
    one.say(
        SendReply(
            one.sends[-1].intent.key, "rejected", msg_cd="APBK0919", text="장운영시간이 아닙니다"
        )
    )
    wait(one, 11)
    left = flatten_steps(one)[-1]
    assert not left.done
    assert left.text.startswith(f"FAILED: left are 30 {CODE}: sell 30 {CODE} @ ")
    assert f"(before it: sell 30 {CODE} market was refused: 장운영시간이 아닙니다)" in left.text
    assert "halt off REASON ends it" in left.text
    assert one.core.state.flatten_left == left.text
    assert [row.step for row in one.rows if isinstance(row, HaltStep)][-2:] == [
        "snapshot",
        "notify",
    ]
    assert one.core.state.flatten_reason == "enough", "it goes on"


def test_a07_after_a_refusal_it_pauses_and_tries_the_next_kind():
    one = flattening(30)
    for kind in (OrderKind.LIMIT, OrderKind.MARKET):
        one.say(SendReply(one.sends[-1].intent.key, "rejected", text="no"))
        before = len(one.sends)
        wait(one, 0.1)
        assert len(one.sends) == before
        wait(one, 40)
        assert one.sends[-1].intent.kind is kind
    lower = round(PRICE * 0.7)
    assert all(lower <= (s.intent.price or lower) <= lower * 1.01 for s in one.sends)


def test_a07_nothing_is_sold_twice_while_the_fate_of_a_sell_is_unknown():
    one = flattening(30)
    one.say(SendReply(one.sends[-1].intent.key, "unknown", text="no answer came"))
    for _ in range(20):
        wait(one, 30)
    assert len(one.sends) == 1
    assert "is not known yet" in flatten_steps(one)[-1].text


@pytest.mark.parametrize(
    "pull", [Halt("again"), Halt("again", "reducing"), Halt("again", flatten=True)]
)
def test_a07_a_halt_over_a_flatten_does_not_drop_it(pull: Halt):
    one = desk(30)
    one.say(Halt("enough", flatten=True))
    one.say(pull)
    answer(one)
    assert [s.intent.qty for s in one.sends] == [30], "pulled before the list had come"
    one.say(pull)
    assert not [e for e in one.effects if isinstance(e, Cancel)], "its own sell stays in the market"
    answer(one)
    fill(one, 1, 20)
    one.say(notice("cancelled", 2, 10, original=1, side=SELL))
    wait(one, 2)
    assert [s.intent.qty for s in one.sends] == [30, 10]


def test_a07_a_flatten_goes_on_after_a_restart_whether_or_not_the_switch_had_come_to_its_end():
    one = flattening(30)
    fill(one, 1, 10)
    one.say(notice("cancelled", 2, 20, original=1, side=SELL))
    wait(one, 11)
    for rows in (
        one.rows,
        [r for r in one.rows if not isinstance(r, HaltStep) or r.step == "block"],
    ):
        again = Desk(list(rows))
        again.now = one.now
        again.keep(again.core.start(one.now + SECOND))
        if again.core.state.halting:
            answer(again)
        assert again.core.state.flatten_reason == "enough"
        wait(again, 40)
        alive = [o for o in again.core.state.books.live.values() if o.side is SELL]
        assert sum(o.leaves for o in alive) == 20


def test_a07_a_person_ends_a_flatten_with_a_reason_and_the_desk_stays_halted():
    one = flattening(30)
    fill(one, 1, 10)
    one.say(LiftHalt("it is the wrong account"))
    assert [e.key for e in one.effects if isinstance(e, Cancel)] == [one.sends[0].intent.key]
    assert one.core.state.flatten_reason is None
    assert one.core.state.halt == "halted"
    one.say(notice("cancelled", 2, 20, original=1, side=SELL))
    wait(one, 60)
    assert len(one.sends) == 1


def test_invariant_6_only_the_sells_of_the_flatten_pass_while_it_runs():
    for state in ("reducing", "halted"):
        one = desk(30)
        one.say(Halt("enough", state, flatten=True))  # type: ignore[arg-type]
        answer(one)
        before = len(one.sends)
        one.say(Submit(intent("exit", side=SELL, qty=1, protective=True)))
        one.say(Submit(intent("buy", qty=1)))
        assert len(one.sends) == before
        # The exit waits for the sell that is on its way.
        one.say(SendReply(one.sends[-1].intent.key, "sent", ref(1)))
        assert len(one.sends) == before
        assert [one.order(k).state for k in ("exit", "buy")] == [OrderState.DENIED] * 2
        assert "All that is held is being sold".lower() in one.order("exit").text.lower()


def test_invariant_6_a_sell_in_the_limiter_is_not_sent_when_the_flatten_has_ended():
    one = flattening(30)
    key = one.sends[0].intent.key
    assert one.core.may_send(one.now, key)
    one.say(LiftHalt("wrong"))
    assert not one.core.may_send(one.now, key)


def test_a07_a_forged_key_of_a_flatten_does_not_pass_in_halted():
    one = desk(30)
    one.set_halt("halted", "so")
    one.say(Submit(intent("flatten:1:x:005930", side=SELL, qty=1)))
    assert not one.sends


@pytest.mark.parametrize(
    ("at", "venue", "kind"),
    [
        (time(8, 10), Venue.NXT, OrderKind.MARKET_IOC),
        (time(12), Venue.KRX, OrderKind.MARKET),
        (time(15, 25), Venue.KRX, OrderKind.MARKET),
        (time(16, 30), Venue.NXT, OrderKind.MARKET_IOC),
    ],
)
def test_a07_the_most_aggressive_kind_that_the_session_takes_is_sent(
    at: time, venue: Venue, kind: OrderKind
):
    one = desk(30, ALL_KINDS)
    one.now = kst(DAY, at)
    one.say(Halt("enough", flatten=True))
    answer(one)
    (sent,) = one.sends
    assert (sent.route.venue, sent.route.kind) == (venue, kind)


def test_a07_a_stock_that_krx_alone_lists_is_sold_in_its_after_market():
    code = "0004V0"
    one = Desk([AccountOpened(NOON, CASH, ((code, 7, 7 * price_of(code)),))], can=ALL_KINDS)
    one.now = kst(DAY, time(16, 30))
    one.say(Halt("enough", flatten=True))
    answer(one)
    (sent,) = one.sends
    assert (sent.route.venue, sent.route.kind) == (Venue.KRX, OrderKind.AFTER_LIMIT_IOC)


def test_m06_a_flatten_sells_an_issue_without_limits_at_the_lowest_price_of_its_grid():
    both = (OrderKind.LIMIT, OrderKind.MARKET)
    one = desk(30, Capabilities((Venue.KRX, Venue.NXT), both, can_order=True))
    rules = one.core.gate.rules
    item = msgspec.structs.replace(rules.universe.get(CODE), liquidation=True)
    rules.days.universe = Universe([item])
    one.now = kst(DAY, time(8, 10))
    one.say(Halt("enough", flatten=True))
    answer(one)
    (sent,) = one.sends
    assert (sent.route.venue, sent.intent.price) == (Venue.NXT, 1)


def test_a07_when_all_venues_are_closed_it_says_so_and_sells_in_the_morning():
    one = desk(30, ALL_KINDS)
    one.now = kst(DAY, time(21))
    one.say(Halt("enough", flatten=True))
    answer(one)
    assert not one.sends
    assert "closed" in flatten_steps(one)[-1].text
    # 2026-11-20 is a Friday.
    one.say(Woke(), kst(DAY.replace(day=23), time(8, 0, 1)))
    assert [s.intent.qty for s in one.sends] == [30]


@pytest.mark.parametrize("state", ["active", "reducing", "halted"])
@pytest.mark.parametrize("wish", ["reducing", "halted"])
@pytest.mark.parametrize("flatten", [False, True])
def test_a07_a_pull_never_lowers_the_state(state: str, wish: str, flatten: bool):
    one = desk(30)
    if state != "active":
        one.say(Halt("before", state))  # type: ignore[arg-type]
        answer(one)
    one.say(Halt("enough", wish, flatten))  # type: ignore[arg-type]
    one.say(Halt("once more", "reducing"))
    answer(one)
    wait(one, 11)
    assert one.core.state.halt == ("halted" if "halted" in (state, wish) else "reducing")
    assert one.core.state.halt_reason.startswith(
        "before" if (state, wish) == ("halted", "reducing") else ""
    )


def test_a07_between_two_rows_of_a_run_the_desk_is_never_weaker_than_before():
    one = desk(0)
    one.say(Halt("before"))
    answer(one)
    one.say(Halt("again", "reducing"))
    answer(one)
    assert {row.state for row in one.rows if isinstance(row, HaltSet)} == {"halted"}


def test_a07_a_best_opposite_order_whose_bid_is_gone_is_replaced():
    can = Capabilities((Venue.KRX,), (OrderKind.BEST_OPPOSITE,), can_order=True)
    one = flattening(30, can=can)
    fill(one, 1, 0)
    wait(one, 6)
    assert [e.key for e in one.effects if isinstance(e, Cancel)] == [one.sends[0].intent.key]
    one.say(notice("cancelled", 2, 30, original=1, side=SELL))
    wait(one, 2)
    assert len(one.sends) == 2


def test_a07_each_agents_shares_are_sold_in_its_name():
    one = desk(30)
    one.say(Submit(Intent("b", "mom", CODE, Side.BUY, 10, OrderKind.MARKET)))
    one.sent("b", 9)
    one.say(notice("filled", 9, 10))
    one.say(Halt("enough", flatten=True))
    answer(one)
    for n in (1, 2):
        fill(one, 20 + n, one.sends[-1].intent.qty)
    sold = [(s.intent.agent, s.intent.qty) for s in one.sends if s.intent.side is SELL]
    assert sold == [("mom", 10), ("unassigned", 30)]


def test_what_the_market_did_not_take_of_an_order_has_a_reason():
    one = flattening(30)
    fill(one, 1, 12)
    one.say(notice("cancelled", 2, 18, original=1, side=SELL))
    assert (
        one.order(one.sends[0].intent.key).text
        == "18 shares cancelled, not asked for at this desk: the phone, or KIS"
    )


def test_a07_a_buy_of_unknown_fate_keeps_a_flatten_from_saying_that_all_is_sold():
    one = desk(30)
    one.say(Submit(intent("lost", code="000660", qty=1, price=price_of("000660"))))
    one.say(SendReply("lost", "unknown", text="no answer came"))
    one.say(Halt("enough", flatten=True))
    for _ in range(3):
        answer(one)
        wait(one, 3)
    fill(one, 1, 30)
    answer(one, 0)
    answer(one, 0)
    assert one.core.state.flatten_reason == "enough"
    wait(one, 10)
    assert "(unknown): it may still fill" in flatten_steps(one)[-1].text


def test_a07_a_sell_that_stands_when_the_flatten_is_pulled_does_not_keep_its_shares():
    one = desk(30)
    one.say(Submit(intent("mine", side=SELL, qty=20, price=price_of() + 1000)))
    one.sent("mine", 5)
    one.say(notice("accepted", 5, 20, side=SELL))
    one.say(notice("filled", 5, 4, side=SELL))
    one.say(Halt("enough", flatten=True))
    one.say(notice("cancelled", 6, 16, original=5, side=SELL))
    answer(one)
    assert [s.intent.qty for s in one.sends] == [20, 26]


def test_a07_shares_that_only_kis_stated_are_not_sold_while_its_newest_statement_lacks_them():
    stated = AccountOpened(NOON, 0, ((CODE, 10, 10 * PRICE),))
    one = Desk([AccountOpened(NOON, CASH, ((CODE, 30, 30 * PRICE),)), stated])
    one.say(LinkUp(one.now))
    answer(one, 30)
    one.say(Halt("enough", flatten=True))
    answer(one)
    assert [s.intent.qty for s in one.sends] == [30]
    fill(one, 1, 30)
    answer(one, 0)
    wait(one, 1)
    assert [s.intent.qty for s in one.sends] == [30]
    # A later statement has them after all.
    answer(one, 10)
    wait(one, 1)
    assert [s.intent.qty for s in one.sends] == [30, 10]


def test_a07_shares_that_fills_prove_are_sold_although_a_statement_lacks_them():
    one = desk(30)
    one.say(LinkUp(one.now))
    answer(one, 20)
    one.say(Halt("enough", flatten=True))
    answer(one)
    assert [s.intent.qty for s in one.sends] == [30]
