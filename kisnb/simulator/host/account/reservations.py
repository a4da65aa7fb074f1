"""Orders reserved for the next day (예약주문): placed, listed, revised and cancelled.

Won and shares. The simulated day ends before any of them is due, so all of them stay waiting.
"""

from __future__ import annotations

from datetime import time

from kisnb.clock import Ns, hhmmss, kst
from kisnb.kis.order_codes import KIND_NAME, ORD_DVSN, SLL_BUY
from kisnb.kis.wire_text import yyyymmdd
from kisnb.simulator.host.account.account import AccountRejected
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Page,
    Pages,
    Params,
    Row,
    number_of,
    page_of,
)
from kisnb.terms import OrderKind, Side

PAGE = 20
"""Rows of a page of order-resv-ccnl (workbook)."""
OPENS, REST_BEGINS, REST_ENDS, CLOSES = time(15, 40), time(23, 40), time(0, 10), time(7, 30)
"""KIS takes reservations from 15:40 until 7:30, except between 23:40 and 0:10 (workbook:
order-resv)."""
KINDS = {
    ORD_DVSN[kind]: kind
    for kind in (OrderKind.LIMIT, OrderKind.MARKET, OrderKind.CONDITIONAL, OrderKind.PRE_CLOSE)
}
"""Kinds of orders that can be reserved, by their ORD_DVSN_CD."""
_SIDES = frozenset(SLL_BUY.values())


class Reserved:
    """One reserved order. ``side`` is KIS's code, ``price`` is in won, ``qty`` in shares."""

    __slots__ = ("cancelled_at", "code", "kind", "price", "qty", "side", "t")

    def __init__(self, t: Ns, code: str, side: str, kind: OrderKind, qty: int, price: int) -> None:
        self.t = t
        self.code = code
        self.side = side
        self.kind = kind
        self.qty = qty
        self.price = price
        self.cancelled_at: Ns = 0
        """0 while the order waits."""


class Reservations:
    """Keeps the reserved orders, numbered from 1.

    Each call raises AccountRejected for an order that cannot be reserved.
    """

    def __init__(self, view: MarketView) -> None:
        self._view = view
        self._orders: list[Reserved] = []

    def answers(self) -> dict[str, Answer]:
        """Return the calls that are answered at once, by name."""
        return {
            "order_resv": self.order_resv,
            "order_resv_rvsecncl_cancel": self.cancel,
            "order_resv_rvsecncl_revise": self.revise,
        }

    def pages(self) -> dict[str, Pages]:
        """Return the calls that are answered page by page, by name."""
        return {"order_resv_ccnl": self.order_resv_ccnl}

    def order_resv(self, params: Params) -> Blocks:
        """Reserve an order, and return its number."""
        self._orders.append(self._read(params))
        return {"output": {"RSVN_ORD_SEQ": str(len(self._orders))}}

    def cancel(self, params: Params) -> Blocks:
        """Cancel a waiting order."""
        self._waiting(params).cancelled_at = self._view.now
        return {"output": {"NRML_PRCS_YN": "Y"}}

    def revise(self, params: Params) -> Blocks:
        """Replace a waiting order. It keeps its number."""
        old, new = self._waiting(params), self._read(params)
        # The list's position is the number, so the new order takes the old one's place.
        self._orders[self._orders.index(old)] = new
        return {"output": {"NRML_PRCS_YN": "Y"}}

    def order_resv_ccnl(self, params: Params, first: int) -> Page:
        """Return a page of the reserved orders, newest first.

        PRCS_DVSN_CD 1 asks for those that have become orders. There are none.
        """
        today = yyyymmdd(self._view.day)
        wanted = [
            (number, order)
            for number, order in enumerate(self._orders, start=1)
            if params["RSVN_ORD_ORD_DT"] <= today <= (params["RSVN_ORD_END_DT"].strip() or today)
            and params["PRCS_DVSN_CD"] != "1"
            and (params["CNCL_YN"] != "Y" or not order.cancelled_at)
            and params["PDNO"].strip() in ("", order.code)
            and params["SLL_BUY_DVSN_CD"].strip() in ("", "00", order.side)
            and params["RSVN_ORD_SEQ"].strip() in ("", str(number))
        ]
        rows, next_row = page_of(wanted[::-1], first, PAGE)
        return Page({"output": [self._row(number, order) for number, order in rows]}, next_row)

    def _read(self, params: Params) -> Reserved:
        if not self._taking():
            raise AccountRejected("closed")
        code, kind, side = (
            params["PDNO"],
            KINDS.get(params["ORD_DVSN_CD"]),
            params["SLL_BUY_DVSN_CD"],
        )
        if code not in self._view.universe:
            raise AccountRejected("unknown")
        qty, price = number_of(params, "ORD_QTY", 0), number_of(params, "ORD_UNPR", 0)
        if kind is None or side not in _SIDES:
            raise AccountRejected("kind")
        if qty < 1:
            raise AccountRejected("quantity")
        return Reserved(self._view.now, code, side, kind, qty, price)

    def _waiting(self, params: Params) -> Reserved:
        number = number_of(params, "RSVN_ORD_SEQ", 0)
        if not 0 < number <= len(self._orders):
            raise AccountRejected("no order")
        order = self._orders[number - 1]
        if order.cancelled_at:
            raise AccountRejected("no leaves")
        return order

    def _taking(self) -> bool:
        now, day = self._view.now, self._view.day
        evening = kst(day, OPENS) <= now < kst(day, REST_BEGINS)
        return evening or kst(day, REST_ENDS) <= now < kst(day, CLOSES)

    def _row(self, number: int, order: Reserved) -> Row:
        today = yyyymmdd(self._view.day)
        cancelled = order.cancelled_at
        return {
            "rsvn_ord_seq": str(number),
            "rsvn_ord_ord_dt": today,
            "rsvn_ord_rcit_dt": today,
            "rsvn_ord_rcit_tmd": hhmmss(order.t),
            "ord_tmd": hhmmss(order.t),
            "pdno": order.code,
            "kor_item_shtn_name": self._view.item(order.code).name,
            "ord_dvsn_cd": ORD_DVSN[order.kind],
            "ord_dvsn_name": ("현금매도" if order.side == SLL_BUY[Side.SELL] else "현금매수")
            + KIND_NAME[order.kind],
            "ord_rsvn_qty": order.qty,
            "ord_rsvn_unpr": order.price,
            "sll_buy_dvsn_cd": order.side,
            "cncl_ord_dt": today if cancelled else "",
            "cncl_rcit_tmd": hhmmss(cancelled) if cancelled else "",
            "prcs_rslt": "취소" if cancelled else "미처리",
            "tmnl_mdia_kind_cd": "31",
        }
