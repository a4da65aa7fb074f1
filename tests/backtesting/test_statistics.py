"""Statistics of a run against hand-made cases, a second computation, and jquantstats."""

from __future__ import annotations

import math
import statistics
from datetime import date
from itertools import pairwise

import polars as pl
import pytest

from kisnb.backtesting.results.daily import days_a_year
from kisnb.backtesting.results.result import BacktestResult
from kisnb.clock import kst
from kisnb.errors import BadInput
from kisnb.history.download import trading_days
from tests.backtesting.records import CASH, CLOSE, DAYS, Trading, record_of, walked


def drawn(equity: list[int], cash: int = CASH, benchmark: list[float] | None = None):
    """A run with this equity at the ends of its days, and a benchmark with a close before it."""
    days = trading_days(date(2021, 1, 4), date(2022, 12, 29))[: len(equity)]
    rows = [(kst(day, CLOSE), worth, 0, worth) for day, worth in zip(days, equity, strict=True)]
    record = record_of(Trading(cash), rows, [], days, cash)
    if benchmark is None:
        return BacktestResult(record)
    closes = pl.DataFrame({"date": [date(2020, 12, 30), *days], "close": benchmark})
    return BacktestResult(record, closes)


def test_h06_a_year_has_the_trading_days_of_krx_and_not_252():
    assert days_a_year(date(2021, 3, 2), date(2021, 4, 1)) == 248
    assert days_a_year(date(2019, 6, 3), date(2023, 12, 28)) == (246 + 248 + 248 + 246 + 245) / 5
    assert days_a_year(date(1999, 1, 4), date(1999, 12, 28)) is None
    definition = BacktestResult(walked()).statistics_by_name["Sharpe"].definition
    assert "annualised by √246.6" in definition


def test_h06_drawdown_is_measured_from_the_cash_at_the_start_and_has_its_days():
    # 10,000,000 at the start is a highest equity, too: the first day is already below it.
    result = drawn([9_000_000, 9_500_000, 12_000_000, 6_000_000, 9_000_000, 12_000_000, 11_400_000])
    assert result.value("max drawdown") == 6 / 12 - 1
    assert result.value("max drawdown length") == 2
    assert result.statistics_by_name["max drawdown"].note == "2021-01-07"
    assert result.statistics_by_name["max drawdown length"].note == "2021-01-07 to 2021-01-08"
    assert result.daily["drawdown"].to_list()[0] == 9 / 10 - 1
    still = drawn([11_000_000, 10_000_000, 10_500_000]).statistics_by_name["longest drawdown"]
    assert (still.value, still.note) == (2, "2021-01-05 to 2021-01-06, not over")


def test_h06_what_is_not_defined_is_none_and_never_0_or_infinite():
    flat = drawn([CASH] * 40)
    assert flat.value("total return") == 0
    for name in (
        "Sharpe", "Sortino", "Calmar", "win rate", "profit factor", "average gain", "average loss",
        "average holding",
    ):  # fmt: skip
        assert flat.value(name) is None, name
    assert flat.value("max drawdown") == 0
    # Every day the same gain: no spread, so no Sharpe, however the floats are rounded.
    even = drawn([round(CASH * 1.001**n) * 1 for n in range(1, 60)], 10**7)
    rising = [s for s in even.statistics_by_name.values() if s.name in ("Sortino", "Calmar")]
    assert [s.value for s in rising] == [None, None]
    assert "–" in {s.text for s in rising}
    frame = flat.statistics
    assert frame.filter(pl.col("name") == "Sharpe")["value"].to_list() == [None]
    assert not frame["value"].is_nan().any()
    assert not frame["value"].is_infinite().any()


def test_h06_a_few_days_are_not_annualised():
    few = drawn([CASH + 1_000 * (n % 3) for n in range(19)])
    assert few.value("volatility") is few.value("CAGR") is few.value("Sharpe") is None
    enough = drawn([CASH + 1_000 * (n % 3) for n in range(20)])
    assert enough.value("volatility") is not None


