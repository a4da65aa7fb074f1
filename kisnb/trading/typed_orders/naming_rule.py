"""The rule that answers a call for an order from the orders that exist already (row O11).

The rule is pure. It tries these letters of the row in this order. The first that fits gives the
answer. A *dead* order was denied, rejected or declared never sent. The *ordinal* is the N of
``--again N``. A call with an ordinal is compared only with the orders of that ordinal.

    key=NAME   same wish: shown | another wish: refused | dead: as in (d)
    (g)  same wish, ordinal and cell as another request of this batch → refused
    (e)  same wish, ordinal and cell                                  → shown
    (a)  without an ordinal: same wish, same cell, another run        → shown
    (d)  same wish, same cell, dead since this kernel                 → tried again
         same wish, same cell, dead since an earlier kernel           → the refusal is shown
    (b)  same wish, another cell                                      → refused
    (c)  another wish of the same call for this code and side         → refused
    else                                                              → sent

ARCHITECTURE.md has all letters. Letter (f), and (g) between two calls of one run, are in
``session/typed_orders/run_calls.py``, because only the kernel knows the calls of its runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.orders import Naming, Wish
from kisnb.trading.typed_orders.order_names import (
    NamedOrder,
    OrderNames,
    first_free_of,
    has_side,
    key_of_name,
    trading_day,
)

Letter: TypeAlias = Literal["b", "c", "d", "g", "key"]
"""The letter of the rule that refuses a call."""


class SendNew(msgspec.Struct, frozen=True):
    """The outcome when no other order conflicts: the order is sent under this new key."""

    key: str


class ShowKnown(msgspec.Struct, frozen=True):
    """The outcome when the order exists already: the call returns this order."""

    key: str


class Refuse(msgspec.Struct, frozen=True):
    """The outcome when another order conflicts: the call is refused."""

    letter: Letter
    key: str
    """Key of the conflicting order. Empty while the desk has not given it a key."""
    again: int = 0
    """The N of ``--again N`` that sends one more order. 0: no number helps."""


Outcome: TypeAlias = SendNew | ShowKnown | Refuse


class _Request(NamedTuple):
    """One request, with the orders with which the rules compare it."""

    naming: Naming
    answered: frozenset[str]
    """Keys of the orders that the run of the call already got as answers."""
    known: Sequence[NamedOrder]
    """Orders of the same wish. For a call with an ordinal: only the orders of that ordinal."""


class NamingRule:
    """Answers the requests of one call in their order. Each answer counts for the next request."""

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
        """Prepare to answer one call at ``now`` from these names.

        ``scope`` is the account or the simulator run. ``is_key`` says whether a key is in use.
        ``root`` returns the first order of the chain of revises that led to a key.
        """
        self._now = now
        self._names = names
        self._scope = scope
        self._is_dead = is_dead
        self._is_key = is_key
        self._root = root
        self._fresh: list[NamedOrder] = []
        """New orders that this call sends."""
        self._answered: set[tuple[str, str, int]] = set()
        """Key, kernel and run of the orders that this call was shown."""

    def named(self, key: str) -> NamedOrder | None:
        """Return the order with this key, also one that this call sends.

        None for an unknown key.
        """
        return next((n for n in self._fresh if n.key == key), None) or self._names.get(key)

    def first_free(self, naming: Naming) -> int:
        """Return the first N of ``--again N`` that no order of this wish or of this call has."""
        return first_free_of(self._of_wish(naming), self._of_call(naming))

    def answer(self, naming: Naming, answered: Iterable[str] = ()) -> Outcome:
        """Decide one request and return its outcome, which counts for the next requests.

        ``answered`` are the keys of the orders that its run got as answers before.
        """
        outcome = self._decide(naming, frozenset(answered))
        place = naming.place
        if isinstance(outcome, SendNew):
            self._fresh.append(NamedOrder(outcome.key, naming, self._now))
        elif isinstance(outcome, ShowKnown):
            self._answered.add((outcome.key, place.kernel, place.run))
        return outcome

    def _decide(self, naming: Naming, answered: frozenset[str]) -> Outcome:
        if (key := self._names.answered_with(naming.token)) is not None:
            # This is the same command again, because the link broke before its answer arrived.
            return ShowKnown(key)
        if naming.name:
            return self._by_name(naming)
        request = _Request(naming, answered, _with_ordinal(self._of_wish(naming), naming.ordinal))
        # The sequence is part of the rule. (e) and (a) come before (d): the person means an order
        # of this cell that is not dead. (d) comes before (b): a dead order of this cell is closer
        # than any order of another cell. (c) comes last, because it compares another wish.
        return (
            self._shown(request)
            or self._dead_before(request)
            or self._elsewhere(request)
            or self._moved(request)
            or SendNew(self._key(naming))
        )

    # the letters

    def _by_name(self, naming: Naming) -> Outcome:
        """Decide a call with ``key=NAME``, which names one order of the trading day."""
        day = trading_day(naming, self._now)
        known = [*self._names.of_name(day, naming.name), *_of_name(self._fresh, naming.name)]
        for named in known:
            if not self._is_dead(named.key):
                same = named.naming.wish == naming.wish
                return ShowKnown(named.key) if same else Refuse("key", named.key)
        # In this kernel the person saw that the order failed, so it is tried again. In a new
        # kernel, Run All would try it without the person's wish.
        if known and known[-1].naming.place.kernel != naming.place.kernel:
            return Refuse("key", known[-1].key)
        return SendNew(self._free(lambda n: key_of_name(naming.name, day, n), 1))

    def _shown(self, request: _Request) -> Outcome | None:
        """Apply the letters (e), (a) and (g). Return the outcome. None when none of them fits.

        (e) Same wish, ordinal and cell. (a) Without an ordinal: same wish and cell, another run.
        (g) The batch itself has the same wish and ordinal twice.
        """
        naming = request.naming
        live = [named for named in request.known if not self._is_dead(named.key)]
        here = [named for named in live if named.belongs_to(naming.place)]
        if naming.ordinal:
            if not here:
                return None
            # Two requests of one call with one ordinal are a mistake: only one of them would be
            # sent, and the person would not notice.
            twice = here[0] in self._fresh
            return self._refused("g", naming, here[0]) if twice else ShowKnown(here[0].key)
        # (a) In each run an order answers one call without an ordinal.
        free = [named for named in here if not self._has_answered(named, request)]
        call = naming.place.call
        # An order without an ordinal comes first, then one of this very call: the nearest to what
        # was typed.
        best = min(free, key=lambda n: (n.ordinal != 0, not n.is_of_call(call)), default=None)
        return None if best is None else ShowKnown(best.key)

    def _dead_before(self, request: _Request) -> Refuse | None:
        """Apply letter (d): same wish, same cell, and the order died in an earlier kernel.

        None: the letter does not fit, for example because a later order of the same ordinal is not
        dead.
        """
        place, good = request.naming.place, set[int]()
        # The search begins with the newest: a later success with the same ordinal removes the
        # effect of an earlier failure.
        for named in reversed(request.known):
            if not self._is_dead(named.key):
                good.add(named.ordinal)
            elif (
                named.ordinal not in good
                and named.naming.place.kernel != place.kernel
                and named.belongs_to(place)
                and not self._has_answered(named, request)
            ):
                return self._refused("d", request.naming, named)
        return None

    def _elsewhere(self, request: _Request) -> Refuse | None:
        """Apply letter (b): same wish, another cell. None: the letter does not fit."""
        for named in request.known:
            if not self._is_dead(named.key) and not self._has_answered(named, request):
                return self._refused("b", request.naming, named)
        return None

    def _moved(self, request: _Request) -> Refuse | None:
        """Apply letter (c): in another run the same call sent another wish for this code and side.

        None: the letter does not fit.
        """
        naming = request.naming
        for named in _with_ordinal(self._of_call(naming), naming.ordinal):
            if (
                named.naming.wish != naming.wish
                and self._is_comparable(named.naming.wish, naming.wish)
                and not self._is_dead(named.key)
                and not self._has_answered(named, request)
            ):
                return self._refused("c", naming, named)
        return None

    # what they need

    def _refused(self, letter: Letter, naming: Naming, named: NamedOrder) -> Refuse:
        return Refuse(letter, named.key, self.first_free(naming))

    def _of_wish(self, naming: Naming) -> Sequence[NamedOrder]:
        # New orders of this call are not in the registry until the desk has journaled them.
        fresh = [n for n in self._fresh if n.naming.wish == naming.wish and not n.naming.name]
        return [*self._names.of_wish(trading_day(naming, self._now), naming.wish), *fresh]

    def _of_call(self, naming: Naming) -> Sequence[NamedOrder]:
        call = naming.place.call
        if not call:
            return ()
        fresh = [n for n in self._fresh if not n.naming.name and n.naming.place.call == call]
        sided = (n for n in fresh if has_side(n.naming, naming))
        return [*self._names.of_call(trading_day(naming, self._now), naming), *sided]

    def _has_answered(self, named: NamedOrder, request: _Request) -> bool:
        place = request.naming.place
        shown = (named.key, place.kernel, place.run) in self._answered
        return shown or named.key in request.answered or named.has_answered(place)

    def _is_comparable(self, a: Wish, b: Wish) -> bool:
        """Return whether two wishes of a call may be one wish whose price has changed."""
        # An adoption, a new order and a revise never replace one another.
        if a.agent != b.agent or bool(a.revises) != bool(b.revises):
            return False
        return not a.revises or self._root(a.revises) == self._root(b.revises)

    def _key(self, naming: Naming) -> str:
        # With the scope in the digest the same cell gives other keys in another account or
        # simulator run. With the day in it a key lasts one day.
        # It is the day that the order is for: the same cell reserves one order for a Monday,
        # whether it runs on Friday evening or on Sunday.
        day = trading_day(naming, self._now)
        told = msgspec.json.encode((self._scope, day, naming.wish))
        digest = hashlib.blake2b(told, digest_size=10).hexdigest()
        return self._free(lambda n: f"typed:{digest}:{n}", len(self._of_wish(naming)) + 1)

    def _free(self, key: Callable[[int], str], first: int) -> str:
        fresh = {named.key for named in self._fresh}
        n = first
        # The count is only the start of the search. A key that is in use must never be given to a
        # second order.
        while key(n) in fresh or self._is_key(key(n)):
            n += 1
        return key(n)


def _of_name(orders: Iterable[NamedOrder], name: str) -> Iterable[NamedOrder]:
    return (n for n in orders if n.naming.name == name)


def _with_ordinal(orders: Sequence[NamedOrder], ordinal: int) -> Sequence[NamedOrder]:
    """Return the orders of an ordinal. Ordinal 0: all orders."""
    return [n for n in orders if n.ordinal == ordinal] if ordinal else orders
