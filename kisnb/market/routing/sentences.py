"""Writes a routing decision as one sentence: its reason, and the cost at the other venue. Won."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kisnb.market.routing.costs import WhatIf
from kisnb.terms import Venue

_USUAL = "it is the usual venue of this part of the day"
_CRITERIA = {
    "dual_listing_spread": "the spread",
    "dual_listing_liquidity": "the shares that can be had",
}
"""What the router compares, by its reasons that are no costs."""


class Compared(NamedTuple):
    """One figure of the chosen venue and of the other venue; None when it is not known."""

    chosen: int | None
    other: int | None


def decision_sentence(
    venue: Venue,
    reason: str,
    rows: Sequence[WhatIf],
    spreads: Mapping[Venue, int],
    *,
    costs: bool = True,
) -> str:
    """Return a sentence: why ``venue`` was chosen, its cost, and the cost at the other venue.

    ``reason`` is the router's code. ``rows`` are the expected costs of all venues; ``spreads`` the
    spread of each venue that showed both sides, won. ``costs`` False leaves both costs out.
    """
    by_venue = {row.venue: row for row in rows}
    chosen = by_venue.get(venue)
    other = by_venue.get(Venue.NXT if venue is Venue.KRX else Venue.KRX)
    if chosen is None or other is None:
        return f"{venue}: {reason}"
    parts = [_because(venue, reason, chosen, other, spreads)]
    if costs:
        parts.append(_cost(chosen))
    # The alternatives to an SOR order are both venues. The table shows their costs.
    if venue is not Venue.SOR:
        if costs:
            parts.append(_other(chosen, other))
        parts.append(_criterion(reason, chosen, other))
    return "; ".join(part for part in parts if part)


def _because(
    venue: Venue, reason: str, chosen: WhatIf, other: WhatIf, spreads: Mapping[Venue, int]
) -> str:
    spread = Compared(spreads.get(venue), spreads.get(other.venue))
    match reason:
        case "dual_listing_spread" if spread.chosen == spread.other:
            return f"{venue}, because both spreads are {spread.chosen:,} won and {_USUAL}"
        case "dual_listing_spread":
            return (
                f"{venue}, because its spread is tighter: {spread.chosen:,} won, at {other.venue} "
                f"{spread.other:,} won"
            )
        case "dual_listing_liquidity":
            return f"{venue}, because more shares can be had there"
        case "dual_listing_cost" if chosen.cost == other.cost:
            return f"{venue}, because both venues cost the same and {_USUAL}"
        case "dual_listing_cost":
            return f"{venue}, because the order costs less there"
        case "fallback_data_unavailable":
            return f"{venue}, because bids and asks of both venues were not known and {_USUAL}"
        case "venue_given":
            return f"{venue}, because the order names it"
        case _ if other.why_not:
            return f"{venue}, because it alone takes the order now"
        case _:
            return f"{venue}, because a venue does not trade continuously now and {_USUAL}"


def _cost(row: WhatIf) -> str:
    return "" if row.cost is None else f"expected cost {row.cost:,} won"


def _other(chosen: WhatIf, other: WhatIf) -> str:
    if other.why_not:
        return other.why_not
    if other.cost is None:
        return f"the cost at {other.venue} is not known"
    text = f"{other.venue} would cost {other.cost:,} won"
    if chosen.cost is not None and chosen.cost != other.cost:
        gap = other.cost - chosen.cost
        text += f", {abs(gap):,} won {'more' if gap > 0 else 'less'}"
    # Shares that wait cost nothing yet, so such a venue looks cheaper than it is.
    if chosen.at_once and other.at_once is not None and other.at_once < chosen.at_once:
        text += f", with {other.at_once:,} instead of {chosen.at_once:,} shares at once"
    return text


def _criterion(reason: str, chosen: WhatIf, other: WhatIf) -> str:
    """Return what the router compared, when the other venue costs less. Else return no text."""
    # Without it the sentence would name a reason for one venue and a lower cost for the other.
    compared = _CRITERIA.get(reason)
    if compared is None or chosen.cost is None or other.cost is None or other.why_not:
        return ""
    if other.cost >= chosen.cost:
        return ""
    return f"the router compares {compared}; %kis config routing cost lets it compare the cost"
