"""A file of stored trades for ``kisnb sim --replay``: ticks, minute bars, a tape or a recording.

It is read as one table with the columns row (from 1; of a tape, the number of the trade), t
(UTC ns), code, price, qty, side (``buy``, ``sell`` or null) and venue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.clock import Ns
from kisnb.errors import BadInput, ConfigError
from kisnb.events import Tick
from kisnb.history.tape.blocks import is_tape
from kisnb.history.tape.reader import TapeFile
from kisnb.kis.channels import TRADE_TRS
from kisnb.kis.recording.recorded_tape import recorded_ticks
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

TICKS = ("code", "time", "price", "qty")
"""Columns of a file of ticks."""
BARS = ("code", "time", "open", "high", "low", "close", "volume")
"""Columns of a file of minute bars."""
OPTIONAL = ("side", "venue")
"""Columns that both kinds of files may have."""
_CURE = (
    "give ticks (code,time,price,qty and side,venue if known), minute bars"
    " (code,time,open,high,low,close,volume), a tape or a recording of kisnb sim --record"
)
_NUMBERS = ("price", "qty", "open", "high", "low", "close", "volume")
_VENUES = (TRADE_TRS[Venue.KRX], TRADE_TRS[Venue.NXT])
_MINUTE_PARTS = (0, 20_000_000_000, 40_000_000_000, 59_000_000_000)
"""The moments within a minute, in ns, at which the trades of a minute bar are placed."""


def read_trades(path: Path) -> pl.DataFrame:
    """Return the trades of a file, in its order.

    Raises ConfigError for a file that cannot be read, with the row and the cure.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is not a file", "name the file that --replay should play")
    if is_tape(path):
        return _from_frames(path, _taped(path))
    if path.suffix.lower() in (".jsonl", ".ndjson") and _is_recording(path):
        return _from_frames(path, recorded_ticks(path, _VENUES))
    frame = _table(path)
    if set(BARS) <= set(frame.columns):
        return _from_bars(path, _typed(path, frame, BARS))
    if set(TICKS) <= set(frame.columns):
        return _typed(path, frame, TICKS)
    raise ConfigError(f"{path} has the columns {', '.join(frame.columns)[:200]}", _CURE)


def _is_recording(path: Path) -> bool:
    with path.open("rb") as file:
        # A recording and a file of ticks can have the same ending. Only the lines of a recording
        # have a kind.
        return b'"kind"' in file.readline(4_096)


def _table(path: Path) -> pl.DataFrame:
    import polars as pl

    texts = dict.fromkeys(("code", "time", *OPTIONAL), pl.String)
    wanted = {*TICKS, *BARS, *OPTIONAL}
    try:
        if path.suffix.lower() == ".csv":
            lazy = pl.scan_csv(path, schema_overrides=texts)
        elif path.suffix.lower() in (".jsonl", ".ndjson"):
            lazy = pl.scan_ndjson(path)
        elif path.suffix.lower() in (".parquet", ".pq"):
            lazy = pl.scan_parquet(path)
        else:
            raise ConfigError(
                f"{path.name} ends in {path.suffix or 'nothing'}",
                "store it as .parquet, .csv or .jsonl",
            )
        names = lazy.collect_schema().names()
        # A file may be large and have many other columns. Those are never read.
        return lazy.select([name for name in names if name in wanted]).collect()
    except (pl.exceptions.PolarsError, OSError) as e:
        why = str(e).splitlines()[0][:200]
        cure = "save it as CSV UTF-8" if "utf-8" in why else _CURE
        raise ConfigError(f"{path} cannot be read: {why}", cure) from e


