"""Prices in KIS's calls: inquire-price and ``Quote``, inquire-asking-price-exp-ccn and ``Depth``.

Won and shares.
"""

from __future__ import annotations

from kisnb.clock import Ns, hhmmss
from kisnb.events import Depth, Quote
from kisnb.kis.calls.messages import ApiReply
from kisnb.kis.calls.row_fields import Message, RowFields
from kisnb.kis.wire_text import moment_today
from kisnb.terms import Venue

LEVELS = 10
"""Price levels on each side of a depth."""
MARKET_DIV = {Venue.KRX: "J", Venue.NXT: "NX", Venue.SOR: "UN"}
"""FID_COND_MRKT_DIV_CODE by venue; SOR is the unified market."""
HALTED = "58"
"""``iscd_stat_cls_code`` of a stock whose trading is halted."""
_QUOTE = {
    "price": "stck_prpr",
    "base": "stck_sdpr",
    "open": "stck_oprc",
    "high": "stck_hgpr",
    "low": "stck_lwpr",
    "volume": "acml_vol",
    "value": "acml_tr_pbmn",
    "upper": "stck_mxpr",
    "lower": "stck_llam",
    "tick": "aspr_unit",
    "listed_shares": "lstn_stcn",
}
"""Field of inquire-price by attribute of ``Quote``."""
# Prices, limits and sums are always stated. Before the first trade of a day KIS may leave open,
# high and low empty, and an issue without a grid or without listed shares has neither (workbook).
_QUOTE_MESSAGE = Message(
    "inquire_price",
    stated=frozenset(
        _QUOTE[name] for name in ("price", "base", "volume", "value", "upper", "lower")
    ),
    present=frozenset(_QUOTE.values()),
)
_LEVEL_FIELDS = {
    side: tuple((f"{side}p{i}", f"{side}p_rsqn{i}") for i in range(1, LEVELS + 1))
    for side in ("ask", "bid")
}
"""Price and shares of each level, best first."""
# KIS sends all ten levels, and writes an empty one as 0 (workbook). A missing level is not an empty
# one.
_DEPTH_MESSAGE = Message(
    "inquire_asking_price_exp_ccn",
    present=frozenset(f for levels in _LEVEL_FIELDS.values() for level in levels for f in level),
)


def change_sign(price: int, base: int, upper: int, lower: int) -> str:
    """Return KIS's code of a change: 1 upper limit, 2 up, 3 flat, 4 lower limit, 5 down."""
    # A limit price of 0 means that there is none.
    if price >= upper > 0:
        return "1"
    if 0 < price <= lower:
        return "4"
    return "2" if price > base else "5" if price < base else "3"


def quote_row(quote: Quote) -> dict[str, object]:
    """Return the block ``output`` of a reply to inquire-price, built from ``quote``."""
    return {
        **{field: getattr(quote, attribute) for attribute, field in _QUOTE.items()},
        "stck_shrn_iscd": quote.code,
        "prdy_vrss": quote.change,
        "prdy_vrss_sign": change_sign(quote.price, quote.base, quote.upper, quote.lower),
        "prdy_ctrt": quote.change_pct,
        "temp_stop_yn": quote.halted,
        "iscd_stat_cls_code": HALTED if quote.halted else "00",
        "vi_cls_code": "N",
    }


def read_quote(reply: ApiReply, code: str, venue: Venue, now: Ns) -> Quote:
    """Read a reply to inquire-price, and return the quote. Raises FrameError.

    Its name is empty and its time is ``now``, because the reply has neither.
    """
    row = _QUOTE_MESSAGE.fields(reply.one())
    numbers = {attribute: row.number(field) for attribute, field in _QUOTE.items()}
    halted = is_halted(row)
    return Quote(t=now, code=code, name="", venue=venue, halted=halted, received=now, **numbers)


def is_halted(row: RowFields) -> bool:
    """Return True when a row of inquire-price says that trading is halted."""
    # Either field may report it (workbook).
    return row.text("temp_stop_yn") == "Y" or row.text("iscd_stat_cls_code") == HALTED


def depth_blocks(depth: Depth, quote: Quote) -> dict[str, dict[str, object]]:
    """Return both blocks of a reply to inquire-asking-price-exp-ccn, built from depth and quote."""
    levels_block: dict[str, object] = {
        "aspr_acpt_hour": hhmmss(depth.t),
        "total_askp_rsqn": sum(size for _, size in depth.asks),
        "total_bidp_rsqn": sum(size for _, size in depth.bids),
    }
    for side, levels in (("ask", depth.asks), ("bid", depth.bids)):
        for i, (price, size) in enumerate(levels[:LEVELS], start=1):
            levels_block[f"{side}p{i}"] = price
            levels_block[f"{side}p_rsqn{i}"] = size
    expected: dict[str, object] = {
        "stck_prpr": quote.price,
        "stck_oprc": quote.open,
        "stck_hgpr": quote.high,
        "stck_lwpr": quote.low,
        "stck_sdpr": quote.base,
        "stck_shrn_iscd": quote.code,
        "vi_cls_code": "N",
    }
    return {"output1": levels_block, "output2": expected}


def read_depth(reply: ApiReply, code: str, venue: Venue, now: Ns) -> Depth:
    """Read a reply to inquire-asking-price-exp-ccn, and return the depth. Raises FrameError.

    Empty levels are left out.
    """
    row = _DEPTH_MESSAGE.fields(reply.one("output1"))
    asks, bids = (
        tuple(
            (price, size)
            for price_field, size_field in _LEVEL_FIELDS[side]
            if (price := row.number(price_field)) and (size := row.number(size_field))
        )
        for side in ("ask", "bid")
    )
    t = row.read("aspr_acpt_hour", lambda text: moment_today(now, text))
    return Depth(t, code, venue, asks, bids, now)
