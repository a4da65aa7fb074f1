"""The sentences of a run about its costs and its assumptions."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.backtesting.bar_feed import BarFeed
from kisnb.backtesting.bar_rules import BarRules
from kisnb.market.costs import PLANS, CostModel
from kisnb.trading.agents.agent import Agent

_PPB_PERCENT = 10_000_000
"""One percent in parts per billion."""
_FILLS = (
    "An order meets the next bar of its stock: a market order fills at the open, a limit order at "
    "its limit when the bar trades through it (BAR_FILLS.md)."
)
_AT_FILL = "target and buy_value are sized at the price of the fill, which no live order knows."
_AT_DECISION = (
    "target and buy_value are sized at the decision; a market buy reserves its cash at the upper "
    "limit price, as at KIS."
)


def costs_in_words(costs: CostModel) -> str:
    """Return one sentence on the costs: the plan, its rates, and the tax."""
    plan = next((name for name, model in PLANS.items() if model == costs), None)
    percent = ", ".join(
        f"{name} {rate / _PPB_PERCENT:g} %"
        for name, rate in (("KRX", costs.krx), ("NXT", costs.nxt), ("ETF and ETN", costs.fund))
    )
    tax = (
        "the tax of each date by the table of decrees"
        if costs.stock_tax is None
        else f"a tax of {costs.stock_tax / _PPB_PERCENT:g} % on every sale of stock"
    )
    of_plan = f"plan {plan}, " if plan else ""
    return f"Commission: {of_plan}a side {percent}; {tax}; none on ETF and ETN."


def parameters_in_words(agent: Agent) -> str:
    """Return the parameters of an agent with their values: ``"code='005930', n=20"``."""
    return ", ".join(f"{name}={getattr(agent, name)!r}" for name in agent.parameters())


def assumed(
    feed: BarFeed,
    rules: BarRules,
    unknown: Sequence[str],
    fills: int | None,
    latency: float,
    sizing: str,
    *,
    separate: bool,
    has_limits: bool,
    has_guards: bool,
) -> tuple[str, ...]:
    """Return the assumptions of a run over bars, as sentences."""
    said = [
        _FILLS,
        "An order that is decided on the last bar of a day trades on the next day.",
        "Any quantity is filled; the volume of a bar is not looked at."
        if fills is None
        else f"Orders take at most {fills} % of a bar's volume.",
        f"An order is at the exchange {latency:g} s after the decision."
        if latency
        else "An order is at the exchange at the moment of the decision (latency 0).",
        "No queue: who stood before at a price is not known, so a touched limit fills nothing.",
        _AT_FILL if sizing == "fill" else _AT_DECISION,
        "All orders go to KRX; market impact, dividends and interest are left out.",
    ]
    if separate:
        said.append("Each agent has its own cash.")
    if not has_limits:
        said.append("The desk's own limits, such as max_order_value, are not applied.")
    if has_guards:
        said.append("The guards of agents (kisnb.Guards) are not checked over bars.")
    if unknown:
        few = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        said.append(f"{few}: in no list of stocks, counted as stocks of KOSPI (Q…: as ETN).")
    adjusted = sum(rules.is_adjusted(code) for code in feed.codes)
    if adjusted:
        said.append(
            f"The prices of {adjusted} of {len(feed.codes)} stocks are adjusted and off the tick "
            "grid: ticks are not checked for them, and limit prices are one percent nearer."
        )
    return tuple(said)