def _typed(path: Path, frame: pl.DataFrame, needed: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    if frame.is_empty():
        raise ConfigError(f"{path} has no rows", _CURE)
    frame = frame.with_row_index("row", offset=1)
    # A code that was stored as a number has lost its leading zeros.
    if frame["code"].dtype != pl.String:
        raise ConfigError(f"{path} has numbers as codes", 'store codes as text: "005930", not 5930')
    numbers = [name for name in _NUMBERS if name in needed]
    typed = frame.with_columns(
        *(_whole(frame[name]).alias(name) for name in numbers),
        _times(path, frame["time"]).alias("t"),
        _side(frame).alias("side"),
        _has_side(frame).alias("has_side"),
        _venue(frame).alias("venue"),
    )
    if "volume" in needed:
        # A silent or halted minute has no trades. Files write its prices as zeros or leave them
        # out.
        typed = typed.filter(pl.col("volume").is_null() | (pl.col("volume") != 0))
    for name in ("code", *numbers):
        _refuse(
            path,
            typed.filter(pl.col(name).is_null()),
            f"no {name} that can be read",
            "write whole won and shares",
        )
    _refuse(
        path,
        typed.filter(pl.col("t").is_null()),
        "no time that can be read",
        "write 2026-11-20 09:00:01.5",
    )
    _refuse(
        path,
        typed.filter(pl.col("has_side") & pl.col("side").is_null()),
        "an unknown side",
        "write buy, sell or nothing",
    )
    venues = [Venue.KRX.value, Venue.NXT.value]
    _refuse(
        path,
        typed.filter(~pl.col("venue").is_in(venues)),
        "an unknown venue",
        "write KRX, NXT or nothing",
    )
    if typed.is_empty():
        raise ConfigError(f"{path} has no trades: the volume of each bar is 0", _CURE)
    return typed.select("row", "t", *(name for name in needed if name != "time"), "side", "venue")


def _times(path: Path, times: pl.Series) -> pl.Expr:
    """Return an expression for the times in UTC ns. Texts and times without a zone are in KST."""
    import polars as pl

    column = pl.col("time")
    if times.dtype == pl.String:
        text = column.str.replace("T", " ").str.strip_chars()
        column = pl.coalesce(
            text.str.to_datetime(form, time_unit="ns", strict=False)
            for form in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y%m%d%H%M%S")
        )
    elif times.dtype.is_integer():
        return column.cast(pl.Int64)
    elif not isinstance(times.dtype, pl.Datetime):
        raise ConfigError(
            f"{path} has times of type {times.dtype}",
            "store them as date and time, or as UTC nanoseconds",
        )
    elif times.dtype.time_zone is not None:
        return column.dt.epoch("ns")
    return column.dt.replace_time_zone("Asia/Seoul").dt.epoch("ns")


def _side(frame: pl.DataFrame) -> pl.Expr:
    import polars as pl

    if "side" not in frame.columns:
        return pl.lit(None, dtype=pl.String)
    # 1 and 5 are KIS's CCLD_DVSN (workbook: H0STCNT0): the taker bought, or sold.
    words = {"buy": "buy", "b": "buy", "1": "buy", "sell": "sell", "s": "sell", "5": "sell"}
    return pl.col("side").cast(pl.String).str.to_lowercase().replace_strict(words, default=None)


def _has_side(frame: pl.DataFrame) -> pl.Expr:
    import polars as pl

    if "side" not in frame.columns:
        return pl.lit(value=False)
    return pl.col("side").cast(pl.String).fill_null("") != ""


def _whole(column: pl.Series) -> pl.Series:
    """Return a column as whole numbers. Any other value, such as half a won, becomes null."""
    import polars as pl

    if column.dtype.is_float():
        column = column.set(column != column.floor(), None)
    return column.cast(pl.Int64, strict=False)


def _venue(frame: pl.DataFrame) -> pl.Expr:
    import polars as pl

    if "venue" not in frame.columns:
        return pl.lit(Venue.KRX.value)
    text = pl.col("venue").cast(pl.String).str.to_uppercase()
    return pl.when(text.is_null() | (text == "")).then(pl.lit(Venue.KRX.value)).otherwise(text)


def _refuse(path: Path, wrong: pl.DataFrame, what: str, cure: str) -> None:
    if not wrong.is_empty():
        raise ConfigError(f"row {wrong['row'][0]} of {path} has {what}", cure)


def _from_bars(path: Path, bars: pl.DataFrame) -> pl.DataFrame:
    """Return up to four trades for each bar: at its open, high, low and close.

    Of high and low, the one nearer to the open comes first. The bar's volume is divided into four
    parts. A bar of one price is one trade. A bar of fewer than four shares has as many trades as
    shares.
    """
    import polars as pl

    outer = pl.max_horizontal("open", "close", "low"), pl.min_horizontal("open", "close", "high")
    _refuse(
        path,
        bars.filter((pl.col("high") < outer[0]) | (pl.col("low") > outer[1])),
        "a high below, or a low above",
        "correct the bar: the high is its highest price and the low its lowest",
    )
    rows = [trade for bar in bars.iter_rows(named=True) for trade in _of_bar(bar)]
    return pl.DataFrame(rows, schema=_schema(), orient="row")


def _of_bar(bar: dict[str, object]) -> Iterator[tuple[object, ...]]:
    row, t, code, venue = bar["row"], bar["t"], bar["code"], bar["venue"]
    o, h, lo, c, volume = (
        int(str(bar[name])) for name in ("open", "high", "low", "close", "volume")
    )
    # A bar does not show whether high or low came first. The one nearer to the open is used first.
    prices = [o, h, lo, c] if h - o <= o - lo else [o, lo, h, c]
    if volume < 4 or h == lo:
        prices = [c] if h == lo else prices[:: -(-4 // max(volume, 1))][: max(volume, 1)]
    part, rest = divmod(volume, len(prices))
    for i, price in enumerate(prices):
        yield (
            row,
            int(str(t)) + _MINUTE_PARTS[i],
            code,
            price,
            part + (rest if i == 0 else 0),
            None,
            venue,
        )


def _taped(path: Path) -> Iterator[tuple[Ns, Sequence[Tick]]]:
    """Yield (moment, trades of KRX or NXT) of a tape. Raises ConfigError."""
    try:
        for at, events in TapeFile(path).batches(trades_only=True):
            for event in events:
                if isinstance(event, Tick) and event.venue is not Venue.SOR:
                    # The trade of a call auction belongs to the exchange's whole second, however
                    # late it came.
                    yield event.t if event.side is None else at, (event,)
    except BadInput as e:
        raise ConfigError(e.text, e.cure) from e


def _from_frames(path: Path, frames: Iterable[tuple[Ns, Sequence[Tick]]]) -> pl.DataFrame:
    """Return the trades that came at these moments, each once.

    The unified channel repeats them, so it is left out.
    """
    import polars as pl

    rows: list[tuple[object, ...]] = []
    volumes: dict[tuple[str, Venue], int] = {}
    for t, ticks in frames:
        for tick in ticks:
            key = tick.code, tick.venue
            # A recording can have a frame twice. Both copies of a trade have the same volume of the
            # day.
            if tick.volume > volumes.get(key, 0):
                volumes[key] = tick.volume
                side = tick.side.value if tick.side is not None else None
                rows.append(
                    (len(rows) + 1, t, tick.code, tick.price, tick.qty, side, tick.venue.value)
                )
    if not rows:
        raise ConfigError(
            f"{path} has no trades of KRX or NXT",
            "record the market with: kisnb sim --record day.tape",
        )
    return pl.DataFrame(rows, schema=_schema(), orient="row")


def _schema() -> dict[str, type[pl.DataType]]:
    import polars as pl

    numbers: dict[str, type[pl.DataType]] = {"row": pl.UInt32, "t": pl.Int64}
    return numbers | {
        "code": pl.String,
        "price": pl.Int64,
        "qty": pl.Int64,
        "side": pl.String,
        "venue": pl.String,
    }
