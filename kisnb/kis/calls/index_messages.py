"""Daily bars of an index: inquire-daily-indexchartprice. Points, shares and won."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TypeAlias

from kisnb.errors import FrameError
from kisnb.kis.calls.messages import encode_params
from kisnb.kis.calls.row_fields import Message
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.wire_text import read_day, yyyymmdd

IndexBar: TypeAlias = tuple[float, float, float, float, int, int]
"""Open, high, low and close (points), volume (shares), value (won)."""
CODES = {"KOSPI": "0001", "KOSDAQ": "1001", "KOSPI200": "2001"}
"""KIS's sector code (업종코드) of an index by its name."""
WINDOW_DAYS = 70
"""Calendar days of a window: 50 trading days if there is no holiday, the most of one reply."""
MILLION = 1_000_000
"""KIS states the value of an index in million won."""
_POINTS = ("bstp_nmix_oprc", "bstp_nmix_hgpr", "bstp_nmix_lwpr", "bstp_nmix_prpr")
_BAR = Message(
    "inquire_daily_indexchartprice",
    stated=frozenset({"stck_bsop_date", *_POINTS, "acml_vol", "acml_tr_pbmn"}),
)


def index_params(code: str, first: date, last: date) -> tuple[Api, dict[str, str]]:
    """Return the call for the daily bars of an index, and its parameters.

    ``code`` is the name of an index, or KIS's sector code.
    """
    api = APIS["inquire_daily_indexchartprice"]
    return api, encode_params(
        api,
        # U is the market code of indexes.
        FID_COND_MRKT_DIV_CODE="U",
        FID_INPUT_ISCD=CODES.get(code, code),
        FID_INPUT_DATE_1=yyyymmdd(first),
        FID_INPUT_DATE_2=yyyymmdd(last),
        FID_PERIOD_DIV_CODE="D",
    )


def index_rows(rows: Iterable[Mapping[str, str]]) -> dict[date, IndexBar]:
    """Read rows of a reply, and return the bars of the index by day. Raises FrameError."""
    days: dict[date, IndexBar] = {}
    for row in rows:
        # KIS fills up with rows that have no date, as in its bars of stocks.
        if row.get("stck_bsop_date", "").strip():
            bar = _BAR.fields(row)
            opened, high, low, close = (bar.read(name, _points) for name in _POINTS)
            volume, value = bar.number("acml_vol"), bar.number("acml_tr_pbmn") * MILLION
            days[bar.read("stck_bsop_date", read_day)] = (opened, high, low, close, volume, value)
    return days


def _points(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise FrameError(f"{text[:20]!r} is not a number") from None
