"""Encodes and decodes the text of KIS's data frames: ``flag|TR|count|payload``.

``market_frames`` makes facts of them. The payload has count × columns fields, all joined by ``^``.
Columns per record = fields / count, because KIS appends columns. Times are KST, to the second;
depth channels have no date. Source: KIS's workbook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

import msgspec

from kisnb.clock import hhmmss, kst_day
from kisnb.errors import FrameError
from kisnb.events import Depth, ExpectedMatch, MarketOperation, Tick
from kisnb.kis.calls.quote_messages import HALTED
from kisnb.kis.channels import DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, TRADE_TRS
from kisnb.kis.feed.columns import (
    EVERY_NAME,
    FEWEST,
    LEVELS,
    TAKER_COLUMN,
    TEXTS,
    Columns,
    columns,
    names_of,
)
from kisnb.kis.wire_text import yyyymmdd
from kisnb.terms import Side, Venue

TRADES, DEPTH = TRADE_TRS[Venue.KRX], DEPTH_TRS[Venue.KRX]
"""KRX's trade channel; ``DEPTH`` is KRX's depth channel."""
_LONGEST_COUNT = 6
"""Most digits of the number of records in a frame. A longer one is malformed."""
PLAIN, ENCRYPTED = "0", "1"
"""The flag of a frame (workbook)."""
NOTHING = "(null)"
"""An empty field of a market operation frame."""
_ASK_LEVELS = tuple((f"ASKP{i}", f"ASKP_RSQN{i}") for i in range(1, LEVELS + 1))
_BID_LEVELS = tuple((f"BIDP{i}", f"BIDP_RSQN{i}") for i in range(1, LEVELS + 1))
_TAKERS = {Side.BUY: "1", Side.SELL: "5", None: "3"}
"""The taker's code; a match of an auction has none."""


class Frame(msgspec.Struct, frozen=True):
    """A data frame before its payload is read; an encrypted payload is base64."""

    tr_id: str
    """The channel."""
    encrypted: bool
    count: int
    """Number of records in the payload."""
    payload: str


def malformed(text: str) -> FrameError:
    """Return the error for a frame that cannot be read."""
    return FrameError(text, "the feed goes on without it")


def parse(text: str) -> Frame:
    """Read the text of a data frame, and return the frame. Raises FrameError."""
    # Three splits at most, because the payload may hold a bar of its own.
    parts = text.split("|", 3)
    if len(parts) != 4 or parts[0] not in (PLAIN, ENCRYPTED):
        raise malformed(f"{text[:40]!r} is not a data frame")
    flag, tr_id, count, payload = parts
    return Frame(tr_id, flag == ENCRYPTED, read_count(count), payload)


def unparse(frame: Frame) -> str:
    """Return the text of a frame; the opposite of ``parse``."""
    return f"{int(frame.encrypted)}|{frame.tr_id}|{frame.count:03d}|{frame.payload}"


@lru_cache(maxsize=64)
def read_count(text: str) -> int:
    """Return the number of records that a frame states. Raises FrameError."""
    # KIS writes three digits. The bound on the length keeps ``int`` from a text of a million
    # digits.
    if not (text.isascii() and text.isdecimal()) or len(text) > _LONGEST_COUNT or not int(text):
        raise malformed(f"{text[:10]!r} is not a valid number of records")
    return int(text)


def record_width(tr_id: str, fields: int, count: int) -> int:
    """Return the columns of each of ``count`` records.

    Raises FrameError when the records differ in width, or have fewer columns than the channel ever
    had.
    """
    width, rest = divmod(fields, count)
    if rest or width < FEWEST.get(tr_id, 1):
        raise malformed(f"{tr_id[:10]}: {fields} fields are not {count} records")
    return width


def encode(tr_id: str, rows: Sequence[Sequence[str]], *, encrypted: bool = False) -> str:
    """Return the text of a frame with one or more records.

    An encrypted frame has a single row of a single text, the base64.
    """
    payload = "^".join("^".join(row) for row in rows)
    return unparse(Frame(tr_id, encrypted, len(rows), payload))


def records(frame: Frame) -> list[list[str]]:
    """Return the records of a plain frame with all their columns, unknown ones too.

    Raises FrameError.
    """
    fields = frame.payload.split("^")
    width = record_width(frame.tr_id, len(fields), frame.count)
    # An execution notice comes alone.
    if width == len(fields):
        return [fields]
    return [fields[i : i + width] for i in range(0, len(fields), width)]


def named_records(frame: Frame) -> list[dict[str, str]]:
    """Return the records of a plain frame by column name.

    A column without a known name is ``COLUMN_<index>``. Raises FrameError.
    """
    rows = records(frame)
    names = names_of(frame.tr_id, len(rows[0]))
    return [dict(zip(names, row, strict=True)) for row in rows]


