"""The customer's orders between account and exchange, and the replies of the trading APIs.

One order number series for orders and requests to cancel, rising from 1: the same requests give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kisnb.clock import Ns
from kisnb.errors import ApiError, FrameError
from kisnb.events import Notice
from kisnb.exchange.happenings import (
    Happening,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotAccepted,
    OrderRevised,
)
from kisnb.kis.calls.account_messages import deposit_row, holding_row, orderable_row
from kisnb.kis.calls.order_messages import order_row, order_totals, ref_row
from kisnb.kis.feed.notices import NoticeKind
from kisnb.kis.order_codes import ORD_DVSN, REVISE, read_venue, side_code
from kisnb.kis.wire_text import day_number, yyyymmdd
from kisnb.market import ticks
from kisnb.market.instruments import Instrument
from kisnb.orders import Account as Statement
from kisnb.orders import Holding, OrderRef, OrderRow
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.account import AccountOrder, AccountRejected, SimulatedAccount
from kisnb.simulator.host.personas import Persona, Refusal
from kisnb.simulator.replies.reply import Blocks, Page, page_of
from kisnb.terms import OrderKind, Side, Venue

_KINDS = {code: kind for kind, code in ORD_DVSN.items()}


class PlacedNumber(NamedTuple):
    """An order number that KIS gave out, and what happened at the exchange at once."""

    number: int
    happenings: list[Happening]


class OrderChange(NamedTuple):
    """A change of an order, and the notice that KIS pushes of it; no notice tells of an expiry."""

    order: AccountOrder
    notice: Notice | None


class Brokerage:
    """Places, cancels and lists the orders of one account. Prices won, quantities shares."""

    def __init__(self, market: Market, account: SimulatedAccount, persona: Persona) -> None:
        self.account = account
        self._market = market
        self._persona = persona
        self._numbers = 0
        self._cancelling: AccountOrder | None = None
        self.exchange_refuses = False
        """The next order is taken here, and refused by the exchange."""

    # orders

    def place(
        self,
        code: str,
        side: Side,
        kind: OrderKind,
        qty: int,
        price: int,
        venue: Venue = Venue.KRX,
        stop: int | None = None,
    ) -> PlacedNumber:
        """Check, reserve and hand to the exchange; ``price`` 0 for a kind without one. Raises Rejected."""
        at = price if kind.priced else None
        why = self._market.why_not(code, side, kind, qty, at, venue, stop)
        if why is not None:
            raise AccountRejected(why)
        item = self._market.universe.get(code)
        reserve = 0 if side is Side.SELL else at or self._upper(item)
        number = self._numbers + 1
        self.account.enter(
            AccountOrder(
                self._market.now,
                number,
                item,
                side,
                kind,
                qty,
                at or 0,
                reserve_price=reserve,
                venue=venue,
                stop=stop,
            )
        )
        self._numbers = number
        if self.exchange_refuses:
            return PlacedNumber(number, [OrderNotAccepted(self._market.now, number, "kind")])
        return PlacedNumber(
            number, self._market.enter(code, number, side, kind, qty, at, venue, stop)
        )

    def cancel(self, number: int, qty: int | None) -> PlacedNumber:
        """Cancel ``qty`` shares, or all leaves, of an order under a new number. Raises Rejected."""
        order, taken = self._changed(number, qty)
        said = self._market.cancel(number, taken)
        self._numbers += 1
        self._cancelling = self.account.note_cancel(self._market.now, self._numbers, order, taken)
        return PlacedNumber(self._numbers, said)

    def revise(self, number: int, qty: int | None, price: int) -> PlacedNumber:
        """Move ``qty`` shares, or all leaves, of an order to ``price`` under a new number. Raises Rejected."""
        order, moved = self._changed(number, qty)
        self.account.check_revision(order, moved, price)
        said = self._market.revise(number, self._numbers + 1, moved, price)
        refused = next((h for h in said if isinstance(h, OrderNotAccepted)), None)
        if refused is not None:
            raise AccountRejected("revise" if refused.why == "kind" else refused.why)
        self._numbers += 1
        return PlacedNumber(self._numbers, said)

    def _changed(self, number: int, qty: int | None) -> tuple[AccountOrder, int]:
        """A live order, and how many of its shares are meant. Raises Rejected."""
        order = self.account.cancellable(number)
        meant = order.leaves if qty is None else qty
        if not 0 < meant <= order.leaves:
            raise AccountRejected("no leaves")
        return order, meant

    def _upper(self, item: Instrument) -> int:
        return ticks.limits(item.base, item.kind, self._market.day, item.board)[1]

    def apply(self, happening: Happening) -> OrderChange | None:
        """Book what the exchange said of an order of this account; None when it says nothing of one."""
        match happening:
            case OrderAccepted(id=number, venue=venue):
                order = self.account.accept(number, venue)
                return OrderChange(
                    order, self._notice("accepted", happening.t, order, order.qty, order.price)
                )
            case OrderRevised(id=number, original=original, qty=qty, price=price):
                order = self.account.revise(happening.t, number, original, qty, price)
                return OrderChange(order, self._notice("revised", happening.t, order, qty, price))
            case OrderFilled(id=number, qty=qty, price=price, venue=venue):
                order = self.account.fill(number, qty, price, venue)
                return OrderChange(order, self._notice("filled", happening.t, order, qty, price))
            case OrderCancelled(id=number, qty=qty):
                return self._cancelled(happening, self.account.cancel(number, qty))
            case OrderExpired(id=number, qty=qty):
                return OrderChange(self.account.expire(number, qty), None)
            case OrderNotAccepted(id=number) if self.account.orders[number].state == "entered":
                order = self.account.reject(number)
                return OrderChange(
                    order, self._notice("refused", happening.t, order, order.qty, order.price)
                )
        return None

    def _cancelled(self, happening: OrderCancelled, order: AccountOrder) -> OrderChange:
        """A cancel that was asked for is told under its own number; the rest of a market order under the order's."""
        request, self._cancelling = self._cancelling, None
        return OrderChange(
            order, self._notice("cancelled", happening.t, request or order, happening.qty, 0)
        )

    def _notice(self, kind: NoticeKind, t: Ns, order: AccountOrder, qty: int, price: int) -> Notice:
        code, branch = order.item.code, self._persona.branch
        return Notice(
            t, kind, order.number, order.original, code, order.side, qty, price, branch, order.at
        )

    # the trading APIs

    def order_cash(self, side: Side, params: Mapping[str, str]) -> tuple[Blocks, PlacedNumber]:
        """Raises Rejected."""
        venue = _venue(params)
        kind = _KINDS.get(params["ORD_DVSN"])
        if kind is None:
            raise AccountRejected("kind")
        qty = _whole(params, "ORD_QTY")
        price = _whole(params, "ORD_UNPR") if kind.priced else 0
        stop = _whole(params, "CNDT_PRIC") if kind is OrderKind.STOP_LIMIT else None
        self._check_host(params["PDNO"], venue, kind, price)
        placed = self.place(params["PDNO"], side, kind, qty, price, venue, stop)
        return self._placed(placed), placed

    def _check_host(self, code: str, venue: Venue, kind: OrderKind, price: int) -> None:
        """What this host alone does not take. Raises Rejected."""
        known = code in self._market.universe
        at = price or (self._market.quote(code).price if known else 0)
        why = self._persona.refuses(venue, kind, at, self._market.now) if known else None
        if why is not None:
            raise AccountRejected(why)

    def order_rvsecncl(self, params: Mapping[str, str]) -> tuple[Blocks, PlacedNumber]:
        """Revises or cancels an order at the venue that it was sent to, or at which it stands. Raises Rejected."""
        number = _whole(params, "ORGN_ODNO")
        order = self.account.orders.get(number)
        if order is not None and _venue(params) not in (order.venue, order.at):
            raise AccountRejected("no order")
        qty = None if params["QTY_ALL_ORD_YN"] == "Y" else _whole(params, "ORD_QTY")
        if params["RVSE_CNCL_DVSN_CD"] == REVISE:
            placed = self.revise(number, qty, _whole(params, "ORD_UNPR"))
        else:
            placed = self.cancel(number, qty)
        return self._placed(placed), placed

    def inquire_balance(self, first: int) -> Page:
        statement = self.statement()
        holdings, next_row = page_of(statement.holdings, first, self._persona.balance_page)
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
        """Without a stock the amounts alone. Raises AccountRejected for an unknown one."""
        cash = max(self.account.orderable, 0)
        code = params["PDNO"]
        if not code:
            return {"output": orderable_row(cash)}
        if code not in self._market.universe:
            raise AccountRejected("unknown")
        item = self._market.universe.get(code)
        kind = _KINDS.get(params["ORD_DVSN"], OrderKind.LIMIT)
        price = (
            self._upper(item)
            if not kind.priced
            else _whole(params, "ORD_UNPR") or self._market.quote(code).price
        )
        qty = self.account.buyable(item, price)
        return {"output": orderable_row(cash, price) | {"nrcvb_buy_qty": qty, "max_buy_qty": qty}}

    def inquire_daily_ccld(self, params: Mapping[str, str], first: int) -> Page:
        """Newest first, requests to cancel included."""
        wanted = [
            order
            for order in reversed(self.account.orders.values())
            if self._asked_for(order, params)
        ]
        orders, next_row = page_of(wanted, first, self._persona.orders_page)
        rows = [order_row(self._row(o), o.item.name) for o in orders]
        return Page(
            {"output1": rows, "output2": order_totals([self._row(o) for o in wanted])}, next_row
        )

    def statement(self) -> Statement:
        """The account as the broker states it; a stock that was sold out today stays in it with quantity 0."""
        account = self.account
        holdings = tuple(
            Holding(
                code,
                p.item.name,
                p.qty,
                account.sellable(code),
                p.cost,
                self._market.quote(code).price,
            )
            for code, p in account.positions.items()
        )
        return Statement(
            account.deposit,
            account.deposit,
            account.settled_d2,
            max(account.orderable, 0),
            holdings,
            complete=True,
        )

    def refusal(self, rejected: AccountRejected) -> Refusal:
        """How this host words it."""
        return self._persona.refusal(rejected.reason, self._market.now)

    def _placed(self, placed: PlacedNumber) -> Blocks:
        ref = OrderRef(day_number(self._market.day), self._persona.branch, placed.number)
        return {"output": ref_row(ref, self._market.now)}

    def _row(self, order: AccountOrder) -> OrderRow:
        """What has expired is neither left nor cancelled; what goes on under another number is as if cancelled."""
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
            and (not number or (number.isdecimal() and int(number) == order.number))
            and params["EXCG_ID_DVSN_CD"] in ("", "ALL", str(order.venue))
            and (params["CCLD_DVSN"] != "01" or order.filled > 0)
            and (params["CCLD_DVSN"] != "02" or order.leaves > 0)
        )


def _venue(params: Mapping[str, str]) -> Venue:
    """Where an order is meant to go; raises ApiError for a venue that KIS does not know."""
    try:
        return read_venue(params["EXCG_ID_DVSN_CD"])
    except FrameError:
        raise ApiError(
            "ERROR : INPUT INVALID_CHECK_FIELD [EXCG_ID_DVSN_CD]", msg_cd="OPSQ2001"
        ) from None


def _whole(params: Mapping[str, str], name: str) -> int:
    """A whole number without sign; raises ApiError for anything else, empty is 0."""
    text = params[name].strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise ApiError(f"ERROR : INPUT INVALID_CHECK_FIELD [{name}]", msg_cd="OPSQ2001")
    return int(text or 0)
