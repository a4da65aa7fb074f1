"""Asking the desk one thing after another: awaited, or blocking where nobody can await."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from kisnb.errors import DeskError
from kisnb.session.feed.link import Link
from kisnb.session.typed_orders.placing import BLOCKING_SECONDS
from kisnb.trading.ports.queries import Query, R

T = TypeVar("T")


class Asking(Protocol):
    """Gives the desk's reply to a query. ``Link`` does it, and so does ``AskingNow``."""

    async def ask(self, query: Query[R]) -> R:
        """Return the reply. Raises the error that the desk names, and DeskLost."""
        ...


class AskingNow:
    """Asking without the loop. Its coroutine never waits, so ``finish`` can run it to its end."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ask(self, query: Query[R]) -> R:
        """Return the reply. Raises DeskError when the desk stays silent."""
        try:
            return self._link.ask_blocking(query, BLOCKING_SECONDS)
        except TimeoutError as e:
            raise DeskError(str(e), "ask again, or open the desk again with %kis open") from None


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, without a loop, and return its result."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise RuntimeError("the coroutine waited for something of the loop")
