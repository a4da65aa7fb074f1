"""The account against our order books: cash and holdings, as KIS states them.

The first statement opens the account: what no order of the journal explains is booked. Later a
difference is found, published, and booked when it has stood for a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from kisnb.clock import SECOND, Ns, kst_day
from kisnb.events import AccountOpened, DriftCleared, DriftFound
from kisnb.orders import Account, OrderState
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.orders.cash_words import booked_text
from kisnb.trading.orders.readings import SETTLES, Readings
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

# KIS's account lags behind its notices, and on paper fills may come minutes late. What differs for
# less than this is usually on its way.
STANDS: Ns = 60 * SECOND
"""A difference of the account must stand so long before it is taken as it is."""


# One figure, cash or a holding, at each statement of the account:
#
# | KIS's figure and ours               | drift stands | what is done                        |
# |-------------------------------------|--------------|-------------------------------------|
# | equal                               | no           | nothing                             |
# | equal                               | yes          | DriftCleared, nothing is booked     |
# | differ                              | no           | DriftFound                          |
# | differ, not as when it was found    | yes          | DriftFound: the minute begins anew  |
# | differ as found, less than a minute | yes          | nothing                             |
# | differ as found, a minute or more   | yes          | DriftCleared, and it is booked     |
class AccountReconciliation:
    """Brings cash and holdings to KIS's statement."""

    def __init__(self, state: State, readings: Readings) -> None:
        self._state = state
        self._readings = readings

    @property
    def _books(self) -> OrderBooks:
        return self._state.books

    def reconcile(self, turn: Turn, asked: Ns, account: Account, *, consistent: bool) -> None:
        """Compare a statement of the account, read after ``asked``, with our order books.

        ``consistent`` says that nothing was booked between the account, the list and now. Only then
        do the three agree.
        """
        sending = any(o.state is OrderState.SENDING for o in self._books.live.values())
        # While an order is being sent, the account may contain its fill and the list may not.
        if sending or not consistent:
            self._readings.schedule(turn, turn.now + SETTLES, "account", account=True)
            return
        stated = {h.code: (h.qty, h.cost) for h in account.holdings}
        unknown = any(o.state is OrderState.UNKNOWN for o in self._books.live.values())
        if self._state.opened is None and unknown:
            # The account contains the unknown order's fills already. To open it now would book
            # them twice.
            self._readings.schedule(turn, turn.now + SETTLES, "account", account=True)
            return
        if self._state.opened is None:
            # A stock that was sold out before its holding was ever read may not be stated any more
            # (KIS document 잔고: names that are sold out stay with quantity 0 for some days only).
            sold_out = dict.fromkeys(self._books.account.positions.keys() - stated.keys(), (0, 0))
            self._record_unexplained(turn, account.cash_d2 - self._state.flow, stated | sold_out)
            return
        # D+2, in which the fills of today are settled (KIS document 잔고, prvs_rcdl_excc_amt).
        stands = self._track_drift(
            turn, asked, "cash", "cash", self._state.opened + self._state.flow, account.cash_d2
        )
        if stands:
            gap = account.cash_d2 - self._state.opened - self._state.flow
            turn.report(booked_text(gap, self._costs(turn.now), account.costs))
            self._record_unexplained(turn, gap, {})
        for code in sorted({*stated, *self._books.account.positions}):
            ours, (theirs, cost) = self._books.account.position(code).qty, stated.get(code, (0, 0))
            if self._track_drift(turn, asked, code, "holding", ours, theirs):
                self._record_unexplained(turn, 0, {code: (theirs, cost)})

    def _costs(self, now: Ns) -> int:
        """Return fees and taxes of today's fills, as they are booked here, won."""
        today, fills = kst_day(now), self._books.account.fills
        return sum(fill.fee + fill.tax for _, fill in fills if kst_day(fill.t) == today)

    def _track_drift(
        self,
        turn: Turn,
        asked: Ns,
        subject: str,
        what: Literal["holding", "cash"],
        ours: int,
        theirs: int,
    ) -> bool:
        """Record that a difference was found or cleared.

        Return True when it has stood long enough to be taken as it is.
        """
        found = self._state.drifts.get((subject, what))
        if ours == theirs:
            if found is not None:
                turn.record(DriftCleared(turn.now, subject, what))
            return False
        if found is None or (found.ours, found.theirs) != (ours, theirs):
            turn.record(DriftFound(turn.now, subject, what, ours, theirs))
            self._readings.schedule(turn, turn.now + STANDS, "drift", account=True)
            return False
        # The difference may be just the fill of an unknown order. Booked now, it would count twice
        # when that order is resolved.
        unknown = any(o.state is OrderState.UNKNOWN for o in self._books.live.values())
        if unknown or asked < found.t + STANDS:
            return False
        turn.record(DriftCleared(turn.now, subject, what))
        return True

    def _record_unexplained(
        self, turn: Turn, cash: int, stated: Mapping[str, tuple[int, int]]
    ) -> None:
        """Record the cash and the shares that no order explains."""
        rows = []
        for code, (qty, cost) in sorted(stated.items()):
            more = qty - self._books.account.position(code).qty
            if more:
                # KIS states one amount for the whole holding. The new shares get their part of it.
                rows.append((code, more, cost * min(more, qty) // qty if more > 0 and qty else 0))
        turn.record(AccountOpened(turn.now, cash, tuple(rows)))
