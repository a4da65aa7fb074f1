"""Prices on the wire: inquire-price and ``Quote``, inquire-asking-price-exp-ccn and ``Depth``.

Won and shares.
"""

from __future__ import annotations

from collections.abc import Mapping

from kisnb.clock import Ns, hhmmss
from kisnb.events import Depth, Quote
from kisnb.kis.calls.messages import ApiReply
from kisnb.kis.wire_text import moment_today, whole
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
"""Attribute of ``Quote``, and its field of inquire-price."""


def change_sign(price: int, base: int, upper: int, lower: int) -> str:
    """Return prdy_vrss_sign: 1 upper limit, 2 up, 3 flat, 4 lower limit, 5 down."""
    # A limit price of 0 means that there is none.
    if price >= upper > 0:
        return "1"
    if 0 < price <= lower:
        return "4"
    return "2" if price > base else "5" if price < base else "3"


def quote_row(quote: Quote) -> dict[str, object]:
    """Return ``output`` of inquire-price."""
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
    """Return a quote whose name is empty and whose time is ``now``: the reply has neither.

    Raises FrameError.
    """
    row, halted = reply.one(), is_halted(reply.one())
    numbers = {attribute: whole(row, field) for attribute, field in _QUOTE.items()}
    return Quote(t=now, code=code, name="", venue=venue, halted=halted, received=now, **numbers)


def is_halted(row: Mapping[str, str]) -> bool:
    """Return whether a row of inquire-price says that trading is halted."""
    # Either field may report it (workbook).
    return row.get("temp_stop_yn") == "Y" or row.get("iscd_stat_cls_code") == HALTED


def depth_blocks(depth: Depth, quote: Quote) -> dict[str, dict[str, object]]:
    """Return ``output1`` and ``output2`` of inquire-asking-price-exp-ccn."""
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
    """Return bids and asks, best first, without empty levels. Raises FrameError."""
    row = reply.one("output1")
    asks, bids = (
        tuple(
            (price, size)
            for i in range(1, LEVELS + 1)
            # KIS sends all ten levels, and writes an empty one as 0 (workbook).
            if (price := whole(row, f"{side}p{i}")) and (size := whole(row, f"{side}p_rsqn{i}"))
        )
        for side in ("ask", "bid")
    )
    return Depth(moment_today(now, row.get("aspr_acpt_hour", "")), code, venue, asks, bids, now)
