"""One listed issue, and what is known of it."""

from __future__ import annotations

import msgspec

from kisnb.terms import Board, Kind


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """One listed issue as it stands before a day's open; won and shares."""

    code: str
    """Six characters, ``Q`` and six for ETN; letters occur (``0004V0``), so it is never a number."""
    name: str
    board: Board
    kind: Kind
    shares: int
    """Listed shares; 0 when unknown."""
    base: int
    """Base price: the previous close on the tick grid."""
    volume: int
    """A typical day's volume."""
    halted: bool = False
    nxt: bool = False
    """Whether Nextrade lists it; False when unknown."""
    preferred: bool = False
    """A preferred share (우선주)."""


def is_preferred(code: str, kind: Kind) -> bool:
    """Whether a code is that of a preferred share: those end in 5, 7, 9, K, L or M; common shares end in 0."""
    return kind is Kind.STOCK and code[-1:] in tuple("579KLM")
