"""Bars over REST as DataFrames, oldest first: daily windows, minutes, and trades of this day.

Won and shares. KIS replies with the newest rows of a query and has no next page. For older rows the
caller asks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kisnb.clock import Ns, hhmmss, kst, kst_day
from kisnb.errors import BadInput
from kisnb.kis.calls.messages import ApiReply, encode_params
from kisnb.kis.calls.quote_messages import MARKET_DIV
from kisnb.kis.calls.row_fields import Message
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.wire_text import read_day, seconds_of, yyyymmdd
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

WINDOW_DAYS = 140
"""Calendar days of a window: 100 trading days if there is no holiday, the most of one reply."""
DAILY, TODAY, PAST, TRADES = (
    "inquire_daily_itemchartprice",
    "inquire_time_itemchartprice",
    "inquire_time_dailychartprice",
    "inquire_time_itemconclusion",
)
"""Names of the calls: daily bars, minutes of this day and of past days, trades of this day."""
# KIS states every number of a bar (workbook). A missing number is an error, and is not read as 0
# won.
_DAY_NUMBERS = ("stck_oprc", "stck_hgpr", "stck_lwpr", "stck_clpr", "acml_vol", "acml_tr_pbmn")
_DAY_BAR = Message(DAILY, stated=frozenset({"stck_bsop_date", *_DAY_NUMBERS}))
_MINUTE_NUMBERS = ("stck_oprc", "stck_hgpr", "stck_lwpr", "stck_prpr", "cntg_vol")
_MINUTE_BAR = Message(
    f"{TODAY} or {PAST}", stated=frozenset({"stck_bsop_date", "stck_cntg_hour", *_MINUTE_NUMBERS})
)
_MINUTE_OF_DAY = Message(_MINUTE_BAR.call, stated=_MINUTE_BAR.stated | {"acml_tr_pbmn"})

# The workbook names the price stck_pbpr in its table, and stck_prpr in its example.
_TRADE = Message(TRADES, stated=frozenset({"stck_cntg_hour", "cnqn", "acml_vol"}))


def daily_windows(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Yield windows that together cover every day from ``first`` to ``last``, newest first.

    Raises BadInput when ``first`` comes after ``last``.
    """
    if first > last:
        raise BadInput(f"{first} comes after {last}", "give the first day first")
    while first <= last:
        # KIS cuts a longer window to its newest 100 rows without an error, so earlier days would be
        # missing (clients' observation).
        begin = max(first, last - timedelta(days=WINDOW_DAYS - 1))
        yield begin, last
        last = begin - timedelta(days=1)


def daily_params(
    code: str, first: date, last: date, venue: Venue = Venue.KRX, *, is_adjusted: bool = True
) -> tuple[Api, dict[str, str]]:
    """Return the call for daily bars, adjusted or as they were traded, and its parameters."""
    api = APIS[DAILY]
    return api, encode_params(
        api,
        FID_COND_MRKT_DIV_CODE=MARKET_DIV[venue],
        FID_INPUT_ISCD=code,
        FID_INPUT_DATE_1=yyyymmdd(first),
        FID_INPUT_DATE_2=yyyymmdd(last),
        FID_PERIOD_DIV_CODE="D",
        # 0 means adjusted here, and raw in inquire-daily-price (workbook).
        FID_ORG_ADJ_PRC="0" if is_adjusted else "1",
    )


def read_daily(replies: Sequence[ApiReply]) -> pl.DataFrame:
    """Return a DataFrame of daily bars, one row a day, oldest first. Raises FrameError.

    Columns: date; open, high, low, close (won); volume (shares); value (won).
    """
    import polars as pl

    days = day_rows(row for reply in replies for row in reply.rows("output2"))
    rows = [(day, *days[day]) for day in sorted(days)]
    names = ("open", "high", "low", "close", "volume", "value")
    return pl.DataFrame(rows, {"date": pl.Date, **dict.fromkeys(names, pl.Int64)}, orient="row")


def day_rows(rows: Iterable[Mapping[str, str]]) -> dict[date, tuple[int, ...]]:
    """Return open, high, low, close (won), volume (shares) and value (won) by day.

    Raises FrameError.
    """
    # Two replies may have the same day. In a dict by day it counts once.
    days: dict[date, tuple[int, ...]] = {}
    for row in rows:
        # KIS fills up with rows that have no date.
        if row.get("stck_bsop_date", "").strip():
            bar = _DAY_BAR.fields(row)
            day = bar.read("stck_bsop_date", read_day)
            days[day] = tuple(bar.number(name) for name in _DAY_NUMBERS)
    return days


