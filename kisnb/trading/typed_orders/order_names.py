"""The typed orders of each trading day, with their namings and their cells (row O11).

Desk and sessions compute this registry from the rows of the journal. ``naming_rule`` uses it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from kisnb.clock import Ns, date_of, day_number, kst_day
from kisnb.orders import Naming, Place, Wish


def trading_day(naming: Naming, now: Ns) -> date:
    """Return the trading day of a call's order: for a reserved order its day, otherwise today."""
    return date_of(naming.wish.day) if naming.wish.day else kst_day(now)


def key_of_name(name: str, day: date, n: int = 1) -> str:
    """Return the key of the ``n``-th order with this name on a trading day.

    A name stands for one order of its day, and the order books may have orders of several days.
    """
    # The day is in the key, so that a cell with ``key='open'`` sends its order each day and once a
    # day.
    return f"{name}@{day_number(day)}" + (f"~{n}" if n > 1 else "")


def has_name(key: str, name: str) -> bool:
    """Return whether a key was made from this name, on any day."""
    # The split is from the right, because a person may use ``@`` in a name.
    return key.rpartition("@")[0] == name != ""


def same_cell(a: Place, b: Place) -> bool:
    """Return whether two calls were typed in one cell.

    If the notebook of one call is not known, the notebooks count as equal.
    """
    # Not every front end sends a cell id. Without ids, equal text in the same notebook means the
    # same cell.
    return _same_notebook(a.notebook, b.notebook) and (
        bool(a.cell and a.cell == b.cell) or not set(a.texts).isdisjoint(b.texts)
    )


def _same_notebook(a: str, b: str) -> bool:
    # A kernel does not always know its notebook. Even then, a cell that is run again must find its
    # order, and must not be refused as another cell.
    return not a or not b or a == b


class NamedOrder:
    """A typed order or a typed adoption, with the places at which it was sent or shown."""

    __slots__ = ("_calls", "_cells", "_runs", "day", "key", "naming", "t")

    def __init__(self, key: str, naming: Naming, t: Ns) -> None:
        self.key = key
        self.naming = naming
        self.t = t
        """The moment at which the desk accepted the order."""
        self.day = trading_day(naming, t)
        """The trading day of the order."""
        # Places are stored without the parts that differ in every run, because an order may be
        # shown many times.
        self._cells: dict[tuple[str, str, tuple[str, ...]], Place] = {}
        self._runs: set[tuple[str, int]] = set()
        # Calls are stored by digest, and separately from the cells, because the same call may be in
        # a cell whose other lines have changed.
        self._calls: set[str] = set()
        self.add(naming.place)

    @property
    def ordinal(self) -> int:
        """The N of ``--again N``. 0: not given."""
        return self.naming.ordinal

    @property
    def places(self) -> Sequence[Place]:
        """The cells in which the order was sent or shown, oldest first.

        A cell whose text was changed counts once for each text.
        """
        return list(self._cells.values())

    def add(self, place: Place) -> None:
        """Add a place where the order was sent or shown."""
        self._cells.setdefault((place.notebook, place.cell, place.texts), place)
        self._runs.add((place.kernel, place.run))
        self._calls.add(place.call)

    def is_known_at(self, place: Place) -> bool:
        """Return whether this place is stored already: its cell, its run and its call."""
        cell = (place.notebook, place.cell, place.texts)
        return cell in self._cells and self.has_answered(place) and place.call in self._calls

    def belongs_to(self, place: Place) -> bool:
        """Return whether the order was sent or shown in the cell of this place."""
        return any(same_cell(known, place) for known in self._cells.values())

    def has_answered(self, place: Place) -> bool:
        """Return whether the order was sent or shown in the run of this place."""
        return (place.kernel, place.run) in self._runs

    def is_of_call(self, call: str) -> bool:
        """Return whether this call sent the order or was shown it."""
        return bool(call) and call in self._calls


class OrderNames:
    """The named orders, computed from the journal. It has no orders without a naming."""

    def __init__(self) -> None:
        self._by_key: dict[str, NamedOrder] = {}
        self._by_token: dict[str, str] = {}
        # All three are by day, because today's order of a cell is not a repetition of yesterday's.
        self._of_wish = defaultdict[tuple[date, Wish], list[NamedOrder]](list)
        self._of_name = defaultdict[tuple[date, str], list[NamedOrder]](list)
        self._of_call = defaultdict[tuple[date, str], list[NamedOrder]](list)

    def add(self, t: Ns, key: str, naming: Naming) -> None:
        """Add a typed order or a typed adoption that the desk accepted."""
        if key not in self._by_key:
            self._file(NamedOrder(key, naming, t))

    def _file(self, named: NamedOrder) -> None:
        naming = named.naming
        self._by_key[named.key] = named
        if naming.token:
            # The first answer stays, because a command that is sent again must get the order that
            # it got before.
            self._by_token.setdefault(naming.token, named.key)
        if naming.name:
            # An order with a name is compared only with orders of the same name.
            self._of_name[named.day, naming.name].append(named)
            return
        self._of_wish[named.day, naming.wish].append(named)
        # An unknown call (empty digest) would match every other unknown call.
        if naming.place.call:
            self._of_call[named.day, naming.place.call].append(named)

    def add_shown(self, key: str, place: Place, token: str = "") -> None:
        """Add the place of a call that was shown this order.

        A key without a naming is ignored.
        """
        if (named := self._by_key.get(key)) is not None:
            named.add(place)
            if token:
                self._by_token.setdefault(token, key)

    def get(self, key: str) -> NamedOrder | None:
        """Return the order with this key. None when it has no naming."""
        return self._by_key.get(key)

    def answered_with(self, token: str) -> str | None:
        """Return the key of the order that answered the command ``token``. None: no order did."""
        return self._by_token.get(token) if token else None

    def of_wish(self, day: date, wish: Wish) -> Sequence[NamedOrder]:
        """Return the orders of this wish on a trading day, oldest first, dead orders included.

        Orders with ``key=`` are not among them.
        """
        return self._of_wish.get((day, wish), ())

    def of_name(self, day: date, name: str) -> Sequence[NamedOrder]:
        """Return the orders with this name on a trading day, oldest first, dead orders included."""
        return self._of_name.get((day, name), ())

    def of_call(self, day: date, naming: Naming) -> Sequence[NamedOrder]:
        """Return the orders of this call for this code and side on a trading day, oldest first."""
        orders = self._of_call.get((day, naming.place.call), ())
        return [n for n in orders if has_side(n.naming, naming)]

    def first_free(self, day: date, naming: Naming) -> int:
        """Return the first N of ``--again N`` that no order of this wish or call has."""
        return first_free_of(self.of_wish(day, naming.wish), self.of_call(day, naming))


def has_side(a: Naming, b: Naming) -> bool:
    """Return whether two calls have the same code and side."""
    return (a.wish.code, a.wish.side) == (b.wish.code, b.wish.side)


def first_free_of(*orders: Iterable[NamedOrder]) -> int:
    """Return the first N of ``--again N`` that none of these orders has."""
    used = {named.ordinal for some in orders for named in some}
    # This is the first gap and not the highest number plus one, because a person chooses N and need
    # not begin with 1.
    return next(n for n in range(1, len(used) + 2) if n not in used)
