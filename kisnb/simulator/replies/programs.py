"""Replies about program trades (프로그램매매), of one stock and of a market.

Quantities in shares, values in million won.
"""

from __future__ import annotations

from kisnb.clock import MINUTE, hhmmss
from kisnb.market import sessions
from kisnb.simulator.day.investor_flows import Turnover, program_of
from kisnb.simulator.replies.flow_days import DAYS, MARKET_ROWS, FlowDays
from kisnb.simulator.replies.flow_fields import (
    added,
    by_investor,
    market_program_fields,
    plus,
    program_fields,
    scaled,
    whole_of,
)
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    code_of,
    one_of,
    pick,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import change_fields, index_fields, sign_of
from kisnb.terms import Board

PROGRAM_ROWS = 30
"""Rows of program-trade-by-stock, which has one a minute here."""
_MARKETS = {"K": Board.KOSPI, "Q": Board.KOSDAQ, "1": Board.KOSPI, "4": Board.KOSDAQ}


class ProgramReplies:
    """Replies about program trades.

    Each reply raises ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView, flows: FlowDays) -> None:
        self._view = view
        self._flows = flows

    def answers(self) -> dict[str, Answer]:
        """Return the calls that this class answers, by name."""
        return {
            "program_trade_by_stock": self.program_trade_by_stock,
            "program_trade_by_stock_daily": self.program_trade_by_stock_daily,
            "comp_program_trade_today": self.comp_program_trade_today,
            "comp_program_trade_daily": self.comp_program_trade_daily,
            "investor_program_trade_today": self.investor_program_trade_today,
        }

    def program_trade_by_stock(self, params: Params) -> Blocks:
        """Return the program trades of a stock by minute, newest first (매매추이(체결))."""
        venue, code = venue_of(params), code_of(params, self._view.universe)
        quote, rows = self._view.quote(code, venue), []
        before = Turnover(0, 0, 0, 0)
        volume = 0
        for minute in self._view.minutes(code, venue):
            volume += minute.volume
            t = min(minute.t + MINUTE, self._view.now)
            whole = (
                whole_of(self._view.facts.program(code, t))
                # Only the minutes that are shown need figures; those before them would cost time.
                if minute.t + PROGRAM_ROWS * MINUTE > self._view.now
                else before
            )
            rows.append(
                {
                    "bsop_hour": hhmmss(t),
                    "acml_vol": volume,
                    **change_fields(minute.close, quote),
                    **program_fields("whol_smtn", whole),
                    "whol_ntby_vol_icdc": whole.net - before.net,
                    "whol_ntby_tr_pbmn_icdc": whole.net_value - before.net_value,
                }
            )
            before = whole
        # The oldest minute with figures has none before it to be compared with, so it is left out.
        return {"output": rows[::-1][: PROGRAM_ROWS - 1]}

    def program_trade_by_stock_daily(self, params: Params) -> Blocks:
        """Return the program trades of a stock by day, newest first (매매추이(일별))."""
        venue_of(params)
        code = code_of(params, self._view.universe)
        api, rows = "program_trade_by_stock_daily", []
        for bar, flows in self._flows.days_until(params, code):
            whole = whole_of(program_of(flows))
            more: Row = {
                "whol_ntby_vol_icdc": whole.net,
                "whol_ntby_tr_pbmn_icdc2": whole.net_value,
            }
            rows.append(
                pick(
                    api,
                    "output",
                    self._flows.bar(code, bar),
                    program_fields("whol_smtn", whole),
                    more,
                )
            )
        return {"output": rows}

    def comp_program_trade_today(self, params: Params) -> Blocks:
        """Return the program trades of a market by minute, newest first (종합현황(시간))."""
        venue_of(params)
        board = _MARKETS[one_of(params, "FID_MRKT_CLS_CODE", "K", "Q")]
        opened, closed = (
            sessions.regular_open(self._view.day),
            sessions.regular_close(self._view.day),
        )
        last = min(self._view.now, closed) // MINUTE * MINUTE
        rows = []
        for t in range(last, max(opened, last - MARKET_ROWS * MINUTE), -MINUTE):
            members = self._flows.members(board)
            program = program_of(
                added(t, (self._view.facts.flows(item.code, t) for item in members))
            )
            point = self._view.facts.index(board.value, t)
            whole = {
                "bsop_hour": hhmmss(t),
                "bstp_nmix_prpr": point.level,
                "bstp_nmix_prdy_vrss": point.change,
                "prdy_vrss_sign": sign_of(point.change),
            }
            rows.append(
                pick(
                    "comp_program_trade_today",
                    "output",
                    whole,
                    market_program_fields(program, point.value),
                )
            )
        return {"output": rows}

    def comp_program_trade_daily(self, params: Params) -> Blocks:
        """Return the program trades of a market by day, newest first (종합현황(일별))."""
        venue_of(params)
        board = _MARKETS[one_of(params, "FID_MRKT_CLS_CODE", "K", "Q")]
        levels = {day.day: day for day in self._view.facts.index_history(board.value, DAYS + 1)}
        rows = []
        for bar, flows in self._flows.days_of_market(board):
            if (level := levels.get(bar.day)) is not None:
                fields = market_program_fields(program_of(flows), bar.value, bar.volume)
                rows.append(
                    pick("comp_program_trade_daily", "output", index_fields(level, levels), fields)
                )
        return {"output": rows}

    def investor_program_trade_today(self, params: Params) -> Blocks:
        """Return the program trades of a market by group (투자자매매동향(당일)).

        Foreigners and institutions share the program trades in proportion to their turnover. The
        groups' codes are KRX's (uncertain).
        """
        board = _MARKETS[one_of(params, "MRKT_DIV_CLS_CODE", "1", "4")]
        if params["EXCH_DIV_CLS_CODE"]:
            venue_of(params, name="EXCH_DIV_CLS_CODE")
        now = self._view.now
        flows = added(
            now, (self._view.facts.flows(item.code, now) for item in self._flows.members(board))
        )
        program, nothing = program_of(flows), Turnover(0, 0, 0, 0)
        rows = []
        for code, name, part in (
            ("9000", "외국인", flows.foreign),
            ("7050", "기관계", flows.institution),
            ("8000", "개인", nothing),
        ):
            # Individuals trade no programs here, so the two groups share all of them.
            both = flows.foreign.bought + flows.institution.bought
            own = part.bought / both if both else 0.0
            arbitrage, other = scaled(program.arbitrage, own), scaled(program.other, own)
            rows.append(
                {
                    "invr_cls_code": code,
                    "invr_cls_name": name,
                    **by_investor("all", plus(arbitrage, other)),
                    **by_investor("arbt", arbitrage),
                    **by_investor("nabt", other),
                }
            )
        return {"output1": rows}
