"""Trades of this day: where holes are, and what KIS is asked for. Rows H01 and H02."""

from __future__ import annotations

import asyncio
from datetime import date, time

import polars as pl

from kisnb.clock import MINUTE, SECOND, Ns, kst
from kisnb.history.trades import joined, missing_shares, trades_from_kis, trades_of
from kisnb.terms import Venue
from tests.history.test_download import Traded

NINE = kst(date(2026, 11, 20), time(9))
SERIES = trades_of(Venue.KRX)
PAGE = 30


def trades(*seconds: int, side: str | None = None) -> pl.DataFrame:
    """Trades of ten shares, one for each of these seconds after nine."""
    rows = [
        ("005930", NINE + second * SECOND, 70_000, 10, side, 10 * n)
        for n, second in enumerate(seconds, start=1)
    ]
    return pl.DataFrame(rows, schema=SERIES.schema(), orient="row")


class Trading(Traded):
    """Gives the newest thirty trades up to a second, as KIS does."""

    def __init__(self, of_day: pl.DataFrame) -> None:
        super().__init__()
        self.of_day = of_day
        self.pages: list[Ns] = []

    async def trades_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        self.pages.append(until)
        moment = pl.lit(until).cast(pl.Datetime("ns", "UTC"))
        return self.of_day.filter(pl.col("t") <= moment).tail(PAGE)


def brought(source: Trading, since: Ns, until: Ns, there: pl.DataFrame) -> pl.DataFrame:
    return asyncio.run(trades_from_kis(source, "005930", Venue.KRX, since, until, there))


def test_h02_all_trades_of_a_span_come_page_by_page() -> None:
    of_day = trades(*range(0, 600, 3))
    source = Trading(of_day)
    found = brought(source, NINE + MINUTE, NINE + 10 * MINUTE, of_day.clear())
    assert found.equals(of_day.filter(pl.col("t") >= pl.lit(NINE + MINUTE).cast(found["t"].dtype)))
    assert missing_shares(found) == 0
    assert len(source.pages) == 7


def test_h02_a_page_that_ends_within_a_second_loses_no_trade() -> None:
    of_day = trades(*(second for second in range(40) for _ in range(7)))
    found = brought(Trading(of_day), NINE, NINE + MINUTE, of_day.clear())
    assert found.equals(of_day)


def test_h02_a_second_with_more_trades_than_a_page_is_said_to_lack_shares() -> None:
    of_day = trades(1, 2, *[3] * 50, 4)
    found = brought(Trading(of_day), NINE, NINE + MINUTE, of_day.clear())
    # The first twenty-one trades of the second cannot be had: the page of 09:00:03 has the last 30.
    assert found["volume"].to_list() == [10, 20, *range(230, 540, 10)]
    assert missing_shares(found) == 200


def test_h02_trades_that_are_there_are_not_asked_for_and_keep_their_side() -> None:
    of_day = trades(*range(600))
    seen = trades(*range(600), side="buy")
    there = seen.filter((pl.col("volume") < 500) | pl.col("volume").is_between(2_000, 5_900))
    source = Trading(of_day)
    found = brought(source, NINE, NINE + 10 * MINUTE, there)
    assert found.drop("side").equals(of_day.drop("side"))
    # Ten trades at the end and 150 in the middle are missing.
    assert len(source.pages) < 10
    assert found["side"].null_count() == 600 - len(there)
    assert joined(SERIES, there, of_day).filter(pl.col("side") == "buy").height == len(there)
    assert missing_shares(there) == 1_500
