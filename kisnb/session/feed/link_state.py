"""The state of a session's link to its desk, and the sentences that describe it to people."""

from __future__ import annotations

import asyncio

from kisnb.clock import Ns, clock_text
from kisnb.errors import DeskLost
from kisnb.trading.halt.halt_words import Trading
from kisnb.trading.ports.desk_port import Desk


class LinkState:
    """The state of one link. ``Link`` changes it; only ``stream_lost`` is set by the pump."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        """The current desk."""
        self.stream_lost: Ns | None = None
        """The moment since which the desk receives nothing from KIS. None while it receives."""
        self.returning: asyncio.Task[None] | None = None
        """The task that waits for the next desk. None when no next desk is awaited."""
        self.returns = 0
        """Number of times that the session attached to a next desk."""
        self.given_up: DeskLost | None = None
        """The reason why no next desk comes. None while one may come."""
        self.closed = False
        """True once the session has left its desk."""

    @property
    def is_silent(self) -> bool:
        """True while the desk runs but does not answer."""
        return self.desk.silence is not None

    @property
    def is_returning(self) -> bool:
        """True while the desk is dead and the next one is awaited."""
        return self.returning is not None

    @property
    def is_over(self) -> bool:
        """True when the session was closed, or when no next desk comes."""
        return self.closed or self.given_up is not None

    @property
    def text(self) -> str:
        """The state in words:

        ``"up"``, ``"down"``, ``"desk silent"``, ``"desk restarting"``, ``"desk lost"``. Down means:
        the desk receives nothing from KIS.
        """
        # The worst state comes first: a dead desk is silent as well.
        if self.given_up is not None:
            return "desk lost"
        if self.is_returning:
            return "desk restarting"
        if self.is_silent:
            return "desk silent"
        return "up" if self.stream_lost is None else "down"

    @property
    def silence(self) -> str:
        """A sentence for people: since when the desk does not answer, and what to do.

        Empty while it answers.
        """
        seconds = self.desk.silence
        if seconds is None:
            return ""
        pid, since = self.desk.process, clock_text(self.desk.last_received)
        return (
            f"The desk (process {pid}) has not answered for {seconds:.0f} s. What is shown is as "
            f"of {since}; what was handed over before waits, and goes on once when the desk "
            "answers; new orders are refused. If it stays silent, "
            f"kill -9 {pid}: the next desk goes on from the journal."
        )

    @property
    def doubt(self) -> str:
        """The reason why orders and positions may differ from those shown, and since when.

        Empty when there is no such reason.
        """
        since = self.desk.last_received
        if self.closed:
            why = "the session was closed"
        elif self.given_up is not None:
            why = self.given_up.text
        elif self.is_returning:
            why = "the desk died and is being started again"
        elif self.is_silent:
            why = f"the desk (process {self.desk.process}) does not answer"
        elif self.stream_lost is not None:
            since, why = self.stream_lost, "the desk has lost its stream from KIS"
        else:
            return ""
        return f"not confirmed since {clock_text(since)}: {why[:1].lower()}{why[1:]}"

    @property
    def not_taken(self) -> str:
        """A sentence for people: the desk does not answer, and nothing was sent."""
        seconds = self.desk.silence or 0
        return (
            f"the desk (process {self.desk.process}) has not answered for {seconds:.0f} s; "
            "nothing was sent"
        )

    def confirmed(self, known: Trading) -> Trading:
        """Return the trading state ``known``.

        While the desk is out of reach, its text says that this is the last known state.
        """
        if not (self.is_over or self.is_returning or self.is_silent):
            return known
        return known.last_known(clock_text(self.desk.last_received))
