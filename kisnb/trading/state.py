"""The desk's state, computed from the journal's rows alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from kisnb.clock import Ns, day_number
from kisnb.events import (
    Accepted,
    AccountOpened,
    AgentArchived,
    AgentFact,
    AgentNoted,
    Armed,
    BreakerTripped,
    ControlFact,
    DecisionMade,
    Denied,
    Disarmed,
    DriftCleared,
    DriftFound,
    ExitFact,
    ExternalFound,
    Filled,
    FlattenSet,
    GuardsSet,
    HaltSet,
    HaltStep,
    HoldingAdopted,
    IntentTaken,
    Notice,
    OrderFact,
    OrderHeld,
    OrderShown,
    Requoted,
    Resolved,
    SendStarted,
    Sent,
    is_order_fact,
)
from kisnb.guards import Guards
from kisnb.market.routing.evidence import EvidenceLog
from kisnb.orders import Order, OrderRef, OrderState, same_branch
from kisnb.terms import BUY, Side
from kisnb.trading.exit_state import ExitState
from kisnb.trading.order_books.breaker import TradingDay
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.order_books.stated_shares import CLOCKS_DIFFER, StatedShares
from kisnb.trading.ports.journal_rows import RouteDecided, Row
from kisnb.trading.requote_state import RequoteState
from kisnb.trading.typed_orders.order_names import OrderNames

MOST_DECISIONS = 5_000
"""The most decisions that are kept in memory. A busy day of ten agents has fewer."""


class State:
    """The order books, the trading state, and everything else that the journal's rows determine.

    It also has the namings of typed orders, early notices, routing decisions, and the differences
    between KIS's figures and ours.
    """

    def __init__(self) -> None:
        self.books = OrderBooks()
        self.names = OrderNames()
        self.routes = EvidenceLog()
        """The newest routing decisions. The journal has all of them."""
        self.early: dict[tuple[int, int], list[Notice]] = {}
        """Early notices by day and order number."""
        self.halt: str = "active"
        self.halt_reason = ""
        self.halting: Literal["", "reducing", "halted"] = ""
        """The trading state in which the running kill switch will end.

        Empty when it does not run.
        """
        self.flatten_reason: str | None = None
        """The reason of the flatten that runs; None when no flatten runs."""
        self.flatten_left = ""
        """The newest sentence about the shares that the flatten has not sold yet, and why."""
        self.armed: Armed | None = None
        self.armed_spent = 0
        """Value of the buys filled since the desk was armed, won."""
        self.day = TradingDay()
        self.held: dict[str, OrderHeld] = {}
        """Orders that are held and not sent yet, by key."""
        self.highest: dict[int, int] = {}
        """The highest order number seen, by day."""
        self.fills = 0
        self.flow = 0
        """Cash flow of all fills after fee and tax, won. Buys count as negative."""
        self.opened: int | None = None
        """Cash (D+2) minus the flow of all fills, won.

        None until the account was read for the first time.
        """
        self._unexplained = (0, 0)
        self.unproven: dict[str, int] = {}
        """By code: shares that were booked only because KIS stated them.

        They were stated for a minute, or at the opening of the account while a buy could explain
        them. A later statement may remove them again.
        """
        self.stated = StatedShares()
        """Those unproven shares that KIS had stated for a minute. A later fill may explain them."""
        self._opening: AccountOpened | None = None
        """The row that opened the account. None: the account was not opened yet."""
        self._explained: set[tuple[int, int]] = set()
        """Day and number of orders whose acceptance a notice had reported before the opening."""
        self.exits = ExitState()
        """Exits and price alerts."""
        self.requotes = RequoteState()
        """Requotes that have not ended, and the pauses in buying after requotes."""
        self.agents: dict[str, AgentNoted] = {}
        """The newest record of each agent, by its id."""
        self.archived: list[AgentArchived] = []
        """Records of agents that were replaced by a fresh start, oldest first."""
        self.guards: dict[str, Guards | None] = {}
        """The guards of agents' buys, by agent."""
        self.short_of_cash: dict[str, Ns] = {}
        """By agent: when its newest buy was denied for want of cash."""
        self.decisions: dict[str, DecisionMade] = {}
        """The newest decisions of agents, by key. The journal has all decisions of the day."""
        self.drifts: dict[tuple[str, str], DriftFound] = {}
        """Differences that are not cleared yet, by subject and figure."""

    def apply(self, row: Row) -> None:
        """Apply one row of the journal."""
        # The most frequent case comes first, because a restart gets here once for each row.
        match row:
            case _ if is_order_fact(row):
                self._apply_order_fact(row)
            case RouteDecided():
                self.routes.add(row.evidence)
            case Notice():
                day = day_number(row.t)
                self.early.setdefault((day, _home(row)), []).append(row)
                self.note_number(day, row.number)
            case DriftFound():
                self.drifts[row.subject, row.what] = row
            case DriftCleared():
                self.drifts.pop((row.subject, row.what), None)
            case AccountOpened():
                self._apply_account(row)
            case HoldingAdopted():
                self.books.apply_holdings(row)
                if row.naming is not None:
                    self.names.add(row.t, row.key, row.naming)
            case OrderShown():
                self.names.add_shown(row.key, row.place, row.token)
            case _ if isinstance(row, ExitFact):
                self.exits.apply(row)
            case _:
                self._apply_control_fact(row)

    def _note_decision(self, made: DecisionMade) -> None:
        self.decisions[made.key] = made
        if len(self.decisions) > MOST_DECISIONS:
            del self.decisions[next(iter(self.decisions))]

    def apply_at_once(
        self, taken: IntentTaken, started: SendStarted, sent: Sent, filled: Filled
    ) -> None:
        """Apply the four rows of an order that was filled completely at one moment.

        The state is then the same as after ``apply`` of each row. A back-test over bars has
        thousands of such orders.
        """
        self.day.roll(taken.t, self.books)
        self.books.apply_at_once(taken, started, sent, filled)
        self._note_ref(sent.ref)
        self._add_fill(taken.intent.code, taken.intent.side, filled)

    def apply_whole_fill(self, filled: Filled) -> None:
        """Apply the fill of a sent order that fills all its shares at once.

        The state is then the same as after ``apply`` of the row. The order must have no requote.
        """
        self.day.roll(filled.t, self.books)
        order = self.books.orders[filled.key]
        self.books.apply_whole_fill(order, filled)
        self._add_fill(order.code, order.side, filled)

    def apply_sent(self, taken: IntentTaken, started: SendStarted, sent: Sent) -> Order:
        """Apply the three rows of an order that was taken and sent at one moment. Return the order.

        The state is then the same as after ``apply`` of each row. The order's number must be new.
        """
        self.day.roll(taken.t, self.books)
        order = self.books.apply_sent(taken, started, sent)
        self.requotes.begin(taken.t, taken.intent)
        self._note_ref(sent.ref)
        return order

    def _add_fill(self, code: str, side: Side, row: Filled) -> None:
        # It is a count and not a sum: a reading compares it before and after, and two fills may
        # cancel each other out in a sum.
        self.fills += 1
        value = row.qty * row.price
        cost = row.fee + row.tax
        flow, bought = (-value - cost, value) if side is BUY else (value - cost, 0)
        self.flow += flow
        self.day.add_fill(code, flow, bought, cost)
        self.armed_spent += bought

    def _apply_account(self, row: AccountOpened) -> None:
        self.day.roll(row.t, self.books)
        self.day.adopt(row)
        day = day_number(row.t)
        if self.opened is None:
            self._opening = row
            self._explained = {
                home
                for home, notices in self.early.items()
                if any(notice.kind == "accepted" for notice in notices)
            }
            for code, qty, _ in row.holdings:
                self.unproven[code] = min(max(qty, 0), self._explicable(day, code))
        else:
            self._unexplained = day, self.unexplained(row.t) + row.cash
            for code, qty, _ in row.holdings:
                self.unproven[code] = max(self.unproven.get(code, 0) + qty, 0)
                self.stated.book(row.t, code, qty)
        # The amount is added, not set: the first row opens the account, and each later row books a
        # difference that has lasted.
        self.opened = (self.opened or 0) + row.cash
        self.books.apply_holdings(row)

    def _apply_control_fact(self, row: ControlFact | AgentFact) -> None:
        match row:
            case HaltSet():
                self.halt, self.halt_reason = row.state, row.reason
            case Armed():
                self.armed, self.armed_spent = row, 0
            case Disarmed():
                self.armed = None
            case BreakerTripped():
                self.day.roll(row.t, self.books)
                self.day.trips += 1
            # This is a run of an earlier version without FlattenSet: the flatten was its last step.
            case HaltStep(step="block", ends="flatten"):
                self.halting, self.flatten_reason = "halted", self.halt_reason
            case HaltStep(step="block", ends=ends):
                self.halting = "reducing" if ends == "reducing" else "halted"
            case HaltStep(step="flatten", done=done, text=text):
                self.flatten_left = "" if done else text
            case FlattenSet(on=on, reason=reason):
                self.flatten_reason, self.flatten_left = reason if on else None, ""
            # Only the last step ends a run. If the desk died before it, the next desk begins the
            # run again.
            case HaltStep(step="notify"):
                self.halting = ""
            case AgentNoted() | GuardsSet() | DecisionMade() | AgentArchived():
                self._apply_agent_fact(row)

    def _apply_agent_fact(self, row: AgentFact) -> None:
        match row:
            case AgentNoted(record=record):
                self.agents[record.agent] = row
            case GuardsSet(agent=agent, guards=guards):
                self.guards[agent] = guards
            case AgentArchived():
                self.archived.append(row)
            case DecisionMade():
                self._note_decision(row)

    def _apply_order_fact(self, row: OrderFact) -> None:
        # This comes before the row is applied, because the day's opening is the holdings before its
        # first fact.
        self.day.roll(row.t, self.books)
        if type(row) is ExternalFound:
            self._note_late(row)
        order = self.books.apply(row)
        if type(row) is IntentTaken:
            self.requotes.begin(row.t, row.intent)
            if row.naming is not None:
                self.names.add(row.t, order.key, row.naming)
        elif type(row) is Requoted:
            self.requotes.apply(row, order)
        elif self.requotes.budgets and order.is_ended:
            self.requotes.on_ended(order)
        if type(row) is Denied and row.about == "cash":
            self.short_of_cash[order.intent.agent] = row.t
        if type(row) is OrderHeld:
            self.held[row.key] = row
        # An order that has left NEW is no longer held. A stopped order comes back with a new
        # OrderHeld.
        elif self.held and order.state is not OrderState.NEW:
            self.held.pop(order.key, None)
        if (
            type(row) is Sent
            or type(row) is Accepted
            or type(row) is Resolved
            or type(row) is ExternalFound
        ):
            self._note_ref(row.ref)
        elif type(row) is Filled:
            self._add_fill(order.code, order.side, row)

    @property
    def coming_halt(self) -> str:
        """The trading state after the kill switch has ended.

        While the kill switch does not run, it is the present state.
        """
        return self.halting or self.halt

    @property
    def cash(self) -> int | None:
        """Cash (D+2), won: KIS's figure, changed by the fills since.

        None before KIS has stated it.
        """
        return None if self.opened is None else self.opened + self.flow

    def account_drift(self, subject: str) -> DriftFound | None:
        """Return the open difference of a holding (by code) or of ``"cash"``. None without one."""
        return self.drifts.get((subject, "cash" if subject == "cash" else "holding"))

    def doubtful(self, code: str) -> int:
        """Return how many shares KIS once stated and no longer states.

        No fill proves these shares. The newest complete statement of KIS decides about them.
        """
        drift = self.account_drift(code)
        missing = drift.ours - drift.theirs if drift is not None else 0
        return max(min(missing, self.unproven.get(code, 0)), 0)

    def unexplained(self, now: Ns) -> int:
        """Return today's change of cash that no fill explains, won. Negative: the cash became less.

        Differences that were booked when the desk first read the account do not count.
        """
        day, won = self._unexplained
        return won if day == day_number(now) else 0

    def _explicable(self, day: int, code: str) -> int:
        """Return how many shares of a day's buys have no booked fill when the account is opened.

        The list with which the account is opened may lack these fills. The account may already
        contain their shares, and a fill that is booked later would count them twice.
        """
        bought = sum(
            order.quantity - order.filled
            for order in self.books.orders.values()
            if order.code == code and order.side is Side.BUY and day_number(order.sent_at) == day
        )
        noticed = sum(
            notice.qty
            for (of_day, _), notices in self.early.items()
            for notice in notices
            if (of_day, notice.kind, notice.code) == (day, "accepted", code)
            and notice.side is Side.BUY
        )
        return bought + noticed

    def _note_late(self, found: ExternalFound) -> None:
        """Note shares of the opening as unproven, because an external order may explain them.

        The order was placed before the account was opened. The list with which the account was
        opened lacked the order, or a part of it, and no notice had reported it.
        """
        opening, intent, ref = self._opening, found.intent, found.ref
        if opening is None or intent.side is Side.SELL or found.t > opening.t + CLOCKS_DIFFER:
            return
        if day_number(opening.t) != ref.day or (ref.day, ref.number) in self._explained:
            return
        known = self.books.orders.get(intent.key)
        more = intent.qty - (known.quantity if known is not None else 0)
        held = sum(qty for code, qty, _ in opening.holdings if code == intent.code)
        unproven = self.unproven.get(intent.code, 0)
        # It is no more than the shares of the opening, because later fills stay proven.
        self.unproven[intent.code] = max(unproven, min(unproven + more, held))

    def note_number(self, day: int, number: int) -> None:
        """Note an order number of a day. The highest one is stored."""
        # The resolver assumes that a later order of a day has a higher number. Numbers of external
        # orders count too.
        if number > self.highest.get(day, 0):
            self.highest[day] = number

    def _note_ref(self, ref: OrderRef | None) -> None:
        if ref is not None:
            # The number has its order now, so notices no longer wait for it.
            waiting = self.early.pop((ref.day, ref.number), None) if self.early else None
            if others := [n for n in waiting or () if not same_branch(n.branch, ref.branch)]:
                self.early[ref.day, ref.number] = others
            self.note_number(ref.day, ref.number)

    @classmethod
    def fold(cls, rows: Iterable[Row]) -> State:
        """Return a new State to which these rows were applied."""
        state = cls()
        for row in rows:
            state.apply(row)
        return state


def _home(notice: Notice) -> int:
    """Return the number of the order that a notice is about.

    For the notice of a cancel it is the number of the cancelled order.
    """
    return (notice.original or notice.number) if notice.kind == "cancelled" else notice.number
