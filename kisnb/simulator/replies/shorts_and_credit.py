"""Replies about short sales (공매도) and shares bought on credit (신용잔고).

Shares and won. Amounts of credit are in 만원 (10 000 won).
"""

from __future__ import annotations

from datetime import date, timedelta

from kisnb.kis.wire_text import yyyymmdd
from kisnb.market.calendar import next_trading_day
from kisnb.simulator.day.investor_flows import CreditBalance
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.ranking_rows import Order, most_traded, ranked
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    code_of,
    day_of,
    issues,
    number_of,
    one_of,
    pick,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import bar_fields, rate, stock_fields
from kisnb.terms import Venue

DAYS = 30
"""Rows of a reply by day."""
MAN = 10_000
_PERIOD_DAYS = {"D": 1, "M": 21}
"""Trading days of a period."""
_CREDIT_ORDER: dict[str, Order] = {
    "0": ("whol_loan_rmnd_rate", 1),
    "1": ("whol_loan_rmnd_stcn", 1),
    "2": ("whol_loan_rmnd_amt", 1),
    "3": ("nday_vrss_loan_rmnd_inrt", 1),
    "4": ("nday_vrss_loan_rmnd_inrt", -1),
    "5": ("whol_stln_rmnd_rate", 1),
    "6": ("whol_stln_rmnd_stcn", 1),
    "7": ("whol_stln_rmnd_amt", 1),
    "8": ("nday_vrss_stln_rmnd_inrt", 1),
    "9": ("nday_vrss_stln_rmnd_inrt", -1),
}
"""The order by FID_RANK_SORT_CLS_CODE of credit-balance."""


