"""The statistics of a back-test, each with its unit and its definition.

A value that is not defined is None, never 0 or infinite: for example the Sharpe ratio of a run that
never traded. Won, days and counts are integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from kisnb.backtesting.results.daily import days_a_year
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
from kisnb.columns import Tone, number, signed, tone_of

if TYPE_CHECKING:
    import polars as pl

    from kisnb.backtesting.run_record import RunRecord

Unit: TypeAlias = Literal["change", "share", "won", "gain", "days", "count", "ratio"]
"""``change`` and ``share`` are fractions (0.01 = 1 %), ``gain`` is won with a sign."""
Value: TypeAlias = int | float | None
_COSTS = "Costs and exposure"
FEWEST_DAYS = 20
"""Daily returns below which nothing is annualised: a few days say nothing about a year."""


class Statistic(msgspec.Struct, frozen=True):
    """One figure."""

    group: str
    name: str
    value: Value
    """None: not defined."""
    unit: Unit
    definition: str
    note: str = ""
    """The date or the dates that the value belongs to; empty when it belongs to none."""

    @property
    def text(self) -> str:
        """The value for people, with its unit; ``"–"`` for None."""
        value = self.value
        if value is None:
            return "–"
        match self.unit:
            case "change":
                return f"{signed(100 * value, 2)} %"
            case "share":
                return f"{number(100 * value, 2)} %"
            case "gain":
                return f"{signed(value)} won"
            case "won":
                return f"{number(value)} won"
            case "days":
                digits = 1 if isinstance(value, float) else 0
                return f"{number(value, digits)} day{'' if value == 1 else 's'}"
            case "count":
                return number(value)
            case "ratio":
                return number(value, 2)

    def __repr__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.name} {self.text}{note}: {self.definition}"

    @property
    def tone(self) -> Tone:
        """The tone of a gain or a loss; empty for what is neither."""
        return tone_of(self.value) if self.unit in ("change", "gain") else ""


class StatisticsInput(msgspec.Struct, frozen=True):
    """The frames that the statistics are computed from; ``run_frames.py`` says what they hold."""

    record: RunRecord
    daily: pl.DataFrame
    trades: pl.DataFrame
    fills: pl.DataFrame
    benchmark: str = ""
    """Name of the benchmark; empty without one."""


def statistics(run: StatisticsInput) -> tuple[Statistic, ...]:
    """Return all statistics of a run, in the order in which people read them."""
    year = days_a_year(run.record.first, run.record.last)
    curve = _DailyCurve(run.daily, run.record, year)
    return (
        *_returns(run, curve),
        *_risks(curve),
        *_trades(run),
        *_costs(run, curve),
        *(_against(run, curve) if run.benchmark else ()),
    )


def statistics_frame(known: Iterable[Statistic]) -> pl.DataFrame:
    """Return one row per statistic.

    Columns: name; value (Float64; null: not defined; won are whole numbers); unit; text (for
    people); definition.
    """
    import polars as pl

    rows = [
        (s.name, s.value, s.unit, f"{s.text} ({s.note})" if s.note else s.text, s.definition)
        for s in known
    ]
    schema = {
        "name": pl.String(), "value": pl.Float64(), "unit": pl.String(), "text": pl.String(),
        "definition": pl.String(),
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


class _DailyCurve:
    """The daily returns of a run, and what follows from them."""

    def __init__(self, daily: pl.DataFrame, record: RunRecord, year: float | None) -> None:
        self.days: Sequence[date] = daily["date"].to_list()
        self.equity: Sequence[int] = daily["equity"].to_list()
        self.drawdowns: Sequence[float] = daily["drawdown"].to_list()
        self.returns: Sequence[float | None] = daily["return"].to_list()
        self.known = [r for r in self.returns if r is not None]
        self.last = self.equity[-1] if self.equity else record.cash
        self.start = record.cash
        self.year = year
        """Trading days in a year; None when they are not known."""
        self.year_text = f"{year:.1f}" if year is not None else "unknown"
        many = len(self.known) >= FEWEST_DAYS
        self.annual = year if many else None
        """Trading days in a year; None when nothing may be annualised."""

    @property
    def growth(self) -> float | None:
        """Equity at the end ÷ cash at the start, a year; None when it may not be annualised."""
        if self.annual is None or self.last <= 0:
            return None
        return math.pow(self.last / self.start, self.annual / len(self.days)) - 1

    @property
    def worst_drawdown(self) -> float | None:
        """The lowest drawdown, 0.0 when equity never fell below an earlier day's."""
        return min(self.drawdowns) if self.drawdowns else None

    def spells(self) -> list[tuple[int, int]]:
        """Return the spells below a highest equity: (first day below, days below) by index."""
        found: list[tuple[int, int]] = []
        for i, drawdown in enumerate(self.drawdowns):
            if drawdown < 0:
                if i and self.drawdowns[i - 1] < 0:
                    found[-1] = (found[-1][0], found[-1][1] + 1)
                else:
                    found.append((i, 1))
        return found


