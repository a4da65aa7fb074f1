"""The replies of the trading calls: orders, balance, orderable cash, and the day's orders."""

from __future__ import annotations

from collections.abc import Mapping

from kisnb.clock import day_number
from kisnb.errors import ApiError, FrameError
from kisnb.kis.calls.account_messages import deposit_row, holding_row, orderable_row
from kisnb.kis.calls.order_messages import order_row, order_totals, ref_row
from kisnb.kis.order_codes import ORD_DVSN, REVISE, read_venue, side_code
from kisnb.kis.wire_text import yyyymmdd
from kisnb.orders import OrderRef, OrderRow
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.account.account import AccountRejected, SimulatedAccount
from kisnb.simulator.host.account.brokerage import Brokerage, PlacedNumber
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.replies.reply import Blocks, Page, page_of
from kisnb.terms import OrderKind, Side, Venue

_KINDS = {code: kind for kind, code in ORD_DVSN.items()}


class TradingReplies:
    """Carries out the trading calls on the account, and makes their replies."""

    def __init__(self, market: Market, brokerage: Brokerage, persona: Persona) -> None:
        self._market = market
        self._brokerage = brokerage
        self._persona = persona

    @property
    def _account(self) -> SimulatedAccount:
        return self._brokerage.account

    def order_cash(self, side: Side, params: Mapping[str, str]) -> tuple[Blocks, PlacedNumber]:
        """Place an order (order-cash), and return the reply and the order's number.

        Raises AccountRejected, and ApiError for unreadable parameters.
        """
        venue = _venue(params)
        kind = _KINDS.get(params["ORD_DVSN"])
        if kind is None:
            raise AccountRejected("kind")
        qty = _whole(params, "ORD_QTY")
        # The price of a market order is not read: clients send 0, or nothing.
        price = _whole(params, "ORD_UNPR") if kind.priced else 0
        # CNDT_PRIC counts for stop-limit orders (ORD_DVSN 22) only (workbook: order-cash).
        stop = _whole(params, "CNDT_PRIC") if kind is OrderKind.STOP_LIMIT else None
        self._check_host(params["PDNO"], venue, kind, price)
        placed = self._brokerage.place(params["PDNO"], side, kind, qty, price, venue, stop)
        return self._placed(placed), placed

    def _check_host(self, code: str, venue: Venue, kind: OrderKind, price: int) -> None:
        """Raise AccountRejected for an order that the exchange accepts and this host does not."""
        known = code in self._market.universe
        at = price or (self._market.quote(code).price if known else 0)
        why = self._persona.refuses(venue, kind, at, self._market.now) if known else None
        if why is not None:
            raise AccountRejected(why)

    def order_rvsecncl(self, params: Mapping[str, str]) -> tuple[Blocks, PlacedNumber]:
        """Revise or cancel an order (order-rvsecncl), and return the reply and the new number.

        The call must name the venue to which the order was sent, or the one that has it now. Raises
        AccountRejected, and ApiError for unreadable parameters.
        """
        number = _whole(params, "ORGN_ODNO")
        order = self._account.orders.get(number)
        if order is not None and _venue(params) not in (order.venue, order.at):
            raise AccountRejected("no order")
        # With QTY_ALL_ORD_YN Y a client may send 0 as the quantity.
        qty = None if params["QTY_ALL_ORD_YN"] == "Y" else _whole(params, "ORD_QTY")
        if params["RVSE_CNCL_DVSN_CD"] == REVISE:
            placed = self._brokerage.revise(number, qty, _whole(params, "ORD_UNPR"))
        else:
            placed = self._brokerage.cancel(number, qty)
        return self._placed(placed), placed

    def inquire_balance(self, first: int) -> Page:
        """Return a page of the holdings, and the account's sums (inquire-balance)."""
        statement = self._brokerage.statement()
        # inquire-balance lists 50 holdings a page on the live host, 20 on the paper host
        # (workbook).
        holdings, next_row = page_of(statement.holdings, first, self._persona.balance_page)
        account = self._account
        rows = []
        for holding in holdings:
            position = account.positions[holding.code]
            today = {"thdt_buyqty": position.bought, "thdt_sll_qty": position.sold}
            rows.append(holding_row(holding) | today)
        flows = {
            "thdt_buy_amt": account.buy_value,
            "thdt_sll_amt": account.sell_value,
        }
        return Page({"output1": rows, "output2": [deposit_row(statement) | flows]}, next_row)

    def inquire_psbl_order(self, params: Mapping[str, str]) -> Blocks:
        """Return how much can be bought (inquire-psbl-order).

        A call without a stock gets the cash alone. Raises AccountRejected for an unknown stock.
        """
        cash = max(self._account.orderable, 0)
        code = params["PDNO"]
        if not code:
            return {"output": orderable_row(cash)}
        if code not in self._market.universe:
            raise AccountRejected("unknown")
        item = self._market.universe.get(code)
        kind = _KINDS.get(params["ORD_DVSN"], OrderKind.LIMIT)
        price = (
            self._brokerage.upper_limit(item)
            if not kind.priced
            else _whole(params, "ORD_UNPR") or self._market.quote(code).price
        )
        qty = self._account.buyable(item, price)
        return {"output": orderable_row(cash, price) | {"nrcvb_buy_qty": qty, "max_buy_qty": qty}}

    def inquire_daily_ccld(self, params: Mapping[str, str], first: int) -> Page:
        """Return a page of the day's orders, newest first, requests to cancel included."""
        wanted = [
            order
            for order in reversed(self._account.orders.values())
            if self._asked_for(order, params)
        ]
        # inquire-daily-ccld lists 100 orders a page on the live host, 15 on the paper host
        # (workbook).
        orders, next_row = page_of(wanted, first, self._persona.orders_page)
        rows = [order_row(self._row(o), o.item.name) for o in orders]
        return Page(
            {"output1": rows, "output2": order_totals([self._row(o) for o in wanted])}, next_row
        )

    def _placed(self, placed: PlacedNumber) -> Blocks:
        ref = OrderRef(day_number(self._market.day), self._persona.branch, placed.number)
        return {"output": ref_row(ref, self._market.now)}

    def _row(self, order: AccountOrder) -> OrderRow:
        """Return an order as KIS lists it.

        Shares that expired count neither as leaves nor as cancelled. Shares that moved to another
        number count as cancelled.
        """
        ref = OrderRef(
            day_number(self._market.day), self._persona.branch, order.number, order.venue
        )
        return OrderRow(
            ref,
            order.original,
            order.item.code,
            order.side,
            order.kind,
            order.qty,
            order.price,
            order.filled,
            order.average,
            order.leaves,
            order.cancelled + order.revised,
            order.rejected,
            order.t,
            order.value,
        )

    def _asked_for(self, order: AccountOrder, params: Mapping[str, str]) -> bool:
        today = yyyymmdd(self._market.day)
        number = params["ODNO"].strip()
        return (
            params["INQR_STRT_DT"] <= today <= params["INQR_END_DT"]
            and params["SLL_BUY_DVSN_CD"] in ("", "00", side_code(order.side))
            and params["PDNO"] in ("", order.item.code)
            # KIS writes order numbers with and without leading zeros, so they are compared as
            # integers.
            and (not number or (number.isdecimal() and int(number) == order.number))
            # Without ALL a client misses its orders at other venues.
            and params["EXCG_ID_DVSN_CD"] in ("", "ALL", str(order.venue))
            and (params["CCLD_DVSN"] != "01" or order.filled > 0)
            and (params["CCLD_DVSN"] != "02" or order.leaves > 0)
        )


def _venue(params: Mapping[str, str]) -> Venue:
    """Return the venue of an order. Raises ApiError for a venue that KIS does not know."""
    try:
        return read_venue(params["EXCG_ID_DVSN_CD"])
    except FrameError:
        raise ApiError(
            "ERROR : INPUT INVALID_CHECK_FIELD [EXCG_ID_DVSN_CD]", msg_cd="OPSQ2001"
        ) from None


def _whole(params: Mapping[str, str], name: str) -> int:
    """Return a whole number without sign; 0 for an empty text.

    Raises ApiError for anything else.
    """
    text = params[name].strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise ApiError(f"ERROR : INPUT INVALID_CHECK_FIELD [{name}]", msg_cd="OPSQ2001")
    return int(text or 0)