class ShortsAndCredit:
    """Replies about short sales and credit.

    No customer borrows shares of a broker to sell them (대주), so those columns are 0. Each reply
    raises ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def answers(self) -> dict[str, Answer]:
        """Return the calls that this class answers, by name."""
        return {
            "daily_short_sale": self.daily_short_sale,
            "short_sale": self.short_sale,
            "daily_credit_balance": self.daily_credit_balance,
            "credit_balance": self.credit_balance,
        }

    def daily_short_sale(self, params: Params) -> Blocks:
        """Return the short sales by day, newest first (공매도 일별추이).

        The accumulated columns begin at the first day of the window.
        """
        venue_of(params, Venue.KRX)
        code = code_of(params, self._view.universe)
        first = day_of(params, "FID_INPUT_DATE_1", date.min)
        last = day_of(params, "FID_INPUT_DATE_2", self._view.day)
        sold_all = value_all = volume_all = turnover_all = 0
        rows: list[Row] = []
        reach = self._view.trading_days_since(
            # Without a first day the window goes back about two months, and not to the beginning of
            # the history.
            first if first > date.min else last - timedelta(days=2 * DAYS)
        )
        past = self._view.past(code, reach)
        for bar, sale in zip(
            reversed(past), self._view.facts.short_sales(code, len(past)), strict=True
        ):
            # The sums begin at the window's first day, not at the first day of the history.
            if not first <= bar.day <= last:
                continue
            sold_all, value_all = sold_all + sale.qty, value_all + sale.value
            volume_all, turnover_all = volume_all + bar.volume, turnover_all + bar.value
            rows.append(
                {
                    **pick(
                        "daily_short_sale",
                        "output2",
                        bar_fields(bar, self._view.close_before(code, bar.day)),
                    ),
                    "stnd_vol_smtn": volume_all,
                    "ssts_cntg_qty": sale.qty,
                    "ssts_vol_rlim": rate(sale.qty, bar.volume),
                    "acml_ssts_cntg_qty": sold_all,
                    "acml_ssts_cntg_qty_rlim": rate(sold_all, volume_all),
                    "stnd_tr_pbmn_smtn": turnover_all,
                    "ssts_tr_pbmn": sale.value,
                    "ssts_tr_pbmn_rlim": rate(sale.value, bar.value),
                    "acml_ssts_tr_pbmn": value_all,
                    "acml_ssts_tr_pbmn_rlim": rate(value_all, turnover_all),
                    "avrg_prc": sale.value // sale.qty if sale.qty else 0,
                }
            )
        head = pick("daily_short_sale", "output1", stock_fields(self._view, code))
        return {"output1": head, "output2": rows[::-1]}

    def short_sale(self, params: Params) -> Blocks:
        """Return the stocks by the part of the volume that was sold short (공매도 상위종목).

        The period is some days or months up to the day before the simulated day.
        """
        venue_of(params, Venue.KRX)
        period = one_of(params, "FID_PERIOD_DIV_CODE", *_PERIOD_DAYS)
        days = _PERIOD_DAYS[period] * (
            number_of(params, "FID_INPUT_CNT_1", 0) + (1 if period == "D" else 0) or 1
        )
        rows = []
        for item in most_traded(issues(params, self._view.universe)):
            # The same bound as for the rows by day: a longer reach would make long histories of
            # fifty stocks.
            past = self._view.past(item.code, min(days, DAYS))
            sales = self._view.facts.short_sales(item.code, len(past))
            if past:
                qty, value = sum(sale.qty for sale in sales), sum(sale.value for sale in sales)
                volume, turnover = sum(bar.volume for bar in past), sum(bar.value for bar in past)
                rows.append(
                    {
                        **stock_fields(self._view, item.code),
                        "ssts_cntg_qty": qty,
                        "ssts_vol_rlim": rate(qty, volume),
                        "ssts_tr_pbmn": value,
                        "ssts_tr_pbmn_rlim": rate(value, turnover),
                        "stnd_date1": yyyymmdd(past[-1].day),
                        "stnd_date2": yyyymmdd(past[0].day),
                        "avrg_prc": value // qty if qty else 0,
                    }
                )
        return {"output": ranked("short_sale", rows, ("ssts_vol_rlim", 1))}

    def daily_credit_balance(self, params: Params) -> Blocks:
        """Return the credit by day up to a settlement day, newest first (신용잔고 일별추이)."""
        venue_of(params, Venue.KRX)
        code = code_of(params, self._view.universe)
        last = day_of(params, "FID_INPUT_DATE_1", self._view.day)
        rows: list[Row] = []
        past = self._view.past(code, self._view.trading_days_since(last) + DAYS)
        for bar, credit in zip(
            reversed(past), self._view.facts.credit(code, len(past)), strict=True
        ):
            # KIS dates credit by the settlement day, two trading days after the trade.
            settled = next_trading_day(next_trading_day(bar.day))
            if settled <= last:
                fields = bar_fields(bar, self._view.close_before(code, bar.day))
                dates = {"deal_date": yyyymmdd(bar.day), "stlm_date": yyyymmdd(settled)}
                new = {
                    "whol_loan_new_stcn": credit.new,
                    "whol_loan_rdmp_stcn": credit.repaid,
                    "whol_loan_new_amt": credit.new * bar.close // MAN,
                    "whol_loan_rdmp_amt": credit.repaid * bar.close // MAN,
                    "whol_loan_gvrt": rate(credit.new, bar.volume),
                }
                standing = self._standing(code, credit, bar.close)
                rows.append(pick("daily_credit_balance", "output", fields, dates, new, standing))
        return {"output": rows[::-1][:DAYS]}

    def credit_balance(self, params: Params) -> Blocks:
        """Return the stocks with the most credit (신용잔고 상위)."""
        venue_of(params, Venue.KRX)
        order = _CREDIT_ORDER[one_of(params, "FID_RANK_SORT_CLS_CODE", *_CREDIT_ORDER)]
        days = min(max(number_of(params, "FID_OPTION", 2), 1), DAYS)
        rows, dates = [], ("", "")
        for item in most_traded(issues(params, self._view.universe)):
            balances = self._view.facts.credit(item.code, days)
            if balances:
                dates = (yyyymmdd(balances[0].day), yyyymmdd(balances[-1].day))
                grown = rate(balances[-1].standing - balances[0].before, balances[0].before)
                standing = self._standing(item.code, balances[-1], item.base)
                rows.append(
                    {
                        **stock_fields(self._view, item.code),
                        **standing,
                        "nday_vrss_loan_rmnd_inrt": grown,
                        "nday_vrss_stln_rmnd_inrt": 0.0,
                    }
                )
        head: Row = {
            "bstp_cls_code": params["FID_INPUT_ISCD"],
            "hts_kor_isnm": "전체",
            "stnd_date1": dates[0],
            "stnd_date2": dates[1],
        }
        return {"output1": [head], "output2": ranked("credit_balance", rows, order, "output2")}

    def _standing(self, code: str, credit: CreditBalance, price: int) -> Row:
        return {
            "whol_loan_rmnd_stcn": credit.standing,
            "whol_loan_rmnd_amt": credit.standing * price // MAN,
            "whol_loan_rmnd_rate": rate(credit.standing, self._view.item(code).shares),
            "whol_stln_rmnd_stcn": 0,
            "whol_stln_rmnd_amt": 0,
            "whol_stln_rmnd_rate": 0.0,
        }
