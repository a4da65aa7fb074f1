"""Replies about who bought and who sold: investors by group and programs. Shares, and million won."""

from __future__ import annotations

from datetime import time

from kisnb.clock import MINUTE, hhmmss, kst
from kisnb.market import sessions
from kisnb.market.instruments import Instrument
from kisnb.simulator.day.investor_flows import Flows, Turnover, program_of
from kisnb.simulator.replies.flow_fields import (
    MILLION,
    added,
    by_investor,
    group_fields,
    market_program_fields,
    plus,
    program_fields,
    scaled,
    whole_of,
)
from kisnb.simulator.replies.market_view import KEPT_DAYS, DayBar, MarketView
from kisnb.simulator.replies.rankings import most_traded, ranked
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
from kisnb.simulator.replies.stock_fields import (
    bar_fields,
    change_fields,
    index_fields,
    sign_of,
    stock_fields,
)
from kisnb.terms import Board

DAYS = 30
PROGRAM_ROWS = 30
MARKET_ROWS = 10
ESTIMATES = (
    ("1", time(9, 30)),
    ("2", time(10)),
    ("3", time(11, 20)),
    ("4", time(13, 20)),
    ("5", time(14, 30)),
)
"""When the day's estimates are typed in; foreigners' not at 10:00, institutions' not at 9:30."""
_MARKETS = {"KSP": Board.KOSPI, "KSQ": Board.KOSDAQ}
_PROGRAM_MARKETS = {"K": Board.KOSPI, "Q": Board.KOSDAQ, "1": Board.KOSPI, "4": Board.KOSDAQ}


