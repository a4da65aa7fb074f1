"""Exits of a person and of an agent, on a real desk and simulator. Rows A09, A20."""

from __future__ import annotations

import os
import signal

import polars as pl
import pytest

import kisnb
from kisnb.desk.address import find_desk
from kisnb.errors import BadInput
from kisnb.exits import Staged
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import control, on_simulated_day

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


class Hasty(kisnb.Agent):
    """Protects at each trade what it does not hold."""

    code: str = CODE

    def on_tick(self, tick: kisnb.Tick) -> None:
        self.protect(stop="3%")


@on_simulated_day()
async def test_a09_the_refused_exit_of_an_agent_is_told_once_with_its_cure(
    session: Session,
) -> None:
    await session.agents.start(Hasty())
    await session.sleep(20)
    (told,) = [text for text in session.troubles if "exit was not set" in text]
    assert f"agent Hasty-{CODE}: its exit was not set: Hasty-{CODE} holds no {CODE}" in told
    assert "order it first" in told


@on_simulated_day()
async def test_a09_the_session_fills_in_the_range_of_fourteen_days(session: Session) -> None:
    await session.buy(CODE, 5)
    watch = await session.protect(CODE, atr_stop=True)
    days = (await session.history(CODE, start="2026-10-01")).filter(pl.col("whole"))
    ranges = [
        max(high, before) - min(low, before)
        for high, low, before in zip(
            days["high"][-14:], days["low"][-14:], days["close"][-15:-1], strict=True
        )
    ]
    assert watch.protection.atr == pytest.approx(sum(ranges) / 14)
    assert watch.protection.text == "stop at 2 ATR"
    # A range that a person states counts, and so does one that he says is not known.
    assert (await session.protect(CODE, staged=True, atr=500)).protection.atr == 500
    unknown = await session.protect(CODE, atr_stop=True, atr=None)
    assert unknown.protection.atr is None
    assert unknown.protection.text == "stop -2 % (no ATR)"

    class Careful(kisnb.Agent):
        code = CODE

        def on_start(self) -> None:
            self.buy(7)
            self.exit = self.protect(staged=True)

    careful = Careful()
    await session.agents.start(careful)
    assert careful.exit.atr == watch.protection.atr


@on_simulated_day()
async def test_a09_a_range_that_kis_does_not_give_stops_at_two_percent(session: Session) -> None:
    control("fault", on="read", what="error", tr_id="FHKST03010100", times=100)
    await session.buy(CODE, 5)
    watch = await session.protect(CODE, atr_stop=True)
    assert watch.protection.text == "stop -2 % (no ATR)"
    assert any("its average true range is not known" in t for t in session.troubles)


@on_simulated_day()
async def test_a09_an_agent_and_a_person_give_dated_forecasts_and_the_exit_says_which_counts(
    session: Session,
) -> None:
    class Model(kisnb.Agent):
        """Gives the same probability for each minute, and then none."""

        code, every = CODE, "1m"

        def on_bar(self, bar: kisnb.Bar) -> None:
            self.forecast(0.3)

    def state() -> str:
        return str(session.protections()["state"][0])

    await session.buy(CODE, 5)
    await session.protect(CODE, staged=Staged(be_lock=900, armed=2_000), stop="20%")
    await session.sleep(30)
    assert state() == "watches; no model gives pred_down_prob, so none acts"
    session.forecast(CODE, None, provider="gbm", every="1m")
    await session.sleep(30)
    assert state() == "watches; gbm of 10:00:30 has no pred_down_prob, so no model acts"
    view = await session.agents.start(Model())
    await session.sleep(120)
    assert state() == f"watches; {view.id} gives pred_down_prob"
    await session.agents.stop(view.id)
    await session.sleep(300)
    assert state().endswith("is older than two bars, so no model acts")
    with pytest.raises(BadInput, match="not a probability"):
        session.forecast(CODE, 62, provider="gbm", every="1m")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="still to come"):
        session.forecast(CODE, 0.62, provider="gbm", every="1m", made_at=session.moment("15:00"))
