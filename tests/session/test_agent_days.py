"""Strategies of daily bars begin with the days before they were started. Row A13."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import polars as pl

import kisnb
from kisnb.backtesting.results.result import BacktestResult
from kisnb.clock import kst, kst_day
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.strategies.foreign_follower import ForeignFollower
from kisnb.strategies.golden_cross import GoldenCross
from kisnb.strategies.mean_reversion import MeanReversion
from kisnb.strategies.volatility_breakout import VolatilityBreakout
from kisnb.trading.agents.agent import Agent
from tests.session.day_agents import SMALL
from tests.session.opening import traded

BIG = "005930"
OPENS = 9 * 3600


async def days_of(session: Session, code: str, newest: int) -> pl.DataFrame:
    """The newest days that are over."""
    frame = await session.history.daily(code, session.today - timedelta(days=newest * 2 + 20))
    return frame.filter(pl.col("whole")).tail(newest)


def wish_of(agent: Agent, days: pl.DataFrame, day: date) -> list[str]:
    """The orders that a back-test places after the last one of ``days``, with nothing held."""
    # They trade on the day after, whose bar is made up.
    after = days.tail(1).with_columns(date=pl.lit(day))
    result = kisnb.backtest(agent, pl.concat([days, after]), costs="bankis", cash=100_000_000)
    assert isinstance(result, BacktestResult)
    assert all(kst_day(order.sent_at) == day for order in result.book.orders.values())
    return [str(order.side) for order in result.book.orders.values()]


CASES: list[tuple[Callable[[], Agent], int]] = [
    (lambda: GoldenCross(code=BIG, short=2, long=3, weight=0.05), 4),
    (lambda: GoldenCross(code=BIG, short=3, long=10, weight=0.05), 11),
    (lambda: MeanReversion(code=BIG, length=5, dip=0.0001, weight=0.05), 5),
    (lambda: MeanReversion(code=SMALL, length=5, dip=0.0001, weight=0.05), 5),
    (lambda: VolatilityBreakout(code=BIG, length=2, window=3, move=0.001, weight=0.05), 6),
    (lambda: VolatilityBreakout(code=SMALL, length=2, window=3, move=0.5, weight=0.05), 6),
]
"""Agents, and how many bars they need. Of each strategy's two, one buys and one does not."""


def test_a13_strategies_of_days_decide_at_the_open_as_in_a_back_test_over_the_days_before() -> None:
    async def work(session: Session) -> list[list[str]]:
        agents, wishes = [], []
        for n, (made, needed) in enumerate(CASES):
            agent = made()
            days = await days_of(session, agent.code, needed)
            assert days["date"][-1] == session.today - timedelta(days=1)
            wishes.append(wish_of(made(), days, session.today))
            agent.id = f"{type(agent).__name__}-{n}"
            await session.agents.start(agent)
            agents.append(agent)
        follower = ForeignFollower(code="035420", days=1, weight=0.05)
        await session.agents.start(follower)
        # Nextrade trades from 08:00 on. A market order of then would be denied.
        await session.until("08:59")
        assert not session.book.orders
        await session.until("09:05")
        for agent, wish in zip(agents, wishes, strict=True):
            orders = list(agent.book.orders.values())
            assert [str(order.side) for order in orders] == wish
            assert all(order.state is OrderState.FILLED for order in orders)
            assert all(order.sent_at >= kst(session.today, OPENS) for order in orders)
        (bought,) = follower.book.orders.values()
        assert (bought.state, bought.sent_at >= kst(session.today, OPENS)) == ("filled", True)
        return wishes

    wishes = traded(work, start="07:58")
    assert sorted(wishes) == [[], [], [], ["buy"], ["buy"], ["buy"]]
