"""The facts of stocks on this day: base price, limits, halts. Prices in won.

    list of the simulator or of a back-test     the list's own prices count
    paper and live                              only facts that KIS states today count

At paper and live a list is used only for names, boards and kinds (``Universe.for_kis``). A fact
that KIS stated on another day counts as not known.
"""

from __future__ import annotations

import msgspec

from kisnb.clock import MINUTE, Ns, kst_day
from kisnb.errors import UnknownInstrument
from kisnb.events import StockDay
from kisnb.market import ticks
from kisnb.market.instruments import Instrument, is_code, is_preferred, multiple_of
from kisnb.market.universe import Universe
from kisnb.terms import Board, Kind

HALT_AGE: Ns = MINUTE
"""A halt that was stated longer ago counts as not known.

The exchange may have lifted it, and an old halt must not keep anybody in a position.
"""


class StockDays:
    """The list of stocks, and the facts about each that KIS has stated on this day."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self._stated: dict[str, StockDay] = {}
        self._unread: dict[str, str] = {}
        """By code: why the newest reading of a stock brought no facts, in KIS's words."""

    def all(self) -> tuple[StockDay, ...]:
        """Return all stated facts, also those of earlier days."""
        return tuple(self._stated.values())

    def learn(self, stated: StockDay) -> None:
        """Store the facts that KIS states about a stock.

        Add the stock to the list if it is not there.
        """
        self._stated[stated.code] = stated
        self._unread.pop(stated.code, None)
        if not stated.is_tradable:
            # The facts of this stock are stored all the same, because the account may hold it.
            self._unread[stated.code] = f"kisnb does not trade {stated.name}"
        elif stated.code not in self.universe:
            self.universe.add(_named(stated))
        elif stated.nxt is not None:
            item = self.universe.get(stated.code)
            self.universe.add(msgspec.structs.replace(item, nxt=stated.nxt))

    def is_described(self, code: str) -> bool:
        """Return whether the list has a stock and knows whether Nextrade trades it."""
        return code in self.universe and self.universe.get(code).nxt is not None

    def forget(self) -> None:
        """Forget all stated facts, because a new day has begun."""
        self._stated.clear()
        self._unread.clear()

    def note_unread(self, code: str, why: str) -> None:
        """Note why KIS stated no facts of a stock."""
        self._unread[code] = why

    def why_not(self, code: str) -> str:
        """Return why the newest reading of a stock brought no facts. Empty when it brought some."""
        return self._unread.get(code, "")

    def of(self, now: Ns, code: str) -> StockDay | None:
        """Return the facts about a stock on the day of ``now``. None when they are not known."""
        stated = self._stated.get(code)
        if stated is not None and stated.day == kst_day(now):
            return stated
        return _of_list(now, self.universe, code) if self.universe.is_complete else None

    def is_halted(self, now: Ns, code: str) -> bool:
        """Return whether trading of a stock is halted now. False also when that is not known."""
        today = self.of(now, code)
        return today is not None and today.halted and now - today.t < HALT_AGE

    def is_missing(self, now: Ns, code: str) -> bool:
        """Return whether KIS should be asked for the facts about a stock.

        True when they are not known today, and when they state a halt that may have ended.
        """
        if self.universe.is_complete:
            return False
        today = self.of(now, code)
        return today is None or (today.halted and not self.is_halted(now, code))

    def instrument(self, code: str) -> Instrument | None:
        """Return the issue with this code. None when there is none.

        At paper and live a code that the list lacks counts as a share of KOSPI, because a person
        may hold such a stock and must be able to sell it.
        """
        try:
            return self.universe.get(code)
        except UnknownInstrument:
            if self.universe.is_complete or not is_code(code):
                return None
            return Instrument(code, code, Board.KOSPI, Kind.STOCK, 0, 0, 0)

    def today(self, now: Ns, code: str) -> Instrument | None:
        """Return the issue of a code with its base price and halt of this day. None: unknown code.

        The base price is 0 when it is not known.
        """
        item = self.instrument(code)
        if item is None or self.universe.is_complete:
            return item
        day = self.of(now, code)
        if day is None:
            return item
        return msgspec.structs.replace(
            item,
            base=day.base,
            halted=self.is_halted(now, code),
            liquidation=day.liquidation,
            shares=day.shares or item.shares,
        )

    def base(self, now: Ns, code: str) -> int | None:
        """Return the base price of a stock today, won. None when it is not known."""
        if self.universe.is_complete:
            return self.universe.get(code).base if code in self.universe else None
        today = self.of(now, code)
        return None if today is None else today.base

    def lowest_price(self, now: Ns, code: str) -> int | None:
        """Return the lowest price at which a sell may be ordered today, won.

        It is the lower limit price, or one tick in liquidation trading, which has no limits. None
        when it is not known.
        """
        today, item = self.of(now, code), self.instrument(code)
        if today is None or item is None:
            return None
        if today.limits is not None:
            return today.limits[0]
        return ticks.tick_size(0, item.kind, today.day, item.board) if today.liquidation else None


def _of_list(now: Ns, universe: Universe, code: str) -> StockDay | None:
    if code not in universe:
        return None
    item = universe.get(code)
    return StockDay(
        now,
        code,
        item.base,
        ticks.limits_of(item, kst_day(now)),
        item.base,
        item.halted,
        item.liquidation,
        item.shares,
    )


def _named(stated: StockDay) -> Instrument:
    """Return an Instrument for a stock that the list lacks.

    For a fact that KIS does not state, use the fact of a share of KOSPI.
    """
    kind = stated.kind or Kind.STOCK
    return Instrument(
        stated.code,
        stated.name or stated.code,
        stated.board or Board.KOSPI,
        kind,
        stated.shares,
        0,
        0,
        nxt=stated.nxt,
        preferred=is_preferred(stated.code, kind),
        multiple=multiple_of(kind, stated.name),
    )
