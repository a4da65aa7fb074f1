"""Columns of the stream's channels, by name and day.

KIS appends columns. So the width of a record is computed by division, and never assumed; this table
has the known names. All layouts of a channel begin with the same columns, and the desk reads facts
only from these. Sources: KIS's workbook, its notice of 2026-09-09, and frames that clients
recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from itertools import takewhile
from typing import TypeAlias

from kisnb.kis.channels import DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS, TRADE_TRS
from kisnb.terms import Venue

Columns: TypeAlias = tuple[str, ...]
Dated: TypeAlias = tuple[tuple[date, Columns], ...]
"""The columns of one channel, each list with the first day on which it is valid, oldest first."""
MIDDLES_FROM = date(2026, 6, 29)
"""Day on which a client recorded the middle price in KRX's depths. The first day is not known."""
NEW_COLUMNS_FROM = date(2026, 9, 14)
"""Day on which the trade channels and two of the depth channels got one more column."""
LEVELS = 10
"""Price levels on each side of a depth."""


def _names(text: str) -> Columns:
    return tuple(text.split())


def _levels(*names: str) -> Columns:
    return tuple(f"{name}{i}" for name in names for i in range(1, LEVELS + 1))


_TRADE = _names(
    "MKSC_SHRN_ISCD STCK_CNTG_HOUR STCK_PRPR PRDY_VRSS_SIGN PRDY_VRSS PRDY_CTRT WGHN_AVRG_STCK_PRC"
    " STCK_OPRC STCK_HGPR STCK_LWPR ASKP1 BIDP1 CNTG_VOL ACML_VOL ACML_TR_PBMN SELN_CNTG_CSNU"
    " SHNU_CNTG_CSNU NTBY_CNTG_CSNU CTTR SELN_CNTG_SMTN SHNU_CNTG_SMTN CCLD_DVSN SHNU_RATE"
    " PRDY_VOL_VRSS_ACML_VOL_RATE OPRC_HOUR OPRC_VRSS_PRPR_SIGN OPRC_VRSS_PRPR HGPR_HOUR"
    " HGPR_VRSS_PRPR_SIGN HGPR_VRSS_PRPR LWPR_HOUR LWPR_VRSS_PRPR_SIGN LWPR_VRSS_PRPR BSOP_DATE"
    " NEW_MKOP_CLS_CODE TRHT_YN ASKP_RSQN1 BIDP_RSQN1 TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN VOL_TNRT"
    " PRDY_SMNS_HOUR_ACML_VOL PRDY_SMNS_HOUR_ACML_VOL_RATE HOUR_CLS_CODE MRKT_TRTM_CLS_CODE"
    " VI_STND_PRC"
)
TAKER_COLUMN = {Venue.KRX: "CCLD_DVSN", Venue.NXT: "CNTG_CLS_CODE", Venue.SOR: "CNTG_CLS_CODE"}
"""The column of a trade that names its taker: one column, two names."""
_NXT_TRADE = tuple("CNTG_CLS_CODE" if name == "CCLD_DVSN" else name for name in _TRADE)
_DEPTH = (
    "MKSC_SHRN_ISCD",
    "BSOP_HOUR",
    "HOUR_CLS_CODE",
    *_levels("ASKP", "BIDP", "ASKP_RSQN", "BIDP_RSQN"),
    *_names(
        "TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN OVTM_TOTAL_ASKP_RSQN OVTM_TOTAL_BIDP_RSQN ANTC_CNPR"
        " ANTC_CNQN ANTC_VOL ANTC_CNTG_VRSS ANTC_CNTG_VRSS_SIGN ANTC_CNTG_PRDY_CTRT ACML_VOL"
        " TOTAL_ASKP_RSQN_ICDC TOTAL_BIDP_RSQN_ICDC OVTM_TOTAL_ASKP_ICDC OVTM_TOTAL_BIDP_ICDC"
        " STCK_DEAL_CLS_CODE"
    ),
)
_KRX_MIDDLE = _names("MID_PRC MIDP_TOTAL_RSQN MIDP_CLS_CODE")
_NXT_MIDDLE = _names("NMID_PRC NMID_TOTAL_RSQN NMID_CLS_CODE")
_MIDDLES = (*_names("KMID_PRC KMID_TOTAL_RSQN KMID_CLS_CODE"), *_NXT_MIDDLE)
_MARKET, _EXCHANGE = "MARKET_CLS_CODE", "ANTC_EXCH_CLS_CODE"
"""The columns that were new on ``NEW_COLUMNS_FROM``."""
# An expected match has the columns of a trade up to MRKT_TRTM_CLS_CODE. Nextrade and the unified
# channel append VI_STND_PRC (workbook).
_EXPECTED = _NXT_TRADE[:45]
_OPERATION = _names(
    "MKSC_SHRN_ISCD TRHT_YN TR_SUSP_REAS_CNTT MKOP_CLS_CODE ANTC_MKOP_CLS_CODE MRKT_TRTM_CLS_CODE"
    " DIVI_APP_CLS_CODE ISCD_STAT_CLS_CODE VI_CLS_CODE OVTM_VI_CLS_CODE"
)
_PROGRAM = _names(
    "MKSC_SHRN_ISCD STCK_CNTG_HOUR SELN_CNQN SELN_TR_PBMN SHNU_CNQN SHNU_TR_PBMN NTBY_CNQN"
    " NTBY_TR_PBMN SELN_RSQN SHNU_RSQN WHOL_NTBY_QTY"
)


