"""The session, the shell and the calls that a verb of ``%kis`` uses."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kisnb.errors import BadInput
from kisnb.notebook.commands.console import Console
from kisnb.notebook.commands.current_session import CurrentSession
from kisnb.values import narrow

if TYPE_CHECKING:
    import polars as pl
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.events import Depth, Quote
    from kisnb.market.routing.evidence import Evidence
    from kisnb.orders import Account, Order, Orders
    from kisnb.session.session import Session
    from kisnb.session.typed_orders.typed_order import TypedOrder
    from kisnb.terms import Venue
    from kisnb.trading.order_books.order_book import OrderBook


class Calls(Protocol):
    """The calls of a session that verbs use.

    ``session.blocking`` has the same calls without await.
    """

    def quote(self, code: str, venue: Venue | None = None) -> Quote | Awaitable[Quote]:
        """Ask KIS for the current price. ``venue`` None: the venue that is open for the stock."""

    def depth(self, code: str, venue: Venue | None = None) -> Depth | Awaitable[Depth]:
        """Ask KIS for bids and asks. ``venue`` None: the venue that is open for the stock."""

    def bars(
        self, code: str, every: str = "1m", venue: Venue | None = None
    ) -> pl.DataFrame | Awaitable[pl.DataFrame]:
        """Return the bars of this day, or bars of days and weeks.

        ``venue`` None: bars of this day use the price that kisnb follows.
        """

    def balance(self) -> Account | Awaitable[Account]:
        """Ask KIS for cash and holdings."""

    def orders(self) -> OrderBook:
        """Return all orders of the day."""

    def route(self, what: Order | int | str) -> Evidence | Awaitable[Evidence]:
        """Ask the desk for its routing decision about an order."""

    def preview(self, order: TypedOrder) -> Evidence | Awaitable[Evidence]:
        """Ask the desk to which venue an order would go now."""

    def place(self, typed: TypedOrder) -> Order | Awaitable[Order]:
        """Send an order to the desk, and wait for its outcome."""

    def cancel(self, what: Order | int | str) -> Orders | Awaitable[Orders]:
        """Cancel one order, or all open orders."""


@dataclass(frozen=True)
class Context:
    """The session, the shell and the console with which one command runs."""

    current: CurrentSession
    """Opens and closes sessions."""
    console: Console
    shell: InteractiveShell
    every: str
    """Length of bars for a command that names none."""
    is_blocking: bool
    """True when the calling code cannot await the result."""

    @property
    def session(self) -> Session:
        """The open session. Raises NotOpen."""
        return self.current.require()

    @property
    def calls(self) -> Calls:
        """The session's calls: awaited ones, or blocking ones when ``is_blocking``.

        Raises NotOpen.
        """
        # A verb works with both kinds, because it returns the result of the call: a value, or an
        # awaitable.
        return self.session.blocking if self.is_blocking else self.session

    @property
    def namespace(self) -> dict[str, object]:
        """The notebook's variables by name."""
        namespace: dict[str, object] = self.shell.user_ns
        return namespace

    def say(self, text: str) -> None:
        """Print lines, each with the badge of the open session's mode in front."""
        self.console.say(text)

    def code(self, text: str) -> str:
        """Return the code of the stock that ``text`` means. Raises BadInput.

        The text may be a code, a full Korean name, or a part of a name that only one stock has.
        """
        universe, text = self.session.universe, narrow(text).strip()
        if text in universe:
            return text
        found = [i for i in universe.search(text) if text.casefold() in i.name.casefold()]
        # "삼성전자" is also a part of "삼성전자우". The full name wins.
        exact = [i for i in found if i.name == text] or found
        if len(exact) > 1:
            shown = ", ".join(f"{i.code} {i.name}" for i in exact[:6])
            raise BadInput(
                f"{text!r} may be any of {len(exact)} issues", f"Write the code: {shown}"
            )
        return exact[0].code if exact else universe.spell(text)
