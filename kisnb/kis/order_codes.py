"""Order kinds, sides and venues in KIS's codes. Nothing outside ``kisnb.kis`` knows these codes."""

from __future__ import annotations

from kisnb.errors import FrameError
from kisnb.terms import OrderKind, Side, Venue

_KINDS: tuple[tuple[OrderKind, str, str], ...] = (
    (OrderKind.LIMIT, "00", "지정가"),
    (OrderKind.MARKET, "01", "시장가"),
    (OrderKind.CONDITIONAL, "02", "조건부지정가"),
    (OrderKind.BEST_OPPOSITE, "03", "최유리지정가"),
    (OrderKind.BEST_OWN, "04", "최우선지정가"),
    (OrderKind.PRE_CLOSE, "05", "장전 시간외"),
    (OrderKind.POST_CLOSE, "06", "장후 시간외"),
    (OrderKind.SINGLE_PRICE, "07", "시간외 단일가"),
    (OrderKind.LIMIT_IOC, "11", "IOC지정가"),
    (OrderKind.LIMIT_FOK, "12", "FOK지정가"),
    (OrderKind.MARKET_IOC, "13", "IOC시장가"),
    (OrderKind.MARKET_FOK, "14", "FOK시장가"),
    (OrderKind.BEST_OPPOSITE_IOC, "15", "IOC최유리"),
    (OrderKind.BEST_OPPOSITE_FOK, "16", "FOK최유리"),
    (OrderKind.MID_PRICE, "21", "중간가"),
    (OrderKind.STOP_LIMIT, "22", "스톱지정가"),
    (OrderKind.MID_PRICE_IOC, "23", "중간가IOC"),
    (OrderKind.MID_PRICE_FOK, "24", "중간가FOK"),
    (OrderKind.NXT_PRE_LIMIT, "27", "GTP지정가"),
    (OrderKind.NXT_PRE_BEST_OPPOSITE, "28", "GTP최유리"),
    (OrderKind.NXT_PRE_BEST_OWN, "29", "GTP최우선"),
    (OrderKind.AFTER_LIMIT, "41", "애프터지정가"),
    (OrderKind.AFTER_LIMIT_IOC, "42", "애프터IOC지정가"),
    (OrderKind.AFTER_LIMIT_FOK, "43", "애프터FOK지정가"),
    (OrderKind.AFTER_BEST_OPPOSITE, "44", "애프터최유리"),
    (OrderKind.AFTER_BEST_OPPOSITE_IOC, "45", "애프터IOC최유리"),
    (OrderKind.AFTER_BEST_OPPOSITE_FOK, "46", "애프터FOK최유리"),
    (OrderKind.AFTER_BEST_OWN, "47", "애프터최우선"),
)
"""Kind, ORD_DVSN and Korean name.

Codes 00 to 24: KIS's workbook. 27 to 29 and 41 to 47: KIS notice of 2026-09-09; their names are
those that clients use.
"""

ORD_DVSN = {kind: code for kind, code, _ in _KINDS}
"""Code of each order kind."""
KIND_NAME = {kind: name for kind, _, name in _KINDS}
"""Korean name of each order kind."""
SLL_BUY = {Side.SELL: "01", Side.BUY: "02"}
"""SLL_BUY_DVSN_CD, and SELN_BYOV_CLS of execution notices."""
SIDE_NAME = {Side.SELL: "현금매도", Side.BUY: "현금매수"}
"""The side's Korean name in order lists."""
ORD_EXG_GB = {"1": Venue.KRX, "2": Venue.NXT, "3": Venue.KRX, "4": Venue.NXT}
"""The venue that executed, by the code in execution notices. 3 and 4: the router (SOR) chose it."""
EXCG_DVSN = {Venue.KRX: "02", Venue.NXT: "03", Venue.SOR: "04"}
"""``excg_dvsn_cd`` of order lists. KIS's example has 02; 03 and 04 are assumed."""
REVISE, CANCEL = "01", "02"
"""RVSE_CNCL_DVSN_CD of a revise and of a cancel."""

_KIND_OF = {code: kind for kind, code, _ in _KINDS}
_SIDES = {code: side for side, code in SLL_BUY.items()}
# SOR itself executes nothing. So the code depends on the venue that executed, and on whether the
# router chose it.
_EXG_CODES = {
    (Venue.KRX, False): "1",
    (Venue.NXT, False): "2",
    (Venue.KRX, True): "3",
    (Venue.NXT, True): "4",
}


def kind_code(kind: OrderKind) -> str:
    """Return KIS's code of an order kind (ORD_DVSN)."""
    return ORD_DVSN[kind]


def read_kind(code: str) -> OrderKind:
    """Return the order kind of KIS's code (ORD_DVSN); LIMIT for an unknown code."""
    # A code that KIS adds must not make the list of orders unreadable.
    return _KIND_OF.get(code, OrderKind.LIMIT)


def knows_kind(code: str) -> bool:
    """Return True when ``read_kind`` knows the code (ORD_DVSN), and need not guess."""
    return code in _KIND_OF


def side_code(side: Side) -> str:
    """Return KIS's code of a side: SLL_BUY_DVSN_CD, in notices SELN_BYOV_CLS."""
    return SLL_BUY[side]


def read_side(code: str) -> Side:
    """Return the side of KIS's code. Raises FrameError for an unknown code."""
    # A side is never guessed. A sell that is read as a buy would reverse a position.
    side = _SIDES.get(code)
    if side is None:
        raise FrameError(f"{code[:10]!r} is neither sell (01) nor buy (02)", "ask again")
    return side


def venue_code(venue: Venue) -> str:
    """Return KIS's code of a venue (EXCG_ID_DVSN_CD)."""
    return str(venue)


def read_venue(code: str) -> Venue:
    """Return the venue of KIS's code (EXCG_ID_DVSN_CD). Raises FrameError for an unknown code.

    An empty code means KRX: that is KIS's default (workbook: order-cash).
    """
    try:
        return Venue(code.strip() or "KRX")
    except ValueError:
        raise FrameError(
            f"{code[:10]!r} is not a valid venue", "KIS knows KRX, NXT and SOR"
        ) from None


def executed_at_code(venue: Venue, *, by_router: bool = False) -> str:
    """Return KIS's code of the venue that executed (ORD_EXG_GB).

    ``by_router`` True: the smart order router chose the venue.
    """
    return _EXG_CODES[venue, by_router]
