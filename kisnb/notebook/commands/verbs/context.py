"""The things that a verb of ``%kis`` may use."""

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
    """The calls of a session that verbs use. ``session.blocking`` has them too, without await."""

    def quote(self, code: str, venue: Venue | None = None) -> Quote | Awaitable[Quote]:
        """Ask KIS for the current price. ``venue`` None: the venue that is open for the stock."""

    def depth(self, code: str, venue: Venue | None = None) -> Depth | Awaitable[Depth]:
        """Ask KIS for bids and asks. ``venue`` is that of ``quote``."""

    def bars(
        self, code: str, every: str = "1m", venue: Venue | None = None
    ) -> pl.DataFrame | Awaitable[pl.DataFrame]:
        """Return the bars of this day, or of years.

        ``venue`` None: bars of this day use the price that kisnb follows.
        """

    def balance(self) -> Account | Awaitable[Account]:
        """Ask KIS for cash and holdings."""

    def orders(self) -> OrderBook:
        """Return all orders of the day."""

    def route(self, what: Order | int | str) -> Evidence | Awaitable[Evidence]:
        """Ask the desk for its routing decision about an order."""

    def preview(self, order: TypedOrder) -> Evidence | Awaitable[Evidence]:
        """Ask the desk where an order would go now."""

    def place(self, typed: TypedOrder) -> Order | Awaitable[Order]:
        """Hand an order over, and wait for its outcome."""

    def cancel(self, what: Order | int | str) -> Orders | Awaitable[Orders]:
        """Cancel one order, or all that are open."""


@dataclass(frozen=True)
class Context:
    """The session, the shell and the console that one command runs with."""

    current: CurrentSession
    """Opens and closes sessions."""
    console: Console
    shell: InteractiveShell
    every: str
    """Length of bars, when a command names none."""
    is_blocking: bool
    """True when nobody awaits the result."""

    @property
    def session(self) -> Session:
        """The open session. Raises NotOpen."""
        return self.current.require()

    @property
    def calls(self) -> Calls:
        """The session's calls: awaited, or blocking when nobody awaits. Raises NotOpen."""
        # One verb serves both ways. It hands on what it gets, a value or something to await.
        return self.session.blocking if self.is_blocking else self.session

    @property
    def namespace(self) -> dict[str, object]:
        """The notebook's variables by name."""
        namespace: dict[str, object] = self.shell.user_ns
        return namespace

    def say(self, text: str) -> None:
        """Print lines under the mode of the open session."""
        self.console.say(text)

    def code(self, text: str) -> str:
        """Return the code that ``text`` means. Raises BadInput.

        It may be a code, a full Korean name, or a part of a name that no other stock's name has.
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
