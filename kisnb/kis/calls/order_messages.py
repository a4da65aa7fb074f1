"""Requests to order, revise and cancel, and the order list of a day, both ways. Won and shares.

Every body has EXCG_ID_DVSN_CD: ``messages.encode_params`` builds no body without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from kisnb.clock import Ns, day_number, hhmmss, kst, kst_day
from kisnb.kis.calls.messages import ApiReply, encode_params
from kisnb.kis.calls.row_fields import Message, RowFields
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.order_codes import (
    CANCEL,
    EXCG_DVSN,
    KIND_NAME,
    REVISE,
    SIDE_NAME,
    kind_code,
    knows_kind,
    read_kind,
    read_side,
    read_venue,
    side_code,
    venue_code,
)
from kisnb.kis.wire_text import moment, order_number, read_day, yyyymmdd
from kisnb.orders import Intent, OrderRef, OrderRow, Route
from kisnb.terms import OrderKind, Side, Venue


def order_api(side: Side) -> Api:
    """Return the call that places an order of this side."""
    return APIS["order_cash_buy" if side is Side.BUY else "order_cash_sell"]


def order_body(intent: Intent, route: Route, account: Mapping[str, str]) -> dict[str, str]:
    """Return the body of order-cash; ``account`` is CANO and ACNT_PRDT_CD."""
    # KIS takes ORD_UNPR "0" for a kind that the market prices, and CNDT_PRIC only with a stop.
    price = (intent.price or 0) if route.kind.priced else 0
    stop = {} if intent.stop is None else {"CNDT_PRIC": intent.stop}
    return encode_params(
        order_api(intent.side),
        **account,
        PDNO=intent.code,
        ORD_DVSN=kind_code(route.kind),
        ORD_QTY=intent.qty,
        ORD_UNPR=price,
        EXCG_ID_DVSN_CD=venue_code(route.venue),
        **stop,
    )


def cancel_body(ref: OrderRef, qty: int | None, account: Mapping[str, str]) -> dict[str, str]:
    """Return the body of order-rvsecncl that cancels ``qty`` shares, None for all leaves."""
    return _change(
        ref,
        account,
        RVSE_CNCL_DVSN_CD=CANCEL,
        ORD_QTY=qty or 0,
        # A full cancel goes by QTY_ALL_ORD_YN: quantity and price are 0 then (clients' orders).
        ORD_UNPR=0,
        # KIS refuses a cancel of more than the leaves (clients' observation). With Y it cancels
        # what is left when the request arrives, so a fill on the way does no harm.
        QTY_ALL_ORD_YN="N" if qty else "Y",
    )


def revise_body(ref: OrderRef, qty: int, price: int, account: Mapping[str, str]) -> dict[str, str]:
    """Return the body of order-rvsecncl that moves ``qty`` shares to ``price``."""
    # N also when all leaves move. With Y KIS would go by its own leaves, and not by the quantity
    # that the gate has checked.
    return _change(
        ref, account, RVSE_CNCL_DVSN_CD=REVISE, ORD_QTY=qty, ORD_UNPR=price, QTY_ALL_ORD_YN="N"
    )


def _change(ref: OrderRef, account: Mapping[str, str], **values: str | int) -> dict[str, str]:
    return encode_params(
        APIS["order_rvsecncl"],
        **account,
        KRX_FWDG_ORD_ORGNO=ref.branch,
        ORGN_ODNO=order_number(ref.number),
        # 00 is what clients send for every kind; KIS documents no rule (uncertain for 27, 41, 44).
        ORD_DVSN=kind_code(OrderKind.LIMIT),
        # The venue is that of the order that is changed: SOR for one sent by SOR. KIS documents no
        # rule for it (uncertain).
        EXCG_ID_DVSN_CD=venue_code(ref.venue),
        **values,
    )


def ref_row(ref: OrderRef, now: Ns) -> dict[str, object]:
    """Return ``output`` of a reply to order-cash or order-rvsecncl, built from ``ref``."""
    return {
        "KRX_FWDG_ORD_ORGNO": ref.branch,
        "ODNO": order_number(ref.number),
        "ORD_TMD": hhmmss(now),
    }


def read_ref(reply: ApiReply, venue: Venue, now: Ns) -> OrderRef:
    """Read a reply to order-cash or order-rvsecncl, and return KIS's ref of the order.

    Raises FrameError when the reply has no number.
    """
    row = Message(reply.api, stated=frozenset({"odno"})).fields(reply.one())
    # KIS pads order numbers differently from reply to reply (clients' observation), so kisnb
    # compares them as integers.
    number = row.number("odno")
    if number <= 0:
        raise row.error("odno", "names no order")
    return OrderRef(
        # The reply states a time and no day. KIS's numbers are unique within a Korean day.
        day_number(kst_day(now)),
        # Empty in KIS's own example, and a cancel goes through without it.
        row.text("krx_fwdg_ord_orgno"),
        number,
        venue,
    )


# the orders of a day


RECENT = timedelta(days=89)
"""The order list of a day within this age has its own TR id: three months (workbook).

It is the shortest three months less a day, to be safe.
"""


def day_orders_api(day: date, today: date) -> Api:
    """Return the call for the list of a day's orders: older days have another TR id."""
    return APIS["inquire_daily_ccld" if today - day <= RECENT else "inquire_daily_ccld_old"]


