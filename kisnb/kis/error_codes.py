"""KIS's message codes: their texts, their meaning, and the cure.

Codes and meanings come from KIS's published tables and from replies that public clients have
received. For many codes only the meaning is known, and the Korean text here is then ours. So only
the code should be compared: KIS's own text comes with each reply.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from kisnb.kis.codes.code import Code
from kisnb.kis.codes.gateway import DONE, GATEWAY, QUERY_SERVER
from kisnb.kis.codes.orders import LIVE_ORDERS, PAPER_ORDERS
from kisnb.kis.codes.stream import STREAM

CODES: dict[str, Code] = {
    **DONE,
    **GATEWAY,
    **QUERY_SERVER,
    **LIVE_ORDERS,
    **PAPER_ORDERS,
    **STREAM,
}
"""Every code that is known, those of success included."""

RATE_LIMITED = frozenset({"EGW00201", "EGW00215"})
"""Codes for too many calls in a second: of the gateway, and of the ledger (replies to clients)."""
TRY_AGAIN = RATE_LIMITED | {"EGW00316", "OPSQ1002"}
"""Codes after which a read is sent again."""
ROWS_CHANGED = "SYDB0050"
"""Code for rows that have changed since the first page was read. The query starts again."""
TOKEN_EXPIRED = frozenset({"EGW00121", "EGW00122", "EGW00123"})
"""Codes for a token that KIS no longer accepts. A new token is fetched."""
AT_THE_GATE = RATE_LIMITED | TOKEN_EXPIRED
"""Codes of the gateway or the ledger for a call that they turned away before they read it.

An order with such a reply was not placed, and nothing is wrong with it: it may be sent again.
"""


def cure_of(msg_cd: str) -> str:
    """Return the cure for a message code; empty when none is known."""
    code = CODES.get(msg_cd)
    return code.cure if code else ""


def explain(msg_cd: str) -> str:
    """Return one line about a code in any spelling: Korean, English and the cure."""
    # Errors show the code in brackets after KIS's words, and people copy both.
    msg_cd = " ".join(msg_cd.split()).strip("[]").upper()
    if not msg_cd:
        return "A code of KIS looks like APBK0918; it is in brackets after KIS's text."
    code = CODES.get(msg_cd)
    if code is None:
        return f"{msg_cd}: kisnb does not know this code; KIS's own text says what it means."
    cure = f" {code.cure[0].upper()}{code.cure[1:]}." if code.cure else ""
    return f"{msg_cd}: {code.korean} — {code.english}.{cure}"


def refuses_token(msg_cd: str, status: int) -> bool:
    """Return True when a reply says that KIS no longer accepts the token.

    HTTP 401 also says so, whatever the message code: after a maintenance KIS sends codes that no
    table has (seen by a client).
    """
    return msg_cd in TOKEN_EXPIRED or (status == HTTPStatus.UNAUTHORIZED and msg_cd not in CODES)


def outcome_of(msg_cd: str, status: int) -> Literal["again", "rejected", "unknown"]:
    """Return the outcome of an order, revise or cancel that KIS answered with an error."""
    if msg_cd in AT_THE_GATE:
        return "again"
    return "rejected" if was_not_placed(msg_cd, status) else "unknown"


def was_not_placed(msg_cd: str, status: int) -> bool:
    """Return True when a reply with this code and HTTP status proves that the order is not placed.

    For a known code the table says so. An unknown code proves it only with HTTP 200, which is how
    KIS answers a business refusal. At an HTTP error the order may have passed the gateway.
    """
    code = CODES.get(msg_cd)
    if code is not None:
        return code.order == "not placed"
    # A wrong True here would let the desk order the same shares twice. A wrong False only makes it
    # read KIS's list of orders.
    return status < 400 and bool(msg_cd)
