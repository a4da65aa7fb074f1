"""Records of the market's channels: trades, depth, matches, programs, indices, operation."""

from __future__ import annotations

from collections.abc import Mapping

from kisnb.clock import hhmmss, kst_day
from kisnb.events import Depth, ExpectedMatch, Quote, Tick
from kisnb.exchange.happenings import (
    SessionBegan,
    SessionEnded,
    Traded,
    TradingInterrupted,
    TradingResumed,
)
from kisnb.exchange.tape import Tally
from kisnb.kis.calls.quote_messages import change_sign
from kisnb.kis.channels import PROGRAM_TRS
from kisnb.kis.feed import frames
from kisnb.kis.feed.columns import Columns
from kisnb.simulator.day.investor_flows import ProgramFlows
from kisnb.simulator.day.market_index import IndexPoint
from kisnb.simulator.replies.flow_fields import MILLION, whole_of
from kisnb.simulator.replies.stock_fields import rate, sign_of
from kisnb.terms import Venue

INDEX_TR = "H0UPCNT0"
INDEX_COLUMNS = (
    *(
        "BSTP_CLS_CODE",
        "BSOP_HOUR",
        "PRPR_NMIX",
        "PRDY_VRSS_SIGN",
        "BSTP_NMIX_PRDY_VRSS",
        "ACML_VOL",
        "ACML_TR_PBMN",
    ),
    *(
        "PCAS_VOL",
        "PCAS_TR_PBMN",
        "PRDY_CTRT",
        "OPRC_NMIX",
        "NMIX_HGPR",
        "NMIX_LWPR",
        "OPRC_VRSS_NMIX_PRPR",
    ),
    *("OPRC_VRSS_NMIX_SIGN", "HGPR_VRSS_NMIX_PRPR", "HGPR_VRSS_NMIX_SIGN", "LWPR_VRSS_NMIX_PRPR"),
    *(
        "LWPR_VRSS_NMIX_SIGN",
        "PRDY_CLPR_VRSS_OPRC_RATE",
        "PRDY_CLPR_VRSS_HGPR_RATE",
        "PRDY_CLPR_VRSS_LWPR_RATE",
    ),
    *(
        "UPLM_ISSU_CNT",
        "ASCN_ISSU_CNT",
        "STNR_ISSU_CNT",
        "DOWN_ISSU_CNT",
        "LSLM_ISSU_CNT",
        "QTQT_ASCN_ISSU_CNT",
    ),
    *("QTQT_DOWN_ISSU_CNT", "TICK_VRSS"),
)
"""Columns of the index channel, whose key is a sector code (업종코드).

The desk does not follow it.
"""
_NOTHING_OPEN = ("5", "30", "A")
_CODES: dict[str, tuple[str, str, str]] = {
    "opening auction": ("1", "10", "B"),
    "pre-open closing price": ("1", "10", "0"),
    "pre-market": ("1", "10", "B"),
    "regular": ("2", "20", "C"),
    "closing auction": ("2", "21", "A"),
    "closing price entry": ("5", "30", "A"),
    "closing price": ("5", "30", "A"),
    "single price": ("3", "40", "D"),
    "after-market entry": ("3", "30", "A"),
    "after-market": ("3", "30", "C"),
}
"""Codes by the span of the day: MARKET_CLS_CODE, NEW_MKOP_CLS_CODE, and HOUR_CLS_CODE of an
expected match. Source: KIS's workbook, columns of H0STCNT0, and its notice of 2026-09-09
(1 pre, 2 regular, 3 after, 5 close).
"""
_BEGAN = {
    "opening auction": "110",
    "pre-open closing price": "130",
    "regular": "112",
    "closing auction": "121",
    "closing price entry": "140",
    "closing price": "146",
    "single price": "150",
    "after-market": "AB1",
}
_ENDED = {
    "pre-open closing price": "139",
    "closing auction": "129",
    "closing price": "149",
    "single price": "159",
}
"""MKOP_CLS_CODE of the ends of spans; in the table above, of their beginnings.

Source: workbook, H0STMKO0. AB1 is not documented; a public client saw it on 2026-09-21.
"""
_INTERRUPTED = {"circuit breaker": ("174", "175"), "halt": ("164", "112")}
_VI = ("112", "112")
"""MKOP_CLS_CODE during a VI. The operation stays what it is; VI_CLS_CODE shows the VI."""


