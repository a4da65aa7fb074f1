"""Rows of the journal: facts of orders, notices that wait for their order, routing decisions, the trading state.

The desk's state is the fold of these rows. The encoding is JSON, one array per row, its first item the fact's name,
so that a journal can be read with any SQLite shell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from kisnb.errors import ConfigError
from kisnb.events import (
    AccountFact,
    AccountOpened,
    ControlFact,
    DriftCleared,
    DriftFound,
    ExternalFound,
    Fact,
    HoldingAdopted,
    IntentTaken,
    Notice,
    OrderFact,
)
from kisnb.market.routing_evidence import Evidence

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class RouteDecided(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """Where an order was to go, or why nowhere, with all that was seen; read from the desk, not published."""

    key: str
    evidence: Evidence


Row: TypeAlias = OrderFact | AccountFact | ControlFact | Notice | RouteDecided
DESK_ONLY = (Notice, RouteDecided)
"""Rows that no session is told; all others are published once they are synced."""
_PUBLISHED: frozenset[type] = frozenset(Row.__args__) - frozenset(DESK_ONLY)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[list[Row]] = msgspec.json.Decoder(list[Row])


def is_published(event: object) -> TypeIs[OrderFact | AccountFact | ControlFact]:
    """Whether an event is a row of the journal that sessions are told."""
    return type(event) in _PUBLISHED


def encode_row(row: Row) -> bytes:
    return _encoder.encode(row)


def decode_row(body: bytes) -> Row:
    """As ``decode_rows``, of one row."""
    return decode_rows(array_of([body]))[0]


def array_of(bodies: Iterable[bytes]) -> bytes:
    """Encoded rows as one JSON array."""
    return b"[" + b",".join(bodies) + b"]"


def decode_rows(array: bytes) -> list[Row]:
    """The rows of a JSON array. Raises ConfigError for one that this version cannot read."""
    try:
        return _decoder.decode(array)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise ConfigError(
            f"the journal holds a row that this version of kisnb cannot read ({e})",
            "use the version that wrote it, or move the journal away",
        ) from e


def row_key(row: Row) -> str:
    """The order that a row belongs to; empty for rows of the desk and of the account."""
    match row:
        case Notice() | AccountOpened() | DriftFound() | DriftCleared() | HoldingAdopted():
            return ""
        case _ if isinstance(row, ControlFact):
            return ""
        case IntentTaken(intent=intent) | ExternalFound(intent=intent):
            return intent.key
        case _:
            return row.key
