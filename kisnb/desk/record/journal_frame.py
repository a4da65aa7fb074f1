"""A journal as a polars DataFrame, read while the desk may write it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kisnb.clock import kst_datetime
from kisnb.desk.record.archive import ARCHIVE
from kisnb.desk.record.journal import JOURNAL, read_journal
from kisnb.errors import BadInput, ConfigError
from kisnb.events import IntentTaken
from kisnb.orders import Intent
from kisnb.paths import state_dir
from kisnb.terms import Mode
from kisnb.trading.ports.journal_rows import Row, encode_row, row_key

if TYPE_CHECKING:
    import polars as pl

FORMULA = r"=+\-@＝＋－＠\t\r\n"
"""Characters with which a formula in a spreadsheet begins, their full-width forms included."""


def journal_frame(path: Path) -> pl.DataFrame:
    """Return a DataFrame with one row per row of the journal.

    Raises ConfigError for a file that cannot be read.

    Columns: seq, time (KST), fact, key, agent, code, side, qty (shares), price (won), venue, text,
    body (the row as JSON, nothing left out).
    """
    import polars as pl

    schema: dict[str, Any] = {
        "seq": pl.Int64,
        "time": pl.Datetime("us", "Asia/Seoul"),
        "fact": pl.String,
        "key": pl.String,
        "agent": pl.String,
        "code": pl.String,
        "side": pl.String,
        "qty": pl.Int64,
        "price": pl.Int64,
        "venue": pl.String,
        "text": pl.String,
        "body": pl.String,
    }
    # Facts name their order only by its key. Agent, stock and side are in the row that began the
    # order, which comes before.
    intents: dict[str, Intent] = {}
    rows = []
    for seq, row in read_journal(path):
        if isinstance(row, IntentTaken):
            intents[row.intent.key] = row.intent
        rows.append(
            (seq, kst_datetime(row.t), type(row).__name__, *_cells(row, intents.get(row_key(row))))
        )
    return pl.DataFrame(rows, schema=schema, orient="row")


def _cells(row: Row, intent: Intent | None) -> tuple[object, ...]:
    """Return the cells from key to body. Cells that a row lacks come from its order's intent."""
    source = intent if isinstance(row, IntentTaken) else row
    side = getattr(row, "side", None) or (intent.side if intent else None)
    venue = getattr(source, "venue", None) or getattr(getattr(row, "route", None), "venue", None)
    return (
        row_key(row),
        getattr(row, "agent", None) or (intent.agent if intent else None),
        getattr(row, "code", None) or (intent.code if intent else None),
        str(side) if side else None,
        getattr(source, "qty", None),
        getattr(source, "price", None),
        str(venue) if venue else None,
        getattr(row, "text", None) or getattr(row, "reason", None),
        encode_row(row).decode(),
    )


def find_journal(mode: Mode) -> Path:
    """Return the path of the newest day's journal of a mode. Raises ConfigError without one."""
    folder = state_dir() / ("sim" if mode is Mode.SIM else f"desk-{mode}")
    found = [p for p in folder.glob(f"*/{JOURNAL}") if p.parent.name != ARCHIVE]
    if not found:
        raise ConfigError(
            f"there is no journal of {mode}", "it begins with the first desk of that mode"
        )
    # Each simulated day and each account has its own folder. The one that was written last is the
    # newest.
    return max(found, key=lambda p: p.stat().st_mtime_ns)


def _without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the DataFrame with an apostrophe before each text that looks like a formula."""
    import polars as pl

    return frame.with_columns(pl.col(pl.String).str.replace(f"^([{FORMULA}])", "'$1"))


def write_frame(frame: pl.DataFrame, target: Path) -> None:
    """Write a DataFrame to a .parquet, .csv or .ndjson file, by the suffix of ``target``.

    People open a .csv in a spreadsheet, which would compute a text that begins with "=". So in a
    .csv such a text gets an apostrophe in front. The other formats keep texts unchanged. Raises
    BadInput for any other suffix, ConfigError when the file cannot be written.
    """
    try:
        match target.suffix:
            case ".parquet":
                frame.write_parquet(target)
            case ".csv":
                _without_formulas(frame).write_csv(target)
            case ".ndjson":
                frame.write_ndjson(target)
            case _:
                raise BadInput(
                    f"{target.name} names no format", "end it in .parquet, .csv or .ndjson"
                )
    except OSError as e:
        raise ConfigError(
            f"{target} cannot be written: {e.strerror or e}", "name another file with -o"
        ) from e
