"""Reads the folder with real prices: the listing of all stocks, and daily bars of some issues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kisnb.errors import ConfigError
from kisnb.market import ticks
from kisnb.market.instruments import Instrument, is_preferred, multiple_of
from kisnb.market.parquet_tables import Content, read_table
from kisnb.terms import Board, Kind

if TYPE_CHECKING:
    import polars as pl

LISTING = "krx_listing.parquet"
"""Name of the file with one day of all listed stocks.

Columns Code, Name, Market, Close (won), Volume, Stocks (shares). The columns High and Low (won) may
be missing. They show how much a stock moves on a day.
"""
DAILY = "krx_daily.parquet"
"""Name of the file with the daily bars of some issues.

Columns code, name, date, open, high, low, close (won, adjusted), volume (shares). Adjusted prices
do not lie on the tick grid.
"""
_LISTED: dict[str, Content] = {
    "Code": "text",
    "Name": "text",
    "Market": "text",
    "Close": "number",
    "Volume": "whole",
    "Stocks": "whole",
}
PRICES: dict[str, Content] = dict.fromkeys(("open", "high", "low", "close"), "number")
"""Columns of a daily bar, of a stock or an index."""
_DAYS: dict[str, Content] = {
    "code": "text",
    "name": "text",
    "date": "date",
    **PRICES,
    "volume": "whole",
}
_TYPICAL_DAYS = 20
"""Trading days, about a month, whose median volume is an issue's typical volume."""
# First words of the names of ETFs. The daily bars do not say which issues are ETFs.
_FUND_BRANDS = (
    "KODEX",
    "TIGER",
    "ARIRANG",
    "KBSTAR",
    "RISE",
    "ACE",
    "KINDEX",
    "SOL",
    "HANARO",
    "KOSEF",
    "PLUS",
)


class DailyBar(msgspec.Struct, frozen=True, gc=False):
    """One day of one issue. Prices in won on the tick grid, volume in shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int


def has_prices(folder: Path) -> bool:
    """Return True when the folder contains the listing or the daily bars."""
    return any((folder / name).is_file() for name in (LISTING, DAILY))


def read_instruments(folder: Path, day: date) -> Iterator[Instrument]:
    """Read the files in ``folder``, and yield the issues of ``day``.

    They are the stocks of the listing (without KONEX), and the issues outside the listing whose
    first daily bar is not later than ``day``. Each issue gets its base price and typical volume
    from its daily bars before ``day``, and counts as halted when its bar of ``day`` has no volume.
    A listed stock without a bar of ``day`` gets all three from the listing. Raises ConfigError for
    a missing or broken file.
    """
    today = bars_of(folder, day)
    known = _known(daily(folder), day)
    for code, name, market, close, volume, shares in listing(folder).iter_rows():
        # Afterwards ``known`` contains only the issues that the listing does not have, such as ETF.
        past, board = known.pop(code, None), _board(market)
        if board is None:
            continue
        # Daily bars that end before the day are older than the listing. Its close is the better
        # base.
        base, typical = past[1:] if past and code in today else (close, volume)
        traded = today[code].volume if code in today else volume
        yield _instrument(code, name, board, Kind.STOCK, shares, base, typical, not traded, day)
    for code, (name, base, typical) in known.items():
        # The files have no mark for a trading halt. A day without volume counts as one.
        halted = code in today and not today[code].volume
        yield _instrument(
            code, name, Board.KOSPI, kind_of(code, name), 0, base, typical, halted, day
        )


def bars_of(folder: Path, day: date) -> dict[str, DailyBar]:
    """Return the real bars of a day by code, on that day's tick grid; empty without bars."""
    import polars as pl

    rows = daily(folder).filter(pl.col("date") == day)
    boards = boards_of(folder)
    return {
        code: snapped(kind_of(code, name), then, boards.get(code, Board.KOSPI), *numbers)
        for code, name, then, *numbers in rows.iter_rows()
    }


def kind_of(code: str, name: str) -> Kind:
    """Return the kind of an issue outside the listing, by its code and the brand in its name."""
    if code.startswith("Q"):
        return Kind.ETN
    return Kind.ETF if name.split(" ")[0] in _FUND_BRANDS else Kind.STOCK


