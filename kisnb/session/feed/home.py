"""The process and the event loop in which a session was opened."""

from __future__ import annotations

import asyncio
import os

from kisnb.errors import BadInput

OPEN_HERE = "open one here: session = await kisnb.connect(...)"


class Home:
    """The event loop and the process of one session. Make it inside that loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._process = os.getpid()

    @property
    def is_this_process(self) -> bool:
        """False in a process that did not open the session, such as a fork."""
        return os.getpid() == self._process

    def check_process(self) -> None:
        """Raise BadInput in a process that did not open the session."""
        if not self.is_this_process:
            raise BadInput(
                "a session cannot be used in another process; nothing was sent", OPEN_HERE
            )

    def check_loop(self) -> None:
        """Raise BadInput outside the loop of the session, where an await would never end."""
        self.check_process()
        if asyncio.get_running_loop() is self.loop:
            return
        ended = self.loop.is_closed()
        where = "an event loop that has ended" if ended else "another event loop"
        cure = (
            "open and use it inside one asyncio.run"
            if ended
            else "use session.blocking here, or asyncio.run_coroutine_threadsafe with the "
            "notebook's loop"
        )
        raise BadInput(f"this session lives in {where}; nothing was sent", cure)
