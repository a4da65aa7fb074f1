"""Compares the cash and the holdings that KIS states with our order books.

The first statement opens the account: cash and shares that no order of the journal explains are
booked. Later a difference is found, published, and booked when it has lasted for a minute.

A statement may lack shares that we hold: an empty list, a missing page, or a sale that KIS's list
of orders does not show. However often such a statement comes, nothing of it is booked, and it
removes no share that a fill explains. Only shares that were themselves booked from a statement can
be removed again. The difference lasts until the list of orders explains it, a later statement has
the shares again, or a person accepts it (``accept``). Until then a sell may use the shares on which
the order books and the last complete statement agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from kisnb.clock import SECOND, Ns, kst_day
from kisnb.events import AccountOpened, DriftCleared, DriftFound
from kisnb.orders import Account, Holding, Intent, OrderState
from kisnb.terms import OrderKind, Side
from kisnb.trading.order_books import reservations
from kisnb.trading.order_books.order_book import BY_HAND, OrderBooks
from kisnb.trading.orders.cash_words import booked_text
from kisnb.trading.orders.readings import SETTLES, Readings
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

# KIS's account lags behind its notices, and at paper fills may come minutes late. A shorter
# difference is usually a fill on its way.
STANDS: Ns = 60 * SECOND
"""A difference of the account must last this long before KIS's figure is booked."""


