"""Schedules the readings of KIS's orders and account: at once, at a moment, and regularly.

One reading of a day is under way at a time. A reading that is scheduled meanwhile waits for its
end. The orders of today are always read, and also those of each earlier day on which a live order
was sent.
"""

from __future__ import annotations

from datetime import date

from kisnb.backoff import Backoff
from kisnb.clock import SECOND, Ns, date_of, day_number, kst_day
from kisnb.events import ReadingsFailed, ReadingsGood
from kisnb.market import sessions
from kisnb.orders import Order
from kisnb.terms import Phase, Venue
from kisnb.trading.ports.effects import AskOrders, OrdersQuery, OrdersRead, WakeAt
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

EVERY: Ns = 60 * SECOND
"""Pause between two readings while orders are open."""
RETRY = Backoff.doubling(2 * SECOND, EVERY // 2)
"""Pauses before KIS is asked again for what a reading lacked."""
IDLE: Ns = 300 * SECOND
"""Pause between two readings while no order is open but a venue is open.

These readings find external orders whose notices were lost.
"""
WAITING = "unknown number"
"""The reason of a reading for notices whose order is not known.

If a reply names the order before the reading begins, nothing is read.
"""
AFTER_BOUNDARY: Ns = 2 * SECOND
"""Pause after the end of a market session, so that its last notices can arrive."""
UNANSWERED: Ns = 60 * SECOND
"""A reading of KIS's orders that has not ended after this time counts as lost. It is repeated."""
SETTLES: Ns = 5 * SECOND
"""After this time KIS's list shows an order or a cancel that KIS has accepted."""
FAILED = 5
"""After this number of failed readings in a row people are told, and waiting orders are denied."""


class Readings:
    """Schedules the readings of KIS's orders and account."""

    def __init__(self, state: State) -> None:
        self.linked = False
        """True once the stream was connected. From then on open orders are read every minute."""
        self._state = state
        self._due: Ns | None = None
        self._account = False
        """True if the next reading reads the account too."""
        self._why = ""
        self._asked: dict[date, Ns] = {}
        """Start of the reading that is under way, by day."""
        self._begun: Ns = 0
        """Start of the newest reading."""
        self._failures = 0
        """Readings in a row that KIS did not answer in full."""
        self._failing_since: Ns = 0
        """When the first failed reading in a row ended."""
        self._lacks: tuple[str, ...] = ()
        """Sentences: what the newest reading lacked."""
        self._not_before: Ns = 0
        """Earliest moment of the next reading of the account, after KIS did not state it. Waiting
        orders do not make it earlier."""

    def schedule(self, turn: Turn, at: Ns, why: str, *, account: bool = False) -> None:
        """Schedule a reading at ``at``, unless an earlier one is planned.

        Begin it now if it is due. With ``account`` the account is read too.
        """
        self._account = self._account or account
        at = max(at, self._not_before) if account else at
        if at <= turn.now:
            self._due, self._why = turn.now, why
            self.on_wake(turn)
        elif self._due is None or at < self._due or self._due > turn.now + IDLE:
            self._due, self._why = at, why
            turn.emit(WakeAt(at))

    def schedule_regular(self, turn: Turn, since: Ns | None = None) -> None:
        """Schedule the next regular reading, a minute after ``since`` (None: from now).

        Without an open order and without a difference the next reading comes after five minutes,
        and only while a venue is open.
        """
        if not self.linked:
            return
        begin = turn.now if since is None else since
        today = day_number(turn.now)
        # An order that KIS keeps for a later day hardly changes before that day.
        if self._state.drifts or any(
            not order.waits_for_day(today) for order in self._state.books.live.values()
        ):
            self.schedule(turn, begin + EVERY, "open orders", account=True)
        elif any(
            sessions.phase(venue, turn.now) is not Phase.CLOSED for venue in (Venue.KRX, Venue.NXT)
        ):
            self.schedule(turn, begin + IDLE, "external orders", account=True)

    def on_wake(self, turn: Turn) -> None:
        """Begin the reading, if one is due and none is under way."""
        if self._due is None or turn.now < self._due:
            return
        # The reply has come and has used the notices, as usual. A reading would be a wasted call.
        if self._why == WAITING and not self._state.early:
            self._due = None
            # The minute counts from the last reading. A desk that trades often cancels a reading
            # with each order, and would otherwise delay the regular reading again and again.
            self.schedule_regular(turn, self._begun)
            return
        today = kst_day(turn.now)
        # KIS lists an order of yesterday with unknown outcome under yesterday (KIS document
        # 일별주문체결 asks for a day).
        days = {today, *(_day_of(order, today) for order in self._state.books.live.values())}
        for day in sorted(days):
            # A clock that was set back gives a negative age. Then the reading counts as lost.
            if 0 <= turn.now - self._asked.get(day, turn.now - UNANSWERED) < UNANSWERED:
                return
        self._due = None
        for day in sorted(days):
            self._asked[day] = self._begun = turn.now
            account = self._account and day == today
            query = OrdersQuery(day, self._why, account, turn.now, self._state.fills)
            turn.emit(AskOrders(query))
        self._account = False

    @property
    def failed(self) -> ReadingsFailed | None:
        """The report on failed readings. None while fewer than ``FAILED`` have failed in a row."""
        if self._failures < FAILED:
            return None
        return ReadingsFailed(self._begun, self._failures, self._failing_since, self.why_missing)

    @property
    def why_missing(self) -> str:
        """The reason why the newest reading was not complete, for people.

        Empty when it was complete.
        """
        if not self._failures:
            return ""
        return "; ".join(self._lacks) or "KIS did not state all of it"

    def on_orders_read(self, turn: Turn, read: OrdersRead) -> None:
        """Note the end of a reading. Repeat an incomplete reading after a growing pause."""
        query = read.query
        # A late end of an older reading must not end the newer one.
        if self._asked.get(query.day) == query.asked:
            del self._asked[query.day]
        no_account = read.account is None or not read.account.complete
        is_missing = read.page is None or (query.account and no_account)
        self._report(turn, read, is_missing=is_missing)
        if is_missing:
            self._not_before = turn.now + RETRY.pause(self._failures - 1)
            self.schedule(turn, self._not_before, query.why, account=query.account)

    def _report(self, turn: Turn, read: OrdersRead, *, is_missing: bool) -> None:
        """Count failed readings in a row, and report failures and the return to normal.

        ``is_missing`` True: the reading has failed.
        """
        has_failed = self.failed is not None
        if not is_missing:
            self._failures, self._lacks = 0, ()
            if has_failed:
                turn.publish(ReadingsGood(turn.now))
            return
        self._failures += 1
        if self._failures == 1:
            self._failing_since = turn.now
        is_new, self._lacks = read.lacks != self._lacks, read.lacks
        # An unreadable row does not become readable by waiting, so people are told at once, and
        # only once.
        if is_new and (read.part is not None or read.page is not None) and read.lacks:
            turn.report(f"what KIS states is not complete: {self.why_missing}")
        if self.failed is not None:
            turn.publish(self.failed)


def _day_of(order: Order, today: date) -> date:
    if order.ref is None and order.intent.day:
        # No list of a day has a reserved order before its day.
        return min(date_of(order.intent.day), today)
    if order.ref is None:
        return kst_day(order.sent_at or order.t)
    return date_of(order.ref.day)