def _always(*names: str) -> Dated:
    return ((date.min, names),)


def _grown(names: Columns, more: str) -> Dated:
    return (date.min, names), (NEW_COLUMNS_FROM, (*names, more))


LAYOUTS: dict[str, Dated] = {
    TRADE_TRS[Venue.KRX]: _grown(_TRADE, _MARKET),
    TRADE_TRS[Venue.NXT]: _grown(_NXT_TRADE, _MARKET),
    TRADE_TRS[Venue.SOR]: _grown(_NXT_TRADE, _MARKET),
    # Recorded by clients: 59 columns, then 62, then 63. H0NXASP0 has 62.
    DEPTH_TRS[Venue.KRX]: (
        (date.min, _DEPTH),
        (MIDDLES_FROM, (*_DEPTH, *_KRX_MIDDLE)),
        (NEW_COLUMNS_FROM, (*_DEPTH, *_KRX_MIDDLE, _MARKET)),
    ),
    DEPTH_TRS[Venue.NXT]: _always(*_DEPTH, *_NXT_MIDDLE),
    DEPTH_TRS[Venue.SOR]: _grown((*_DEPTH, *_MIDDLES), _EXCHANGE),
    EXPECTED_TRS[Venue.KRX]: _always(*_EXPECTED),
    EXPECTED_TRS[Venue.NXT]: _always(*_EXPECTED, "VI_STND_PRC"),
    EXPECTED_TRS[Venue.SOR]: _always(*_EXPECTED, "VI_STND_PRC"),
    OPERATION_TRS[Venue.KRX]: _always(*_OPERATION, "EXCH_CLS_CODE"),
    OPERATION_TRS[Venue.NXT]: _always(*_OPERATION, "EXCH_CLS_CODE"),
    # The workbook lists EXCH_CLS_CODE and no stock code. The frames of 2026-09-21 begin with the
    # code and end before EXCH_CLS_CODE (a client's recording).
    OPERATION_TRS[Venue.SOR]: _always(*_OPERATION),
    **dict.fromkeys(PROGRAM_TRS.values(), _always(*_PROGRAM)),
}
"""Columns of each channel by TR id, as they were seen on the wire."""
WORKBOOK: dict[str, Dated] = LAYOUTS | {
    DEPTH_TRS[Venue.KRX]: _grown(_DEPTH, _MARKET),
    DEPTH_TRS[Venue.NXT]: _always(*_DEPTH, *_MIDDLES),
}
"""Columns of each channel by TR id, as KIS's workbook has them."""
COLUMNS = {tr_id: dated[-1][1] for tr_id, dated in LAYOUTS.items()}
"""Columns of each channel by TR id, as of today."""
_KNOWN: dict[str, Sequence[Columns]] = {
    tr_id: [names for _, names in (*dated, *WORKBOOK[tr_id])] for tr_id, dated in LAYOUTS.items()
}
FEWEST = {tr_id: min(map(len, known)) for tr_id, known in _KNOWN.items()}
"""Number of columns of each channel in its narrowest layout."""
EVERY_NAME = {tr_id: frozenset().union(*known) for tr_id, known in _KNOWN.items()}
"""Names of all columns that each channel has in any layout."""
TEXTS = frozenset(
    _names(
        "MKSC_SHRN_ISCD STCK_CNTG_HOUR BSOP_HOUR BSOP_DATE CCLD_DVSN CNTG_CLS_CODE TRHT_YN"
        " HOUR_CLS_CODE MRKT_TRTM_CLS_CODE MARKET_CLS_CODE NEW_MKOP_CLS_CODE OPRC_HOUR HGPR_HOUR"
        " LWPR_HOUR TR_SUSP_REAS_CNTT MKOP_CLS_CODE ANTC_MKOP_CLS_CODE DIVI_APP_CLS_CODE"
        " ISCD_STAT_CLS_CODE VI_CLS_CODE OVTM_VI_CLS_CODE EXCH_CLS_CODE"
    )
)
"""Columns that are empty when they have no value. Other columns are then 0."""


def columns(tr_id: str, day: date, layouts: dict[str, Dated] = LAYOUTS) -> Columns:
    """Return the columns that a channel has on a day. Raises KeyError for an unknown TR id.

    ``layouts`` is ``LAYOUTS`` or ``WORKBOOK``.
    """
    return next(names for since, names in reversed(layouts[tr_id]) if since <= day)


def _are_one(names: Sequence[str]) -> bool:
    return len(set(names)) == 1


@lru_cache
def names_of(tr_id: str, width: int) -> Columns:
    """Return one name for each column of a record with ``width`` columns.

    Every known layout of a channel has a different number of columns, so the number identifies the
    layout. A column without a known name is ``COLUMN_<index>``.
    """
    known = _KNOWN.get(tr_id, ((),))
    layout: Sequence[str] = next((names for names in known if len(names) == width), ())
    if not layout:
        # KIS appends: a record that is wider than all layouts begins like the widest one. Between
        # two layouts, only the names that all of them have are certain.
        widest, agreed = max(known, key=len), takewhile(_are_one, zip(*known, strict=False))
        layout = widest if width > len(widest) else [names[0] for names in agreed]
    return (*layout, *(f"COLUMN_{i}" for i in range(len(layout), width)))
