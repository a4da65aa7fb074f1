"""Net purchases of a stock by group, day by day: investor-trade-by-stock-daily as a DataFrame.

Shares and won.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from kisnb.kis.calls.messages import ApiReply, encode_params
from kisnb.kis.calls.quote_messages import MARKET_DIV
from kisnb.kis.calls.row_fields import Message
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.wire_text import read_day, yyyymmdd
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

WINDOW_DAYS = 42
"""Calendar days of a window: 30 trading days if there is no holiday, those of one reply."""
MILLION = 1_000_000
"""KIS states values in million won (workbook)."""
GROUPS = {"individual": "prsn", "foreign": "frgn", "institution": "orgn"}
"""The first letters of KIS's fields about a group, by our name of the group."""
# KIS states the figures of every group for a day that has closed (workbook).
_FLOW = Message(
    "investor_trade_by_stock_daily",
    stated=frozenset(
        {"stck_bsop_date", "stck_clpr", "acml_vol"}
        | {f"{stem}_ntby_{unit}" for stem in GROUPS.values() for unit in ("qty", "tr_pbmn")}
    ),
)


def flow_params(code: str, last: date, venue: Venue = Venue.KRX) -> tuple[Api, dict[str, str]]:
    """Return the call for the flows of thirty days up to ``last``, and its parameters.

    The figures of a day are final when its market has closed.
    """
    api = APIS["investor_trade_by_stock_daily"]
    return api, encode_params(
        api,
        FID_COND_MRKT_DIV_CODE=MARKET_DIV[venue],
        FID_INPUT_ISCD=code,
        FID_INPUT_DATE_1=yyyymmdd(last),
        FID_ORG_ADJ_PRC="",
        FID_ETC_CLS_CODE="",
    )


def read_flows(replies: Sequence[ApiReply]) -> pl.DataFrame:
    """Return a DataFrame of the replies, one row a day, oldest first. Raises FrameError.

    Columns: date; close (won); volume (shares); and per group its net purchase, such as ``foreign``
    (shares) and ``foreign_value`` (won, to the million).
    """
    import polars as pl

    days = flow_rows(row for reply in replies for row in reply.rows("output2"))
    rows = [(day, *days[day]) for day in sorted(days)]
    names = ["close", "volume", *(name for group in GROUPS for name in (group, f"{group}_value"))]
    return pl.DataFrame(rows, {"date": pl.Date, **dict.fromkeys(names, pl.Int64)}, orient="row")


def flow_rows(rows: Iterable[Mapping[str, str]]) -> dict[date, tuple[int, ...]]:
    """Return close (won), volume (shares), and each group's shares and won, by day.

    Raises FrameError.
    """
    days: dict[date, tuple[int, ...]] = {}
    for row in rows:
        # KIS fills up with rows that have no date, as in its bars.
        if row.get("stck_bsop_date", "").strip():
            flow = _FLOW.fields(row)
            numbers = [flow.number("stck_clpr"), flow.number("acml_vol")]
            for stem in GROUPS.values():
                numbers += [
                    flow.number(f"{stem}_ntby_qty"),
                    flow.number(f"{stem}_ntby_tr_pbmn") * MILLION,
                ]
            days[flow.read("stck_bsop_date", read_day)] = tuple(numbers)
    return days
