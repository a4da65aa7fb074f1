"""A13: the bar strategies, each with its hand case, and all of them on real prices."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

import kisnb
from kisnb.backtesting.results.result import BacktestResult
from kisnb.errors import BadInput
from kisnb.market.price_files import DAILY
from kisnb.paths import data_dir
from kisnb.strategies import golden_cross, mean_reversion, strategy, volatility_breakout
from kisnb.trading.agents.agent import Agent
from tests.backtesting.bars import daily, flat

FALL_AND_RISE = [10_000] * 18 + [9_900, 9_800, 9_700, 10_400, 10_900, 11_000]


def orders_of(agent: Agent, data: pl.DataFrame) -> list[tuple[str, int, float | None]]:
    result = kisnb.backtest(agent, data, costs="krx=0", cash=10_000_000, fills=None)
    assert isinstance(result, BacktestResult)
    return [(str(o.side), o.quantity, o.average) for o in result.book.orders.values()]


@pytest.mark.parametrize(
    ("closes", "average", "wish"),
    [
        ([100] * 20, None, "hold"),  # one bar too few for the means before
        ([100] * 21, None, "hold"),  # equal means are no cross
        ([100] * 20 + [101], None, "buy"),
        ([100] * 19 + [101, 101], None, "hold"),  # above, and it was above before: no cross
        ([100] * 20 + [99], 98.0, "sell"),
        ([100] * 20 + [101], 98.0, "hold"),
        ([100] * 3 + [95], 100.0, "sell"),  # the stop needs no means
        ([100] * 3 + [96], 100.0, "hold"),
    ],
)
def test_a13_golden_cross_decides_by_two_means(
    closes: list[int], average: float | None, wish: str
) -> None:
    assert golden_cross.decide(closes, 5, 20, average, 0.05) == wish


def test_a13_golden_cross_fills_its_cross_at_the_next_bar() -> None:
    orders = orders_of(golden_cross.GoldenCross(), flat(FALL_AND_RISE))
    # The mean of five passes that of twenty with the close of 10,900: 10,340 against 10,035.
    # It trades at 11,000. The upper limit of the day, 14,170, bounds what 10 million won buy.
    assert orders == [("buy", 10_000_000 // 14_170, 11_000.0)]


@pytest.mark.parametrize(
    ("closes", "average", "wish"),
    [
        ([100] * 4, None, "hold"),
        ([100, 100, 100, 100, 96], None, "buy"),  # 96 ≤ 0.97 × 99.2 = 96.22
        ([100, 100, 100, 100, 97], None, "hold"),  # 97 > 0.97 × 99.4 = 96.42
        ([100, 100, 96, 98, 99], 96.0, "sell"),  # 99 ≥ 98.6
        ([100, 100, 96, 96, 97], 96.0, "hold"),
        ([100, 100, 100, 96, 91], 96.0, "sell"),  # the stop: 91 ≤ 91.2
        ([100, 100, 100, 96, 92], 96.0, "hold"),
    ],
)
def test_a13_mean_reversion_decides_by_the_distance_to_the_mean(
    closes: list[int], average: float | None, wish: str
) -> None:
    assert mean_reversion.decide(closes, 5, 0.03, average, 0.05) == wish


def test_a13_mean_reversion_buys_the_dip_and_sells_at_the_mean() -> None:
    orders = orders_of(
        mean_reversion.MeanReversion(), flat([10_000] * 5 + [9_500, 9_600, 9_900, 9_950])
    )
    assert [(side, price) for side, _, price in orders] == [("buy", 9_600.0), ("sell", 9_950.0)]


QUIET = [*[100.0] * 18, 90.0, 80.0, 85.0]
"""The range before the newest bar, 80, is below its mean; the newest is 85."""
EXITS = volatility_breakout.ExitSignals(1.5, 10, 0.05)


@pytest.mark.parametrize(
    ("closes", "ranges", "average", "bars", "wish"),
    [
        ([10_000, 10_300], QUIET, None, 0, "buy"),
        ([10_000, 10_299], QUIET, None, 0, "hold"),  # the move is too small
        ([10_000, 10_300], [100.0] * 21, None, 0, "hold"),  # the range did not contract
        ([10_000, 10_300], QUIET[1:], None, 0, "hold"),  # one range too few
        ([10_000, 9_900], [100.0] * 20 + [160.0], 9_900.0, 3, "sell"),  # wide, and it falls
        ([10_000, 10_100], [100.0] * 20 + [160.0], 9_900.0, 3, "hold"),  # wide, and it rises
        ([10_000, 10_100], QUIET, 9_900.0, 10, "sell"),  # long enough
        ([10_000, 9_405], QUIET, 9_900.0, 3, "sell"),  # the stop
    ],
)
def test_a13_volatility_breakout_decides_by_range_and_move(
    closes: list[int], ranges: list[float], average: float | None, bars: int, wish: str
) -> None:
    assert volatility_breakout.decide(closes, ranges, 20, 0.03, average, bars, EXITS) == wish


def test_a13_volatility_breakout_buys_a_move_and_leaves_after_ten_bars() -> None:
    wide = [(10_000, 10_200, 9_800, 10_000, 10_000)] * 20
    quiet = [(10_000, 10_050, 9_950, 10_000, 10_000)] * 20
    moved = [(10_000, 10_400, 10_000, 10_400, 10_000)]
    after = [(10_400, 10_450, 10_350, 10_400, 10_000)] * 14
    orders = orders_of(
        volatility_breakout.VolatilityBreakout(), daily(wide + quiet + moved + after)
    )
    assert [(side, price) for side, _, price in orders] == [("buy", 10_400.0), ("sell", 10_400.0)]


@pytest.mark.data
@pytest.mark.skipif(data_dir() is None, reason="needs KISNB_DATA")
@pytest.mark.parametrize("name", ["golden_cross", "volatility_breakout", "mean_reversion"])
def test_a13_a_strategy_trades_all_real_issues_since_2019_06_03(name: str, tmp_path: Path) -> None:
    folder = data_dir()
    assert folder is not None
    agents, bars = strategy(name), pl.read_parquet(folder / DAILY)
    result = kisnb.backtest(
        agents, bars, costs="bankis", start="2019-06-03", params={"weight": 1 / 32},
        benchmark="KOSPI",
    )  # fmt: skip
    assert isinstance(result, BacktestResult)
    record = result.record
    assert len(record.agents) == 32
    assert (record.first, record.last) == (date(2019, 6, 3), date(2023, 12, 28))
    book = record.book
    cash = 100_000_000 + sum(
        (f.qty * f.price if str(o.side) == "sell" else -f.qty * f.price) - f.fee - f.tax
        for o, f in book.fills
    )
    assert record.equity["cash"][-1] == cash >= 0
    assert len(book.orders) > 100
    # A stock of small volume may fill a part of an order in a day, and never more than is held.
    assert all(position.qty >= 0 for position in book.positions.values())
    # Its tear sheet stands beside KOSPI, which rose from 2,041.74 of 2019-05-31 to 2,655.28.
    assert result.value("benchmark return") == pytest.approx(2_655.28 / 2_041.74 - 1)
    assert result.trades["pnl_net"].sum() == book.realised_net
    report = result.report(tmp_path / f"{name}.html")
    assert report.size < 1_500_000
    assert "KOSPI" in report.path.read_text("utf-8")


def test_a13_a_parameter_outside_of_its_range_is_refused_in_one_sentence() -> None:
    cases: list[tuple[str, dict[str, object], str]] = [
        ("golden_cross", {"short": 0}, "short=0 is out of range"),
        ("golden_cross", {"weight": 1.5}, "weight=1.5 is out of range"),
        ("golden_cross", {"stop": float("nan")}, "stop=nan is no number"),
        ("mean_reversion", {"dip": "0"}, "dip=0.0 is out of range"),
        ("volatility_breakout", {"longest": -1}, "longest=-1 is out of range"),
        ("volatility_tracker", {"risk": 5}, "risk=5.0 is out of range"),
        ("foreign_follower", {"days": 0}, "days=0 is out of range"),
        ("preferred_pair", {"length": 0}, "length=0 is out of range"),
        ("volume_trigger", {"qty": 0}, "qty=0 is out of range"),
        ("volume_trigger", {"profit": float("inf")}, "profit=inf is no number"),
    ]
    for name, given, why in cases:
        with pytest.raises(BadInput, match=f"(?i){why}") as refused:
            strategy(name)(**given)
        assert refused.value.cure
        assert "`" not in str(refused.value)
    assert strategy("golden_cross")(short="3", weight=1).short == 3  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="short=20 is not below long=5"):
        golden_cross.GoldenCross(short=20, long=5).on_start()
