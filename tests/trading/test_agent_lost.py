"""An agent whose session is lost: the desk does what the agent declared. Row A16."""

from __future__ import annotations

import pytest

from kisnb.events import AccountOpened, AgentRecord, ProtectionEnded, ProtectionFired
from kisnb.terms import Side
from kisnb.trading.ports.commands import NoteAgent
from kisnb.trading.ports.effects import AgentLost, Cancel
from tests.trading.desk import NOON, Desk, notice, price_of

AGENT = "mean"


def desk(when_lost: str) -> Desk:
    """An agent holds ten shares, and ten more are on order."""
    one = Desk([AccountOpened(NOON, 10**9, ())])
    record = AgentRecord(AGENT, "Mean", "m:Mean", "{}", "{}", "running", "", when_lost)
    one.say(NoteAgent(record))
    one.submit("in", agent=AGENT)
    one.sent("in", 5)
    one.say(notice("filled", 5))
    one.submit("more", agent=AGENT, price=price_of() - 1000)
    one.sent("more", 6)
    one.say(notice("accepted", 6))
    return one


def cancels(one: Desk) -> list[str]:
    return [e.key for e in one.effects if isinstance(e, Cancel)]


def test_a16_by_default_orders_and_shares_stay():
    one = desk("hold")
    one.say(AgentLost(AGENT))
    assert cancels(one) == []
    assert len(one.sends) == 2


def test_a16_cancel_takes_the_orders_out_and_keeps_the_shares():
    one = desk("cancel")
    one.say(AgentLost(AGENT))
    assert cancels(one) == ["more"]
    assert len(one.sends) == 2


def test_a16_flatten_sells_what_the_agent_holds_and_nothing_of_others():
    one = desk("flatten")
    one.submit("mine", qty=3)
    one.sent("mine", 7)
    one.say(notice("filled", 7, 3))
    one.say(AgentLost(AGENT))
    assert cancels(one) == ["more"]
    one.say(notice("cancelled", 8, 10, original=6))
    sell = one.sends[-1].intent
    assert (sell.side, sell.qty, sell.agent) == (Side.SELL, 10, AGENT)
    assert [r.key for r in one.rows if isinstance(r, ProtectionFired)] != []
    assert not [r for r in one.rows if isinstance(r, ProtectionEnded)]


@pytest.mark.parametrize("agent", ["nobody", ""])
def test_a16_the_loss_of_an_unknown_agent_changes_nothing(agent: str):
    one = desk("flatten")
    one.say(AgentLost(agent))
    assert cancels(one) == []
