"""Data whose result would mislead: the run says what they lack, or refuses them. (H06)"""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

import kisnb
from kisnb.errors import BadInput
from kisnb.events import Bar, Tick
from kisnb.history.download import trading_days
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.terms import Board, Kind
from tests.backtesting.bars import CODE, FREE, daily, flat, minutes
from tests.backtesting.test_ticks import trades


class Holder(kisnb.Agent):
    """Buys on the first bar and holds."""

    every = "1d"
    code: str = ""

    def on_bar(self, bar: Bar) -> None:
        if not self.book.orders:
            self.buy(10)


def held(data: Any, **options: Any) -> Any:
    return kisnb.backtest(Holder, data, **{"cash": 10_000_000, **FREE, **options})


def said(result: Any, words: str) -> list[str]:
    return [text for text in result.record.assumptions if words in text]


def test_h06_a_year_of_weekly_bars_is_not_a_year_of_daily_returns() -> None:
    prices = [10_000 + 20 * n + 100 * (n % 3) for n in range(700)]
    whole = flat(prices)
    weekly = whole.gather_every(5)
    weeks, days = held(weekly), held(whole)
    all_days = len(trading_days(weekly["date"][0], weekly["date"][-1]))
    a_year = days.statistic("CAGR").definition
    assert "KRX has 24" in a_year
    worth = [10_000_000, *weeks.equity["equity"].to_list()]
    returns = [b / a - 1 for a, b in pairwise(worth)]
    per_year = float(a_year.partition("KRX has ")[2].split()[0]) * weekly.height / all_days
    assert per_year == pytest.approx(49, abs=0.5)
    assert weeks.value("CAGR") == pytest.approx(
        (worth[-1] / worth[0]) ** (per_year / weekly.height) - 1, rel=1e-3
    )
    assert weeks.value("CAGR") == pytest.approx(days.value("CAGR"), rel=0.03)
    assert weeks.value("volatility") == pytest.approx(
        statistics.stdev(returns) * math.sqrt(per_year), rel=1e-3
    )
    assert "the data have bars on 49." in weeks.statistic("CAGR").definition
    (text,) = said(weeks, "trading days from")
    assert f"have bars on {weekly.height} of the {all_days} trading days" in text
    assert not said(days, "trading days from")


def test_h06_a_split_that_the_prices_do_not_follow_is_told() -> None:
    split = flat([2_650_000, 2_650_000, 53_000, 53_100])
    (text,) = said(held(split, cash=100_000_000), "Beyond the limit prices")
    assert "005930 on 2024-03-06 (2,650,000 → 53,000 won)" in text
    # A day at the limit price is no split, and an ETF of twice its index has twice the limits.
    assert not said(held(flat([10_000, 13_000, 16_900, 11_830])), "Beyond")
    twice = Instrument("122630", "KODEX 레버리지", Board.KOSPI, Kind.ETF, 0, 0, 0, multiple=2.0)
    etf = flat([10_000, 15_900, 6_400], code="122630")
    assert not said(held(etf, universe=Universe([twice])), "Beyond")
    assert said(held(flat([10_000, 15_900, 6_400])), "Beyond")


def test_h06_shares_of_a_stock_whose_bars_end_are_told() -> None:
    data = {CODE: flat([70_000] * 6), "000660": flat([50_000] * 3)}
    result = held({code: frame.drop("code") for code, frame in data.items()})
    (text,) = said(result, "Still held")
    assert "10 000660 of 2024-03-06" in text
    assert CODE not in text
    assert not said(held(flat([70_000] * 6)), "Still held")


def test_h06_a_bar_that_is_not_over_is_told() -> None:
    data = flat([70_000] * 4)
    last = pl.int_range(pl.len()) < pl.len() - 1
    (text,) = said(held(data.with_columns(whole=last)), "before the day was over")
    assert "2024-03-07" in text
    assert not said(held(data.with_columns(whole=True)), "before the day")


def test_h06_an_order_that_no_bar_is_left_for_is_told() -> None:
    class Late(kisnb.Agent):
        every = "1d"
        code: str = CODE

        def on_bar(self, bar: Bar) -> None:
            self.buy(1)

    result = kisnb.backtest(Late(), flat([70_000] * 3), **FREE)
    assert said(
        result, "1 order was decided on the last bar, after which there is no bar to trade on"
    )
    assert not said(held(flat([70_000] * 3)), "there is no bar to trade on")


def test_h06_the_profit_of_shares_that_are_still_held_is_in_no_round_trip() -> None:
    result = held(flat([70_000, 70_000, 80_000]), costs="bankis")
    assert result.value("trades") == 0
    fee = result.value("fees")
    assert result.value("open at the end") == 100_000 - fee == result.value("profit")
    assert result.value("realised after cost") == 0


@pytest.mark.parametrize("data", [minutes(1, 3), trades(1, 3, 20)])
def test_h06_times_of_another_zone_are_refused_with_the_cure(data: pl.DataFrame) -> None:
    class Follows(kisnb.Agent):
        every = "1m" if "close" in data.columns else ""
        code: str = CODE

        def on_bar(self, bar: Bar) -> None: ...

        def on_tick(self, tick: Tick) -> None: ...

    utc = data.with_columns(pl.col("time").dt.offset_by("-9h"))
    words = r"005930 at 2024-03-04 00:0\d in Korea.*no venue is open before 08:00.*'UTC'"
    with pytest.raises(BadInput, match=f"(?i){words}"):
        kisnb.backtest(Follows(), utc, **FREE)
    named = utc.with_columns(pl.col("time").dt.replace_time_zone("UTC"))
    runs = [kisnb.backtest(Follows(), each, **FREE).bars for each in (named, data)]
    assert runs[0].equals(runs[1])


def test_h06_a_gap_of_the_stock_alone_is_no_gap_of_the_data() -> None:
    rows = daily([(70_000,) * 4 + (9,)] * 8)
    quiet = rows.with_columns(code=pl.lit("000660")).gather_every(3)
    assert not said(held(pl.concat([rows, quiet])), "trading days from")
