"""Replies with bars: days, weeks, months and years, and minutes. Newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from kisnb.clock import hhmmss, kst_day
from kisnb.kis.wire_text import yyyymmdd
from kisnb.market.calendar import previous_trading_day
from kisnb.simulator.replies.bars import PERIODS, DayBar, MinuteBar, joined
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    code_of,
    day_of,
    one_of,
    pick,
    time_of,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import bar_fields, depth_fields, stock_fields
from kisnb.terms import Side, Venue

DAYS_ROWS = 30
"""Rows of inquire-daily-price (KIS's workbook)."""
DAILY_PRICE_REACH = {
    "D": timedelta(days=60),
    "W": timedelta(weeks=32),
    "M": timedelta(days=31 * 32),
}
"""Reach back that contains thirty trading days, weeks or months."""
WINDOW_ROWS = 100
"""Rows of inquire-daily-itemchartprice (KIS's workbook)."""
TODAY_ROWS = 30
"""Rows of inquire-time-itemchartprice (KIS's workbook)."""
PAST_ROWS = 120
"""Rows of inquire-time-dailychartprice (KIS's workbook)."""
TAKER_DAYS = 10
"""Days of volume by taker. Each day is played again to count it, so there are few."""


class Charts:
    """Replies with bars.

    The simulated market has no splits, so raw and adjusted prices are the same. Each reply raises
    ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def answers(self) -> dict[str, Answer]:
        """Return the calls that this class answers, by name."""
        return {
            "inquire_daily_price": self.inquire_daily_price,
            "inquire_daily_itemchartprice": self.inquire_daily_itemchartprice,
            "inquire_time_itemchartprice": self.inquire_time_itemchartprice,
            "inquire_time_dailychartprice": self.inquire_time_dailychartprice,
            "inquire_daily_trade_volume": self.inquire_daily_trade_volume,
        }

    def inquire_daily_price(self, params: Params) -> Blocks:
        """Return the last thirty days, weeks or months (주식현재가 일자별)."""
        venue, code = venue_of(params), code_of(params, self._view.universe)
        period = one_of(params, "FID_PERIOD_DIV_CODE", "D", "W", "M")
        bars = self._bars(code, venue, period, self._view.day - DAILY_PRICE_REACH[period])
        # One bar more than is shown, so that the oldest row has a change.
        rows = self._rows("inquire_daily_price", "output", bars[: DAYS_ROWS + 1])
        return {"output": rows[:DAYS_ROWS]}

    def inquire_daily_itemchartprice(self, params: Params) -> Blocks:
        """Return the newest bars of a window, at most 100 (국내주식기간별시세)."""
        venue, code = venue_of(params), code_of(params, self._view.universe)
        period = one_of(params, "FID_PERIOD_DIV_CODE", *PERIODS)
        first, last = day_of(params, "FID_INPUT_DATE_1"), day_of(params, "FID_INPUT_DATE_2")
        # A bar before the window stays in the list, because the oldest row is compared with it.
        bars = [bar for bar in self._bars(code, venue, period, first) if bar.day <= last]
        api = "inquire_daily_itemchartprice"
        # KIS cuts a window to 100 rows (workbook); a client walks back with earlier windows.
        kept = sum(1 for bar in bars if bar.day >= first)
        rows = self._rows(api, "output2", bars[: min(kept, WINDOW_ROWS) + 1])[
            : min(kept, WINDOW_ROWS)
        ]
        head = stock_fields(self._view, code, venue) | depth_fields(self._view.depth(code, venue))
        return {"output1": pick(api, "output1", head), "output2": rows}

    def inquire_time_itemchartprice(self, params: Params) -> Blocks:
        """Return this day's minutes up to a time, at most thirty (주식당일분봉조회).

        A time to come means now.
        """
        venue, code = venue_of(params), code_of(params, self._view.universe)
        # KIS answers a time to come with the rows up to now (workbook).
        until = time_of(params, "FID_INPUT_HOUR_1")
        bars = [bar for bar in self._view.minutes(code, venue) if hhmmss(bar.t) <= until]
        return self._minutes("inquire_time_itemchartprice", code, venue, bars[::-1][:TODAY_ROWS])

    def inquire_time_dailychartprice(self, params: Params) -> Blocks:
        """Return at most 120 minutes back from a day and time (주식일별분봉조회).

        FID_PW_DATA_INCU_YN Y goes on into the days before.
        """
        venue, code = venue_of(params), code_of(params, self._view.universe)
        until, day = (
            time_of(params, "FID_INPUT_HOUR_1"),
            min(day_of(params, "FID_INPUT_DATE_1"), self._view.day),
        )
        # KIS's flag for past data (workbook: inquire-time-dailychartprice). Without it the reply
        # ends at the morning of the day that was asked for.
        further = params["FID_PW_DATA_INCU_YN"] == "Y"
        bars = [bar for bar in self._minutes_of(code, day, venue) if hhmmss(bar.t) <= until][::-1]
        while further and len(bars) < PAST_ROWS:
            day = previous_trading_day(day)
            before = self._minutes_of(code, day, venue)
            # A day without minutes ends the walk back: no day before it has any.
            if not before:
                break
            bars += before[::-1]
        return self._minutes("inquire_time_dailychartprice", code, venue, bars[:PAST_ROWS])

    def inquire_daily_trade_volume(self, params: Params) -> Blocks:
        """Return each day's shares by the taker's side (종목별일별매수매도체결량)."""
        venue, code = venue_of(params), code_of(params, self._view.universe)
        first = day_of(params, "FID_INPUT_DATE_1", date.min)
        last = day_of(params, "FID_INPUT_DATE_2", self._view.day)
        kept = self._view.days(code, self._view.trading_days_since(last) + TAKER_DAYS, venue)
        days = [bar.day for bar in kept if first <= bar.day <= last][:TAKER_DAYS]
        rows: list[Row] = []
        for day in days:
            trades = self._view.trades_of(code, day, venue)
            bought = sum(trade.qty for trade in trades if trade.side is Side.BUY)
            sold = sum(trade.qty for trade in trades if trade.side is Side.SELL)
            rows.append(
                {"stck_bsop_date": yyyymmdd(day), "total_seln_qty": sold, "total_shnu_qty": bought}
            )
        whole = {
            "shnu_cnqn_smtn": sum(int(str(row["total_shnu_qty"])) for row in rows),
            "seln_cnqn_smtn": sum(int(str(row["total_seln_qty"])) for row in rows),
        }
        return {"output1": {**whole}, "output2": rows}

    def _bars(self, code: str, venue: Venue, period: str, first: date) -> list[DayBar]:
        """Return bars back to ``first``, newest first."""
        # Two days more than the window: one for the change of the oldest row, and one for this day,
        # which may have no bar yet.
        days = self._view.days(code, self._view.trading_days_since(first) + 2, venue)
        return joined(days, period)

    def _rows(self, api: str, block: str, bars: Sequence[DayBar]) -> list[Row]:
        """Return rows of bars.

        Each bar is compared with the bar before it in time, which is the next one in the list.
        """
        # The oldest bar has none before it; it is compared with its own open.
        befores = [*(bar.close for bar in bars[1:]), bars[-1].open] if bars else []
        return [
            pick(api, block, bar_fields(bar, before))
            for bar, before in zip(bars, befores, strict=True)
        ]

    def _minutes_of(self, code: str, day: date, venue: Venue) -> list[MinuteBar]:
        if day == self._view.day:
            return self._view.minutes(code, venue)
        return self._view.past_minutes(code, day, venue)

    def _minutes(self, api: str, code: str, venue: Venue, bars: Sequence[MinuteBar]) -> Blocks:
        rows: list[Row] = [
            {
                "stck_bsop_date": yyyymmdd(kst_day(bar.t)),
                "stck_cntg_hour": hhmmss(bar.t),
                "stck_prpr": bar.close,
                "stck_oprc": bar.open,
                "stck_hgpr": bar.high,
                "stck_lwpr": bar.low,
                # acml_tr_pbmn of a minute is that of the whole day so far (workbook).
                "cntg_vol": bar.volume,
                "acml_tr_pbmn": bar.value,
            }
            for bar in bars
        ]
        return {
            "output1": pick(api, "output1", stock_fields(self._view, code, venue)),
            "output2": rows,
        }
