"""Data frames of the stream, ``flag|TR|count|payload``, both ways; trades and depth are decoded straight into facts.

The payload holds count × columns fields, all joined by ``^``. Fields per record are found by division, never counted
on: KIS appends columns. Times are KST, to the second; book channels carry no date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from kisnb.clock import SECOND, Ns, hhmmss, kst, kst_day
from kisnb.errors import FrameError
from kisnb.events import Depth, Tick
from kisnb.kis.channels import BOOK_TRS, BOOKS_OF, TRADE_TRS, TRADES_OF
from kisnb.kis.wire_text import read_day, seconds_of, yyyymmdd
from kisnb.terms import Side, Venue

TRADES, BOOK = TRADE_TRS[Venue.KRX], BOOK_TRS[Venue.KRX]
NEW_COLUMNS_FROM = date(2026, 9, 14)
"""All channels but H0NXASP0 got one more column on this day (notice of 2026-09-09)."""
LEVELS = 10


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _levels(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{i}" for name in names for i in range(1, LEVELS + 1))


_TRADE = _names(
    "MKSC_SHRN_ISCD STCK_CNTG_HOUR STCK_PRPR PRDY_VRSS_SIGN PRDY_VRSS PRDY_CTRT WGHN_AVRG_STCK_PRC STCK_OPRC"
    " STCK_HGPR STCK_LWPR ASKP1 BIDP1 CNTG_VOL ACML_VOL ACML_TR_PBMN SELN_CNTG_CSNU SHNU_CNTG_CSNU"
    " NTBY_CNTG_CSNU CTTR SELN_CNTG_SMTN SHNU_CNTG_SMTN CCLD_DVSN SHNU_RATE PRDY_VOL_VRSS_ACML_VOL_RATE"
    " OPRC_HOUR OPRC_VRSS_PRPR_SIGN OPRC_VRSS_PRPR HGPR_HOUR HGPR_VRSS_PRPR_SIGN HGPR_VRSS_PRPR LWPR_HOUR"
    " LWPR_VRSS_PRPR_SIGN LWPR_VRSS_PRPR BSOP_DATE NEW_MKOP_CLS_CODE TRHT_YN ASKP_RSQN1 BIDP_RSQN1"
    " TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN VOL_TNRT PRDY_SMNS_HOUR_ACML_VOL PRDY_SMNS_HOUR_ACML_VOL_RATE"
    " HOUR_CLS_CODE MRKT_TRTM_CLS_CODE VI_STND_PRC MARKET_CLS_CODE"
)
_NXT_TRADE = tuple("CNTG_CLS_CODE" if name == "CCLD_DVSN" else name for name in _TRADE)
_BOOK = (
    "MKSC_SHRN_ISCD",
    "BSOP_HOUR",
    "HOUR_CLS_CODE",
    *_levels("ASKP", "BIDP", "ASKP_RSQN", "BIDP_RSQN"),
    *_names(
        "TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN OVTM_TOTAL_ASKP_RSQN OVTM_TOTAL_BIDP_RSQN ANTC_CNPR ANTC_CNQN ANTC_VOL"
        " ANTC_CNTG_VRSS ANTC_CNTG_VRSS_SIGN ANTC_CNTG_PRDY_CTRT ACML_VOL TOTAL_ASKP_RSQN_ICDC TOTAL_BIDP_RSQN_ICDC"
        " OVTM_TOTAL_ASKP_ICDC OVTM_TOTAL_BIDP_ICDC STCK_DEAL_CLS_CODE"
    ),
)
_MID_PRICES = _names("KMID_PRC KMID_TOTAL_RSQN KMID_CLS_CODE NMID_PRC NMID_TOTAL_RSQN NMID_CLS_CODE")
COLUMNS: dict[str, tuple[str, ...]] = {
    TRADE_TRS[Venue.KRX]: _TRADE,
    TRADE_TRS[Venue.NXT]: _NXT_TRADE,
    TRADE_TRS[Venue.SOR]: _NXT_TRADE,
    BOOK_TRS[Venue.KRX]: (*_BOOK, "MARKET_CLS_CODE"),
    BOOK_TRS[Venue.NXT]: (*_BOOK, *_MID_PRICES),
    BOOK_TRS[Venue.SOR]: (*_BOOK, *_MID_PRICES, "ANTC_EXCH_CLS_CODE"),
}
_FEWEST = {tr_id: len(names) - (tr_id != BOOK_TRS[Venue.NXT]) for tr_id, names in COLUMNS.items()}
"""Columns before ``NEW_COLUMNS_FROM``."""
_LONGEST_COUNT = 6
_TEXTS = frozenset(
    _names(
        "MKSC_SHRN_ISCD STCK_CNTG_HOUR BSOP_HOUR BSOP_DATE CCLD_DVSN CNTG_CLS_CODE TRHT_YN HOUR_CLS_CODE"
        " MRKT_TRTM_CLS_CODE MARKET_CLS_CODE NEW_MKOP_CLS_CODE OPRC_HOUR HGPR_HOUR LWPR_HOUR"
    )
)


def columns(tr_id: str, day: date) -> tuple[str, ...]:
    """The columns that a channel has on a day."""
    return COLUMNS[tr_id] if day >= NEW_COLUMNS_FROM else COLUMNS[tr_id][: _FEWEST[tr_id]]


class Frame(msgspec.Struct, frozen=True):
    """A data frame before its payload is read; an encrypted payload is base64."""

    tr_id: str
    encrypted: bool
    count: int
    payload: str


def _malformed(text: str) -> FrameError:
    return FrameError(text, "the feed goes on without it")


def parse(text: str) -> Frame:
    """Split a frame. Raises FrameError."""
    parts = text.split("|", 3)
    if len(parts) != 4 or parts[0] not in ("0", "1") or not parts[2].isdecimal() or len(parts[2]) > _LONGEST_COUNT:
        raise _malformed(f"{text[:40]!r} is no data frame")
    count = int(parts[2])
    if not count:
        raise _malformed(f"{text[:40]!r} has no records")
    return Frame(parts[1], parts[0] == "1", count, parts[3])


def encode(tr_id: str, rows: Sequence[Sequence[str]], *, encrypted: bool = False) -> str:
    """A frame of one or more records; an encrypted one has a single row of a single text, the base64."""
    payload = "^".join(field for row in rows for field in row)
    return f"{int(encrypted)}|{tr_id}|{len(rows):03d}|{payload}"


def records(frame: Frame) -> list[list[str]]:
    """The records of a plain frame, with all their columns, more than are known included. Raises FrameError."""
    fields = frame.payload.split("^")
    width, rest = divmod(len(fields), frame.count)
    if rest or width < _FEWEST.get(frame.tr_id, 1):
        raise _malformed(f"{frame.tr_id}: {len(fields)} fields are no {frame.count} records")
    return [fields[i : i + width] for i in range(0, len(fields), width)]


def named_records(frame: Frame) -> list[dict[str, str]]:
    """The records of a plain frame with the names of their columns; those that nobody knows are ``COLUMN_<index>``.

    Raises FrameError.
    """
    names = COLUMNS.get(frame.tr_id, ())
    return [
        {names[i] if i < len(names) else f"COLUMN_{i}": text for i, text in enumerate(row)} for row in records(frame)
    ]


# trades and depth

_SIDES = {"1": Side.BUY, "5": Side.SELL}
_CCLD_DVSN = {Side.BUY: "1", Side.SELL: "5", None: "3"}
_SIDE_AT = _TRADE.index("CCLD_DVSN")
_midnights: dict[str, Ns] = {}


def _midnight(bsop_date: str) -> Ns:
    found = _midnights.get(bsop_date)
    if found is None:
        found = kst(read_day(bsop_date), 0)
        if len(_midnights) > 16:
            _midnights.clear()
        _midnights[bsop_date] = found
    return found


def decode_ticks(frame: Frame, received: Ns) -> list[Tick]:
    """The trades of a frame of a trade channel, in order. Raises FrameError."""
    venue = _venue(TRADES_OF, frame)
    fields = frame.payload.split("^")
    width, rest = divmod(len(fields), frame.count)
    if rest or width < _FEWEST[frame.tr_id]:
        raise _malformed(f"{frame.tr_id}: {len(fields)} fields are no {frame.count} records")
    ticks: list[Tick] = []
    try:
        for i in range(0, len(fields), width):
            ticks.append(  # noqa: PERF401 - a partial list must not survive an error, and the loop is read more easily
                Tick(
                    _midnight(fields[i + 33]) + seconds_of(fields[i + 1]) * SECOND,
                    fields[i],
                    venue,
                    int(fields[i + 2]),
                    int(fields[i + 12]),
                    _SIDES.get(fields[i + 21]),
                    int(fields[i + 13]),
                    int(fields[i + 14]),
                    int(fields[i + 10] or 0),
                    int(fields[i + 11] or 0),
                    received,
                    int(fields[i + 36] or 0),
                    int(fields[i + 37] or 0),
                )
            )
    except ValueError:
        raise _malformed(f"{frame.tr_id}: a field that should be a number is none") from None
    return ticks


def decode_depth(frame: Frame, received: Ns) -> list[Depth]:
    """The books of a frame of a book channel; the day is the Korean day of ``received``. Raises FrameError."""
    venue = _venue(BOOKS_OF, frame)
    try:
        return [_read_book(row, venue, received) for row in records(frame)]
    except ValueError:
        raise _malformed(f"{frame.tr_id}: a field that should be a number is none") from None


def _venue(channels: Mapping[str, Venue], frame: Frame) -> Venue:
    venue = channels.get(frame.tr_id)
    if venue is None:
        raise _malformed(f"{frame.tr_id[:10]} carries something else")
    return venue


def _read_book(row: Sequence[str], venue: Venue, received: Ns) -> Depth:
    numbers = [int(text or 0) for text in row[3:43]]
    asks = _sides_of(numbers[0:10], numbers[20:30])
    bids = _sides_of(numbers[10:20], numbers[30:40])
    t = kst(kst_day(received), seconds_of(row[1]))
    return Depth(t, row[0], venue, asks, bids, received)


def _sides_of(prices: Iterable[int], sizes: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """An empty level is price 0, or 0 shares."""
    return tuple((price, size) for price, size in zip(prices, sizes, strict=True) if price and size)


def encode_record(tr_id: str, day: date, values: Mapping[str, object]) -> list[str]:
    """One record with all columns of the day; what is not given is ``0``, or empty for texts. Raises KeyError."""
    names = columns(tr_id, day)
    unknown = values.keys() - set(COLUMNS[tr_id])
    if unknown:
        raise KeyError(f"{tr_id} has no column {', '.join(sorted(unknown))}")
    return [str(values[n]) if n in values else "" if n in _TEXTS else "0" for n in names]


def encode_tick(tick: Tick, more: Mapping[str, object] | None = None) -> list[str]:
    """One record of the venue's trade channel; ``more`` are further columns by name."""
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
        COLUMNS[tr_id][_SIDE_AT]: _CCLD_DVSN[tick.side],
        "BSOP_DATE": yyyymmdd(day),
        "NEW_MKOP_CLS_CODE": "20",
        "TRHT_YN": "N",
        "HOUR_CLS_CODE": "0",
        "MARKET_CLS_CODE": "2",
    }
    return encode_record(tr_id, day, values | (dict(more) if more else {}))


def encode_depth(depth: Depth, more: Mapping[str, object] | None = None) -> list[str]:
    """One record of the venue's book channel; ``more`` are further columns by name."""
    tr_id = BOOK_TRS[depth.venue]
    values: dict[str, object] = {
        "MKSC_SHRN_ISCD": depth.code,
        "BSOP_HOUR": hhmmss(depth.t),
        "HOUR_CLS_CODE": "0",
        "TOTAL_ASKP_RSQN": sum(size for _, size in depth.asks),
        "TOTAL_BIDP_RSQN": sum(size for _, size in depth.bids),
    }
    for price_name, size_name, side in (("ASKP", "ASKP_RSQN", depth.asks), ("BIDP", "BIDP_RSQN", depth.bids)):
        for i, (price, size) in enumerate(side[:LEVELS], start=1):
            values[f"{price_name}{i}"] = price
            values[f"{size_name}{i}"] = size
    if depth.venue is Venue.KRX:
        values["MARKET_CLS_CODE"] = "2"
    return encode_record(tr_id, kst_day(depth.t), values | (dict(more) if more else {}))
