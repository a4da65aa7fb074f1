"""Hashes of a run: of its numbers, of its configuration, and of its bars."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from kisnb.backtesting.run_record import RunRecord
from kisnb.clock import kst_datetime

if TYPE_CHECKING:
    import polars as pl

    from kisnb.backtesting.results.run_frames import RunFrames


def hash_of(result: RunFrames) -> str:
    """Return a hash of the run's numbers, 16 hex digits. It is equal on every machine."""
    record = result.record
    content = (
        record.agents, record.first, record.last, record.cash, record.costs, record.assumptions,
        _rows(result.daily), _rows(result.fills.drop("key")),
        [(s.name, s.text) for s in result.statistics_by_name.values()],
    )  # fmt: skip
    return _digits(content)


def config_of(record: RunRecord) -> str:
    """Return a hash of the configuration, 16 hex digits: agents, parameters, range, cash, costs."""
    content = (
        record.agents, record.parameters, record.first, record.last, record.cash, record.costs,
        record.assumptions,
    )  # fmt: skip
    return _digits(content)


def data_hash(record: RunRecord) -> str:
    """Return a hash of the bars, 16 hex digits. It differs when any bar differs."""
    import polars as pl

    # Each number is multiplied by its position, so that swapped bars change the hash. The sums may
    # overflow, which does no harm here.
    place = pl.int_range(pl.len()) + 1
    whole = [name for name in record.bars.columns if name != "code"]
    sums = record.bars.group_by("code").agg(
        pl.len(), *((pl.col(name).to_physical() * place).sum().alias(name) for name in whole)
    )
    return _digits(sums.sort("code").rows())


def _rows(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    """Return the rows of a DataFrame, in a fraction of the time of ``DataFrame.rows``."""
    import polars as pl

    # polars asks the table of time zones about each time. The offset of Korea is fixed.
    columns = (
        map(kst_datetime, column.cast(pl.Int64()).to_list())
        if isinstance(column.dtype, pl.Datetime)
        else column.to_list()
        for column in frame.get_columns()
    )
    return list(zip(*columns, strict=True))


def _digits(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]
