"""Uncertain facts of the market, which no document decides. kisnb can play both variants of each.

The setting ``assume`` names the facts whose other variant is to be used. Desk, simulator and kernel
each call ``use(read(…))`` with it at their start. Only this module chooses variants. A function
whose ``assumed`` is None uses the variants of the process.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from kisnb.errors import ConfigError
from kisnb.values import near_names


# Caches have it in their keys, several times for each order: its hash is computed once.
class Uncertain(msgspec.Struct, frozen=True, cache_hash=True):
    """The assumptions about what KIS's documents and the exchanges' rules leave open.

    Each field is one open question. Its default is the answer with the better evidence.
    """

    opening_auction_from_0820: bool = False
    """KRX's opening auction begins at 08:20 since 2026-09-14, as one project reports.

    False: at 08:30.
    """
    nxt_after_call: bool = False
    """Nextrade's after-market opens with a call auction over the orders of 15:30 to 15:40.

    Some guides say so. False: those orders are matched one after another at 15:40.
    """
    nxt_mid_and_stop_all_day: bool = False
    """Nextrade accepts mid-price and stop-limit orders in its pre-market and after-market, too."""
    special_days_all_later: bool = False
    """On an exam day every phase is an hour later, Nextrade's pre-market and the evening too.

    On the first trading day of a year Nextrade then has its usual pre-market. False: both days are
    as the press reported 2025-11-13 and 2026-01-02. Nextrade has no pre-market, and the last spans
    end at 18:00 or 20:00 as usual.
    """
    krx_conditional_at_close: bool = False
    """KRX accepts new conditional orders in the closing auction.

    They become market orders there.
    """
    krx_after_takes_funds: bool = False
    """KRX's after-market trades ETF and ETN, too. No list of the excluded issues is published."""
    sor_new_kinds: bool = False
    """SOR accepts the kinds of 2026-09-14: GTP, and those of KRX's after-market."""
    sor_krx_only: bool = False
    """SOR accepts stocks that Nextrade does not list, and sends them to KRX. False:

    KIS refuses them (APBK3009).
    """
    costs_by_fill: bool = False
    """Commission and tax are rounded down to the won on each fill.

    False: on the value that an order traded at a venue.
    """


Assumed: TypeAlias = Uncertain | None
_current = Uncertain()


def use(assumed: Uncertain) -> None:
    """Set the variants that this process assumes. ``Uncertain()`` sets the defaults again."""
    global _current
    _current = assumed


def current() -> Uncertain:
    """Return the variants that this process assumes."""
    return _current


def read(text: str) -> Uncertain:
    """Return the variants that the setting ``assume`` means: True for each named fact.

    ``text`` is the setting: names separated by commas. Raises ConfigError for a name that is not an
    uncertain fact.
    """
    names = [name for name in (part.strip() for part in text.split(",")) if name]
    for name in names:
        if name not in Uncertain.__struct_fields__:
            # A misspelt name is an error. Otherwise the default would stay in force and nobody
            # would see it.
            near = near_names(name, Uncertain.__struct_fields__)
            meant = f"did you mean {near[0]}? " if near else ""
            hint = f"{meant}take some of {', '.join(Uncertain.__struct_fields__)}"
            raise ConfigError(f"{name!r} is not an uncertain fact", hint)
    # Every default is False, so the other variant is True.
    return Uncertain(**dict.fromkeys(names, True))
