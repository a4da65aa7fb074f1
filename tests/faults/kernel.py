"""A notebook beside the desk: its books are folded from what the desk publishes, and from the journal when it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kisnb.events import AccountOpened, Event, HoldingAdopted, is_order_fact
from kisnb.trading.journal_rows import Row, is_told
from kisnb.trading.order_book import Books


class Kernel:
    """Attached, it hears every event; it comes back with the number of the newest row that it was told."""

    def __init__(self, demand: Callable[[bool, str], None]) -> None:
        self.books = Books()
        self.attached = False
        self._told = 0
        self._demand = demand

    def attach(self, journal: Sequence[Row]) -> None:
        """Take the rows that it has not been told from the desk's snapshot; ``journal``: rows sessions are told."""
        for row in journal[self._told :]:
            self._take(row)
        self.attached = True

    def hear(self, event: Event, journal: Sequence[Row]) -> None:
        """An event of the desk; a row must be the journal's next one, and stand in it already."""
        if not self.attached or not is_told(event):
            return
        self._demand(
            list(journal[self._told : self._told + 1]) == [event], f"told {event}, which is not the journal's next row"
        )
        self._take(event)  # type: ignore[arg-type]

    def _take(self, row: Row) -> None:
        self._told += 1
        if isinstance(row, AccountOpened | HoldingAdopted):
            self.books.hold(row)
        elif is_order_fact(row):
            self.books.apply(row)


def holdings(books: Books) -> list[tuple[str, str, int, int]]:
    """(owner, code, shares, cost with fees) of every position, the account's too."""
    every = [("account", books.account), *books.agents.items()]
    return sorted((name, c, p.qty, p.cost_with_fees) for name, b in every for c, p in b.positions.items())
