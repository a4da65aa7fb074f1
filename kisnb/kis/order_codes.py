"""Order kinds, sides and venues as KIS writes them. Nothing outside ``kisnb.kis`` knows these codes."""

from __future__ import annotations

from kisnb.errors import FrameError
from kisnb.terms import OrderKind, Side, Venue

ORD_DVSN = {OrderKind.LIMIT: "00", OrderKind.MARKET: "01"}
KIND_NAME = {OrderKind.LIMIT: "지정가", OrderKind.MARKET: "시장가"}
MARKET_LIKE = frozenset({"01", "13", "14"})
"""Priced by the market: market, and market IOC and FOK."""
SLL_BUY = {Side.SELL: "01", Side.BUY: "02"}
SIDE_NAME = {Side.SELL: "현금매도", Side.BUY: "현금매수"}
ORD_EXG_GB = {"1": Venue.KRX, "2": Venue.NXT, "3": Venue.KRX, "4": Venue.NXT}
"""The venue that executed, in exec notices; 3 and 4 came there by the smart order router."""
EXCG_DVSN = {Venue.KRX: "02", Venue.NXT: "03", Venue.SOR: "04"}
"""``excg_dvsn_cd`` of order lists: 02 stands in KIS's example, the others continue it."""
REVISE, CANCEL = "01", "02"

_SIDES = {code: side for side, code in SLL_BUY.items()}
_EXG_CODES = {Venue.KRX: "1", Venue.NXT: "2"}


def kind_code(kind: OrderKind) -> str:
    """ORD_DVSN."""
    return ORD_DVSN[kind]


def read_kind(code: str) -> OrderKind:
    """The kind of an ORD_DVSN; kinds that kisnb does not send itself read as what they rest as in the book."""
    return OrderKind.MARKET if code in MARKET_LIKE else OrderKind.LIMIT


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


def executed_at_code(venue: Venue) -> str:
    """ORD_EXG_GB of a venue that executes."""
    return _EXG_CODES[venue]
