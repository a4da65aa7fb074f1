"""Connects ``%kis`` and ``%%kis`` to IPython.

Its parts, none of which knows this module:

    CurrentSession    the open session, and its event loop
    Console           shows the results of commands
    reading           turns the text of a command into a verb and its words
    CommandRunner     awaits a command, or runs it to its end
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import TraitError, Unicode, validate

from kisnb.errors import BadInput
from kisnb.notebook.commands.console import Console
from kisnb.notebook.commands.current_session import CurrentSession
from kisnb.notebook.commands.reading import Command, commands_of_cell, read_command
from kisnb.notebook.commands.running import CommandRunner
from kisnb.notebook.kernel.interrupt import InterruptGuard

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.session.session import Session


@magics_class
class KisMagics(Magics):
    """The desk's commands in one shell. Awaited magics call ``line`` and ``cell``."""

    shell: InteractiveShell
    every = Unicode("1m", help="Length of bars in %kis bars and %kis chart without --every.").tag(
        config=True
    )

    @validate("every")
    def _every(self, proposal: dict[str, str]) -> str:
        from kisnb.notebook.commands.word_readers import span

        try:
            return span(proposal["value"])
        except BadInput as error:
            # %config shows an error of this type in one line, and any other as a traceback.
            raise TraitError(str(error)) from None

    def __init__(self, shell: InteractiveShell) -> None:
        # The parts below read `every`, so traitlets must set it up first.
        super().__init__(shell)
        self.guard = InterruptGuard(shell)
        self.current = CurrentSession(shell, self.guard)
        self.console = Console(shell, self.current)
        self.runner = CommandRunner(
            shell, self.current, self.console, self.guard, lambda: str(self.every)
        )

    @property
    def session(self) -> Session | None:
        """The open session. None when no session is open."""
        return self.current.session

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which the session runs."""
        return self.current.loop

    @line_magic("kis")  # type: ignore[arg-type]
    # IPython would expand `{}` and `$` itself, and leave unknown names as they are. `reading`
    # expands them instead, and its error names the command.
    @no_var_expand
    def line_magic(self, text: str) -> object:
        """Place orders, show data and control agents; ``%kis help`` lists the verbs."""
        return self.runner.run_now([self._read(text)])

    @cell_magic("kis")  # type: ignore[arg-type]
    @no_var_expand
    def cell_magic(self, line: str, body: str) -> object:
        """Run several commands, one per line."""
        return self.runner.run_now(self._read_cell(line, body))

    def line(self, text: str) -> Awaitable[object]:
        """Return an awaitable that runs the text after ``%kis``.

        Wrong words raise BadInput right here, before it is awaited.
        """
        return self.runner.run([self._read(text)])

    def cell(self, line: str, body: str) -> Awaitable[object]:
        """Return an awaitable that runs the commands of a ``%%kis`` cell.

        Wrong words raise BadInput right here, before it is awaited.
        """
        return self.runner.run(self._read_cell(line, body))

    def _read(self, text: str) -> Command:
        return read_command(text, self.shell)

    def _read_cell(self, line: str, body: str) -> list[Command]:
        return [self._read(text) for text in commands_of_cell(line, body)]