# One figure, cash or a holding, at each statement of the account:
#
# | KIS's figure and ours               | drift stands | what is done                        |
# |-------------------------------------|--------------|-------------------------------------|
# | equal                               | no           | nothing                             |
# | equal                               | yes          | DriftCleared, nothing is booked     |
# | differ                              | no           | DriftFound                          |
# | differ, not as when it was found    | yes          | DriftFound: the minute begins anew  |
# | differ as found, less than a minute | yes          | nothing                             |
# | differ as found, a minute or more   | yes          | DriftCleared, and it is booked      |
# | KIS's holding is smaller            | any          | as above, but it is never booked    |
class AccountReconciliation:
    """Adjusts our cash and holdings to KIS's statement."""

    def __init__(self, state: State, readings: Readings) -> None:
        self._state = state
        self._readings = readings
        self._reported: dict[str, tuple[int, int]] = {}
        """By code: missing shares that were reported, as our number and KIS's number."""

    @property
    def _books(self) -> OrderBooks:
        return self._state.books

    def reconcile(
        self, turn: Turn, asked: Ns, account: Account, *, consistent: bool, listed: bool
    ) -> None:
        """Compare KIS's statement of the account with our order books, and book differences.

        The statement was read after ``asked``. A difference is booked only when it has lasted long
        enough. ``consistent`` True: nothing was booked since the account and the list were read.
        ``listed`` True: the list of orders lacks no known order, and no order has an end that only
        the list shows.
        """
        sending = any(o.state is OrderState.SENDING for o in self._books.live.values())
        # While an order is being sent, the account may contain its fill although the list does not.
        if sending or not consistent:
            self._readings.schedule(turn, turn.now + SETTLES, "account", account=True)
            return
        stated = {h.code: (h.qty, h.cost) for h in account.holdings}
        lacks = self._lacking(account)
        if self._state.opened is None:
            self._open(turn, account, stated, may_open=listed and account.complete and not lacks)
            return
        if not account.complete:
            return
        opened, flow = self._state.opened, self._state.flow
        may_book = listed and not lacks
        # D+2, in which the fills of today are settled (KIS document 잔고, prvs_rcdl_excc_amt).
        if self._stands(turn, asked, "cash", "cash", opened + flow, account.cash_d2) and may_book:
            gap = account.cash_d2 - opened - flow
            turn.report(booked_text(gap, self._costs(turn.now), account.costs))
            self._book(turn, "cash", "cash", gap, {})
        for code in sorted({*stated, *self._books.account.positions}):
            ours, (theirs, cost) = self._books.account.position(code).qty, stated.get(code, (0, 0))
            if not self._stands(turn, asked, code, "holding", ours, theirs):
                continue
            if may_book:
                self._book(turn, code, "holding", 0, {code: (theirs, cost)})
            elif code in lacks:
                self._report_missing(turn, code, ours, theirs)

    def _costs(self, now: Ns) -> int:
        """Return the fees and taxes that the desk booked for today's fills, won."""
        today, fills = kst_day(now), self._books.account.fills
        return sum(fill.fee + fill.tax for _, fill in fills if kst_day(fill.t) == today)

    def confirmed(self, account: Account | None) -> Account | None:
        """Return the account with the shares that a sell may use. None when ``account`` is None.

        If the statement lacks shares that we hold, the shares of our order books count. The last
        complete statement agreed with them, and all changes since are booked.
        """
        if account is None or (account.complete and not self._lacking(account)):
            return account
        held = {h.code: h for h in account.holdings}
        holdings = [h for h in account.holdings if h.code not in self._books.account.positions]
        for code, position in self._books.account.positions.items():
            probe = Intent("", BY_HAND, code, Side.SELL, 0, OrderKind.MARKET)
            free = max(reservations.sellable(self._books, probe), 0)
            of_kis = held.get(code)
            if of_kis is not None and of_kis.qty >= position.qty:
                holdings.append(of_kis)
            elif position.qty > 0:
                holdings.append(Holding(code, "", position.qty, free, position.cost, 0))
        return msgspec.structs.replace(account, holdings=tuple(holdings))

    def accept(self, turn: Turn, subject: str) -> bool:
        """Book a difference that a person accepts. ``subject`` is a stock's code, or ``cash``.

        Return False when there is no such difference.
        """
        drift = self._state.account_drift(subject)
        if drift is None:
            return False
        if drift.what == "cash":
            self._book(turn, subject, "cash", drift.theirs - drift.ours, {})
        else:
            # Removed shares take their cost with them. The cost of additional shares is not known.
            self._book(turn, subject, "holding", 0, {subject: (drift.theirs, 0)})
        return True

    def _lacking(self, account: Account) -> set[str]:
        """Return the codes for which the statement has fewer shares than our fills prove."""
        stated = {h.code: h.qty for h in account.holdings}
        unproven, positions = self._state.unproven, self._books.account.positions
        sure = {code: p.qty - unproven.get(code, 0) for code, p in positions.items()}
        return {code for code, qty in sure.items() if qty > max(stated.get(code, 0), 0)}

    def _open(
        self, turn: Turn, account: Account, stated: Mapping[str, tuple[int, int]], *, may_open: bool
    ) -> None:
        unknown = any(o.state is OrderState.UNKNOWN for o in self._books.live.values())
        # The account contains the fills of an unknown order, and those of rows that the list lacks.
        # Opening the account now would book them twice. A statement that lacks shares that fills
        # prove cannot be the account.
        if unknown or not may_open:
            self._readings.schedule(turn, turn.now + SETTLES, "account", account=True)
            return
        # KIS may no longer state a stock that was sold out before its holding was ever read (KIS
        # document 잔고: sold-out stocks stay with quantity 0 for some days only).
        sold_out = dict.fromkeys(self._books.account.positions.keys() - stated.keys(), (0, 0))
        self._record_unexplained(turn, account.cash_d2 - self._state.flow, {**stated, **sold_out})

    def _stands(
        self,
        turn: Turn,
        asked: Ns,
        subject: str,
        what: Literal["holding", "cash"],
        ours: int,
        theirs: int,
    ) -> bool:
        """Record whether two figures differ. Return True when the difference may be booked.

        ``subject`` and ``what`` name the figure, as in ``DriftFound``. It was read after ``asked``.

        It may be booked when it has lasted long enough.
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
        # The difference may be the fill of an unknown order. If it were booked now, it would count
        # twice when that order is resolved. An order changes the cash, and the holding of its own
        # stock only.
        unknown = any(
            o.state is OrderState.UNKNOWN and (what == "cash" or o.code == subject)
            for o in self._books.live.values()
        )
        return not unknown and asked >= found.t + STANDS

    def _book(
        self,
        turn: Turn,
        subject: str,
        what: Literal["holding", "cash"],
        cash: int,
        stated: Mapping[str, tuple[int, int]],
    ) -> None:
        """Clear a difference, and book KIS's figure.

        ``stated`` has shares and purchase amount (won) by code.
        """
        turn.record(DriftCleared(turn.now, subject, what))
        self._record_unexplained(turn, cash, stated)

    def _report_missing(self, turn: Turn, code: str, ours: int, theirs: int) -> None:
        if self._reported.get(code) == (ours, theirs):
            return
        self._reported[code] = (ours, theirs)
        text = f"KIS states {theirs:,} shares of {code}, and {ours:,} are held by all its fills"
        cure = f"look at KIS's app; if KIS is right, accept it with %kis accept {code}"
        turn.report(f"{text}; nothing is booked. {cure}")

    def _record_unexplained(
        self, turn: Turn, cash: int, stated: Mapping[str, tuple[int, int]]
    ) -> None:
        """Record the cash and the shares that no order explains."""
        rows = []
        for code, (qty, cost) in sorted(stated.items()):
            more = qty - self._books.account.position(code).qty
            if more:
                # KIS states one amount for the whole holding. The new shares get their part of that
                # amount.
                rows.append((code, more, cost * min(more, qty) // qty if more > 0 and qty else 0))
        turn.record(AccountOpened(turn.now, cash, tuple(rows)))
