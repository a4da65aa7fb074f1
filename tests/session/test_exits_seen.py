"""Exits of a person and of an agent, on a real desk and simulator. Rows A09, A20."""

from __future__ import annotations

import os
import signal

import pytest

import kisnb
from kisnb.desk.address import find_desk
from kisnb.errors import BadInput
from kisnb.exits import Staged
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import on_simulated_day

CODE = "005930"


@on_simulated_day()
async def test_a20_a_holding_is_sold_by_its_exit_and_an_alert_is_told_once(
    session: Session,
) -> None:
    order = await session.buy(CODE, 20)
    await session.protect(CODE, stop="1%", take="2%", trail="0.5%")
    await session.alert(CODE, above=order.fills[0].price)
    assert session.protections()["conditions"].to_list() == ["stop -1 %, take +2 %, trail 0.5 %"]
    assert session.alerts().rows() == [(CODE, "above", order.fills[0].price)]
    await session.until("12:00")
    assert session.book.position(CODE).qty == 0
    assert session.protections().is_empty()
    assert session.alerts().is_empty()
    told = "\n".join(session.troubles)
    assert told.count("price alert") == 1
    assert told.count("exit trailing_stop") == 1
    balance = await session.balance()
    assert not any(h.qty for h in balance.holdings), "KIS's ledger agrees"


@on_simulated_day()
async def test_a20_the_same_exit_again_changes_nothing_and_another_takes_its_place(
    session: Session,
) -> None:
    await session.buy(CODE, 5)
    first = await session.protect(CODE, stop="5%")
    assert (await session.protect(CODE, stop="-5%")) is first
    await session.protect(CODE, stop="6%")
    assert len(session.protections()) == 1
    assert await session.unprotect(CODE) == "stop -6 %"
    with pytest.raises(BadInput, match="has no exit"):
        await session.unprotect(CODE)


WRONG = [
    ({}, "no condition"),
    ({"stop": "0%"}, "not a percentage"),
    ({"stop": "150%"}, "not a percentage"),
    ({"stop": -3}, "not a price"),
    ({"trail": 500}, "is a price"),
    ({"atr": 0, "atr_stop": True}, "not a number of won above 0"),
    ({"stop": float("nan")}, "not a whole number"),
    ({"stop": 10_000_000}, "would sell at once"),
]


@on_simulated_day()
async def test_a20_a_wrong_condition_is_refused_with_its_cure(session: Session) -> None:
    await session.buy(CODE, 1)
    await session.protect(CODE, stop="20%")
    # The desk knows a price of the stock once it was traded.
    await session.sleep(60)
    for options, why in WRONG:
        with pytest.raises(BadInput, match=why):
            await session.protect(CODE, **options)
    assert session.protections()["conditions"].to_list() == ["stop -20 %"]


@on_simulated_day()
async def test_a09_an_exit_outlives_the_desk_that_set_it(session: Session) -> None:
    await session.buy(CODE, 20)
    await session.protect(CODE, trail="0.5%", staged=Staged())
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGKILL)
    await session.until("12:00")
    await seen(lambda: session.book.position(CODE).qty == 0)
    sells = [o for o in session.book.orders.values() if o.key.startswith("exit:")]
    assert sum(o.filled for o in sells) == 20


@on_simulated_day()
async def test_a09_an_agent_protects_what_it_buys(session: Session) -> None:
    class Careful(kisnb.Agent):
        code = CODE

        def on_start(self) -> None:
            self.buy(7)
            self.protect(trail="0.5%")

    await session.buy(CODE, 3)
    view = await session.agents.start(Careful())
    await session.until("12:00")
    assert session.agents[view.id].held() == 0
    assert session.book.position(CODE).qty == 3, "the person's own shares stay"
    (sell,) = [o for o in session.book.orders.values() if o.key.startswith("exit:")]
    assert sell.intent.agent == view.id
