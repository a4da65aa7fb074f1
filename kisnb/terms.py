"""The market's words as types: side, venue, phase, session id, order kind, mode."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Side(StrEnum):
    """Buy or sell."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """Sell for buy, and buy for sell."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Venue(StrEnum):
    """The place that an order goes to: KRX, NXT (Nextrade), or SOR (KIS's smart order router).

    On the stream, SOR is the channel of both venues unified.
    """

    KRX = "KRX"
    NXT = "NXT"
    # KIS chooses one of the two for a SOR order. Its notice says which (field ORD_EXG_GB: 3 is
    # SOR to KRX, 4 is SOR to NXT; KIS's sample ccnl_notice).
    SOR = "SOR"


# Python 3.11 takes 100 ns to read a member of an enumeration, and 3 ns to read a name of a module.
# The code that every order passes uses these names.
BUY: Final = Side.BUY
SELL: Final = Side.SELL
KRX: Final = Venue.KRX
NXT: Final = Venue.NXT


class Phase(StrEnum):
    """The state of a venue at a moment of its day."""

    CLOSED = "closed"
    ENTRY_ONLY = "entry only"
    """Orders are accepted, and nothing is matched yet."""
    AUCTION = "auction"
    """Orders are collected for a match at one price."""
    CONTINUOUS = "continuous"
    """An order matches at once when it can."""


class SessionId(StrEnum):
    """The label of a part of the Korean day (market session).

    It gives the ranking code and the default venue. It never decides whether an order is allowed.
    """

    NXT_PRE = "NXT_PRE"
    KRX_REG = "KRX_REG"
    NXT_AFTER = "NXT_AFTER"
    KR_OFF = "KR_OFF"
    """Nothing trades."""


class OrderKind(StrEnum):
    """The kind of an order: its pricing, and how long it is valid.

    Only ``kisnb.kis`` has KIS's codes.
    """

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
    # KRX's after-market replaced this market session on 2026-09-14 (KIS notice of 2026-09-09). The
    # kind stays for back-tests of earlier days.
    SINGLE_PRICE = "single-price"
    """시간외 단일가: until 2026-09-11."""
    LIMIT_IOC = "limit-ioc"
    LIMIT_FOK = "limit-fok"
    MARKET_IOC = "market-ioc"
    MARKET_FOK = "market-fok"
    BEST_OPPOSITE_IOC = "best-opposite-ioc"
    BEST_OPPOSITE_FOK = "best-opposite-fok"
    MID_PRICE = "mid-price"
    """중간가: midway between the best bid and the best ask; it moves with them."""
    STOP_LIMIT = "stop-limit"
    """스톱지정가: a limit order that waits for its stop price."""
    MID_PRICE_IOC = "mid-price-ioc"
    MID_PRICE_FOK = "mid-price-fok"
    NXT_PRE_LIMIT = "nxt-pre-limit"
    """GTP: valid in Nextrade's pre-market only, like the two that follow."""
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
        """True for a kind that needs a price in won. The market sets the price of other kinds."""
        # A set, because the names of kinds such as "post-close" or "best-own" do not show that they
        # have no price. KIS wants "0" as the price of such kinds (workbook, sheet order-cash).
        return self in _PRICED

    @property
    def immediate(self) -> bool:
        """True for IOC and FOK: shares that do not match on arrival are cancelled at once."""
        return self.endswith(("-ioc", "-fok"))


MARKET: Final = OrderKind.MARKET
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
    """The KIS that a session talks to: the simulator, paper trading, or live."""

    SIM = "sim"
    PAPER = "paper"
    LIVE = "live"

    @property
    def badge(self) -> str:
        """The mode as a prefix of each line that people read: ``"[SIM] "``."""
        # The mode is a text and not only a colour, so that a terminal, a log file and an exported
        # page show it as well.
        return f"[{self.upper()}] "


class Kind(StrEnum):
    """The kind of an instrument. It decides tick table, tax and the venues that list it."""

    STOCK = "stock"
    ETF = "etf"
    ETN = "etn"


STOCK: Final = Kind.STOCK


class Board(StrEnum):
    """The board that lists an issue."""

    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
