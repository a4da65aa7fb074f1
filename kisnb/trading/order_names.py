"""The typed orders of each trading day, and the rule that answers a call that asks for one (row O11).

The registry is folded from rows of the journal, by the desk and by every session. The rule is pure. It
tries the letters of the row in this order, and the first that fits is the answer:

    key=NAME   stands: shown | belongs to another wish: refused | dead: tried again, or refused
    (a)  same wish, same cell, another run                            → shown
    (d)  same wish, same cell, dead since an earlier kernel           → refused
    (b)  same wish, another cell                                      → refused
    (c)  another wish of the same call for this code and side         → refused
    else                                                              → sent

Letters (f) and (g) compare the calls of one run. The kernel alone knows them: ``session.run_calls``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import Ns, kst_day
from kisnb.orders import Naming, Place, Wish
from kisnb.terms import Side

Letter: TypeAlias = Literal["b", "c", "d", "g", "key"]
"""Which rule refuses a call."""


class SendNew(msgspec.Struct, frozen=True):
    """Nothing stands in the way: the order is sent under this new key."""

    key: str


class ShowKnown(msgspec.Struct, frozen=True):
    """The call is answered with this order, which stood already."""

    key: str


class Refuse(msgspec.Struct, frozen=True):
    """The call is refused because of another order."""

    letter: Letter
    key: str
    """Of the order that is in the way. Empty while the desk has not given it its key yet."""
    again: int = 0
    """The number that sends one more: ``--again N``. 0 where no number helps."""


Outcome: TypeAlias = SendNew | ShowKnown | Refuse


def same_cell(a: Place, b: Place) -> bool:
    """Whether two calls were typed in one cell. A notebook that is not known counts as the same."""
    return _same_notebook(a.notebook, b.notebook) and (
        bool(a.cell and a.cell == b.cell) or not set(a.texts).isdisjoint(b.texts)
    )


def _same_notebook(a: str, b: str) -> bool:
    return not a or not b or a == b


class NamedOrder:
    """A typed order, or a typed adoption, and the places to which it belongs."""

    __slots__ = ("_calls", "_cells", "_runs", "day", "key", "naming", "t")

    def __init__(self, key: str, naming: Naming, t: Ns) -> None:
        self.key = key
        self.naming = naming
        self.t = t
        """When the desk took it."""
        self.day = kst_day(t)
        # Places without what differs in every run: an order may be shown many times.
        self._cells: dict[tuple[str, str, tuple[str, ...]], Place] = {}
        self._runs: set[tuple[str, int]] = set()
        self._calls: set[str] = set()
        self.add(naming.place)

    @property
    def number(self) -> int:
        """Of ``--again N``; 0 without."""
        return self.naming.number

    @property
    def places(self) -> Sequence[Place]:
        """The cells in which it was sent or shown, oldest first; each stands once for each of its texts."""
        return list(self._cells.values())

    def add(self, place: Place) -> None:
        """The order was sent or shown here."""
        self._cells.setdefault((place.notebook, place.cell, place.texts), place)
        self._runs.add((place.kernel, place.run))
        self._calls.add(place.call)

    def is_known_at(self, place: Place) -> bool:
        """Whether the registry would learn nothing from this place."""
        cell = (place.notebook, place.cell, place.texts)
        return cell in self._cells and self.has_answered(place) and place.call in self._calls

    def belongs_to(self, place: Place) -> bool:
        """Whether it was sent or shown in the cell of this place."""
        return any(same_cell(known, place) for known in self._cells.values())

    def has_answered(self, place: Place) -> bool:
        """Whether it was sent or shown in the run of this place."""
        return (place.kernel, place.run) in self._runs

    def is_of_call(self, call: str) -> bool:
        """Whether this call sent it or was answered with it."""
        return bool(call) and call in self._calls


class OrderNames:
    """The named orders, folded from the journal. Orders without a naming are not in it."""

    def __init__(self) -> None:
        self._by_key: dict[str, NamedOrder] = {}
        self._by_token: dict[str, str] = {}
        self._of_wish = defaultdict[tuple[date, Wish], list[NamedOrder]](list)
        self._of_name = defaultdict[tuple[date, str], list[NamedOrder]](list)
        self._of_call = defaultdict[tuple[date, str], list[NamedOrder]](list)

    def taken(self, t: Ns, key: str, naming: Naming) -> None:
        """The desk took a typed order or a typed adoption."""
        if key not in self._by_key:
            self._file(NamedOrder(key, naming, t))

    def _file(self, named: NamedOrder) -> None:
        naming = named.naming
        self._by_key[named.key] = named
        if naming.token:
            self._by_token.setdefault(naming.token, named.key)
        if naming.name:
            # A name is compared with nothing but the same name.
            self._of_name[named.day, naming.name].append(named)
            return
        self._of_wish[named.day, naming.wish].append(named)
        if naming.place.call:
            self._of_call[named.day, naming.place.call].append(named)

    def shown(self, key: str, place: Place, token: str = "") -> None:
        """A call was answered with this order. A key without a naming is ignored."""
        if (named := self._by_key.get(key)) is not None:
            named.add(place)
            if token:
                self._by_token.setdefault(token, key)

    def get(self, key: str) -> NamedOrder | None:
        """The order with this key; None when it was not typed."""
        return self._by_key.get(key)

    def answered_with(self, token: str) -> str | None:
        """Key of the order with which this very command was answered; None for a new command."""
        return self._by_token.get(token) if token else None

    def of_wish(self, day: date, wish: Wish) -> Sequence[NamedOrder]:
        """Orders of this wish on a trading day, oldest first, dead ones included, without ``key=``."""
        return self._of_wish.get((day, wish), ())

    def of_name(self, day: date, name: str) -> Sequence[NamedOrder]:
        """Orders that carry this ``key=`` on a trading day, oldest first, dead ones included."""
        return self._of_name.get((day, name), ())

    def of_call(self, day: date, naming: Naming) -> Sequence[NamedOrder]:
        """Orders that this call sent for this code and side on a trading day, oldest first."""
        return [n for n in self._of_call.get((day, naming.place.call), ()) if _side(n) == _asked(naming)]

    def first_free(self, day: date, naming: Naming) -> int:
        """The first N of ``--again N`` that no order of this wish has, and none that this call sent."""
        return _first_free(self.of_wish(day, naming.wish), self.of_call(day, naming))


def _asked(naming: Naming) -> tuple[str, Side | None]:
    return naming.wish.code, naming.wish.side


def _side(named: NamedOrder) -> tuple[str, Side | None]:
    return _asked(named.naming)


def _first_free(*orders: Iterable[NamedOrder]) -> int:
    used = {named.number for some in orders for named in some}
    return next(n for n in range(1, len(used) + 2) if n not in used)


class NamingRule:
    """Answers the requests of one call, one after the other; each answer counts for the next request."""

    def __init__(
        self,
        now: Ns,
        names: OrderNames,
        scope: str,
        *,
        is_dead: Callable[[str], bool],
        is_key: Callable[[str], bool],
        root: Callable[[str], str],
    ) -> None:
        """``scope``: account or simulator run. ``is_key``: whether a key is in use. ``root``: the first
        order of the chain of revises that led to a key."""
        self._now = now
        self._day = kst_day(now)
        self._names = names
        self._scope = scope
        self._is_dead = is_dead
        self._is_key = is_key
        self._root = root
        self._fresh: list[NamedOrder] = []
        """What this call sends."""
        self._answered: set[tuple[str, str, int]] = set()
        """Key, kernel and run of what this call is shown."""

    def named(self, key: str) -> NamedOrder | None:
        """The order with this key, also one that this call sends."""
        return next((n for n in self._fresh if n.key == key), None) or self._names.get(key)

    def first_free(self, naming: Naming) -> int:
        """The first N of ``--again N`` that no order of this wish has, and none that this call sent."""
        return _first_free(self._of_wish(naming), self._of_call(naming))

    def answer(self, naming: Naming, answered: Iterable[str] = ()) -> Outcome:
        """Decide one request. ``answered``: keys with which its run has been answered before."""
        outcome = self._decide(naming, frozenset(answered))
        place = naming.place
        if isinstance(outcome, SendNew):
            self._fresh.append(NamedOrder(outcome.key, naming, self._now))
        elif isinstance(outcome, ShowKnown):
            self._answered.add((outcome.key, place.kernel, place.run))
        return outcome

    def _decide(self, naming: Naming, answered: frozenset[str]) -> Outcome:
        if (key := self._names.answered_with(naming.token)) is not None:
            # The same command once more: the link broke before its answer arrived.
            return ShowKnown(key)
        if naming.name:
            return self._by_name(naming)
        known = _numbered(self._of_wish(naming), naming.number)
        return (
            self._shown(naming, known, answered)
            or self._dead_before(naming, known, answered)
            or self._elsewhere(naming, known, answered)
            or self._moved(naming, answered)
            or SendNew(self._key(naming))
        )

    # the letters

    def _by_name(self, naming: Naming) -> Outcome:
        """``key=``: one order of the trading day, from anywhere."""
        known = [*self._names.of_name(self._day, naming.name), *_of_name(self._fresh, naming.name)]
        for named in known:
            if not self._is_dead(named.key):
                same = named.naming.wish == naming.wish
                return ShowKnown(named.key) if same else Refuse("key", named.key)
        if known and known[-1].naming.place.kernel != naming.place.kernel:
            return Refuse("key", known[-1].key)
        return SendNew(self._free(lambda n: naming.name if n == 1 else f"{naming.name}~{n}", 1))

    def _shown(self, naming: Naming, known: Sequence[NamedOrder], answered: frozenset[str]) -> Outcome | None:
        """(a) Same wish, same cell, another run."""
        here = [n for n in known if not self._is_dead(n.key) and n.belongs_to(naming.place)]
        if naming.number:
            if not here:
                return None
            twice = here[0] in self._fresh
            return self._refused("g", naming, here[0]) if twice else ShowKnown(here[0].key)
        # An order answers one call without a number of each run.
        free = [n for n in here if not self._has_answered(n, naming, answered)]
        call = naming.place.call
        best = min(free, key=lambda n: (n.number != 0, not n.is_of_call(call)), default=None)
        return None if best is None else ShowKnown(best.key)

    def _dead_before(self, naming: Naming, known: Sequence[NamedOrder], answered: frozenset[str]) -> Refuse | None:
        """(d) Same wish, same cell, dead since an earlier kernel, and no later one of its number was good."""
        good: set[int] = set()
        for named in reversed(known):
            if not self._is_dead(named.key):
                good.add(named.number)
            elif (
                named.number not in good
                and named.naming.place.kernel != naming.place.kernel
                and named.belongs_to(naming.place)
                and not self._has_answered(named, naming, answered)
            ):
                return self._refused("d", naming, named)
        return None

    def _elsewhere(self, naming: Naming, known: Sequence[NamedOrder], answered: frozenset[str]) -> Refuse | None:
        """(b) Same wish, another cell."""
        for named in known:
            if not self._is_dead(named.key) and not self._has_answered(named, naming, answered):
                return self._refused("b", naming, named)
        return None

    def _moved(self, naming: Naming, answered: frozenset[str]) -> Refuse | None:
        """(c) The same call sent another wish for this code and side in another run."""
        for named in _numbered(self._of_call(naming), naming.number):
            if (
                named.naming.wish != naming.wish
                and self._is_comparable(named.naming.wish, naming.wish)
                and not self._is_dead(named.key)
                and not self._has_answered(named, naming, answered)
            ):
                return self._refused("c", naming, named)
        return None

    # what they need

    def _refused(self, letter: Letter, naming: Naming, named: NamedOrder) -> Refuse:
        return Refuse(letter, named.key, self.first_free(naming))

    def _of_wish(self, naming: Naming) -> Sequence[NamedOrder]:
        fresh = [n for n in self._fresh if n.naming.wish == naming.wish and not n.naming.name]
        return [*self._names.of_wish(self._day, naming.wish), *fresh]

    def _of_call(self, naming: Naming) -> Sequence[NamedOrder]:
        call = naming.place.call
        if not call:
            return ()
        fresh = [n for n in self._fresh if not n.naming.name and n.naming.place.call == call]
        return [*self._names.of_call(self._day, naming), *(n for n in fresh if _side(n) == _asked(naming))]

    def _has_answered(self, named: NamedOrder, naming: Naming, answered: frozenset[str]) -> bool:
        place = naming.place
        return (
            named.key in answered or named.has_answered(place) or (named.key, place.kernel, place.run) in self._answered
        )

    def _is_comparable(self, a: Wish, b: Wish) -> bool:
        """Whether one of two wishes of a call may be the other one, with a price that moved."""
        if a.agent != b.agent or bool(a.revises) != bool(b.revises):
            return False
        return not a.revises or self._root(a.revises) == self._root(b.revises)

    def _key(self, naming: Naming) -> str:
        told = msgspec.json.encode((self._scope, self._day, naming.wish))
        digest = hashlib.blake2b(told, digest_size=10).hexdigest()
        return self._free(lambda n: f"typed:{digest}:{n}", len(self._of_wish(naming)) + 1)

    def _free(self, key: Callable[[int], str], first: int) -> str:
        fresh = {named.key for named in self._fresh}
        n = first
        while key(n) in fresh or self._is_key(key(n)):
            n += 1
        return key(n)


def _of_name(orders: Iterable[NamedOrder], name: str) -> Iterable[NamedOrder]:
    return (n for n in orders if n.naming.name == name)


def _numbered(orders: Sequence[NamedOrder], number: int) -> Sequence[NamedOrder]:
    """With a number only the orders of that number, else all."""
    return [n for n in orders if n.number == number] if number else orders
