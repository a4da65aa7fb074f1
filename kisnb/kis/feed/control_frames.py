"""Control frames of the stream, JSON both ways: subscribe, release, KIS's reply to them, PINGPONG.

Requests carry no id. A reply is matched by TR id and key. The key of the notices is the HTS
id, so no frame shows its contents in a repr. Codes: KIS's table of WebSocket codes, as clients
reproduce it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kisnb.clock import Ns, hhmmss, kst_day
from kisnb.errors import ApiError, FrameError
from kisnb.kis.error_codes import CODES
from kisnb.kis.wire_text import yyyymmdd

SUBSCRIBE, RELEASE = "1", "2"
"""``tr_type`` of a request (workbook)."""
SUBSCRIBED, RELEASED = "OPSP0000", "OPSP0001"
"""``msg_cd`` of the replies to a request that was done."""
ALREADY, NOT_FOUND = "OPSP0002", "OPSP0003"
"""``msg_cd`` of the replies to a request that changes nothing."""
TOO_MANY, BAD_APPROVAL, APPKEY_IN_USE = "OPSP0008", "OPSP0011", "OPSP8996"
"""``msg_cd``: more than 41 registrations; unknown approval key; appkey in another session."""
DONE = frozenset({SUBSCRIBED, RELEASED})
"""``msg_cd`` of replies with ``rt_cd`` 0."""
HARMLESS = frozenset({ALREADY, NOT_FOUND})
"""``msg_cd`` of replies with ``rt_cd`` 1 although nothing is wrong."""
PASSING = frozenset({"OPSP0007", "OPSP0008", "OPSP0009", "OPSP8999", "OPSP9993", "OPSP9995"})
"""``msg_cd`` of refusals that may pass: errors inside KIS, and too many subscriptions."""
RT_CD_IN_USE = "9"
"""``rt_cd`` of APPKEY_IN_USE; some clients have received 1."""
CUSTOMER_TYPES = ("P", "B")
"""``custtype``: personal, corporate."""
MAX_SUBSCRIPTIONS = 41
"""Registrations of one connection, all channels summed, the execution notice included.

KIS notice of 2026-04-20; clients measured that the 42nd is refused. The 40 of KIS's samples counts
functions, not registrations.
"""
PINGPONG = "PINGPONG"
"""``tr_id`` of KIS's heartbeat."""


class SubscriptionRequest(msgspec.Struct, frozen=True):
    """A request to subscribe or release one key of one channel."""

    approval_key: str
    tr_type: str
    tr_id: str
    tr_key: str

    def __repr__(self) -> str:
        return f"<Request {self.tr_id} tr_type {self.tr_type}>"


class Ack(msgspec.Struct, frozen=True):
    """KIS's reply to a request; ``key`` and ``iv`` decrypt the channel's encrypted frames."""

    tr_id: str
    tr_key: str
    msg_cd: str
    msg1: str = ""
    rt_cd: str = "0"
    key: str = ""
    iv: str = ""
    encrypt: str = "N"
    """Y for a channel whose frames are encrypted; clients built on KIS's samples rely on it."""

    @property
    def ok(self) -> bool:
        """True when KIS did what was requested, or had nothing to do."""
        return self.rt_cd == "0" or self.msg_cd in HARMLESS

    def __repr__(self) -> str:
        return f"<Ack {self.tr_id} {self.msg_cd} {self.msg1}>"


class PingPong(msgspec.Struct, frozen=True):
    """KIS's heartbeat. A client sends the same text back."""

    datetime: str


def encode_request(request: SubscriptionRequest) -> str:
    """Return the text of a request as the client sends it."""
    header = {
        "approval_key": request.approval_key,
        "custtype": "P",
        "tr_type": request.tr_type,
        "content-type": "utf-8",
    }
    body = {"input": {"tr_id": request.tr_id, "tr_key": request.tr_key}}
    return _json({"header": header, "body": body})


