"""Chooses the venue whose price and depth are shown when a person names none."""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.market import sessions
from kisnb.market.instruments import Instrument
from kisnb.market.order_rules import taken_as
from kisnb.market.uncertain import Assumed
from kisnb.terms import OrderKind, Phase, Venue


def price_venue(
    now: Ns, item: Instrument, venues: tuple[Venue, ...], assumed: Assumed = None
) -> Venue:
    """Return KRX or NXT: the venue whose price a person needs now.

    It is the venue at which a limit order would be placed now: KRX when both accept the order,
    Nextrade when only Nextrade accepts it. But a venue that trades continuously is preferred to one
    that only collects orders: at 08:35 Nextrade trades, and KRX still shows the close of the day
    before. KRX when nothing is open, and when ``venues`` lacks Nextrade.
    """
    takers = [
        venue
        for venue in (Venue.KRX, Venue.NXT)
        if venue in venues and taken_as(now, venue, OrderKind.LIMIT, item, assumed)[1]
    ]
    trading = [v for v in takers if sessions.phase(v, now, assumed) is Phase.CONTINUOUS]
    return next(iter(trading or takers), Venue.KRX)
