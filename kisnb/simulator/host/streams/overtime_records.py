"""Records of KRX's single-price session after hours (시간외 단일가): matches and depth.

The desk does not follow these channels, because the session ended with 2026-09-11. Changes count
from the close, volumes from the session's begin. Source of the columns: KIS's official samples
overtime_ccnl_krx, overtime_asking_price_krx and overtime_exp_ccnl_krx.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kisnb.clock import hhmmss, kst_day
from kisnb.events import Depth, ExpectedMatch
from kisnb.exchange.happenings import Traded
from kisnb.kis.channels import DEPTH_TRS, EXPECTED_TRS
from kisnb.kis.feed.columns import COLUMNS, TEXTS
from kisnb.kis.wire_text import yyyymmdd
from kisnb.market.instruments import Instrument
from kisnb.simulator.replies.overtime_session import Overtime
from kisnb.simulator.replies.stock_fields import rate, sign_of
from kisnb.terms import Venue

OVERTIME_TRADE_TR, OVERTIME_DEPTH_TR, OVERTIME_EXPECTED_TR = "H0STOUP0", "H0STOAA0", "H0STOAC0"
OVERTIME_TRS = frozenset({OVERTIME_TRADE_TR, OVERTIME_DEPTH_TR, OVERTIME_EXPECTED_TR})
LEVELS = 9
"""Levels a side. The regular depth channel has ten."""
OPERATION, HOUR = "40", "D"
"""NEW_MKOP_CLS_CODE and HOUR_CLS_CODE of the session."""
OVERTIME_TRADE_COLUMNS = COLUMNS[EXPECTED_TRS[Venue.KRX]][:43]
"""Columns of the matches and of the expected matches."""
OVERTIME_DEPTH_COLUMNS = tuple(
    # Nine levels a side: the columns of the tenth are left out.
    name
    for name in COLUMNS[DEPTH_TRS[Venue.KRX]][:58]
    if not name.endswith("10")
)


def overtime_depth_record(depth: Depth, expected: ExpectedMatch, session: Overtime) -> list[str]:
    """Return the record of a running call auction: its depth, and the match that it expects."""
    change = expected.price - session.close if expected.price else 0
    values: dict[str, object] = {
        "MKSC_SHRN_ISCD": depth.code,
        "BSOP_HOUR": hhmmss(depth.t),
        "HOUR_CLS_CODE": HOUR,
        "ANTC_CNPR": expected.price,
        "ANTC_CNQN": expected.qty,
        "ANTC_VOL": expected.qty,
        "ANTC_CNTG_VRSS": change,
        "ANTC_CNTG_VRSS_SIGN": sign_of(change),
        "ANTC_CNTG_PRDY_CTRT": f"{rate(change, session.close):.2f}",
        "ACML_VOL": session.volume,
    }
    for side, levels in (("ASKP", depth.asks), ("BIDP", depth.bids)):
        for n, (price, size) in enumerate(levels[:LEVELS], start=1):
            values |= {f"{side}{n}": price, f"{side}_RSQN{n}": size}
        total = sum(size for _, size in levels)
        values |= {f"TOTAL_{side}_RSQN": total, f"OVTM_TOTAL_{side}_RSQN": total}
    return _row(OVERTIME_DEPTH_COLUMNS, values)


def overtime_trade_record(
    shown: Traded | ExpectedMatch, item: Instrument, session: Overtime
) -> list[str]:
    """Return the record of ``shown``: a match of ``session``, or one that is expected now."""
    price = shown.price
    change = price - session.close if price else 0
    values: dict[str, object] = {
        "MKSC_SHRN_ISCD": item.code,
        "STCK_CNTG_HOUR": hhmmss(shown.t),
        "STCK_PRPR": price,
        "PRDY_VRSS_SIGN": sign_of(change),
        "PRDY_VRSS": change,
        "PRDY_CTRT": f"{rate(change, session.close):.2f}",
        "WGHN_AVRG_STCK_PRC": f"{session.value / session.volume if session.volume else 0:.2f}",
        "ASKP1": shown.ask,
        "BIDP1": shown.bid,
        "CNTG_VOL": shown.qty,
        "ACML_VOL": session.volume,
        "ACML_TR_PBMN": session.value,
        "BSOP_DATE": yyyymmdd(kst_day(shown.t)),
        "NEW_MKOP_CLS_CODE": OPERATION,
        "TRHT_YN": "N",
        "VOL_TNRT": f"{rate(session.volume, item.shares):.2f}",
    }
    for name, extreme in (("OPRC", session.first), ("HGPR", session.high), ("LWPR", session.low)):
        if extreme is not None:
            values |= {
                f"STCK_{name}": extreme.price,
                f"{name}_HOUR": hhmmss(extreme.t),
                f"{name}_VRSS_PRPR": price - extreme.price,
                f"{name}_VRSS_PRPR_SIGN": sign_of(price - extreme.price),
            }
    return _row(OVERTIME_TRADE_COLUMNS, values)


def _row(columns: Sequence[str], values: Mapping[str, object]) -> list[str]:
    return [str(values.get(name, "" if name in TEXTS else "0")) for name in columns]
