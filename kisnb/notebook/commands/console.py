"""Shows the results of commands: lines with the mode in front, alerts, tables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from kisnb.drawing.tables import badge_text
from kisnb.notebook.commands.current_session import CurrentSession
from kisnb.terms import Mode

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.orders import Order


class Console:
    """Shows the results of one shell's commands, with the mode of the open session."""

    def __init__(self, shell: InteractiveShell, current: CurrentSession) -> None:
        self._shell = shell
        self._current = current
        # The references are weak, so that a DataFrame that was shown once does not stay in memory
        # all day.
        self._frames: WeakValueDictionary[int, object] = WeakValueDictionary()
        """The DataFrames that commands returned, by id. They are shown with the mode above them."""

    @property
    def mode(self) -> Mode | None:
        """The mode of the open session. None when no session is open."""
        session = self._current.session
        return session.mode if session else None

    @property
    def doubt(self) -> str:
        """The reason why orders may differ from those shown, as a sentence.

        Empty when there is none.
        """
        session = self._current.session
        return session.status.doubt if session else ""

    def is_movable(self, order: Order) -> bool:
        """Return whether an order of the open session could be revised now."""
        session = self._current.session
        return session is not None and session.status.may_be_revised(order)

    def live_orders(self) -> list[Order]:
        """Return the orders of the running cell that are open or have fills."""
        session = self._current.session
        return session.hooks.orders_of_cell() if session else []

    def is_frame_of_command(self, value: object) -> bool:
        """Return whether a command returned this DataFrame."""
        # Python may give the id of a deleted value to a new one, so the values are compared as
        # well.
        return self._frames.get(id(value)) is value

    def keep_frame(self, value: object) -> None:
        """Remember a value that a command returned, if it is a polars DataFrame."""
        # The type is compared by its module, because polars is imported only where it is used.
        if type(value).__module__ == "polars.dataframe.frame":
            self._frames[id(value)] = value

    def show(self, value: object) -> None:
        """Show a result that is not the last value of its cell."""
        if value is not None:
            from IPython.display import display

            display(value)  # type: ignore[no-untyped-call]

    def say(self, text: str) -> None:
        """Print lines, each with the badge of the open session's mode in front."""
        for line in text.splitlines():
            print(f"{badge_text(self.mode)}{line}")

    def alert(self, text: str) -> None:
        """Print a line that a person must not overlook. May be called from any thread.

        It goes to stderr, which Jupyter shows in red below the newest cell.
        """
        print(f"{badge_text(self.mode)}{text}", file=sys.stderr, flush=True)

    def say_when_agents_stand_still(self) -> None:
        """Print a warning in a terminal whose prompt runs no event loop, when agents run.

        There, agents act only while a command runs.
        """
        shell, terminal = self._shell, sys.modules.get("IPython.terminal.interactiveshell")
        # A kernel runs its loop between cells. The module is only looked up, so that a kernel does
        # not import it.
        if terminal is None or not isinstance(shell, terminal.TerminalInteractiveShell):
            return
        if shell.active_eventloop == "asyncio" or not getattr(shell.parent, "interact", True):
            return
        # A simple prompt, as in Emacs, cannot run an event loop.
        cure = (
            "%kis until TIME lets them go on"
            if shell.simple_prompt
            else "type %gui asyncio, and they go on"
        )
        self.say(f"Agents stand still while this prompt waits; {cure}.")
