"""Positions from fills alone, matched first in, first out. Won and shares."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from kisnb.orders import Fill
from kisnb.terms import BUY, Side


class Lot:
    """Shares bought in one fill and still held. ``fee`` is their part of the fill's fee, won."""

    __slots__ = ("fee", "price", "qty")

    def __init__(self, qty: int, price: int, fee: int) -> None:
        self.qty = qty
        self.price = price
        self.fee = fee


AnyLot = TypeVar("AnyLot", bound=Lot)


def oldest_parts(lots: Iterable[AnyLot], qty: int) -> list[tuple[AnyLot, int, int]]:
    """Return the parts of lots that a sale of ``qty`` shares takes, oldest first.

    Each is a tuple: the lot, its shares that are sold, and their part of its fee, won.
    """
    parts = []
    for lot in lots:
        if not qty:
            break
        part, fee = lot.qty, lot.fee
        if qty < part:
            # Fees are whole won. Each part is rounded down, so the last part must get the
            # difference. Otherwise cash would not add up.
            part, fee = qty, fee * qty // part
        parts.append((lot, part, fee))
        qty -= part
    return parts


def take_oldest(lots: deque[AnyLot], qty: int) -> list[tuple[AnyLot, int, int]]:
    """Remove the oldest ``qty`` shares from the lots. Return them in the form of ``oldest_parts``.

    Lots are sold oldest first, so that each share has one cost, whichever program computes it.
    """
    taken = oldest_parts(lots, qty)
    for lot, part, fee in taken:
        lot.qty -= part
        lot.fee -= fee
        # The parts begin with the first lot. Each part that ends its lot is removed here, so the
        # next part belongs to the lot that is now first.
        if not lot.qty:
            lots.popleft()
    return taken


class Position:
    """One stock in one order book: shares held, their cost, and the PnL of sold shares."""

    __slots__ = (
        "_matched_fees",
        "bought",
        "buy_fees",
        "code",
        "cost",
        "losses",
        "lots",
        "opened",
        "realised",
        "sell_fees",
        "sold",
        "taxes",
        "wins",
    )

    def __init__(self, code: str) -> None:
        self.code = code
        self.lots: deque[Lot] = deque()
        self.cost = 0
        """Cost of the held shares without fees, won: the sum over the lots.

        It is stored, because the gate reads it at every order.
        """
        self.opened = 0
        """Shares that came without a fill of this order book, minus those that left without a fill.

        They were held before the journal began, delivered, or adopted.
        """
        self.bought = 0
        self.sold = 0
        self.realised = 0
        """Realised PnL before cost, won."""
        self.buy_fees = 0
        self.sell_fees = 0
        self.taxes = 0
        self.wins = 0
        self.losses = 0
        self._matched_fees = 0

    def __repr__(self) -> str:
        return f"<Position {self.code}: {self.qty:,} shares, cost {self.cost:,}>"

    @property
    def qty(self) -> int:
        """Held shares: those without a fill, plus bought, minus sold."""
        return self.opened + self.bought - self.sold

    @property
    def in_lots(self) -> int:
        """Held shares whose cost is known."""
        return sum(lot.qty for lot in self.lots)

    @property
    def cost_with_fees(self) -> int:
        """Cost of the held shares with the fees of their buys, won."""
        return self.cost + sum(lot.fee for lot in self.lots)

    @property
    def average(self) -> float | None:
        """Average purchase price without fees, won. None when no share is held."""
        return self.cost / self.in_lots if self.lots else None

    @property
    def costs(self) -> int:
        """All fees and taxes paid for buys and sells, won."""
        return self.buy_fees + self.sell_fees + self.taxes

    @property
    def realised_net(self) -> int:
        """Realised PnL after the fees of both sides and the tax of the sells, won."""
        return self.realised - self._matched_fees - self.sell_fees - self.taxes

    def unrealised(self, price: int) -> int:
        """Return the PnL of the held shares at ``price``, before cost, won."""
        return sum(lot.qty * (price - lot.price) for lot in self.lots)

    def open(self, qty: int, cost: int) -> None:
        """Add ``qty`` shares that came without a fill. ``cost`` is their purchase amount, won.

        A negative ``qty`` removes shares. Some of the shares may have been sold already, before
        they were known to be held. Only shares that were not sold become lots, and ``cost`` is
        their cost.
        """
        self.opened += qty
        if qty < 0:
            self._consume_lots(-qty)
            return
        # A sell may have been booked before its shares were known to be held. Those shares are
        # gone, so only the others become a lot.
        held = min(qty, self.qty - self.in_lots)
        for part, price in split(held, cost) if held > 0 else ():
            self._add_lot(part, price, 0)

    def oldest(self, qty: int) -> list[tuple[int, int, int]]:
        """Return the oldest ``qty`` held shares, lot by lot, without removing them.

        Each lot is a tuple (shares, price, their part of the fee), won.
        """
        return [(part, lot.price, fee) for lot, part, fee in oldest_parts(self.lots, qty)]

    def give(self, qty: int) -> None:
        """Remove the oldest ``qty`` shares with their cost, which go to another order book."""
        self.opened -= qty
        self._consume_lots(qty)

    def receive(self, lots: Iterable[tuple[int, int, int]]) -> None:
        """Add lots from another order book at their own cost, each a tuple (shares, price, fee)."""
        for qty, price, fee in lots:
            self.opened += qty
            self._add_lot(qty, price, fee)

    def apply(self, side: Side, fill: Fill) -> None:
        """Book a fill of a buy or of a sell."""
        if side is BUY:
            self.bought += fill.qty
            self.buy_fees += fill.fee
            self._add_lot(fill.qty, fill.price, fill.fee)
        else:
            self._sell(fill)

    def _sell(self, fill: Fill) -> None:
        self.sold += fill.qty
        self.sell_fees += fill.fee
        self.taxes += fill.tax
        taken = self._consume_lots(fill.qty)
        earned = fees = 0
        for lot, qty, fee in taken:
            earned += qty * (fill.price - lot.price)
            fees += fee
        self.realised += earned
        # The fee of a buy counts when its shares are sold. Until then it is part of the cost of
        # held shares.
        self._matched_fees += fees
        if not taken:
            # The cost of these shares is not known, so it is not known whether they made a profit.
            return
        if earned - fees - fill.fee - fill.tax > 0:
            self.wins += 1
        else:
            self.losses += 1

    def _add_lot(self, qty: int, price: int, fee: int) -> None:
        self.lots.append(Lot(qty, price, fee))
        self.cost += qty * price

    def _consume_lots(self, qty: int) -> list[tuple[Lot, int, int]]:
        """Remove the oldest ``qty`` shares. Return them in the form of ``oldest_parts``."""
        taken = take_oldest(self.lots, qty)
        for lot, part, _ in taken:
            self.cost -= part * lot.price
        return taken


def split(qty: int, value: int) -> list[tuple[int, int]]:
    """Split ``value`` won over ``qty`` shares. Return one or two tuples (shares, whole price).

    The sum of shares × price over the tuples is exactly ``value``.
    """
    # KIS's list has one sum for all fills, and a price must be whole won. Two prices that differ by
    # one won can give any sum.
    price, dearer = divmod(value, qty)
    return [(q, p) for q, p in ((qty - dearer, price), (dearer, price + 1)) if q]
