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
    CONDITIONAL = "conditional"
    """조건부지정가: a limit order that turns into a market order in the closing auction."""
    BEST_OPPOSITE = "best-opposite"
    """최유리지정가: a limit at the best opposite price on arrival."""
    BEST_OWN = "best-own"
    """최우선지정가: a limit at the best price of its own side on arrival."""
    PRE_CLOSE = "pre-close"
    """장전 시간외: at the previous close."""
    POST_CLOSE = "post-close"
    """장후 시간외: at today's close."""
    SINGLE_PRICE = "single-price"
    """시간외 단일가: until 2026-09-11."""
    LIMIT_IOC = "limit-ioc"
    LIMIT_FOK = "limit-fok"
    MARKET_IOC = "market-ioc"
    MARKET_FOK = "market-fok"
    BEST_OPPOSITE_IOC = "best-opposite-ioc"
    BEST_OPPOSITE_FOK = "best-opposite-fok"
    MID_PRICE = "mid-price"
    """중간가: midway between the best bid and the best ask, and moving with them."""
    STOP_LIMIT = "stop-limit"
    """스톱지정가: a limit order that waits for its stop price."""
    MID_PRICE_IOC = "mid-price-ioc"
    MID_PRICE_FOK = "mid-price-fok"
    NXT_PRE_LIMIT = "nxt-pre-limit"
    """GTP: lives in Nextrade's pre-market only, like the two that follow."""
    NXT_PRE_BEST_OPPOSITE = "nxt-pre-best-opposite"
    NXT_PRE_BEST_OWN = "nxt-pre-best-own"
    AFTER_LIMIT = "after-limit"
    """For KRX's after-market only, like the six that follow."""
    AFTER_LIMIT_IOC = "after-limit-ioc"
    AFTER_LIMIT_FOK = "after-limit-fok"
    AFTER_BEST_OPPOSITE = "after-best-opposite"
    AFTER_BEST_OPPOSITE_IOC = "after-best-opposite-ioc"
    AFTER_BEST_OPPOSITE_FOK = "after-best-opposite-fok"
    AFTER_BEST_OWN = "after-best-own"

    @property
    def priced(self) -> bool:
        """Whether the order names a price in won; the others are priced by the market."""
        return self in _PRICED

    @property
    def immediate(self) -> bool:
        """IOC and FOK: what does not match on arrival is cancelled at once."""
        return self.endswith(("-ioc", "-fok"))


_PRICED = frozenset(
    {
        OrderKind.LIMIT,
        OrderKind.CONDITIONAL,
        OrderKind.SINGLE_PRICE,
        OrderKind.LIMIT_IOC,
        OrderKind.LIMIT_FOK,
        OrderKind.STOP_LIMIT,
        OrderKind.NXT_PRE_LIMIT,
        OrderKind.AFTER_LIMIT,
        OrderKind.AFTER_LIMIT_IOC,
        OrderKind.AFTER_LIMIT_FOK,
    }
)


class Mode(StrEnum):
    """Which KIS a session talks to."""

    SIM = "sim"
    PAPER = "paper"
    LIVE = "live"

    @property
    def badge(self) -> str:
        """What lines of text begin with, so that nobody takes one mode for another: ``"[SIM] "``."""
        return f"[{self.upper()}] "


class Kind(StrEnum):
    """Instrument kind: decides tick table, tax and which venues list it."""

    STOCK = "stock"
    ETF = "etf"
    ETN = "etn"


class Board(StrEnum):
    """The board that lists an issue."""

    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
