"""One listed issue and its facts."""

from __future__ import annotations

import re

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
    nxt: bool = False
    """True: Nextrade lists it. False also when that is unknown."""
    preferred: bool = False
    """True: a preferred share (우선주)."""


def is_code(text: str) -> bool:
    """Return whether ``text`` has the form of a stock code: ``005930``, ``0004V0``, ``Q530036``."""
    # Codes of new issues may have letters, and ETNs begin with a Q (KIS's master files).
    return re.fullmatch(r"[0-9][0-9A-Z]{5}|Q[0-9]{6}", text) is not None


def is_preferred(code: str, kind: Kind) -> bool:
    """Return True when a code is that of a preferred share.

    Those codes end in 5, 7, 9, K, L or M. Codes of common shares end in 0.
    """
    # A convention of KRX's codes. A master file states the fact in prst_cls_code, which counts
    # instead of it.
    return kind is Kind.STOCK and code[-1:] in tuple("579KLM")
