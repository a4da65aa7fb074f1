"""Reads a session's message piece by piece when it cannot be read as a whole.

One wrong value must not disconnect a session. What can be read of its message is carried out,
and what cannot is refused alone.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from kisnb.trading.ports.commands import Command


class RawCommands(msgspec.Struct, frozen=True, tag="Commands", array_like=True):
    """Commands that have not been read."""

    commands: tuple[msgspec.Raw, ...]


class RawQuery(msgspec.Struct, frozen=True, tag="QueryAsked", array_like=True):
    """A query that has not been read."""

    number: int
    query: msgspec.Raw


class Unreadable(NamedTuple):
    """A command or a query that cannot be read."""

    name: str
    """Its class as the session wrote it; empty when not even that can be read."""
    why: str
    key: str = ""
    """Key of the order that it meant to place, revise or cancel; empty for others."""
    cancels: bool = False
    """It meant to cancel the order, which lives on."""

    @property
    def text(self) -> str:
        """The sentence for people that says what was wrong."""
        return f"the desk could not read {self.name or 'a message'}: {self.why}"


Piece: TypeAlias = Command | Unreadable

_parts = msgspec.msgpack.Decoder(RawCommands | RawQuery)
_command = msgspec.msgpack.Decoder(Command)


def parts_of(body: bytes) -> RawCommands | RawQuery | None:
    """Return the message with its parts unread; None when it is not a message."""
    try:
        message: RawCommands | RawQuery = _parts.decode(body)
    except Exception:
        return None
    return message


def pieces(raw_commands: RawCommands) -> list[Piece]:
    """Return the commands in order, with an Unreadable in the place of each that cannot be read."""
    return [_piece(raw) for raw in raw_commands.commands]


def unreadable(raw: msgspec.Raw, error: Exception) -> Unreadable:
    """Return what can be known of a command or a query that cannot be read."""
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
            # The name comes from outside and goes into a sentence for people.
            return Unreadable(name[:40], str(error))
    return Unreadable("", str(error))


def _piece(raw: msgspec.Raw) -> Piece:
    try:
        command: Command = _command.decode(raw)
    # A text that is not UTF-8, or nested too deep, raises errors of its own.
    except Exception as e:
        return unreadable(raw, e)
    return command
