"""Replies about the account beyond balance and orders: sellable shares, and profits.

Amounts are in won.
"""

from __future__ import annotations

from kisnb.clock import hhmmss
from kisnb.kis.calls.account_messages import deposit_row, holding_row, orderable_row
from kisnb.kis.calls.order_messages import order_totals
from kisnb.kis.order_codes import EXCG_DVSN, KIND_NAME, kind_code, side_code, venue_code
from kisnb.kis.wire_text import order_number, yyyymmdd
from kisnb.simulator.host.account.account import AccountRejected, SimulatedAccount
from kisnb.simulator.host.account.brokerage import Brokerage
from kisnb.simulator.host.account.orders import AccountOrder, AccountPosition
from kisnb.simulator.host.account.profits import profit_fields, shares_fields, totals_fields
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Page,
    Pages,
    Params,
    Row,
    one_of,
    page_of,
    pick,
)
from kisnb.simulator.replies.stock_fields import rate

OPEN_ORDERS_PAGE = 50
"""Rows of a page of inquire-psbl-rvsecncl (workbook)."""


class AccountQueries:
    """Answers calls about the account.

    The account is one day old, so it has nothing from before this day. It has no loans and no
    foreign currency.
    """

    def __init__(self, view: MarketView, brokerage: Brokerage, persona: Persona) -> None:
        self._view = view
        self._brokerage = brokerage
        self._persona = persona

    def answers(self) -> dict[str, Answer]:
        """Return the calls that are answered at once, by name."""
        return {
            "inquire_psbl_sell": self.inquire_psbl_sell,
            "inquire_credit_psamount": self.inquire_credit_psamount,
            "inquire_account_balance": self.inquire_account_balance,
            "intgr_margin": self.intgr_margin,
        }

    def pages(self) -> dict[str, Pages]:
        """Return the calls that are answered page by page, by name."""
        return {
            "inquire_psbl_rvsecncl": self.inquire_psbl_rvsecncl,
            "inquire_balance_rlz_pl": self.inquire_balance_rlz_pl,
            "inquire_period_profit": self.inquire_period_profit,
            "inquire_period_trade_profit": self.inquire_period_trade_profit,
            "inquire_daily_ccld_old": self.inquire_daily_ccld_old,
            "period_rights": self.period_rights,
        }

    @property
    def _account(self) -> SimulatedAccount:
        return self._brokerage.account

    def inquire_daily_ccld_old(self, _params: Params, _first: int) -> Page:
        """Return the orders of more than three months ago: none."""
        return Page({"output2": order_totals([])})

    def period_rights(self, _params: Params, _first: int) -> Page:
        """Return the rights of the held shares: none."""
        return Page({})

    def inquire_psbl_sell(self, params: Params) -> Blocks:
        """Return how many shares of a stock can be sold.

        Raises AccountRejected for an unknown code.
        """
        code = params["PDNO"]
        if code not in self._view.universe:
            raise AccountRejected("unknown")
        # A stock that is not held gets its name and price alone.
        held = next((h for h in self._brokerage.statement().holdings if h.code == code), None)
        known = {
            "pdno": code,
            "prdt_name": self._view.item(code).name,
            "now_pric": self._view.quote(code).price,
        }
        if held is None:
            return {"output": {**known}}
        position = self._account.positions[code]
        more: Row = {
            "buy_qty": position.bought,
            "sll_qty": position.sold,
            "cblc_qty": held.qty,
            "nsvg_qty": held.qty,
        }
        return {"output": pick("inquire_psbl_sell", "output", holding_row(held), known, more)}

    def inquire_credit_psamount(self, _params: Params) -> Blocks:
        """Return what can be bought on credit: nothing. The reply names the cash as well."""
        cash = max(self._account.orderable, 0)
        nothing: Row = {"nrcvb_buy_amt": 0, "nrcvb_buy_qty": 0, "max_buy_amt": 0, "max_buy_qty": 0}
        return {"output": orderable_row(cash) | nothing}

    def inquire_account_balance(self, _params: Params) -> Blocks:
        """Return stocks and cash. KIS lists twenty classes of assets; the account has these two."""
        statement = self._brokerage.statement()
        value = sum(h.qty * h.price for h in statement.holdings)
        cost = sum(h.cost for h in statement.holdings)
        # The cash after settlement counts, since today's trades are in the value of the shares
        # already.
        cash = statement.cash_d2
        whole = value + cash
        rows: list[Row] = [
            {
                "pchs_amt": bought,
                "evlu_amt": worth,
                "evlu_pfls_amt": worth - bought,
                "real_nass_amt": worth,
                "whol_weit_rt": rate(worth, whole),
            }
            # Shares are the first row, cash the second.
            for bought, worth in ((cost, value), (cash, cash))
        ]
        total: Row = {
            "pchs_amt_smtl": cost,
            "nass_tot_amt": whole,
            "evlu_pfls_amt_smtl": value - cost,
            "evlu_amt_smtl": value,
            "tot_asst_amt": whole,
            "tot_dncl_amt": cash,
            "dncl_amt": statement.cash,
        }
        return {"output1": rows, "output2": total}

    def intgr_margin(self, _params: Params) -> Blocks:
        """Return the cash that can be ordered with, for each margin rate (증거금율)."""
        cash = max(self._account.orderable, 0)
        # A cash account needs 100 % of the price, so every rate gets the same amount.
        tiers = [f"stck_cash{per_cent}_max_ord_psbl_amt" for per_cent in (20, 30, 40, 50, 60, 100)]
        both = [f"stck_itgr_cash{per_cent}_ord_psbl_amt" for per_cent in (20, 30, 40, 50, 60, 100)]
        return {
            "output": {
                "acmga_rt": "100.00",
                "stck_cash_objt_amt": self._account.settled_d2,
                "stck_cash_use_amt": self._account.reserved,
                "stck_cash_ord_psbl_amt": cash,
                **dict.fromkeys([*tiers, *both, "stck_itgr_100_ord_psbl_amt"], cash),
            }
        }

    def inquire_psbl_rvsecncl(self, params: Params, first: int) -> Page:
        """Return a page of the open orders, newest first.

        INQR_DVSN_1 sorts by order (0) or issue (1); INQR_DVSN_2 selects all (0), sells (1) or buys
        (2).
        """
        by_issue = one_of(params, "INQR_DVSN_1", "0", "1") == "1"
        side = {"0": "", "1": "01", "2": "02"}[one_of(params, "INQR_DVSN_2", "0", "1", "2")]
        open_ = [
            o
            for o in reversed(self._account.orders.values())
            if o.leaves and side in ("", side_code(o.side))
        ]
        if by_issue:
            open_.sort(key=lambda order: order.item.code)
        orders, next_row = page_of(open_, first, OPEN_ORDERS_PAGE)
        return Page({"output": [self._open_order_row(order) for order in orders]}, next_row)

    def inquire_balance_rlz_pl(self, params: Params, _first: int) -> Page:
        """Return the holdings as inquire-balance has them, and the profit of this day's sales."""
        statement = self._brokerage.statement()
        rows = [
            pick(
                "inquire_balance_rlz_pl",
                "output1",
                holding_row(h),
                _today(self._account.positions[h.code]),
            )
            for h in statement.holdings
        ]
        earned = sum(p.realised for p in self._account.positions.values())
        costs = self._account.fees + self._account.taxes if params["COST_ICLD_YN"] == "Y" else 0
        deposit = deposit_row(statement)
        paid = sum(p.sold_value - p.realised for p in self._account.positions.values())
        unrealised = int(str(deposit["evlu_pfls_smtl_amt"]))
        total: Row = {
            **deposit,
            "thdt_buy_amt": self._account.buy_value,
            "thdt_sll_amt": self._account.sell_value,
            "thdt_tlex_amt": self._account.fees + self._account.taxes,
            "rlzt_pfls": earned - costs,
            "rlzt_erng_rt": rate(earned - costs, paid),
            "real_evlu_pfls": unrealised,
            "real_evlu_pfls_erng_rt": rate(unrealised, int(str(deposit["pchs_amt_smtl_amt"]))),
        }
        return Page({"output1": rows, "output2": [total]})

    def inquire_period_profit(self, params: Params, _first: int) -> Page:
        """Return a row for this day, if the period contains it and something was traded."""
        positions = self._traded(params)
        rows: list[Row] = []
        if positions:
            rows.append(
                {
                    "trad_dt": yyyymmdd(self._view.day),
                    **profit_fields(positions),
                    **shares_fields(positions),
                }
            )
        return Page({"output1": rows, "output2": totals_fields("inquire_period_profit", positions)})

    def inquire_period_trade_profit(self, params: Params, _first: int) -> Page:
        """Return a row for each issue that was sold this day."""
        positions = [position for position in self._traded(params) if position.sold]
        rows: list[Row] = [
            {
                "trad_dt": yyyymmdd(self._view.day),
                "pdno": position.item.code,
                "prdt_name": position.item.name,
                "trad_dvsn_name": "현금",
                "hldg_qty": position.qty,
                "pchs_unpr": (position.sold_value - position.realised) // position.sold,
                "buy_qty": position.bought,
                "sll_pric": position.sold_value // position.sold,
                "sll_qty": position.sold,
                **profit_fields([position]),
            }
            for position in positions
        ]
        return Page(
            {"output1": rows, "output2": totals_fields("inquire_period_trade_profit", positions)}
        )

    def _traded(self, params: Params) -> list[AccountPosition]:
        """Return the positions that traded this day; none when the period lacks the day."""
        today, code = yyyymmdd(self._view.day), params["PDNO"].strip()
        if not params["INQR_STRT_DT"] <= today <= params["INQR_END_DT"]:
            return []
        moved = (p for p in self._account.positions.values() if p.bought or p.sold)
        return [position for position in moved if code in ("", position.item.code)]

    def _open_order_row(self, order: AccountOrder) -> Row:
        venue = order.venue
        return {
            "ord_gno_brno": self._persona.branch,
            "odno": order_number(order.number),
            "orgn_odno": order_number(order.original),
            "ord_dvsn_name": KIND_NAME[order.kind],
            "ord_dvsn_cd": kind_code(order.kind),
            "pdno": order.item.code,
            "prdt_name": order.item.name,
            "ord_qty": order.qty,
            "ord_unpr": order.price,
            "ord_tmd": hhmmss(order.t),
            "tot_ccld_qty": order.filled,
            "tot_ccld_amt": order.value,
            "psbl_qty": order.leaves,
            "sll_buy_dvsn_cd": side_code(order.side),
            "excg_dvsn_cd": EXCG_DVSN[venue],
            "excg_id_dvsn_cd": venue_code(venue),
            "excg_id_dvsn_name": venue_code(venue),
            "stpm_efct_occr_yn": "N",
        }


def _today(position: AccountPosition) -> Row:
    return {"thdt_buyqty": position.bought, "thdt_sll_qty": position.sold}
