"""The port to a broker. ``kisnb.kis.broker.KisBroker`` fits it by structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Protocol

from kisnb.events import Depth, Event, Quote
from kisnb.orders import (
    Account,
    Capabilities,
    Intent,
    OrderPage,
    OrderRef,
    Permission,
    Route,
    SendReply,
    Want,
)
from kisnb.terms import Venue


class Broker(Protocol):
    """The broker as the desk's host needs it. Money in won, quantities in shares."""

    may_send: Callable[[str], Permission]
    """The last permission. The broker asks it with an order's key, behind the limiter and before
    the order's first byte. When it says no, the broker raises OrderDenied and sends nothing."""

    @property
    def capabilities(self) -> Capabilities:
        """Venues, kinds and calls that this connection carries."""
        ...

    @property
    def frames(self) -> int:
        """Number of text frames received on the present connection.

        Lockstep compares it with those sent.
        """
        ...

    @property
    def local_port(self) -> int | None:
        """TCP port of our end of the present connection."""
        ...

    @property
    def settled(self) -> bool:
        """Every wanted subscription is confirmed or refused."""
        ...

    async def start(self) -> None:
        """Connect, and begin to receive. Raises KisnbError."""
        ...

    async def close(self) -> None:
        """End the connection. Nothing is received after it."""
        ...

    async def submit(self, intent: Intent, route: Route) -> SendReply:
        """Send an order with one POST, never repeated. A lost reply returns ``unknown``."""
        ...

    async def revise(self, key: str, ref: OrderRef, qty: int, price: int) -> SendReply:
        """Move ``qty`` shares to ``price`` with one POST, never repeated.

        The reply has their new number.
        """
        ...

    async def cancel(self, key: str, ref: OrderRef, qty: int | None) -> SendReply:
        """Cancel ``qty`` shares, None for all leaves."""
        ...

    async def day_orders(self, day: date) -> OrderPage:
        """Return KIS's list of the orders of a day."""
        ...

    async def account(self) -> Account:
        """Return KIS's statement of the account."""
        ...

    async def quote(self, code: str) -> Quote:
        """Return the current price of a stock."""
        ...

    async def depth(self, code: str, venue: Venue = Venue.KRX) -> Depth:
        """Return the depth of a stock at a venue."""
        ...

    async def call(
        self, name: str, params: Mapping[str, str]
    ) -> tuple[dict[str, list[dict[str, str]]], bool]:
        """Return the rows of a call that only reads, by block, and whether they are complete."""
        ...

    def want(self, subscriptions: Sequence[Want]) -> None:
        """Set the desired subscriptions. Whether they are confirmed or refused comes as events."""
        ...

    def listen(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        """Call ``on_events`` once per received frame with all its events, in order."""
        ...
