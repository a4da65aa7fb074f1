"""The statistics of a back-test, each with its unit and its definition.

A value that is not defined is None, never 0 or infinite: for example the Sharpe ratio of a run that
never traded. Won, days and counts are integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import sub

import msgspec

from kisnb.backtesting.results.daily import BenchmarkDays, Days, days_a_year, share_of_days
from kisnb.backtesting.results.daily_curve import FEWEST_DAYS, DailyCurve
from kisnb.backtesting.results.moments import (
    downside,
    mean,
    part,
    ratio,
    slope,
    spread,
    times,
    total,
    whole_mean,
)
from kisnb.backtesting.results.round_trips import RoundTrip
from kisnb.backtesting.results.statistic import Statistic
from kisnb.backtesting.run_record import RunRecord

_COSTS = "Costs and exposure"


class StatisticsInput(msgspec.Struct, frozen=True):
    """The record, days and round trips from which the statistics are computed."""

    record: RunRecord
    days: Days
    trades: Sequence[RoundTrip]
    benchmark: str = ""
    """Name of the benchmark. Empty: there is no benchmark."""


def statistics(run: StatisticsInput) -> tuple[Statistic, ...]:
    """Return all statistics of a run, in the order in which people read them."""
    first, last = run.record.first, run.record.last
    year, share = days_a_year(first, last), share_of_days(first, last, len(run.days.dates))
    curve = DailyCurve(
        run.days, run.record, None if year is None else year * share, has_gaps=share < 1
    )
    return (
        *_returns(run, curve),
        *_risks(curve),
        *_trades(run, curve),
        *_costs(run, curve),
        *(_against(run.benchmark, run.days.benchmark, curve) if run.days.benchmark else ()),
    )


def _returns(run: StatisticsInput, curve: DailyCurve) -> list[Statistic]:
    record, known = run.record, curve.returns
    dated = [(r, day) for r, day in zip(known, curve.days, strict=True) if r is not None]
    best, worst = (max(dated), min(dated)) if dated else (None, None)
    annual = (
        f"the data have bars on {curve.year_text} days a year"
        if curve.has_gaps
        else f"KRX has {curve.year_text} trading days a year in the calendar years of the range"
    )
    return [
        Statistic(
            "Return", "total return", curve.last / curve.start - 1, "change",
            "equity at the end ÷ cash at the start − 1",
        ),
        Statistic(
            "Return", "CAGR", curve.growth, "change",
            f"(equity at the end ÷ cash at the start) ^ (trading days a year ÷ trading days of the "
            f"run) − 1; {annual}; needs {FEWEST_DAYS} days",
        ),
        Statistic(
            "Return", "profit", curve.last - record.cash, "gain",
            "equity at the end − cash at the start, won; after all costs, holdings at the last "
            "price",
        ),
        Statistic("Return", "final equity", curve.last, "won", "cash and holdings at the end, won"),
        Statistic(
            "Return", "best day", best[0] if best else None, "change", "highest return of a day",
            f"{best[1]}" if best else "",
        ),
        Statistic(
            "Return", "worst day", worst[0] if worst else None, "change",
            "lowest return of a day", f"{worst[1]}" if worst else "",
        ),
        Statistic(
            "Return", "days up", part(len([r for r in curve.known if r > 0]), len(curve.known)),
            "share", "days with a return above 0 ÷ days",
        ),
        Statistic("Return", "trading days", len(curve.days), "count", "days of the run"),
    ]  # fmt: skip


def _risks(curve: DailyCurve) -> list[Statistic]:
    root = math.sqrt(curve.annual) if curve.annual else None
    deviation, average = spread(curve.known), mean(curve.known)
    below = downside(curve.known)
    spells, deepest = curve.spells(), curve.worst_drawdown
    low = curve.drawdowns.index(deepest) if deepest else None
    worst = next(((s, n) for s, n in spells if low is not None and s <= low < s + n), None)
    longest = max(spells, key=lambda spell: spell[1], default=None)
    scaled = f"annualised by √{curve.year_text}; needs {FEWEST_DAYS} days"
    return [
        Statistic(
            "Risk", "volatility", times(deviation, root), "share",
            f"standard deviation of the daily returns (n − 1), {scaled}",
        ),
        Statistic(
            "Risk", "Sharpe", times(ratio(average, deviation), root), "ratio",
            f"mean ÷ standard deviation of the daily returns, risk-free rate 0, {scaled}; not "
            "defined when all returns are alike",
        ),
        Statistic(
            "Risk", "Sortino", times(ratio(average, below), root), "ratio",
            "mean of the daily returns ÷ root of the mean square of those below 0 (over all days), "
            f"risk-free rate 0, {scaled}; not defined without a day below 0",
        ),
        Statistic(
            "Risk", "max drawdown", deepest, "change",
            "lowest equity at a day's end ÷ highest equity before it − 1",
            str(curve.days[low]) if low is not None else "",
        ),
        Statistic(
            "Risk", "max drawdown length", worst[1] if worst else 0, "days",
            "trading days of the deepest drawdown that ended below the highest equity before it",
            _span(curve, worst),
        ),
        Statistic(
            "Risk", "longest drawdown", longest[1] if longest else 0, "days",
            "most trading days in a row that ended below an earlier highest equity",
            _span(curve, longest),
        ),
        Statistic(
            "Risk", "Calmar", ratio(curve.growth, -deepest if deepest else None), "ratio",
            "CAGR ÷ max drawdown; not defined without a drawdown",
        ),
    ]  # fmt: skip


def _span(curve: DailyCurve, spell: tuple[int, int] | None) -> str:
    if spell is None:
        return ""
    first, days = spell
    end = first + days - 1
    still = ", not over" if end == len(curve.days) - 1 else ""
    return f"{curve.days[first]} to {curve.days[end]}{still}"


def _trades(run: StatisticsInput, curve: DailyCurve) -> list[Statistic]:
    book, net = run.record.book, [trip.pnl_net for trip in run.trades]
    gains, losses = [x for x in net if x > 0], [x for x in net if x < 0]
    won = sum(p.wins for p in book.positions.values())
    lost = sum(p.losses for p in book.positions.values())
    days = [trip.days for trip in run.trades]
    return [
        Statistic("Trades", "orders", len(book.orders), "count", "orders given, refused ones too"),
        Statistic("Trades", "fills", sum(1 for _ in book.fills), "count", "executions"),
        Statistic(
            "Trades", "trades", len(net), "count",
            "round trips: parts of a bought lot that one fill sold, oldest lot first",
        ),
        Statistic(
            "Trades", "win rate", part(won, won + lost), "share",
            "fills of sells that earned after cost ÷ all of them, as in book.summary()",
        ),
        Statistic(
            "Trades", "profit factor", ratio(sum(gains), -sum(losses)), "ratio",
            "gains ÷ losses of the round trips after cost; not defined without a loss",
        ),
        Statistic(
            "Trades", "average gain", whole_mean(gains), "gain",
            "mean of the round trips that gained after cost, won",
        ),
        Statistic(
            "Trades", "average loss", whole_mean(losses), "gain",
            "mean of the round trips that lost after cost, won",
        ),
        Statistic(
            "Trades", "average holding", mean(days), "days",
            "trading days from entry to exit, mean of the round trips; 0 within a day",
        ),
        Statistic(
            "Trades", "realised before cost", book.realised, "gain",
            "what the sold shares earned, won",
        ),
        Statistic(
            "Trades", "realised after cost", book.realised_net, "gain",
            "the same less the fees of both sides and the tax",
        ),
        Statistic(
            "Trades", "open at the end", curve.last - run.record.cash - book.realised_net, "gain",
            "profit − realised after cost: what the shares that are still held earned so far, less "
            "the fee of their buys; they are in no round trip yet",
        ),
    ]  # fmt: skip


def _costs(run: StatisticsInput, curve: DailyCurve) -> list[Statistic]:
    fills = [fill for _, fill in run.record.book.fills]
    fees, taxes = sum([fill.fee for fill in fills]), sum([fill.tax for fill in fills])
    value, average = sum([fill.qty * fill.price for fill in fills]), mean(curve.equity)
    holdings = run.days.holdings
    shares = [h / e for h, e in zip(holdings, curve.equity, strict=True) if e > 0]
    yearly = None if curve.annual is None else value * curve.annual / len(curve.days)
    return [
        Statistic(_COSTS, "costs paid", fees + taxes, "won", "fees and tax of all fills, won"),
        Statistic(_COSTS, "fees", fees, "won", "commission of both sides, won"),
        Statistic(_COSTS, "tax", taxes, "won", "transaction tax of the sells, won"),
        Statistic(
            _COSTS, "cost share", (fees + taxes) / curve.start, "share",
            "costs paid ÷ cash at the start",
        ),
        Statistic(_COSTS, "turnover", value, "won", "traded value of both sides, won"),
        Statistic(
            _COSTS, "turnover a year", ratio(yearly, average), "ratio",
            "turnover ÷ mean equity, for a year of "
            f"{curve.year_text} trading days; needs {FEWEST_DAYS} days",
        ),
        Statistic(
            _COSTS, "exposure", mean(shares), "share",
            "holdings ÷ equity at a day's end, mean of the days",
        ),
        Statistic(
            _COSTS, "days invested", part(len([h for h in holdings if h > 0]), len(holdings)),
            "share", "days that ended with holdings ÷ days",
        ),
    ]  # fmt: skip


def _against(name: str, benchmark: BenchmarkDays, curve: DailyCurve) -> list[Statistic]:
    group = "Benchmark"
    pairs = [
        (own, other)
        for own, other in zip(curve.returns, benchmark.returns, strict=True)
        if own is not None and other is not None
    ]
    owns, others = [own for own, _ in pairs], [other for _, other in pairs]
    over = list(map(sub, owns, others))
    year = curve.year if len(pairs) >= FEWEST_DAYS else None
    beta = slope(owns, others) if year else None
    alpha = None
    if beta is not None and year:
        alpha = (total(owns) - beta * total(others)) / len(pairs) * year
    error = times(spread(over), math.sqrt(year) if year else None)
    # An index has no row of today. Then both are compared on the newest day that has one.
    closed = [(day, worth) for day, worth in enumerate(benchmark.worth) if worth is not None]
    change = over_cash = None
    until = ""
    if closed:
        newest, worth = closed[-1][0], round(closed[-1][1])
        change = worth / curve.start - 1
        over_cash = (curve.equity[newest] - worth) / curve.start
        until = f"up to {curve.days[newest]}" if newest < len(curve.days) - 1 else ""
    on = f"over the {len(pairs):,} days on which both have a return"
    scaled = f"a year of {curve.year_text} trading days; needs {FEWEST_DAYS} days"
    return [
        Statistic(
            group, "benchmark return", change, "change",
            f"{name}: its newest close in the run ÷ close before the run − 1 (its first close in "
            "the run when there is none before)", until,
        ),
        Statistic(
            group, "excess return", over_cash, "change",
            f"total return − return of {name}, up to its newest close in the run", until,
        ),
        Statistic(
            group, "beta", beta, "ratio",
            f"covariance of the daily returns with those of {name} ÷ their variance, {on}",
        ),
        Statistic(
            group, "alpha", alpha, "change",
            f"mean daily return − beta × mean daily return of {name}, × {scaled}",
        ),
        Statistic(
            group, "tracking error", error, "share",
            f"standard deviation (n − 1) of the daily returns − those of {name}, {on}, "
            f"for {scaled}",
        ),
        Statistic(
            group, "information ratio",
            ratio(times(mean(over), year), error), "ratio",
            f"mean daily return − that of {name}, for {scaled}, ÷ tracking error",
        ),
    ]  # fmt: skip
