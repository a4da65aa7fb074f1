"""Rows of the journal: facts of orders, notices that wait for their order, and the trading state.

The desk's state is the fold of these rows. The encoding is JSON, one array per row, its first item the fact's name,
so that a journal can be read with any SQLite shell.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from kisnb.errors import ConfigError
from kisnb.events import HaltSet, Notice, OrderFact

SCHEMA_VERSION = 1
Row: TypeAlias = OrderFact | Notice | HaltSet

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Row] = msgspec.json.Decoder(Row)


def encode_row(row: Row) -> bytes:
    return _encoder.encode(row)


def decode_row(body: bytes) -> Row:
    """Raises ConfigError for a row that this version cannot read."""
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as e:
        raise ConfigError(
            f"the journal holds a row that this version of kisnb cannot read ({e})",
            "use the version that wrote it, or move the journal away",
        ) from e


def row_key(row: Row) -> str:
    """The order that a row belongs to; empty for rows of the desk."""
    match row:
        case Notice() | HaltSet():
            return ""
        case _ if hasattr(row, "intent"):
            return row.intent.key
        case _:
            return row.key