def _known(daily: pl.DataFrame, day: date) -> dict[str, tuple[str, float, int]]:
    """Return name, base price and typical volume on ``day`` by code, from the days before it.

    On an issue's first day, base price and volume are that day's open and volume.
    """
    import polars as pl

    past = pl.col("date") < day
    rows = (
        daily.filter(pl.col("date") <= day)
        .sort("date")
        .group_by("code", maintain_order=True)
        .agg(
            pl.col("name").last(),
            # An issue has no previous close on its first day. Its open comes closest to the base
            # price.
            pl.coalesce(pl.col("close").filter(past).last(), pl.col("open").first()),
            pl.coalesce(
                pl.col("volume").filter(past).tail(_TYPICAL_DAYS).median(), pl.col("volume").last()
            ),
        )
    )
    return {code: (name, base, int(volume)) for code, name, base, volume in rows.iter_rows()}


def _instrument(
    code: str,
    name: str,
    board: Board,
    kind: Kind,
    shares: int,
    base: float,
    volume: int,
    halted: bool,
    day: date,
) -> Instrument:
    # Without a base price no limit prices are known, so the issue counts as halted.
    price = ticks.nearest(base, kind, day, board) if base > 0 else 0
    preferred = is_preferred(code, kind)
    return Instrument(
        code,
        name,
        board,
        kind,
        shares,
        price,
        volume,
        halted or not price,
        nxt=None,
        preferred=preferred,
        multiple=multiple_of(kind, name),
    )


def snapped(
    kind: Kind,
    day: date,
    board: Board,
    opened: float,
    high: float,
    low: float,
    close: float,
    volume: int,
) -> DailyBar:
    """Return a bar with prices on the day's tick grid. For volume 0 all prices are the close."""
    if not volume or not opened:
        flat = ticks.nearest(close, kind, day, board)
        return DailyBar(flat, flat, flat, flat, 0)
    o, h, lo, c = (ticks.nearest(price, kind, day, board) for price in (opened, high, low, close))
    # Each price is rounded by itself, with the tick of its own band. So the high might end up below
    # the open.
    return DailyBar(o, max(o, h, lo, c), min(o, h, lo, c), c, volume)


def boards_of(folder: Path) -> dict[str, Board]:
    """Return the board of each listed stock by code. Stocks of KONEX are left out."""
    boards = ((code, _board(market)) for code, _, market, *_ in listing(folder).iter_rows())
    return {code: board for code, board in boards if board is not None}


def _board(market: str) -> Board | None:
    """Return the board of a market; None for KONEX, whose rules kisnb does not know."""
    if market == "KONEX":
        return None
    # The listing has "KOSDAQ GLOBAL" as well, a segment of KOSDAQ.
    return Board.KOSDAQ if market.startswith("KOSDAQ") else Board.KOSPI


def listing(folder: Path) -> pl.DataFrame:
    """Return the listing as the file has it. Raises ConfigError as ``read_table`` does.

    Raises ConfigError for an unknown market, too.
    """
    frame = read(folder, LISTING, _LISTED, ("Code",))
    for row, market in enumerate(frame["Market"], start=1):
        if market.split(" ")[0] not in ("KOSPI", "KOSDAQ", "KONEX"):
            raise ConfigError(
                f"row {row} of {folder / LISTING} has the market {market!r}",
                "write KOSPI, KOSDAQ or KONEX, or drop the row",
            )
    return frame


def daily(folder: Path) -> pl.DataFrame:
    """Return all real daily bars as the file has them. Raises ConfigError as ``read`` does."""
    return read(folder, DAILY, _DAYS, ("code", "date"))


def read(
    folder: Path, name: str, columns: Mapping[str, Content], key: tuple[str, ...]
) -> pl.DataFrame:
    """Return some columns of a file in the folder. Raises ConfigError as ``read_table`` does."""
    return read_table(folder / name, columns, key, "unset KISNB_DATA to use the packaged universe")
