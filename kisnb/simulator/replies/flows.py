"""Replies about investors by group, of one stock and of a market. Shares, and million won."""

from __future__ import annotations

from datetime import time

from kisnb.clock import kst
from kisnb.market.instruments import Instrument
from kisnb.simulator.day.investor_flows import Flows, Turnover
from kisnb.simulator.replies.flow_days import DAYS, FlowDays
from kisnb.simulator.replies.flow_fields import MILLION, added, group_fields, plus
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.ranking_rows import most_traded, ranked
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    code_of,
    day_of,
    issues,
    one_of,
    pick,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import index_fields, stock_fields
from kisnb.terms import Board

ESTIMATES = (
    ("1", time(9, 30)),
    ("2", time(10)),
    ("3", time(11, 20)),
    ("4", time(13, 20)),
    ("5", time(14, 30)),
)
"""Slots of the day's estimates, with the times (KST) at which KIS's staff enters them.

Foreigners have no estimate at 10:00, institutions have none at 9:30 (workbook:
foreign-institution-total).
"""
_MARKETS = {"KSP": Board.KOSPI, "KSQ": Board.KOSDAQ}


class InvestorReplies:
    """Replies about investors by group.

    Each reply raises ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView, flows: FlowDays) -> None:
        self._view = view
        self._flows = flows

    def answers(self) -> dict[str, Answer]:
        """Return the calls that this class answers, by name."""
        return {
            "inquire_investor": self.inquire_investor,
            "investor_trade_by_stock_daily": self.investor_trade_by_stock_daily,
            "investor_trend_estimate": self.investor_trend_estimate,
            "foreign_institution_total": self.foreign_institution_total,
            "inquire_investor_time_by_market": self.inquire_investor_time_by_market,
            "inquire_investor_daily_by_market": self.inquire_investor_daily_by_market,
        }

    # investors of a stock

    def inquire_investor(self, params: Params) -> Blocks:
        """Return the net purchases by group and day (주식현재가 투자자).

        This day has no row until the close.
        """
        venue_of(params)
        code = code_of(params, self._view.universe)
        rows = [self._flows.day(code, bar, flows) for bar, flows in self._flows.days(code, DAYS)]
        return {"output": [pick("inquire_investor", "output", row) for row in rows]}

    def investor_trade_by_stock_daily(self, params: Params) -> Blocks:
        """Return all groups' trades by day, in shares and million won (종목별 투자자매매동향)."""
        venue_of(params)
        code = code_of(params, self._view.universe)
        rows = self._flows.days_until(params, code)
        api = "investor_trade_by_stock_daily"
        return {
            "output1": pick(api, "output1", stock_fields(self._view, code)),
            "output2": [
                pick(
                    api,
                    "output2",
                    self._flows.day(code, bar, flows),
                    {"acml_tr_pbmn": bar.value // MILLION},
                )
                for bar, flows in rows
            ],
        }

    def investor_trend_estimate(self, params: Params) -> Blocks:
        """Return the day's estimates of a stock, newest first (종목별 외인기관 추정가집계)."""
        code = code_of(params, self._view.universe, "MKSC_SHRN_ISCD")
        rows: list[Row] = []
        for slot, foreign, institution in self._estimates(code):
            rows.append(
                {
                    "bsop_hour_gb": slot,
                    # KIS spells an estimate (가집계) "fake".
                    "frgn_fake_ntby_qty": foreign.net,
                    "orgn_fake_ntby_qty": institution.net,
                    "sum_fake_ntby_qty": foreign.net + institution.net,
                }
            )
        # Newest first.
        return {"output2": rows[::-1]}

    def foreign_institution_total(self, params: Params) -> Blocks:
        """Return the stocks by the day's last estimates (국내기관/외국인 매매종목가집계)."""
        # 0 ranks by shares, 1 by won (workbook: foreign-institution-total).
        unit = ("qty", "tr_pbmn")[int(one_of(params, "FID_DIV_CLS_CODE", "0", "1"))]
        direction = 1 if one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1") == "0" else -1
        whose = one_of(params, "FID_ETC_CLS_CODE", "0", "1", "2", "3")
        rows: list[Row] = []
        for item in most_traded(issues(params, self._view.universe)):
            slots = self._estimates(item.code)
            if slots:
                rows.append(self._estimated(item, slots[-1][1], slots[-1][2], whose))
        return {"output": ranked("foreign_institution_total", rows, (f"ntby_{unit}", direction))}

    # investors of a market

    def inquire_investor_time_by_market(self, params: Params) -> Blocks:
        """Return the trades by group of a market up to now (시장별 투자자매매동향(시세))."""
        board = _MARKETS[one_of(params, "FID_INPUT_ISCD", *_MARKETS)]
        now = self._view.now
        flows = added(
            now, (self._view.facts.flows(item.code, now) for item in self._flows.members(board))
        )
        return {"output": [pick("inquire_investor_time_by_market", "output", group_fields(flows))]}

    def inquire_investor_daily_by_market(self, params: Params) -> Blocks:
        """Return the trades by group and day of a market (시장별 투자자매매동향(일별))."""
        board = _MARKETS[one_of(params, "FID_INPUT_ISCD_1", *_MARKETS)]
        last = day_of(params, "FID_INPUT_DATE_1", self._view.day)
        api, rows = "inquire_investor_daily_by_market", []
        levels = {day.day: day for day in self._view.facts.index_history(board.value, DAYS + 1)}
        for bar, flows in self._flows.days_of_market(board):
            level = levels.get(bar.day)
            # Real files may know the stocks on days on which they lack the index.
            if level is not None and bar.day <= last:
                rows.append(pick(api, "output", index_fields(level, levels), group_fields(flows)))
        return {"output": rows}

    def _estimates(self, code: str) -> list[tuple[str, Turnover, Turnover]]:
        """Return the estimates entered up to now: slot, foreigners, institutions."""
        slots: list[tuple[str, Turnover, Turnover]] = []
        foreign = institution = Turnover(0, 0, 0, 0)
        for slot, at in ESTIMATES:
            t = kst(self._view.day, at)
            # The slots are in the order of time: after the first one to come there is none to show.
            if t > self._view.now:
                break
            flows = self._view.facts.flows(code, t)
            # Slot 2 (10:00) is the institutions' alone, slot 1 (9:30) the foreigners'.
            foreign = foreign if slot == "2" else flows.foreign
            institution = institution if slot == "1" else flows.institution
            slots.append((slot, foreign, institution))
        return slots

    def _estimated(
        self, item: Instrument, foreign: Turnover, institution: Turnover, whose: str
    ) -> Row:
        nothing = Turnover(0, 0, 0, 0)
        ranks = {"0": plus(foreign, institution), "1": foreign, "2": institution, "3": nothing}[
            whose
        ]
        # Individuals are not part of the estimates.
        flows = Flows(self._view.now, nothing, foreign, institution)
        return {
            **stock_fields(self._view, item.code),
            **group_fields(flows),
            "ntby_qty": ranks.net,
            "ntby_tr_pbmn": ranks.net_value // MILLION,
        }
