"""``session.hooks``: what a notebook gives to its session, and takes from it to draw itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kisnb.orders import Order
from kisnb.session.feed.changes import Changes
from kisnb.session.feed.link import Link
from kisnb.session.feed.pump import Pump
from kisnb.session.feed.watched_stocks import WatchedStocks
from kisnb.session.typed_orders.placing import Placing


class Hooks:
    """The callbacks that a notebook sets in its session, and what it reads to draw itself."""

    def __init__(
        self, link: Link, pump: Pump, placing: Placing, changes: Changes, watched: WatchedStocks
    ) -> None:
        self.blocked_by = ""
        """The line of a cell that blocks the notebook's loop. Empty while the loop turns."""
        self.on_close: Callable[[tuple[str, ...]], object] = lambda _agents: None
        """Called when the session was closed, with the ids of the agents that stopped."""
        self._link = link
        self._pump = pump
        self._placing = placing
        self._changes = changes
        self._watched = watched

    @property
    def alert(self) -> Callable[[str], object]:
        """Shows a person a line at once, from any thread.

        The session calls it when the desk falls silent, and when it answers again.
        """
        return self._link.alert

    @alert.setter
    def alert(self, show: Callable[[str], object]) -> None:
        self._link.alert = show

    @property
    def say(self) -> Callable[[str], object] | None:
        """Prints the line of an order below its cell. None: no person reads the output."""
        return self._placing.say

    @say.setter
    def say(self, show: Callable[[str], object] | None) -> None:
        self._placing.say = show

    def on_interrupt(
        self, error_for_people: Callable[[asyncio.CancelledError], BaseException]
    ) -> None:
        """Let waits raise what ``error_for_people`` makes of a cancellation."""
        self._link.error_for_people = error_for_people

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` in the notebook's loop after each batch of events.

        Return a function that ends that.
        """
        return self._changes.subscribe(callback)

    def look_at(self, owner: object, code: str) -> None:
        """Follow the depths of both venues of the one stock that ``owner`` shows.

        Another code takes its place; the empty one ends it. Raises UnknownInstrument.
        """
        self._watched.look_at(owner, code)

    def changed(self) -> None:
        """Draw the panels again."""
        self._changes.publish()

    def orders_of_cell(self) -> list[Order]:
        """Return the orders of the running cell that are open or have fills, oldest first.

        Outside IPython there are none.
        """
        # A cell that was interrupted asks this at its end, before the loop has turned.
        self._pump.catch_up()
        return self._placing.orders_of_cell()