class InvestorReplies:
    """Each answer raises ApiError with KIS's code for wrong parameters."""

    def __init__(self, view: MarketView) -> None:
        self._view = view
        self._market_days: dict[Board, list[tuple[DayBar, Flows]]] = {}

    def answers(self) -> dict[str, Answer]:
        return {
            "inquire_investor": self.inquire_investor,
            "investor_trade_by_stock_daily": self.investor_trade_by_stock_daily,
            "investor_trend_estimate": self.investor_trend_estimate,
            "foreign_institution_total": self.foreign_institution_total,
            "inquire_investor_time_by_market": self.inquire_investor_time_by_market,
            "inquire_investor_daily_by_market": self.inquire_investor_daily_by_market,
            "program_trade_by_stock": self.program_trade_by_stock,
            "program_trade_by_stock_daily": self.program_trade_by_stock_daily,
            "comp_program_trade_today": self.comp_program_trade_today,
            "comp_program_trade_daily": self.comp_program_trade_daily,
            "investor_program_trade_today": self.investor_program_trade_today,
        }

    # investors of a stock

    def inquire_investor(self, params: Params) -> Blocks:
        """This day's row is empty until the close."""
        venue_of(params)
        code = code_of(params, self._view.universe)
        rows = [self._day(code, bar, flows) for bar, flows in self._days(code, DAYS)]
        return {"output": [pick("inquire_investor", "output", row) for row in rows]}

    def investor_trade_by_stock_daily(self, params: Params) -> Blocks:
        venue_of(params)
        code = code_of(params, self._view.universe)
        rows = self._days_until(params, code)
        api = "investor_trade_by_stock_daily"
        return {
            "output1": pick(api, "output1", stock_fields(self._view, code)),
            "output2": [
                pick(
                    api,
                    "output2",
                    self._day(code, bar, flows),
                    {"acml_tr_pbmn": bar.value // MILLION},
                )
                for bar, flows in rows
            ],
        }

    def investor_trend_estimate(self, params: Params) -> Blocks:
        code = code_of(params, self._view.universe, "MKSC_SHRN_ISCD")
        rows: list[Row] = []
        for slot, foreign, institution in self._estimates(code):
            rows.append(
                {
                    "bsop_hour_gb": slot,
                    "frgn_fake_ntby_qty": foreign.net,
                    "orgn_fake_ntby_qty": institution.net,
                    "sum_fake_ntby_qty": foreign.net + institution.net,
                }
            )
        return {"output2": rows[::-1]}

    def foreign_institution_total(self, params: Params) -> Blocks:
        """By the last estimates of the day."""
        unit = ("qty", "tr_pbmn")[int(one_of(params, "FID_DIV_CLS_CODE", "0", "1"))]
        direction = 1 if one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1") == "0" else -1
        whose = one_of(params, "FID_ETC_CLS_CODE", "0", "1", "2", "3")
        rows: list[Row] = []
        for item in most_traded(issues(params, self._view.universe)):
            told = self._estimates(item.code)
            if told:
                rows.append(self._estimated(item, told[-1][1], told[-1][2], whose))
        return {"output": ranked("foreign_institution_total", rows, (f"ntby_{unit}", direction))}

    # investors of a market

    def inquire_investor_time_by_market(self, params: Params) -> Blocks:
        board = _MARKETS[one_of(params, "FID_INPUT_ISCD", *_MARKETS)]
        now = self._view.now
        flows = added(
            now, (self._view.facts.flows(item.code, now) for item in self._members(board))
        )
        return {"output": [pick("inquire_investor_time_by_market", "output", group_fields(flows))]}

    def inquire_investor_daily_by_market(self, params: Params) -> Blocks:
        board = _MARKETS[one_of(params, "FID_INPUT_ISCD_1", *_MARKETS)]
        last = day_of(params, "FID_INPUT_DATE_1", self._view.day)
        api, rows = "inquire_investor_daily_by_market", []
        levels = {day.day: day for day in self._view.facts.index_history(board.value, DAYS + 1)}
        for bar, flows in self._days_of_market(board):
            level = levels.get(bar.day)
            if level is not None and bar.day <= last:
                rows.append(pick(api, "output", index_fields(level, levels), group_fields(flows)))
        return {"output": rows}

    # programs

    def program_trade_by_stock(self, params: Params) -> Blocks:
        venue, code = venue_of(params), code_of(params, self._view.universe)
        quote, rows = self._view.quote(code, venue), []
        before = Turnover(0, 0, 0, 0)
        volume = 0
        for minute in self._view.minutes(code, venue):
            volume += minute.volume
            t = min(minute.t + MINUTE, self._view.now)
            whole = (
                whole_of(self._view.facts.program(code, t))
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
        return {"output": rows[::-1][: PROGRAM_ROWS - 1]}

    def program_trade_by_stock_daily(self, params: Params) -> Blocks:
        venue_of(params)
        code = code_of(params, self._view.universe)
        api, rows = "program_trade_by_stock_daily", []
        for bar, flows in self._days_until(params, code):
            whole = whole_of(program_of(flows))
            more: Row = {
                "whol_ntby_vol_icdc": whole.net,
                "whol_ntby_tr_pbmn_icdc2": whole.net_value,
            }
            rows.append(
                pick(api, "output", self._bar(code, bar), program_fields("whol_smtn", whole), more)
            )
        return {"output": rows}

    def comp_program_trade_today(self, params: Params) -> Blocks:
        venue_of(params)
        board = _PROGRAM_MARKETS[one_of(params, "FID_MRKT_CLS_CODE", "K", "Q")]
        opened, closed = (
            sessions.regular_open(self._view.day),
            sessions.regular_close(self._view.day),
        )
        last = min(self._view.now, closed) // MINUTE * MINUTE
        rows = []
        for t in range(last, max(opened, last - MARKET_ROWS * MINUTE), -MINUTE):
            members = self._members(board)
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
        venue_of(params)
        board = _PROGRAM_MARKETS[one_of(params, "FID_MRKT_CLS_CODE", "K", "Q")]
        levels = {day.day: day for day in self._view.facts.index_history(board.value, DAYS + 1)}
        rows = []
        for bar, flows in self._days_of_market(board):
            if (level := levels.get(bar.day)) is not None:
                fields = market_program_fields(program_of(flows), bar.value, bar.volume)
                rows.append(
                    pick("comp_program_trade_daily", "output", index_fields(level, levels), fields)
                )
        return {"output": rows}

    def investor_program_trade_today(self, params: Params) -> Blocks:
        """Foreigners and institutions in proportion to their turnover; the groups' codes are KRX's (uncertain)."""
        board = _PROGRAM_MARKETS[one_of(params, "MRKT_DIV_CLS_CODE", "1", "4")]
        if params["EXCH_DIV_CLS_CODE"]:
            venue_of(params, name="EXCH_DIV_CLS_CODE")
        now = self._view.now
        flows = added(
            now, (self._view.facts.flows(item.code, now) for item in self._members(board))
        )
        program, nothing = program_of(flows), Turnover(0, 0, 0, 0)
        rows = []
        for code, name, part in (
            ("9000", "외국인", flows.foreign),
            ("7050", "기관계", flows.institution),
            ("8000", "개인", nothing),
        ):
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

    # from the day's facts

    def _days(self, code: str, n: int) -> list[tuple[DayBar, Flows]]:
        """Newest first; this day once it has closed."""
        told = [
            (self._view.as_bar(dated), flows)
            for dated, flows in reversed(self._view.facts.past_flows(code, n))
        ]
        today = self._view.today(code)
        if today and self._view.now >= sessions.regular_close(self._view.day):
            told.insert(0, (today, self._view.facts.flows(code, self._view.now)))
        return told[:n]

    def _days_until(self, params: Params, code: str) -> list[tuple[DayBar, Flows]]:
        """Thirty days back from FID_INPUT_DATE_1, newest first."""
        last = day_of(params, "FID_INPUT_DATE_1", self._view.day)
        told = self._days(code, min(self._view.trading_days_since(last), KEPT_DAYS) + DAYS)
        return [(bar, flows) for bar, flows in told if bar.day <= last][:DAYS]

    def _day(self, code: str, bar: DayBar, flows: Flows) -> Row:
        return {**self._bar(code, bar), **group_fields(flows)}

    def _bar(self, code: str, bar: DayBar) -> Row:
        return bar_fields(bar, self._view.close_before(code, bar.day))

    def _estimates(self, code: str) -> list[tuple[str, Turnover, Turnover]]:
        """Those typed in up to now: slot, foreigners, institutions."""
        told: list[tuple[str, Turnover, Turnover]] = []
        foreign = institution = Turnover(0, 0, 0, 0)
        for slot, at in ESTIMATES:
            t = kst(self._view.day, at)
            if t > self._view.now:
                break
            flows = self._view.facts.flows(code, t)
            foreign = foreign if slot == "2" else flows.foreign
            institution = institution if slot == "1" else flows.institution
            told.append((slot, foreign, institution))
        return told

    def _estimated(
        self, item: Instrument, foreign: Turnover, institution: Turnover, whose: str
    ) -> Row:
        nothing = Turnover(0, 0, 0, 0)
        ranks = {"0": plus(foreign, institution), "1": foreign, "2": institution, "3": nothing}[
            whose
        ]
        flows = Flows(self._view.now, nothing, foreign, institution)
        return {
            **stock_fields(self._view, item.code),
            **group_fields(flows),
            "ntby_qty": ranks.net,
            "ntby_tr_pbmn": ranks.net_value // MILLION,
        }

    def _members(self, board: Board) -> list[Instrument]:
        return most_traded(item for item in self._view.universe if item.board is board)

    def _days_of_market(self, board: Board) -> list[tuple[DayBar, Flows]]:
        """The market's days, newest first: volumes of its members added up."""
        if board not in self._market_days:
            told = [
                self._view.facts.past_flows(item.code, MARKET_ROWS) for item in self._members(board)
            ]
            by_day: dict[object, list[tuple[DayBar, Flows]]] = {}
            for days in told:
                for dated, flows in days:
                    by_day.setdefault(dated.day, []).append((self._view.as_bar(dated), flows))
            self._market_days[board] = [
                (
                    DayBar(
                        bars[0][0].day,
                        0,
                        0,
                        0,
                        0,
                        sum(b.volume for b, _ in bars),
                        sum(b.value for b, _ in bars),
                    ),
                    added(bars[0][1].t, (flows for _, flows in bars)),
                )
                for _, bars in sorted(by_day.items(), key=lambda entry: str(entry[0]), reverse=True)
            ]
        return self._market_days[board]
