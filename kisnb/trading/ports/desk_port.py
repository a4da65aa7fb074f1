"""What a session holds of a desk. Over the socket always; in one process only in tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from kisnb.clock import Ns
from kisnb.events import Event
from kisnb.orders import Capabilities
from kisnb.terms import Mode
from kisnb.trading.ports.commands import Command
from kisnb.trading.ports.journal_rows import Row, decode_rows
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import Query, R


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """Where an agent runs."""

    agent: str
    session: str
    where: str
    """For people: notebook and process."""


class Back(msgspec.Struct, frozen=True):
    """What a session that comes back after a desk's death has already; the default has nothing."""

    session: str = ""
    run: str = ""
    published: int = 0
    """Number of the newest journal row that it was told."""
    agents: tuple[str, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The desk as of event ``seq``; events go on at ``seq + 1``."""

    seq: int
    now: Ns
    mode: Mode
    label: str
    """For people: ``"sim 2026-11-20 seed 1"``; never an account number."""
    speed: float
    """How fast the desk's clock runs; 0 means lockstep."""
    run: str
    capabilities: Capabilities
    limits: Limits
    first: int
    """Number of the row before the first of ``journal``; rows that sessions are told are numbered for good."""
    published: int
    """Number of the newest row."""
    journal: bytes
    """The rows after ``first`` as one JSON array, encoded as they stand in the journal."""
    leases: tuple[Lease, ...] = ()

    def rows(self) -> list[Row]:
        """Raises ConfigError for a row that this version cannot read."""
        return decode_rows(self.journal)


class Batch(Protocol):
    """Events ``first``, ``first + 1``, …, sent when the desk's clock stood at ``now``."""

    @property
    def first(self) -> int: ...

    @property
    def now(self) -> Ns: ...

    @property
    def events(self) -> Sequence[Event]: ...

    @property
    def published(self) -> int:
        """Number of the newest journal row that the session has been told, with these events."""
        ...


class Desk(Protocol):
    """Commands in, events out, in order, none lost."""

    @property
    def seq(self) -> int:
        """Number of the newest event drained."""
        ...

    @property
    def lost(self) -> bool: ...

    @property
    def last_received(self) -> Ns:
        """The desk's clock when it was heard last: what is known is known as of then."""
        ...

    @property
    def silence(self) -> float | None:
        """For how many seconds of wall time a desk that is there has not answered; None while it answers."""
        ...

    @property
    def process(self) -> int:
        """Its number among the processes of this machine."""
        ...

    @property
    def dismissed(self) -> bool:
        """The desk itself ended the link, and said why; else it died."""
        ...

    @property
    def session(self) -> str:
        """What the desk calls this session."""
        ...

    def send(self, commands: Sequence[Command]) -> None:
        """From any thread, never blocks, FIFO; raises DeskLost when the link is gone."""
        ...

    def drain(self) -> Batch | None:
        """The oldest batch that has not been handled, on the home thread only; None when there is none."""
        ...

    def on_ready(self, wake: Callable[[], object]) -> None:
        """``wake`` is called from the I/O thread when there is something to drain, or when the desk is lost."""
        ...

    def on_silence(self, changed: Callable[[], object]) -> None:
        """``changed`` is called from a thread when the desk falls silent, and when it answers again."""
        ...

    async def attach(self) -> Snapshot: ...

    async def ask(self, query: Query[R]) -> R:
        """The desk's reply; raises the error that it names."""
        ...

    def ask_blocking(self, query: Query[R], timeout: float) -> R:
        """As ``ask``, from any thread; needs nothing of the notebook's loop. Raises TimeoutError."""
        ...

    def check(self) -> None:
        """Raises DeskLost when the link is gone."""
        ...

    def close(self) -> None: ...