def day_orders_params(day: date, account: Mapping[str, str], venue: str = "ALL") -> dict[str, str]:
    """Return the parameters of inquire-daily-ccld for all orders of a day, newest first.

    Without ALL as ``venue``, KIS leaves out the orders at NXT and by SOR.
    """
    return encode_params(
        APIS["inquire_daily_ccld"],
        **account,
        INQR_STRT_DT=yyyymmdd(day),
        INQR_END_DT=yyyymmdd(day),
        SLL_BUY_DVSN_CD="00",
        # No filter: an order whose reply was lost has no number to ask for. CCLD_DVSN 00 lists
        # what was filled along with what is open.
        PDNO="",
        ORD_GNO_BRNO="",
        ODNO="",
        CCLD_DVSN="00",
        INQR_DVSN="00",
        INQR_DVSN_1="",
        INQR_DVSN_3="00",
        EXCG_ID_DVSN_CD=venue,
        CTX_AREA_FK100="",
        CTX_AREA_NK100="",
    )


def order_row(order: OrderRow, name: str = "") -> dict[str, object]:
    """Return a row of ``output1`` of a reply to inquire-daily-ccld, built from ``order``."""
    return {
        "ord_dt": str(order.ref.day),
        "ord_gno_brno": order.ref.branch,
        "odno": order_number(order.ref.number),
        "orgn_odno": order_number(order.original),
        "ord_dvsn_cd": kind_code(order.kind),
        "ord_dvsn_name": KIND_NAME[order.kind],
        "sll_buy_dvsn_cd": side_code(order.side),
        "sll_buy_dvsn_cd_name": SIDE_NAME[order.side],
        "pdno": order.code,
        "prdt_name": name,
        "ord_qty": order.qty,
        "ord_unpr": order.price,
        "ord_tmd": hhmmss(order.t),
        "tot_ccld_qty": order.filled,
        "avg_prvs": order.average,
        "tot_ccld_amt": order.value,
        "cncl_yn": bool(order.cancelled),
        "cnc_cfrm_qty": order.cancelled,
        "cncl_cfrm_qty": order.cancelled,
        "rmn_qty": order.leaves,
        "rjct_qty": order.rejected,
        "prdt_type_cd": "300",
        "excg_dvsn_cd": EXCG_DVSN[order.ref.venue],
        # The capital C is KIS's own (workbook).
        "excg_id_dvsn_Cd": venue_code(order.ref.venue),
    }


def order_totals(orders: list[OrderRow]) -> dict[str, object]:
    """Return the block ``output2`` of a reply to inquire-daily-ccld: the sums of ``orders``."""
    filled = sum(o.filled for o in orders)
    value = sum(o.value for o in orders)
    return {
        "tot_ord_qty": sum(o.qty for o in orders),
        "tot_ccld_qty": filled,
        "tot_ccld_amt": value,
        # The Korean labels of these sums are shifted by one in the workbook. The names are right.
        "pchs_avg_pric": value / filled if filled else 0.0,
    }


# KIS's example leaves empty: orgn_odno of an order that changes no other, cnc_cfrm_qty where
# nothing was cancelled, and the venue. A branch may be empty on paper. The sum and the average have
# a value where shares were filled.
_ORDER = Message(
    "inquire_daily_ccld",
    stated=frozenset(
        {"ord_dt", "odno", "pdno", "sll_buy_dvsn_cd", "ord_qty", "tot_ccld_qty", "rmn_qty"}
    ),
    present=frozenset({"orgn_odno", "ord_unpr", "cnc_cfrm_qty", "rjct_qty"}),
)


def read_orders(
    rows: Iterable[Mapping[str, str]],
) -> tuple[tuple[OrderRow, ...], tuple[str, ...]]:
    """Read rows of inquire-daily-ccld: return the orders, and a sentence on each unreadable row."""
    return _ORDER.read_each(rows, _read_order)


def read_order(row: Mapping[str, str]) -> OrderRow:
    """Read one row of inquire-daily-ccld, and return the order. Raises FieldError."""
    return _read_order(_ORDER.fields(row))


def _read_order(row: RowFields) -> OrderRow:
    day = row.read("ord_dt", read_day)
    kind_text = row.text("ord_dvsn_cd")
    venue = row.read("excg_id_dvsn_cd", read_venue)
    number, filled = row.number("odno"), row.number("tot_ccld_qty")
    average, value = row.number("avg_prvs"), row.number("tot_ccld_amt")
    if number <= 0:
        raise row.error("odno", "names no order")
    if filled and not (average or value):
        raise row.error("tot_ccld_amt", f"is missing, although {filled:,} shares were filled")
    return OrderRow(
        OrderRef(day_number(day), row.text("ord_gno_brno"), number, venue),
        row.number("orgn_odno"),
        row.text("pdno"),
        row.read("sll_buy_dvsn_cd", read_side),
        read_kind(kind_text),
        row.number("ord_qty"),
        row.number("ord_unpr"),
        filled,
        average,
        row.number("rmn_qty"),
        row.number("cnc_cfrm_qty"),
        row.number("rjct_qty"),
        row.read("ord_tmd", lambda text: moment(day, text, fallback=kst(day, 0))),
        value,
        # A row may lack the code of the venue or of the kind. Then venue and kind above are our
        # guess.
        venue_given=bool(row.text("excg_id_dvsn_cd")),
        kind_known=knows_kind(kind_text),
    )
