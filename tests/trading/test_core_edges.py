"""What the desk's core does at the edges of its rules, and where two stocks, agents or orders might
be mixed up.

Rows A03, A05, A06, A07, A08, A12, A18, N06, O02, O04, O05, O06; invariant 6.
"""

from __future__ import annotations

from datetime import time

import msgspec
import pytest

from kisnb.clock import MINUTE, SECOND, kst
from kisnb.events import (
    AccountOpened,
    BreakerTripped,
    CancelRefused,
    Disarmed,
    ExternalFound,
    HaltStep,
    PhaseChanged,
    Tick,
    Trouble,
)
from kisnb.orders import Account, Holding, OrderPage, OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.gate.blackout import MOST_HELD
from kisnb.trading.ports.commands import CancelOrder, Halt, ReviseOrder, Submit
from kisnb.trading.ports.effects import Cancel, OrdersRead, Revise, WakeAt, Woke
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import AdoptHolding, ArmDesk
from tests.trading.desk import CODE, DAY, NOON, Desk, intent, notice, price_of
from tests.trading.test_gate import OTHER, denied
from tests.trading.test_halt import EMPTY, open_order
from tests.trading.test_halt import answer as answer_switch
from tests.trading.test_reconciliation import accepted, asked, revise
from tests.trading.test_resolver import lost, row

P = price_of()
WINDOW = Limits(windows=((12 * 3600, 12 * 3600 + 60),))
END = NOON + MINUTE


def opened(*held: tuple[str, int], limits: Limits | None = None) -> Desk:
    return Desk(
        [AccountOpened(NOON, 10**9, tuple((code, n, n * price_of(code)) for code, n in held))],
        limits,
    )


# sending and cancelling


def test_o02_a_reply_that_says_sent_and_names_no_number_leaves_the_fate_unknown():
    desk = Desk()
    desk.submit()
    desk.say(SendReply("k", "sent", None))
    assert desk.order().state is OrderState.UNKNOWN


def test_o05_a_part_is_not_cancelled_of_an_order_that_has_no_number_yet():
    for desk in (Desk(), lost()):
        if not desk.rows:
            desk.submit()
        desk.say(CancelOrder("k", 4))
        assert (
            "cancel again when it has"
            in [e.text for e in desk.published if isinstance(e, CancelRefused)][-1]
        )
        assert not desk.order().cancel_asked
        assert not any(isinstance(e, Cancel) for e in desk.effects)


def test_o04_an_order_whose_acceptance_was_never_told_is_in_the_market_by_its_first_fill():
    desk = Desk()
    desk.submit()
    desk.sent()
    desk.say(notice("filled", qty=4))
    assert (desk.order().state, desk.order().leaves) == (OrderState.ACCEPTED, 6)


def test_o04_a_notice_of_more_shares_than_are_left_books_nothing_and_reads_the_list():
    for what in (notice("filled", qty=11), notice("cancelled", 8, qty=11, original=7)):
        desk = accepted()
        desk.say(what)
        assert (desk.order().filled, desk.order().cancelled, len(asked(desk))) == (0, 0, 1)


@pytest.mark.parametrize(
    ("changes", "waits"), [({}, True), ({"side": Side.SELL}, False), ({"code": OTHER}, False)]
)
def test_o04_a_notice_of_an_unknown_number_waits_for_the_reply_of_an_order_like_it_alone(
    changes: dict, waits: bool
):
    desk = Desk()
    desk.submit()
    desk.say(msgspec.structs.replace(notice("accepted", 31), **changes))
    assert bool(asked(desk)) is not waits


def test_o02_a_number_that_a_notice_told_was_known_before_the_next_order_was_sent():
    desk = Desk()
    desk.say(notice("accepted", 31))
    desk.submit()
    assert desk.order().after == 31


# revising


def test_o06_a_revise_of_nothing_and_of_an_order_from_the_phone_is_denied():
    desk = Desk()
    revise(desk)
    assert "nothing to revise: no order has this key (k)" in denied(desk, "k/2")
    answer_to = Desk()
    phone = intent("k", agent="external")
    answer_to = Desk([ExternalFound(NOON, phone, row().ref)])
    revise(answer_to)
    assert "revise it where it was placed" in denied(answer_to, "k/2")
    assert not any(isinstance(e, Revise) for e in [*desk.effects, *answer_to.effects])


