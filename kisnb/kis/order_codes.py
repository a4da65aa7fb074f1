"""Order kinds, sides and venues as KIS writes them. Nothing outside ``kisnb.kis`` knows these codes."""

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
"""Kind, ORD_DVSN, name. 00 to 24: KIS's workbook; 27 to 29 and 41 to 47: KIS notice of 2026-09-09, names by others."""

ORD_DVSN = {kind: code for kind, code, _ in _KINDS}
KIND_NAME = {kind: name for kind, _, name in _KINDS}
SLL_BUY = {Side.SELL: "01", Side.BUY: "02"}
SIDE_NAME = {Side.SELL: "현금매도", Side.BUY: "현금매수"}
ORD_EXG_GB = {"1": Venue.KRX, "2": Venue.NXT, "3": Venue.KRX, "4": Venue.NXT}
"""The venue that executed, in exec notices; 3 and 4 came there by the smart order router."""
EXCG_DVSN = {Venue.KRX: "02", Venue.NXT: "03", Venue.SOR: "04"}
"""``excg_dvsn_cd`` of order lists: 02 stands in KIS's example, the others continue it."""
REVISE, CANCEL = "01", "02"

_KIND_OF = {code: kind for kind, code, _ in _KINDS}
_SIDES = {code: side for side, code in SLL_BUY.items()}
_EXG_CODES = {
    (Venue.KRX, False): "1",
    (Venue.NXT, False): "2",
    (Venue.KRX, True): "3",
    (Venue.NXT, True): "4",
}


def kind_code(kind: OrderKind) -> str:
    """ORD_DVSN."""
    return ORD_DVSN[kind]


def read_kind(code: str) -> OrderKind:
    """The kind of an ORD_DVSN; an unknown one reads as a limit order, which is what it rests as in the book."""
    return _KIND_OF.get(code, OrderKind.LIMIT)


def knows_kind(code: str) -> bool:
    """Whether ``read_kind`` reads the ORD_DVSN and does not guess."""
    return code in _KIND_OF


def side_code(side: Side) -> str:
    """SLL_BUY_DVSN_CD and SELN_BYOV_CLS."""
    return SLL_BUY[side]


def read_side(code: str) -> Side:
    """Raises FrameError."""
    side = _SIDES.get(code)
    if side is None:
        raise FrameError(f"{code[:10]!r} is neither sell (01) nor buy (02)", "ask again")
    return side


def venue_code(venue: Venue) -> str:
    """EXCG_ID_DVSN_CD."""
    return str(venue)


def read_venue(code: str) -> Venue:
    """The venue of an EXCG_ID_DVSN_CD, empty meaning KRX as KIS reads it. Raises FrameError."""
    try:
        return Venue(code.strip() or "KRX")
    except ValueError:
        raise FrameError(f"{code[:10]!r} is no venue", "KIS knows KRX, NXT and SOR") from None


def executed_at_code(venue: Venue, *, by_router: bool = False) -> str:
    """ORD_EXG_GB of a venue that executes, where the order may have come by the smart order router."""
    return _EXG_CODES[venue, by_router]
