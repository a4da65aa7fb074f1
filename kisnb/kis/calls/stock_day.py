"""The facts of a stock on one day: inquire-price, and search-stock-info for an unlisted code.

Won and shares.
"""

from __future__ import annotations

from kisnb.clock import Ns, kst_day
from kisnb.errors import FrameError
from kisnb.events import StockDay
from kisnb.kis.calls.messages import ApiReply
from kisnb.kis.calls.quote_messages import is_halted
from kisnb.kis.calls.row_fields import Message, RowFields
from kisnb.kis.calls.stock_messages import StockFacts
from kisnb.market.ticks import tick_size
from kisnb.terms import Board, Kind

_PRICE = Message(
    "inquire_price",
    present=frozenset({"stck_sdpr", "stck_llam", "stck_mxpr", "stck_prpr"}),
)


def read_stock_day(quote: ApiReply, info: StockFacts | None, code: str, now: Ns) -> StockDay:
    """Read a reply to inquire-price, and return the facts of the stock on the day of ``now``.

    ``info`` None: search-stock-info was not asked. Raises FrameError when KIS states no base price.
    """
    row = _PRICE.fields(quote.one())
    base, lower, upper = (row.number(f) for f in ("stck_sdpr", "stck_llam", "stck_mxpr"))
    if base <= 0:
        # KIS answers some wrong codes with zeros and rt_cd 0.
        raise FrameError(
            f"KIS states no base price of {code}", "check the code with %kis search NAME"
        )
    liquidation = row.text("sltr_yn") == "Y"
    is_limited = 0 < lower <= upper and not liquidation
    return StockDay(
        now,
        code,
        base,
        (lower, upper) if is_limited else None,
        row.number("stck_prpr"),
        is_halted(row),
        liquidation,
        row.number("lstn_stcn"),
        info.name if info is not None else "",
        info.board if info is not None else _board_of(row),
        info.kind if info is not None else _kind_of(row, code, now),
        info.nxt if info is not None else None,
        info is None or info.kind is not None,
    )


def _board_of(row: RowFields) -> Board | None:
    """Return the board that inquire-price states, such as ``KOSPI200``. None for another text."""
    text = row.text("rprs_mrkt_kor_name").upper()
    return next((board for board in Board if text.startswith(board)), None)


def _kind_of(row: RowFields, code: str, now: Ns) -> Kind | None:
    """Return ETN or ETF when the reply proves it. Otherwise None."""
    # inquire-price has no field for it. Codes of ETNs begin with Q (KIS's master files), and the
    # tick of an ETF stays at 5 won where that of a share grows.
    if code.startswith("Q"):
        return Kind.ETN
    price, unit = row.number("stck_prpr"), row.number("aspr_unit")
    if price <= 0 or unit <= 0:
        return None
    is_fund = (
        unit
        == tick_size(price, Kind.ETF, kst_day(now))
        < tick_size(price, Kind.STOCK, kst_day(now))
    )
    return Kind.ETF if is_fund else None
