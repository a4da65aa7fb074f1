"""Stored trades as the day of the simulated market.

All trades are checked before the day begins.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from kisnb.clock import MINUTE, Ns, kst_datetime, kst_day
from kisnb.errors import BadInput, ConfigError
from kisnb.market import sessions, ticks
from kisnb.market.calendar import is_trading_day
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.simulator.day.day_plan import level_sizes
from kisnb.simulator.day.market_day import PlannedTrade, Schedule
from kisnb.simulator.day.replay_file import read_trades
from kisnb.terms import Phase, Side, Venue

if TYPE_CHECKING:
    import polars as pl

_CALL = 10 * MINUTE


class ReplayedDay:
    """The trades of a file, as a day that the simulator can play.

    Raises ConfigError for a file that cannot be read, or that has trades of several days.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._trades = read_trades(path)
        self.day = self._only_day()
        """The day on which the trades happened."""

    def check_day(self, day: date) -> None:
        """Raise BadInput if ``day`` is not the day of the trades."""
        if day != self.day:
            raise BadInput(
                f"{self.path} is of {self.day}", f"leave --date out, or say --date {self.day}"
            )

    def universe(self, listed: Universe) -> Universe:
        """Return ``listed``. A stock that trades on Nextrade in the file is listed there, too."""
        import polars as pl

        seen = set(self._trades.filter(pl.col("venue") == Venue.NXT.value)["code"].unique())
        return Universe(
            msgspec.structs.replace(i, nxt=True) if i.code in seen else i for i in listed
        )

    def schedules(self, universe: Universe) -> dict[str, Schedule]:
        """Return the day of each stock in the file.

        Raises ConfigError that names the first row which cannot have been a trade.
        """
        import polars as pl

        schedules: dict[str, Schedule] = {}
        for (code, *_), trades in self._trades.group_by("code", maintain_order=True):
            if str(code) not in universe:
                # Excel removes the zeros at the front of a code.
                full = str(code).zfill(6)
                cure = (
                    f"write {full}"
                    if full in universe
                    else "give the issue with --universe, or drop it"
                )
                self._refuse(trades["row"][0], f"the unknown code {code}", cure)
            item = universe.get(str(code))
            # Everything is checked before the day begins. An error in the middle of it would stop
            # the market for all clients.
            self._check_numbers(trades, item)
            parts = [
                self._read(part, item)
                for _, part in trades.sort("row").group_by("venue", maintain_order=True)
            ]
            total = int(trades.select(pl.col("qty").sum()).item())
            schedules[item.code] = Schedule.of(
                (trade for part in parts for trade in part),
                # A file has no seed. Seed 0 keeps the depth the same at every replay.
                level_sizes(item, self.day, 0, total, len(trades)),
            )
        return schedules

    def _only_day(self) -> date:
        days = sorted(
            {
                kst_day(t)
                for t in (self._trades["t"].min(), self._trades["t"].max())
                if isinstance(t, int)
            }
        )
        if len(days) > 1:
            raise ConfigError(
                f"{self.path} goes from {days[0]} to {days[-1]}", "cut it into files of one day"
            )
        if not is_trading_day(days[0]):
            raise ConfigError(
                f"{self.path} is of {days[0]}, which is not a trading day", "correct the times: KST"
            )
        return days[0]

    def _check_numbers(self, trades: pl.DataFrame, item: Instrument) -> None:
        import polars as pl

        for name in ("price", "qty"):
            wrong = trades.filter(pl.col(name) <= 0)
            if not wrong.is_empty():
                self._refuse(
                    wrong["row"][0],
                    f"the {name} {wrong[name][0]}",
                    "write a number above 0, or drop the row",
                )
        limits = ticks.limits_of(item, self.day)
        for price, row in trades.group_by("price").agg(pl.col("row").min()).sort("row").iter_rows():
            # A price off the grid shows a wrong file, or prices adjusted for a later split.
            if not ticks.on_grid(price, item.kind, self.day, item.board):
                near = ticks.nearest(price, item.kind, self.day, item.board)
                self._refuse(
                    row,
                    f"{price:,} won, which {item.code} cannot trade at",
                    f"the nearest price is {near:,}",
                )
            if limits is not None and not limits.lower <= price <= limits.upper:
                self._refuse(
                    row,
                    f"{price:,} won for {item.code}, outside the day's limits"
                    f" {limits.lower:,} to {limits.upper:,}",
                    f"give its base price of that day with --universe; it is {item.base:,} here",
                )

    def _read(self, trades: pl.DataFrame, item: Instrument) -> list[PlannedTrade]:
        """Return the trades of one stock on one venue."""
        read: list[PlannedTrade] = []
        auctions = _Auctions(self.day)
        for row, t, price, qty, side_name, venue_name in trades.select(
            "row", "t", "price", "qty", "side", "venue"
        ).iter_rows():
            venue = Venue(venue_name)
            if read and t < read[-1].t:
                at, before = kst_datetime(t).time(), kst_datetime(read[-1].t).time()
                self._refuse(row, f"{at} after {before} for {item.code}", "sort the rows by time")
            side: Side | None = None
            if not auctions.use_print(venue, t, side_name):
                # Such a trade cannot have happened, so the times in the file are wrong.
                if sessions.phase(venue, t) is not Phase.CONTINUOUS and not (
                    price == item.base and _is_before_open_at_close(venue, t)
                ):
                    at = kst_datetime(t).time()
                    self._refuse(
                        row,
                        f"a trade at {at}, when {venue} matches nothing",
                        "correct the time, or drop it",
                    )
                # Files of bars and of some ticks have no side. Then a falling price means a sale.
                fell = bool(read) and price < read[-1].price
                side = Side(side_name) if side_name else Side.SELL if fell else Side.BUY
            read.append(PlannedTrade(t, price, qty, side, venue))
        return read

    def _refuse(self, row: int, what: str, cure: str) -> NoReturn:
        raise ConfigError(f"row {row} of {self.path} has {what}", cure)


def _is_before_open_at_close(venue: Venue, t: Ns) -> bool:
    """Return whether a session at the last day's close runs, as on KRX from 08:30 to 08:40."""
    # The opening auction collects its orders at the same time, so the phase does not show it.
    return any(hours.span.name == "pre-open closing price" for hours in sessions.active(venue, t))


class _Auctions:
    """The moments of one stock's auctions on KRX. Each auction has one trade."""

    def __init__(self, day: date) -> None:
        self._open: set[Ns] = {sessions.regular_open(day), sessions.regular_close(day)}
        for hours in sessions.hours(Venue.KRX, day):
            if hours.span.name == "single price":
                # The single-price session has an auction every ten minutes.
                self._open.update(range(hours.start + _CALL, hours.end + 1, _CALL))

    def use_print(self, venue: Venue, t: Ns, side: str | None) -> bool:
        """Return whether a trade is that of an auction, and mark this auction as used.

        Each auction has one trade.
        """
        if venue is not Venue.KRX or t not in self._open or side is not None:
            return False
        self._open.discard(t)
        return True
