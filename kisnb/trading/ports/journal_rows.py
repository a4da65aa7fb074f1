"""Rows of the journal: facts of orders, early notices, routing decisions, the trading state.

The desk's state is computed from these rows alone. Each row is one JSON array whose first item is
the fact's name, so that any SQLite shell can read a journal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from kisnb.errors import ConfigError
from kisnb.events import (
    AccountFact,
    AccountOpened,
    AgentArchived,
    AgentFact,
    AgentNoted,
    ControlFact,
    DriftCleared,
    DriftFound,
    ExitFact,
    ExternalFound,
    Fact,
    GuardsSet,
    HoldingAdopted,
    IntentTaken,
    Notice,
    OrderFact,
    PriceAlertSet,
    ProtectionSet,
)
from kisnb.market.routing.evidence import Evidence

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class RouteDecided(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The router's decision about an order: its venue, or why there is none, with all evidence.

    Sessions ask the desk for it. It is not published.
    """

    key: str
    evidence: Evidence


PublishedRow: TypeAlias = OrderFact | AccountFact | ControlFact | ExitFact | AgentFact
Row: TypeAlias = PublishedRow | Notice | RouteDecided
# Sessions get the facts that follow from a notice. A routing decision is long, and a session asks
# for the few that it needs.
DESK_ONLY = (Notice, RouteDecided)
"""Rows that no session receives. All other rows are published once they are synced."""
# It is a set of types, because every event is checked, ticks included, and a set is fastest.
_PUBLISHED: frozenset[type] = frozenset(Row.__args__) - frozenset(DESK_ONLY)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[list[Row]] = msgspec.json.Decoder(list[Row])


def is_published(event: object) -> TypeIs[PublishedRow]:
    """Return whether an event is a row of the journal that sessions receive."""
    return type(event) in _PUBLISHED


def encode_row(row: Row) -> bytes:
    """Return a row as JSON."""
    return _encoder.encode(row)


def decode_row(body: bytes) -> Row:
    """Return the row of a JSON array. Raises ConfigError as ``decode_rows`` does."""
    # This uses the list decoder, so that there is one decoder and one wording of its error.
    return decode_rows(array_of([body]))[0]


def array_of(bodies: Iterable[bytes]) -> bytes:
    """Return encoded rows as one JSON array."""
    return b"[" + b",".join(bodies) + b"]"


def decode_rows(array: bytes) -> list[Row]:
    """Return the rows of a JSON array. Raises ConfigError for a row this version cannot read."""
    try:
        return _decoder.decode(array)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        # A row is never skipped. A state without one row could lack a fill or a halt, and nobody
        # would notice.
        raise ConfigError(
            f"the journal holds a row that this version of kisnb cannot read ({e})",
            "use the version that wrote it, or move the journal away",
        ) from e


def row_key(row: Row) -> str:
    """Return the key of the order to which a row belongs. Empty for rows of desk and account."""
    match row:
        # A notice has a number and no key. It is journaled because its order is not known yet.
        case Notice() | AccountOpened() | DriftFound() | DriftCleared() | HoldingAdopted():
            return ""
        case ProtectionSet(protection=protection):
            return protection.key
        case PriceAlertSet(alert=alert):
            return alert.key
        case GuardsSet() | AgentNoted() | AgentArchived():
            return ""
        case _ if isinstance(row, ControlFact):
            return ""
        case IntentTaken(intent=intent) | ExternalFound(intent=intent):
            return intent.key
        case _:
            return row.key
