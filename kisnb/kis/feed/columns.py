"""Columns of the stream's channels, by name and day.

KIS appends columns. So a record's width is found by division and never relied on; this table names
what is known. Columns that an earlier day did not have stand at the end. Source: KIS's workbook,
and its notice of 2026-09-09.
"""

from __future__ import annotations

from datetime import date

from kisnb.kis.channels import DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS, TRADE_TRS
from kisnb.terms import Venue

NEW_COLUMNS_FROM = date(2026, 9, 14)
"""The trade channels and two of the depth channels got one more column on this day."""
LEVELS = 10
"""Price levels on each side of a depth."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _levels(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{i}" for name in names for i in range(1, LEVELS + 1))


_TRADE = _names(
    "MKSC_SHRN_ISCD STCK_CNTG_HOUR STCK_PRPR PRDY_VRSS_SIGN PRDY_VRSS PRDY_CTRT WGHN_AVRG_STCK_PRC"
    " STCK_OPRC STCK_HGPR STCK_LWPR ASKP1 BIDP1 CNTG_VOL ACML_VOL ACML_TR_PBMN SELN_CNTG_CSNU"
    " SHNU_CNTG_CSNU NTBY_CNTG_CSNU CTTR SELN_CNTG_SMTN SHNU_CNTG_SMTN CCLD_DVSN SHNU_RATE"
    " PRDY_VOL_VRSS_ACML_VOL_RATE OPRC_HOUR OPRC_VRSS_PRPR_SIGN OPRC_VRSS_PRPR HGPR_HOUR"
    " HGPR_VRSS_PRPR_SIGN HGPR_VRSS_PRPR LWPR_HOUR LWPR_VRSS_PRPR_SIGN LWPR_VRSS_PRPR BSOP_DATE"
    " NEW_MKOP_CLS_CODE TRHT_YN ASKP_RSQN1 BIDP_RSQN1 TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN VOL_TNRT"
    " PRDY_SMNS_HOUR_ACML_VOL PRDY_SMNS_HOUR_ACML_VOL_RATE HOUR_CLS_CODE MRKT_TRTM_CLS_CODE"
    " VI_STND_PRC MARKET_CLS_CODE"
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
_MID_PRICES = _names(
    "KMID_PRC KMID_TOTAL_RSQN KMID_CLS_CODE NMID_PRC NMID_TOTAL_RSQN NMID_CLS_CODE"
)
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
COLUMNS: dict[str, tuple[str, ...]] = {
    TRADE_TRS[Venue.KRX]: _TRADE,
    TRADE_TRS[Venue.NXT]: _NXT_TRADE,
    TRADE_TRS[Venue.SOR]: _NXT_TRADE,
    DEPTH_TRS[Venue.KRX]: (*_DEPTH, "MARKET_CLS_CODE"),
    DEPTH_TRS[Venue.NXT]: (*_DEPTH, *_MID_PRICES),
    DEPTH_TRS[Venue.SOR]: (*_DEPTH, *_MID_PRICES, "ANTC_EXCH_CLS_CODE"),
    EXPECTED_TRS[Venue.KRX]: _EXPECTED,
    EXPECTED_TRS[Venue.NXT]: (*_EXPECTED, "VI_STND_PRC"),
    EXPECTED_TRS[Venue.SOR]: (*_EXPECTED, "VI_STND_PRC"),
    OPERATION_TRS[Venue.KRX]: (*_OPERATION, "EXCH_CLS_CODE"),
    OPERATION_TRS[Venue.NXT]: (*_OPERATION, "EXCH_CLS_CODE"),
    # The workbook lists EXCH_CLS_CODE and no stock code. The frames of 2026-09-21 begin with the
    # code and end before EXCH_CLS_CODE (a client's recording).
    OPERATION_TRS[Venue.SOR]: _OPERATION,
    **dict.fromkeys(PROGRAM_TRS.values(), _PROGRAM),
}
"""Columns of each channel by TR id, as of today."""
_GREW = {*TRADE_TRS.values(), DEPTH_TRS[Venue.KRX], DEPTH_TRS[Venue.SOR]}
FEWEST = {tr_id: len(names) - (tr_id in _GREW) for tr_id, names in COLUMNS.items()}
"""Number of columns of each channel before ``NEW_COLUMNS_FROM``."""
TEXTS = frozenset(
    _names(
        "MKSC_SHRN_ISCD STCK_CNTG_HOUR BSOP_HOUR BSOP_DATE CCLD_DVSN CNTG_CLS_CODE TRHT_YN"
        " HOUR_CLS_CODE MRKT_TRTM_CLS_CODE MARKET_CLS_CODE NEW_MKOP_CLS_CODE OPRC_HOUR HGPR_HOUR"
        " LWPR_HOUR TR_SUSP_REAS_CNTT MKOP_CLS_CODE ANTC_MKOP_CLS_CODE DIVI_APP_CLS_CODE"
        " ISCD_STAT_CLS_CODE VI_CLS_CODE OVTM_VI_CLS_CODE EXCH_CLS_CODE"
    )
)
"""Columns that are empty, and not 0, when they have no value."""


def columns(tr_id: str, day: date) -> tuple[str, ...]:
    """Return the columns that a channel has on a day. Raises KeyError for an unknown TR id."""
    return COLUMNS[tr_id] if day >= NEW_COLUMNS_FROM else COLUMNS[tr_id][: FEWEST[tr_id]]
