"""Replies about issues, trading days and volatility interruptions."""

from __future__ import annotations

from datetime import date, timedelta

from kisnb.clock import hhmmss
from kisnb.errors import ApiError, KisnbError
from kisnb.exchange.happenings import TradingInterrupted
from kisnb.kis.wire_text import yyyymmdd
from kisnb.market import sessions
from kisnb.market.calendar import is_trading_day, next_trading_day, previous_trading_day
from kisnb.market.instruments import Instrument
from kisnb.simulator.replies.market_view import VI_KINDS, MarketView
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Page,
    Pages,
    Params,
    Row,
    code_of,
    day_of,
    one_of,
    pick,
)
from kisnb.simulator.replies.stock_fields import rate
from kisnb.terms import Board, Kind

HOLIDAY_ROWS = 24
"""Rows of a page of chk-holiday."""
VI_ROWS = 30
"""Rows of inquire-vi-status (KIS's workbook)."""
STOCKS = "300"
"""PRDT_TYPE_CD of stocks, ETF and ETN."""
_MARKET_ID = {Board.KOSPI: "STK", Board.KOSDAQ: "KSQ"}
_EXCHANGE = {Board.KOSPI: "02", Board.KOSDAQ: "03"}
_GROUP = {Kind.STOCK: "ST", Kind.ETF: "EF", Kind.ETN: "EN"}


