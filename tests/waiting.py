"""Waits for a condition that no event reports, such as the state of another process."""

import asyncio
import time
from collections.abc import Callable

SECONDS = 20.0
"""A test that waits longer fails."""
_PAUSE = 0.01
"""Seconds between two looks: a shorter pause takes the processor from the process waited for."""


async def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until ``condition()`` is true. Raises TimeoutError after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - no event reports it
            await asyncio.sleep(_PAUSE)


async def carried_out(work: set[asyncio.Task[None]]) -> None:
    """Wait until the tasks of ``work`` have ended, which a press in a page started.

    The clock of a simulated day is no measure for it: an action may also wait for a thread.
    """
    # A press in another thread reaches the loop with its next turn.
    await asyncio.sleep(0)
    await until(lambda: not work)


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until ``condition()`` is true, without an event loop. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"the condition did not come true in {seconds} s")
        time.sleep(_PAUSE)