def test_o06_another_order_that_is_not_confirmed_yet_does_not_stop_a_revise():
    desk = accepted()
    desk.submit("other")
    desk.sent("other", 8)
    assert desk.order("other").state is OrderState.SENT
    desk.say(ReviseOrder(intent("k/2", price=P + 100, supersedes="k")))
    assert [e.intent.key for e in desk.effects if isinstance(e, Revise)] == ["k/2"]


def test_o06_a_notice_of_a_revise_that_does_not_fit_books_nothing_and_reads_the_list():
    desk = accepted()
    revise(desk, qty=6)
    desk.sent("k/2", 9)
    desk.say(notice("revised", 9, qty=11, original=7))
    assert (desk.order().cancelled, desk.order("k/2").state) == (0, OrderState.SENT)
    assert len(asked(desk)) == 1


def test_o06_a_revise_that_is_told_twice_moves_its_shares_once():
    desk = accepted()
    revise(desk, qty=6)
    desk.sent("k/2", 9)
    for _ in range(2):
        desk.say(notice("revised", 9, qty=6, original=7))
    assert (desk.order().cancelled, desk.order().leaves, desk.order("k/2").leaves) == (6, 4, 6)
    assert not asked(desk)


def test_a05_a_revise_takes_over_what_its_order_has_reserved():
    fee = 10 * P * 140_527 // 10**9
    desk = Desk([AccountOpened(NOON, 10 * P + fee, ())])
    open_order(desk, "k", 7)
    desk.say(ReviseOrder(intent("k/2", price=P - 100, supersedes="k")))
    assert any(isinstance(e, Revise) for e in desk.effects)


# shares of several stocks and owners


def test_a05_what_is_on_sale_of_one_stock_or_by_one_agent_does_not_bind_another():
    desk = opened((CODE, 10), (OTHER, 10))
    for number, agent in ((1, "one"), (2, "two")):
        desk.submit(agent, agent=agent)
        desk.sent(agent, number)
        desk.say(notice("filled", number))
    desk.submit("a", side=Side.SELL, agent="one")
    desk.sent("a", 3)
    desk.submit("b", side=Side.SELL, agent="two")
    desk.submit("c", side=Side.SELL, code=OTHER, price=price_of(OTHER))
    assert [s.intent.key for s in desk.sends if s.intent.side is Side.SELL] == ["a", "b", "c"]


def test_a05_an_agent_that_holds_nothing_sells_nothing():
    desk = opened((CODE, 10))
    desk.submit("s", side=Side.SELL, qty=1, agent="new")
    assert "more than the 0 that can be sold" in denied(desk, "s")


def test_a05_an_order_that_waits_for_its_turn_reserves_no_shares_and_its_turn_comes_by_them():
    desk = opened((CODE, 10))
    for key in "abc":
        desk.submit(key, side=Side.SELL, qty=5)
    desk.sent("a", 1)
    desk.sent("b", 2)
    assert [s.intent.key for s in desk.sends] == ["a", "b"]
    assert "more than the 0 that can be sold" in denied(desk, "c")


def test_a18_what_a_person_is_selling_is_not_adopted_and_other_orders_do_not_matter():
    desk = opened((CODE, 10), (OTHER, 9))
    desk.submit("s", side=Side.SELL, qty=4)
    desk.submit("b", qty=1)
    desk.submit("o", side=Side.SELL, code=OTHER, price=price_of(OTHER), qty=9)
    desk.say(AdoptHolding("a", "mom", CODE, 7))
    assert (
        "6 shares of 005930 can be adopted"
        in [e.text for e in desk.published if isinstance(e, Trouble)][-1]
    )
    desk.say(AdoptHolding("a", "mom", CODE))
    assert desk.core.state.books.of("mom").position(CODE).qty == 6


def test_a18_the_same_call_adopts_once_and_says_nothing_more():
    desk = opened((CODE, 10))
    for _ in range(2):
        desk.say(AdoptHolding("a", "mom", CODE, 4))
    assert desk.core.state.books.of("mom").position(CODE).qty == 4
    assert not any(isinstance(e, Trouble) for e in desk.published)
    for other in (
        AdoptHolding("a", "mom", CODE, 5),
        AdoptHolding("a", "pop", CODE, 4),
        AdoptHolding("a", "mom", OTHER, 4),
    ):
        desk.say(other)
        assert (
            "adopt under another key"
            in [e.text for e in desk.published if isinstance(e, Trouble)][-1]
        )


