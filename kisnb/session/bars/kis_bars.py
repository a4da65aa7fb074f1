"""Pages of bars from KIS, asked for through the desk, so that its rate limiter counts them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from kisnb.clock import Ns
from kisnb.errors import NotOffered
from kisnb.history.series import BarKind, Basis, Series
from kisnb.kis.calls.chart_messages import (
    WINDOW_DAYS,
    daily_params,
    day_rows,
    minute_params,
    minute_rows,
    past_minute_params,
)
from kisnb.kis.catalogue import Api
from kisnb.session.bars.asking import Asking
from kisnb.terms import Venue
from kisnb.trading.ports.queries import CallApi

if TYPE_CHECKING:
    import polars as pl


class KisBars:
    """Gives pages of bars; implements ``history.bar_source``. Each raises KisnbError."""

    window_days = WINDOW_DAYS

    def __init__(self, desk: Asking) -> None:
        self._desk = desk

    async def days(
        self, code: str, venue: Venue, basis: Basis, first: date, last: date
    ) -> pl.DataFrame:
        """Return the daily bars of a window, at most 100 (KIS's workbook)."""
        is_adjusted = basis is Basis.ADJUSTED
        rows = await self._rows(*daily_params(code, first, last, venue, is_adjusted=is_adjusted))
        return _frame(Series(BarKind.DAY, venue, basis), code, day_rows(rows))

    async def minutes(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Return at most 120 minutes up to ``until``, also of the days before (KIS's workbook)."""
        api, params = past_minute_params(code, until, venue)
        try:
            rows = await self._rows(api, params)
        except NotOffered as e:
            text = e.text.replace(api.name, "minute bars of past days")
            cure = f"{e.cure}; daily bars and the minutes of today are there"
            raise NotOffered(text, cure) from e
        return _minutes(code, venue, rows)

    async def minutes_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Return at most 30 minutes of this day up to ``until`` (KIS's workbook)."""
        return _minutes(code, venue, await self._rows(*minute_params(code, until, venue)))

    async def _rows(self, api: Api, params: dict[str, str]) -> list[dict[str, str]]:
        reply = await self._desk.ask(CallApi(api.name, params))
        return reply.blocks["output2"]


def _minutes(code: str, venue: Venue, rows: list[dict[str, str]]) -> pl.DataFrame:
    series = Series(BarKind.MINUTE, venue, Basis.RAW)
    return _frame(series, code, minute_rows(rows, with_value=True))


def _frame(
    series: Series, code: str, bars: Mapping[date, tuple[int, ...]] | Mapping[Ns, tuple[int, ...]]
) -> pl.DataFrame:
    import polars as pl

    rows = [(code, at, *_traded(numbers)) for at, numbers in sorted(bars.items())]
    return pl.DataFrame(rows, schema=series.schema(), orient="row")


def _traded(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Return a bar whose prices are all there.

    A stock that is halted all day has a close and no other price at KIS.
    """
    opened, high, low, close, volume, value = numbers
    if not volume and not opened:
        return close, close, close, close, 0, value
    return opened, high, low, close, volume, value
