"""The bodies of the control requests. Unknown fields are ignored."""

from __future__ import annotations

from typing import Literal

import msgspec

from kisnb.clock import Ns
from kisnb.exchange.halts import Level
from kisnb.terms import Board, Side, Venue


class StepWanted(msgspec.Struct, frozen=True):
    """Body of ``step``: move the clock to the next frame, but not past ``until`` (UTC ns)."""

    until: Ns
    port: int | None = None
    """TCP port of the client's end of a socket. None skips the check of ``frames``."""
    frames: int = 0
    """Number of frames that the client has received on that socket.

    If more were sent, the clock waits.
    """


class SpeedWanted(msgspec.Struct, frozen=True):
    """Body of ``speed``: simulated seconds per second, or ``step`` for lockstep."""

    speed: Literal["step"] | float


class TradeWanted(msgspec.Struct, frozen=True):
    """Body of ``trade``: shares, and a price in won. None as ``price``: a market order."""

    code: str
    side: Side
    qty: int
    price: int | None = None
    venue: Venue = Venue.KRX


class Interrupt(msgspec.Struct, frozen=True):
    """Body of ``halt`` and ``resume``: the stock."""

    code: str


class Break(msgspec.Struct, frozen=True):
    """Body of ``break``: the board whose circuit breaker is set off, and its level from 1 to 3."""

    board: Board
    level: Level = 1


class CancelWanted(msgspec.Struct, frozen=True):
    """Body of ``cancel``: the order's number and shares. None as ``qty``: all leaves."""

    number: int
    qty: int | None = None


class Cut(msgspec.Struct, frozen=True):
    """Body of ``cut``: the connection to end."""

    port: int | None = None
    """TCP port of the client's end. None ends all connections."""