def minute_params(code: str, until: int, venue: Venue = Venue.KRX) -> tuple[Api, dict[str, str]]:
    """Return the call for up to thirty minutes of this day, and its parameters.

    The last minute is the one in which the moment ``until`` lies.
    """
    api = APIS[TODAY]
    return api, encode_params(
        api,
        FID_COND_MRKT_DIV_CODE=MARKET_DIV[venue],
        FID_INPUT_ISCD=code,
        FID_INPUT_HOUR_1=hhmmss(until),
        # N leaves out the days before this one (workbook).
        FID_PW_DATA_INCU_YN="N",
        # This must be present although it is empty (workbook).
        FID_ETC_CLS_CODE="",
    )


def past_minute_params(
    code: str, until: int, venue: Venue = Venue.KRX, *, days_before: bool = True
) -> tuple[Api, dict[str, str]]:
    """Return the call for up to 120 minutes before the moment ``until``, and its parameters.

    When the day of ``until`` has fewer, minutes of earlier days follow. With ``days_before`` False,
    no minutes of earlier days follow.
    """
    api = APIS[PAST]
    return api, encode_params(
        api,
        FID_COND_MRKT_DIV_CODE=MARKET_DIV[venue],
        FID_INPUT_ISCD=code,
        FID_INPUT_HOUR_1=hhmmss(until),
        FID_INPUT_DATE_1=yyyymmdd(kst_day(until)),
        # Y lets the rows reach back into the days before (workbook).
        FID_PW_DATA_INCU_YN="Y" if days_before else "N",
        FID_FAKE_TICK_INCU_YN="",
    )


def minute_rows(
    rows: Iterable[Mapping[str, str]], *, with_value: bool = False
) -> dict[Ns, tuple[int, ...]]:
    """Return open, high, low, close (won) and volume (shares) by start (UTC ns).

    With ``with_value`` each tuple also has the day's accumulated traded value (won) at the end of
    the minute. Raises FrameError.
    """
    message = _MINUTE_OF_DAY if with_value else _MINUTE_BAR
    names = (*_MINUTE_NUMBERS, "acml_tr_pbmn") if with_value else _MINUTE_NUMBERS
    minutes: dict[Ns, tuple[int, ...]] = {}
    for row in rows:
        # KIS fills up with rows that have no date.
        if row.get("stck_bsop_date", "").strip():
            bar = message.fields(row)
            t = kst(bar.read("stck_bsop_date", read_day), bar.read("stck_cntg_hour", seconds_of))
            minutes[t] = tuple(bar.number(name) for name in names)
    return minutes


def read_minutes(replies: Sequence[ApiReply]) -> pl.DataFrame:
    """Return a DataFrame of minute bars, one row a minute, oldest first. Raises FrameError.

    Columns: t (start, UTC ns); open, high, low, close (won); volume (shares).
    """
    import polars as pl

    minutes = minute_rows(row for reply in replies for row in reply.rows("output2"))
    rows = [(t, *minutes[t]) for t in sorted(minutes)]
    return pl.DataFrame(
        rows, dict.fromkeys(("t", "open", "high", "low", "close", "volume"), pl.Int64), orient="row"
    )


def trade_params(code: str, until: int, venue: Venue = Venue.KRX) -> tuple[Api, dict[str, str]]:
    """Return the call for the newest thirty trades of this day up to a second, and its parameters.

    The last second is the one in which the moment ``until`` lies.
    """
    api = APIS[TRADES]
    return api, encode_params(
        api,
        FID_COND_MRKT_DIV_CODE=MARKET_DIV[venue],
        FID_INPUT_ISCD=code,
        FID_INPUT_HOUR_1=hhmmss(until),
    )


def trade_rows(rows: Iterable[Mapping[str, str]], day: date) -> list[tuple[Ns, int, int, int]]:
    """Return each trade as (time, price, shares, volume). Time is in UTC ns, in whole seconds.

    Price is in won. Volume is that of the day so far, this trade included.

    KIS's rows state no day, so the caller names it. Raises FrameError.
    """
    trades = []
    for row in rows:
        # KIS fills up with rows that have no time.
        if row.get("stck_cntg_hour", "").strip():
            trade = _TRADE.fields(row)
            t = kst(day, trade.read("stck_cntg_hour", seconds_of))
            price = trade.number("stck_pbpr" if row.get("stck_pbpr", "").strip() else "stck_prpr")
            trades.append((t, price, trade.number("cnqn"), trade.number("acml_vol")))
    return trades
