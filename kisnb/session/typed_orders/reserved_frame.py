"""KIS's list of reserved orders (예약주문) as a table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kisnb.clock import Ns, kst_day
from kisnb.kis.calls.reserved_messages import read_reserved, reserved_query
from kisnb.session.feed.link import Link
from kisnb.trading.ports.queries import CallApi

if TYPE_CHECKING:
    import polars as pl

LONGEST = timedelta(days=31)
"""A reserved order is for a day within 30 days (workbook: RSVN_ORD_END_DT)."""


async def reserved_frame(link: Link, now: Ns) -> pl.DataFrame:
    """Return the reserved orders from today on, in KIS's order.

    Columns: number, day (YYYYMMDD), side, code, quantity (shares), price (won), order, result.
    Raises KisError, and BadInput where KIS's server has no such call.
    """
    import polars as pl

    today = kst_day(now)
    reply = await link.ask(CallApi("order_resv_ccnl", reserved_query(today, today + LONGEST)))
    schema = {
        "number": pl.Int64, "day": pl.Int64, "side": pl.String, "code": pl.String,
        "quantity": pl.Int64, "price": pl.Int64, "order": pl.Int64, "result": pl.String,
    }  # fmt: skip
    rows = [(read_reserved(row), row) for row in reply.blocks["output"]]
    return pl.DataFrame(
        [
            (r.number, r.day, str(r.side), r.code, r.qty, r.price, r.order,
             f"{row.get('prcs_rslt', '').strip()} {r.refused}".strip())
            for r, row in rows
        ],
        schema=schema,
        orient="row",
    )  # fmt: skip
