"""Requests and replies of the REST APIs, both ways, from the tables of ``catalogue``.

In KIS's messages every value is a string. ``rt_cd`` alone says whether a call was successful;
neither the HTTP status nor ``msg_cd`` does. Bodies of errors have the same shape, without
``output``. Source: KIS's workbook, and replies that clients have received.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeAlias

import msgspec

from kisnb.errors import ApiError, BadInput, FrameError
from kisnb.kis.catalogue import Api, Block
from kisnb.kis.codes.gateway import DONE
from kisnb.kis.error_codes import CODES, cure_of

Row: TypeAlias = Mapping[str, object]
"""A row of a reply before it is encoded: values by field name."""
MSG1_WIDTH = 80
"""KIS fills ``msg1`` with blanks up to this length."""
CTX_WIDTH = 20
"""Length of a key of the next page whose name states none."""
ALWAYS_SENT = "EXCG_ID_DVSN_CD"
"""The parameter of the venue. KIS takes KRX when it is left out, so kisnb always sends it."""


class ApiReply(msgspec.Struct, frozen=True):
    """A successful reply to a call. Keys are in lower case, values as KIS sent them."""

    api: str
    """Name of the call."""
    blocks: dict[str, list[dict[str, str]]]
    """Rows by block name."""
    tr_cont: str = ""
    """``F`` or ``M`` when more pages follow."""
    ctx: tuple[str, ...] = ()
    """The keys of the next page, in the order of ``Api.ctx``."""

    def rows(self, block: str = "output") -> list[dict[str, str]]:
        """Return all rows of a block; empty when KIS sent none."""
        return self.blocks.get(block, [])

    def one(self, block: str = "output") -> dict[str, str]:
        """Return the only row of a block. Raises FrameError when it is missing."""
        rows = self.rows(block)
        if not rows:
            raise FrameError(f"the reply to {self.api} lacks {block}", "ask again")
        return rows[0]

    @property
    def has_more(self) -> bool:
        """True when more pages follow (workbook: F or M; D or E on the last page)."""
        return self.tr_cont in ("F", "M")


# requests


def encode_params(api: Api, **values: str | int) -> dict[str, str]:
    """Return the query or the body of a request, with names as KIS spells them.

    ``values`` may name the parameters in upper or lower case. Raises BadInput for an unknown or a
    missing parameter.
    """
    given = {name.upper(): str(value) for name, value in values.items()}
    spelled = _by_upper(api.params)
    # A misspelt name is refused here, with the names that there are.
    unknown = sorted(given.keys() - spelled.keys())
    missing = [
        p
        for upper, p in spelled.items()
        if upper not in given and (p not in api.optional or p == ALWAYS_SENT)
    ]
    if unknown or missing:
        what = [f"does not take {', '.join(unknown)}"] * bool(unknown) + [
            f"needs {', '.join(missing)}"
        ] * bool(missing)
        raise BadInput(
            f"the call {api.name} {' and '.join(what)}",
            f"its parameters are {', '.join(api.params)}",
        )
    # The names are sent as in the table: KIS prints those of most rankings in lower case
    # (workbook), and it is not known whether the case matters.
    return {p: given[upper] for upper, p in spelled.items() if upper in given}


@cache
def _by_upper(params: tuple[str, ...]) -> dict[str, str]:
    """Return the names of a call's parameters by their form in upper case."""
    # The cache is limited: there are as many tuples as calls in the catalogue.
    return {name.upper(): name for name in params}


def decode_params(api: Api, given: Mapping[str, object]) -> dict[str, str]:
    """Return all parameters of a request that the simulator received; ``""`` for those left out.

    ``given`` may name the parameters in upper or lower case. Raises ApiError when a required one is
    missing. The code and text that KIS sends then are uncertain.
    """
    by_name = {name.upper(): value for name, value in given.items()}
    params: dict[str, str] = {}
    for upper, name in _by_upper(api.params).items():
        value = by_name.get(upper)
        if value is None and name not in api.optional:
            raise ApiError(f"ERROR : INPUT FIELD NOT FOUND [{name}]", msg_cd="OPSQ2001")
        params[name] = "" if value is None else str(value)
    return params


# replies


def encode_reply(
    api: Api,
    values: Mapping[str, Row | Sequence[Row]],
    *,
    msg_cd: str = "",
    msg1: str = "",
    ctx: tuple[str, str] = ("", ""),
) -> dict[str, Any]:
    """Return the body of a reply to a call that went well, for the simulator to send.

    ``values`` has the row, or the rows, of each block by the block's name. Numbers become text. A
    field without a value gets the text that KIS sends for no value. ``ctx`` are the keys of the
    next page. Raises KeyError for a field that the catalogue does not have.
    """
    body = _envelope("0", msg_cd or api.msg_cd, msg1 or api.msg1)
    for name, key in zip(api.ctx, ctx, strict=False):
        body[name.lower()] = key.ljust(_ctx_width(name))
    for block in api.blocks:
        given = values.get(block.name, ())
        empty = block.empty
        rows = [
            _encode_row(block, empty, row)
            for row in ([given] if isinstance(given, Mapping) else given)
        ]
        body[block.name] = rows if block.shape == "array" else (rows[0] if rows else {})
    return body


def _ctx_width(name: str) -> int:
    """Return the length to which KIS pads the parameter ``name``: CTX_AREA_FK100 to 100."""
    digits = name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
    return int(digits) if digits else CTX_WIDTH


def encode_error(msg_cd: str, msg1: str, rt_cd: str = "1") -> dict[str, Any]:
    """Return the body of a reply that refuses a call, for the simulator to send."""
    return _envelope(rt_cd, msg_cd, msg1)


