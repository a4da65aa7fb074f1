"""Reserved orders (예약주문) in KIS's calls: order-resv, its cancel, and order-resv-ccnl.

Won and shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from kisnb.clock import day_number, kst
from kisnb.kis.calls.messages import ApiReply, encode_params
from kisnb.kis.calls.row_fields import Message, RowFields
from kisnb.kis.catalogue import APIS
from kisnb.kis.order_codes import kind_code, read_kind, read_side, side_code
from kisnb.kis.wire_text import moment, read_day, yyyymmdd
from kisnb.orders import Intent, ReservedRow, Route

_CASH = "10"
"""ORD_OBJT_CBLC_DVSN_CD of an order with the account's own cash or shares."""


def reserve_body(intent: Intent, route: Route, account: Mapping[str, str]) -> dict[str, str]:
    """Return the body of order-resv.

    Without RSVN_ORD_END_DT the order is for the next trading day alone (workbook).
    """
    return encode_params(
        APIS["order_resv"],
        **account,
        PDNO=intent.code,
        ORD_QTY=intent.qty,
        ORD_UNPR=(intent.price or 0) if route.kind.priced else 0,
        SLL_BUY_DVSN_CD=side_code(intent.side),
        ORD_DVSN_CD=kind_code(route.kind),
        ORD_OBJT_CBLC_DVSN_CD=_CASH,
    )


def cancel_reserved_body(number: int, day: int, account: Mapping[str, str]) -> dict[str, str]:
    """Return the body of order-resv-rvsecncl that cancels a reserved order of ``day``."""
    api = APIS["order_resv_rvsecncl_cancel"]
    # The workbook marks the other fields as those of a revise.
    blank = dict.fromkeys((p for p in api.params if p not in api.optional), "")
    told = {"RSVN_ORD_SEQ": number, "RSVN_ORD_ORD_DT": day}
    return encode_params(api, **(blank | dict(account) | told))


def reserved_params(first: date, last: date, account: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of order-resv-ccnl for the reserved orders of some days."""
    return encode_params(APIS["order_resv_ccnl"], **account, **reserved_query(first, last))


def reserved_query(first: date, last: date) -> dict[str, str]:
    """Return the parameters of order-resv-ccnl without the account, for all orders of some days.

    Processed and cancelled orders are included.
    """
    return {
        "RSVN_ORD_ORD_DT": yyyymmdd(first),
        "RSVN_ORD_END_DT": yyyymmdd(last),
        "RSVN_ORD_SEQ": "",
        "TMNL_MDIA_KIND_CD": "00",
        "PRCS_DVSN_CD": "0",
        "CNCL_YN": "N",
        "PDNO": "",
        "SLL_BUY_DVSN_CD": "",
        "CTX_AREA_FK200": "",
        "CTX_AREA_NK200": "",
    }


_RECEIPT = Message("order_resv", stated=frozenset({"rsvn_ord_seq"}))


def read_reserved_number(reply: ApiReply) -> int:
    """Read a reply to order-resv; return the order's number. Raises FrameError without a number."""
    row = _RECEIPT.fields(reply.one())
    number = row.number("rsvn_ord_seq")
    if number <= 0:
        raise row.error("rsvn_ord_seq", "names no order")
    return number


_RESERVED = Message(
    "order_resv_ccnl",
    stated=frozenset(
        {
            "rsvn_ord_ord_dt",
            "rsvn_ord_rcit_dt",
            "rsvn_ord_seq",
            "pdno",
            "sll_buy_dvsn_cd",
            "ord_rsvn_qty",
        }
    ),
    present=frozenset({"ord_rsvn_unpr", "odno", "cncl_ord_dt"}),
)


def read_reserved_orders(
    rows: Iterable[Mapping[str, str]],
) -> tuple[tuple[ReservedRow, ...], tuple[str, ...]]:
    """Read rows of order-resv-ccnl: return the orders, and a sentence about each unreadable row."""
    return _RESERVED.read_each(rows, _read_reserved)


def read_reserved(row: Mapping[str, str]) -> ReservedRow:
    """Read one row of order-resv-ccnl, and return the reserved order. Raises FieldError."""
    return _read_reserved(_RESERVED.fields(row))


def _read_reserved(row: RowFields) -> ReservedRow:
    received = row.read("rsvn_ord_rcit_dt", read_day)
    return ReservedRow(
        day_number(row.read("rsvn_ord_ord_dt", read_day)),
        row.number("rsvn_ord_seq"),
        row.text("pdno"),
        row.read("sll_buy_dvsn_cd", read_side),
        read_kind(row.text("ord_dvsn_cd")),
        row.number("ord_rsvn_qty"),
        row.number("ord_rsvn_unpr"),
        row.read(
            "rsvn_ord_rcit_tmd", lambda text: moment(received, text, fallback=kst(received, 0))
        ),
        row.number("odno"),
        bool(row.text("cncl_ord_dt")),
        row.text("rjct_rson2"),
    )