def operation_code(step: TradingInterrupted | TradingResumed | SessionBegan | SessionEnded) -> str:
    """Return the MKOP_CLS_CODE of a step; empty when KIS sends nothing about it."""
    match step:
        case SessionBegan(name=name):
            return _BEGAN.get(name, "")
        case SessionEnded(name=name):
            return _ENDED.get(name, "")
        case TradingInterrupted(why=why):
            return _INTERRUPTED.get(why, _VI)[0]
    return _INTERRUPTED.get(step.why, _VI)[1]


def trade_record(
    trade: Traded, quote: Quote, tally: Tally, stretch: str = "regular", names: Columns = ()
) -> list[str]:
    """Return one record of the trade channel of ``quote``'s venue.

    The unified channel counts the trades of both venues. ``tally`` is that of the same venue, and
    has the times of open, high and low. ``stretch`` is the name of the span of the day in which the
    trade's venue is. ``names`` are the columns of the record. Without them, the record has the
    columns that KIS used on the trade's day.
    """
    both = quote.venue is Venue.SOR
    volume, value = (trade.both_volume, trade.both_value) if both else (trade.volume, trade.value)
    opened, high, low = (
        (quote.open, quote.high, quote.low) if both else (trade.open, trade.high, trade.low)
    )
    tick = Tick(
        trade.t,
        trade.code,
        quote.venue,
        trade.price,
        trade.qty,
        trade.taker,
        volume,
        value,
        trade.ask,
        trade.bid,
    )
    # After-hours segments have codes of their own, whatever stretch of the day it is.
    market, operation, _ = _CODES.get(_stretch_of(trade, stretch), _NOTHING_OPEN)
    return frames.encode_tick(
        tick,
        {
            **_change(trade.price, quote),
            "WGHN_AVRG_STCK_PRC": f"{value / volume:.2f}",
            "STCK_OPRC": opened,
            "STCK_HGPR": high,
            "STCK_LWPR": low,
            # The first trade of a day opens it, so its own time replaces the missing one.
            "OPRC_HOUR": hhmmss(tally.open_t or trade.t),
            "HGPR_HOUR": hhmmss(tally.high_t or trade.t),
            "LWPR_HOUR": hhmmss(tally.low_t or trade.t),
            "NEW_MKOP_CLS_CODE": operation,
            "MARKET_CLS_CODE": market,
        },
        names,
    )


def depth_record(
    depth: Depth,
    quote: Quote,
    expected: ExpectedMatch | None,
    stretch: str,
    middles: Mapping[str, int],
    names: Columns,
) -> list[str]:
    """Return one record of the depth channel of ``depth``'s venue.

    ``expected`` is the match that a running call auction expects, None outside of one. ``middles``
    are the middle prices in won by their column. ``names`` are the columns of the record.
    """
    market, _, hour = _CODES.get(stretch, _NOTHING_OPEN)
    more: dict[str, object] = {"ACML_VOL": quote.volume, **middles}
    if depth.venue is Venue.KRX:
        # KIS added the column to KRX's depth channel only (notice of 2026-09-09).
        more["MARKET_CLS_CODE"] = market
    if expected is not None:
        more |= {
            "HOUR_CLS_CODE": hour,
            "ANTC_CNPR": expected.price,
            "ANTC_CNQN": expected.qty,
            "ANTC_VOL": expected.qty,
        }
        if expected.price:
            changed = _change(expected.price, quote)
            more |= {
                "ANTC_CNTG_VRSS": changed["PRDY_VRSS"],
                "ANTC_CNTG_VRSS_SIGN": changed["PRDY_VRSS_SIGN"],
                "ANTC_CNTG_PRDY_CTRT": changed["PRDY_CTRT"],
            }
    return frames.encode_depth(depth, more, names)


