"""The switches of a desk that a person turns: halt, resume, arm, accept."""

from __future__ import annotations

import asyncio
from typing import Literal

from kisnb.errors import DeskError, DeskLost, Interrupted
from kisnb.events import HaltStep
from kisnb.session.feed.link import Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.trading.ports.commands import Halt
from kisnb.trading.ports.queries import AcceptDifference, ArmDesk, LiftHalt
from kisnb.values import one_of, text, whole


class DeskSwitches:
    """Sends a person's halt, resume, arm and accept to the desk of a session."""

    def __init__(self, link: Link, state: SessionState, pace: Pace) -> None:
        self._link = link
        self._state = state
        self._pace = pace

    async def halt(
        self, reason: str, state: Literal["reducing", "halted"], *, flatten: bool
    ) -> list[HaltStep]:
        """Pull the kill switch, wait until it has ended, and return its steps.

        ``flatten`` True: also sell all that is held. Raises BadInput. Raises Interrupted when the
        wait is cancelled; the desk still carries out the halt.
        """
        end: Literal["reducing", "halted"] = one_of(
            state, ("reducing", "halted"), "state of a halt"
        )
        pull = Halt(text(reason, "the reason"), end, bool(flatten))
        self._link.home.check_loop()
        steps = self._state.halt_steps
        # An earlier pull has a last step too. Only the steps from here on belong to this pull.
        before = len(steps)
        # A pull that arrives twice does no harm: it never loosens the state.
        work = self._pace.carry_out(
            lambda: [pull], lambda: any(s.step == "notify" for s in steps[before:])
        )
        # A shielded task of its own: if the cell is interrupted, the pull must still reach a desk
        # that is just being started again.
        pulling = self._pace.task(work, "halt")
        try:
            await asyncio.shield(pulling)
        except asyncio.CancelledError:
            # The task ended in the same moment, or was itself cancelled. Then no halt is under way.
            if pulling.done():
                raise
            why, cure = (
                "the wait was interrupted; the halt goes on",
                "see how it ends with: kisnb desk status",
            )
            raise Interrupted(why, cure) from None
        return steps[before:]

    async def resume(self, reason: str, state: Literal["active", "reducing"]) -> str:
        """Lift a halt, or end a flatten. Return a sentence that says what was lifted or ended.

        Raises BadInput, ConfigError, DeskError.
        """
        to: Literal["active", "reducing"] = one_of(
            state, ("active", "reducing"), "state after a halt"
        )
        lift = LiftHalt(text(reason, "the reason"), to)
        try:
            # This query is never repeated. A desk may end a flatten and die before it replies. The
            # same query to the next desk would find no flatten, and lift the halt, which nobody
            # asked for.
            return (await self._link.ask_once(lift)).text
        except DeskLost:
            if self._link.state.is_over:
                raise
            now = self._state.trading.text
            why = f"the desk died while it was asked; the next one says: {now}"
            raise DeskError(why, "look whether that is what you want, and ask again") from None

    async def arm(self, tail: str, minutes: int, budget: int) -> str:
        """Let buys pass at live, for ``minutes`` and up to ``budget`` won.

        Return a sentence about it. ``tail`` are the last four digits of the account. Raises
        BadInput.
        """
        tail, minutes = text(tail, "the tail of the account"), whole(minutes, "the minutes")
        reply = await self._link.ask(ArmDesk(tail, minutes, whole(budget, "the budget in won")))
        return reply.text

    async def accept(self, subject: str) -> str:
        """Replace a figure of the order books by KIS's. Return a sentence about it.

        Raises BadInput.
        """
        return (await self._link.ask_once(AcceptDifference(text(subject, "the code")))).text
