"""The folder with real prices: the listing of all issues and daily bars of some, read by polars."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from kisnb.errors import ConfigError
from kisnb.market import ticks
from kisnb.market.instruments import Instrument, is_preferred
from kisnb.terms import Board, Kind

if TYPE_CHECKING:
    import polars as pl

LISTING = "krx_listing.parquet"
"""Columns Code, Name, Market, Close (won), Volume, Stocks (shares); one day of all listed stocks."""
DAILY = "krx_daily.parquet"
"""Columns code, name, date, open, high, low, close (won, adjusted, off the tick grid), volume (shares)."""
INDEX = "index_daily.parquet"
"""Columns index, date, open, high, low, close (points), volume (shares), turnover (won); may be left out."""
IndexName: TypeAlias = Literal["KOSPI", "KOSDAQ", "KOSPI200"]
_TYPICAL_DAYS = 20
_FUND_BRANDS = ("KODEX", "TIGER", "ARIRANG", "KBSTAR", "RISE", "ACE", "KINDEX", "SOL", "HANARO", "KOSEF", "PLUS")


class DailyBar(msgspec.Struct, frozen=True, gc=False):
    """One day of one issue: won on the tick grid, shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class IndexDay(msgspec.Struct, frozen=True, gc=False):
    """One day of an index: points, shares, won."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    value: int


def read_instruments(folder: Path, day: date) -> Iterator[Instrument]:
    """The issues of ``day``: the listing, with base price, volume and halt of those whose daily bars reach to the day.

    An issue with bars but no listing entry stands in it from its first bar on.
    """
    listing = _read(folder, LISTING, ("Code", "Name", "Market", "Close", "Volume", "Stocks"))
    today = bars_of(folder, day)
    known = _known(_daily(folder), day)
    for code, name, market, close, volume, shares in listing.iter_rows():
        board = _board(market)
        past = known.pop(code, None)
        base, typical = past[1:] if past and code in today else (close, volume)
        traded = today[code].volume if code in today else volume
        yield _instrument(code, name, board, Kind.STOCK, shares, base, typical, not traded, day)
    for code, (name, base, typical) in known.items():
        halted = code in today and not today[code].volume
        yield _instrument(code, name, Board.KOSPI, kind_of(code, name), 0, base, typical, halted, day)


def bars_of(folder: Path, day: date) -> dict[str, DailyBar]:
    """The real bars of a day by code, snapped to the tick grid of the day; empty when the folder has none."""
    import polars as pl

    rows = _daily(folder).filter(pl.col("date") == day)
    boards = _boards(folder)
    return {
        code: _snapped(kind_of(code, name), then, boards.get(code, Board.KOSPI), *numbers)
        for code, name, then, *numbers in rows.iter_rows()
    }


def past_of(folder: Path, code: str, before: date) -> list[tuple[date, DailyBar]]:
    """All real bars of an issue before a day, oldest first, each snapped to the grid of its day."""
    import polars as pl

    rows = _daily(folder).filter((pl.col("code") == code) & (pl.col("date") < before)).sort("date")
    board = _boards(folder).get(code, Board.KOSPI)
    return [
        (then, _snapped(kind_of(code, name), then, board, *numbers)) for code, name, then, *numbers in rows.iter_rows()
    ]


def ranges_of(folder: Path) -> dict[str, float]:
    """High over low, less one, of each listed stock on the listing's day; stocks that did not trade are left out."""
    columns = ("Code", "High", "Low")
    return {code: high / low - 1 for code, high, low in _read(folder, LISTING, columns).iter_rows() if low}


def index_of(folder: Path, name: IndexName, before: date) -> list[IndexDay]:
    """The real days of an index before a day, oldest first; empty when the folder has no such file."""
    if not (folder / INDEX).is_file():
        return []
    import polars as pl

    columns = ("date", "open", "high", "low", "close", "volume", "turnover")
    frame = _read(folder, INDEX, ("index", *columns))
    rows = frame.filter((pl.col("index") == name) & (pl.col("date") < before)).sort("date").select(columns)
    return [IndexDay(then, o, h, lo, c, int(v), int(won)) for then, o, h, lo, c, v, won in rows.iter_rows()]


def kind_of(code: str, name: str) -> Kind:
    """The kind of an issue without a listing entry, from its code and the brand in its name."""
    if code.startswith("Q"):
        return Kind.ETN
    return Kind.ETF if name.split(" ")[0] in _FUND_BRANDS else Kind.STOCK


def _known(daily: pl.DataFrame, day: date) -> dict[str, tuple[str, int, int]]:
    """Name, base price and median volume on ``day`` by code; on an issue's first day both are that day's own."""
    import polars as pl

    past = pl.col("date") < day
    rows = (
        daily.filter(pl.col("date") <= day)
        .sort("date")
        .group_by("code", maintain_order=True)
        .agg(
            pl.col("name").last(),
            pl.coalesce(pl.col("close").filter(past).last(), pl.col("open").first()),
            pl.coalesce(pl.col("volume").filter(past).tail(_TYPICAL_DAYS).median(), pl.col("volume").last()),
        )
    )
    return {code: (name, base, int(volume)) for code, name, base, volume in rows.iter_rows()}


def _instrument(
    code: str,
    name: str,
    board: Board,
    kind: Kind,
    shares: int,
    base: int,
    volume: int,
    halted: bool,
    day: date,
) -> Instrument:
    price = ticks.nearest(base, kind, day, board)
    preferred = is_preferred(code, kind)
    return Instrument(code, name, board, kind, shares, price, volume, halted, preferred=preferred)


def _snapped(
    kind: Kind,
    day: date,
    board: Board,
    opened: int,
    high: int,
    low: int,
    close: int,
    volume: int,
) -> DailyBar:
    if not volume or not opened:
        close = ticks.nearest(close, kind, day, board)
        return DailyBar(close, close, close, close, 0)
    o, h, lo, c = (ticks.nearest(price, kind, day, board) for price in (opened, high, low, close))
    return DailyBar(o, max(o, h, lo, c), min(o, h, lo, c), c, volume)


def _boards(folder: Path) -> dict[str, Board]:
    listing = _read(folder, LISTING, ("Code", "Market"))
    return {code: _board(market) for code, market in listing.iter_rows()}


def _board(market: str) -> Board:
    return Board.KOSDAQ if market.startswith("KOSDAQ") else Board.KOSPI


def _daily(folder: Path) -> pl.DataFrame:
    return _read(folder, DAILY, ("code", "name", "date", "open", "high", "low", "close", "volume"))


def _read(folder: Path, name: str, columns: tuple[str, ...]) -> pl.DataFrame:
    path = folder / name
    if not path.is_file():
        raise ConfigError(f"{path} is missing", "put it there, or unset KISNB_DATA to use the packaged universe")
    return _frame(path, path.stat().st_mtime_ns, columns)


@lru_cache(maxsize=8)
def _frame(path: Path, _changed: int, columns: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(path, columns=list(columns))
    except (pl.exceptions.PolarsError, OSError) as e:
        reason = str(e).splitlines()[0]
        raise ConfigError(
            f"{path} cannot be read: {reason}", "fetch it again, or unset KISNB_DATA to use the packaged universe"
        ) from e
