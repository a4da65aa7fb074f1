"""Reserved orders (예약주문) on the wire: order-resv, its cancel, and order-resv-ccnl.

Won and shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from kisnb.clock import day_number, kst
from kisnb.errors import FrameError
from kisnb.kis.calls.messages import ApiReply, encode_params
from kisnb.kis.catalogue import APIS
from kisnb.kis.order_codes import kind_code, read_kind, read_side, side_code
from kisnb.kis.wire_text import moment, read_day, whole, yyyymmdd
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
    """Return the query for the reserved orders of some days, with the account."""
    return encode_params(APIS["order_resv_ccnl"], **account, **reserved_query(first, last))


def reserved_query(first: date, last: date) -> dict[str, str]:
    """Return the query without the account: all orders, processed and cancelled ones too."""
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


def read_reserved_number(reply: ApiReply) -> int:
    """Return the number that KIS gave a reserved order. Raises FrameError without one."""
    number = whole(reply.one(), "rsvn_ord_seq")
    if not number:
        raise FrameError(f"the reply to {reply.api} has no number", "look at the reserved orders")
    return number


def read_reserved(row: Mapping[str, str]) -> ReservedRow:
    """Return a row of order-resv-ccnl. Raises FrameError."""
    received = read_day(row.get("rsvn_ord_rcit_dt", ""))
    order = row.get("odno", "").strip()
    return ReservedRow(
        day_number(read_day(row.get("rsvn_ord_ord_dt", ""))),
        whole(row, "rsvn_ord_seq"),
        row.get("pdno", "").strip(),
        read_side(row.get("sll_buy_dvsn_cd", "")),
        read_kind(row.get("ord_dvsn_cd", "")),
        whole(row, "ord_rsvn_qty"),
        whole(row, "ord_rsvn_unpr"),
        moment(received, row.get("rsvn_ord_rcit_tmd", ""), fallback=kst(received, 0)),
        int(order) if order.isdecimal() else 0,
        bool(row.get("cncl_ord_dt", "").strip()),
        row.get("rjct_rson2", "").strip(),
    )
