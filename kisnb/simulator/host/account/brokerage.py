"""The customer's orders between account and exchange.

Orders and requests to cancel share one series of numbers from 1 (two series with a quirk). The same
requests give the same numbers.
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
from kisnb.simulator.host.personas import NUMBER_GAP, Persona, Refusal
from kisnb.terms import OrderKind, Side, Venue


class PlacedNumber(NamedTuple):
    """An order number that KIS has given out, and what happened at the exchange at once."""

    number: int
    happenings: list[Happening]


class OrderChange(NamedTuple):
    """A change of an order, and KIS's notice of it.

    ``notice`` is None for an expiry. It is not known whether KIS sends a notice of one.
    """

    order: AccountOrder
    notice: Notice | None


class Brokerage:
    """Places, revises and cancels the orders of one account.

    Prices in won, quantities in shares.
    """

    def __init__(self, market: Market, account: SimulatedAccount, persona: Persona) -> None:
        self.account = account
        self._market = market
        self._persona = persona
        self._numbers = 0
        self._cancelling: AccountOrder | None = None
        """The request to cancel that the exchange has not confirmed yet. None: there is none."""
        self.exchange_refuses = False
        """True when the exchange will refuse the next order, which the broker still accepts."""

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
        """Check an order, reserve what it needs, hand it to the exchange, and return its number.

        ``price`` is in won, 0 for a kind without one; ``stop`` is in won, None for kinds without
        one. Raises AccountRejected.
        """
        at = price if kind.priced else None
        # The broker asks first, so that a refused order gets no number.
        why = self._market.why_not(code, side, kind, qty, at, venue, stop)
        if why is not None:
            raise AccountRejected(why)
        item = self._market.universe.get(code)
        # KIS reserves cash at the upper limit for a buy without a price (workbook: order-cash).
        reserve = 0 if side is Side.SELL else at or self.upper_limit(item)
        number = self._next_number()
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
        self._numbers += 1
        # A reply to an order says "sent", not "accepted": the exchange can refuse it later.
        if self.exchange_refuses:
            return PlacedNumber(number, [OrderNotAccepted(self._market.now, number, "kind")])
        return PlacedNumber(
            number, self._market.enter(code, number, side, kind, qty, at, venue, stop)
        )

    def cancel(self, number: int, qty: int | None) -> PlacedNumber:
        """Cancel ``qty`` shares of an order under a new number; None cancels all leaves.

        Raises AccountRejected.
        """
        order, amount = self._order_to_change(number, qty)
        happened = self._market.cancel(number, amount)
        own = self.take_number()
        # The result is booked after this call. Its notice then has the request's number.
        self._cancelling = self.account.note_cancel(self._market.now, own, order, amount)
        return PlacedNumber(own, happened)

    def revise(self, number: int, qty: int | None, price: int) -> PlacedNumber:
        """Move ``qty`` shares of an order to ``price`` won under a new number.

        None as ``qty`` moves all leaves. Raises AccountRejected.
        """
        order, moved = self._order_to_change(number, qty)
        self.account.check_revision(order, moved, price)
        happened = self._market.revise(number, self._next_number(), moved, price)
        refused = next((h for h in happened if isinstance(h, OrderNotAccepted)), None)
        if refused is not None:
            # A kind that cannot be revised has a refusal of its own.
            raise AccountRejected("revise" if refused.why == "kind" else refused.why)
        return PlacedNumber(self.take_number(), happened)

    def take_number(self) -> int:
        """Give out the next order number, and return it."""
        number = self._next_number()
        self._numbers += 1
        return number

    def _next_number(self) -> int:
        following = self._numbers + 1
        rises = self._persona.numbers_rise or following % 2
        return following if rises else following + NUMBER_GAP

    def _order_to_change(self, number: int, qty: int | None) -> tuple[AccountOrder, int]:
        """Return a live order, and how many of its shares are meant. Raises AccountRejected."""
        order = self.account.cancellable(number)
        meant = order.leaves if qty is None else qty
        # A revise cannot raise the quantity above the open one (workbook: order-rvsecncl).
        if not 0 < meant <= order.leaves:
            raise AccountRejected("no leaves")
        return order, meant

    def upper_limit(self, item: Instrument) -> int:
        """Return the highest price of the day of an issue, in won.

        Raises AccountRejected for an issue without limit prices: no cash could be reserved.
        """
        limits = ticks.limits_of(item, self._market.day)
        if limits is None:
            raise AccountRejected("kind")
        return limits.upper

    def apply(self, happening: Happening) -> OrderChange | None:
        """Book what happened to an order of this account.

        Returns None when the happening concerns no order, or changes none.
        """
        match happening:
            case OrderAccepted(id=number, venue=venue):
                # For a SOR order the exchange says here which venue has it.
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
        """Return the change that a cancel makes, and its notice.

        The notice of a cancel that the customer asked for carries the number of the request. When
        the exchange itself cancels the leaves of a market order, the notice carries the order's
        number.
        """
        # KIS's notice of a cancel has the request's number as ODER_NO and the order's as OODER_NO.
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
        """Return the account as KIS states it.

        A stock that was sold out today stays in it with quantity 0.
        """
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
            costs=account.fees + account.taxes,
        )

    def refusal(self, rejected: AccountRejected) -> Refusal:
        """Return this host's words for a refused order."""
        return self._persona.refusal(rejected.reason, self._market.now)
