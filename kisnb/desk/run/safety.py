"""Checks a person's decisions about a desk: lift a halt, arm it, accept a difference.

Each reply comes after the journal was written. While the journal cannot be written nothing is
lifted or armed, and the reply says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from kisnb import values
from kisnb.backoff import Backoff
from kisnb.clock import SECOND, WallClock, clock_text
from kisnb.config import raised
from kisnb.desk.run.halt_file import HaltFile
from kisnb.desk.run.host import DeskHost
from kisnb.errors import BadInput, DeskError, KisnbError
from kisnb.events import Event, HaltStep
from kisnb.terms import Mode
from kisnb.trading.halt.halt_words import unsold
from kisnb.trading.ports.queries import AcceptDifference, ArmDesk, LiftHalt, TasksNow
from kisnb.trading.ports.replies import Failed, TextReply

MOST_HOURS = 12
"""The most hours for which a desk can be armed: the length of a trading day."""
TAIL_DIGITS = 4
FREE_TRIES = 5
"""After this number of wrong entries arming pauses, so that a program cannot try all 10,000."""
PAUSES = Backoff.doubling(60.0, 3600.0)
"""Pauses of arming: a minute, doubled by each further wrong entry, at most an hour. Wall time."""

log = logging.getLogger(__name__)


class Tries:
    """Counts wrong entries of the account's last digits, and pauses arming after too many.

    Pauses are in wall time, because simulated time may jump.
    """

    def __init__(self) -> None:
        self._wrong = 0
        self._closed_until = 0.0
        """End of the pause, on the monotonic clock."""

    def check_open(self) -> None:
        """Raise BadInput during a pause."""
        left = self._closed_until - time.monotonic()
        if left > 0:
            until = clock_text(WallClock().now() + int((left + 1) * SECOND))
            raise BadInput(
                f"wrong account digits were entered {self._wrong} times",
                f"arm again at {until} KST",
            )

    def wrong(self) -> None:
        """Count a wrong entry, and begin a pause if there were too many."""
        self._wrong += 1
        if self._wrong >= FREE_TRIES:
            self._closed_until = time.monotonic() + PAUSES.pause(self._wrong - FREE_TRIES)

    def right(self) -> None:
        """Forget the wrong entries, because a right one came."""
        self._wrong = 0


class Safety:
    """Checks a person's decision and submits it to the core.

    ``is_tail`` returns whether a text is the last digits of the account. None: this desk needs no
    arming.
    """

    def __init__(
        self, host: DeskHost, mode: Mode, is_tail: Callable[[str], bool] | None, file: HaltFile
    ) -> None:
        self._host = host
        self._mode = mode
        self._is_tail = is_tail
        self._file = file
        self._tries = Tries()

    def reply(self, query: LiftHalt | ArmDesk | AcceptDifference | TasksNow) -> TextReply | Failed:
        """Carry out a query if it passes the checks.

        The reply says what was changed, or why nothing was.
        """
        try:
            match query:
                case LiftHalt():
                    return TextReply(self._lift(query))
                case ArmDesk():
                    return TextReply(self._arm(query))
                case AcceptDifference():
                    return TextReply(self._accept(query))
                case TasksNow():
                    return TextReply(task_tree("desk"))
        except KisnbError as e:
            return Failed(type(e).__name__, e.text, e.cure)

    def _submit(self, checked: LiftHalt | ArmDesk | AcceptDifference) -> None:
        """Submit a checked query to the core.

        Raises DeskError when it could not be journaled. Then it has no effect.
        """
        # The journal is checked before and after: if it breaks while it writes this row, the row is
        # not written.
        self._check_writable()
        self._host.submit(checked)
        self._check_writable()

    def _check_writable(self) -> None:
        broken = self._host.broken
        if broken is not None:
            raise DeskError(f"nothing was changed, and no order passes: {broken.text}", broken.cure)

    def _lift(self, query: LiftHalt) -> str:
        state, to = self._host.core.state, query.to
        query = msgspec.structs.replace(query, reason=query.reason.strip())
        if not query.reason:
            cure = "give a reason to lift the halt: %kis halt off the feed is back"
            raise BadInput("no reason was given", cure)
        self._check_writable()
        # A flatten is ended first, and the halt stays. So one call cannot both stop the sells and
        # let buys pass.
        if state.flatten_reason is not None:
            return self._end_flatten(query)
        # A HALT file that still exists would halt the desk again at the next check.
        self._file.check_absent()
        # The last steps of the kill switch set the state, and would undo a lift that comes now.
        if state.halting:
            raise BadInput(
                "the kill switch is still running", "wait until its last step (notify) is shown"
            )
        if state.halt in ("active", to):
            return f"nothing to lift: the desk is {state.halt}"
        was, why = state.halt, state.halt_reason
        self._submit(query)
        passes = (
            "new orders pass again"
            if to == "active"
            else "cancels, and sells up to the position, pass"
        )
        return f"lifted: {was} because of {why!r}; {passes}"

    def _end_flatten(self, query: LiftHalt) -> str:
        """End the flatten, and return a sentence about it.

        The halt stays. To lift it is a separate decision.
        """
        state = self._host.core.state
        left = unsold(state)
        self._submit(query)
        stays = f"the desk stays {state.coming_halt}; halt off REASON once more lifts that"
        text = f"the flatten is ended; {stays}"
        return f"{text}. {left}" if left else text

    def _accept(self, query: AcceptDifference) -> str:
        state, subject = self._host.core.state, query.subject.strip()
        drift = state.account_drift(subject)
        if drift is None:
            raise BadInput(
                f"KIS's figure of {subject} does not differ from the desk's",
                "name a stock for which the panel shows a difference, or cash",
            )
        self._submit(AcceptDifference(subject))
        unit = "won" if drift.what == "cash" else f"shares of {subject}"
        return f"accepted: {drift.theirs:,} {unit}, as KIS states; it was {drift.ours:,} here"

    def _arm(self, query: ArmDesk) -> str:
        if self._is_tail is None:
            return f"a {self._mode} desk trades without being armed"
        minutes = values.whole(query.minutes, "the minutes")
        budget = values.whole(query.budget, "the budget")
        if minutes == 0:
            self._submit(ArmDesk("", 0, 0))
            return "disarmed: buys are blocked; sells and cancels are allowed"
        self._check_size(minutes, budget)
        self._check_tail(values.text(query.tail, "the tail of the account"))
        until = self._host.clock.now() + minutes * 60 * SECOND
        # The core does not need the digits, and cannot reveal what it does not have.
        self._submit(ArmDesk("", minutes, budget, until))
        return f"{self._mode} is armed until {clock_text(until)} KST for buys of {budget:,} won"

    def _check_size(self, minutes: int, budget: int) -> None:
        """Raise BadInput for a time or a budget that is too small or too large."""
        if not 0 < minutes <= MOST_HOURS * 60:
            cure = f"give 1 to {MOST_HOURS * 60} minutes"
            raise BadInput(f"{minutes:,} minutes is not a valid arming time", cure)
        if budget <= 0:
            raise BadInput(
                f"{budget:,} won is not a valid budget", "give the won that buys may spend"
            )
        most = self._host.core.gate.limits.max_armed_budget
        if most is not None and budget > most:
            cure = f"give {most:,} or less, or {raised('max_armed_budget')}"
            raise BadInput(f"{budget:,} won is more than a live desk may be armed for", cure)

    def _check_tail(self, tail: str) -> None:
        """Raise BadInput if ``tail`` is not the account's last digits.

        During a pause, raise BadInput for the right digits too.
        """
        assert self._is_tail is not None
        # This is checked before the digits are compared, so that the right digits do not end a
        # pause.
        self._tries.check_open()
        if len(tail) != TAIL_DIGITS or not self._is_tail(tail):
            self._tries.wrong()
            log.warning("arming: a wrong tail of the account")
            self._tries.check_open()
            wrong = "these are not the last four digits of the account of this desk"
            raise BadInput(wrong, "check the account number and try again")
        self._tries.right()


def note(event: Event) -> None:
    """Write an event to the desk's log if it is a step of the kill switch."""
    if isinstance(event, HaltStep):
        log.warning(
            "kill switch: %s %s: %s", event.step, "done" if event.done else "FAILED", event.text
        )


def task_tree(root: str) -> str:
    """Return the running loop's tasks as text, grouped by their owners.

    A task's name is ``owner: what``. A task without such a name gets that of its coroutine.
    """
    owners: dict[str, list[str]] = {}
    for task in asyncio.all_tasks():
        name = task.get_name()
        if name.startswith("Task-"):
            name = getattr(task.get_coro(), "__qualname__", name).replace(".", ": ", 1)
        owner, colon, what = name.partition(": ")
        owners.setdefault(owner if colon else root, []).append(what if colon else owner)
    lines = [root]
    for owner, tasks in sorted(owners.items()):
        lines += [f"  {owner}", *(f"    {what}" for what in sorted(tasks))]
    return "\n".join(lines)