def decode_reply(api: Api, body: bytes | str, *, status: int = 200, tr_cont: str = "") -> ApiReply:
    """Read the body of a reply, and return the reply. Raises ApiError when ``rt_cd`` is not 0.

    Raises FrameError for a body that is not a reply of KIS, and for an empty ``rt_cd``. Raises
    FrameError also when the reply to an order contradicts itself. Either ``rt_cd`` says that KIS
    accepted the order, but ``msg_cd`` or the HTTP status says that KIS refused it. Or ``rt_cd``
    says that KIS refused it, but ``msg_cd`` or an order number says that KIS accepted it.
    """
    reply = decode_object(body, api.name, status)
    # Every reply of KIS's calls has it. A proxy, or another server at that address, sends JSON
    # without it.
    if "rt_cd" not in reply:
        raise FrameError(
            f"the reply to {api.name} is none of KIS's (HTTP {status})", "check the address"
        )
    _check_signs(api, reply, status)
    # A refused order comes with HTTP 200. A rate limit or an expired token comes with HTTP 500 and
    # the same body (replies to clients). So only rt_cd tells.
    if _text(reply["rt_cd"]) != "0":
        msg_cd = _text(reply.get("msg_cd"))
        words = _text(reply.get("msg1")).strip() or "KIS refused without a word"
        raise ApiError(
            f"{words} [{msg_cd or 'no code'}]", cure_of(msg_cd), msg_cd=msg_cd, status=status
        )
    # The documentation and the examples name some blocks differently (workbook).
    blocks = {
        b.name: _decode_rows(api, b, reply.get(b.name.lower()) or reply.get(b.also.lower()))
        for b in api.blocks
    }
    return ApiReply(
        api.name, blocks, tr_cont, tuple(_text(reply.get(name.lower())) for name in api.ctx)
    )


def _check_signs(api: Api, reply: Mapping[str, Any], status: int) -> None:
    """Raise FrameError when a reply does not say clearly whether the call went well."""
    rt_cd, msg_cd = _text(reply["rt_cd"]).strip(), _text(reply.get("msg_cd")).strip()
    if not rt_cd:
        raise FrameError(
            f"the reply to {api.name} does not say whether the call went well "
            f"[{msg_cd or 'no code'}]",
            "look at the orders of the day" if api.is_order else "ask again",
        )
    if not api.is_order:
        return
    # An order must not count as refused while a part of the reply says that KIS accepted it, nor
    # the other way round. Then the list of orders decides.
    numbered = any(row.get("odno") for row in _decode_rows(api, api.blocks[0], reply.get("output")))
    if rt_cd == "0":
        disagrees = status >= 400 or (msg_cd in CODES and msg_cd not in DONE)
    else:
        disagrees = msg_cd in DONE or numbered
    if disagrees:
        raise FrameError(
            f"the reply to {api.name} contradicts itself: rt_cd {rt_cd[:5]} with the code "
            f"{msg_cd[:10] or 'none'}{' and an order number' if numbered else ''}",
            "look at the orders of the day",
        )


def decode_object(body: bytes | str, what: str, status: int = 200) -> dict[str, Any]:
    """Read and return a JSON object, with lower-case names at its top level. Raises FrameError.

    KIS's documentation and its wire differ in the case of some keys.
    """
    try:
        # A body of thousands of brackets raises RecursionError, which must not end the desk.
        entries = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise FrameError(
            f"the reply to {what} cannot be read (HTTP {status}, {len(body)} long)", "ask again"
        ) from None
    return {name.lower(): value for name, value in entries.items()}


def _envelope(rt_cd: str, msg_cd: str, msg1: str) -> dict[str, Any]:
    return {"rt_cd": rt_cd, "msg_cd": msg_cd, "msg1": msg1.ljust(MSG1_WIDTH)}


def _encode_row(block: Block, empty: Mapping[str, str], row: Row) -> dict[str, str]:
    if not row.keys() <= empty.keys():
        unknown = row.keys() - empty.keys()
        raise KeyError(f"{block.name} has no field {', '.join(sorted(unknown))}")
    encoded = dict(empty)
    for name, value in row.items():
        encoded[name] = (
            # bool is a kind of int in Python. ``isinstance`` would send True instead of Y.
            value if type(value) is str else str(value) if type(value) is int else _encode(value)
        )
    return encoded


def _encode(value: object) -> str:
    if isinstance(value, bool):
        return "Y" if value else "N"
    # KIS writes rates with two decimals: -0.14 (workbook).
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _decode_rows(api: Api, block: Block, output: object) -> list[dict[str, str]]:
    """Return the rows of a block. Raises FrameError.

    An empty result may be absent, ``[]`` or ``{}``. A single row may come alone or in a list,
    whatever the documentation says (workbook against its own examples).
    """
    found: list[dict[str, str]] = []
    for row in output if isinstance(output, list) else [output] if output else []:
        if not isinstance(row, dict):
            raise FrameError(
                f"the {block.name} of the reply to {api.name} is not a table", "ask again"
            )
        if row:
            # The rows of a list have the same names, and a list may have hundreds of rows.
            names, values = _lower(tuple(row)), row.values()
            texts = values if set(map(type, values)) == _TEXTS else map(_text, values)
            found.append(dict(zip(names, texts, strict=True)))
    return found


_TEXTS = {str}


@lru_cache(maxsize=256)
def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a row's fields in lower case."""
    return tuple(name.lower() for name in names)


def _text(value: object) -> str:
    return "" if value is None else str(value)