def encode_record(
    tr_id: str, day: date, values: Mapping[str, object], names: Columns = ()
) -> list[str]:
    """Return one record with all columns of the day, or with the columns ``names``.

    A column without a value is ``0``, or empty for texts. Raises KeyError for a column that the
    channel has in no layout.
    """
    empty = _empty_record(names or columns(tr_id, day))
    row = {**empty, **values}
    if len(row) > len(empty):
        if unknown := values.keys() - EVERY_NAME[tr_id]:
            raise KeyError(f"{tr_id} has no column {', '.join(sorted(unknown))}")
        # A column that another layout has is left out. A name that no layout has is a mistake of
        # the caller.
        row = {name: row[name] for name in empty}
    return list(map(str, row.values()))


def encode_tick(
    tick: Tick, more: Mapping[str, object] | None = None, names: Columns = ()
) -> list[str]:
    """Return one record of the venue's trade channel; ``more`` are further columns by name.

    ``names`` are the columns of the record; without them it has those of the trade's day.
    """
    day, tr_id = kst_day(tick.t), TRADE_TRS[tick.venue]
    values: dict[str, object] = {
        "MKSC_SHRN_ISCD": tick.code,
        "STCK_CNTG_HOUR": hhmmss(tick.t),
        "STCK_PRPR": tick.price,
        "ASKP1": tick.ask,
        "BIDP1": tick.bid,
        "ASKP_RSQN1": tick.ask_qty,
        "BIDP_RSQN1": tick.bid_qty,
        "CNTG_VOL": tick.qty,
        "ACML_VOL": tick.volume,
        "ACML_TR_PBMN": tick.value,
        TAKER_COLUMN[tick.venue]: _TAKERS[tick.side],
        "BSOP_DATE": yyyymmdd(day),
        # Open, normal (workbook).
        "NEW_MKOP_CLS_CODE": "20",
        "TRHT_YN": "N",
        "HOUR_CLS_CODE": "0",
        "MARKET_CLS_CODE": "2",
    }
    return encode_record(tr_id, day, values | (dict(more) if more else {}), names)


def encode_depth(
    depth: Depth, more: Mapping[str, object] | None = None, names: Columns = ()
) -> list[str]:
    """Return one record of the venue's depth channel; ``more`` are further columns by name.

    ``names`` are the columns of the record; without them it has those of the depth's day.
    """
    tr_id = DEPTH_TRS[depth.venue]
    values: dict[str, object] = {
        "MKSC_SHRN_ISCD": depth.code,
        "BSOP_HOUR": hhmmss(depth.t),
        "HOUR_CLS_CODE": "0",
        "TOTAL_ASKP_RSQN": sum(size for _, size in depth.asks),
        "TOTAL_BIDP_RSQN": sum(size for _, size in depth.bids),
    }
    for level_names, side in ((_ASK_LEVELS, depth.asks), (_BID_LEVELS, depth.bids)):
        for (price_name, size_name), (price, size) in zip(level_names, side, strict=False):
            values[price_name] = price
            values[size_name] = size
    if depth.venue is Venue.KRX:
        values["MARKET_CLS_CODE"] = "2"
    return encode_record(tr_id, kst_day(depth.t), values | (dict(more) if more else {}), names)


def encode_expected(match: ExpectedMatch, more: Mapping[str, object] | None = None) -> list[str]:
    """Return one record of the channel of expected matches; ``more`` are further columns."""
    day, tr_id = kst_day(match.t), EXPECTED_TRS[match.venue]
    values: dict[str, object] = {
        "MKSC_SHRN_ISCD": match.code,
        "STCK_CNTG_HOUR": hhmmss(match.t),
        "STCK_PRPR": match.price,
        "CNTG_VOL": match.qty,
        "ASKP1": match.ask,
        "BIDP1": match.bid,
        "BSOP_DATE": yyyymmdd(day),
        "TRHT_YN": "N",
    }
    return encode_record(tr_id, day, values | (dict(more) if more else {}))


def encode_operation(state: MarketOperation, more: Mapping[str, object] | None = None) -> list[str]:
    """Return one record of the channel of market operation; ``more`` are further columns."""
    values: dict[str, object] = {
        "MKSC_SHRN_ISCD": state.code,
        "TRHT_YN": "Y" if state.halted else "N",
        "TR_SUSP_REAS_CNTT": state.reason or NOTHING,
        "MKOP_CLS_CODE": state.operation,
        # 55 is an issue that may be bought on credit: the state of an ordinary one (workbook).
        "ISCD_STAT_CLS_CODE": HALTED if state.halted else "55",
        "VI_CLS_CODE": "Y" if state.vi else "N",
    }
    return encode_record(
        OPERATION_TRS[state.venue], kst_day(state.t), values | (dict(more) if more else {})
    )


@lru_cache(maxsize=64)
def _empty_record(names: Columns) -> dict[str, object]:
    return {name: "" if name in TEXTS else "0" for name in names}
