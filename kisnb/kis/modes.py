"""What the host of each mode can do: venues, order kinds, channels, lowest price. What it cannot is refused here.

Paper takes KRX alone, the kinds 00 and 01, no stock under 1,000 won, and lacks most queries; sources are KIS's workbook
(EXCG_ID_DVSN_CD, the TR ids of paper) and what clients were answered (40070000).
"""

from __future__ import annotations

import msgspec

from kisnb.errors import NotOffered, OrderDenied
from kisnb.kis.catalogue import Api
from kisnb.orders import Capabilities, Intent, Route
from kisnb.terms import Mode, OrderKind, Venue

ELSEWHERE = "use live or sim for it"


class HostRules(msgspec.Struct, frozen=True):
    """The host of one mode; prices in won."""

    mode: Mode
    venues: tuple[Venue, ...]
    kinds: tuple[OrderKind, ...]
    stream_venues: tuple[Venue, ...]
    lowest_price: int = 0

    def capabilities(self, *, can_order: bool, why_not: str = "") -> Capabilities:
        """As the desk sees them."""
        return Capabilities(self.venues, self.kinds, can_order, why_not)

    def check_api(self, api: Api) -> None:
        """Raises NotOffered when the host has no such call."""
        if self.mode is Mode.PAPER and api.tr_live and not api.tr_paper:
            raise NotOffered(f"{self.mode} has no {api.name}", ELSEWHERE)

    def check_order(self, intent: Intent, route: Route) -> None:
        """Raises OrderDenied when the host would refuse whatever the market does."""
        if route.venue not in self.venues:
            said = f"{self.mode} orders go to {' and '.join(self.venues)} only", f"order at {self.venues[0]}"
        elif route.kind not in self.kinds:
            said = f"{self.mode} takes no {route.kind} orders", f"it takes {' and '.join(self.kinds)}"
        elif route.kind is OrderKind.LIMIT and (intent.price or 0) < self.lowest_price:
            said = f"{self.mode} trades no stock under {self.lowest_price:,} won", f"take another one, or {ELSEWHERE}"
        else:
            return
        raise OrderDenied(*said, key=intent.key)


HOST_RULES = {
    Mode.SIM: HostRules(Mode.SIM, (Venue.KRX,), tuple(OrderKind), (Venue.KRX, Venue.SOR)),
    Mode.PAPER: HostRules(
        Mode.PAPER, (Venue.KRX,), (OrderKind.LIMIT, OrderKind.MARKET), (Venue.KRX,), lowest_price=1_000
    ),
    Mode.LIVE: HostRules(Mode.LIVE, tuple(Venue), tuple(OrderKind), tuple(Venue)),
}
