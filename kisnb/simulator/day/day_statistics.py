"""The figures of a simulated day, taken from its trades alone, so that real trades can be compared.

Moments follow R. Cont, "Empirical properties of asset returns", Quantitative Finance 1 (2001):
heavy tails, volatility with a memory, returns without one, takers that keep their side.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from kisnb.clock import MINUTE, Ns
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.market.price_past import IndexDay
from kisnb.simulator.day.day_facts import DayFacts
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.market_day import Schedule
from kisnb.simulator.day.model.daily_plan import Dated
from kisnb.terms import Board, Side, Venue

if TYPE_CHECKING:
    import polars as pl

_HALF_HOUR: Ns = 30 * MINUTE
_COARSE = 5
"""Minutes over which a stock is compared with its index."""
_LAGS = (1, 2, 3, 4, 5)


def day_statistics(plan: DayPlan, codes: Sequence[str]) -> pl.DataFrame:
    """Return one row for each stock that trades, with figures of KRX's regular session.

    The columns ``nxt`` and ``nxt_gap`` compare Nextrade with KRX.

    Returns are those of the middle of bid and ask. Columns:

    - code, name
    - trades: number of trades on the day
    - spread (ticks), spread_bp (basis points of the price)
    - depth: mean shares at one price level, divided by the mean size of a trade
    - move (percent, open to close), range (percent, low to high)
    - volatility: percent a day, from 5-minute returns
    - kurtosis: excess, of 1-minute returns
    - jump: the largest 1-minute return, in standard deviations
    - memory: mean correlation of the size of a 1-minute return with the sizes of the next five
    - reversal: correlation of a 1-minute return with the next one
    - persistence, persistence_10: correlation of a taker's side with the next, and the tenth next
    - with_index: correlation with the index, of 5-minute returns
    - first, noon, last: percent of the volume in the first, the 12:00 and the last half hour
    - nxt: Nextrade's volume in percent of KRX's volume
    - nxt_gap: mean distance of Nextrade's price from KRX's last price, in ticks
    """
    import polars as pl

    facts, end = DayFacts(plan), sessions.continuous_end(plan.day)
    indices = {board: list(facts.index_minutes(board.value, end)) for board in Board}
    rows: list[dict[str, object]] = []
    for code in codes:
        item, schedule = plan.universe.get(code), plan.schedule(code)
        regular = _frame(item, plan.day, schedule.regular(plan.day))
        # A correlation with the trade before needs three trades at least.
        if regular.height < 3:
            continue
        rows.append(
            {"code": code, "name": item.name}
            | _about_trades(regular)
            | {"depth": _about_depth(schedule, regular)}
            | _about_returns(_by_minute(plan.day, regular), indices[item.board])
            | _about_hours(plan.day, regular)
            | _about_nextrade(item, plan.day, schedule, regular)
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def volume_by_half_hour(plan: DayPlan, codes: Sequence[str]) -> pl.DataFrame:
    """Return the shares of all ``codes`` together by half hour and venue.

    Columns: start (time, KST), KRX and NXT (shares).
    """
    import polars as pl

    whole = pl.concat(
        [
            _frame(plan.universe.get(code), plan.day, plan.schedule(code))
            for code in codes
            if plan.schedule(code).trades
        ]
    )
    moment = pl.from_epoch("t", time_unit="ns").dt.convert_time_zone("Asia/Seoul")
    return (
        whole.group_by((pl.col("t") // _HALF_HOUR * _HALF_HOUR).alias("t"))
        .agg(
            *(
                pl.col("qty").filter(pl.col("venue") == v.value).sum().alias(v.value)
                for v in (Venue.KRX, Venue.NXT)
            )
        )
        .sort("t")
        .select(moment.dt.time().alias("start"), "KRX", "NXT")
    )


def daily_statistics(days: Sequence[Dated], index: Sequence[IndexDay]) -> dict[str, float]:
    """Return the figures of a stock's daily bars and its index's days, by name.

    - volatility: percent a day
    - kurtosis: excess
    - range: mean percent, low to high
    - gap: percent of the variance that falls between close and open
    - volume: standard deviation of the daily change of its logarithm
    - memory: correlation of the size of a return with the size of the next one
    - beta, with_index: slope on the index's return, and correlation with it
    """
    import polars as pl

    frame = (
        pl.DataFrame(
            [(d.day, *_prices(d), d.bar.volume) for d in days], orient="row", schema=_DAILY
        )
        .filter(pl.col("volume") > 0)
        .join(
            pl.DataFrame([(d.day, d.close) for d in index], orient="row", schema=["day", "index"]),
            "day",
            "left",
        )
        .with_columns(
            r=pl.col("close") / pl.col("close").shift() - 1,
            m=pl.col("index") / pl.col("index").shift() - 1,
            gap=pl.col("open") / pl.col("close").shift() - 1,
            v=pl.col("volume").log().diff(),
        )
        .drop_nulls("r")
    )
    r, m, size = pl.col("r"), pl.col("m"), pl.col("r").abs()
    figures = frame.select(
        volatility=r.std() * 100,
        kurtosis=r.kurtosis(),
        range=((pl.col("high") / pl.col("low") - 1) * 100).mean(),
        gap=pl.col("gap").var() / r.var() * 100,
        volume=pl.col("v").std(),
        memory=pl.corr(size, size.shift()),
        beta=pl.cov(r, m) / m.var(),
        with_index=pl.corr(r, m),
    )
    return {
        name: float(value) if value is not None else float("nan")
        for name, value in figures.row(0, named=True).items()
    }


_DAILY = ("day", "open", "high", "low", "close", "volume")


def _prices(day: Dated) -> tuple[int, int, int, int]:
    return day.bar.open, day.bar.high, day.bar.low, day.bar.close


def _frame(item: Instrument, day: date, schedule: Schedule) -> pl.DataFrame:
    import polars as pl

    trades = schedule.trades
    signs = {Side.BUY: 1, Side.SELL: -1, None: 0}
    tick = {
        price: ticks.tick_size(price, item.kind, day, item.board)
        for price in {t.price for t in trades}
    }
    return pl.DataFrame(
        {
            "t": schedule.times,
            "price": [t.price for t in trades],
            "qty": [t.qty for t in trades],
            "sign": [signs[t.side] for t in trades],
            "spread": [t.spread * tick[t.price] for t in trades],
            "venue": [t.venue.value for t in trades],
            "tick": [tick[t.price] for t in trades],
        }
        # A buyer trades at the ask and a seller at the bid. The middle lies half a spread away.
    ).with_columns(mid=pl.col("price") - pl.col("sign") * pl.col("spread") / 2)


def _about_trades(regular: pl.DataFrame) -> dict[str, object]:
    import polars as pl

    taken = regular.filter(pl.col("sign") != 0)
    sign = pl.col("sign").cast(pl.Float64)
    price = pl.col("price")
    return taken.select(
        trades=pl.len(),
        spread=(pl.col("spread") / pl.col("tick")).mean(),
        spread_bp=(pl.col("spread") / price * 10_000).mean(),
        persistence=pl.corr(sign, sign.shift()),
        persistence_10=pl.corr(sign, sign.shift(10)),
    ).row(0, named=True) | regular.select(
        move=(price.last() / price.first() - 1) * 100, range=(price.max() / price.min() - 1) * 100
    ).row(0, named=True)


def _about_depth(schedule: Schedule, regular: pl.DataFrame) -> float:
    sizes = schedule.level_sizes
    taken = regular.filter(regular["sign"] != 0)["qty"]
    return sum(sizes) / len(sizes) / (float(taken.sum()) / max(len(taken), 1))


def _by_minute(day: date, regular: pl.DataFrame) -> pl.Series:
    """Return the middle of bid and ask at the open and at the end of each continuous minute."""
    import polars as pl

    begin, end = sessions.regular_open(day), sessions.continuous_end(day)
    clock = pl.DataFrame({"t": range(begin, end + 1, MINUTE)}, schema={"t": pl.Int64})
    return clock.join_asof(regular.select("t", "mid").sort("t"), on="t")["mid"]


def _about_returns(mids: pl.Series, index: Sequence[float]) -> dict[str, object]:
    import polars as pl

    frame = pl.DataFrame({"r": mids.log().diff()}).drop_nulls()
    size, coarse = pl.col("r").abs(), mids.gather_every(_COARSE).log().diff()
    beside = pl.Series(index).gather_every(_COARSE).log().diff()
    return frame.select(
        kurtosis=pl.col("r").kurtosis(),
        jump=size.max() / pl.col("r").std(),
        memory=pl.mean_horizontal(pl.corr(size, size.shift(lag)) for lag in _LAGS),
        reversal=pl.corr(pl.col("r"), pl.col("r").shift()),
    ).row(0, named=True) | {
        "volatility": float(str(coarse.std())) * (len(mids) // _COARSE) ** 0.5 * 100,
        "with_index": pl.select(pl.corr(coarse, beside)).item(),
    }


def _about_hours(day: date, regular: pl.DataFrame) -> dict[str, object]:
    import polars as pl

    begin, end = sessions.regular_open(day), sessions.continuous_end(day)
    qty = pl.col("qty")

    def part(since: Ns) -> float:
        # The opening auction's trade is at the very start, and is not part of the first half hour's
        # continuous trading.
        inside = pl.col("t").is_between(since + 1, since + _HALF_HOUR)
        return float(regular.select(qty.filter(inside).sum() / qty.sum() * 100).item())

    return {
        "first": part(begin),
        "noon": part(begin + 6 * _HALF_HOUR),
        "last": part(end - _HALF_HOUR),
    }


def _about_nextrade(
    item: Instrument, day: date, schedule: Schedule, regular: pl.DataFrame
) -> dict[str, object]:
    import polars as pl

    nxt = Schedule.of(t for t in schedule.trades if t.venue is Venue.NXT)
    if not nxt.trades:
        return {"nxt": 0.0, "nxt_gap": None}
    beside = (
        _frame(item, day, nxt)
        .filter(pl.col("t").is_between(sessions.regular_open(day), sessions.continuous_end(day)))
        .join_asof(regular.select("t", krx=pl.col("price")), on="t")
    )
    gap = beside.select(((pl.col("price") - pl.col("krx")).abs() / pl.col("tick")).mean()).item()
    return {
        "nxt": sum(t.qty for t in nxt.trades) / regular.select(pl.col("qty").sum()).item() * 100,
        "nxt_gap": gap,
    }
