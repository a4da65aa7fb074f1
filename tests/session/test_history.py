"""Bars of past days in a session: from the store, and from KIS for what it lacks. Row H01."""

from __future__ import annotations

from datetime import date

import polars as pl

from kisnb.session.session import Session
from tests.session.opening import on_simulated_day, recording

DAILY = "inquire-daily-itemchartprice"


def calls(path: str) -> int:
    """The calls of this path that reached the simulator."""
    return sum(line["kind"] == "request" and path in line["path"] for line in recording())


@on_simulated_day()
async def test_h01_history_downloads_once_and_then_reads_the_store(session: Session) -> None:
    bars = await session.history("005930", start="2026-03-02")
    assert bars.schema == {
        "date": pl.Date,
        "code": pl.String,
        "venue": pl.String,
        **dict.fromkeys(("open", "high", "low", "close", "volume", "value"), pl.Int64),
    }
    assert (bars["date"][0], bars["date"][-1]) == (date(2026, 3, 3), date(2026, 11, 19))
    # 263 calendar days are two windows of at most 140.
    assert calls(DAILY) == 2
    again = await session.history("005930", start="2026-03-02")
    assert again.equals(bars)
    assert calls(DAILY) == 2
    await session.history("005930", start="2026-02-23")
    assert calls(DAILY) == 3
