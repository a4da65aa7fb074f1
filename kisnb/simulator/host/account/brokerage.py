"""The customer's orders between account and exchange.

One order number series for orders and requests to cancel, rising from 1: the same requests give the same numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from kisnb.clock import Ns
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
from kisnb.kis.feed.notices import NoticeKind
from kisnb.market import ticks
from kisnb.market.instruments import Instrument
from kisnb.orders import Account as Statement
from kisnb.orders import Holding
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.account.account import AccountRejected, SimulatedAccount
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.simulator.host.personas import Persona, Refusal
from kisnb.terms import OrderKind, Side, Venue


class PlacedNumber(NamedTuple):
    """An order number that KIS gave out, and what happened at the exchange at once."""

    number: int
    happenings: list[Happening]


class OrderChange(NamedTuple):
    """A change of an order, and the notice that KIS pushes of it; no notice tells of an expiry."""

    order: AccountOrder
    notice: Notice | None


class Brokerage:
    """Places, revises and cancels the orders of one account. Prices in won, quantities in shares."""

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
        reserve = 0 if side is Side.SELL else at or self.upper_limit(item)
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

    def upper_limit(self, item: Instrument) -> int:
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

    # the account as KIS states it

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
