"""Facts of the market: trades, depth, quotes, bars. Prices in won, quantities in shares."""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

from kisnb.clock import Ns, kst_day
from kisnb.events.fact import Fact
from kisnb.terms import Board, Kind, Side, Venue


class Tick(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """One trade. ``t`` is the exchange's time (whole seconds on KIS), ``received`` the desk's."""

    code: str
    venue: Venue
    price: int
    qty: int
    # KIS gives the side of a trade (H0STCNT0, CCLD_DVSN: 1 buy, 5 sell). In a call auction both
    # sides wait, so neither came later.
    side: Side | None
    """The side of the order that came later: BUY when a buyer took the ask. None in auctions."""
    # The sum lets the reader of the stream find lost trades: KIS numbers no frame, and a volume
    # that rises by more than ``qty`` shows a gap.
    volume: int
    """Accumulated volume of the venue's day, this trade included."""
    value: int
    """Accumulated traded value of the venue's day, won."""
    ask: int
    bid: int
    # The age of a price is measured by this time and not by ``t``: KIS stamps whole seconds only,
    # and on paper its time may run ahead of ours.
    received: Ns = 0
    ask_qty: int = 0
    """Shares at ``ask``; 0 when the channel did not say."""
    bid_qty: int = 0


class Depth(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Bids and asks (호가), best first, up to ten levels; empty levels are left out."""

    code: str
    venue: Venue
    # KIS pushes the whole depth in each frame (H0STASP0), so a newer one replaces an older one and
    # nothing has to be merged.
    asks: tuple[tuple[int, int], ...]
    """(price, shares), rising."""
    bids: tuple[tuple[int, int], ...]
    """(price, shares), falling."""
    received: Ns = 0


class ExpectedMatch(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The match that a call auction would make now (예상체결): price in won, shares; 0 for none."""

    code: str
    venue: Venue
    price: int
    qty: int
    ask: int
    bid: int
    received: Ns = 0


class MarketOperation(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The market's operation for one stock changed (장운영정보).

    A step of the market session, a trading halt, or a VI that began or ended.
    """

    code: str
    venue: Venue
    # KIS documents no codes for the after-market that began on 2026-09-14, so a list of the known
    # codes would drop facts.
    operation: str
    """KIS's MKOP_CLS_CODE, such as 112 for the open. An unknown code is kept as KIS sent it."""
    halted: bool
    reason: str
    """Reason of a halt of trading, in KIS's words."""
    # KIS sends this channel at the start and the end of a VI (H0STMKO0, VI_CLS_CODE).
    vi: bool
    """True: a volatility interruption (VI) is on."""
    received: Ns = 0


class ProgramTrades(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Program trades of one stock, accumulated over the venue's day: shares and won."""

    code: str
    venue: Venue
    sold: int
    sold_value: int
    bought: int
    bought_value: int
    net: int
    net_value: int
    received: Ns = 0


class Quote(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The current price of a stock (주식현재가): won and shares."""

    code: str
    name: str
    venue: Venue
    price: int
    base: int
    """Base price (previous close, adjusted): limits and change are measured from it."""
    open: int
    high: int
    low: int
    volume: int
    value: int
    upper: int
    """Upper limit price of the day; 0 when the issue has none (liquidation trading)."""
    lower: int
    """Lower limit price of the day; 0 when the issue has none."""
    tick: int
    """Tick size at the current price."""
    halted: bool
    listed_shares: int
    received: Ns = 0

    @property
    def change(self) -> int:
        """Change from the base price, won."""
        return self.price - self.base

    @property
    def change_pct(self) -> float:
        """Change from the base price, percent; 0 without a base price."""
        return self.change / self.base * 100 if self.base else 0.0


# Not journaled: it is valid for one day, and a desk that restarts asks KIS again.
class StockDay(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The facts of a stock on one day, as its host states them: base price, limits, halts.

    ``t`` is the moment of the reading. The facts are valid on the Korean day of ``t``.
    """

    code: str
    base: int
    """Base price of the day, won."""
    limits: tuple[int, int] | None
    """Lower and upper limit price, won. None: there are none (정리매매), or none were stated."""
    price: int
    """Newest price at that moment, won."""
    halted: bool
    """True: trading is halted (거래정지)."""
    liquidation: bool
    """True: the stock is in liquidation trading (정리매매)."""
    shares: int
    """Listed shares; 0 when not stated."""
    name: str = ""
    """Name of the stock; empty when not stated. The desk asks for it only when no list has it."""
    board: Board | None = None
    """Board of the stock. None: not stated."""
    kind: Kind | None = None
    """Kind of the issue. None: not stated."""
    nxt: bool | None = None
    """True: Nextrade trades it today. None: not stated."""
    is_tradable: bool = True
    """False: kisnb does not trade issues of this kind, such as a right or an ELW."""

    @property
    def day(self) -> date:
        """The Korean day on which the facts are valid."""
        return kst_day(self.t)


class Bar(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """A bar of a stock; ``t`` is its start, ``span`` its length in nanoseconds."""

    code: str
    span: Ns
    open: int
    high: int
    low: int
    close: int
    volume: int
    count: int | None
    """Number of trades; 0 for a silent span, which repeats the last close with volume 0. None:

    KIS gave the bar, or a part of it, without the number.
    """

    @property
    def end(self) -> Ns:
        """The first moment after the bar."""
        return self.t + self.span


MarketFact: TypeAlias = (
    Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades | Quote | StockDay
)
