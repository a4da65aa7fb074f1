"""What a person may decide about a desk besides orders: lift a halt, arm it, halt it by a file, see its tasks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from kisnb import values
from kisnb.clock import SECOND, WallClock, clock_text
from kisnb.config import raised
from kisnb.desk.host import DeskHost
from kisnb.errors import BadInput, ConfigError, KisnbError
from kisnb.events import Event, HaltStep
from kisnb.paths import state_dir
from kisnb.terms import Mode
from kisnb.trading.commands import Arm, ArmDesk, Failed, Halt, LiftHalt, SetHalt, TasksNow, Told

HALT_FILE = "HALT"
LOOK_SECONDS = 0.25
MOST_HOURS = 12
"""An arming is for a trading day at most."""
TAIL_DIGITS = 4
FREE_TRIES = 5
"""Wrong tails after which arming pauses: a program must not try all ten thousand."""
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
"""Seconds of wall time. Each further wrong tail doubles the pause."""

log = logging.getLogger(__name__)


def halt_file() -> Path:
    """While it stands in the state folder every desk is halted; its text is the reason."""
    return state_dir() / HALT_FILE


class Tries:
    """Counts wrong tails, and pauses arming after too many. Wall time: simulated time may jump."""

    def __init__(self) -> None:
        self._wrong = 0
        self._closed_until = 0.0
        """When the pause ends, monotonic."""

    def check_open(self) -> None:
        """Raises BadInput during a pause."""
        left = self._closed_until - time.monotonic()
        if left > 0:
            until = clock_text(WallClock().now() + int((left + 1) * SECOND))
            raise BadInput(f"{self._wrong} wrong tails were typed", f"arm again at {until} KST")

    def wrong(self) -> None:
        """Note a wrong tail."""
        self._wrong += 1
        if self._wrong >= FREE_TRIES:
            pause = FIRST_PAUSE * 2 ** min(self._wrong - FREE_TRIES, 10)
            self._closed_until = time.monotonic() + min(pause, LONGEST_PAUSE)

    def right(self) -> None:
        """Forget the wrong ones."""
        self._wrong = 0


class Safety:
    """``is_tail`` says whether these are the last digits of the account; None where no arming is needed."""

    def __init__(self, host: DeskHost, mode: Mode, is_tail: Callable[[str], bool] | None) -> None:
        self._host = host
        self._mode = mode
        self._is_tail = is_tail
        self._watching: asyncio.Task[None] | None = None
        self._file = halt_file()
        self._seen = False
        self._tries = Tries()

    def start(self) -> None:
        """Halt at once when the file stands, and whenever it comes."""
        self._look()
        self._watching = asyncio.get_running_loop().create_task(self._watch(), name="desk: HALT file")

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel("the desk closes")
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._look()

    def _look(self) -> None:
        stands = self._file.exists()
        if stands and not self._seen:
            self._host.say(Halt(self._reason()))
        self._seen = stands

    def _reason(self) -> str:
        try:
            text = self._file.read_text("utf-8", errors="replace").strip()
        except OSError:
            text = ""
        return text[:200] or f"the file {HALT_FILE} stands in the state folder"

    def answer(self, query: LiftHalt | ArmDesk | TasksNow) -> Told | Failed:
        try:
            match query:
                case LiftHalt(reason=reason):
                    return Told(self._lift(reason.strip()))
                case ArmDesk():
                    return Told(self._arm(query))
                case TasksNow():
                    return Told(task_tree("desk"))
        except KisnbError as e:
            return Failed(type(e).__name__, e.text, e.cure)

    def _lift(self, reason: str) -> str:
        state = self._host.core.state
        if not reason:
            raise BadInput("a halt is lifted with a reason", "write for example %kis halt off the feed is back")
        if self._file.exists():
            raise ConfigError(f"the file {self._file} stands", "remove it first")
        if state.halting:
            raise BadInput("the kill switch is still at work", "wait for its last step, notify")
        if state.halt == "active":
            return "nothing to lift: the desk is active"
        was, why = state.halt, state.halt_reason
        self._host.say(SetHalt("active", reason))
        return f"lifted: {was} because of {why!r}; new orders pass again"

    def _arm(self, query: ArmDesk) -> str:
        if self._is_tail is None:
            return f"a {self._mode} desk trades without being armed"
        minutes = values.whole(query.minutes, "the minutes")
        budget = values.whole(query.budget, "the budget")
        if minutes == 0:
            self._host.say(Arm(0, 0))
            return "disarmed: no buy passes, exits and cancels do"
        self._check_size(minutes, budget)
        self._check_tail(values.text(query.tail, "the tail of the account"))
        until = self._host.clock.now() + minutes * 60 * SECOND
        self._host.say(Arm(until, budget))
        return f"{self._mode} is armed until {clock_text(until)} KST for buys of {budget:,} won"

    def _check_size(self, minutes: int, budget: int) -> None:
        """Raises BadInput for a time or a budget that is too small or too large."""
        if not 0 < minutes <= MOST_HOURS * 60:
            cure = f"give 1 to {MOST_HOURS * 60} minutes"
            raise BadInput(f"{minutes:,} minutes is no time to be armed", cure)
        if budget <= 0:
            raise BadInput(f"{budget:,} won is no budget", "give the won that buys may spend")
        most = self._host.core.gate.limits.max_armed_budget
        if most is not None and budget > most:
            cure = f"give {most:,} or less, or {raised('max_armed_budget')}"
            raise BadInput(f"{budget:,} won is more than a live desk may be armed for", cure)

    def _check_tail(self, tail: str) -> None:
        """Raises BadInput for a wrong tail, and for any tail after too many wrong ones."""
        assert self._is_tail is not None
        self._tries.check_open()
        if len(tail) != TAIL_DIGITS or not self._is_tail(tail):
            self._tries.wrong()
            log.warning("arming: a wrong tail of the account")
            self._tries.check_open()
            wrong = "these are not the last four digits of the account of this desk"
            raise BadInput(wrong, "look at the account")
        self._tries.right()


def note(event: Event) -> None:
    """Steps of the kill switch stand in the desk's log too."""
    if isinstance(event, HaltStep):
        log.warning("kill switch: %s %s: %s", event.step, "done" if event.done else "FAILED", event.text)


def task_tree(root: str) -> str:
    """The running loop's tasks under their owners, as text: a task's name is ``owner: what``, else its code says it."""
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
