"""The calls of a session about the market: quotes, depth, ticks, bars, rankings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from kisnb.errors import BadInput
from kisnb.events import StockDay
from kisnb.kis.calls.ranking_messages import MOST_ROWS, RankingKind, ranking_call, read_ranking
from kisnb.market import sessions
from kisnb.market.routing.router import Router
from kisnb.orders import Want
from kisnb.session.feed.market_data import MarketData
from kisnb.session.parts import SessionCalls
from kisnb.session.questions import Questions, awaited
from kisnb.session.typed_orders.pending import pending
from kisnb.terms import Venue
from kisnb.trading.ports.queries import CallApi
from kisnb.values import one_of

if TYPE_CHECKING:
    import polars as pl

Channel = Literal["expected", "operation", "programs"]
CHANNELS: tuple[Channel, ...] = ("expected", "operation", "programs")


class MarketCalls(SessionCalls):
    """Calls of a session about the market. Prices in won, quantities in shares."""

    quote = awaited(Questions.quote)
    depth = awaited(Questions.depth)

    @property
    def data(self) -> MarketData:
        """The ticks, depth and bars that the session has received."""
        return self._parts.state.data

    @pending
    async def ranking(self, kind: RankingKind = "volume", n: int = MOST_ROWS) -> pl.DataFrame:
        """Return the ``n`` stocks with the largest traded value or the largest rise.

        KIS gives at most 30. ``kind`` is ``"volume"`` for traded value, or ``"fluctuation"`` for
        the rise. In Nextrade's market sessions before and after KRX's regular session, the ranking
        is Nextrade's. At any other time it is KRX's.

        Columns: rank, code, name, price and change (won), change_pct, volume (shares), value (won;
        null for fluctuation). Raises BadInput, NotOffered (paper has no rankings), KisError.
        """
        # KIS ranks KRX or NXT, but not both together (KIS's workbook: J, NX).
        where = Router.resolve_for_ranking(sessions.session_id(self._parts.state.now))
        reply = await self._parts.link.ask(CallApi(*ranking_call(kind, where)))
        return read_ranking(reply.blocks["output"], n)

    @pending
    async def watch(self, *codes: str, channels: Sequence[Channel] = ()) -> None:
        """Subscribe to the trades and the depth of these stocks.

        A stock that is traded is watched anyway. ``channels`` adds expected matches of call
        auctions, market operation (halts, VI) and program trades. Each of these takes one of the 41
        subscriptions of an appkey. The newest message of each is in ``data.expected``,
        ``data.operations`` and ``data.programs``. Raises BadInput.
        """
        # A text is a sequence of letters. Without this check, the error would name a single letter.
        if isinstance(channels, str):
            raise BadInput(
                f"channels={channels!r} is one text", f"write a list: channels=[{channels!r}]"
            )
        # All values are checked before anything is subscribed to, so that a wrong one has no
        # effect.
        named = [one_of(channel, CHANNELS, "channel") for channel in channels]
        self._parts.watched.follow(*codes)
        self._parts.watched.want(
            [Want(channel, self._parts.code(code), None) for code in codes for channel in named]
        )

    @property
    def watched(self) -> list[str]:
        """The codes of the stocks whose trades this session follows."""
        return self._parts.watched.codes

    def stock_day(self, code: str) -> StockDay | None:
        """Return base price, limits (won) and halt of a stock today.

        None when they are not known. At paper and live KIS states them when a stock is watched,
        held or bought. Raises UnknownInstrument.
        """
        state = self._parts.state
        return state.stocks.of(state.now, self._parts.code(code))

    def ticks(self, code: str, venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Return the trades of a venue since the stock was watched.

        Columns: t (KST), price (won), qty (shares), side, volume (accumulated shares).
        Raises BadInput.
        """
        where = one_of(venue, tuple(Venue), "venue")
        return self.data.ticks(self._parts.code(code), where)

    @pending
    async def bars(
        self, code: str, every: str = "1m", venue: Venue | str | None = None
    ) -> pl.DataFrame:
        """Return the closed bars of this day from 08:00 on, or bars of days or weeks.

        ``every`` is ``"1m"``, ``"5m"`` or ``"1h"``. The bars cover the whole day, also the time
        before the stock was watched: minutes that this session did not receive are fetched from
        KIS, at most 120 minutes a call. ``"20s"`` and other bars of seconds are made only of the
        trades that this session has received, because KIS keeps minutes only. ``"1d"`` gives three
        years of days and ``"1w"`` five years of weeks, with adjusted prices; the last bar is the
        unfinished one.

        Without a venue, bars of this day use the price that kisnb follows: KRX's price during KRX's
        regular session, and the price of both venues together before and after it. Bars of days and
        weeks are then KRX's. A time without a trade has no bar. When bars are missing, a printed
        line says why, and ``kisnb.why_missing(frame)`` returns that text.

        Columns: t (start, KST), open, high, low, close (won), volume (shares). Raises BadInput,
        KisError, DeskLost.
        """
        shown = self._parts.shown_bars
        frame = await shown.frame(self._parts.link, code, every, venue)
        shown.say_missing(self._parts.code(code), frame)
        return frame

    def heard_bars(
        self,
        code: str,
        every: str = "1m",
        venue: Venue | str | None = None,
        *,
        running: bool = False,
    ) -> pl.DataFrame:
        """Return the closed bars that this session can make now, without asking the desk or KIS.

        ``running`` adds the bar that is not closed yet. Columns are those of ``bars``. Raises
        BadInput.
        """
        where = None if venue is None else one_of(venue, tuple(Venue), "venue")
        return self._parts.day_bars.here(self._parts.code(code), every, where, running=running)

    def gaps(self, code: str = "") -> pl.DataFrame:
        """Return the times in which trades were not received, of one stock or of all.

        Columns: code, venue, since and until (KST), missing (shares; 0 when the number is not
        known), filled (True when the bars of those minutes came from KIS). Raises BadInput.
        """
        return self.data.gap_frame(self._parts.code(code) if code else "")
