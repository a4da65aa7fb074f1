"""The market data that a session has received: ticks, depth, bars, as polars DataFrames."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from kisnb.clock import MINUTE, SECOND, Ns
from kisnb.events import Depth, ExpectedMatch, MarketOperation, ProgramTrades, Tick
from kisnb.market.sessions import gives_price
from kisnb.terms import Side, Venue

if TYPE_CHECKING:
    import polars as pl

_SIDES = {Side.BUY: 1, Side.SELL: -1, None: 0}
ALL = 1 << 60
"""A number larger than that of any trades: it means all of them."""
SETTLE: Ns = 2 * SECOND
"""Time after the end of a minute until KIS's list has all its trades."""
Until: TypeAlias = Mapping[Venue, int] | None
"""By venue, the number of oldest trades that count.

All trades of a venue that is not named count; None: all.
"""
_BAR = ("open", "high", "low", "close", "volume")


class Gap(msgspec.Struct):
    """A time in which the trades of a venue were not received: after ``since``, up to ``until``."""

    code: str
    venue: Venue
    since: Ns
    until: Ns
    missing: int
    """Shares. 0 when the number is not known."""
    filled: bool = False
    """True once the bars of those minutes come from KIS."""

    @property
    def over(self) -> Ns:
        """The moment from which KIS's list has the last minute of the gap."""
        return self.until - self.until % MINUTE + MINUTE + SETTLE


class RecentTrade(NamedTuple):
    """One received trade. Won and shares."""

    t: Ns
    venue: Venue
    price: int
    qty: int
    side: int
    """1 when the buyer hit an ask, -1 when the seller hit a bid, 0 in a call auction."""


class RecentTrades:
    """The received trades of one stock on one venue, stored in columns."""

    __slots__ = ("price", "qty", "side", "t", "volume")

    def __init__(self) -> None:
        # A busy stock has many thousand trades a day. Columns of plain numbers need several times
        # less memory than an object for each trade.
        self.t = array("q")
        self.price = array("q")
        self.qty = array("q")
        self.side = array("b")
        self.volume = array("q")

    def add(self, tick: Tick) -> None:
        """Append a trade."""
        self.t.append(tick.t)
        self.price.append(tick.price)
        self.qty.append(tick.qty)
        self.side.append(_SIDES[tick.side])
        self.volume.append(tick.volume)


