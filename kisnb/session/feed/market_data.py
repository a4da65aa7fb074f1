"""The market data that a session has received: ticks, depth, bars, as polars DataFrames."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from kisnb.clock import MINUTE, SECOND, Ns
from kisnb.events import Depth, ExpectedMatch, MarketOperation, ProgramTrades, Tick
from kisnb.market.bars import span_of
from kisnb.market.sessions import gives_price
from kisnb.terms import Side, Venue

if TYPE_CHECKING:
    import polars as pl

_SIDES = {Side.BUY: 1, Side.SELL: -1, None: 0}
SETTLE: Ns = 2 * SECOND
"""After this time KIS's list has all trades of a minute that has ended."""
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
    """True once the bars of those minutes are KIS's own."""

    @property
    def over(self) -> Ns:
        """The moment when the last of its minutes can be asked for."""
        return self.until - self.until % MINUTE + MINUTE + SETTLE


class RecentTrades:
    """The trades of one stock, in columns."""

    __slots__ = ("price", "qty", "side", "t", "volume")

    def __init__(self) -> None:
        # Columns of plain numbers: a busy stock brings many thousand trades a day, and an object
        # for each would cost several times the memory.
        self.t = array("q")
        self.price = array("q")
        self.qty = array("q")
        self.side = array("b")
        self.volume = array("q")

    def add(self, tick: Tick) -> None:
        """Add a trade, as the last one."""
        self.t.append(tick.t)
        self.price.append(tick.price)
        self.qty.append(tick.qty)
        self.side.append(_SIDES[tick.side])
        self.volume.append(tick.volume)


class MarketData:
    """Ticks, depth and further channels, by stock. Venues are kept apart.

    The session's state adds to it. DataFrames are made when asked for.
    """

    def __init__(self) -> None:
        self.prices: dict[str, int] = {}
        """The price of the newest trade per code, won.

        It is KRX's, and outside KRX's regular session Nextrade's too.
        """
        self.depths: dict[str, Depth] = {}
        """The newest depth per code, of the venue that is watched."""
        self.expected: dict[str, ExpectedMatch] = {}
        """The newest expected match of a call auction per code."""
        self.operations: dict[str, MarketOperation] = {}
        """The newest message of the market's operation per code: a step of the day, a halt, VI."""
        self.programs: dict[str, ProgramTrades] = {}
        """The program trades of the day per code."""
        self.gaps: list[Gap] = []
        """The times in which trades were not received, oldest first."""
        self._tapes: dict[tuple[str, Venue], RecentTrades] = {}
        self._mended: dict[tuple[str, Venue], dict[Ns, tuple[int, ...]]] = {}
        """The minutes that KIS gave: open, high, low, close, volume by start (UTC ns)."""

    def add(self, event: Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades) -> None:
        """Add what a channel brought."""
        match event:
            case Tick():
                self._trade(event)
            case Depth(code=code):
                self.depths[code] = event
            case ExpectedMatch(code=code):
                self.expected[code] = event
            case MarketOperation(code=code):
                self.operations[code] = event
            case ProgramTrades(code=code):
                self.programs[code] = event

    def _trade(self, event: Tick) -> None:
        if gives_price(event.venue, event.t):
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
        ).with_columns(_kst("t"))

    def bars(self, code: str, every: str, now: Ns, venue: Venue = Venue.KRX) -> pl.DataFrame:
        """Return the bars of a venue that are closed at ``now``.

        Columns: t (start, KST), open, high, low, close (won), volume (shares), count (trades).
        Spans without a trade are left out. Minutes in which trades were missed are KIS's own, once
        KIS has given them. Their count is null, and so is that of longer spans that contain them.
        """
        import polars as pl

        span = span_of(every)
        bars = self._received(code, venue, span)
        mended = self._mended.get((code, venue))
        # KIS gives whole minutes. Bars of seconds stay as they were received.
        if mended and span % MINUTE == 0:
            bars = _longer(_replaced(self._received(code, venue, MINUTE), mended), span)
        return (
            bars.filter(pl.col("start") + span <= now)
            .with_columns(_kst("start").alias("t"))
            .select("t", "open", "high", "low", "close", "volume", "count")
        )

    def _received(self, code: str, venue: Venue, span: Ns) -> pl.DataFrame:
        """Return bars made of the trades that were received.

        Columns: start (UTC ns), open, high, low, close, volume, count.
        """
        import polars as pl

        start = (pl.col("t").dt.epoch("us") * 1000 // span * span).alias("start")
        return (
            self.ticks(code, venue)
            .group_by(start, maintain_order=True)
            .agg(
                pl.col("price").first().alias("open"),
                pl.col("price").max().alias("high"),
                pl.col("price").min().alias("low"),
                pl.col("price").last().alias("close"),
                pl.col("qty").sum().alias("volume"),
                pl.len().cast(pl.Int64).alias("count"),
            )
        )

    def fill(self, gap: Gap, minutes: Mapping[Ns, tuple[int, ...]]) -> None:
        """Add the minutes of a gap, as KIS gave them.

        ``minutes`` are open, high, low, close (won) and volume (shares), by start (UTC ns).
        """
        self._mended.setdefault((gap.code, gap.venue), {}).update(minutes)
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
        return frame.with_columns(_kst("since"), _kst("until"))


def _replaced(bars: pl.DataFrame, mended: Mapping[Ns, tuple[int, ...]]) -> pl.DataFrame:
    """Return one-minute bars in which KIS's minutes replace our own."""
    import polars as pl

    kinds = dict.fromkeys(("start", *_BAR), pl.Int64)
    given = pl.DataFrame([(t, *bar) for t, bar in mended.items()], kinds, orient="row")
    # A minute of KIS's own replaces ours as a whole, because ours may lack trades in its middle.
    kept = bars.filter(~pl.col("start").is_in(list(mended)))
    return pl.concat([kept, given], how="diagonal").sort("start")


def _longer(minutes: pl.DataFrame, span: Ns) -> pl.DataFrame:
    """Return bars of several minutes, made of one-minute bars."""
    import polars as pl

    # KIS's minutes do not say how many trades they hold, so a sum with one of them would be too
    # small.
    known = pl.when(pl.col("count").is_null().any()).then(None).otherwise(pl.col("count").sum())
    return minutes.group_by(
        (pl.col("start") // span * span).alias("start"), maintain_order=True
    ).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
        known.alias("count"),
    )


def _kst(column: str) -> pl.Expr:
    import polars as pl

    return (
        (pl.col(column) // (SECOND // 1_000_000))
        .cast(pl.Datetime("us", "UTC"))
        .dt.convert_time_zone("Asia/Seoul")
    )
