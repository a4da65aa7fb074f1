"""The sentences about the costs and the assumptions of a run."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.backtesting.bar_feed import BarFeed
from kisnb.backtesting.bar_rules import BarRules
from kisnb.backtesting.given import CASH
from kisnb.events import ProtectionRefused
from kisnb.market.costs import PLANS, CostModel
from kisnb.trading.agents.agent import Agent
from kisnb.trading.exit_state import ExitState

_PPB_PERCENT = 10_000_000
"""One percent in parts per billion."""
_FILLS = (
    "An order meets the next bar of its stock: a market order fills at the open, a limit order at "
    "its limit when the bar trades through it (BAR_FILLS.md)."
)
_EXITS = (
    "Exits are judged at each trade, of a bar at its open, on the way to its low, then on the way "
    "to its high: a stop comes before a target (BAR_FILLS.md, rule 6). Forecasts of models are not "
    "played."
)
_NO_REQUOTES = "The requotes of agents (kisnb.Requote) are not played: the data has no depth."
_NO_LIMITS = "The desk's own limits, such as max_order_value, are not applied."
_TRADE_FILLS = (
    "An order meets the next trades of its stock: a market order, and a limit order that reaches, "
    "fill at the price of the next trade; a limit order that waits fills when a trade goes through "
    "its limit. Bids, asks and the queue are not known."
)
_TAPE_FILLS = (
    "An order meets the tape (tape_market.py): it takes the levels that the newest depth shows, "
    "and waits behind the shares that stood at its price."
)
_NO_IMPACT = (
    "Nobody answers our orders: what they take from a depth is missing until the tape shows the "
    "next one."
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


def bar_assumptions(
    feed: BarFeed,
    rules: BarRules,
    unknown: Sequence[str],
    fills: int | None,
    latency: float,
    sizing: str,
    *,
    separate: bool,
    has_limits: bool,
    has_requotes: bool,
    exits: ExitState,
    refused: Sequence[ProtectionRefused],
) -> tuple[str, ...]:
    """Return the assumptions of a run over bars, as sentences.

    ``unknown`` are the codes that no list of stocks has. ``refused`` are the exits that were not
    set.
    """
    said = [
        _FILLS,
        "An order that is decided on the last bar of a day trades on the next day.",
        "Any quantity is filled; the volume of a bar is not looked at."
        if fills is None
        else f"Orders take at most {fills} % of a bar's volume.",
        _latency_in_words(latency),
        "No queue: who stood before at a price is not known, so a touched limit fills nothing.",
        _AT_FILL if sizing == "fill" else _AT_DECISION,
        "All orders go to KRX; market impact, dividends and interest are left out.",
    ]
    if separate:
        said.append("Each agent has its own cash.")
    said += [
        *_left_out(has_limits=has_limits, has_requotes=has_requotes),
        *_exits_in_words(exits, refused),
        *_unknown_in_words(unknown),
    ]
    adjusted = sum(rules.is_adjusted(code) for code in feed.codes)
    if adjusted:
        said.append(
            f"The prices of {adjusted} of {len(feed.codes)} stocks are adjusted and off the tick "
            "grid: ticks are not checked for them, and limit prices are one percent nearer."
        )
    return tuple(said)


def tick_assumptions(
    unknown: Sequence[str],
    fills: int | None,
    latency: float,
    *,
    has_limits: bool,
    has_requotes: bool,
    exits: ExitState,
    refused: Sequence[ProtectionRefused],
) -> tuple[str, ...]:
    """Return the assumptions of a run over trades, as sentences.

    ``unknown`` and ``refused`` are those of ``bar_assumptions``.
    """
    said = [
        _TRADE_FILLS,
        "Any quantity is filled; the shares of a trade are not looked at."
        if fills is None
        else f"Orders take at most {fills} % of a trade's shares.",
        _latency_in_words(latency),
        "All orders go to KRX; market impact, dividends and interest are left out.",
    ]
    said += _left_out(has_limits=has_limits, has_requotes=has_requotes)
    return (*said, *_exits_in_words(exits, refused), *_unknown_in_words(unknown))


def tape_assumptions(
    latency: float, *, has_orders: bool, has_limits: bool, has_cash: bool
) -> tuple[str, ...]:
    """Return the assumptions of a run over a recorded day, as sentences."""
    said = [_TAPE_FILLS]
    if has_orders:
        said.append(
            "The tape was recorded with orders of ours in the market: its depth counts their "
            "shares, and an order is at the exchange when the tape shows one."
        )
    else:
        said += [_latency_in_words(latency), _NO_IMPACT]
    if not has_limits:
        said.append("The desk's own limits have their usual values, not those of the settings.")
    if not has_cash:
        said.append(f"No cash was named: no buy is refused for it, and {CASH:,} won are counted.")
    return tuple(said)


def _left_out(*, has_limits: bool, has_requotes: bool) -> list[str]:
    return [*([] if has_limits else [_NO_LIMITS]), *([_NO_REQUOTES] if has_requotes else [])]


def _exits_in_words(exits: ExitState, refused: Sequence[ProtectionRefused]) -> list[str]:
    said = [_EXITS] if exits.watches or exits.ended else []
    if refused:
        first, count = refused[0], len(refused)
        said.append(f"{count} exit{'s were' if count > 1 else ' was'} not set: {first.reason}.")
    return said


def _unknown_in_words(unknown: Sequence[str]) -> list[str]:
    if not unknown:
        return []
    few = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
    return [f"{few}: in no list of stocks, counted as stocks of KOSPI (Q…: as ETN)."]


def _latency_in_words(latency: float) -> str:
    if latency:
        return f"An order is at the exchange {latency:g} s after the decision."
    return "An order is at the exchange at the moment of the decision (latency 0)."