def expected_record(expected: ExpectedMatch, quote: Quote, stretch: str) -> list[str]:
    """Return one record of the channel of expected matches."""
    _, operation, hour = _CODES.get(stretch, _NOTHING_OPEN)
    more: dict[str, object] = {
        "NEW_MKOP_CLS_CODE": operation,
        "HOUR_CLS_CODE": hour,
        "ACML_VOL": quote.volume,
    }
    if expected.price:
        more |= _change(expected.price, quote)
    return frames.encode_expected(expected, more)


def program_record(program: ProgramFlows, code: str, venue: Venue) -> list[str]:
    """Return one record of a program channel: shares and won since the open.

    It counts the programs of both venues, as the calls do.
    """
    whole = whole_of(program)
    values: dict[str, object] = {
        "MKSC_SHRN_ISCD": code,
        "STCK_CNTG_HOUR": hhmmss(program.t),
        "SELN_CNQN": whole.sold,
        "SELN_TR_PBMN": whole.sold_value,
        "SHNU_CNQN": whole.bought,
        "SHNU_TR_PBMN": whole.bought_value,
        "NTBY_CNQN": whole.net,
        "NTBY_TR_PBMN": whole.net_value,
        "WHOL_NTBY_QTY": whole.net,
    }
    return frames.encode_record(PROGRAM_TRS[venue], kst_day(program.t), values)


def index_record(point: IndexPoint, before: IndexPoint, code: str) -> list[str]:
    """Return one record of the index channel: points, shares and million won.

    ``before`` is the index at the last record. The difference was traded in between.
    """
    level, base = point.level, point.base
    values: dict[str, object] = {
        "BSTP_CLS_CODE": code,
        "BSOP_HOUR": hhmmss(point.t),
        "PRPR_NMIX": f"{level:.2f}",
        "PRDY_VRSS_SIGN": sign_of(point.change),
        "BSTP_NMIX_PRDY_VRSS": f"{point.change:.2f}",
        "PRDY_CTRT": f"{point.change_pct:.2f}",
        "ACML_VOL": point.volume,
        "ACML_TR_PBMN": point.value // MILLION,
        "PCAS_VOL": point.volume - before.volume,
        "PCAS_TR_PBMN": (point.value - before.value) // MILLION,
        "ASCN_ISSU_CNT": point.rising,
        "STNR_ISSU_CNT": point.steady,
        "DOWN_ISSU_CNT": point.falling,
    }
    for name, column, mark in (
        ("OPRC", "OPRC_NMIX", point.open),
        ("HGPR", "NMIX_HGPR", point.high),
        ("LWPR", "NMIX_LWPR", point.low),
    ):
        values |= {
            column: f"{mark:.2f}",
            f"{name}_VRSS_NMIX_PRPR": f"{level - mark:.2f}",
            f"{name}_VRSS_NMIX_SIGN": sign_of(level - mark),
            f"PRDY_CLPR_VRSS_{name}_RATE": f"{rate(mark - base, base):.2f}",
        }
    return [str(values.get(name, "0")) for name in INDEX_COLUMNS]


def _change(price: int, quote: Quote) -> dict[str, object]:
    change = price - quote.base
    return {
        "PRDY_VRSS": change,
        "PRDY_VRSS_SIGN": change_sign(price, quote.base, quote.upper, quote.lower),
        "PRDY_CTRT": f"{change / quote.base * 100:.2f}",
    }


def _stretch_of(trade: Traded, stretch: str) -> str:
    if trade.segment == "main" and trade.venue is Venue.KRX:
        return "regular"
    return stretch if trade.segment == "main" else trade.segment
