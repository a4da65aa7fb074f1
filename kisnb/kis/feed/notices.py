"""Execution notices (체결통보) both ways: the encrypted record of 26 or 23 columns, and ``Notice``.

KIS documents 26 columns, but its example and several clients show 23. Columns 0 to 17 are the same
in both layouts. The wide one then has separate columns for stop price, exchange, popup flag and
filler. The narrow one has exchange and popup flag together in [18]. In both, the last column but
one is the name, and the last is a price (workbook; clients' recordings).

Two difficulties. An order notice (CNTG_YN 1) has the order's quantity and price in [9] and [10]. A
fill (CNTG_YN 2) has those of this fill there, and the order's price in the last column (KIS's
legacy sample). A confirmed cancel or revise has its own new number, and the order that it changed
in [3].
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import Ns, hhmmss
from kisnb.errors import FrameError
from kisnb.events import Notice
from kisnb.kis.masking import HIDDEN
from kisnb.kis.order_codes import ORD_EXG_GB, executed_at_code, kind_code, read_side, side_code
from kisnb.kis.wire_text import moment_today, order_number
from kisnb.terms import Mode, OrderKind, Venue

NOTICE_TR = {Mode.LIVE: "H0STCNI0", Mode.PAPER: "H0STCNI9"}
"""TR id of the execution notices by persona."""
NOTICE_TRS = frozenset(NOTICE_TR.values())
Layout: TypeAlias = Literal[23, 26]
"""Columns of a record."""
WIDE: Layout = 26
NARROW: Layout = 23
NORMAL, REVISE, CANCEL = "0", "1", "2"
"""RCTF_CLS: an order, a revise, a cancel."""
CASH = "10"
"""CRDT_CLS of an order that uses no credit."""

NoticeKind: TypeAlias = Literal["accepted", "filled", "cancelled", "revised", "refused"]
_FLAGS: dict[NoticeKind, tuple[str, str, str, str]] = {
    "accepted": ("0", "1", "1", NORMAL),
    "filled": ("0", "2", "2", NORMAL),
    "cancelled": ("0", "1", "2", CANCEL),
    "revised": ("0", "1", "2", REVISE),
    "refused": ("1", "1", "1", NORMAL),
}
"""RFUS_YN, CNTG_YN, ACPT_YN and RCTF_CLS of each kind."""
_BLOCK = 16
"""Bytes of a block of AES."""
_PADDINGS = tuple(bytes([n]) * n for n in range(_BLOCK + 1))
"""The bytes that PKCS7 appends, by their number. A text of whole blocks gets one more block."""
_PERSONAL = frozenset({0, 1, 17})
"""Columns of CUST_ID, ACNT_NO and ACNT_NAME."""


class NoticeMore(msgspec.Struct, frozen=True):
    """The part of a notice on the wire that ``Notice`` does not have; shares and won."""

    cust_id: str
    """The HTS id."""
    account: str
    """Ten digits: account and product."""
    order_qty: int
    order_price: int
    kind: OrderKind = OrderKind.LIMIT
    name: str = ""
    by_router: bool = False
    """True when the smart order router chose the venue."""

    def __repr__(self) -> str:
        return f"<NoticeMore {self.order_qty} at {self.order_price}>"


def encode_notice(notice: Notice, more: NoticeMore, layout: Layout = WIDE) -> list[str]:
    """Return the record of a notice, as texts of its columns, before encryption."""
    refused, filled, accepted, change = _FLAGS[notice.kind]
    if notice.kind == "refused" and notice.original:
        # Only a refused cancel or revise names an original. ``Notice`` does not say which of them
        # was refused, so it goes out as a cancel.
        change = CANCEL
    # In an order notice the last column is the price of the fill, and there is no fill yet.
    last = more.order_price if notice.kind == "filled" else 0
    first = [
        more.cust_id,
        more.account,
        order_number(notice.number),
        order_number(notice.original),
        side_code(notice.side),
        change,
        kind_code(more.kind),
        "0",
        notice.code,
        str(notice.qty),
        str(notice.price),
        hhmmss(notice.t),
        refused,
        filled,
        accepted,
        notice.branch,
        str(more.order_qty),
        "",
    ]
    exchange = executed_at_code(notice.venue, by_router=more.by_router)
    middle = ["0", exchange, "Y", ""] if layout == WIDE else [f"{exchange}Y"]
    return [*first, *middle, CASH, "", more.name, str(last)]


def decode_notice(fields: Sequence[str], account: str, now: Ns) -> Notice | None:
    """Return the notice that a decrypted record contains. Raises FrameError.

    Return None for a notice of another account, and for a cancel or revise that is not confirmed
    yet. ``account`` is the ten digits of account and product: KIS sends the notices of every
    account of an HTS id (KIS notice of 2026-04-20).
    """
    if len(fields) < NARROW:
        raise FrameError(
            f"an execution notice has {len(fields)} fields", "the feed goes on without it"
        )
    # The account is compared first, so that a notice of another account is not read, even if it is
    # broken.
    if fields[1].strip() != account:
        return None
    kind = _kind(fields)
    if kind is None:
        return None
    try:
        # A fill's own quantity and price: reading ORDER_QTY would count partial fills twice.
        number, original = int(fields[2].strip() or 0), int(fields[3].strip() or 0)
        qty, price = int(fields[9].strip() or 0), int(fields[10].strip() or 0)
    except ValueError:
        raise FrameError(
            "an execution notice has a malformed number", "the feed goes on without it"
        ) from None
    # A notice states a time and no day. KIS sends it on the day of the order.
    t = moment_today(now, fields[11])
    side, code = read_side(fields[4]), fields[8].strip()
    # An original number and a price may be empty: a new order changes no other order, and a market
    # order has no price. But a fill without its shares or its price is an error.
    is_whole = number > 0 and qty > 0 and code and (price > 0 or kind != "filled")
    if not is_whole and kind != "refused":
        raise FrameError(
            "an execution notice lacks its number, code, quantity or price",
            "the desk reads the orders of the day instead",
        )
    return Notice(
        t,
        kind,
        number,
        original,
        code,
        side,
        qty,
        price,
        fields[15].strip(),
        _venue(fields),
    )


def masked_notice(fields: Sequence[str]) -> list[str]:
    """Return a decrypted record with customer, account and name of the holder hidden."""
    return [HIDDEN if i in _PERSONAL else text for i, text in enumerate(fields)]


def _kind(fields: Sequence[str]) -> NoticeKind | None:
    """Return the kind of a notice; None for a cancel or revise that is not confirmed yet."""
    # The cases, in the order in which they are told apart (workbook; a client's recording):
    #
    #   RCTF_CLS   RFUS_YN   CNTG_YN   ACPT_YN   what has happened
    #   any        1         1         any       an order, a cancel or a revise was refused
    #   0          0         2         2         shares were filled
    #   0          0         1         3         the leaves of an IOC or FOK order are cancelled
    #   0          0         1         1         the exchange accepted an order
    #   1, 2       0         1         1         KIS took a revise or cancel: nothing changes yet
    #   1, 2       0         1         2         the exchange confirmed the revise or cancel
    change, refused, filled, accepted = fields[5], fields[12], fields[13], fields[14]
    # A flag that KIS does not document is not interpreted. If it were read as a revise, it would
    # move shares.
    if (
        change not in (NORMAL, REVISE, CANCEL)
        or refused not in ("0", "1")
        or filled not in ("1", "2")
    ):
        raise FrameError(
            "an execution notice has an unknown flag",
            "the desk reads the orders of the day instead",
        )
    if refused == "1":
        return "refused"
    if filled == "2":
        return "filled"
    # ACPT_YN 3: what an IOC or FOK order could not fill is cancelled, under the order's own number.
    if accepted == "3":
        return "cancelled"
    if change == NORMAL:
        return "accepted"
    # A cancel or revise that KIS took and the exchange has not confirmed: nothing has changed yet.
    if accepted == "1":
        return None
    return "cancelled" if change == CANCEL else "revised"


def _venue(fields: Sequence[str]) -> Venue:
    # The layout is known by the number of columns alone.
    # The narrow layout has exchange and popup flag in one field, such as ``1Y``.
    exchange = fields[19] if len(fields) >= WIDE else fields[18][:1]
    return ORD_EXG_GB.get(exchange, Venue.KRX)


class Cipher:
    """AES-256-CBC with PKCS7; the characters of key (32) and iv (16) are the bytes (workbook).

    KIS gives one pair per channel and connection.
    """

    def __init__(self, key: str, iv: str) -> None:
        """Raise FrameError when key or iv has a wrong length."""
        from cryptography.hazmat.primitives.ciphers import Cipher as Aes
        from cryptography.hazmat.primitives.ciphers import algorithms, modes

        self._iv = iv.encode()
        if len(key.encode()) != 32 or len(self._iv) != _BLOCK:
            raise FrameError(
                "the key of the execution notices has a wrong length",
                "they are read from REST instead",
            )
        aes = algorithms.AES256(key.encode())
        self._aes = Aes(aes, modes.CBC(self._iv))
        # Every notice begins with the same iv, and a CBC decryptor can be used for one text only.
        # Making one takes longer than everything else. So ``decrypt`` does CBC's part itself, with
        # one decryptor of single blocks for all notices.
        self._blocks = Aes(aes, modes.ECB()).decryptor()  # noqa: S305 - a part of CBC

    def encrypt(self, text: str) -> str:
        """Return the base64 of the encrypted text."""
        plain = text.encode()
        encryptor = self._aes.encryptor()
        padded = plain + _PADDINGS[_BLOCK - len(plain) % _BLOCK]
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    def decrypt(self, payload: str) -> str:
        """Return the text of a base64 payload. Raises FrameError."""
        try:
            secret = binascii.a2b_base64(payload, strict_mode=True)
            size = len(secret)
            # An incomplete block would stay in the decryptor, and damage the next notice.
            if not size or size % _BLOCK:
                raise ValueError
            # CBC: each block was combined (XOR) with the encrypted block before it, the first one
            # with the iv.
            before = int.from_bytes(self._iv + secret[:-_BLOCK])
            padded = (int.from_bytes(self._blocks.update(secret)) ^ before).to_bytes(size)
            padding = padded[-1]
            if not 0 < padding <= _BLOCK or not padded.endswith(_PADDINGS[padding]):
                raise ValueError
            return padded[:-padding].decode()
        # The errors of base64 and of UTF-8 are ValueErrors, too.
        except ValueError:
            raise FrameError(
                "an execution notice cannot be decrypted", "the feed goes on without it"
            ) from None