def _returns(run: StatisticsInput, curve: _DailyCurve) -> list[Statistic]:
    record, known = run.record, curve.returns
    dated = [(r, day) for r, day in zip(known, curve.days, strict=True) if r is not None]
    best, worst = (max(dated), min(dated)) if dated else (None, None)
    annual = f"KRX has {curve.year_text} trading days a year in the calendar years of the range"
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
            "Return", "days up", part(sum(r > 0 for r in curve.known), len(curve.known)), "share",
            "days with a return above 0 ÷ days",
        ),
        Statistic("Return", "trading days", len(curve.days), "count", "days of the run"),
    ]  # fmt: skip


def _risks(curve: _DailyCurve) -> list[Statistic]:
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


def _span(curve: _DailyCurve, spell: tuple[int, int] | None) -> str:
    if spell is None:
        return ""
    first, days = spell
    end = first + days - 1
    still = ", not over" if end == len(curve.days) - 1 else ""
    return f"{curve.days[first]} to {curve.days[end]}{still}"


def _trades(run: StatisticsInput) -> list[Statistic]:
    book, net = run.record.book, run.trades["pnl_net"].to_list()
    gains, losses = [x for x in net if x > 0], [x for x in net if x < 0]
    won = sum(p.wins for p in book.positions.values())
    lost = sum(p.losses for p in book.positions.values())
    days = run.trades["days"].to_list()
    return [
        Statistic("Trades", "orders", len(book.orders), "count", "orders given, refused ones too"),
        Statistic("Trades", "fills", len(run.fills), "count", "executions"),
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
    ]  # fmt: skip


def _costs(run: StatisticsInput, curve: _DailyCurve) -> list[Statistic]:
    fees, taxes = int(run.fills["fee"].sum()), int(run.fills["tax"].sum())
    value, average = int(run.fills["value"].sum()), mean(curve.equity)
    holdings = run.daily["holdings"].to_list()
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
            _COSTS, "days invested", part(sum(h > 0 for h in holdings), len(holdings)),
            "share", "days that ended with holdings ÷ days",
        ),
    ]  # fmt: skip


def _against(run: StatisticsInput, curve: _DailyCurve) -> list[Statistic]:
    name, group = run.benchmark, "Benchmark"
    theirs: Sequence[float | None] = run.daily["benchmark_return"].to_list()
    pairs = [
        (own, other)
        for own, other in zip(curve.returns, theirs, strict=True)
        if own is not None and other is not None
    ]
    over = [own - other for own, other in pairs]
    year = curve.year if len(pairs) >= FEWEST_DAYS else None
    beta = slope(pairs) if year else None
    alpha = None
    if beta is not None and year:
        alpha = (total(own for own, _ in pairs) - beta * total(b for _, b in pairs)) / len(pairs)
        alpha *= year
    error = times(spread(over), math.sqrt(year) if year else None)
    worth = run.daily["benchmark_equity"].to_list()
    end = worth[-1] if worth else None
    change = end / curve.start - 1 if end is not None else None
    on = f"over the {len(pairs):,} days on which both have a return"
    scaled = f"a year of {curve.year_text} trading days; needs {FEWEST_DAYS} days"
    return [
        Statistic(
            group, "benchmark return", change, "change",
            f"{name}: close of the last day ÷ close before the run − 1 (its first close in the run "
            "when there is none before)",
        ),
        Statistic(
            group, "excess return", None if end is None else (curve.last - end) / curve.start,
            "change", f"total return − return of {name}",
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