def test_a03_flatten_sells_what_the_agent_holds_of_each_stock_and_does_not_sell_already():
    desk = opened()
    for number, (key, code, agent) in enumerate(
        (("a", CODE, "x"), ("b", OTHER, "x"), ("c", CODE, "y")), start=1
    ):
        desk.submit(key, code=code, price=price_of(code), agent=agent)
        desk.sent(key, number)
        desk.say(msgspec.structs.replace(notice("filled", number), code=code))
    desk.submit("selling", side=Side.SELL, qty=4, agent="x")
    desk.submit("not mine", side=Side.SELL, qty=3, agent="y")
    desk.submit("more", qty=2, agent="x")

    class Holder(Agent):
        code = CODE

    runner = AgentRunner(Holder(), "x", "run", desk.core.state.books, desk.core.rules)
    sells = [c.intent for c in runner.flatten(desk.now) if isinstance(c, Submit)]
    assert [(i.code, i.side, i.qty, i.price) for i in sells] == [
        (CODE, Side.SELL, 6, None),
        (OTHER, Side.SELL, 10, None),
    ]


# waiting for KIS, and for the end of a window


def test_a05_only_a_buy_waits_for_the_account():
    desk = Desk(limits=Limits(needs_account=True))
    desk.submit("s", side=Side.SELL)
    assert [s.intent.key for s in desk.sends] == ["s"]


def test_a08_a_protective_sell_is_sold_down_to_what_is_left_of_its_own_stock():
    desk = opened((CODE, 10), limits=WINDOW)
    desk.submit("stop", side=Side.SELL, protective=True)
    desk.say(Woke(END), END)
    held = tuple(Holding(code, "", 99, n, 99 * P, P) for code, n in ((OTHER, 99), (CODE, 4)))
    stated = Account(10**9, 10**9, 10**9, 10**9, held, complete=True)
    desk.say(OrdersRead(asked(desk)[-1].query, EMPTY, stated))
    assert [s.intent.qty for s in desk.sends] == [4]


@pytest.mark.parametrize("changes", [{"side": Side.SELL}, {"protective": True}])
def test_a08_neither_a_plain_sell_nor_a_buy_has_a_place_beyond_the_last(changes: dict):
    desk = opened((CODE, 10), limits=WINDOW)
    for n in range(MOST_HELD):
        desk.say(Submit(intent(f"k{n}", qty=1)), NOON + SECOND)
    desk.say(Submit(intent("last", **changes)), NOON + SECOND)
    assert desk.order("last").state is OrderState.DENIED


def test_a08_a_desk_that_is_started_in_a_window_wakes_at_its_end():
    desk = opened(limits=WINDOW)
    desk.submit("a")
    again = Desk(desk.rows, WINDOW)
    assert WakeAt(END) in again.keep(again.core.start(NOON + 30 * SECOND))


# the desk's states


def test_n06_a_person_disarms_the_desk():
    desk = opened(limits=Limits(needs_arming=True))
    desk.say(ArmDesk("", 1, 10**9, NOON + MINUTE))
    desk.say(ArmDesk("", 0, 0))
    assert isinstance(desk.rows[-1], Disarmed)
    desk.submit()
    assert "live is not armed" in denied(desk)


def test_a12_each_session_that_begins_is_told():
    desk = Desk()
    for at, session in (
        (time(8), "NXT_PRE"),
        (time(9), "KRX_REG"),
        (time(15, 30), "NXT_AFTER"),
        (time(20), "KR_OFF"),
    ):
        begun = kst(DAY, at)
        desk.core.start(begun - SECOND)
        told = [
            e.session_id
            for e in _published(desk.say(Woke(begun), begun))
            if isinstance(e, PhaseChanged)
        ]
        assert told == [session]


def _published(effects: list) -> list[object]:
    return [e.event for e in effects if hasattr(e, "event")]


