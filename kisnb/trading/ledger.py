"""Positions from fills alone, matched first in, first out. Won and shares."""

from __future__ import annotations

from collections import deque

from kisnb.orders import Fill
from kisnb.terms import Side


class Lot:
    """Shares bought in one fill and still held; ``fee`` is what is left of the fill's fee."""

    __slots__ = ("fee", "price", "qty")

    def __init__(self, qty: int, price: int, fee: int) -> None:
        self.qty = qty
        self.price = price
        self.fee = fee

    def take(self, qty: int) -> int:
        """Give up ``qty`` shares; returns their part of the fee, to the won (the last share takes the rest)."""
        fee = self.fee if qty == self.qty else self.fee * qty // self.qty
        self.qty -= qty
        self.fee -= fee
        return fee


class Position:
    """One stock in one book: shares held, their cost, and what was earned with those that were sold."""

    __slots__ = (
        "_matched_fees",
        "bought",
        "buy_fees",
        "code",
        "losses",
        "lots",
        "realised",
        "sell_fees",
        "sold",
        "taxes",
        "wins",
    )

    def __init__(self, code: str) -> None:
        self.code = code
        self.lots: deque[Lot] = deque()
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

    @property
    def qty(self) -> int:
        """Shares bought less shares sold."""
        return self.bought - self.sold

    @property
    def cost(self) -> int:
        """What the held shares cost, without fees."""
        return sum(lot.qty * lot.price for lot in self.lots)

    @property
    def cost_with_fees(self) -> int:
        return self.cost + sum(lot.fee for lot in self.lots)

    @property
    def average(self) -> float | None:
        """Average purchase price in won, without fees; None when nothing is held."""
        held = sum(lot.qty for lot in self.lots)
        return self.cost / held if held else None

    @property
    def costs(self) -> int:
        """All fees and taxes paid, of buys and sells."""
        return self.buy_fees + self.sell_fees + self.taxes

    @property
    def realised_net(self) -> int:
        """Realised PnL after the fees of both sides and the tax of the sells."""
        return self.realised - self._matched_fees - self.sell_fees - self.taxes

    def unrealised(self, price: int) -> int:
        """PnL of what is held at ``price``, before cost."""
        return sum(lot.qty * (price - lot.price) for lot in self.lots)

    def apply(self, side: Side, fill: Fill) -> None:
        if side is Side.BUY:
            self.bought += fill.qty
            self.buy_fees += fill.fee
            self.lots.append(Lot(fill.qty, fill.price, fill.fee))
        else:
            self._sell(fill)

    def _sell(self, fill: Fill) -> None:
        self.sold += fill.qty
        self.sell_fees += fill.fee
        self.taxes += fill.tax
        earned, fees, left = 0, 0, fill.qty
        while left and self.lots:
            lot = self.lots[0]
            take = min(left, lot.qty)
            earned += take * (fill.price - lot.price)
            fees += lot.take(take)
            left -= take
            if not lot.qty:
                self.lots.popleft()
        self.realised += earned
        self._matched_fees += fees
        if earned - fees - fill.fee - fill.tax > 0:
            self.wins += 1
        else:
            self.losses += 1
