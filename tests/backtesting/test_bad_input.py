"""A mistake in a back-test gets one clear sentence with its cure. (H06, N03)"""

from __future__ import annotations

import math
import signal
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import kisnb
from kisnb.errors import BadInput, ConfigError
from kisnb.events import Bar, Tick
from tests.backtesting.bars import CODE, daily, flat, minutes
from tests.backtesting.test_ticks import trades

DATA = flat([70_000, 71_000, 72_000])


class Idle(kisnb.Agent):
    every = "1d"

    def on_bar(self, bar: Bar) -> None: ...


def ran(agent: Any = Idle, data: Any = DATA, **options: Any) -> Any:
    return kisnb.backtest(agent, data, **{"costs": "bankis", **options})


def changed(name: str, value: Any) -> pl.DataFrame:
    column = pl.when(pl.int_range(pl.len()) == 1).then(pl.lit(value)).otherwise(pl.col(name))
    return DATA.with_columns(column.alias(name))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DATA.drop("close", "volume"), r"no column close, volume.*Name the columns code, time"),
        (DATA.drop("code"), r"no column code.*give the agent its code"),
        (DATA.clear(), r"no bars in the data"),
        (changed("high", 60_000), r"005930 at 2024-03-05 00:00 has a high below its low"),
        (changed("open", 80_000), r"opens outside its high and low"),
        (changed("close", 69_000), r"closes outside its high and low"),
        (changed("low", -5), r"has a price of 0 or less.*Drop the bar"),
        (changed("volume", -1), r"has a volume below 0"),
        (changed("close", None), r"has no close.*Give the value, or drop it"),
        (changed("close", math.nan), r"has no close"),
        (changed("close", 71_000.5), r"has a close of 71000.5.*round the columns"),
        (pl.concat([DATA, DATA.head(1)]), r"stands twice in the data.*unique"),
        (
            DATA.with_columns(date=pl.col("date") + pl.duration(days=5)),
            r"Saturday, 2024-03-09, and",
        ),
        (DATA.with_columns(code=pl.lit("5930")), r"'5930' is not a stock code.*'005930'"),
        (DATA.with_columns(date=pl.lit("soon")), r"row 1 of the bars has no time"),
        ({}, r"no bars in the data.*a DataFrame for each code"),
        (7, r"int holds no bars.*polars DataFrame"),
        (Path("nowhere.parquet"), r"nowhere.parquet cannot be read.*parquet or a CSV file"),
    ],
)
def test_h06_bars_that_contradict_themselves_are_refused(data: Any, words: str) -> None:
    with pytest.raises(BadInput, match=f"(?i){words}"):
        ran(data=data)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "2025-01-01"}, r"no trading day with bars lies between 2025.*from 2024"),
        ({"start": "soon"}, r"'soon' is not a date.*2024-01-31"),
        ({"fills": 0}, r"fills=0 is no share.*1 to 100 percent, or None"),
        ({"sizing": "later"}, r"later.*decision"),
        ({"latency": -1}, r"latency"),
        ({"cash": 0}, r"the cash"),
        ({"params": {"speed": 3}}, r"Idle has no parameter 'speed'"),
    ],
)  # fmt: skip
def test_h06_a_wrong_argument_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=f"(?i){words}"):
        ran(**options)


def test_h06_an_agent_that_bars_cannot_drive_is_refused() -> None:
    class NoLength(kisnb.Agent):
        def on_bar(self, bar: Bar) -> None: ...

    class OnTicks(kisnb.Agent):
        every = "1d"

    class Minutes(Idle):
        every = "1m"

    with pytest.raises(BadInput, match=r"names no length of bars.*every = '1d'"):
        ran(NoLength)
    with pytest.raises(BadInput, match=r"OnTicks has no on_bar.*give ticks"):
        ran(OnTicks)
    with pytest.raises(BadInput, match=r"wants bars of 1m, and the data have bars of 1d"):
        ran(Minutes)
    with pytest.raises(BadInput, match=r"do not have 000660, the stock of Idle.*005930"):
        ran(Idle(code="000660"))
    with pytest.raises(BadInput, match="is not an agent"):
        ran([3])


def test_m04_a_sale_before_the_tax_table_needs_the_tax_in_words() -> None:
    rows = [(70_000, 70_000, 70_000, 70_000, 9)] * 3
    old = daily(rows, first=date(2018, 5, 2))
    with pytest.raises(ConfigError, match=r"begin on 2018-05-02.*start='2019-06-03', or costs="):
        ran(data=old)
    ran(data=old.with_columns(code=pl.lit("069500")))  # an ETF pays none


