"""Arming: buys at live pass for a time and a budget; exits and cancels always; a restart disarms.

Row N06.
"""

from __future__ import annotations

import pytest

from kisnb.clock import MINUTE, SECOND
from kisnb.events import AccountOpened, Disarmed
from kisnb.orders import OrderState, SendReply
from kisnb.terms import Side
from kisnb.trading.ports.commands import CancelOrder
from kisnb.trading.ports.effects import Cancel, Woke
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import ArmDesk
from tests.trading.desk import CODE, NOON, Desk, notice, price_of

PRICE = price_of()
LIVE = Limits(needs_arming=True)


def live(held: int = 10) -> Desk:
    return Desk([AccountOpened(NOON, 10**9, ((CODE, held, held * PRICE),))], LIVE)


def test_n06_without_arming_buys_are_denied_and_exits_and_cancels_pass():
    desk = live()
    desk.submit("buy")
    assert (
        "live is not armed: buys are blocked; sells and cancels are allowed; arm it with %kis arm"
        in desk.order("buy").text
    )
    desk.submit("exit", side=Side.SELL, qty=10)
    desk.sent("exit", 1)
    desk.say(CancelOrder("exit"))
    assert [e.key for e in desk.effects if isinstance(e, Cancel)] == ["exit"]


def test_n06_an_armed_desk_takes_buys_until_its_budget_is_spent():
    desk = live()
    desk.say(ArmDesk("", 30, 25 * PRICE, NOON + 30 * MINUTE))
    desk.submit("a")
    desk.sent("a", 1)
    desk.say(notice("filled", 1, 10, PRICE))
    desk.submit("b")
    desk.sent("b", 2)
    desk.submit("c")
    assert [s.intent.key for s in desk.sends] == ["a", "b"]
    assert "left of the armed budget" in desk.order("c").text


def test_n06_its_time_ends_by_itself():
    desk = live()
    desk.say(ArmDesk("", 1, 10**9, NOON + MINUTE))
    desk.say(Woke(NOON + MINUTE), NOON + MINUTE)
    assert isinstance(desk.rows[-1], Disarmed)
    desk.submit("late")
    assert desk.order("late").state is OrderState.DENIED


def test_n06_a_restart_disarms_and_says_so():
    desk = live()
    desk.say(ArmDesk("", 30, 10**9, NOON + 30 * MINUTE))
    again = Desk(desk.rows, LIVE)
    again.keep(again.core.start(desk.now + SECOND))
    assert again.rows[-1] == Disarmed(desk.now + SECOND, "the desk restarted")
    again.submit("late")
    assert again.order("late").state is OrderState.DENIED


def test_n06_sim_and_paper_need_none():
    desk = Desk([AccountOpened(NOON, 10**9, ())], Limits())
    desk.submit("a")
    assert len(desk.sends) == 1


def test_n06_a_buy_that_waited_in_the_limiter_does_not_leave_a_desk_whose_arming_is_over():
    desk = live()
    desk.say(ArmDesk("", 1, 10**9, NOON + MINUTE))
    desk.submit("buy")
    desk.submit("exit", side=Side.SELL, qty=10)
    assert desk.core.may_send(NOON + MINUTE - 1, "buy")
    permission = desk.core.may_send(NOON + MINUTE, "buy")
    assert not permission
    assert "live is not armed" in permission.reason
    assert desk.core.may_send(NOON + MINUTE, "exit")
    desk.say(SendReply("buy", "kept", text=permission.reason))
    assert desk.order("buy").state is OrderState.DENIED


@pytest.mark.parametrize("arm", [ArmDesk("", 0, 0), ArmDesk("", 1, 9 * PRICE, NOON + MINUTE)])
def test_n06_nor_one_that_a_person_has_disarmed_or_given_less_to_spend(arm: ArmDesk):
    desk = live()
    desk.say(ArmDesk("", 1, 10**9, NOON + MINUTE))
    desk.submit("buy")
    desk.say(arm)
    assert not desk.core.may_send(desk.now, "buy")
