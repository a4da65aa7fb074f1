"""Pages of past days from KIS, asked for through the desk, so that its rate limiter counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from kisnb.clock import Ns, kst_day
from kisnb.errors import NotOffered
from kisnb.history.download import minutes_of
from kisnb.history.series import Series, SeriesKind
from kisnb.history.trades import trades_of
from kisnb.kis.calls import chart_messages, flow_messages, index_messages
from kisnb.kis.catalogue import Api
from kisnb.session.asking import Asking
from kisnb.terms import Venue
from kisnb.trading.ports.queries import CallApi

if TYPE_CHECKING:
    import polars as pl

WINDOWS = {
    SeriesKind.DAY: chart_messages.WINDOW_DAYS,
    SeriesKind.FLOW: flow_messages.WINDOW_DAYS,
    SeriesKind.INDEX: index_messages.WINDOW_DAYS,
}
"""Calendar days that one page covers, by kind of series."""


class KisSource:
    """Asks KIS for pages of past days; implements ``history.history_source``.

    Each method raises KisnbError.
    """

    def __init__(self, desk: Asking) -> None:
        self._desk = desk

    def window_days(self, kind: SeriesKind) -> int:
        """Return the number of calendar days that one page of a daily series always covers."""
        return WINDOWS[kind]

    async def days(self, series: Series, code: str, first: date, last: date) -> pl.DataFrame:
        """Return the rows of a window: at most 100 daily bars, 30 flows or 50 bars of an index.

        The numbers are those of KIS's workbook.
        """
        match series.kind:
            case SeriesKind.FLOW:
                rows = await self._rows(*flow_messages.flow_params(code, last, series.venue))
                # The column close is left out: KIS adjusts it later, and the store would not
                # notice.
                flows = flow_messages.flow_rows(rows)
                return _frame(series, code, {day: flow[1:] for day, flow in flows.items()})
            case SeriesKind.INDEX:
                rows = await self._rows(*index_messages.index_params(code, first, last))
                return _frame(series, code, index_messages.index_rows(rows))
            case _:
                rows = await self._rows(
                    *chart_messages.daily_params(
                        code, first, last, series.venue, is_adjusted=series.basis == "adjusted"
                    )
                )
                bars = chart_messages.day_rows(rows)
                return _frame(series, code, {day: _traded(bar) for day, bar in bars.items()})

    async def minutes(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Return at most 120 minutes up to ``until``, also from earlier days (KIS's workbook)."""
        api, params = chart_messages.past_minute_params(code, until, venue)
        try:
            rows = await self._rows(api, params)
        except NotOffered as e:
            text = e.text.replace(api.name, "minute bars of past days")
            cure = f"{e.cure}; daily bars and the minutes of today are there"
            raise NotOffered(text, cure) from e
        return _minutes(code, venue, rows)

    async def minutes_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Return at most 30 minutes of this day up to ``until`` (KIS's workbook)."""
        rows = await self._rows(*chart_messages.minute_params(code, until, venue))
        return _minutes(code, venue, rows)

    async def trades_of_today(self, code: str, venue: Venue, until: Ns) -> pl.DataFrame:
        """Return at most 30 trades of this day up to the second of ``until`` (KIS's workbook)."""
        rows = await self._rows(*chart_messages.trade_params(code, until, venue))
        trades = chart_messages.trade_rows(rows, kst_day(until))
        return _typed(
            trades_of(venue), [(code, t, price, qty, None, done) for t, price, qty, done in trades]
        )

    async def _rows(self, api: Api, params: dict[str, str]) -> list[dict[str, str]]:
        reply = await self._desk.ask(CallApi(api.name, params))
        return reply.blocks["output2"]


def _minutes(code: str, venue: Venue, rows: list[dict[str, str]]) -> pl.DataFrame:
    bars = chart_messages.minute_rows(rows, with_value=True)
    return _frame(minutes_of(venue), code, {t: _traded(bar) for t, bar in bars.items()})


def _frame(
    series: Series,
    code: str,
    bars: Mapping[date, Sequence[float]] | Mapping[Ns, Sequence[float]],
) -> pl.DataFrame:
    return _typed(series, [(code, at, *numbers) for at, numbers in sorted(bars.items())])


def _typed(series: Series, rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, schema=series.schema(), orient="row")


def _traded(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Return a bar without missing prices. On a day without a trade, all its prices are the close.

    For a stock that is halted all day, KIS gives a close and no other price.
    """
    opened, high, low, close, volume, value = numbers
    if not volume and not opened:
        return close, close, close, close, 0, value
    return opened, high, low, close, volume, value