def test_a06_a_share_that_the_desk_does_not_know_is_left_out_of_the_day_s_standing():
    """A subscription right, a stock that was listed since."""
    rows = [AccountOpened(NOON, 10**9, ((CODE, 100, 100 * P), ("0099Z0", 7, 70_000)))]
    desk = Desk(rows, Limits(max_day_loss=300))
    fallen = P * 960 // 1000
    desk.say(
        Tick(
            NOON, CODE, Venue.KRX, fallen, 1, Side.SELL, 1, fallen, fallen + 100, fallen - 100, NOON
        )
    )
    (trip,) = [row for row in desk.rows if isinstance(row, BreakerTripped)]
    assert (trip.loss, trip.stake) == (100 * (P - fallen), 100 * P)


# the kill switch


def halted(desk: Desk, **how: object) -> Desk:
    desk.say(Halt("enough", **how))
    return desk


def step(desk: Desk, name: str) -> list[str]:
    return [row.text for row in desk.rows if isinstance(row, HaltStep) and row.step == name]


def test_a07_a_query_without_an_answer_is_asked_again_after_ten_seconds_and_its_pause():
    desk = halted(opened())
    begun = desk.now
    assert WakeAt(begun + 10 * SECOND) in desk.effects
    desk.say(Woke(), begun + 10 * SECOND - 1)
    desk.say(Woke(), begun + 10 * SECOND)
    assert len(asked(desk)) == 1
    desk.say(Woke(), begun + 11 * SECOND)
    assert len(asked(desk)) == 2
    assert all(ask.query.account for ask in asked(desk))


def test_a07_an_answer_of_an_earlier_query_or_run_concludes_nothing():
    desk = halted(opened())
    first = asked(desk)[-1].query
    halted(desk)
    desk.say(OrdersRead(first, EMPTY))
    assert step(desk, "notify") == []
    answer_switch(desk)
    assert len(step(desk, "notify")) == 1


def test_a07_an_order_that_the_query_brings_to_light_is_cancelled_too():
    desk = halted(opened())
    answer_switch(desk, OrderPage((row(31),), complete=True))
    assert [e.ref.number for e in desk.effects if isinstance(e, Cancel)] == [31]
    assert step(desk, "cancel") == ["nothing is open", "1 orders: #31"]
    assert step(desk, "notify") == []


def test_a07_what_is_being_cancelled_already_is_not_cancelled_twice():
    desk = opened()
    open_order(desk, "a", 1)
    desk.say(CancelOrder("a"))
    halted(desk)
    assert len([e for e in desk.effects if isinstance(e, Cancel)]) == 1


def test_a07_flatten_shares_out_what_is_held_among_its_owners_and_protects():
    desk = opened((CODE, 5))
    desk.submit("b", agent="mom")
    desk.sent("b", 1)
    desk.say(notice("filled", 1))
    halted(desk, flatten=True)
    answer_switch(desk)
    waiting = [o.intent for o in desk.core.state.books.live.values()]
    assert [(i.agent, i.qty, i.kind, i.protective) for i in waiting] == [
        ("mom", 10, OrderKind.MARKET, True),
        ("unassigned", 5, OrderKind.MARKET, True),
    ]
    (said,) = step(desk, "flatten")
    assert said.startswith(f"sell 10 {CODE} market is on its way; sell 5 {CODE} market waits")


def test_a07_a_sell_of_flatten_that_is_denied_makes_the_step_fail():
    desk = opened((CODE, 5))
    desk.now = kst(DAY, time(7))
    halted(desk, flatten=True)
    answer_switch(desk)
    (said,) = step(desk, "flatten")
    assert said.startswith("FAILED: left are 5 005930: KRX is closed")
    assert [r.done for r in desk.rows if isinstance(r, HaltStep) and r.step == "flatten"] == [False]
    assert len(step(desk, "notify")) == 1, "the next steps are taken all the same"


def test_a07_the_snapshot_says_cash_holdings_and_what_is_open():
    desk = halted(opened((CODE, 5)))
    answer_switch(desk)
    assert step(desk, "snapshot") == ["cash 1,000,000,000 won; holds 5 005930; open none"]
    unread = halted(Desk())
    answer_switch(unread)
    assert step(unread, "snapshot") == ["cash not stated by KIS; holds nothing; open none"]
