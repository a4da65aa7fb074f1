"""Remembers the calls of each run of a cell in this kernel. (Row O11, letters f and g)

    waits ──► reached    the caller has the order
      └─────► lost       the caller left before: cancelled, timed out, interrupted
                └──► reached    the next equal call has taken the claim over (f)

A caller whose task is being cancelled counts as gone, even before the task runs again.

Threads and tasks may call at the same time. So every method may be called from any thread.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable
from datetime import date
from typing import Literal, TypeAlias

import msgspec

from kisnb.orders import Naming, Wish
from kisnb.trading.typed_orders.naming_rule import Refuse
from kisnb.trading.typed_orders.order_names import same_cell

NEWEST_RUNS = 64
"""The claims of this number of newest runs are never dropped."""
MOST_CLAIMS = 10_000
"""With more claims than this, claims of older runs are dropped."""

_Equal: TypeAlias = tuple[Wish, int, str]
"""Wish, ordinal and name of a call. Two calls are equal when these are equal."""


def stays() -> bool:
    """Return False: the caller has not left and waits for the outcome.

    The default of ``has_left``.
    """
    return False


class Claim:
    """The record of one call of one run: its order, and whether its caller has the outcome."""

    __slots__ = ("day", "has_left", "key", "naming", "position", "state", "token")

    def __init__(
        self,
        naming: Naming,
        position: Hashable,
        token: str,
        key: str,
        day: date | None,
    ) -> None:
        self.naming = naming
        self.position = position
        """The code position of the call. It is equal in each round of a loop."""
        self.token = token
        """The token of the command. A command that is sent twice with one token is one order."""
        self.key = key
        """The key of the order; empty until the desk has answered."""
        self.day = day
        self.state: Literal["waits", "lost", "reached"] = "waits"
        self.has_left: Callable[[], bool] = stays
        """Returns True once the caller no longer waits for the outcome."""

    def __repr__(self) -> str:
        return f"<Claim {self.key or self.token}: {self.state}>"


class _Run:
    """The claims of one run, by the wish, ordinal and name of their calls."""

    def __init__(self) -> None:
        self.equal: defaultdict[_Equal, list[Claim]] = defaultdict(list)
        self.count = 0


class RunCalls:
    """All claims of a kernel.

    Before its order goes to the desk, a call looks for an equal call and makes a claim. ``begin``
    does both under one lock, so that no other thread can act in between.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[int, _Run] = {}
        """The runs by their number. The most recently used run comes last."""
        self._lost: dict[int, Claim] = {}
        """The lost claims by ``id()`` of the claim, oldest first."""
        self._count = 0

    def find_claim(
        self,
        naming: Naming,
        position: Hashable,
        is_dead: Callable[[str], bool],
        *,
        day: date | None = None,
        first_free: Callable[[Naming], int] = lambda _: 1,
    ) -> Claim | Refuse | None:
        """Find an equal earlier call. This is the decision of letters f and g of row O11.

        Returns the claim of an equal call whose caller never got the outcome (f), a refusal when
        the call repeats one of its own run (g), or None for a new call. Nothing is changed. ``day``
        is the trading day: claims of another day are not returned. ``first_free`` returns the first
        ordinal of a wish that the journal does not have.
        """
        with self._lock:
            lost = self._lost_claim(naming, day)
            if lost is not None or naming.name:
                return lost
            run = self._runs.get(naming.place.run)
            claims = run.equal.get(_equal(naming), ()) if run is not None else ()
            for claim in claims:
                # The same ordinal twice in a run, or the same code position twice, is a loop.
                looped = bool(naming.ordinal) or claim.position == position
                if looped and not (claim.key and is_dead(claim.key)):
                    return Refuse("g", claim.key, self._free(naming, first_free(naming)))
            return None

    def claim(
        self,
        naming: Naming,
        position: Hashable,
        token: str,
        key: str = "",
        *,
        day: date | None = None,
    ) -> Claim:
        """Record a call, and return its claim. The claim waits for the outcome."""
        with self._lock:
            named = msgspec.structs.replace(naming, token=token)
            claim = Claim(named, position, token, key, day)
            number = naming.place.run
            # The run is removed and added again, so that it is the newest.
            run = self._runs.pop(number, None) or _Run()
            self._runs[number] = run
            run.equal[_equal(naming)].append(claim)
            run.count += 1
            self._count += 1
            self._forget()
            return claim

    def begin(
        self,
        naming: Naming,
        position: Hashable,
        token: str,
        is_dead: Callable[[str], bool],
        *,
        day: date | None = None,
        first_free: Callable[[Naming], int] = lambda _: 1,
        has_left: Callable[[], bool] = stays,
    ) -> Claim | Refuse:
        """Look for an equal call, then claim. Return the claim, or the refusal of a loop.

        If a lost claim of an equal call exists, the new claim takes its token and its key.
        ``has_left()`` returns True once the caller of the new claim no longer waits.
        """
        with self._lock:
            found = self.find_claim(naming, position, is_dead, day=day, first_free=first_free)
            if isinstance(found, Refuse):
                return found
            if found is None:
                claim = self.claim(naming, position, token, day=day)
            else:
                claim = self.take_over(found, naming, position)
            claim.has_left = has_left
            return claim

    def take_over(self, lost: Claim, naming: Naming, position: Hashable) -> Claim:
        """Return a new claim of this call on the order of a lost claim (letter f of row O11)."""
        with self._lock:
            self.reach(lost)
            return self.claim(naming, position, lost.token, lost.key, day=lost.day)

    def answer(self, claim: Claim, key: str) -> None:
        """Record the key of the order that the desk returned for the call."""
        with self._lock:
            claim.key = key

    def reach(self, claim: Claim) -> None:
        """Record that the code that made the call has received its outcome."""
        with self._lock:
            claim.state, claim.has_left = "reached", stays
            self._lost.pop(id(claim), None)

    def lose(self, claim: Claim) -> None:
        """Record that the caller left before the outcome. The next equal call returns the order."""
        with self._lock:
            # A claim whose caller has the outcome stays reached, whatever fails afterwards.
            if claim.state == "waits":
                claim.state, claim.has_left = "lost", stays
                self._lost[id(claim)] = claim

    def drop(self, claim: Claim) -> None:
        """Remove the claim of a refused call, as if the call had never been made."""
        with self._lock:
            self._lost.pop(id(claim), None)
            run = self._runs.get(claim.naming.place.run)
            equal = _equal(claim.naming)
            if run is None or claim not in run.equal.get(equal, ()):
                return
            run.equal[equal].remove(claim)
            run.count -= 1
            self._count -= 1

    def of_run(self, run: int) -> list[Claim]:
        """Return the claims of a run. Claims of equal calls stand together."""
        with self._lock:
            known = self._runs.get(run)
            return [c for some in known.equal.values() for c in some] if known else []

    def answered(self, run: int) -> tuple[str, ...]:
        """Return the keys of the orders that the desk returned to this run."""
        with self._lock:
            return tuple({claim.key: None for claim in self.of_run(run) if claim.key})

    def _lost_claim(self, naming: Naming, day: date | None) -> Claim | None:
        place, equal = naming.place, _equal(naming)
        lost = [c for c in self._lost.values() if c.day == day and _equal(c.naming) == equal]
        # A claim of this run comes before claims of other runs of the cell, because a retry is in
        # the same run.
        own = [c for c in lost if c.naming.place.run == place.run]
        near = own or self._claims_of_leavers(naming, day)
        near = near or [c for c in lost if same_cell(c.naming.place, place)]
        return next(iter(near), None)

    def _claims_of_leavers(self, naming: Naming, day: date | None) -> list[Claim]:
        """Return the claims of equal calls of the same run whose callers no longer wait."""
        run = self._runs.get(naming.place.run)
        claims = run.equal.get(_equal(naming), ()) if run is not None else ()
        return [c for c in claims if c.state == "waits" and c.day == day and c.has_left()]

    def _free(self, naming: Naming, first: int) -> int:
        """Return the first ordinal from ``first`` on that this run has not used for this wish."""
        run = self._runs.get(naming.place.run)
        claims = run.equal.items() if run is not None else ()
        used = {n for (wish, n, _), some in claims if wish == naming.wish and some}
        return next(n for n in range(first, first + len(used) + 1) if n not in used)

    def _forget(self) -> None:
        """Drop reached claims of old runs when there are too many claims."""
        if self._count <= MOST_CLAIMS:
            return
        for number in list(self._runs)[:-NEWEST_RUNS]:
            run = self._runs[number]
            for equal, claims in list(run.equal.items()):
                kept = [c for c in claims if c.state != "reached"]
                run.count -= len(claims) - len(kept)
                self._count -= len(claims) - len(kept)
                if kept:
                    run.equal[equal] = kept
                else:
                    del run.equal[equal]
            if not run.count:
                del self._runs[number]
            if self._count <= MOST_CLAIMS // 2:
                return


def _equal(naming: Naming) -> _Equal:
    return naming.wish, naming.ordinal, naming.name
