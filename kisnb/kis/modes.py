"""The abilities of each mode's server: venues, order kinds, channels, lowest price.

An order or call that the server cannot handle is refused here, before anything is sent. Paper
accepts only KRX, the kinds 00 and 01, and no stock under 1,000 won, and it lacks most queries.
Sources: KIS's workbook (EXCG_ID_DVSN_CD, the TR ids of paper), and 40070000, which clients
received.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from kisnb.errors import NotOffered, OrderDenied
from kisnb.kis.catalogue import APIS, OAUTH, Api
from kisnb.kis.channels import TRS_OF_CHANNEL
from kisnb.orders import Capabilities, Intent, Route
from kisnb.terms import Mode, OrderKind, Venue

ELSEWHERE = "use live or sim for it"
"""The end of a cure when this server cannot do something."""


class HostRules(msgspec.Struct, frozen=True):
    """The rules of one mode's host."""

    mode: Mode
    venues: tuple[Venue, ...]
    """Venues that take orders, the usual one first."""
    kinds: tuple[OrderKind, ...]
    stream_venues: tuple[Venue, ...]
    """Venues whose channels the host streams and whose prices it gives. SOR: both, unified."""
    lowest_price: int = 0
    """The lowest price of a limit order, won; 0 where there is no such rule."""

    def capabilities(self, *, can_order: bool, why_not: str = "") -> Capabilities:
        """Return the abilities of a connection to this host, for the desk.

        ``can_order`` False: the connection only reads, and ``why_not`` is the cure.
        """
        return Capabilities(
            self.venues,
            self.kinds,
            can_order,
            why_not,
            reserves=self.offers(APIS["order_resv"]),
            priced=self.stream_venues,
        )

    def offers(self, api: Api) -> bool:
        """Return True when the host has this call."""
        # The OAuth calls have no TR id, and every host has them.
        return self.mode is not Mode.PAPER or not api.tr_live or bool(api.tr_paper)

    def check_api(self, api: Api) -> None:
        """Raise NotOffered when the host has no such call."""
        if not self.offers(api):
            raise NotOffered(f"{self.mode} has no {api.name}", ELSEWHERE)

    def check_price(self, venue: Venue) -> None:
        """Raise NotOffered when the host gives no price and no depth of this venue."""
        if venue not in self.stream_venues:
            raise NotOffered(
                f"{self.mode} has no prices of {venue}", f"leave the venue out, or {ELSEWHERE}"
            )

    def check_order(self, intent: Intent, route: Route) -> None:
        """Raise OrderDenied for an order that the server refuses in any market."""
        if intent.day and not self.offers(APIS["order_resv"]):
            refusal = (f"{self.mode} reserves no orders", ELSEWHERE)
        elif route.venue not in self.venues:
            refusal = (
                f"{self.mode} orders go to {' and '.join(self.venues)} only",
                f"order at {self.venues[0]}",
            )
        elif route.kind not in self.kinds:
            refusal = (
                f"{self.mode} takes no {route.kind} orders",
                f"it takes {' and '.join(self.kinds)}",
            )
        # A market order does not show its price here. KIS refuses it with 40070000 (clients'
        # recordings).
        elif route.kind is OrderKind.LIMIT and (intent.price or 0) < self.lowest_price:
            refusal = (
                f"{self.mode} trades no stock under {self.lowest_price:,} won",
                f"take another one, or {ELSEWHERE}",
            )
        else:
            return
        raise OrderDenied(*refusal, key=intent.key)


HOST_RULES = {
    Mode.SIM: HostRules(Mode.SIM, tuple(Venue), tuple(OrderKind), tuple(Venue)),
    Mode.PAPER: HostRules(
        Mode.PAPER,
        (Venue.KRX,),
        (OrderKind.LIMIT, OrderKind.MARKET),
        (Venue.KRX,),
        lowest_price=1_000,
    ),
    Mode.LIVE: HostRules(Mode.LIVE, tuple(Venue), tuple(OrderKind), tuple(Venue)),
}
"""The rules of each mode's host."""


class Served(NamedTuple):
    """One row of ``capability_table``: a call or channel, and the host that would serve it."""

    what: str
    """Name of a call, or of a channel with its venue."""
    host: Mode
    """The mode whose host would serve it."""
    offered: bool
    """True when that host serves it."""


def of_account(api: Api) -> bool:
    """Return True for a call about an account or its keys; False for one about the market.

    A session with paper orders and live quotes sends calls about the account to the paper host.
    """
    # KIS puts the calls about an account below /trading/, and those about the market below other
    # folders (workbook).
    return "/trading/" in api.path or api.path.startswith(OAUTH)


def capability_table(orders: Mode, quotes: Mode) -> list[Served]:
    """Return every call and channel of a connection, with the host that would serve it.

    Orders go to the host of one mode; prices come from the host of another.
    """
    calls = []
    for api in APIS.values():
        host = orders if of_account(api) else quotes
        calls.append(Served(api.name, host, HOST_RULES[host].offers(api)))
    streamed = HOST_RULES[quotes].stream_venues
    channels = [
        Served(f"{channel} {venue}", quotes, venue in streamed)
        for channel in TRS_OF_CHANNEL
        for venue in Venue
    ]
    # Notices come from the host that has the orders, also where the quotes come from another.
    return [*calls, Served("notices", orders, offered=True), *channels]
