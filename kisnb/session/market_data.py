"""What a session has seen of the market: ticks, depth and bars per stock and venue, as polars frames."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from kisnb.clock import SECOND, Ns
from kisnb.events import Depth, ExpectedMatch, MarketOperation, ProgramTrades, Tick
from kisnb.market.bars import span_of
from kisnb.market.sessions import session_id
from kisnb.terms import SessionId, Side, Venue

if TYPE_CHECKING:
    import polars as pl

_SIDES = {Side.BUY: 1, Side.SELL: -1, None: 0}


class Tape:
    """The trades of one stock, in columns."""

    __slots__ = ("price", "qty", "side", "t", "volume")

    def __init__(self) -> None:
        self.t = array("q")
        self.price = array("q")
        self.qty = array("q")
        self.side = array("b")
        self.volume = array("q")

    def add(self, tick: Tick) -> None:
        self.t.append(tick.t)
        self.price.append(tick.price)
        self.qty.append(tick.qty)
        self.side.append(_SIDES[tick.side])
        self.volume.append(tick.volume)


class MarketData:
    """Fed by the session's pump; frames are made when asked for. Venues are kept apart."""

    def __init__(self) -> None:
        self.prices: dict[str, int] = {}
        """Last trade per code, won: KRX's, and outside its regular session Nextrade's too."""
        self.depths: dict[str, Depth] = {}
        """Newest depth per code, of whatever venue is watched."""
        self.expected: dict[str, ExpectedMatch] = {}
        """Newest expected match per code."""
        self.operations: dict[str, MarketOperation] = {}
        """Newest word of the market's operation per code: a session's step, a halt, VI."""
        self.programs: dict[str, ProgramTrades] = {}
        """Program trades of the day per code."""
        self._tapes: dict[tuple[str, Venue], Tape] = {}

    def add(self, event: Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades) -> None:
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
        if event.venue is not Venue.NXT or session_id(event.t) is not SessionId.KRX_REG:
            self.prices[event.code] = event.price
        tape = self._tapes.get((event.code, event.venue))
        if tape is None:
            tape = self._tapes[event.code, event.venue] = Tape()
        tape.add(event)

    def ticks(self, code: str, venue: Venue = Venue.KRX) -> pl.DataFrame:
        """Trades of a venue since the stock was watched: t (KST), price (won), qty (shares), side (buy, sell, null in
        auctions), volume (accumulated shares of the venue's day)."""
        import polars as pl

        tape = self._tapes.get((code, venue)) or Tape()
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
        """Bars of a venue closed at ``now``: t (start, KST), open, high, low, close (won), volume (shares), count.

        Spans without a trade are left out.
        """
        import polars as pl

        span = span_of(every)
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
            .filter(pl.col("start") + span <= now)
            .with_columns(_kst("start").alias("t"))
            .select("t", "open", "high", "low", "close", "volume", "count")
        )


def _kst(column: str) -> pl.Expr:
    import polars as pl

    return (pl.col(column) // (SECOND // 1_000_000)).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Seoul")
