"""The gate that every order passes before it is sent: what the market takes, and what we allow ourselves."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from kisnb.clock import Ns, kst_day
from kisnb.errors import UnknownInstrument
from kisnb.events import Depth
from kisnb.market import ticks
from kisnb.market.costs import CostModel
from kisnb.market.instruments import Instrument, Universe
from kisnb.market.router import MarketSnapshot, Refused, Routed, Router
from kisnb.orders import Capabilities, Intent
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.ledger import Position


class Limits(msgspec.Struct, frozen=True):
    """What one order may be at most."""

    max_order_value: int = 50_000_000
    """Won; a market order counts at its upper limit price. Risk-reducing sells pass."""


class No(NamedTuple):
    """A refusal: why, and the cure."""

    reason: str
    cure: str


class Rules:
    """The market's rules as the desk knows them, and what its broker connection can do."""

    def __init__(self, universe: Universe, capabilities: Capabilities, costs: CostModel | None = None) -> None:
        self.universe = universe
        self.capabilities = capabilities
        self.costs = costs or CostModel()
        self.router = Router(self.costs, venues=capabilities.venues)

    def instrument(self, code: str) -> Instrument | None:
        try:
            return self.universe.get(code)
        except UnknownInstrument:
            return None

    def fee_and_tax(self, t: Ns, code: str, side: Side, value: int, venue: Venue) -> tuple[int, int]:
        """Fee and tax of a fill of ``value`` won, in won."""
        item = self.universe.get(code)
        fee = self.costs.fee(value, venue, item.kind)
        tax = self.costs.tax(value, kst_day(t), item.kind, item.board) if side is Side.SELL else 0
        return fee, tax

    def break_even(self, t: Ns, code: str, position: Position) -> int:
        """The lowest price, in won, at which selling all lots of ``position`` costs nothing after fee and tax."""
        item = self.universe.get(code)
        held = sum(lot.qty for lot in position.lots)
        return self.costs.break_even(position.cost_with_fees, held, kst_day(t), item.kind, item.board)

    def route(self, now: Ns, intent: Intent, books: tuple[Depth, ...]) -> Routed | Refused:
        """The venue that takes this order now, or why there is none; ``books`` are what the venues show of it."""
        return self.router.route(intent, MarketSnapshot(now, self.universe.get(intent.code), books))

    def preview(self, now: Ns, intent: Intent, books: tuple[Depth, ...]) -> Routed | Refused:
        """What ``route`` would answer; nothing is decided."""
        return self.router.preview(intent, MarketSnapshot(now, self.universe.get(intent.code), books))

    def unseen(self, now: Ns, intent: Intent, books: tuple[Depth, ...]) -> tuple[Venue, ...]:
        """Venues whose book would decide where the order goes, and is missing."""
        return self.router.unseen(intent, MarketSnapshot(now, self.universe.get(intent.code), books))


class Gate:
    """Says no, or nothing. Prices in won."""

    def __init__(self, rules: Rules, limits: Limits) -> None:
        self.rules = rules
        self.limits = limits

    def check(self, now: Ns, intent: Intent, halt: str, held: int) -> No | None:
        """Why the order may not be sent, wherever it would go; ``held`` is what the account's book holds of it."""
        if not self.rules.capabilities.can_order:
            return No("this session is open for reading only", self.rules.capabilities.why_not)
        if halt != "active" and not (halt == "reducing" and intent.side is Side.SELL and intent.qty <= held):
            return No(f"the desk is {halt}", "lift the halt with %kis halt off")
        if (no := self.connection(intent.kind, intent.venue)) is not None:
            return no
        if intent.qty < 1:
            return No(f"quantity {intent.qty} is no quantity", "give at least 1 share")
        item = self.rules.instrument(intent.code)
        if item is None:
            return No(f"{intent.code} is not a listed issue", "look the code up with %kis search")
        if item.halted:
            return No(f"{item.name} ({item.code}) is halted", "wait until the exchange lifts the halt")
        return self._prices(now, intent, item) or self._value(now, intent, item, held)

    def connection(self, kind: OrderKind, venue: Venue | None) -> No | None:
        """What this broker connection cannot carry."""
        capabilities = self.rules.capabilities
        if kind not in capabilities.kinds:
            return No(f"this connection takes no {kind} orders", f"use {' or '.join(capabilities.kinds)}")
        if venue is not None and venue not in capabilities.venues:
            known = " or ".join(capabilities.venues)
            return No(f"{venue} takes no orders from this desk", f"leave the venue out, or name {known}")
        return None

    def _prices(self, now: Ns, intent: Intent, item: Instrument) -> No | None:
        kind = intent.kind
        if (intent.stop is not None) != (kind is OrderKind.STOP_LIMIT):
            if intent.stop is None:
                return No("a stop-limit order needs a stop price", "give it with stop=…, in won")
            return No(f"a {kind} order has no stop price", f"name the kind {OrderKind.STOP_LIMIT}, or leave it out")
        if not kind.priced:
            return None if intent.price is None else No(f"a {kind} order has no price", "leave the price out")
        if intent.price is None:
            return No(f"a {kind} order needs a price above 0", "give a price in won")
        return self._price(now, intent, item, intent.price) or (
            None if intent.stop is None else self._price(now, intent, item, intent.stop)
        )

    def _price(self, now: Ns, intent: Intent, item: Instrument, price: int) -> No | None:
        if price <= 0:
            return No(f"a price of {price} won is no price", "give a price above 0")
        day = kst_day(now)
        if not ticks.on_grid(price, item.kind, day, item.board):
            good = ticks.snap(price, intent.side, item.kind, day, item.board)
            size = ticks.tick_size(price, item.kind, day, item.board)
            return No(f"{price:,} is off the tick grid of {size:,} won", f"use {good:,}")
        lower, upper = ticks.limits(item.base, item.kind, day, item.board)
        if not lower <= price <= upper:
            return No(f"{price:,} is outside today's limits of {item.name}", f"stay within {lower:,} to {upper:,}")
        return None

    def _value(self, now: Ns, intent: Intent, item: Instrument, held: int) -> No | None:
        if intent.side is Side.SELL and intent.qty <= held:
            return None
        _, upper = ticks.limits(item.base, item.kind, kst_day(now), item.board)
        value = intent.qty * (intent.price or upper)
        if value <= self.limits.max_order_value:
            return None
        most = self.limits.max_order_value
        return No(
            f"an order of {value:,} won is above the limit of {most:,} won", "order less, or raise max_order_value"
        )
