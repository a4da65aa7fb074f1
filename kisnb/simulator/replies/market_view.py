"""The source of the replies: prices, depth, trades, bars and flows up to now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import accumulate

from kisnb.clock import MINUTE, Ns
from kisnb.errors import BadInput
from kisnb.events import Depth, Quote
from kisnb.exchange.happenings import TradingInterrupted
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.day.model.daily_plan import Dated
from kisnb.simulator.replies.bars import DayBar, Marks, MinuteBar, Sums
from kisnb.terms import Phase, Side, Venue

USUAL_DAYS, KEPT_DAYS = 260, 1_500
"""Trading days of history: the number for most replies, and the furthest reach of a reply."""


VI_KINDS = {"static VI": "1", "dynamic VI": "2", "static and dynamic VI": "3"}
"""vi_kind_code of each cause."""


class MarketView:
    """Reads a market for the replies, and keeps what it has added up.

    It changes the market in one way: reading a depth makes a stock active.
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.facts = market.facts
        self._past: dict[tuple[str, Venue], list[DayBar]] = {}
        self._reached: dict[tuple[str, Venue], int] = {}
        self._marks: dict[str, Marks | None] = {}
        self._summed: dict[tuple[str, Venue], tuple[int, Sums]] = {}
        """Number of trades that have been added up, and their sums."""
        self._matched: dict[tuple[str, Venue], tuple[int, tuple[int, int]]] = {}
        """Number of trades that have been searched, and price and shares of the last auction among
        them."""
        self._minutes: dict[tuple[str, Venue], tuple[int, int, list[MinuteBar]]] = {}
        """Number of trades in the bars, the won of them, and the bars."""

    @property
    def now(self) -> Ns:
        """The simulated moment, in UTC nanoseconds."""
        return self.market.now

    @property
    def day(self) -> date:
        """The simulated day."""
        return self.market.day

    @property
    def universe(self) -> Universe:
        """All issues of the market."""
        return self.market.universe

    def item(self, code: str) -> Instrument:
        """Return the issue of a code. Raises UnknownInstrument."""
        return self.market.universe.get(code)

    def quote(self, code: str, venue: Venue = Venue.KRX) -> Quote:
        """Return the current price of a stock on a venue; SOR: of both venues."""
        return self.market.quote(code, venue)

    def depth(self, code: str, venue: Venue = Venue.KRX) -> Depth:
        """Return the depth of a stock on a venue; SOR: of both venues. The stock becomes active."""
        return self.market.depth(code, venue)

    def trades(self, code: str, venue: Venue = Venue.KRX) -> Sequence[PlannedTrade]:
        """Return every trade up to now, oldest first; SOR: of both venues."""
        return self.market.trades(code, venue)

    def sums(self, code: str, venue: Venue = Venue.KRX) -> Sums:
        """Return the day's trades up to now, added up by the taker's side."""
        trades = self.trades(code, venue)
        counted, (bought, sold, buys, sells) = self._summed.get(
            (code, venue), (0, Sums(0, 0, 0, 0))
        )
        # Trades are only appended, so what is added up stays right. A reply costs the new trades
        # alone.
        for trade in trades[counted:]:
            if trade.side is Side.BUY:
                bought, buys = bought + trade.qty, buys + 1
            elif trade.side is Side.SELL:
                sold, sells = sold + trade.qty, sells + 1
        whole = Sums(bought, sold, buys, sells)
        self._summed[code, venue] = len(trades), whole
        return whole

    def past(self, code: str, n: int, venue: Venue = Venue.KRX) -> Sequence[DayBar]:
        """Return a venue's last ``n`` trading days before the simulated day, newest first.

        At most ``KEPT_DAYS`` are known.
        """
        at = code, venue
        known, wanted = self._past.get(at, []), min(n, KEPT_DAYS)
        # A young issue has fewer days than were asked for. Without the note of how far it was read,
        # each call would make its whole past again.
        if len(known) < wanted and self._reached.get(at, 0) < wanted:
            # Long histories are made only for the calls that ask for them.
            reach = self._reached[at] = USUAL_DAYS if wanted <= USUAL_DAYS else KEPT_DAYS
            known = self._past[at] = [
                self.as_bar(dated) for dated in reversed(self.facts.history(code, reach, venue))
            ]
        return known[:wanted]

    def marks(self, code: str) -> Marks | None:
        """Return the marks of the year before this day; None for a stock without a past."""
        if code not in self._marks:
            past = self.past(code, USUAL_DAYS)
            self._marks[code] = Marks.of(past) if past else None
        return self._marks[code]

    def as_bar(self, dated: Dated) -> DayBar:
        """Return a dated bar with the won that it traded."""
        bar = dated.bar
        return DayBar(dated.day, bar.open, bar.high, bar.low, bar.close, bar.volume, dated.value)

    def close_before(self, code: str, day: date) -> int:
        """Return the close of the trading day before ``day``.

        For the oldest kept day it is that day's own close.
        """
        past = self.past(code, self.trading_days_since(day) + 5)
        return next(
            (bar.close for bar in past if bar.day < day),
            past[-1].close if past else self.item(code).base,
        )

    def trading_days_since(self, day: date) -> int:
        """Return a number of trading days that reaches back to ``day`` or further."""
        # Five of seven days are trading days at most, and two more make up for rounding.
        return max(0, (self.day - day).days * 5 // 7 + 2)

    def today(self, code: str, venue: Venue = Venue.KRX) -> DayBar | None:
        """Return the bar of this day up to now, made of its minutes; None before its first trade.

        KRX's bar covers its regular session, and its close is the official one. Nextrade's bar
        covers all its sessions. The bar of SOR covers both venues.
        """
        if venue is not Venue.SOR:
            return self._day_of(code, venue)
        krx, other = self._day_of(code, Venue.KRX), self._day_of(code, Venue.NXT)
        if krx is None or other is None:
            return krx or other
        # Nextrade begins before KRX and ends after it. In between the newer minute has the price.
        newest = min(self.minutes(code)[-1].t, sessions.regular_close(self.day))
        is_later = self.minutes(code, Venue.NXT)[-1].t > newest
        return DayBar(
            self.day,
            other.open,
            max(krx.high, other.high),
            min(krx.low, other.low),
            other.close if is_later else krx.close,
            krx.volume + other.volume,
            krx.value + other.value,
        )

    def _day_of(self, code: str, venue: Venue) -> DayBar | None:
        begin, end = sessions.regular_open(self.day), sessions.regular_close(self.day)
        value, bars = 0, list[MinuteBar]()
        for bar in self.minutes(code, venue):
            if venue is Venue.NXT or begin <= bar.t <= end:
                bars.append(bar)
            elif bar.t < begin:
                # Won of a minute are those of the whole day so far.
                value = bar.value
        if not bars:
            return None
        return DayBar(
            self.day,
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            sum(bar.volume for bar in bars),
            bars[-1].value - value,
        )

    def days(self, code: str, n: int, venue: Venue = Venue.KRX) -> list[DayBar]:
        """Return the last ``n`` days, newest first. The simulated day is one once it has trades."""
        today = self.today(code, venue)
        return ([today] if today else []) + list(self.past(code, n - bool(today), venue))

    def expected_fields(self, code: str, venue: Venue = Venue.KRX) -> dict[str, object]:
        """Return the fields of the match that the running call auction expects.

        While no auction runs, they are those of the last auction's match. Empty before the first
        match.
        """
        price, qty = self._expected(code, venue)
        if not qty:
            return {}
        change = price - self.item(code).base
        return {
            "antc_cnpr": price,
            "antc_vol": qty,
            "antc_cntg_vrss": change,
            "antc_cntg_vrss_sign": "2" if change > 0 else "5" if change < 0 else "3",
            "antc_cntg_prdy_ctrt": change / self.item(code).base * 100,
            "antc_tr_pbmn": price * qty,
        }

    def _expected(self, code: str, venue: Venue) -> tuple[int, int]:
        # An auction belongs to one venue. SOR shows that of KRX.
        at = Venue.KRX if venue is Venue.SOR else venue
        # The exchange knows the expected match only of a stock with a limit book.
        if self.market.exchange.phase(code, at) is Phase.AUCTION:
            self.market.activate(code)
            return self.market.exchange.listing(code, at).expected()
        trades = self.trades(code, venue)
        counted, match = self._matched.get((code, venue), (0, (0, 0)))
        match = next(
            ((t.price, t.qty) for t in reversed(trades[counted:]) if t.side is None), match
        )
        self._matched[code, venue] = len(trades), match
        return match

    def interruptions(self) -> list[TradingInterrupted]:
        """Return KRX's volatility interruptions of the day, oldest first."""
        return [
            one
            for one in self.market.interruptions
            if one.why in VI_KINDS and one.venue is Venue.KRX
        ]

    def touch(self, item: Instrument, trade: PlannedTrade) -> tuple[int, int]:
        """Return the best ask and bid around a trade.

        The price of the trade is the side that the taker met. The other side is one spread away.
        """
        if trade.side is Side.SELL:
            return ticks.step(
                trade.price, trade.spread, item.kind, self.day, item.board
            ), trade.price
        return trade.price, ticks.step(trade.price, -trade.spread, item.kind, self.day, item.board)

    def trades_of(self, code: str, day: date, venue: Venue = Venue.KRX) -> Sequence[PlannedTrade]:
        """Return every trade of ``day``. Of the simulated day it returns those up to now."""
        if day == self.day:
            return self.trades(code, venue)
        trades = self.market.plan.past_schedule(code, day).trades
        return [trade for trade in trades if venue in (trade.venue, Venue.SOR)]

    def past_minutes(self, code: str, day: date, venue: Venue = Venue.KRX) -> list[MinuteBar]:
        """Return the minutes with trades of a day before the simulated day, oldest first.

        It is empty for a day without trades.
        """
        try:
            bars = self.facts.past_minutes(code, day, venue)
        # The issue did not trade on that day. For a reply it is a day without rows, and no error.
        except BadInput:
            return []
        values = accumulate(bar.value for bar in bars)
        return [
            MinuteBar(b.t, b.open, b.high, b.low, b.close, b.volume, value)
            for b, value in zip(bars, values, strict=True)
        ]

    def minutes(self, code: str, venue: Venue = Venue.KRX) -> list[MinuteBar]:
        """Return the minutes of this day with trades, oldest first. The last may be unfinished."""
        trades = self.trades(code, venue)
        counted, value, bars = self._minutes.get((code, venue), (0, 0, []))
        for trade in trades[counted:]:
            t = trade.t // MINUTE * MINUTE
            value += trade.price * trade.qty
            # The last bar may still run; a new trade replaces it.
            if bars and bars[-1].t == t:
                last = bars[-1]
                high, low = max(last.high, trade.price), min(last.low, trade.price)
                bars[-1] = MinuteBar(
                    t, last.open, high, low, trade.price, last.volume + trade.qty, value
                )
            else:
                bars.append(
                    MinuteBar(
                        t, trade.price, trade.price, trade.price, trade.price, trade.qty, value
                    )
                )
        self._minutes[code, venue] = len(trades), value, bars
        # A copy: the next call replaces the running minute in the kept list.
        return list(bars)
