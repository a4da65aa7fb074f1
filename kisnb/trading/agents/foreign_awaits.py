"""Drives a handler that awaits something of the event loop, such as ``asyncio.to_thread``.

A back-test has no event loop. There a handler can await only a Wait.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

from kisnb.clock import Ns
from kisnb.trading.agents.agent import Wait
from kisnb.trading.agents.agent_state import ENDED, STANDING, AgentState
from kisnb.trading.agents.handler_watch import interruptible

_Value = TypeVar("_Value")
Part: TypeAlias = Coroutine[Any, Any, None]
"""The coroutine of a handler that has begun and not ended."""


class HandlerRunner(Protocol):
    """The agent's runner, as far as a handler needs it that awaits something of the loop."""

    state: AgentState

    @property
    def now(self) -> Ns:
        """Return the time of the event that the agent handles."""
        ...

    def act(self, part: Callable[..., _Value], *args: object) -> _Value:
        """Run a part of the agent's code and return its result."""
        ...

    def close(self, coroutine: Part) -> None:
        """Close a handler."""
        ...

    def park(self, wait: Wait, coroutine: Part) -> None:
        """Keep a handler until ``wait`` is over, and then let it go on."""
        ...

    def failed(self, error: BaseException, coroutine: Part | None = None) -> None:
        """Pause or stop the agent, because its code raised ``error``."""
        ...


async def continued(runner: HandlerRunner, coroutine: Part, first: object) -> None:
    """Run the rest of a handler that awaits something of the event loop.

    It is the body of a task.
    """
    await _forwarded(runner, coroutine, first)


@types.coroutine
def _forwarded(
    runner: HandlerRunner, coroutine: Part, first: object
) -> Generator[object, Any, None]:
    """Pass a handler's awaitables to the event loop, until it ends, fails, or awaits a Wait.

    Raises CancelledError when its agent was stopped, and nothing else: asyncio would raise
    SystemExit and KeyboardInterrupt out of the loop, and so end the process.
    """
    waits = first
    while not isinstance(waits, Wait):
        try:
            step = partial(coroutine.send, (yield waits))
        except GeneratorExit:
            runner.close(coroutine)
            raise
        except BaseException as e:
            step = partial(coroutine.throw, e)
        else:
            if runner.state in ENDED:
                runner.close(coroutine)
                return
            if runner.state in STANDING:
                # The agent must not act now. The awaited thing is over, so the handler goes on when
                # the agent is started again.
                step = partial(Wait, until=runner.now)
        try:
            with interruptible():
                waits = runner.act(step)
        except StopIteration:
            return
        except BaseException as e:
            # The roster cancels the tasks of an agent that it stops: that is not a failure.
            if isinstance(e, asyncio.CancelledError) and runner.state in ENDED:
                raise
            runner.failed(e, coroutine)
            return
    if runner.state in ENDED:
        runner.close(coroutine)
    else:
        runner.park(waits, coroutine)