def test_h06_equity_that_is_gone_leaves_no_rate_of_growth():
    gone = drawn([CASH // 2, -1_000, -1_000] + [-1_000] * 30)
    assert gone.value("CAGR") is None
    assert gone.value("total return") == -1_000 / CASH - 1
    assert gone.daily["return"].null_count() == 31


def test_h06_statistics_equal_a_second_computation():
    result = BacktestResult(walked(codes=("005930", "000660")))
    worth = [CASH, *result.record.equity["equity"].to_list()]
    returns = [b / a - 1 for a, b in pairwise(worth)]
    year = (246 + 248 + 248 + 246 + 245) / 5
    deviation = statistics.stdev(returns)
    assert result.value("volatility") == pytest.approx(deviation * math.sqrt(year), rel=1e-12)
    assert result.value("Sharpe") == pytest.approx(
        statistics.mean(returns) / deviation * math.sqrt(year), rel=1e-9
    )
    assert result.value("CAGR") == pytest.approx((worth[-1] / CASH) ** (year / len(DAYS)) - 1)
    assert (result.value("best day"), result.value("worst day")) == (max(returns), min(returns))
    book = result.book
    assert result.value("costs paid") == sum(f.fee + f.tax for _, f in book.fills)
    assert result.value("turnover") == book.turnover
    assert result.value("realised after cost") == book.realised_net
    assert result.value("profit") == worth[-1] - CASH
    shares = [h / e for _, _, h, e in result.record.equity.iter_rows()]
    assert result.value("exposure") == pytest.approx(statistics.mean(shares))
    net = result.trades["pnl_net"].to_list()
    assert result.value("profit factor") == pytest.approx(
        sum(x for x in net if x > 0) / -sum(x for x in net if x < 0)
    )


def test_h06_statistics_equal_those_of_jquantstats_where_both_define_them_alike():
    jquantstats = pytest.importorskip("jquantstats")
    result = BacktestResult(walked(codes=("005930", "000660")), benchmark="005930")
    # The first day has no return of the benchmark, since no close precedes it.
    daily = result.daily.slice(1)
    theirs = jquantstats.Data.from_returns(
        daily.select("date", "return"),
        benchmark=daily.select("date", "benchmark_return"),
        date_col="date",
    ).stats
    year = days_a_year(DAYS[0], DAYS[-1])
    greeks = theirs.greeks(periods_per_year=year)["return"]
    assert result.value("beta") == pytest.approx(greeks["beta"])
    assert result.value("alpha") == pytest.approx(greeks["alpha"])
    assert result.value("information ratio") == pytest.approx(
        theirs.information_ratio(periods_per_year=year, annualise=True)["return"]
    )
    whole = jquantstats.Data.from_returns(
        result.daily.select("date", "return"), date_col="date"
    ).stats
    assert result.value("volatility") == pytest.approx(whole.volatility(periods=year)["return"])
    assert result.value("Sharpe") == pytest.approx(whole.sharpe(periods=year)["return"])
    assert result.value("Sortino") == pytest.approx(whole.sortino(periods=year)["return"])
    assert result.value("max drawdown") == pytest.approx(whole.max_drawdown()["return"])
    assert result.value("CAGR") == pytest.approx(whole.cagr(periods=year)["return"])
    assert result.value("Calmar") == pytest.approx(whole.calmar(periods=year)["return"])
    assert result.value("best day") == pytest.approx(whole.best()["return"])


def test_h06_the_win_rate_is_the_one_of_the_order_books_summary():
    result = BacktestResult(walked(codes=("005930", "000660", "035420")))
    summary = result.book.summary().row(-1, named=True)
    assert result.value("win rate") == summary["win_rate"]
    assert result.value("realised before cost") == summary["realised"]
    assert result.value("fills") == summary["fills"]
    assert result.value("costs paid") == summary["costs"]


def test_h06_a_run_equal_to_its_benchmark_has_beta_1_and_no_error():
    closes = [100.0 + (n * 7) % 13 for n in range(41)]
    equity = [round(CASH * c / closes[0]) for c in closes[1:]]
    result = drawn(equity, benchmark=closes)
    assert result.value("beta") == pytest.approx(1, abs=1e-6)
    assert result.value("alpha") == pytest.approx(0, abs=1e-4)
    assert result.value("excess return") == pytest.approx(0, abs=1e-6)
    assert result.value("tracking error") == pytest.approx(0, abs=1e-5)
    relative = result.daily["relative"].to_list()
    assert relative == pytest.approx([1.0] * 40, abs=1e-6)


def test_h06_a_day_on_which_the_benchmark_has_no_close_counts_for_neither():
    closes = pl.DataFrame({"date": DAYS, "close": [100.0 + n % 5 for n in range(len(DAYS))]})
    gap = closes.filter(~pl.col("date").is_in(pl.Series(DAYS[100:110]).implode()))
    result = BacktestResult(walked(), gap)
    assert result.daily["benchmark"].null_count() == 10
    # The day after the gap has a close, and no close before it.
    assert result.daily["benchmark_return"].null_count() == 1 + 11
    on = len(DAYS) - 12
    assert f"over the {on:,} days" in result.statistics_by_name["beta"].definition


def test_h06_a_benchmark_without_a_close_of_the_last_day_is_compared_up_to_its_newest_one():
    closes = pl.DataFrame({"date": DAYS[:-1], "close": [100.0 + n for n in range(len(DAYS) - 1)]})
    result = BacktestResult(walked(), closes)
    own, other = result.statistic("benchmark return"), result.statistic("excess return")
    assert own.value == pytest.approx((100 + len(DAYS) - 2) / 100 - 1)
    before = result.record.equity["equity"][-2] / CASH - 1
    assert other.value == pytest.approx(before - own.value, abs=1e-6)
    assert own.note == other.note == f"up to {DAYS[-2]}"
    whole = pl.DataFrame({"date": DAYS, "close": [100.0 + n for n in range(len(DAYS))]})
    assert BacktestResult(walked(), whole).statistic("benchmark return").note == ""


def test_h06_a_flat_benchmark_has_no_beta():
    flat = pl.DataFrame({"date": DAYS, "close": [2_000.0] * len(DAYS)})
    result = BacktestResult(walked(), flat)
    assert result.value("beta") is result.value("alpha") is None
    assert result.value("benchmark return") == 0


def test_h06_money_and_counts_are_integers():
    known = BacktestResult(walked(), "005930").statistics_by_name.values()
    whole = [s for s in known if s.unit in ("won", "gain", "count")]
    assert len(whole) > 10
    assert all(type(s.value) is int for s in whole)


def test_a_statistic_says_its_value_its_days_and_its_definition():
    said = drawn([12_000_000, 9_000_000]).statistic("max drawdown")
    assert repr(said) == (
        "max drawdown -25.00 % (2021-01-05): lowest equity at a day's end ÷ highest equity before "
        "it − 1"
    )


def test_an_unknown_statistic_is_refused_with_the_nearest_name():
    with pytest.raises(BadInput, match="Did you mean 'Sharpe'"):
        BacktestResult(walked()).value("sharpe")


@pytest.mark.parametrize(
    ("benchmark", "said"),
    [
        ("KOSP1", "is no benchmark"),
        ("000660", "The run has no bars of 000660"),
        (pl.DataFrame({"close": [1.0]}), "Give it a column date"),
        (pl.DataFrame({"date": DAYS[:2], "close": [1.0, 0.0]}), "has the close 0.0 on 2019-06-04"),
        (pl.DataFrame({"date": DAYS[:2], "close": [1.0, math.nan]}), "has the close nan"),
        (pl.DataFrame({"date": [DAYS[0]] * 2, "close": [1.0, 2.0]}), "two closes on 2019-06-03"),
        (
            pl.DataFrame({"date": [date(2001, 1, 2)], "close": [1.0]}),
            "has no close from 2019-06-03",
        ),
        (pl.DataFrame({"date": ["?"], "close": [1.0]}), "cannot be read"),
    ],
)
def test_h06_a_benchmark_that_cannot_serve_is_refused_with_the_cure(benchmark, said):
    with pytest.raises(BadInput, match=said):
        BacktestResult(walked(DAYS[:30]), benchmark)


def test_h06_an_index_without_its_file_names_the_cure(monkeypatch, tmp_path):
    monkeypatch.delenv("KISNB_DATA", raising=False)
    with pytest.raises(BadInput, match="Set KISNB_DATA to a folder with index_daily"):
        BacktestResult(walked(DAYS[:30]), "KOSPI")
    monkeypatch.setenv("KISNB_DATA", str(tmp_path))
    with pytest.raises(BadInput, match="Set KISNB_DATA"):
        BacktestResult(walked(DAYS[:30]), "KOSPI")


def test_h06_kospi_is_measured_from_its_close_before_the_run(monkeypatch, tmp_path):
    days = [date(2019, 5, 31), *DAYS]
    levels = [2_000.0 + n for n in range(len(days))]
    index = pl.DataFrame(
        {
            "index": ["KOSPI"] * len(days), "date": days,
            **dict.fromkeys(("open", "high", "low", "close"), levels),
            "volume": [1] * len(days), "turnover": [1] * len(days),
        }
    )  # fmt: skip
    index.write_parquet(tmp_path / "index_daily.parquet")
    monkeypatch.setenv("KISNB_DATA", str(tmp_path))
    result = BacktestResult(walked(), "KOSPI")
    assert result.value("benchmark return") == pytest.approx((2_000 + len(DAYS)) / 2_000 - 1)
    assert result.daily["benchmark_return"].null_count() == 0
    assert result.daily["benchmark_equity"][0] == round(CASH * 2_001 / 2_000)
