"""Facts of the market that no document settles: both variants are played, and chosen here alone.

The setting ``assume`` names those to be taken the other way; desk, simulator and kernel each begin with
``use(read(…))`` of it. A function's ``assumed`` None means what the process assumes.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from kisnb.errors import ConfigError
from kisnb.values import near_names


class Uncertain(msgspec.Struct, frozen=True):
    """What is assumed; the defaults are the better supported variants."""

    opening_auction_from_0820: bool = False
    """KRX's opening auction begins at 08:20 from 2026-09-14, as one project reports, and not at 08:30."""
    nxt_after_call: bool = False
    """Nextrade's after-market opens with a call auction over the orders of 15:30 to 15:40, as some guides say."""
    nxt_mid_and_stop_all_day: bool = False
    """Nextrade takes mid-price and stop-limit orders in its pre-market and after-market too."""
    special_days_of_2025: bool = False
    """On exam days and first trading days Nextrade has no pre-market, and what ends at 18:00 or 20:00 ends then, as
    the press said of 2025-11-13 and 2026-01-02; and not all of an exam day an hour later."""
    krx_conditional_at_close: bool = False
    """KRX takes new conditional orders in the closing auction, in which they turn into market orders."""
    krx_after_takes_funds: bool = False
    """KRX's after-market takes ETF and ETN too: which issues are left out is not listed anywhere."""
    sor_new_kinds: bool = False
    """The smart order router takes the kinds of 2026-09-14: GTP, and KRX's after-market kinds."""
    sor_krx_only: bool = False
    """The smart order router takes stocks that Nextrade does not list and sends them to KRX (else APBK3009)."""
    costs_by_fill: bool = False
    """Commission and tax are floored to the won on every fill, and not on what an order traded at a venue."""


Assumed: TypeAlias = Uncertain | None
_current = Uncertain()


def use(assumed: Uncertain) -> None:
    """Let this process assume ``assumed``; ``Uncertain()`` takes all back."""
    global _current
    _current = assumed


def current() -> Uncertain:
    """What this process assumes."""
    return _current


def read(text: str) -> Uncertain:
    """The facts named, by commas, taken the other way. Raises ConfigError for a name that is none."""
    names = [name for name in (part.strip() for part in text.split(",")) if name]
    for name in names:
        if name not in Uncertain.__struct_fields__:
            near = near_names(name, Uncertain.__struct_fields__)
            meant = f"did you mean {near[0]}? " if near else ""
            hint = f"{meant}take some of {', '.join(Uncertain.__struct_fields__)}"
            raise ConfigError(f"{name!r} is no uncertain fact", hint)
    return Uncertain(**dict.fromkeys(names, True))
