"""Two ways to ask the desk: awaited, or blocking for code that cannot await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar

from kisnb.errors import DeskError
from kisnb.history.history_source import Beside
from kisnb.session.feed.link import Link
from kisnb.session.typed_orders.placing import BLOCKING_SECONDS
from kisnb.trading.ports.queries import Query, R

P = ParamSpec("P")
T = TypeVar("T")


class Asking(Protocol):
    """Sends queries to the desk and returns the replies.

    ``Link`` and ``AskingNow`` implement it.
    """

    async def ask(self, query: Query[R]) -> R:
        """Ask the desk and return its reply. Raises the error that the desk names, and DeskLost."""
        ...


class AskingNow:
    """Asks the desk without the event loop.

    ``ask`` blocks the thread until the reply comes, so it never suspends a coroutine. ``finish``
    can therefore run a coroutine that awaits it.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ask(self, query: Query[R]) -> R:
        """Ask the desk and return its reply. Raises DeskError when the desk stays silent."""
        try:
            return self._link.ask_blocking(query, BLOCKING_SECONDS)
        except TimeoutError as e:
            raise DeskError(str(e), "ask again, or open the desk again with %kis open") from None


def beside(desk: Asking) -> Beside:
    """Return a function that runs slow work outside the event loop.

    It runs the work in a thread. For ``AskingNow``, where no loop needs to go on, it runs the work
    in this thread.
    """
    return at_once if isinstance(desk, AskingNow) else asyncio.to_thread


async def at_once(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``work`` in this thread and return its result. This coroutine never suspends."""
    return work(*args, **kwargs)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, without a loop, and return its result."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise RuntimeError("the coroutine waited for something of the loop")
