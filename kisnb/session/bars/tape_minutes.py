"""Reads the minutes of this day from the desk's tape, which costs no call of KIS.

A tape has the trades of a stock since a session watched it. It may lack some of them. Each trade
states the shares that the venue has traded on this day, up to and including this trade. So a
missing trade shows: this figure minus the trade's own shares must be the figure of the trade
before.

    trades of the tape   09:10:20 ─ 09:11:05 ─ 09:12:40   hole   09:20:10 ─ 09:22:30
    minutes it has whole           09:11                                 09:21
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kisnb.clock import MINUTE, Ns, kst_day
from kisnb.errors import BadInput
from kisnb.history.trades import recorded, trades_of
from kisnb.session.asking import Asking, beside
from kisnb.session.bars.day_minutes import MinuteRange
from kisnb.session.bars.minute_pages import Minutes
from kisnb.session.feed.market_data import bars_of
from kisnb.session.history.past_days import PastDays
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

AROUND: Ns = 60 * MINUTE
"""Time that is read before and after the wanted part of the day.

A trade in it shows that the first and the last minute of the part are complete.
"""


class TapeMinutes:
    """Reads this day's minutes from the desk's tape. Implements ``day_minutes.MinuteSource``."""

    def __init__(self, past: PastDays) -> None:
        self._past = past

    async def minutes(
        self, desk: Asking, code: str, venue: Venue, part: MinuteRange
    ) -> tuple[Minutes, Sequence[MinuteRange]]:
        """Return the minute bars in ``part``, and the ranges in it of which no trade is missing.

        Both are empty when the desk writes no tape. Raises DeskLost.
        """
        # Trades state whole seconds, so the order of two venues' trades within a second is not
        # known. Minutes of both venues together are therefore always KIS's.
        if venue is Venue.SOR:
            return {}, ()
        day = kst_day(part.first)
        tapes = await self._past.tapes(day, day, desk)
        since, until = part.first - AROUND, part.last + MINUTE + AROUND
        try:
            trades = await beside(desk)(recorded, tapes, trades_of(venue), code, since, until)
        except BadInput:
            # If the tape cannot be read, KIS is still asked.
            return {}, ()
        whole = whole_minutes(trades, part)
        kept = {t for known in whole for t in range(known.first, known.last + 1, MINUTE)}
        bars = bars_of(trades, MINUTE)
        return {row[0]: row[1:] for row in bars.iter_rows() if row[0] in kept}, whole


def whole_minutes(trades: pl.DataFrame, part: MinuteRange) -> list[MinuteRange]:
    """Return the ranges in ``part`` of which the tape has every trade, oldest first.

    ``trades`` are those of one venue's day. A minute is in a range when the tape has a trade before
    it and a trade after it, and lacks no trade between these two. A minute that begins before the
    day's first trade needs no trade before it.
    """
    import polars as pl

    found: list[MinuteRange] = []
    first: Ns = part.last + MINUTE
    newest: Ns = 0
    shares = -1

    def end_run() -> None:
        """Add the complete minutes between the first and the newest trade of a run to ``found``."""
        last = min(newest - newest % MINUTE - MINUTE, part.last)
        if first <= last:
            found.append(MinuteRange(first, last))

    rows = trades.sort("volume").select(pl.col("t").dt.epoch("ns"), "qty", "volume")
    for t, qty, volume in rows.iter_rows():
        if volume - qty != shares:
            end_run()
            # The minute of a run's first trade was received from its middle on.
            begun = part.first if volume == qty else t - t % MINUTE + MINUTE
            first = max(begun, part.first)
        newest, shares = max(newest, t), volume
    end_run()
    return found
