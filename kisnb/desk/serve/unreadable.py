"""Reads a session's message piece by piece when it cannot be read as a whole.

One wrong value must not disconnect a session. The readable commands of its message are carried out,
and only the others are refused.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from kisnb.trading.ports.commands import Command


class RawCommands(msgspec.Struct, frozen=True, tag="Commands", array_like=True):
    """Commands in encoded form."""

    commands: tuple[msgspec.Raw, ...]


class RawQuery(msgspec.Struct, frozen=True, tag="QueryAsked", array_like=True):
    """A query in encoded form."""

    number: int
    query: msgspec.Raw


class Unreadable(NamedTuple):
    """A command or a query that cannot be read."""

    name: str
    """The class name that the session sent. Empty when even that cannot be read."""
    why: str
    key: str = ""
    """Key of the order that the command would place, revise or cancel.

    Empty: it is no such command.
    """
    cancels: bool = False
    """True if the command would cancel the order. Then the order stays in the market."""

    @property
    def text(self) -> str:
        """A sentence for people: which value was wrong."""
        return f"the desk could not read {self.name or 'a message'}: {self.why}"


Piece: TypeAlias = Command | Unreadable

_parts = msgspec.msgpack.Decoder(RawCommands | RawQuery)
_command = msgspec.msgpack.Decoder(Command)


def parts_of(body: bytes) -> RawCommands | RawQuery | None:
    """Decode only the outer message, and return it. None when it is not a message."""
    try:
        message: RawCommands | RawQuery = _parts.decode(body)
    except Exception:
        return None
    return message


def pieces(raw_commands: RawCommands) -> list[Piece]:
    """Return the commands in order, with an Unreadable for each one that cannot be read."""
    return [_piece(raw) for raw in raw_commands.commands]


def unreadable(raw: msgspec.Raw, error: Exception) -> Unreadable:
    """Return the name and the order's key of an unreadable message, as far as they are readable."""
    try:
        parts = msgspec.msgpack.decode(raw)
    except Exception:
        parts = None
    match parts:
        case [("Submit" | "ReviseOrder") as name, {"key": str(key)}, *_]:
            return Unreadable(name, str(error), key)
        case ["CancelOrder" as name, str(key), *_]:
            return Unreadable(name, str(error), key, cancels=True)
        case [str(name), *_]:
            # The name comes from outside, and is shown in a sentence for people.
            return Unreadable(name[:40], str(error))
    return Unreadable("", str(error))


def _piece(raw: msgspec.Raw) -> Piece:
    try:
        command: Command = _command.decode(raw)
    # A text that is not UTF-8, or nested too deep, raises errors of its own.
    except Exception as e:
        return unreadable(raw, e)
    return command