class StockInfo:
    """Replies about issues, days and interruptions.

    Each reply raises ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def answers(self) -> dict[str, Answer]:
        """Return the calls that are answered at once, by name."""
        return {
            "search_info": self.search_info,
            "search_stock_info": self.search_stock_info,
            "inquire_vi_status": self.inquire_vi_status,
            "market_time": self.market_time,
            "psearch_title": self.no_conditions,
            "psearch_result": self.no_conditions,
        }

    def pages(self) -> dict[str, Pages]:
        """Return the calls that are answered page by page, by name."""
        return {"chk_holiday": self.chk_holiday}

    def search_info(self, params: Params) -> Blocks:
        """Return the names of an issue (상품기본조회)."""
        one_of(params, "PRDT_TYPE_CD", STOCKS)
        item = self._view.item(code_of(params, self._view.universe, "PDNO"))
        return {"output": pick("search_info", "output", _names(item))}

    def search_stock_info(self, params: Params) -> Blocks:
        """Return the board, shares, closes and venues of an issue (주식기본조회)."""
        one_of(params, "PRDT_TYPE_CD", STOCKS)
        item = self._view.item(code_of(params, self._view.universe, "PDNO"))
        quote = self._view.quote(item.code)
        closed = self._view.now >= sessions.regular_close(self._view.day)
        known: Row = {
            "mket_id_cd": _MARKET_ID[item.board],
            "scty_grp_id_cd": _GROUP[item.kind],
            "excg_dvsn_cd": _EXCHANGE[item.board],
            "lstg_stqt": item.shares,
            "stck_kind_cd": "201"
            if item.preferred
            else "101"
            if item.kind is Kind.STOCK
            else "000",
            "tr_stop_yn": item.halted,
            "admn_item_yn": "N",
            "bfdy_clpr": item.base,
            # The day has no close before the regular session ends.
            "thdt_clpr": quote.price if closed else 0,
            "clpr_chng_dt": yyyymmdd(self._view.day),
            "elec_scty_yn": "Y",
            "crfd_item_yn": "N",
            "etf_etn_ivst_heed_item_yn": "N",
            "cptt_trad_tr_psbl_yn": bool(item.nxt),
            "nxt_tr_stop_yn": bool(item.nxt) and item.halted,
        }
        return {"output": pick("search_stock_info", "output", _names(item), known)}

    def inquire_vi_status(self, params: Params) -> Blocks:
        """Return the volatility interruptions of the simulated day, newest first (VI 현황).

        Other days have none.
        """
        wanted = one_of(params, "FID_MRKT_CLS_CODE", "0", "K", "Q")
        way = one_of(params, "FID_DIV_CLS_CODE", "0", "1", "2")
        kind = one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1", "2", "3")
        only, day = params["FID_INPUT_ISCD"].strip(), params["FID_INPUT_DATE_1"].strip()
        interruptions = self._view.interruptions()
        rows: list[Row] = []
        for place, one in enumerate(interruptions):
            item = self._view.item(one.code)
            row = self._vi_row(
                # vi_count is the number of this interruption among those of the stock today.
                item,
                one,
                sum(other.code == one.code for other in interruptions[: place + 1]),
            )
            if (
                (wanted == "0" or (wanted == "K") == (item.board is Board.KOSPI))
                and (
                    way == "0"
                    or (way == "1")
                    == (one.price >= (one.static_reference or one.dynamic_reference))
                )
                and kind in ("0", "3", row["vi_kind_code"])
                and only in ("", one.code)
                and day in ("", row["bsop_date"])
            ):
                rows.append(row)
        return {"output": rows[::-1][:VI_ROWS]}

    def _vi_row(self, item: Instrument, one: TradingInterrupted, count: int) -> Row:
        # The time of release is known once the VI is over.
        over = bool(one.until) and self._view.now >= one.until
        return {
            "hts_kor_isnm": item.name,
            "mksc_shrn_iscd": item.code,
            "vi_cls_code": "N" if over else "Y",
            "bsop_date": yyyymmdd(self._view.day),
            "cntg_vi_hour": hhmmss(one.t),
            "vi_cncl_hour": hhmmss(one.until) if over else "000000",
            "vi_kind_code": VI_KINDS[one.why],
            "vi_prc": one.price,
            "vi_stnd_prc": one.static_reference,
            "vi_dprt": rate(one.price - one.static_reference, one.static_reference),
            "vi_dmc_stnd_prc": one.dynamic_reference,
            "vi_dmc_dprt": rate(one.price - one.dynamic_reference, one.dynamic_reference),
            "vi_count": count,
        }

    def chk_holiday(self, params: Params, first: int) -> Page:
        """Return 24 days from BASS_DT on (국내휴장일조회). The next page goes on after them."""
        # Rows of this call are days, so a page's first row is a number of days.
        begin = day_of(params, "BASS_DT") + timedelta(days=first)
        try:
            rows = [_holiday_row(begin + timedelta(days=n)) for n in range(HOLIDAY_ROWS)]
        except KisnbError as e:
            # Our calendar ends some years ahead.
            raise ApiError("조회할 자료가 없습니다.", msg_cd="KIOK0560") from e
        return Page({"output": rows}, first + HOLIDAY_ROWS)

    def market_time(self, _params: Params) -> Blocks:
        """Return five business days, and the hours of the market (국내선물 영업일조회)."""
        day = self._view.day
        before, after = previous_trading_day(day), next_trading_day(day)
        days = [previous_trading_day(before), before, day, after, next_trading_day(after)]
        return {
            "output1": {
                **{f"date{n}": yyyymmdd(each) for n, each in enumerate(days, start=1)},
                "today": yyyymmdd(day),
                "time": hhmmss(self._view.now),
                "s_time": hhmmss(sessions.regular_open(day)),
                "e_time": hhmmss(sessions.regular_close(day)),
            }
        }

    def no_conditions(self, _params: Params) -> Blocks:
        """Refuse a condition search (종목조건검색).

        The customer has saved no condition in the HTS. KIS answers that like a wrong code
        (workbook: psearch-result).
        """
        raise ApiError("종목코드 오류입니다.", msg_cd="MCA05918")


def _names(item: Instrument) -> Row:
    return {
        # KIS pads the code to twelve digits here, and gives the short one beside it (workbook:
        # search-stock-info).
        "pdno": f"{item.code:0>12}",
        "shtn_pdno": item.code,
        "prdt_type_cd": STOCKS,
        "prdt_name": item.name,
        "prdt_name120": item.name,
        "prdt_abrv_name": item.name,
    }


def _holiday_row(day: date) -> Row:
    """Return a row of chk-holiday.

    A trading day is a business, opening and settlement day as well.
    """
    open_ = is_trading_day(day)
    return {
        "bass_dt": yyyymmdd(day),
        # Sunday is 01 and Saturday 07.
        "wday_dvsn_cd": f"{day.isoweekday() % 7 + 1:02d}",
        "bzdy_yn": open_,
        "tr_day_yn": open_,
        "opnd_yn": open_,
        "sttl_day_yn": open_,
    }