@pytest.mark.parametrize("wish", ["nan", "code", "peek", "weight", "text"])
def test_h06_a_mistake_of_an_agent_is_named_with_its_line(wish: str) -> None:
    class Mistaken(Idle):
        def on_bar(self, bar: Bar) -> None:
            match wish:
                case "nan":
                    self.buy(math.nan)  # type: ignore[arg-type]
                case "code":
                    self.buy(1, code="000660")
                case "peek":
                    self.bars("1d", 5)[1 + len(self.bars("1d", 5))]
                case "weight":
                    self.target(math.nan)
                case "text":
                    self.buy_value("much")  # type: ignore[arg-type]

    words = {
        "nan": "nan",
        "code": "orders 000660, of which the back-test has no bars",
        "peek": "an agent sees the bars that have closed",
        "weight": "the weight nan is not a part of the equity",
        "text": "the amount",
    }
    with pytest.raises(RuntimeError, match=f"(?i){words[wish]}") as caught:
        ran(Mistaken)
    assert "line" in str(caught.value)


@pytest.mark.parametrize("wish", ["nan", "code", "peek", "weight"])
def test_h06_a_mistake_over_trades_is_named_with_its_line(wish: str) -> None:
    class Mistaken(kisnb.Agent):
        code: str = CODE

        def on_tick(self, tick: Tick) -> None:
            match wish:
                case "nan":
                    self.buy(math.nan)  # type: ignore[arg-type]
                case "code":
                    self.buy(1, code="000660")
                case "peek":
                    self.bars("1m", 5)[len(self.bars("1m", 5))]
                case "weight":
                    self.target(math.nan)

    words = {
        "nan": "the quantity nan is not a whole number",
        "code": "orders 000660, of which the back-test has no trades",
        "peek": "index out of range",
        "weight": "the weight nan is not a part of the equity",
    }
    with pytest.raises(RuntimeError, match=f"(?i){words[wish]}") as caught:
        kisnb.backtest(Mistaken(), trades(1, 1, 30), costs="bankis")
    assert "Mistaken.on_tick, line" in str(caught.value)


def test_h06_trades_of_a_closed_day_and_an_empty_range_are_refused() -> None:
    class Follows(kisnb.Agent):
        code: str = CODE

        def on_tick(self, tick: Tick) -> None: ...

    data = trades(1, 1, 30)
    saturday = data.with_columns(pl.col("time") + pl.duration(days=5))
    with pytest.raises(BadInput, match=r"Saturday, 2024-03-09, and KRX did not trade"):
        kisnb.backtest(Follows(), saturday, costs="bankis")
    with pytest.raises(BadInput, match=r"(?i)no trade lies between 2025.*go from 2024-03-04"):
        kisnb.backtest(Follows(), data, costs="bankis", start="2025-01-02")
    old = data.with_columns(pl.lit(datetime(2018, 5, 2, 9, 30)).alias("time"))  # noqa: DTZ001 - Korean wall time
    with pytest.raises(ConfigError, match=r"begin on 2018-05-02"):
        kisnb.backtest(Follows(), old, costs="bankis")


@pytest.mark.parametrize("shell", [signal.default_int_handler, signal.SIG_IGN])
def test_h06_an_agent_that_does_not_return_ends_the_run_with_its_line(
    shell: signal.Handlers,
) -> None:
    """Also in a program that a shell has started with ``&``: it ignores SIGINT."""

    class Endless(Idle):
        def on_bar(self, bar: Bar) -> None:
            while True:
                pass

    before = signal.signal(signal.SIGINT, shell)
    try:
        with pytest.raises(RuntimeError, match=r"not returned for 0.2 s: Endless\.on_bar, line"):
            ran(Endless, patience=0.2)
        assert signal.getsignal(signal.SIGINT) is shell
    finally:
        signal.signal(signal.SIGINT, before)


def test_h06_times_without_a_zone_are_korean_and_a_csv_is_read_like_a_table(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    data = minutes(1, 3)
    data.write_csv(file)

    class Minutes(Idle):
        every = "1m"

    record = ran(Minutes(code=CODE), file)
    assert record.bars["time"][0].replace(tzinfo=None) == datetime(2024, 3, 4, 9)  # noqa: DTZ001 - Korean wall time
    assert record.bars["close"].to_list() == data["close"].to_list()
