"""Keeps the sessions that are opened in an IPython kernel, one for each mode.

It works with and without the extension. A cell that opens a session and is run again gets the
session that is open already. The line of an order, and that of a closing session, is printed below
the cell that runs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kisnb.session.session import Session
from kisnb.session.typed_orders.cells import Cells
from kisnb.terms import Mode

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class KernelSessions:
    """The open sessions of one shell, one for each mode."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.cells = Cells.of(shell)
        self._open: dict[Mode, Session] = {}
        self._locks: dict[Mode, asyncio.Lock] = {}

    @classmethod
    def of(cls, shell: InteractiveShell) -> KernelSessions:
        """Return the sessions of this shell. The first call makes them."""
        known = _known.get(id(shell))
        if known is None:
            known = _known[id(shell)] = cls(shell)
        return known

    def lock(self, mode: Mode) -> asyncio.Lock:
        """Return the lock of a mode. Hold it while a session of this mode is opened.

        With it two cells that connect at once get one session.
        """
        return self._locks.setdefault(mode, asyncio.Lock())

    def open(self, mode: Mode) -> Session | None:
        """Return the session of a mode that is open already. None when there is no usable one."""
        session = self._open.get(mode)
        # A session whose desk is lost for good is not returned, so that the cell that connects gets
        # a new desk.
        usable = session is not None and not session.closed and session.status.link != "desk lost"
        return session if usable else None

    def newest(self) -> Session | None:
        """Return the session that was opened last. None when no session can be used."""
        return next(
            (s for mode in reversed(self._open) if (s := self.open(mode)) is not None), None
        )

    def adopt(self, session: Session) -> None:
        """Connect a new session to its kernel. It replaces the last session of the same mode."""
        # The mode is removed and added again, because ``newest`` reads the dict's order, and a key
        # keeps its first place.
        self._open.pop(session.mode, None)
        self._open[session.mode] = session
        badge = session.mode.badge
        session.hooks.alert = lambda text: print(f"{badge}{text}", file=sys.stderr, flush=True)
        session.hooks.say = lambda text: print(f"{badge}{text}")
        # Each session acquires the cells once. When the last session closes, the hooks leave
        # IPython.
        self.cells.acquire()

        def closed(agents: Sequence[str]) -> None:
            self.cells.release()
            # The mode may have its next session already, as after ``replace``.
            if self._open.get(session.mode) is session:
                del self._open[session.mode]
            if agents:
                names = ", ".join(agents)
                print(f"{badge}Stopped with the session: {names}. Their orders stay in the market.")

        session.hooks.on_close = closed

    async def replace(self, session: Session) -> None:
        """Make a session the open session of its mode, and close the session that it replaces."""
        # Closing comes last, because it may wait. A cell that connects meanwhile gets the new
        # session.
        before = self._open.pop(session.mode, None)
        self.adopt(session)
        if before is not None:
            await before.close()


_known: dict[int, KernelSessions] = {}
