"""The HALT file: while it exists in the state folder, every desk is halted.

Anybody who can write a file can halt the desks in this way: a script, a person at a shell of
another machine, and ``kisnb halt`` when a desk does not reply.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.errors import ConfigError
from kisnb.events import Trouble
from kisnb.paths import state_dir
from kisnb.trading.ports.commands import Halt

if TYPE_CHECKING:
    from kisnb.desk.run.host import DeskHost

HALT_FILE = "HALT"
CHECK_SECONDS = 0.25
MOST_CHARACTERS = 200
"""The most characters of the file's text that are used as the reason of the halt."""

log = logging.getLogger(__name__)


def halt_file() -> Path:
    """Return the path of the HALT file. Its text is the reason of the halt."""
    return state_dir() / HALT_FILE


class HaltFile:
    """Checks the file, and halts the desk while the file exists and the desk is not halted.

    It checks whether the file exists, not whether it has changed. So a file that was removed and
    written again between two checks halts as well.
    """

    def __init__(self, host: DeskHost, publish: Callable[[Trouble], None]) -> None:
        self._host = host
        self._publish = publish
        self._file = halt_file()
        self._task: asyncio.Task[None] | None = None
        self._unseen = ""
        """Why the file could not be checked. Empty: the last check succeeded."""
        self._is_kept = False
        """True if the desk cannot write its journal and has kept the halt in a file already."""

    def start(self) -> None:
        """Check now, and then four times a second."""
        self._check()
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="desk: HALT file")

    async def close(self) -> None:
        """End the checks."""
        if self._task is not None:
            self._task.cancel("the desk closes")
            await asyncio.gather(self._task, return_exceptions=True)

    def check_absent(self) -> None:
        """Raise ConfigError when the file exists, or cannot be checked."""
        try:
            exists = self._exists()
        except OSError as e:
            raise ConfigError(
                f"{self._file} cannot be checked ({e})", "make the state folder readable"
            ) from e
        if exists:
            raise ConfigError(f"the file {self._file} exists", "remove it first")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                self._check()
            except Exception as e:
                # Whatever the error is, the next check may succeed. If the watch ended, the file
                # would be overlooked.
                log.exception("the HALT file")
                self._report_unseen(repr(e))

    def _check(self) -> None:
        try:
            exists = self._exists()
        except OSError as e:
            self._report_unseen(str(e))
            return
        if self._unseen:
            self._unseen = ""
            self._report("the HALT file can be checked again")
        # A desk that can write needs no kept halt: its state says whether it is halted.
        if self._host.broken is None:
            self._is_kept = False
        if exists and not self._is_halted():
            self._is_kept = self._host.broken is not None
            self._host.submit(Halt(self._reason()))

    def _exists(self) -> bool:
        """Return whether the file exists. Raises OSError when that cannot be checked."""
        try:
            # A symbolic link to nothing counts too, because the person who made it wants a halt.
            self._file.lstat()
        except FileNotFoundError:
            return False
        return True

    def _is_halted(self) -> bool:
        # A pull whose steps are still under way counts as halted. Otherwise the file would pull
        # again at each check.
        return self._is_kept or self._host.core.state.coming_halt == "halted"

    def _reason(self) -> str:
        try:
            text = self._file.read_text("utf-8", errors="replace").strip()
        except OSError:
            # A file that cannot be read halts all the same. Only the reason is missing.
            text = ""
        return text[:MOST_CHARACTERS] or f"the file {HALT_FILE} exists in the state folder"

    def _report_unseen(self, why: str) -> None:
        """Report that the file cannot be checked, once for each reason."""
        if why != self._unseen:
            self._unseen = why
            self._report(
                f"the HALT file cannot be checked ({why}): it would not halt; "
                "use kisnb halt or the panel"
            )

    def _report(self, text: str) -> None:
        self._publish(Trouble(self._host.clock.now(), text))