class MarketData:
    """Ticks, depth and further channels of each stock. Each venue's data are kept apart.

    ``SessionState`` adds the events. DataFrames are made when they are asked for.
    """

    def __init__(self) -> None:
        self.prices: dict[str, int] = {}
        """The price of the newest trade per code, won.

        During KRX's regular session only KRX's trades count. Outside of it, Nextrade's trades
        count too.
        """
        self.depths: dict[str, Depth] = {}
        """The newest depth per code, of the venue that is watched."""
        self.depths_by_venue: dict[tuple[str, Venue], Depth] = {}
        """The newest depth of each venue whose depth was received."""
        self.expected: dict[str, ExpectedMatch] = {}
        """The newest expected match of a call auction per code."""
        self.operations: dict[str, MarketOperation] = {}
        """The newest market message per code: a step of the day, a halt, a VI."""
        self.programs: dict[str, ProgramTrades] = {}
        """The newest figures of the day's program trades per code."""
        self.gaps: list[Gap] = []
        """The times in which trades were not received, oldest first."""
        self._tapes: dict[tuple[str, Venue], RecentTrades] = {}
        self._fetched: dict[tuple[str, Venue], dict[Ns, tuple[int, ...]]] = {}
        """The minutes that KIS gave: open, high, low, close, volume by start (UTC ns)."""

    def add(
        self,
        event: Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades,
        *,
        counts: bool | None = None,
    ) -> None:
        """Add an event of a market channel.

        A trade is appended; another event replaces the last one. ``counts`` says whether the price
        of the trade counts as the price of the stock. None: ``market.sessions.gives_price``
        decides.
        """
        match event:
            case Tick():
                is_price = gives_price(event.venue, event.t) if counts is None else counts
                self._trade(event, is_price=is_price)
            case Depth(code=code):
                self.depths[code] = event
                self.depths_by_venue[code, event.venue] = event
            case ExpectedMatch(code=code):
                self.expected[code] = event
            case MarketOperation(code=code):
                self.operations[code] = event
            case ProgramTrades(code=code):
                self.programs[code] = event

    def _trade(self, event: Tick, *, is_price: bool) -> None:
        if is_price:
            self.prices[event.code] = event.price
        tape = self._tapes.get((event.code, event.venue))
        if tape is None:
            tape = self._tapes[event.code, event.venue] = RecentTrades()
        tape.add(event)

    def ticks(self, code: str, venue: Venue = Venue.KRX) -> pl.DataFrame:
        """Return the trades of a venue since the stock was watched.

        Columns: t (KST), price (won), qty (shares), side (buy, sell, null in auctions), volume
        (accumulated shares of the venue's day).
        """
        import polars as pl

        tape = self._tapes.get((code, venue)) or RecentTrades()
        sides = pl.Series([{1: "buy", -1: "sell"}.get(s) for s in tape.side], dtype=pl.String)
        return pl.DataFrame(
            {
                "t": pl.Series(list(tape.t), dtype=pl.Int64),
                "price": pl.Series(list(tape.price), dtype=pl.Int64),
                "qty": pl.Series(list(tape.qty), dtype=pl.Int64),
                "side": sides,
                "volume": pl.Series(list(tape.volume), dtype=pl.Int64),
            }
        ).with_columns(in_kst("t"))

    def trades_since(self, code: str, venue: Venue, at: int) -> list[RecentTrade]:
        """Return a venue's received trades without the oldest ``at``, oldest first."""
        tape = self._tapes.get((code, venue))
        if tape is None:
            return []
        columns = (tape.t[at:], tape.price[at:], tape.qty[at:], tape.side[at:])
        return [RecentTrade(t, venue, *row) for t, *row in zip(*columns, strict=True)]

    def count(self, code: str, venue: Venue) -> int:
        """Return how many trades of a venue were received."""
        tape = self._tapes.get((code, venue))
        return len(tape.t) if tape is not None else 0

    def first_heard(self, code: str, venue: Venue, since: Ns) -> Ns | None:
        """Return the time of a venue's first received trade that was made at or after ``since``.

        None: there is no such trade.
        """
        tape = self._tapes.get((code, venue))
        at = bisect_left(tape.t, since) if tape else 0
        return tape.t[at] if tape and at < len(tape.t) else None

    def without_newest(self, code: str, newest: Sequence[Tick]) -> Until:
        """Return the counts of trades that remain without those in ``newest``.

        ``newest`` are the last trades that agents get. Agents get only trades whose price counts
        (``gives_price``). Other trades that came between these are left out as well.
        """
        taken: dict[Venue, int] = {}
        for venue in {tick.venue for tick in newest}:
            left = sum(tick.venue is venue for tick in newest)
            tape = self._tapes[code, venue]
            at = len(tape.t)
            while left and at:
                at -= 1
                left -= gives_price(venue, tape.t[at])
            taken[venue] = at
        return taken

    def minutes(self, code: str, venue: Venue, until: Until = None) -> pl.DataFrame:
        """Return a venue's minute bars.

        A bar comes from KIS if it was fetched. Otherwise it is made of received trades. The newest
        bar may be unfinished. Columns: start (UTC ns), open, high, low, close (won), volume
        (shares).
        """
        received = self.received(code, venue, MINUTE, until)
        return _replaced(received, self._fetched.get((code, venue), {}))

    def received(self, code: str, venue: Venue, span: Ns, until: Until = None) -> pl.DataFrame:
        """Return bars made of the trades that were received. Columns are those of ``minutes``.

        SOR means both venues together.
        """
        import polars as pl

        venues = (Venue.KRX, Venue.NXT) if venue is Venue.SOR else (venue,)
        trades = pl.concat(
            [self.ticks(code, where).head((until or {}).get(where, ALL)) for where in venues]
        )
        trades = trades if len(venues) == 1 else trades.sort("t", maintain_order=True)
        return bars_of(trades, span)

    def add_minutes(self, code: str, venue: Venue, minutes: Mapping[Ns, tuple[int, ...]]) -> None:
        """Add minutes as KIS gave them. They replace minutes that were made of received trades.

        ``minutes`` are open, high, low, close (won) and volume (shares), by start (UTC ns).
        """
        self._fetched.setdefault((code, venue), {}).update(minutes)

    def fill(self, gap: Gap, minutes: Mapping[Ns, tuple[int, ...]]) -> None:
        """Add the minutes of a gap as KIS gave them, and mark the gap as filled.

        ``minutes`` are open, high, low, close (won) and volume (shares), by start (UTC ns).
        """
        self.add_minutes(gap.code, gap.venue, minutes)
        gap.filled = True

    def gap_frame(self, code: str = "") -> pl.DataFrame:
        """Return the gaps of one stock, or of all.

        Columns: code, venue, since and until (KST), missing (shares; 0 when the number is not
        known), filled.
        """
        import polars as pl

        rows = [
            (g.code, str(g.venue), g.since, g.until, g.missing, g.filled)
            for g in self.gaps
            if code in ("", g.code)
        ]
        kinds = [pl.String, pl.String, pl.Int64, pl.Int64, pl.Int64, pl.Boolean]
        names = ("code", "venue", "since", "until", "missing", "filled")
        frame = pl.DataFrame(rows, dict(zip(names, kinds, strict=True)), orient="row")
        return frame.with_columns(in_kst("since"), in_kst("until"))