def decode_request(text: str) -> SubscriptionRequest | PingPong:
    """Read a client's frame, and return the request or the heartbeat in it; for the simulator.

    Raises ApiError with the OPSP code that KIS sends.
    """
    message = _object(text)
    if message is None:
        raise _refusal("OPSP9999")
    header, body = message.get("header"), message.get("body")
    if not isinstance(header, dict):
        raise _refusal("OPSP9998")
    if header.get("tr_id") == PINGPONG:
        return PingPong(str(header.get("datetime", "")))
    if not isinstance(body, dict):
        raise _refusal("OPSP9992")
    given = body.get("input")
    if not isinstance(given, dict):
        raise _refusal("OPSP9991")
    if not given.get("tr_key"):
        raise _refusal("OPSP9990")
    if not isinstance(given["tr_key"], str):
        raise _refusal("OPSP8993")
    tr_type = str(header.get("tr_type", ""))
    if tr_type not in (SUBSCRIBE, RELEASE):
        raise _refusal("OPSP8997")
    if "custtype" not in header:
        raise _refusal("OPSP9997")
    if header["custtype"] not in CUSTOMER_TYPES:
        raise _refusal("OPSP8998")
    return SubscriptionRequest(
        str(header.get("approval_key", "")),
        tr_type,
        str(given.get("tr_id", "")),
        str(given["tr_key"]),
    )


def ack(msg_cd: str, tr_id: str, tr_key: str, *, key: str = "", iv: str = "") -> Ack:
    """Return the reply that KIS sends with a code: with the code's text and ``rt_cd``."""
    # ALREADY and NOT_FOUND come with rt_cd 1 although nothing is wrong.
    rt_cd = "0" if msg_cd in DONE else RT_CD_IN_USE if msg_cd == APPKEY_IN_USE else "1"
    return Ack(tr_id, tr_key, msg_cd, CODES[msg_cd].korean, rt_cd, key, iv)


def encode_ack(reply: Ack) -> str:
    """Return the text of a reply as KIS sends it."""
    header = {"tr_id": reply.tr_id, "tr_key": reply.tr_key, "encrypt": reply.encrypt}
    body: dict[str, Any] = {"rt_cd": reply.rt_cd, "msg_cd": reply.msg_cd, "msg1": reply.msg1}
    if reply.key:
        body["output"] = {"iv": reply.iv, "key": reply.key}
    return _json({"header": header, "body": body})


def encode_ping(now: Ns) -> str:
    """Return the text of a heartbeat as KIS sends it at ``now``."""
    return _json({"header": {"tr_id": PINGPONG, "datetime": yyyymmdd(kst_day(now)) + hhmmss(now)}})


def decode_control(text: str) -> Ack | PingPong:
    """Read a control frame of KIS, and return the reply or the heartbeat. Raises FrameError."""
    message = _object(text)
    header = message.get("header") if message else None
    if message is None or not isinstance(header, dict):
        raise FrameError("a control frame cannot be read", "the feed goes on without it")
    if header.get("tr_id") == PINGPONG:
        return PingPong(str(header.get("datetime", "")))
    # ``encrypt`` decides nothing here: the examples show N even for encrypted channels (workbook).
    body = message.get("body")
    if not isinstance(body, dict) or "msg_cd" not in body:
        raise FrameError("a control frame has no message code", "the feed goes on without it")
    # Key and iv come with every confirmation, for plain channels too (workbook).
    output = body.get("output")
    keys = output if isinstance(output, dict) else {}
    return Ack(
        # With OPSP8996 the text may be "(null)" (replies to clients). The stream goes by the code.
        str(header.get("tr_id", "")),
        str(header.get("tr_key", "")),
        str(body["msg_cd"]),
        str(body.get("msg1", "")).strip(),
        str(body.get("rt_cd", "")),
        str(keys.get("key") or ""),
        str(keys.get("iv") or ""),
        str(header.get("encrypt", "N")),
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _object(text: str) -> dict[str, Any] | None:
    """Return the JSON object in ``text``; None when it holds none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _refusal(msg_cd: str) -> ApiError:
    """Return the error with a code's own text and cure."""
    return ApiError(CODES[msg_cd].korean, CODES[msg_cd].cure, msg_cd=msg_cd)
