"""Measures how long the handlers of an agent take. All agents of a session wait for each handler.

    up to 0.05 s    nothing
    longer          the handler is named, once for each start of its agent
    above 2 s       its agent is paused when the handler returns (``on_start`` excepted)

Only the time in which a handler computes counts. The time in which an ``async`` handler waits does
not. A handler that never returns can be stopped by a person's interrupt (``handler_watch``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

SLOW_SECONDS = 0.05
"""A handler is named when one call takes longer than this wall time."""
PAUSE_SECONDS = 2.0
"""An agent is paused when one call of its handler takes longer than this wall time."""
CURE = "make it shorter, or write it as async and await asyncio.to_thread(...)"


class Slow(NamedTuple):
    """The slow calls of one handler."""

    times: int
    longest: float
    """The longest of them, seconds."""

    @property
    def text(self) -> str:
        """The calls in words: ``"3 calls over 50 ms, the longest 120 ms"``."""
        calls = "1 call" if self.times == 1 else f"{self.times} calls"
        return (
            f"{calls} over {SLOW_SECONDS * 1000:.0f} ms, the longest {self.longest * 1000:,.0f} ms"
        )


class HandlerTimes:
    """The slow handlers of one agent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        """Returns seconds. Only differences count."""
        self.slow: dict[str, Slow] = {}
        """Handlers that were slow, by name."""
        self._news: list[str] = []

    def note(self, part: Callable[..., object], args: tuple[object, ...], seconds: float) -> str:
        """Note a slow call.

        Return the reason why the agent must pause now; empty when it may go on.
        """
        name = _name_of(part, args)
        before = self.slow.get(name, Slow(0, 0.0))
        self.slow[name] = Slow(before.times + 1, max(before.longest, seconds))
        took = (
            f"{name} took {seconds:,.1f} s"
            if seconds >= 1
            else f"{name} took {seconds * 1000:.0f} ms"
        )
        if not before.times:
            self._news.append(f"{took}, and all agents waited for it; {CURE}")
        # ``on_start`` may take longer: the person who starts the agent waits for it, and it may
        # load a model.
        is_start = name.rpartition(".")[2] == "on_start"
        return "" if seconds <= PAUSE_SECONDS or is_start else f"{took}, so it was paused; {CURE}"

    def take_news(self) -> list[str]:
        """Return the sentences about newly slow handlers. Each handler is named once."""
        news, self._news = self._news, []
        return news

    def forget(self) -> None:
        """Forget all slow calls, because the agent is started again."""
        self.slow.clear()


def _name_of(part: Callable[..., object], args: tuple[object, ...]) -> str:
    """Return the name of the handler that a call ran: ``"Dip.on_tick"``."""
    # A coroutine is an argument of the runner's own method, or the owner of ``send``.
    inside = part.func if isinstance(part, partial) else part
    owner = getattr(inside, "__self__", None)
    for candidate in (*args, owner, inside):
        if hasattr(candidate, "cr_code") or candidate is inside:
            name = getattr(candidate, "__qualname__", "its code")
            return str(name).rpartition("<locals>.")[2]
    return "its code"
