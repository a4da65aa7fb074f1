"""The customer's orders between account and exchange, and the replies of the trading APIs.

One order number series for orders and requests to cancel, rising from 1: the same requests give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from kisnb.clock import Ns
from kisnb.errors import ApiError
from kisnb.events import Notice
from kisnb.exchange.happenings import (
    Happening,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRefused,
)
from kisnb.kis.account_messages import deposit_row, holding_row, orderable_row
from kisnb.kis.notices import NoticeKind
from kisnb.kis.order_codes import CANCEL, ORD_DVSN, side_code
from kisnb.kis.order_messages import order_row, order_totals, ref_row
from kisnb.kis.wire_text import day_number, yyyymmdd
from kisnb.market import sessions, ticks
from kisnb.orders import Account as Statement
from kisnb.orders import Holding, OrderRef, OrderRow
from kisnb.simulator.account import Account, AccountOrder, Rejected
from kisnb.simulator.market import Market
from kisnb.simulator.personas import Persona, Refusal
from kisnb.simulator.quotations import Blocks
from kisnb.terms import OrderKind, Phase, Side, Venue

_Row = TypeVar("_Row")
_KINDS = {ORD_DVSN[kind]: kind for kind in (OrderKind.LIMIT, OrderKind.MARKET)}


class Placed(NamedTuple):
    """An order number that KIS gave out, and what the exchange said at once."""

    number: int
    said: list[Happening]


class Told(NamedTuple):
    """A change of an order, and the notice that KIS pushes of it; no notice tells of an expiry."""

    order: AccountOrder
    notice: Notice | None


class Page(NamedTuple):
    """One page of a reply: its blocks, and where the next begins (0: this is the last)."""

    blocks: Blocks
    next_row: int


class Brokerage:
    """Places, cancels and lists the orders of one account. Prices won, quantities shares."""

    def __init__(self, market: Market, account: Account, persona: Persona) -> None:
        self.account = account
        self._market = market
        self._persona = persona
        self._numbers = 0
        self._cancelling: AccountOrder | None = None

    # orders

    def place(self, code: str, side: Side, kind: OrderKind, qty: int, price: int) -> Placed:
        """Check, reserve and hand to the exchange; ``price`` 0 for a market order. Raises Rejected."""
        if code not in self._market.universe:
            raise Rejected("unknown")
        if sessions.regular_phase(self._market.now) is Phase.CLOSED:
            raise Rejected("closed")
        item = self._market.universe.get(code)
        upper = ticks.limits(item.base, item.kind, self._market.day, item.board)[1]
        reserve = 0 if side is Side.SELL else upper if kind is OrderKind.MARKET else price
        number = self._numbers + 1
        order = AccountOrder(self._market.now, number, item, side, kind, qty, price, reserve_price=reserve)
        self.account.enter(order)
        said = self._market.enter(code, number, side, kind, qty, None if kind is OrderKind.MARKET else price)
        refused = _refused(said)
        if refused is not None:
            self.account.withdraw(number)
            raise Rejected(refused.why)
        self._numbers = number
        return Placed(number, said)

    def cancel(self, number: int, qty: int | None) -> Placed:
        """Cancel ``qty`` shares, or all leaves, of an order under a new number. Raises Rejected."""
        order = self.account.cancellable(number)
        taken = order.leaves if qty is None else qty
        if not 0 < taken <= order.leaves:
            raise Rejected("no leaves")
        said = self._market.cancel(number, taken)
        refused = _refused(said)
        if refused is not None:
            raise Rejected("closed" if refused.why == "closed" else "no leaves")
        self._numbers += 1
        self._cancelling = self.account.note_cancel(self._market.now, self._numbers, order, taken)
        return Placed(self._numbers, said)

    def told(self, happening: Happening) -> Told | None:
        """Book what the exchange said of an order of this account; None when it says nothing of one."""
        match happening:
            case OrderAccepted(id=number):
                order = self.account.accept(number)
                return Told(order, self._notice("accepted", happening.t, order, order.qty, order.price))
            case OrderFilled(id=number, qty=qty, price=price):
                order = self.account.fill(number, qty, price)
                return Told(order, self._notice("filled", happening.t, order, qty, price))
            case OrderCancelled(id=number, qty=qty):
                return self._cancelled(happening, self.account.cancel(number, qty))
            case OrderExpired(id=number, qty=qty):
                return Told(self.account.expire(number, qty), None)
        return None

    def _cancelled(self, happening: OrderCancelled, order: AccountOrder) -> Told:
        """A cancel that was asked for is told under its own number; the rest of a market order under the order's."""
        request, self._cancelling = self._cancelling, None
        return Told(order, self._notice("cancelled", happening.t, request or order, happening.qty, 0))

    def _notice(self, kind: NoticeKind, t: Ns, order: AccountOrder, qty: int, price: int) -> Notice:
        code, branch = order.item.code, self._persona.branch
        return Notice(t, kind, order.number, order.original, code, order.side, qty, price, branch, Venue.KRX)

    # the trading APIs

    def order_cash(self, side: Side, params: Mapping[str, str]) -> tuple[Blocks, Placed]:
        """Raises Rejected."""
        if params["EXCG_ID_DVSN_CD"] not in ("", str(Venue.KRX)):
            raise Rejected("venue")
        kind = _KINDS.get(params["ORD_DVSN"])
        if kind is None:
            raise Rejected("kind")
        qty = _whole(params, "ORD_QTY")
        price = 0 if kind is OrderKind.MARKET else _whole(params, "ORD_UNPR")
        self._check_host(params["PDNO"], Venue.KRX, kind, price)
        placed = self.place(params["PDNO"], side, kind, qty, price)
        return self._placed(placed), placed

    def _check_host(self, code: str, venue: Venue, kind: OrderKind, price: int) -> None:
        """What this host alone does not take. Raises Rejected."""
        known = code in self._market.universe
        at = price or (self._market.quote(code).price if known else 0)
        why = self._persona.refuses(venue, kind, at, self._market.now) if known else None
        if why is not None:
            raise Rejected(why)

    def order_rvsecncl(self, params: Mapping[str, str]) -> tuple[Blocks, Placed]:
        """Cancels; a request to revise is refused. Raises Rejected."""
        if params["RVSE_CNCL_DVSN_CD"] != CANCEL:
            raise Rejected("revise")
        everything = params["QTY_ALL_ORD_YN"] == "Y"
        placed = self.cancel(_whole(params, "ORGN_ODNO"), None if everything else _whole(params, "ORD_QTY"))
        return self._placed(placed), placed

    def inquire_balance(self, first: int) -> Page:
        statement = self.statement()
        holdings, next_row = _page(statement.holdings, first, self._persona.balance_page)
        account = self.account
        rows = []
        for holding in holdings:
            position = account.positions[holding.code]
            today = {"thdt_buyqty": position.bought, "thdt_sll_qty": position.sold}
            rows.append(holding_row(holding) | today)
        flows = {
            "thdt_buy_amt": account.buy_value,
            "thdt_sll_amt": account.sell_value,
            "thdt_tlex_amt": account.fees + account.taxes,
        }
        return Page({"output1": rows, "output2": [deposit_row(statement) | flows]}, next_row)

    def inquire_psbl_order(self, params: Mapping[str, str]) -> Blocks:
        """Without a stock the amounts alone. Raises Rejected for an unknown one."""
        cash = max(self.account.orderable, 0)
        code = params["PDNO"]
        if not code:
            return {"output": orderable_row(cash)}
        if code not in self._market.universe:
            raise Rejected("unknown")
        item = self._market.universe.get(code)
        market_order = _KINDS.get(params["ORD_DVSN"]) is OrderKind.MARKET
        upper = ticks.limits(item.base, item.kind, self._market.day, item.board)[1]
        price = upper if market_order else _whole(params, "ORD_UNPR") or self._market.quote(code).price
        qty = self.account.buyable(item, price)
        return {"output": orderable_row(cash, price) | {"nrcvb_buy_qty": qty, "max_buy_qty": qty}}

    def inquire_daily_ccld(self, params: Mapping[str, str], first: int) -> Page:
        """Newest first, requests to cancel included."""
        wanted = [order for order in reversed(self.account.orders.values()) if self._asked_for(order, params)]
        orders, next_row = _page(wanted, first, self._persona.orders_page)
        rows = [order_row(self._row(o), o.item.name) for o in orders]
        return Page({"output1": rows, "output2": order_totals([self._row(o) for o in wanted])}, next_row)

    def statement(self) -> Statement:
        """The account as the broker states it; a stock that was sold out today stays in it with quantity 0."""
        account = self.account
        holdings = tuple(
            Holding(code, p.item.name, p.qty, account.sellable(code), p.cost, self._market.quote(code).price)
            for code, p in account.positions.items()
        )
        return Statement(
            account.deposit, account.deposit, account.settled_d2, max(account.orderable, 0), holdings, complete=True
        )

    def refusal(self, rejected: Rejected) -> Refusal:
        """How this host words it."""
        return self._persona.refusal(rejected.reason, self._market.now)

    def _placed(self, placed: Placed) -> Blocks:
        ref = OrderRef(day_number(self._market.day), self._persona.branch, placed.number)
        return {"output": ref_row(ref, self._market.now)}

    def _row(self, order: AccountOrder) -> OrderRow:
        """What has expired is neither left nor cancelled."""
        ref = OrderRef(day_number(self._market.day), self._persona.branch, order.number)
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
            order.cancelled,
            0,
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
            and (not number or (number.isdecimal() and int(number) == order.number))
            and params["EXCG_ID_DVSN_CD"] in ("", "ALL", str(Venue.KRX))
            and (params["CCLD_DVSN"] != "01" or order.filled > 0)
            and (params["CCLD_DVSN"] != "02" or order.leaves > 0)
        )


def _refused(said: Sequence[Happening]) -> OrderRefused | None:
    return next((h for h in said if isinstance(h, OrderRefused)), None)


def _whole(params: Mapping[str, str], name: str) -> int:
    """A whole number without sign; raises ApiError for anything else, empty is 0."""
    text = params[name].strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise ApiError(f"ERROR : INPUT INVALID_CHECK_FIELD [{name}]", msg_cd="OPSQ2001")
    return int(text or 0)


def _page(rows: Sequence[_Row], first: int, size: int) -> tuple[Sequence[_Row], int]:
    """The rows from ``first`` on, and where the next page begins; 0 when there is none."""
    end = first + size
    return rows[first:end], end if end < len(rows) else 0
