"""Replies about KRX's single-price session (시간외 단일가), which ended with 2026-09-11.

Won and shares. On a day without that session its figures are zero and its rankings are empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from kisnb.clock import Ns, hhmmss
from kisnb.kis.calls.quote_messages import LEVELS
from kisnb.market import sessions
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.overtime_session import (
    Overtime,
    overtime_of,
    price_fields,
    session_span,
)
from kisnb.simulator.replies.ranking_rows import (
    MOST_DEPTHS,
    Order,
    most_traded,
    numbered,
    ranked,
    top,
)
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    code_of,
    issues,
    one_of,
    pick,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import (
    bar_fields,
    depth_fields,
    issue_fields,
    quote_fields,
    rate,
    sign_of,
)
from kisnb.terms import Board, Venue

DAYS = 10
"""Days of inquire-daily-overtimeprice."""
_BY_RISE: dict[str, Order] = {
    "0": ("ovtm_untp_antc_cntg_ctrt", 1),
    "1": ("ovtm_untp_antc_cntg_vrss", 1),
    "2": ("ovtm_untp_antc_cnqn", 1),
    "3": ("ovtm_untp_antc_cntg_ctrt", -1),
    "4": ("ovtm_untp_antc_cntg_vrss", -1),
}
"""The order by FID_RANK_SORT_CLS_CODE of overtime-exp-trans-fluct."""
_BY_VOLUME: dict[str, Order] = {
    "0": ("ovtm_untp_shnu_rsqn", 1),
    "1": ("ovtm_untp_seln_rsqn", 1),
    "2": ("ovtm_untp_vol", 1),
}
"""The order by FID_RANK_SORT_CLS_CODE of overtime-volume."""
_BY_REST: dict[str, Order] = {
    "1": ("mkob_otcp_vol", 1),
    "2": ("mkfa_otcp_vol", 1),
    "3": ("ovtm_total_askp_rsqn", 1),
    "4": ("ovtm_total_bidp_rsqn", 1),
}
"""The order by FID_RANK_SORT_CLS_CODE of after-hour-balance."""


class OvertimeReplies:
    """Replies about the single-price session.

    Each reply raises ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def answers(self) -> dict[str, Answer]:
        """Return the calls that this class answers, by name."""
        return {
            "inquire_overtime_price": self.inquire_overtime_price,
            "inquire_overtime_asking_price": self.inquire_overtime_asking_price,
            "inquire_time_overtimeconclusion": self.inquire_time_overtimeconclusion,
            "inquire_daily_overtimeprice": self.inquire_daily_overtimeprice,
            "overtime_volume": self.overtime_volume,
            "overtime_fluctuation": self.overtime_fluctuation,
            "overtime_exp_trans_fluct": self.overtime_exp_trans_fluct,
            "after_hour_balance": self.after_hour_balance,
        }

    # one stock

    def inquire_overtime_price(self, params: Params) -> Blocks:
        """Return the session's price of a stock (시간외현재가)."""
        code = self._code(params)
        return {"output": pick("inquire_overtime_price", "output", self._fields(code))}

    def inquire_overtime_asking_price(self, params: Params) -> Blocks:
        """Return the session's depth of a stock; no levels outside of it (시간외호가)."""
        code = self._code(params)
        book: Row = {"ovtm_untp_last_hour": hhmmss(self._view.now)}
        # Outside of the session its depth is empty.
        if self._running():
            depth = self._view.depth(code)
            for side, levels in (("askp", depth.asks), ("bidp", depth.bids)):
                for n, (price, size) in enumerate(levels[:LEVELS], start=1):
                    book |= {f"ovtm_untp_{side}{n}": price, f"ovtm_untp_{side}_rsqn{n}": size}
                book[f"ovtm_untp_total_{side}_rsqn"] = sum(size for _, size in levels)
        return {"output": book}

    def inquire_time_overtimeconclusion(self, params: Params) -> Blocks:
        """Return the session's trades of a stock, newest first (시간외시간별체결)."""
        code = self._code(params)
        overtime, item = self._overtime(code), self._view.item(code)
        rows: list[Row] = []
        volume = 0
        for trade in overtime.trades:
            volume += trade.qty
            ask, bid = self._view.touch(item, trade)
            change = trade.price - overtime.close
            rows.append(
                {
                    "stck_cntg_hour": hhmmss(trade.t),
                    "stck_prpr": trade.price,
                    "prdy_vrss": change,
                    "prdy_vrss_sign": sign_of(change),
                    "prdy_ctrt": rate(change, overtime.close),
                    "askp": ask,
                    "bidp": bid,
                    "acml_vol": volume,
                    "cntg_vol": trade.qty,
                }
            )
        head = pick("inquire_time_overtimeconclusion", "output1", self._fields(code))
        return {"output1": head, "output2": rows[::-1]}

    def inquire_daily_overtimeprice(self, params: Params) -> Blocks:
        """Return the session of the last ten days, newest first (시간외일자별주가)."""
        code, api = self._code(params), "inquire_daily_overtimeprice"
        rows = []
        # Each day is played again to be read.
        for bar in self._view.days(code, DAYS):
            fields = price_fields(self._of_day(code, bar.day), self._view.item(code), bar.day)
            rows.append(
                pick(
                    api, "output2", bar_fields(bar, self._view.close_before(code, bar.day)), fields
                )
            )
        return {"output1": pick(api, "output1", self._fields(code)), "output2": rows}

    # rankings

    def overtime_volume(self, params: Params) -> Blocks:
        """Return the stocks by volume or open orders of the session (시간외거래량순위)."""
        order = _BY_VOLUME[one_of(params, "FID_RANK_SORT_CLS_CODE", *_BY_VOLUME)]
        rows = self._rows(params)
        return {
            "output1": pick("overtime_volume", "output1", _totals(rows)),
            "output2": ranked("overtime_volume", rows, order, "output2"),
        }

    def overtime_fluctuation(self, params: Params) -> Blocks:
        """Return the stocks by change in the session (시간외등락율순위).

        FID_DIV_CLS_CODE: 1 at the upper limit, 2 rising, 3 unchanged, 4 at the lower limit, 5
        falling.
        """
        wanted = one_of(params, "FID_DIV_CLS_CODE", "1", "2", "3", "4", "5")
        rows = self._rows(params)
        # The signs are those of prdy_vrss_sign: 1 and 4 at the limits.
        kept = [row for row in rows if row["ovtm_untp_prdy_vrss_sign"] == wanted]
        best = top(kept, ("ovtm_untp_prdy_ctrt", -1 if wanted in ("4", "5") else 1))
        return {
            "output1": pick("overtime_fluctuation", "output1", _totals(rows)),
            "output2": numbered("overtime_fluctuation", "output2", best),
        }

    def overtime_exp_trans_fluct(self, params: Params) -> Blocks:
        """Return the stocks by the change that the session expects (시간외예상체결등락률)."""
        order = _BY_RISE[one_of(params, "FID_RANK_SORT_CLS_CODE", *_BY_RISE)]
        return {"output": ranked("overtime_exp_trans_fluct", self._rows(params), order)}

    def after_hour_balance(self, params: Params) -> Blocks:
        """Return the stocks ranked by the shares that traded at a closing price (시간외잔량).

        FID_RANK_SORT_CLS_CODE 1 ranks by the trades before the regular session, 2 by the trades
        after it.
        """
        order = _BY_REST[one_of(params, "FID_RANK_SORT_CLS_CODE", *_BY_REST)]
        opened, closed = (
            sessions.regular_open(self._view.day),
            sessions.regular_close(self._view.day),
        )
        begins = self._begins()
        rows = []
        for item in most_traded(issues(params, self._view.universe))[:MOST_DEPTHS]:
            trades = self._view.trades(item.code)
            rest: Row = {
                "mkob_otcp_vol": sum(t.qty for t in trades if t.t < opened),
                "mkfa_otcp_vol": sum(
                    # The single-price session has calls of its own.
                    t.qty
                    for t in trades
                    if closed < t.t and (not begins or t.t < begins)
                ),
                "ovtm_total_askp_rsqn": 0,
                "ovtm_total_bidp_rsqn": 0,
            }
            rows.append({**quote_fields(self._view.quote(item.code)), **issue_fields(item), **rest})
        return {"output": ranked("after_hour_balance", rows, order)}

    def _rows(self, params: Params) -> list[Row]:
        """Return rows of the stocks that have traded in the session."""
        venue_of(params, Venue.KRX)
        rows: list[Row] = []
        # `_fields` reads a depth, which makes the stock active for the whole day.
        for item in most_traded(issues(params, self._view.universe))[:MOST_DEPTHS]:
            fields = self._fields(item.code)
            if fields["ovtm_untp_vol"]:
                rows.append(fields)
        return rows

    # from the day

    def _code(self, params: Params) -> str:
        # The session was KRX's alone, so a call for Nextrade is refused.
        venue_of(params, Venue.KRX)
        return code_of(params, self._view.universe)

    def _begins(self) -> Ns:
        """Return when the session of this day begins; 0 on a day without one."""
        return session_span(self._view.day)[0]

    def _running(self) -> bool:
        begin, end = session_span(self._view.day)
        return begin <= self._view.now < end

    def _overtime(self, code: str) -> Overtime:
        return self._of_day(code, self._view.day)

    def _of_day(self, code: str, day: date) -> Overtime:
        return overtime_of(self._view.trades_of(code, day), self._view.item(code), day)

    def _fields(self, code: str) -> Row:
        item, overtime = self._view.item(code), self._overtime(code)
        book = depth_fields(self._view.depth(code))
        own: Row = {
            "ovtm_untp_askp1": book["askp"],
            "ovtm_untp_bidp1": book["bidp"],
            "ovtm_untp_askp_rsqn1": book["askp_rsqn1"],
            "ovtm_untp_bidp_rsqn1": book["bidp_rsqn1"],
            "ovtm_untp_seln_rsqn": book["seln_rsqn"],
            "ovtm_untp_shnu_rsqn": book["shnu_rsqn"],
            "ovtm_vrss_acml_vol_rlim": rate(overtime.volume, self._view.quote(code).volume),
            "itmt_vol": self._view.quote(code).volume - overtime.volume,
        }
        quote = quote_fields(self._view.quote(code))
        return {
            **quote,
            **issue_fields(item),
            **book,
            **price_fields(overtime, item, self._view.day),
            **own,
        }


