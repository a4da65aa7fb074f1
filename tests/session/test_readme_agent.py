"""The agents that README shows do what README says."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_series_equal

import kisnb
from kisnb.events import Bar, Tick
from kisnb.orders import OrderState
from kisnb.session.session import Session
from tests.desk.served import seen
from tests.session.opening import on_simulated_day, posts, traded

README = Path(__file__).parents[2] / "README.md"


def readme_agent(name: str) -> type[kisnb.Agent]:
    """The class of this name as it stands in README.md."""
    (text,) = re.findall(
        rf"^class {name}\(kisnb\.Agent\):\n(?:[ ].*\n|\n)+",
        README.read_text("utf-8"),
        re.MULTILINE,
    )
    names: dict[str, type[kisnb.Agent]] = {}
    exec(text, {"kisnb": kisnb}, names)
    return names[name]


class Watched(readme_agent("Dip")):  # type: ignore[misc]
    """Counts the ticks that it hears while its order is on its way."""

    meanwhile = 0

    def on_tick(self, tick: Tick) -> None:
        self.meanwhile += bool(self.book.open_orders)
        super().on_tick(tick)


class Averaging(readme_agent("AboveMean")):  # type: ignore[misc]
    """Keeps each bar with the mean that it gave."""

    def on_start(self) -> None:
        super().on_start()
        self.means: list[tuple[int, float | None]] = []

    def on_bar(self, bar: Bar) -> None:
        super().on_bar(bar)
        self.means.append((bar.close, self.mean.value))


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


@on_simulated_day(start="10:00")
async def test_the_mean_of_an_agent_is_that_of_the_column_of_its_bars(session: Session) -> None:
    agent = Averaging()
    await session.agents.start(agent)
    await session.sleep(45 * 60)
    bars = pl.DataFrame(agent.means, schema=["close", "mean"], orient="row")
    column = bars.select(kisnb.indicators.sma("close", 20)).to_series()
    assert len(bars) >= 40
    assert_series_equal(bars["mean"], column, check_names=False)
    assert column.null_count() == 19
    assert agent.book.orders
