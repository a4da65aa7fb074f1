"""The interface to a broker. ``kisnb.kis.broker.KisBroker`` implements it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Protocol

from kisnb.events import Depth, Event, Quote, StockDay
from kisnb.orders import (
    Account,
    Capabilities,
    Intent,
    OrderPage,
    OrderRef,
    Permission,
    ReservedRow,
    Route,
    SendReply,
    Want,
)
from kisnb.terms import Venue


class Broker(Protocol):
    """The methods of a broker that the desk's host calls. Money in won, quantities in shares."""

    # This is a field, not an argument of ``submit``: the host sets it once, and the broker calls it
    # late, after the rate limiter. A paper order may wait there for seconds, because KIS allows one
    # call a second (KIS notice of 2026-04-20).
    may_send: Callable[[str], Permission]
    """The last permission.

    The broker calls it with an order's key, after the rate limiter and before the order's first
    byte. If the answer is no, the broker raises OrderDenied and sends nothing.
    """

    @property
    def capabilities(self) -> Capabilities:
        """The venues, kinds and calls that can be used with this account and mode."""
        ...

    @property
    def frames(self) -> int:
        """Number of text frames received on the present connection.

        Lockstep compares it with the number of frames sent.
        """
        ...

    @property
    def local_port(self) -> int | None:
        """TCP port of our end of the present connection. None: not connected."""
        ...

    @property
    def settled(self) -> bool:
        """True when every wanted subscription is confirmed or refused."""
        ...

    @property
    def pace(self) -> str:
        """A sentence about the calls a second that KIS takes.

        Empty while KIS has refused no call.
        """
        ...

    async def start(self) -> None:
        """Connect, and begin to receive. Raises KisnbError."""
        ...

    async def close(self) -> None:
        """End the connection. Nothing is received after it."""
        ...

    # These three never repeat a POST, whatever went wrong. KIS does not store our key of an order,
    # so a second POST could be a second order. Only ``again`` in the reply proves that nothing was
    # placed. Then the core decides.
    async def submit(self, intent: Intent, route: Route) -> SendReply:
        """Send an order with one POST, never repeated. A lost reply returns ``unknown``."""
        ...

    async def revise(self, key: str, ref: OrderRef, qty: int, price: int) -> SendReply:
        """Move ``qty`` shares of the order ``ref`` to ``price`` with one POST, never repeated.

        The reply has the new order number.
        """
        ...

    # A cancel needs branch, number and venue of its order, so its argument is the ref and not the
    # intent (KIS document 주식주문(정정취소)).
    async def cancel(self, key: str, ref: OrderRef, qty: int | None) -> SendReply:
        """Cancel ``qty`` shares of the order ``ref`` with one POST. None: all leaves."""
        ...

    async def cancel_reserved(self, key: str, number: int, day: int) -> SendReply:
        """Cancel the reserved order ``number`` of ``day`` (YYYYMMDD) with one POST."""
        ...

    async def reserved_orders(self, first: date, last: date) -> tuple[ReservedRow, ...] | None:
        """Read KIS's list of reserved orders of some days. None when it is not complete."""
        ...

    # KIS gives this list in pages of 100 rows at live and 15 at paper (KIS document 일별주문체결).
    # When a page fails, a missing row proves nothing.
    async def day_orders(self, day: date) -> OrderPage:
        """Read KIS's list of the orders of a day."""
        ...

    async def account(self) -> Account:
        """Read KIS's statement of the account."""
        ...

    async def quote(self, code: str, venue: Venue = Venue.KRX) -> Quote:
        """Read the current price of a stock at a venue."""
        ...

    async def stock_day(self, code: str, *, is_described: bool) -> StockDay:
        """Read the facts of a stock today: base price, limits, halts.

        Without ``is_described`` KIS is also asked for the stock's name, board and venues. A fact
        that KIS does not state is missing. Raises KisError when KIS states no base price, for
        example for an unknown code.
        """
        ...

    async def depth(self, code: str, venue: Venue = Venue.KRX) -> Depth:
        """Read the depth of a stock at a venue."""
        ...

    async def records(self, tr_id: str, key: str) -> list[list[str]]:
        """Return the newest records of a channel that was wanted as ``records``, oldest first."""
        ...

    async def call(
        self, name: str, params: Mapping[str, str]
    ) -> tuple[dict[str, list[dict[str, str]]], bool]:
        """Make a call that only reads.

        Return its rows by block, and whether the rows are complete.
        """
        ...

    # The argument is the whole set, not a change: KIS accepts at most 41 registrations for a
    # connection, and only with all wants can the broker choose which of them get one.
    def want(self, subscriptions: Sequence[Want]) -> None:
        """Set the desired subscriptions. Events report whether they are confirmed or refused."""
        ...

    def listen(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        """Call ``on_events`` once per received frame with all its events, in order."""
        ...