def bars_of(trades: pl.DataFrame, span: Ns) -> pl.DataFrame:
    """Return bars of ``span`` nanoseconds, made of trades.

    Columns: those of ``MarketData.minutes``. ``trades`` are in the order of time.
    """
    import polars as pl

    start = (pl.col("t").dt.epoch("us") * 1000 // span * span).alias("start")
    return trades.group_by(start, maintain_order=True).agg(
        pl.col("price").first().alias("open"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.col("price").last().alias("close"),
        pl.col("qty").sum().alias("volume"),
    )


def closed_bars(bars: pl.DataFrame, span: Ns, now: Ns) -> pl.DataFrame:
    """Return the bars that are closed at ``now``, with columns for people.

    Columns: t (start, KST), open, high, low, close (won), volume (shares).
    """
    import polars as pl

    closed = bars.filter(pl.col("start") + span <= now)
    return closed.with_columns(in_kst("start").alias("t")).select("t", *_BAR)


def _replaced(bars: pl.DataFrame, fetched: Mapping[Ns, tuple[int, ...]]) -> pl.DataFrame:
    """Return one-minute bars in which KIS's fetched minutes replace our own."""
    import polars as pl

    kinds = dict.fromkeys(("start", *_BAR), pl.Int64)
    given = pl.DataFrame([(t, *bar) for t, bar in fetched.items()], kinds, orient="row")
    # A minute from KIS replaces our whole minute, because ours may lack trades in its middle.
    kept = bars.filter(~pl.col("start").is_in(list(fetched)))
    return pl.concat([kept, given]).sort("start")


def longer(minutes: pl.DataFrame, span: Ns) -> pl.DataFrame:
    """Return bars of ``span`` nanoseconds, made of one-minute bars in the order of time."""
    import polars as pl

    return minutes.group_by(
        (pl.col("start") // span * span).alias("start"), maintain_order=True
    ).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )


def in_kst(column: str) -> pl.Expr:
    """Return a column of UTC nanoseconds as a column of Korean time."""
    import polars as pl

    return (
        (pl.col(column) // (SECOND // 1_000_000))
        .cast(pl.Datetime("us", "UTC"))
        .dt.convert_time_zone("Asia/Seoul")
    )
