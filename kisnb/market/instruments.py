"""One listed issue with its facts: code, name, kind, board, base price and more."""

from __future__ import annotations

import re
from datetime import date

import msgspec

from kisnb.terms import Board, Kind


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """One listed issue before a day's open. Prices in won, quantities in shares."""

    code: str
    """Six characters, or ``Q`` and six for an ETN. Some have letters (``0004V0``): it is a text."""
    name: str
    board: Board
    kind: Kind
    shares: int
    """Listed shares; 0 when unknown."""
    base: int
    """Base price: the previous close on the tick grid; 0 when not known."""
    volume: int
    """A typical day's volume; 0 when not known."""
    halted: bool = False
    """True: trading is halted (거래정지)."""
    nxt: bool | None = False
    """True: Nextrade lists it. None: not known; orders then go to KRX alone, as for False."""
    preferred: bool = False
    """True: a preferred share (우선주)."""
    multiple: float = 1.0
    """The multiple with which an ETF or ETN follows its index, without sign: 2.0 also for 인버스2X.

    It widens the daily limits.
    """
    listed_on: date | None = None
    """Listing date (상장일); None when unknown. It decides the limits of the listing day."""
    offer: int = 0
    """Offer price (공모가); 0 when unknown or when there was none."""
    liquidation: bool = False
    """True: in liquidation trading (정리매매), which has no limit prices."""


# KRX lists multiples up to 3 (ETN on bonds, since 2022-12).
_STATED_MULTIPLE = re.compile(r"(?<![\d.])([0-3](?:\.\d)?)X(?![A-Z])", re.IGNORECASE)


def multiple_of(kind: Kind, name: str) -> float:
    """Return the multiple of an ETF or ETN that its name states; 1.0 for other issues.

    ``2X`` and ``1.5X`` state it. ``레버리지`` without a number means two times.
    """
    # A convention of the issuers' names. No field of a master file states the multiple; KIS's
    # quote of an ETF does (etf_trc_ert_mltp).
    if kind is Kind.STOCK:
        return 1.0
    stated = _STATED_MULTIPLE.search(name)
    if stated is not None:
        return float(stated.group(1))
    return 2.0 if "레버리지" in name else 1.0


def is_code(text: str) -> bool:
    """Return True for a text in the form of a stock code: ``005930``, ``0004V0``, ``Q530036``."""
    # Codes of new issues may have letters, and ETNs begin with a Q (KIS's master files).
    return re.fullmatch(r"[0-9][0-9A-Z]{5}|Q[0-9]{6}", text) is not None


def is_preferred(code: str, kind: Kind) -> bool:
    """Return True when a code is that of a preferred share.

    Those codes end in 5, 7, 9, K, L or M. Codes of common shares end in 0.
    """
    # A convention of KRX's codes. A master file states the fact in prst_cls_code, which counts
    # instead of it.
    return kind is Kind.STOCK and code[-1:] in tuple("579KLM")
