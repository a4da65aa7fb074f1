"""What an agent decided is seen in its session, in another one and after a restart. Row A14."""

from __future__ import annotations

import pytest

import kisnb
from kisnb.errors import BadInput
from kisnb.session.session import Session
from tests.session.opening import DAY, on_simulated_day


class Thinker(kisnb.Agent):
    code = "005930"

    def on_start(self) -> None:
        self.seen = 0

    def on_tick(self, tick: kisnb.Tick) -> None:
        self.seen += 1
        if self.seen == 4:
            order = self.buy(1)
            assert self.working() == 1
            self.decide("BUY", "the fourth trade", order=order, price=tick.price)
        else:
            self.decide("HOLD", "not the fourth trade", price=tick.price, mean=None)


class Silent(kisnb.Agent):
    code = "005930"


@on_simulated_day()
async def test_a14_each_decision_is_a_row_and_repeated_holds_are_folded(session: Session) -> None:
    view = await session.agents.start(Thinker())
    await session.until("10:20")
    rows = session.agents.why(view.id)
    assert rows["action"].to_list() == ["HOLD", "BUY", "HOLD"]
    assert rows["times"][0] == 3
    assert rows["times"][2] > 3
    assert rows["inputs"][0].endswith("mean missing")
    assert rows["order"][1] == "buy 1 005930 market: filled"
    assert rows["session"].to_list() == ["KRX_REG"] * 3
    await session.agents.stop(view.id)
    async with await kisnb.connect("sim", seed=7, date=DAY) as other:
        assert other.agents.why(view.id).equals(session.agents.why(view.id))


@on_simulated_day()
async def test_a14_an_agent_without_decisions_says_how_to_note_them(session: Session) -> None:
    view = await session.agents.start(Silent())
    with pytest.raises(BadInput, match=r"self\.decide"):
        session.agents.why(view.id)
    with pytest.raises(BadInput, match="There is no agent"):
        session.agents.why("nobody")
