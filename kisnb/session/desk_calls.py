"""The calls of a session about its desk: time, journal, halt, arming, the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kisnb.clock import SECOND, Ns, kst, kst_day
from kisnb.events import HaltStep
from kisnb.market import sessions
from kisnb.session.moments.moment import Moment
from kisnb.session.parts import SessionCalls
from kisnb.session.typed_orders.pending import pending
from kisnb.trading.halt.halt_words import Trading
from kisnb.trading.ports.queries import JournalOf, TasksNow
from kisnb.values import seconds as read_seconds
from kisnb.values import text, time_of_day

if TYPE_CHECKING:
    import polars as pl


class DeskCalls(SessionCalls):
    """Calls of a session about its desk."""

    @property
    def now(self) -> Ns:
        """The session's clock, UTC nanoseconds: simulated time in sim."""
        return self._parts.state.now

    @property
    def today(self) -> date:
        """The Korean day of the session's clock."""
        return kst_day(self.now)

    @property
    def closed(self) -> bool:
        """True once the session has left its desk."""
        return self._parts.link.state.closed

    @property
    def troubles(self) -> list[str]:
        """The messages of the desk that a person should read, oldest first."""
        return self._parts.state.troubles

    @property
    def halt_state(self) -> str:
        """The trading state of the desk: active, reducing or halted."""
        return self._parts.state.halt_state

    @property
    def trading(self) -> Trading:
        """The trading state in a sentence. While the desk is out of reach, the last one known."""
        return self._parts.status.trading

    def capabilities(self) -> pl.DataFrame:
        """Return each call and channel of KIS, the server that serves it, and if it is offered.

        Columns: what (str), host (str: the mode of the server), offered (bool).
        """
        import polars as pl

        # Imported here, because a kernel needs KIS's catalogue for this call alone.
        from kisnb.kis.modes import capability_table

        mode = self._parts.state.mode
        quotes = self._parts.rules.capabilities.quotes or mode
        return pl.DataFrame(
            capability_table(mode, quotes), schema=["what", "host", "offered"], orient="row"
        )

    @pending
    async def journal(self) -> pl.DataFrame:
        """Return everything that the desk has journaled today, one row for each fact.

        ``journal_frame`` describes the columns.
        """
        from kisnb.desk.record.journal_frame import journal_frame

        # The desk says only where its file is, and the kernel reads the file itself. So a long
        # journal does not delay the desk's orders.
        reply = await self._parts.link.ask(JournalOf())
        return await asyncio.to_thread(journal_frame, Path(reply.path))

    @pending
    async def tasks(self) -> str:
        """Return the asyncio tasks of the desk and of this session as text, grouped by owner."""
        mine = [
            *self._parts.pace.task_names(),
            *(f"agent task of {a.id}" for a in self._parts.agents if a.state == "running"),
        ]
        desk = (await self._parts.link.ask(TasksNow())).text
        return "\n".join([desk, "session", *(f"  {name}" for name in sorted(mine))])

    # switches

    @pending
    async def halt(
        self, reason: str, *, state: Literal["reducing", "halted"] = "halted", flatten: bool = False
    ) -> list[HaltStep]:
        """Pull the kill switch. Return its steps when all are done.

        It blocks new orders, cancels all open ones, asks KIS until nothing is open, and sets the
        trading state. *halted* lets only cancels pass. *reducing* also lets sells pass, up to the
        shares that are held. A pull never changes *halted* back to *reducing*.

        ``flatten`` also sells all that is held, in either state, until KIS confirms that nothing is
        held. If something is still held after ten seconds, a step lists it, and the flatten goes
        on. ``resume`` ends the flatten.

        An interrupt ends only the wait: the desk carries out the halt all the same, even if it is
        just being started again. Raises BadInput.
        """
        return await self._parts.switches.halt(reason, state, flatten=flatten)

    @pending
    async def resume(self, reason: str, *, state: Literal["active", "reducing"] = "active") -> str:
        """Lift a halt, so that new orders pass again.

        With ``reducing``, only sells of held shares pass. While a flatten runs, this call ends only
        the flatten, and the halt stays. A second call lifts the halt. Return a sentence that says
        what was lifted or ended. Raises BadInput without a reason, ConfigError while the HALT file
        exists, DeskError while the desk cannot write its journal.
        """
        return await self._parts.switches.resume(reason, state)

    @pending
    async def arm(self, tail: str, minutes: int, budget: int) -> str:
        """Let buys pass at live, for ``minutes`` and up to ``budget`` won.

        Return a sentence about it. ``tail`` are the last four digits of the account; a person types
        them. 0 minutes disarm. A restart of the desk disarms too. Sim and paper need no arming.
        Raises BadInput.
        """
        return await self._parts.switches.arm(tail, minutes, budget)

    @pending
    async def accept(self, subject: str) -> str:
        """Replace a figure of the order books by KIS's, where the two differ.

        ``subject`` is the short code of a stock, or ``"cash"``. When KIS states fewer shares than
        the order books have, and no order explains the difference, the desk waits for this decision
        of a person. Return a sentence that says what was booked. Raises BadInput when the two
        figures do not differ.
        """
        return await self._parts.switches.accept(subject)

    # time

    def moment(self, when: str) -> Ns:
        """Return ``"09:10"`` or ``"close"`` of today (KST) as UTC nanoseconds. Raises BadInput."""
        when = text(when, "the time of day")
        return (
            sessions.regular_close(self.today)
            if when == "close"
            else kst(self.today, time_of_day(when, "or write close"))
        )

    @pending
    async def at(
        self,
        when: str | datetime,
        codes: str | Sequence[str] = (),
        *,
        tape: Path | str | None = None,
    ) -> Moment:
        """Return the market and the order books as of a moment.

        Write ``"09:31:05"`` or ``"2026-11-20 09:31"`` (KST). The market comes from the desk's tape
        of that day, the order books come from the desk's journal. With ``codes`` only these stocks
        are read, which is faster. ``tape`` names another tape, such as one of ``kisnb sim
        --record``; such a tape has no order books. If the moment lies in a gap of the tape, the
        field ``gap`` says so. Raises BadInput for a moment in the future, and for a moment that no
        tape has.
        """
        named = codes.replace(",", " ").split() if isinstance(codes, str) else codes
        return await self._parts.looking_back.at(when, named, tape)

    @pending
    async def until(self, when: str) -> None:
        """Wait until ``"09:10"`` or ``"close"`` of today (KST).

        A simulated clock runs to that moment as fast as all sessions can follow. If the moment is
        in the past, the call returns at once. Raises BadInput.
        """
        await self._parts.fast_forwards.until(self.moment(when))

    @pending
    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds`` on the session's clock. Raises BadInput."""
        # The clock counts whole nanoseconds, and a person may write 0.5.
        span = int(read_seconds(seconds, "the time to sleep") * SECOND)
        await self._parts.pace.until_time(self.now + span)

    # end

    @pending
    async def close(self) -> None:
        """Leave the desk. Agents of this session stop; their orders stay in the market."""
        self.leave()

    def leave(self) -> None:
        """Leave the desk as ``close`` does, for code that cannot await.

        Call it in the session's own thread.
        """
        self._parts.leave()
