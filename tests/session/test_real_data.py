"""Sessions over real prices: the real listing, and a real daily bar as a stock's day."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kisnb.errors import OrderDenied
from kisnb.session.session import Session
from tests.session.opening import posts, traded

pytestmark = pytest.mark.data
DAY = date(2020, 3, 19)


def test_a_real_daily_bar_is_the_stocks_day():
    bars = pl.read_parquet(Path(os.environ["KISNB_DATA"]) / "krx_daily.parquet").filter(
        pl.col("code") == "000660"
    )
    real = bars.filter(pl.col("date") == DAY).row(0, named=True)
    before = bars.filter(pl.col("date") < DAY).sort("date").row(-1, named=True)

    async def work(session: Session) -> None:
        quote = await session.quote("000660")
        assert (quote.name, quote.base) == ("SK하이닉스", before["close"])
        await session.watch("000660")
        await session.until("15:31")
        ticks = session.ticks("000660")
        seen = (ticks["price"][0], ticks["price"].max(), ticks["price"].min(), ticks["price"][-1])
        assert seen == (real["open"], real["high"], real["low"], real["close"])
        # what traded at yesterday's close before the open counts too
        assert real["volume"] <= ticks["volume"][-1] < real["volume"] * 1.001

    traded(work, date=str(DAY), start="08:59")


def test_the_real_listing_is_the_universe():
    async def work(session: Session) -> None:
        assert len(session.universe) >= 2_764
        lettered = next(
            i
            for i in session.universe
            if not i.code.isdecimal() and i.code[0] == "0" and not i.halted
        )
        assert (await session.quote(lettered.code)).base > 0
        halted = next(i for i in session.universe if i.halted)
        with pytest.raises(OrderDenied, match="has halted trading in"):
            await session.buy(halted.code, 1)

    traded(work)
    assert posts() == []
