"""``session.hooks``: a notebook's callbacks in its session, and values for the notebook to show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from kisnb.orders import Order
from kisnb.session.feed.changes import Changes
from kisnb.session.feed.link import Link
from kisnb.session.feed.pump import Pump
from kisnb.session.feed.watched_stocks import WatchedStocks
from kisnb.session.typed_orders.placing import Placing


class Hooks:
    """The callbacks that a notebook sets in its session, and values for the notebook to show."""

    def __init__(
        self, link: Link, pump: Pump, placing: Placing, changes: Changes, watched: WatchedStocks
    ) -> None:
        self.blocked_by = ""
        """The line of a cell that blocks the notebook's loop. Empty while the loop runs."""
        self.variables: Mapping[str, object] = {}
        """The notebook's variables by name. Empty outside of a notebook."""
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
        """Make cancelled waits raise the error that ``error_for_people`` makes."""
        self._link.error_for_people = error_for_people

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` in the notebook's loop after each batch of events.

        Return a function that ends that.
        """
        return self._changes.subscribe(callback)

    def look_at(self, owner: object, code: str) -> None:
        """Watch the depths of both venues of the stock that ``owner``, a panel, shows.

        Each owner has one such stock: another code replaces it, and an empty code ends it. Raises
        UnknownInstrument.
        """
        self._watched.look_at(owner, code)

    def changed(self) -> None:
        """Draw the panels again."""
        self._changes.publish()

    def orders_of_cell(self) -> list[Order]:
        """Return the orders of the running cell that are open or have fills, oldest first.

        Outside IPython there are none.
        """
        # An interrupted cell calls this at its end, before the event loop has run again.
        self._pump.catch_up()
        return self._placing.orders_of_cell()
