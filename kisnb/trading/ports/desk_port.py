"""The interface of the desk for a session. Except in tests it is always over the socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from kisnb.clock import Ns
from kisnb.events import Event, StockDay
from kisnb.market.costs import BANKIS, CostModel
from kisnb.orders import Capabilities
from kisnb.terms import Mode
from kisnb.trading.ports.commands import Command
from kisnb.trading.ports.journal_rows import Row, decode_rows
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import Query, R


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """The right of one session to run an agent."""

    agent: str
    session: str
    where: str
    """Notebook and process of the session, for people."""


class Back(msgspec.Struct, frozen=True):
    """The state of a session that attaches again after a desk's death.

    The default values are those of a new session.
    """

    session: str = ""
    run: str = ""
    # Event numbers begin again with each desk. Rows of the journal keep their numbers, so this
    # number tells the next desk which rows the session lacks.
    published: int = 0
    """Number of the newest journal row that the session has received."""
    agents: tuple[str, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The desk's state after event ``seq``. The next event is ``seq + 1``."""

    seq: int
    now: Ns
    mode: Mode
    label: str
    """The desk's label for people, such as ``"sim 2026-11-20 seed 1"``. No account number."""
    speed: float
    """Speed of the desk's clock; 0 means lockstep."""
    run: str
    capabilities: Capabilities
    limits: Limits
    first: int
    """Number of the row before the first row of ``journal``.

    The number of a published row never changes.
    """
    published: int
    """Number of the newest published row."""
    # The bytes are sent as they are in the desk's file. Decoding and encoding a day of rows again
    # would delay the desk's orders.
    journal: bytes
    """The rows after ``first`` as one JSON array, encoded as in the journal."""
    leases: tuple[Lease, ...] = ()
    stocks: tuple[StockDay, ...] = ()
    """The facts of stocks that KIS has stated. The journal does not keep them."""
    costs: CostModel = BANKIS
    """Commission and tax as the desk computes them."""

    def rows(self) -> list[Row]:
        """Return the rows of ``journal``. Raises ConfigError for a row this version cannot read."""
        return decode_rows(self.journal)


class Batch(Protocol):
    """Events ``first``, ``first + 1``, … The desk sent them when its clock was at ``now``."""

    @property
    def first(self) -> int:
        """Number of the first event."""
        ...

    @property
    def now(self) -> Ns:
        """The desk's clock when the batch was sent."""
        ...

    @property
    def events(self) -> Sequence[Event]:
        """The events, in order."""
        ...

    @property
    def published(self) -> int:
        """Number of the newest journal row that the session has received, with these events."""
        ...


# Two threads meet here. The I/O thread receives. The home thread, which runs the notebook's loop
# and its agents, applies. Only the home thread changes order books.
#
#     I/O thread   receives ──► keeps batches ──► calls the ``wake`` of ``on_ready``
#     home thread                     drain() ◄── ``wake`` lets it run, when the loop turns
#     any thread   send(), ask_blocking()         a halt must go out while a cell blocks the loop
class Desk(Protocol):
    """The link to a desk. Commands go in, events come out in order, and no event is lost."""

    @property
    def seq(self) -> int:
        """Number of the newest event that ``drain`` has returned."""
        ...

    @property
    def lost(self) -> bool:
        """True when the link to the desk is gone."""
        ...

    @property
    def last_received(self) -> Ns:
        """The desk's clock at the newest message that was received."""
        ...

    @property
    def silence(self) -> float | None:
        """Seconds of wall time for which the desk has not replied. None while it replies."""
        ...

    @property
    def process(self) -> int:
        """The process id of the desk."""
        ...

    @property
    def dismissed(self) -> bool:
        """True if the desk itself ended the link and said why. False if it died."""
        ...

    @property
    def session(self) -> str:
        """The desk's name for this session."""
        ...

    def send(self, commands: Sequence[Command]) -> None:
        """Send commands, in order, without waiting. May be called from any thread.

        Raises DeskLost.
        """
        ...

    def drain(self) -> Batch | None:
        """Remove and return the oldest batch that was not handled yet. None when there is none.

        Call it only in the home thread, which runs the notebook's loop.
        """
        ...

    def on_ready(self, wake: Callable[[], object]) -> None:
        """Register ``wake``: the I/O thread calls it when there is a batch to drain.

        It also calls it when the desk is lost.
        """
        ...

    def on_silence(self, changed: Callable[[], object]) -> None:
        """Register ``changed``: a thread calls it when the desk falls silent or replies again."""
        ...

    async def attach(self) -> Snapshot:
        """Connect, and return the desk's state.

        Raises DeskLost, and DeskError when the desk refuses.
        """
        ...

    async def ask(self, query: Query[R]) -> R:
        """Send a query and return the desk's reply. Raises the error that the reply names."""
        ...

    def ask_blocking(self, query: Query[R], timeout: float) -> R:
        """Send a query, wait up to ``timeout`` seconds for the reply, and return it.

        It works in any thread, without the notebook's loop. Raises TimeoutError.
        """
        ...

    def check(self) -> None:
        """Raise DeskLost when the link is gone."""
        ...

    def close(self) -> None:
        """End the link. The desk itself goes on."""
        ...
