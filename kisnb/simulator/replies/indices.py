"""Replies about indices: KOSPI, KOSDAQ and KOSPI200, as the simulated stocks make them.

Points, shares, and million won.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from kisnb.clock import MINUTE, SECOND, Ns, hhmmss, kst_day
from kisnb.kis.wire_text import yyyymmdd
from kisnb.market import sessions
from kisnb.market.calendar import previous_trading_day
from kisnb.market.price_past import IndexDay, IndexName
from kisnb.simulator.day.market_index import IndexPoint
from kisnb.simulator.replies.bars import PERIODS, joined
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    day_of,
    number_of,
    one_of,
    pick,
    wrong,
)
from kisnb.simulator.replies.stock_fields import index_fields, rate, sign_of

NAMES: dict[str, IndexName] = {"0001": "KOSPI", "1001": "KOSDAQ", "2001": "KOSPI200"}
"""Indices by their sector code (업종코드)."""
KOREAN: dict[IndexName, str] = {"KOSPI": "종합", "KOSDAQ": "KOSDAQ", "KOSPI200": "KOSPI200"}
MILLION = 1_000_000
WINDOW_ROWS = 50
"""Rows of inquire-daily-indexchartprice. The call for stocks has 100 (KIS's workbook)."""
DAILY_ROWS = 100
DAILY_REACH = {
    "D": timedelta(days=7 * 25),
    "W": timedelta(weeks=DAILY_ROWS + 21),
    "M": timedelta(days=31 * (DAILY_ROWS + 21)),
}
"""Reach back of inquire-index-daily-price: its rows, and twenty more for the oldest average."""
BEFORE = {
    "D": timedelta(days=14),
    "W": timedelta(weeks=3),
    "M": timedelta(days=62),
    "Y": timedelta(days=2 * 366),
}
"""Reach back before a window, which contains the bar before it whole."""
MINUTE_ROWS = 102
KEPT_DAYS = 1_500
"""Trading days of history that a reply can reach."""
TICK: Ns = 10 * SECOND
"""Time between two rows of inquire-index-tickprice."""
TICK_ROWS = 30


class IndexReplies:
    """Replies about indices.

    Each reply raises ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def answers(self) -> dict[str, Answer]:
        """Return the calls that this class answers, by name."""
        return {
            "inquire_index_price": self.inquire_index_price,
            "inquire_index_daily_price": self.inquire_index_daily_price,
            "inquire_daily_indexchartprice": self.inquire_daily_indexchartprice,
            "inquire_time_indexchartprice": self.inquire_time_indexchartprice,
            "inquire_index_timeprice": self.inquire_index_timeprice,
            "inquire_index_tickprice": self.inquire_index_tickprice,
            "inquire_index_category_price": self.inquire_index_category_price,
            "exp_total_index": self.exp_total_index,
            "exp_index_trend": self.exp_index_trend,
        }

    def inquire_index_price(self, params: Params) -> Blocks:
        """Return an index now (국내업종 현재지수)."""
        return {"output": pick("inquire_index_price", "output", self._head(_name(params)))}

    def inquire_index_daily_price(self, params: Params) -> Blocks:
        """Return the days, weeks or months up to FID_INPUT_DATE_1, newest first.

        (국내업종 일자별지수)
        """
        period = one_of(params, "FID_PERIOD_DIV_CODE", "D", "W", "M")
        name, last = _name(params), day_of(params, "FID_INPUT_DATE_1")
        api = "inquire_index_daily_price"
        first = last - DAILY_REACH[period]
        bars = [bar for bar in joined(self._days(name, first), period) if bar.day <= last]
        closes = [bar.close for bar in bars]
        rows = []
        for place, fields in enumerate(_bar_rows(bars[:DAILY_ROWS], bars)):
            # The average of twenty bars back from each row's.
            month = closes[place : place + 20]
            disparity = closes[place] / (sum(month) / len(month)) * 100
            rows.append(pick(api, "output2", fields, {"d20_dsrt": disparity}))
        return {"output1": pick(api, "output1", self._head(name)), "output2": rows}

    def inquire_daily_indexchartprice(self, params: Params) -> Blocks:
        """Return the newest bars of a window, at most fifty (국내주식업종기간별시세)."""
        period, name = one_of(params, "FID_PERIOD_DIV_CODE", *PERIODS), _name(params)
        first, last = day_of(params, "FID_INPUT_DATE_1"), day_of(params, "FID_INPUT_DATE_2")
        # One bar more than the window has, with which the oldest row is compared.
        bars = joined(self._days(name, first - BEFORE[period]), period)
        shown = [bar for bar in bars if first <= bar.day <= last][:WINDOW_ROWS]
        api = "inquire_daily_indexchartprice"
        rows = [pick(api, "output2", fields) for fields in _bar_rows(shown, bars)]
        return {"output1": pick(api, "output1", self._head(name)), "output2": rows}

    def inquire_time_indexchartprice(self, params: Params) -> Blocks:
        """Return the bars of the last spans of FID_INPUT_HOUR_1 seconds (업종 분봉조회)."""
        name = _name(params)
        # KIS also takes spans of 30 seconds (workbook: inquire-time-indexchartprice). The simulated
        # index lies on a straight line within a minute, so shorter bars would tell nothing.
        span = max(MINUTE, number_of(params, "FID_INPUT_HOUR_1", 60) * SECOND)
        api = "inquire_time_indexchartprice"
        rows: list[Row] = []
        points = self._points(name, span, MINUTE_ROWS)
        for before, point in pairwise(points):
            # The index has no ticks here: a bar's ends are its only points.
            ends = (before.level, point.level)
            rows.append(
                {
                    "stck_bsop_date": yyyymmdd(kst_day(point.t)),
                    # A minute row bears the minute's start, as those of stocks.
                    "stck_cntg_hour": hhmmss(before.t),
                    "bstp_nmix_prpr": point.level,
                    "bstp_nmix_oprc": before.level,
                    "bstp_nmix_hgpr": max(ends),
                    "bstp_nmix_lwpr": min(ends),
                    "cntg_vol": point.volume - before.volume,
                    "acml_tr_pbmn": point.value // MILLION,
                }
            )
        return {"output1": pick(api, "output1", self._head(name)), "output2": rows[::-1]}

    def inquire_index_timeprice(self, params: Params) -> Blocks:
        """Return the index by spans of FID_INPUT_HOUR_1 seconds (국내업종 시간별지수(분))."""
        span = max(MINUTE, number_of(params, "FID_INPUT_HOUR_1", 60) * SECOND)
        return {
            "output": self._point_rows("inquire_index_timeprice", _name(params), span, MINUTE_ROWS)
        }

    def inquire_index_tickprice(self, params: Params) -> Blocks:
        """Return the index every ten seconds (국내업종 시간별지수(초))."""
        return {
            "output": self._point_rows("inquire_index_tickprice", _name(params), TICK, TICK_ROWS)
        }

    def inquire_index_category_price(self, params: Params) -> Blocks:
        """Return all indices of a board (국내업종 구분별전체시세).

        The simulated market has no indices of industries.
        """
        name, api = _name(params), "inquire_index_category_price"
        board = {"K": ("0001", "2001"), "K2": ("2001",), "Q": ("1001",)}.get(
            params["FID_MRKT_CLS_CODE"]
        )
        if board is None:
            raise wrong("FIELD [FID_MRKT_CLS_CODE]")
        whole = self._view.facts.index(name, self._view.now)
        rows = []
        for code in board:
            point = self._view.facts.index(NAMES[code], self._view.now)
            parts = {
                "acml_vol_rlim": rate(point.volume, whole.volume),
                "acml_tr_pbmn_rlim": rate(point.value, whole.value),
            }
            rows.append(pick(api, "output2", point_fields(point), _index_name(code), parts))
        return {"output1": pick(api, "output1", self._head(name)), "output2": rows}

    def exp_total_index(self, params: Params) -> Blocks:
        """Return the expected indices (국내주식 예상체결 전체지수).

        Outside of an auction the expected index is the current one.
        """
        one_of(params, "FID_MKOP_CLS_CODE", "1", "2")
        name = NAMES.get(params["FID_INPUT_ISCD"], "KOSPI")
        api = "exp_total_index"
        rows = []
        for code, each in NAMES.items():
            point = self._view.facts.index(each, self._view.now)
            rows.append(
                pick(
                    api,
                    "output2",
                    point_fields(point),
                    _index_name(code),
                    {"nmix_sdpr": point.base},
                )
            )
        return {"output1": pick(api, "output1", self._head(name)), "output2": rows}

    def exp_index_trend(self, params: Params) -> Blocks:
        """Return the index at the end of an auction, once it is over (예상체결지수 추이).

        FID_MKOP_CLS_CODE 1 takes the opening auction, 2 the closing auction.
        """
        opening = one_of(params, "FID_MKOP_CLS_CODE", "1", "2") == "1"
        name = NAMES.get(params["FID_INPUT_ISCD"], "KOSPI")
        day = self._view.day
        t = sessions.regular_open(day) if opening else sessions.regular_close(day)
        if t > self._view.now:
            return {"output": []}
        point = self._view.facts.index(name, t)
        return {
            "output": [
                pick(
                    "exp_index_trend",
                    "output",
                    point_fields(point),
                    {"prdy_ctrt": point.change_pct},
                )
            ]
        }

    def _head(self, name: IndexName) -> Row:
        """Return the fields of an index now, of the day before, and of this year's high and low."""
        point = self._view.facts.index(name, self._view.now)
        before = previous_trading_day(self._view.day)
        days = self._past(name, before.replace(month=1, day=1))
        code = next(code for code, known in NAMES.items() if known == name)
        fields = {**point_fields(point), **_index_name(code), "prdy_ctrt": point.change_pct}
        if not days:
            return fields
        year = [day for day in days if day.day.year == days[0].day.year]
        top, bottom = max(year, key=lambda day: day.high), min(year, key=lambda day: day.low)
        return {
            **fields,
            "prdy_vol": days[0].volume,
            "prdy_tr_pbmn": days[0].value // MILLION,
            "dryy_bstp_nmix_hgpr": top.high,
            "dryy_bstp_nmix_hgpr_date": yyyymmdd(top.day),
            "dryy_hgpr_vrss_prpr_rate": rate(point.level - top.high, top.high),
            "dryy_bstp_nmix_lwpr": bottom.low,
            "dryy_bstp_nmix_lwpr_date": yyyymmdd(bottom.day),
            "dryy_lwpr_vrss_prpr_rate": rate(point.level - bottom.low, bottom.low),
        }

    def _past(self, name: IndexName, first: date) -> list[IndexDay]:
        """Return the days back to ``first`` or further, newest first, without this day."""
        wanted = min(self._view.trading_days_since(first) + 1, KEPT_DAYS)
        return list(reversed(self._view.facts.index_history(name, wanted)))

    def _days(self, name: IndexName, first: date) -> list[IndexDay]:
        """Return the days as ``_past`` does, and this day once it has begun."""
        past = self._past(name, first)
        if self._view.now < sessions.regular_open(self._view.day):
            return past
        p = self._view.facts.index(name, self._view.now)
        return [IndexDay(self._view.day, p.open, p.high, p.low, p.level, p.volume, p.value), *past]

    def _points(self, name: IndexName, span: Ns, rows: int) -> list[IndexPoint]:
        """Return the index at the ends of the last spans, oldest first."""
        opened, closed = (
            sessions.regular_open(self._view.day),
            sessions.regular_close(self._view.day),
        )
        last = min(self._view.now, closed)
        # One point more than rows, since each row is the difference of two.
        ends = range(opened, last + 1, span)
        # Only the points that are shown are made: each of them adds up as many as 200 members.
        return [self._view.facts.index(name, t) for t in ends[-rows - 1 :]]

    def _point_rows(self, api: str, name: IndexName, span: Ns, rows: int) -> list[Row]:
        points = self._points(name, span, rows)
        found = []
        for before, point in pairwise(points):
            more = {"bsop_hour": hhmmss(point.t), "cntg_vol": point.volume - before.volume}
            found.append(pick(api, "output", point_fields(point), more))
        return found[::-1]


def point_fields(point: IndexPoint) -> Row:
    """Return the fields of an index at a moment."""
    level, base = point.level, point.base
    return {
        "stck_cntg_hour": hhmmss(point.t),
        "bstp_nmix_prpr": level,
        "bstp_nmix_prdy_vrss": point.change,
        "prdy_vrss_sign": sign_of(point.change),
        "bstp_nmix_prdy_ctrt": point.change_pct,
        "prdy_nmix": base,
        "acml_vol": point.volume,
        "acml_tr_pbmn": point.value // MILLION,
        "bstp_nmix_oprc": point.open,
        "bstp_nmix_hgpr": point.high,
        "bstp_nmix_lwpr": point.low,
        "prdy_nmix_vrss_nmix_oprc": point.open - base,
        "oprc_vrss_prpr_sign": sign_of(level - point.open),
        "bstp_nmix_oprc_prdy_ctrt": rate(point.open - base, base),
        "prdy_nmix_vrss_nmix_hgpr": point.high - base,
        "hgpr_vrss_prpr_sign": sign_of(level - point.high),
        "bstp_nmix_hgpr_prdy_ctrt": rate(point.high - base, base),
        "prdy_clpr_vrss_lwpr": point.low - base,
        "lwpr_vrss_prpr_sign": sign_of(level - point.low),
        "prdy_clpr_vrss_lwpr_rate": rate(point.low - base, base),
        "ascn_issu_cnt": point.rising,
        "stnr_issu_cnt": point.steady,
        "down_issu_cnt": point.falling,
    }


def _bar_rows(shown: list[IndexDay], bars: list[IndexDay]) -> list[Row]:
    """Return rows of the ``shown`` bars.

    ``bars`` also has the bar before each of them, from which its change is measured.
    """
    known = {bar.day: bar for bar in bars}
    return [index_fields(bar, known) | {"acml_tr_pbmn": bar.value // MILLION} for bar in shown]


def _name(params: Params) -> IndexName:
    # U is the market code of indices.
    if params["FID_COND_MRKT_DIV_CODE"] != "U":
        raise wrong("MRKT_DIV_CODE")
    name = NAMES.get(params["FID_INPUT_ISCD"])
    if name is None:
        raise wrong("FIELD [FID_INPUT_ISCD]")
    return name


def _index_name(code: str) -> Row:
    return {"bstp_cls_code": code, "hts_kor_isnm": KOREAN[NAMES[code]]}
