"""Checks of rows before they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.errors import BadInput
from kisnb.history.series import BARS, FLOWS, LEVELS, NUMBERS, PRICES, Series, SeriesKind

if TYPE_CHECKING:
    import polars as pl


def checked(series: Series, rows: pl.DataFrame) -> pl.DataFrame:
    """Check rows, and return them with the columns and types of the series, sorted by key.

    A bar's high must be its highest price and its low the lowest. No price or number of shares may
    be missing or below 0. Raises BadInput for a row that contradicts itself, and for two rows with
    one key.
    """

    schema = series.schema()
    missing = [name for name in schema if name not in rows.columns]
    if missing:
        raise BadInput(f"the rows lack the columns {', '.join(missing)}", "add them")
    if rows.schema != schema:
        rows = rows.select(schema.names()).cast(schema)
    # All checks are one query: each query takes some 0.2 ms, and most writes have one day only.
    is_good = ~_is_bad(series.kind).fill_null(value=True).any()
    good, is_sorted = rows.select(good=is_good, sorted=_rises(series).all()).row(0)
    if not good:
        for row in rows.filter(bad_rows(series, rows)).head(1).iter_rows(named=True):
            raise BadInput(contradiction(series, row), "correct the row, or leave it out")
    if is_sorted:
        return rows
    rows = rows.sort(series.keys)
    # To compare neighbours is five times as fast as polars' is_duplicated on two columns.
    for row in rows.filter(~_rises(series)).head(1).iter_rows(named=True):
        raise BadInput(f"the row of {row['code']} at {row[series.time]} comes twice", "keep one")
    return rows


def contradiction(series: Series, row: dict[str, object]) -> str:
    """Return a sentence that names the contradiction in a row."""
    # A value may be missing without a contradiction.
    hidden = {"code", series.time} | ({"value"} if row.get("value") is None else set())
    numbers = ", ".join(f"{name} {row[name]}" for name in series.schema() if name not in hidden)
    return f"the row of {row['code']} at {row[series.time]} contradicts itself: {numbers}"


def _rises(series: Series) -> pl.Expr:
    """Return an expression that is True for a row whose key is larger than the key before it."""
    import polars as pl

    rises = pl.lit(value=False)
    for key in reversed(series.keys):
        now, before = pl.col(key), pl.col(key).shift()
        rises = (now > before) | ((now == before) & rises)
    return rises.fill_null(value=True)


def bad_rows(series: Series, rows: pl.DataFrame) -> pl.Series:
    """Return True for each row whose numbers contradict each other, or that lacks a number."""

    return rows.select(_is_bad(series.kind).fill_null(value=True)).to_series()


def _is_bad(kind: SeriesKind) -> pl.Expr:
    import polars as pl

    # ``value`` may be null: files from outside often lack it.
    stated = {
        SeriesKind.FLOW: FLOWS,
        SeriesKind.TICK: ("price", "qty", "volume"),
        SeriesKind.DEPTH: (),
    }.get(kind, NUMBERS[:-1])
    bad = [pl.any_horizontal(pl.col(*stated).is_null())] if stated else []
    if kind in BARS:
        bad.append(pl.max_horizontal(*PRICES) > pl.col("high"))
        bad.append(pl.min_horizontal(*PRICES) < pl.col("low"))
        bad += [pl.col("low") <= 0, pl.col("volume") < 0, pl.col("value").fill_null(0) < 0]
    elif kind is SeriesKind.FLOW:
        bad.append(pl.col("volume") < 0)
    elif kind is SeriesKind.TICK:
        bad += [pl.col("price") <= 0, pl.col("qty") <= 0, pl.col("volume") < pl.col("qty")]
    else:
        bad += [pl.col(name).fill_null(1) <= 0 for name in LEVELS if "qty" not in name]
        bad += [pl.col(name).fill_null(0) < 0 for name in LEVELS if "qty" in name]
    return pl.any_horizontal(bad)
