"""Orders reserved for the next day (예약주문): placed, listed, revised and cancelled.

Won and shares. Orders for the simulated day become orders when KRX's opening auction begins. Orders
for later days stay waiting, because the day ends before.
"""

from __future__ import annotations

from datetime import date, time

from kisnb.clock import Ns, hhmmss, kst, kst_day
from kisnb.kis.order_codes import KIND_NAME, ORD_DVSN, SLL_BUY, read_side
from kisnb.kis.wire_text import order_number, yyyymmdd
from kisnb.market.reserved_orders import KINDS as KINDS_TAKEN
from kisnb.market.reserved_orders import reserved_for, why_not_taken
from kisnb.simulator.host.account.account import AccountRejected
from kisnb.simulator.host.account.brokerage import Brokerage, PlacedNumber
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
SENT_AT = time(8, 30)
"""The time at which reserved orders go to KRX.

KIS does not say when it sends them. KRX's opening auction takes orders from this time on.
"""
KINDS = {ORD_DVSN[kind]: kind for kind in KINDS_TAKEN}
"""Kinds of orders that can be reserved, by their ORD_DVSN_CD."""
_SIDES = frozenset(SLL_BUY.values())


class Reserved:
    """One reserved order. ``side`` is KIS's code, ``price`` is in won, ``qty`` in shares."""

    __slots__ = (
        "cancelled_at", "code", "day", "kind", "number", "price", "qty", "refused", "side", "t",
    )  # fmt: skip

    def __init__(
        self, t: Ns, day: date, code: str, side: str, kind: OrderKind, qty: int, price: int
    ) -> None:
        self.t = t
        self.day = day
        """The trading day for which it is reserved."""
        self.code = code
        self.side = side
        self.kind = kind
        self.qty = qty
        self.price = price
        self.cancelled_at: Ns = 0
        """Moment at which the customer cancelled it. 0: the customer did not."""
        self.number = 0
        """The number of the order that the reserved order has become. 0 before that."""
        self.refused = ""
        """The reason why the reserved order could not become an order; empty without one."""

    @property
    def waits(self) -> bool:
        """True until it becomes an order, is refused or is cancelled."""
        return not (self.cancelled_at or self.number or self.refused)


class Reservations:
    """Keeps the reserved orders, numbered from 1.

    Each call raises AccountRejected for an order that cannot be reserved.
    """

    def __init__(self, view: MarketView, brokerage: Brokerage) -> None:
        self._view = view
        self._brokerage = brokerage
        self._orders: list[Reserved] = []

    def due(self) -> Ns | None:
        """Return the moment at which orders go to the exchange. None when no order waits."""
        if not self._orders:
            return None
        day = self._view.day
        return kst(day, SENT_AT) if any(o.waits and o.day == day for o in self._orders) else None

    def send(self) -> list[PlacedNumber]:
        """Place the orders reserved for this day, and return their numbers.

        KIS sends no notice of a refusal.
        """
        placed = []
        for order in self._orders:
            if not order.waits or order.day != self._view.day:
                continue
            side = read_side(order.side)
            try:
                one = self._brokerage.place(order.code, side, order.kind, order.qty, order.price)
            except AccountRejected as e:
                order.refused = self._brokerage.refusal(e).msg1
            else:
                order.number = one.number
                placed.append(one)
        return placed

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
        """Reserve an order, and return the reply with its number."""
        self._orders.append(self._read(params))
        return {"output": {"RSVN_ORD_SEQ": str(len(self._orders))}}

    def cancel(self, params: Params) -> Blocks:
        """Cancel a waiting order, and return the reply."""
        self._waiting(params).cancelled_at = self._view.now
        return {"output": {"NRML_PRCS_YN": "Y"}}

    def revise(self, params: Params) -> Blocks:
        """Replace a waiting order, and return the reply. It keeps its number."""
        old, new = self._waiting(params), self._read(params)
        # The list's position is the number, so the new order takes the old one's place.
        self._orders[self._orders.index(old)] = new
        return {"output": {"NRML_PRCS_YN": "Y"}}

    def order_resv_ccnl(self, params: Params, first: int) -> Page:
        """Return a page of the reserved orders, newest first.

        PRCS_DVSN_CD 1 asks for those that KIS has processed, 2 for those that wait.
        """
        wanted = [
            (number, order)
            for number, order in enumerate(self._orders, start=1)
            if params["RSVN_ORD_ORD_DT"]
            <= yyyymmdd(order.day)
            <= (params["RSVN_ORD_END_DT"].strip() or "99999999")
            and params["PRCS_DVSN_CD"] != ("1" if order.waits else "2")
            and (params["CNCL_YN"] != "Y" or not order.cancelled_at)
            and params["PDNO"].strip() in ("", order.code)
            and params["SLL_BUY_DVSN_CD"].strip() in ("", "00", order.side)
            and params["RSVN_ORD_SEQ"].strip() in ("", str(number))
        ]
        rows, next_row = page_of(wanted[::-1], first, PAGE)
        return Page({"output": [self._row(number, order) for number, order in rows]}, next_row)

    def _read(self, params: Params) -> Reserved:
        day = reserved_for(self._view.now)
        if day is None or why_not_taken(self._view.now) is not None:
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
        return Reserved(self._view.now, day, code, side, kind, qty, price)

    def _waiting(self, params: Params) -> Reserved:
        number = number_of(params, "RSVN_ORD_SEQ", 0)
        if not 0 < number <= len(self._orders):
            raise AccountRejected("no order")
        order = self._orders[number - 1]
        if not order.waits:
            raise AccountRejected("no leaves")
        return order

    def _row(self, number: int, order: Reserved) -> Row:
        received, cancelled = yyyymmdd(kst_day(order.t)), order.cancelled_at
        done = "취소" if cancelled else "거부" if order.refused else "처리" if order.number else ""
        return {
            "rsvn_ord_seq": str(number),
            "rsvn_ord_ord_dt": yyyymmdd(order.day),
            "rsvn_ord_rcit_dt": received,
            "odno": order_number(order.number) if order.number else "",
            "rjct_rson2": order.refused,
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
            "cncl_ord_dt": yyyymmdd(kst_day(cancelled)) if cancelled else "",
            "cncl_rcit_tmd": hhmmss(cancelled) if cancelled else "",
            "prcs_rslt": done or "미처리",
            "tmnl_mdia_kind_cd": "31",
        }
