"""``%kis`` and ``%%kis``: read a command, run its verb on the open session, in the cell's loop where that can be."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from collections.abc import Awaitable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from IPython.core.async_helpers import get_asyncio_loop
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.utils.text import DollarFormatter
from traitlets import TraitError, Unicode, validate

from kisnb.errors import BadInput, NotOpen
from kisnb.notebook.commands.grammar import Typed, parse, span
from kisnb.notebook.commands.verbs import Verb, find
from kisnb.notebook.commands.words import Comment, goes_on, split
from kisnb.notebook.kernel.call_stack import locals_of_user
from kisnb.notebook.kernel.interrupt import InterruptGuard, interrupted
from kisnb.notebook.kernel.loop_lag import LoopLagWatch
from kisnb.notebook.kernel.transform import awaits
from kisnb.notebook.panels import DESK_PANEL
from kisnb.notebook.rendering.tables import badge_text
from kisnb.session.typed_orders.magic_line import MagicLine, running
from kisnb.terms import Mode
from kisnb.values import narrow, tidy

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.orders import Order
    from kisnb.session.session import Session


@dataclass(frozen=True)
class Command:
    """A command that has been read: its verb, its words, and whether its result is shown."""

    verb: Verb
    typed: Typed
    silent: bool


@magics_class
class KisMagics(Magics):
    """The desk's commands in one shell. ``line`` and ``cell`` are what awaited magics call."""

    shell: InteractiveShell
    every = Unicode("1m", help="Length of bars in %kis bars and %kis chart without --every.").tag(
        config=True
    )

    @validate("every")
    def _every(self, proposal: dict[str, str]) -> str:
        try:
            return span(proposal["value"])
        except BadInput as error:
            raise TraitError(str(error)) from None

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.session: Session | None = None
        """The open session."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop that it lives in."""
        self.last_mode: Mode | None = None
        """Of the session that was opened last: what ``%kis open`` alone opens again."""
        self.guard = InterruptGuard(shell)
        self._is_loading = True
        """The cell that loads the extension still runs: it was compiled before kisnb could see it."""
        self._lag: LoopLagWatch | None = None
        self._frames: WeakValueDictionary[int, object] = WeakValueDictionary()
        """The polars frames that commands returned, by id: they are shown under the mode."""

    @line_magic("kis")  # type: ignore[arg-type]
    @no_var_expand
    def line_magic(self, text: str) -> object:
        """Trade, look, steer agents; ``%kis help`` lists the verbs."""
        return self._now([self._read(text)])

    @cell_magic("kis")  # type: ignore[arg-type]
    @no_var_expand
    def cell_magic(self, line: str, body: str) -> object:
        """Several commands, one a line."""
        return self._now([self._read(text) for text in _commands(line, body)])

    def line(self, text: str) -> Awaitable[object]:
        """The awaited twin of ``%kis``; what is wrong with ``text`` is raised at once."""
        return self._run([self._read(text)])

    def cell(self, line: str, body: str) -> Awaitable[object]:
        """The awaited twin of ``%%kis``."""
        return self._run([self._read(text) for text in _commands(line, body)])

    def loaded(self, _result: object = None) -> None:
        """The cell that loads the extension has ended: another one begins."""
        self._is_loading = False

    @property
    def user_ns(self) -> dict[str, Any]:
        namespace: dict[str, Any] = self.shell.user_ns
        return namespace

    @property
    def mode(self) -> Mode | None:
        """The mode of the session that is open; None without one."""
        return self.session.mode if self.session else None

    @property
    def doubt(self) -> str:
        """Why what is shown of the open session may not be so any more; empty while it is known."""
        return self.session.status.doubt if self.session else ""

    def movable(self, order: Order) -> bool:
        """Whether an order of the open session could be revised now."""
        return self.session is not None and self.session.status.may_be_revised(order)

    def live_orders(self) -> list[Order]:
        """The orders of the cell that runs now which live, or were filled."""
        return self.session.hooks.orders_of_cell() if self.session else []

    def require(self) -> Session:
        """The open session; raises NotOpen."""
        self.adopt()
        if self.session is None or self.session.closed:
            raise NotOpen("No desk is open in this notebook", "Open one with %kis open sim")
        return self.session

    def adopt(self, _info: object = None) -> None:
        """Take over the session that the notebook opened with ``kisnb.connect``."""
        if self.session is None or self.session.closed:
            session = _open_session(self.shell)
            if session is not None:
                self._take(session)

    async def open(self, mode: str, options: dict[str, object]) -> Session:
        """The session of this mode: the open one, else a new one; the session of another mode is closed then."""
        from kisnb.session.connect import connect

        session = await connect(mode, **options)  # type: ignore[arg-type]
        before = self.session
        if session is not before:
            # Opened before the other is closed: what cannot be opened takes nothing away.
            if before is not None:
                await before.close()
            self._take(session)
        self._name()
        return session

    def _watch_lag(self, session: Session, loop: asyncio.AbstractEventLoop) -> None:
        def blocked(where: str) -> None:
            # From the watch's thread, while the loop stands: what blocks may be the very import of the panel.
            session.hooks.blocked_by = where
            if (tell := getattr(sys.modules.get(DESK_PANEL), "tell_blocked", None)) is not None:
                tell(session, where)

        def over(where: str, seconds: float) -> None:
            session.hooks.blocked_by = ""
            session.troubles.append(
                f"{session.status.clock_text()} the notebook's loop was blocked for {seconds:.1f} s by {where}; "
                "agents of this notebook stood still, the desk went on"
            )
            session.hooks.changed()

        files: Mapping[str, object] = getattr(self.shell.compile, "_filename_map", {})
        self._lag = LoopLagWatch(loop, files.__contains__, blocked, over)
        self._lag.start()

    def _stop_lag(self) -> None:
        if self._lag is not None:
            self._lag.stop()
            self._lag = None

    async def close(self) -> None:
        """Leave the desk, when one is open."""
        self._stop_lag()
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    def detach(self) -> None:
        """Leave the desk without waiting, and take the variable ``session`` away."""
        self._stop_lag()
        session, self.session = self.session, None
        if session is not None:
            session.leave()
        if session is not None and self.user_ns.get("session") is session:
            del self.user_ns["session"]

    def _take(self, session: Session) -> None:
        self.session, self.last_mode = session, session.mode
        session.hooks.on_interrupt(self.guard.readable)
        with suppress(RuntimeError):
            self.loop = asyncio.get_running_loop()
            self._stop_lag()
            self._watch_lag(session, self.loop)

    def _name(self) -> None:
        from kisnb.session.session import Session

        known = self.user_ns.get("session")
        if known is None or isinstance(known, Session):
            self.user_ns["session"] = self.session
        else:
            print(
                f"The variable session is a {type(known).__name__} of yours and stays so; the open session is "
                "get_ipython().kis.session"
            )

    def gave(self, value: object) -> bool:
        """Whether a command returned this frame."""
        return self._frames.get(id(value)) is value

    def _mark(self, value: object) -> None:
        if type(value).__module__ == "polars.dataframe.frame":
            self._frames[id(value)] = value

    def say(self, text: str) -> None:
        """Print lines under the mode of the open session."""
        for line in text.splitlines():
            print(f"{badge_text(self.mode)}{line}")

    def say_when_agents_stand_still(self) -> None:
        """Say so in a terminal whose prompt turns no event loop: agents act there only while a command runs."""
        shell, terminal = self.shell, sys.modules.get("IPython.terminal.interactiveshell")
        if terminal is None or not isinstance(shell, terminal.TerminalInteractiveShell):
            return
        if shell.active_eventloop == "asyncio" or not getattr(shell.parent, "interact", True):
            return
        # A simple prompt, as in Emacs, takes no event loop.
        cure = (
            "%kis until TIME lets them go on"
            if shell.simple_prompt
            else "type %gui asyncio, and they go on"
        )
        self.say(f"Agents stand still while this prompt waits; {cure}.")

    def alert(self, text: str) -> None:
        """Print a line that must not be overlooked, from any thread: it comes under the newest cell."""
        print(f"{badge_text(self.mode)}{text}", file=sys.stderr, flush=True)

    def _door(self, verb: Verb) -> Session | None:
        """The session for a verb that needs one; a silent desk is named before the verb waits for it."""
        if not verb.needs_session:
            return None
        session = self.require()
        if session.status.silence:
            self.alert(session.status.silence)
        return session

    def code(self, text: str) -> str:
        """The code that ``text`` means: a code, a full Korean name, or a part of just one name. Raises BadInput."""
        universe, text = self.require().universe, narrow(text).strip()
        if text in universe:
            return text
        found = [i for i in universe.search(text) if text.casefold() in i.name.casefold()]
        exact = [i for i in found if i.name == text] or found
        if len(exact) > 1:
            shown = ", ".join(f"{i.code} {i.name}" for i in exact[:6])
            raise BadInput(
                f"{text!r} may be any of {len(exact)} issues", f"Write the code: {shown}"
            )
        return exact[0].code if exact else universe.get(text).code

    def _read(self, text: str) -> Command:
        call = text.strip()
        silent = call.endswith((";", "；"))
        call = call.rstrip("; ；")
        name, *words = split(self._expanded(call)) or ["help"]
        verb = find("help" if isinstance(name, Comment) else narrow(name).lower())
        typed = parse(verb.name, verb.usage, words, call)
        return Command(verb, typed, silent or typed.silent)

    def _expanded(self, call: str) -> str:
        if "{" not in call and "$" not in call:
            return call
        names = {**self.user_ns, **locals_of_user(self.user_ns)}
        try:
            expanded: str = DollarFormatter().vformat(call, [], names)
            return expanded
        except Exception as error:
            raise BadInput(
                f"%kis {call}: {error}", "Between braces stand variables of the notebook"
            ) from None

    async def _run(self, commands: list[Command]) -> object:
        value: object = None
        for line, command in _lines(commands):
            _show(value)
            value = await self._do(line, command)
        return value

    async def _do(self, line: MagicLine, command: Command) -> object:
        try:
            with running(line):
                value = command.verb.run(self, self._door(command.verb), command.typed)
                if inspect.isawaitable(value):
                    value = await value
        except asyncio.CancelledError as error:
            raise self.guard.readable(error) from None
        self._mark(value)
        return None if command.silent else value

    def _now(self, commands: list[Command]) -> object:
        value: object = None
        for line, command in _lines(commands):
            _show(value)
            value = self._do_now(line, command)
        return value

    def _do_now(self, line: MagicLine, command: Command) -> object:
        verb = command.verb
        if not verb.blocking:
            return self._run_to_end(verb, self._do(line, command))
        door = self._door(verb)
        with running(line):
            value = verb.run(self, door and door.blocking, command.typed)
        self._mark(value)
        return None if command.silent else value

    def _run_to_end(self, verb: Verb, work: Coroutine[Any, Any, object]) -> object:
        """Run ``work`` in the session's loop, which does not turn now. Raises BadInput where it does."""
        loop = self._resting_loop()
        if loop is None:
            work.close()
            raise BadInput(
                f"%kis {verb.name} has to be awaited, and here it cannot be", self._how_to_await()
            )
        task = loop.create_task(work)
        try:
            with self.guard.driving(loop, task):
                return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if not self.guard.asked:
                raise
            raise interrupted() from None
        except KeyboardInterrupt:
            # The task would stay half done, and go on with the next command.
            task.cancel()
            with suppress(BaseException):
                loop.run_until_complete(task)
            raise interrupted() from None

    def _resting_loop(self) -> asyncio.AbstractEventLoop | None:
        """The session's loop when nothing turns it: a terminal's between two commands, a script's. Else None."""
        if threading.current_thread() is not threading.main_thread() or not _is_outside_loops():
            return None
        lives = self.session is not None and not self.session.closed
        loop = self.loop if lives and self.loop is not None else get_asyncio_loop()  # type: ignore[no-untyped-call]
        return None if loop.is_running() or loop.is_closed() else loop

    def _how_to_await(self) -> str:
        """What a person does so that a command can be awaited."""
        if self._is_loading:
            return (
                "This cell loads kisnb: run it once more, or give %load_ext kisnb a cell of its own"
            )
        if not awaits(self.shell):
            runners = self.shell.loop_runner_map.items()
            name = next(
                (name for name, (run, _) in runners if run is self.shell.loop_runner),
                "another loop",
            )
            how = f"set to {name}" if self.shell.autoawait else "off"
            return f"%autoawait is {how} here: type %autoawait asyncio first"
        return "Write it at the top level of a cell: not in a def or class body, not after %time"


def _is_outside_loops() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def _open_session(shell: InteractiveShell) -> Session | None:
    """The newest session that this kernel opened; what opens none imports nothing."""
    loaded = sys.modules.get("kisnb.session.kernel")
    session: Session | None = loaded.KernelSessions.of(shell).newest() if loaded else None
    return session


def _commands(line: str, body: str) -> list[str]:
    """The commands of ``%%kis``: its own line and the lines below, without blank ones and comments.

    A line that ends with a backslash goes on in the next one, as in Python. A comment ends with its line.
    """
    commands: list[str] = []
    continued = False
    for text in [line, *body.splitlines()]:
        if continued:
            commands[-1] += f"\n{text}"
        elif text.strip() and not tidy(text).lstrip().startswith("#"):
            commands.append(text)
        continued = goes_on(text)
    return commands


def _lines(commands: Sequence[Command]) -> Iterator[tuple[MagicLine, Command]]:
    """The commands with what their calls are to know of them; all but the last are shown by the magic itself."""
    for n, command in enumerate(commands):
        yield MagicLine(command.typed.call, n, n < len(commands) - 1, command.silent), command


def _show(value: object) -> None:
    if value is not None:
        from IPython.display import display

        display(value)  # type: ignore[no-untyped-call]
