"""The port to a broker; ``kisnb.kis.broker.KisBroker`` and the back-tester's exchange fit it by structure."""

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
    """What the desk's host needs of a broker. Money in won, quantities in shares."""

    may_send: Callable[[str], Permission]
    """The last permission. The broker asks it with an order's key, behind the limiter and before the
    order's first byte. When it says no, the broker raises OrderDenied and sends nothing."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def frames(self) -> int:
        """Text frames received on the present connection; lockstep compares it with what was sent."""
        ...

    @property
    def local_port(self) -> int | None:
        """TCP port of our end of the present connection."""
        ...

    @property
    def settled(self) -> bool:
        """Every wanted subscription is confirmed or refused."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def submit(self, intent: Intent, route: Route) -> SendReply:
        """One POST, never repeated; a lost answer returns ``unknown``."""
        ...

    async def revise(self, key: str, ref: OrderRef, qty: int, price: int) -> SendReply:
        """Move ``qty`` shares to ``price``; one POST, never repeated. The reply has their new number."""
        ...

    async def cancel(self, key: str, ref: OrderRef, qty: int | None) -> SendReply:
        """Cancel ``qty`` shares, None for all leaves."""
        ...

    async def day_orders(self, day: date) -> OrderPage: ...

    async def account(self) -> Account: ...

    async def quote(self, code: str) -> Quote: ...

    async def depth(self, code: str, venue: Venue = Venue.KRX) -> Depth: ...

    async def call(
        self, name: str, params: Mapping[str, str]
    ) -> tuple[dict[str, list[dict[str, str]]], bool]:
        """The rows of any call that only reads, by block, and whether they are complete."""
        ...

    def want(self, subscriptions: Sequence[Want]) -> None:
        """The desired set; confirmed and refused come as events."""
        ...

    def listen(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        """Call ``on_events`` once per received frame with all its events, in order."""
        ...