def _totals(rows: Sequence[Row]) -> Row:
    """Return the fields of both boards' figures added up."""

    def added(field: str, board: Board | None = None) -> int:
        kept = (row for row in rows if board is None or row["rprs_mrkt_kor_name"] == str(board))
        return sum(int(str(row[field])) for row in kept)

    signs = [row["ovtm_untp_prdy_vrss_sign"] for row in rows]
    return {
        "ovtm_untp_uplm_issu_cnt": signs.count("1"),
        "ovtm_untp_ascn_issu_cnt": signs.count("2"),
        "ovtm_untp_stnr_issu_cnt": signs.count("3"),
        "ovtm_untp_lslm_issu_cnt": signs.count("4"),
        "ovtm_untp_down_issu_cnt": signs.count("5"),
        "ovtm_untp_acml_vol": added("ovtm_untp_vol"),
        "ovtm_untp_acml_tr_pbmn": added("ovtm_untp_tr_pbmn"),
        "ovtm_untp_exch_vol": added("ovtm_untp_vol", Board.KOSPI),
        "ovtm_untp_exch_tr_pbmn": added("ovtm_untp_tr_pbmn", Board.KOSPI),
        "ovtm_untp_kosdaq_vol": added("ovtm_untp_vol", Board.KOSDAQ),
        "ovtm_untp_kosdaq_tr_pbmn": added("ovtm_untp_tr_pbmn", Board.KOSDAQ),
    }
