"""The agent that README shows buys once, also when ticks come faster than the desk's reply."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kisnb
from kisnb.events import Tick
from kisnb.orders import OrderState
from kisnb.session.session import Session
from tests.desk.served import seen
from tests.session.opening import posts, traded

README = Path(__file__).parents[2] / "README.md"


def readme_agent() -> type[kisnb.Agent]:
    """The class ``Dip`` as it stands in README.md."""
    (text,) = re.findall(
        r"^class Dip\(kisnb\.Agent\):\n(?:[ ].*\n|\n)+", README.read_text("utf-8"), re.MULTILINE
    )
    names: dict[str, type[kisnb.Agent]] = {}
    exec(text, {"kisnb": kisnb}, names)
    return names["Dip"]


class Watched(readme_agent()):  # type: ignore[misc]
    """Counts the ticks that it hears while its order is on its way."""

    meanwhile = 0

    def on_tick(self, tick: Tick) -> None:
        self.meanwhile += bool(self.book.open_orders)
        super().on_tick(tick)


def test_the_agent_of_the_readme_buys_once_when_ticks_come_faster_than_the_reply(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("KISNB_SIM_SPEED", "20")

    async def work(session: Session) -> int:
        await session.simulator.fault("order", "slow", seconds=2, times=10)
        agent = Watched(drop=0.0)
        await session.agents.start(agent)
        await seen(lambda: agent.held() > 0)
        await session.sleep(60)
        (order,) = session.book.orders.values()
        assert (order.state, agent.held()) == (OrderState.FILLED, 1)
        return agent.meanwhile

    assert traded(work) > 2
    assert len(posts()) == 1
