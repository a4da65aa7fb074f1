"""Facts of the market that no document settles: both variants are played, and chosen here alone."""

from __future__ import annotations

import msgspec


class Uncertain(msgspec.Struct, frozen=True):
    """What is assumed; the defaults are the better supported variants."""

    opening_auction_from_0820: bool = False
    """KRX's opening auction begins at 08:20 from 2026-09-14, as one project reports, and not at 08:30."""
    nxt_after_call: bool = False
    """Nextrade's after-market opens with a call auction over the orders of 15:30 to 15:40, as some guides say."""
    nxt_mid_and_stop_all_day: bool = False
    """Nextrade takes mid-price and stop-limit orders in its pre-market and after-market too."""
    krx_conditional_at_close: bool = False
    """KRX takes new conditional orders in the closing auction, in which they turn into market orders."""
    sor_new_kinds: bool = False
    """The smart order router takes the kinds of 2026-09-14: GTP, and KRX's after-market kinds."""
    sor_krx_only: bool = False
    """The smart order router takes stocks that Nextrade does not list and sends them to KRX (else APBK3009)."""


ASSUMED = Uncertain()
