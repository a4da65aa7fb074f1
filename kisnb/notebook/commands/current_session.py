"""Keeps a notebook's open session: opens it, adopts it, and leaves it.

nothing open ──► open()      ``%kis open`` opens a session, or uses the open one of this kernel
             ──► adopt()     the notebook opened one itself with ``kisnb.connect``
open         ──► open()      another mode: the old session is closed once the new one is open
             ──► close()     ``%kis close``
             ──► detach()    the extension is unloaded
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from kisnb.errors import NotOpen
from kisnb.notebook.kernel.interrupt import InterruptGuard
from kisnb.notebook.kernel.loop_lag import LoopLagWatch
from kisnb.notebook.panels import DESK_PANEL
from kisnb.terms import Mode

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.session.session import Session


class CurrentSession:
    """The open session of one shell, and the event loop in which the session runs."""

    def __init__(self, shell: InteractiveShell, guard: InterruptGuard) -> None:
        """Begin without a session. ``guard`` makes the error that people see after an interrupt."""
        self.session: Session | None = None
        """The open session. None when none is open."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of the session that was opened last."""
        self.last_mode: Mode | None = None
        """The mode of the session that was opened last: ``%kis open`` alone opens it again."""
        self._shell = shell
        self._guard = guard
        self._lag: LoopLagWatch | None = None

    def require(self) -> Session:
        """Return the open session. Raises NotOpen."""
        # A cell may call `kisnb.connect` and then use a command. The hook of a new cell has not run
        # in between.
        self.adopt()
        if self.session is None or self.session.closed:
            raise NotOpen("No desk is open in this notebook", "Open one with %kis open sim")
        return self.session

    def adopt(self, _info: object = None) -> None:
        """Use the session that the notebook opened with ``kisnb.connect``, if none is open here."""
        if self.session is None or self.session.closed:
            session = _newest_session(self._shell)
            if session is not None:
                self._take(session)

    async def open(
        self,
        mode: str,
        *,
        quotes: str | None,
        seed: int | None,
        date: str | None,
        start: str | None,
        fresh: bool,
    ) -> Session:
        """Return the open session of this mode, or open a new one and return it.

        The session of another mode is closed. Options and errors are those of ``kisnb.connect``.
        """
        from kisnb.session.connect import connect

        session = await connect(mode, quotes=quotes, seed=seed, date=date, start=start, fresh=fresh)
        before = self.session
        if session is not before:
            # The old session is closed last, so it stays when the new one cannot be opened.
            if before is not None:
                await before.close()
            self._take(session)
        self._set_variable(session)
        return session

    async def close(self) -> None:
        """Leave the desk, if a session is open."""
        self._stop_lag_watch()
        # This comes first: a command that comes while the session closes must find no session.
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    def detach(self) -> None:
        """Leave the desk without waiting, and delete the variable ``session``."""
        self._stop_lag_watch()
        session, self.session = self.session, None
        if session is None:
            return
        session.leave()
        # A variable of this name that a person set stays.
        if self._shell.user_ns.get("session") is session:
            del self._shell.user_ns["session"]

    def _take(self, session: Session) -> None:
        self.session, self.last_mode = session, session.mode
        # Panels offer the agent classes among them.
        session.hooks.variables = self._shell.user_ns
        # The session's own waits, such as `await session.until(...)`, raise it too.
        session.hooks.on_interrupt(self._guard.error_for_people)
        # A script may adopt a session where no loop runs. Then no cell can block a loop.
        with suppress(RuntimeError):
            self.loop = asyncio.get_running_loop()
            self._stop_lag_watch()
            self._start_lag_watch(session, self.loop)

    def _set_variable(self, session: Session) -> None:
        from kisnb.session.session import Session

        known = self._shell.user_ns.get("session")
        # Only a session is replaced. Another value of this name may be a person's work.
        if known is None or isinstance(known, Session):
            self._shell.user_ns["session"] = session
        else:
            print(
                f"The variable session is a {type(known).__name__} of yours and stays so; "
                "the open session is get_ipython().kis.session"
            )

    def _start_lag_watch(self, session: Session, loop: asyncio.AbstractEventLoop) -> None:
        def on_blocked(where: str) -> None:
            # In lockstep the market waits for the notebook, so nothing is missed.
            if not session.status.runs_free:
                return
            session.hooks.blocked_by = where
            # This runs in the watch's thread while the loop is blocked. The import of the panel's
            # module may itself be the cause, so the module is only looked up.
            if (tell := getattr(sys.modules.get(DESK_PANEL), "tell_blocked", None)) is not None:
                tell(session, where)

        def on_over(where: str, seconds: float) -> None:
            if not session.hooks.blocked_by:
                return
            session.hooks.blocked_by = ""
            # The line goes to the troubles and is not printed, because it is not known below which
            # cell a print would appear.
            session.troubles.append(
                f"{session.status.clock_text()} the notebook's loop was blocked for "
                f"{seconds:.1f} s by {where}; agents of this notebook stood still, the desk went on"
            )
            session.hooks.changed()

        # IPython's table of the files that stand for cells. It separates lines of cells from lines
        # of libraries, because only a line of a cell helps the person.
        files: Mapping[str, object] = getattr(self._shell.compile, "_filename_map", {})
        self._lag = LoopLagWatch(loop, files.__contains__, on_blocked, on_over)
        self._lag.start()

    def _stop_lag_watch(self) -> None:
        if self._lag is not None:
            self._lag.stop()
            self._lag = None


def _newest_session(shell: InteractiveShell) -> Session | None:
    """Return the session that this kernel opened last. None when it has opened none.

    A kernel that opens none does not import the session's code.
    """
    # The module is looked up by name. An import here would make `%load_ext kisnb` slow for a
    # notebook that never opens a desk.
    loaded = sys.modules.get("kisnb.session.kernel")
    session: Session | None = loaded.KernelSessions.of(shell).newest() if loaded else None
    return session
