"""The arguments of ``kisnb sim`` as values: day, start, speed and universe."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.clock import KST, Ns, WallClock, kst, kst_day, parse_time
from kisnb.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from kisnb.market.instruments import Instrument
    from kisnb.market.universe import Universe

COLUMNS = "code,name,board,kind,shares,base,volume"
"""Columns of a universe file. The other facts of an ``Instrument`` may follow, such as ``nxt``."""


def read_date(text: str | None) -> date:
    """Return the day to simulate. None as ``text`` means the last trading day.

    Raises BadInput for a day without trading, and for a day before our table of costs begins.
    """
    from kisnb.market.calendar import is_trading_day, last_trading_day
    from kisnb.market.costs import TAXES

    if text is None:
        return last_trading_day(kst_day(WallClock().now()))
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=KST).date()
    except ValueError:
        raise BadInput(f"{text!r} is not a date", "write it as YYYY-MM-DD") from None
    # Fees and taxes are booked to the won, so a day needs a known rate.
    if day < TAXES[0].since:
        raise BadInput(
            f"what trading cost on {day} is not known", f"take a day from {TAXES[0].since} on"
        )
    if not is_trading_day(day):
        raise BadInput(f"{day} is not a trading day", f"use {last_trading_day(day)}")
    return day


def read_start(day: date, text: str) -> Ns:
    """Return the moment at which the clock begins. ``text`` is a time in KST. Raises BadInput."""
    try:
        return kst(day, parse_time(text))
    except ValueError:
        raise BadInput(f"{text!r} is not a time of day", "write it as HH:MM:SS") from None


def read_until(day: date, start: Ns, text: str) -> Ns:
    """Return the moment at which a taped day ends.

    ``text`` is a time in KST, or ``close`` for the last moment of the day. Raises BadInput.
    """
    from kisnb.market import sessions

    end = max(sessions.boundaries(day)) if text == "close" else read_start(day, text)
    if end <= start:
        raise BadInput(f"--until {text} is not after the start", "name a later time, or close")
    return end


def read_speed(text: str) -> float:
    """Return simulated seconds per second, 0 for lockstep. Raises BadInput."""
    from kisnb.simulator.serve.control import FASTEST

    # Lockstep is speed 0 in the clock.
    if text == "step":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 < speed <= FASTEST:
        raise BadInput(
            f"{text!r} is not a valid speed",
            f"give a number above 0 and up to {FASTEST:,.0f}, or step",
        )
    return speed


def read_universe(path: Path) -> Universe:
    """Return the issues of a CSV file with the columns of the packaged universe.

    Raises ConfigError.
    """
    import csv

    from kisnb.market.universe import Universe

    items: dict[str, Instrument] = {}
    try:
        # Excel begins a UTF-8 file with a mark (BOM).
        lines = csv.DictReader(path.read_text("utf-8-sig").splitlines())
        for cells in lines:
            # Excel writes an empty row as commas alone.
            if not any(cells.values()):
                continue
            item = _issue(cells, f"{path}, line {lines.line_num}")
            if item.code in items:
                raise ConfigError(
                    f"{path}, line {lines.line_num}: {item.code} is listed twice",
                    "correct that line",
                )
            items[item.code] = item
    except OSError as e:
        raise ConfigError(
            f"{path} cannot be read: {e.strerror}", "name a CSV file for --universe"
        ) from e
    except UnicodeError as e:
        raise ConfigError(f"{path} is not in UTF-8: {e}", "save it as CSV UTF-8") from e
    except csv.Error as e:
        raise ConfigError(f"{path} is not a universe: {e}", f"its columns are {COLUMNS}") from e
    if not items:
        raise ConfigError(f"{path} names no issue", f"its columns are {COLUMNS}")
    return Universe(items.values())


def _issue(cells: dict[str, str], where: str) -> Instrument:
    """Return the issue of one line. Raises ConfigError that begins with ``where``."""
    import msgspec

    from kisnb.market.instruments import Instrument, is_preferred, multiple_of

    # An empty cell states nothing, so the fact keeps its default.
    row = {name: cell for name, cell in cells.items() if cell}
    if None in row:
        raise ConfigError(f"{where} has more cells than the header", "correct that line")
    try:
        item = msgspec.convert(row, Instrument, strict=False)
    except msgspec.ValidationError as e:
        raise ConfigError(
            f"{where} is not an issue of a universe: {e}", f"its columns are {COLUMNS}"
        ) from e
    wrong = _wrong(item)
    if wrong:
        raise ConfigError(f"{where}: {wrong}", "correct that line")
    derived = {
        "preferred": is_preferred(item.code, item.kind),
        "multiple": multiple_of(item.kind, item.name),
    }
    return msgspec.structs.replace(
        item, **{name: derived[name] for name in derived.keys() - row.keys()}
    )


def _wrong(item: Instrument) -> str:
    """Return a sentence about an impossible fact of an issue. Empty when there is none."""
    from kisnb.market.instruments import is_code

    if not is_code(item.code):
        return (
            f"{item.code!r} is not a stock code: that has six characters and begins with a digit, "
            "and an ETN's is Q and six digits"
        )
    if item.base < 1 or item.shares < 0 or item.volume < 0:
        return (
            f"{item.code} has a base price of {item.base}, {item.shares} shares"
            f" and a volume of {item.volume}"
        )
    return ""
