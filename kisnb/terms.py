"""The field's words as types: side, venue, phase, session id, order kind, mode."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Buy or sell."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class Venue(StrEnum):
    """Where an order goes: KRX, NXT (Nextrade), or the broker's smart order router."""

    KRX = "KRX"
    NXT = "NXT"
    SOR = "SOR"


class Phase(StrEnum):
    """What a venue does at a moment of its day."""

    CLOSED = "closed"
    ENTRY_ONLY = "entry only"
    AUCTION = "auction"
    CONTINUOUS = "continuous"


class SessionId(StrEnum):
    """Label of a stretch of the Korean day; gives the ranking code and the default venue, never legality."""

    NXT_PRE = "NXT_PRE"
    KRX_REG = "KRX_REG"
    NXT_AFTER = "NXT_AFTER"
    KR_OFF = "KR_OFF"


class OrderKind(StrEnum):
    """How an order is priced and how long it lives. The wire's codes stand in ``kisnb.kis`` alone."""

    LIMIT = "limit"
    MARKET = "market"


class Mode(StrEnum):
    """Which KIS a session talks to."""

    SIM = "sim"
    PAPER = "paper"
    LIVE = "live"


class Kind(StrEnum):
    """Instrument kind: decides tick table, tax and which venues list it."""

    STOCK = "stock"
    ETF = "etf"
    ETN = "etn"


class Board(StrEnum):
    """The board that lists an issue."""

    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
