"""Eight agents, each of another kind, that trade a quiet stock for a whole day.

Each has a quantity of its own, so that KIS's list tells which order is whose.
"""

from __future__ import annotations

import kisnb
from kisnb.events import Filled, PhaseChanged, Tick
from kisnb.orders import Order
from kisnb.terms import Side

SMALL = "0004V0"
"""The stock that they trade. It has some three trades a minute, so that a day of it is short."""


class Counted(kisnb.Agent):
    """Base: counts its trades, and keeps the count over a restart."""

    qty: int = 1
    every_nth: int = 40
    keep = ("count",)

    def on_start(self) -> None:
        self.count: int = getattr(self, "count", 0)

    def on_tick(self, tick: Tick) -> None:
        self.count += 1
        if self.count % self.every_nth == 0 and not self.book.open_orders:
            self.act(tick)

    def act(self, tick: Tick) -> None:
        raise NotImplementedError


class Market(Counted):
    """Buys and sells at the market in turn."""

    code: str = SMALL
    qty: int = 11

    def act(self, tick: Tick) -> None:
        order = self.sell(self.held()) if self.held() else self.buy(self.qty)
        self.decide(str(order.side), "its turn", order=order, price=tick.price)


class Patient(Counted):
    """Rests at its own side, and lets the desk requote."""

    code: str = SMALL
    qty: int = 13
    requote = kisnb.Requote(after=20, cooldown=60)

    def act(self, tick: Tick) -> None:
        if self.held():
            self.sell(self.held(), tick.ask)
        else:
            self.buy(self.qty, tick.bid)


class Reviser(Counted):
    """Moves an order up step by step, and cancels it at last."""

    code: str = SMALL
    qty: int = 3

    def on_tick(self, tick: Tick) -> None:
        self.count += 1
        mine = [o for o in self.book.open_orders if o.ref is not None and not o.cancel_asked]
        if self.count % 80 == 0 and not self.book.open_orders:
            self.buy(self.qty, tick.bid - 10 * (tick.ask - tick.bid or 500))
        elif self.count % 80 == 20 and mine and mine[0].side is Side.BUY:
            self.revise(mine[0], tick.bid)
        elif self.count % 80 == 50 and mine:
            self.cancel(mine[0])
        elif self.count % 80 == 60 and self.held() and not self.book.open_orders:
            self.sell(self.held())


class Waiter(kisnb.Agent):
    """Buys, waits for the end of its order and for a while, and sells: one handler for the day."""

    code: str = SMALL
    qty: int = 2

    async def on_start(self) -> None:
        while True:
            await self.sleep(600)
            if self.held():
                await self.done(self.sell(self.held()))
            else:
                await self.done(self.buy(self.qty))


class Bars(kisnb.Agent):
    """Follows the bars of a minute."""

    code: str = SMALL
    qty: int = 17
    every = "1m"

    def on_start(self) -> None:
        self.n = 0

    def on_bar(self, bar: kisnb.Bar) -> None:
        self.n += 1
        if self.n % 20 or self.book.open_orders:
            return
        if bar.close >= bar.open and not self.held():
            self.buy(self.qty)
        elif self.held():
            self.sell(self.held())


class Protected(Counted):
    """Buys, and leaves the sale to an exit of the desk."""

    code: str = SMALL
    qty: int = 5
    every_nth: int = 50
    when_lost = "cancel"

    def act(self, tick: Tick) -> None:
        if not self.held():
            self.buy(self.qty)
            self.protect(stop="0.3%", take="0.3%")


class Sized(Counted):
    """Buys for an amount of won, and sells all."""

    code: str = SMALL
    every_nth: int = 60

    def act(self, tick: Tick) -> None:
        if self.held():
            self.target(0)
        else:
            self.buy_value(1_900_000)


class Flipper(kisnb.Agent):
    """Sells each fill of a buy a little higher, and begins anew after it."""

    code: str = SMALL
    qty: int = 7
    requote = kisnb.Requote(after=60, cooldown=60)

    def on_start(self) -> None:
        self.idle = 0

    def on_tick(self, tick: Tick) -> None:
        self.idle += 1
        if self.idle >= 45 and not self.book.open_orders:
            self.idle = 0
            if self.held():
                self.sell(self.held(), tick.ask)
            else:
                self.buy(self.qty, tick.bid)

    def on_fill(self, order: Order, fill: Filled) -> None:
        if order.side is Side.BUY and order.is_ended and not self.book.open_orders:
            self.sell(self.held(), fill.price + 300)

    def on_phase(self, phase: PhaseChanged) -> None:
        self.idle = 0


FIRST = (Market, Patient, Reviser, Waiter)
OTHERS = (Bars, Protected, Sized, Flipper)
ALL = (*FIRST, *OTHERS)
