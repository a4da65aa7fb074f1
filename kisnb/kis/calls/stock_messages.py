"""Facts of stocks and of the calendar in KIS's calls.

Stock info, thirty quotes in one call, holidays, and interruptions (VI).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import Quote
from kisnb.kis.calls.messages import ApiReply, encode_params
from kisnb.kis.calls.quote_messages import MARKET_DIV
from kisnb.kis.calls.row_fields import Message
from kisnb.kis.calls.tables import typed_frame
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.wire_text import read_day, yyyymmdd
from kisnb.market.calendar import Overrides, is_trading_day
from kisnb.market.master_files import KINDS
from kisnb.terms import Board, Kind, Venue

if TYPE_CHECKING:
    import polars as pl

MANY = 30
"""Most stocks of one multi-quote (workbook)."""
# An issue has no previous close on its first day. Open, high and low of a quote may be empty before
# its first trade.
_STOCK = Message(
    "search_stock_info",
    stated=frozenset({"lstg_stqt"}),
    present=frozenset({"bfdy_clpr", "scty_grp_id_cd", "cptt_trad_tr_psbl_yn"}),
)
_MANY = Message(
    "intstock_multprice",
    stated=frozenset(
        {"inter_shrn_iscd", "inter2_prpr", "inter2_sdpr", "inter2_mxpr", "inter2_llam"}
        | {"acml_vol", "acml_tr_pbmn"}
    ),
    present=frozenset({"inter2_oprc", "inter2_hgpr", "inter2_lwpr"}),
)
_HOLIDAY = Message("chk_holiday", stated=frozenset({"bass_dt", "opnd_yn"}))
_BOARDS = {"STK": Board.KOSPI, "KSQ": Board.KOSDAQ}
"""Board by ``mket_id_cd``."""


class StockFacts(msgspec.Struct, frozen=True):
    """The facts of an issue as KIS states them before the day's open."""

    code: str
    name: str
    board: Board | None
    """None when KIS names neither KOSPI nor KOSDAQ."""
    kind: Kind | None
    """None for a kind that kisnb does not trade."""
    shares: int
    """Listed shares."""
    previous_close: int
    """Won."""
    halted: bool
    """True when trading in the issue is halted."""
    administrative: bool
    """True for an administrative issue (관리종목)."""
    nxt: bool
    """True when the issue may trade at Nextrade today."""


def stock_params(code: str) -> tuple[Api, dict[str, str]]:
    """Return the call for a stock's facts, and its parameters."""
    api = APIS["search_stock_info"]
    return api, encode_params(api, PRDT_TYPE_CD="300", PDNO=code)


def read_stock(reply: ApiReply, code: str) -> StockFacts:
    """Read a reply to search-stock-info, and return the stock's facts. Raises FrameError."""
    row = _STOCK.fields(reply.one())
    return StockFacts(
        code,
        row.text("prdt_abrv_name") or row.text("prdt_name"),
        _BOARDS.get(row.text("mket_id_cd")),
        KINDS.get(row.text("scty_grp_id_cd")),
        row.number("lstg_stqt"),
        row.number("bfdy_clpr"),
        row.text("tr_stop_yn") == "Y",
        row.text("admn_item_yn") == "Y",
        # Nextrade lists the issue, and has not suspended it (workbook). Nextrade suspends issues
        # near its volume caps, so the reply holds for a day.
        row.text("cptt_trad_tr_psbl_yn") == "Y" and row.text("nxt_tr_stop_yn") != "Y",
    )


def many_params(codes: Sequence[str], venue: Venue = Venue.KRX) -> tuple[Api, dict[str, str]]:
    """Return the call for quotes of up to thirty stocks, and its parameters. Raises BadInput."""
    if not 0 < len(codes) <= MANY:
        raise BadInput(f"{len(codes)} stocks do not fit into one call", f"ask for 1 to {MANY}")
    api, given = APIS["intstock_multprice"], dict[str, str]()
    for n, code in enumerate(codes, start=1):
        given |= {f"FID_COND_MRKT_DIV_CODE_{n}": MARKET_DIV[venue], f"FID_INPUT_ISCD_{n}": code}
    return api, encode_params(api, **given)


def read_many(reply: ApiReply, venue: Venue, now: Ns) -> dict[str, Quote]:
    """Read a reply to intstock-multprice, and return the quotes by code. Raises FrameError.

    The reply has no tick size, no listed shares and no halt: these are 0, 0 and False.
    """
    quotes = {}
    for row in map(_MANY.fields, reply.rows()):
        code = row.text("inter_shrn_iscd")
        quotes[code] = Quote(
            now,
            code,
            row.text("inter_kor_isnm"),
            venue,
            row.number("inter2_prpr"),
            row.number("inter2_sdpr"),
            row.number("inter2_oprc"),
            row.number("inter2_hgpr"),
            row.number("inter2_lwpr"),
            row.number("acml_vol"),
            row.number("acml_tr_pbmn"),
            row.number("inter2_mxpr"),
            row.number("inter2_llam"),
            0,
            halted=False,
            listed_shares=0,
            received=now,
        )
    return quotes


def holiday_params(first: date) -> tuple[Api, dict[str, str]]:
    """Return KIS's call for trading days, and its parameters.

    The reply covers some weeks, beginning with ``first``. KIS asks clients to call this once a day
    (workbook: 국내휴장일조회).
    """
    api = APIS["chk_holiday"]
    return api, encode_params(api, BASS_DT=yyyymmdd(first), CTX_AREA_NK="", CTX_AREA_FK="")


def read_holidays(replies: Sequence[ApiReply]) -> dict[date, bool]:
    """Return True or False by day: True when orders are possible on it. Raises FrameError."""
    # opnd_yn says that orders are possible; bzdy_yn is only the business day (workbook).
    rows = (_HOLIDAY.fields(row) for reply in replies for row in reply.rows())
    return {row.read("bass_dt", read_day): row.text("opnd_yn") == "Y" for row in rows}


def overrides_from(days: dict[date, bool]) -> Overrides:
    """Return the days on which KIS's calendar differs from kisnb's own. KIS states no hours."""
    known = {day: is_trading_day(day) for day in days}
    why = "chk-holiday of KIS"
    return Overrides(
        closed={day: why for day, open_ in days.items() if known[day] and not open_},
        open={day: why for day, open_ in days.items() if open_ and not known[day]},
    )


def interruption_params(day: date, code: str = "") -> tuple[Api, dict[str, str]]:
    """Return the call for a day's last thirty interruptions, and its parameters.

    An empty ``code`` means all stocks.
    """
    api = APIS["inquire_vi_status"]
    return api, encode_params(
        api,
        FID_DIV_CLS_CODE="0",
        # The number of KIS's VI screen. Sort 0 lists static and dynamic interruptions (workbook).
        FID_COND_SCR_DIV_CODE="20139",
        FID_MRKT_CLS_CODE="0",
        FID_INPUT_ISCD=code,
        FID_RANK_SORT_CLS_CODE="0",
        FID_INPUT_DATE_1=yyyymmdd(day),
        FID_TRGT_CLS_CODE="",
        FID_TRGT_EXLS_CLS_CODE="",
    )


def read_interruptions(reply: ApiReply) -> pl.DataFrame:
    """Return the interruptions as a DataFrame of KIS's own columns, with the catalogue's types.

    Raises FrameError.
    """
    return typed_frame(APIS["inquire_vi_status"].block("output"), reply.rows())
