"""What must hold of a run, checked against the simulated host's ledger while it goes on and when it
is over."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from kisnb.clock import SECOND
from kisnb.events import (
    AccountOpened,
    Armed,
    Cancelled,
    Denied,
    ExternalFound,
    IntentTaken,
    ProtectionFired,
    Resolved,
    SendStarted,
    Sent,
)
from kisnb.exits import ExitReason
from kisnb.market import order_rules
from kisnb.orders import Intent, Order, OrderState
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.gate.blackout import window_end
from kisnb.trading.gate.risk import Gate
from kisnb.trading.order_books.order_book import EXTERNAL, NOBODY, UNASSIGNED
from kisnb.trading.orders.resolver import WINDOW, could_be, likeness
from kisnb.trading.ports.effects import Revise, Send
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.state import State

from .adoptions import Adoptions
from .ear import holdings
from .halts import Halts
from .money import Money
from .schedule import DAY

if TYPE_CHECKING:
    from .campaign import Run

NUMBER = int(f"{DAY:%Y%m%d}")
MOST_TOLD = 20


class Watch:
    """Notes what is violated, in sentences; folds every persisted row a second time on its own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.shadow = State()
        self.day = NUMBER
        self.money = Money(run, self)
        self.adoptions = Adoptions(run, self)
        self.halts = Halts(run, self)
        self._started: set[str] = set()
        self._sent: set[str] = set()
        self._left: set[str] = set()
        self._opened = False
        self.placed: dict[int, str] = {}
        """The truth: which of our orders got which number."""
        self.listed: set[int] = set()
        """Numbers in the list that the desk has read last."""
        self.reasons: set[ExitReason] = set()
        """Why exits have sold."""
        self.broken: list[str] = []
        self.transitions: set[tuple[OrderState, OrderState]] = set()

    def demand(self, holds: bool, text: str) -> None:
        if not holds and text not in self.broken and len(self.broken) < MOST_TOLD:
            self.broken.append(text)

    # while it goes on

    def persisted(self, row: Row) -> None:
        key = (
            row.intent.key
            if isinstance(row, IntentTaken | ExternalFound)
            else getattr(row, "key", "")
        )
        before = self.shadow.books.orders.get(key)
        was = before.state if before is not None else OrderState.NEW
        self.halts.persisted(row)
        if isinstance(row, Cancelled) and before is not None:
            # At once: a later list would mend it.
            twice = row.number in before.cancels
            self.demand(not twice, f"the cancel #{row.number} of {key} was counted twice")
            # Row O06: a list that lacks the row of a revise on its way shows its shares as gone.
            moves = not row.number and self._is_being_revised(before)
            self.demand(not moves, f"{before!r} lost {row.qty} shares while a revise was sent")
        unproven = dict(self.shadow.unproven)
        self.shadow.apply(row)
        after = self.shadow.books.orders.get(key)
        if after is not None and after.state is not was:
            # An order that was known as somebody else's comes with what has become of it since.
            steps = (was, after.state)
            if isinstance(row, Sent | Resolved) and after.state is not OrderState.REJECTED:
                steps = tuple(dict.fromkeys((was, OrderState.SENT, after.state)))
            self.transitions.update(pairwise(steps))
        if isinstance(row, SendStarted):
            self._started.add(row.key)
        if isinstance(row, ProtectionFired):
            self.reasons.add(row.reason)
        if isinstance(row, Armed):
            self.money.armed(row)
        if isinstance(row, Denied) and row.reason.startswith("blackout") and after is not None:
            waits = (
                window_end(self._run.now, self._run.limits.windows) is not None
                and not after.cancel_asked
            )
            self.demand(
                not waits, f"{key} was refused in a blackout, and it was to wait: {row.reason}"
            )
        if isinstance(row, Resolved):
            self.adoptions.resolved(row)
        if isinstance(row, AccountOpened):
            # Nothing is delivered or paid in by itself here: every share and every won has an
            # order.
            fee = not row.holdings and self.fee_is_open()
            # A list that hides fills for long leaves the account alone to tell of them.
            excused = fee or self._run.has_misread
            self.demand(not self._opened or excused, f"a difference was taken as it is: {row}")
            erased = [(c, q) for c, q, _ in row.holdings if -q > unproven.get(c, 0)]
            self.demand(not erased, f"a statement that lacks shares erased {erased}")
            self._opened = True

    def _is_being_revised(self, order: Order) -> bool:
        """Whether a revise of an order that was none itself is being sent."""
        revises = (o for o in self.shadow.books.live.values() if o.intent.supersedes == order.key)
        return not order.intent.supersedes and any(o.state is OrderState.SENDING for o in revises)

    def fee_is_open(self) -> bool:
        """KIS's list does not say where the router of a SOR order traded: the fee is the account's
        to tell."""
        there = self._run.host.core.account.orders
        by_router = {n for n, o in there.items() if o.venue is Venue.SOR and o.filled}
        if not by_router:
            return False
        orders = self.shadow.books.orders.values()
        return any(
            not fill.stamp for order in orders if order.number in by_router for fill in order.fills
        )

    def sent(self, effect: Send | Revise) -> None:
        """Invariants 1, 4 and 6: once, after its row, and not in HALTED.

        Nor a buy beside an order of unknown fate.
        """
        assert self._run.desk is not None
        key, state = effect.intent.key, self.shadow
        window = window_end(self._run.now, self._run.limits.windows)
        self.demand(window is None, f"{key} was sent in a blackout")
        self.demand(key not in self._sent, f"{key} was sent twice")
        self.demand(key in self._started, f"{key} was sent before its row was kept")
        self.demand(
            self.halts.passes(effect.intent), f"{key} was sent in {state.halt}, or beside a flatten"
        )
        unknown = [
            o
            for o in state.books.live.values()
            if o.code == effect.intent.code and o.state == "unknown"
        ]
        self.demand(
            effect.intent.side is Side.SELL or not unknown,
            f"{key} buys beside an order of unknown fate, {unknown}",
        )
        flying = [
            o.key
            for o in state.books.live.values()
            if o.state is OrderState.SENDING and o.key != key
        ]
        pair = (effect.intent.code, effect.intent.side)
        beside = [
            k for k in flying if (state.books.orders[k].code, state.books.orders[k].side) == pair
        ]
        self.demand(
            not beside, f"{key} was sent while {beside} of the same stock and side were being sent"
        )
        self._sent.add(key)
        self.adoptions.sent(key)
        self.money.sent(effect.intent, self._run.now)

    def _gate(self) -> Gate:
        return Gate(self._run.rules, self._run.limits)

    def kept(self, key: str) -> None:
        """Nothing of the order left: it may be sent yet."""
        self._sent.discard(key)

    def turned_away(self, key: str) -> None:
        """KIS did not read the order: it may be sent once more, after a row of its own."""
        self._sent.discard(key)
        self._left.discard(key)
        self._started.discard(key)

    def leaves(self, key: str) -> None:
        """The last hop: bytes leave once, for a venue that takes them, and only while all that let
        them pass holds.

        Invariants 1, 5 and 6; rows A08 and N06.
        """
        order, now, state = self.shadow.books.orders[key], self._run.now, self.shadow
        self.demand(key not in self._left, f"{key} left twice")
        self._left.add(key)
        self.demand(
            self.halts.passes(order.intent), f"{key} left in {state.halt}, or beside a flatten"
        )
        self.demand(window_end(now, self._run.limits.windows) is None, f"{key} left in a blackout")
        self.demand(not order.cancel_asked, f"{key} left, and was cancelled before")
        self.money.sent(order.intent, now)
        if order.side is Side.BUY:
            armed = state.armed is not None and now < state.armed.until
            self.demand(
                armed or not self._run.limits.needs_arming, f"{key} left a desk that is not armed"
            )
            unknown = [
                o
                for o in state.books.live.values()
                if o.code == order.code and o.state == "unknown"
            ]
            self.demand(not unknown, f"{key} left beside an order of unknown fate, {unknown}")
        if order.route is None:
            self.demand(False, f"{key} left, and no row of it names a route")
            return
        item = self._run.rules.instrument(order.code)
        assert item is not None
        verdict = order_rules.legal(now, order.route.venue, order.route.kind, item)
        self.demand(bool(verdict), f"{key} left for {order.route}: {verdict.why_not}")

    def arrived(self, key: str, number: int) -> None:
        """Invariant 1, as the host sees it: what was wanted once came into being once."""
        twice = [n for n, placed in self.placed.items() if placed == key]
        self.demand(not twice, f"{key} is #{number} at KIS, and #{twice} before")
        self.placed[number] = key

    def cancels(self, key: str) -> None:
        """Invariant 4 and row O08: after its row.

        An external order is cancelled by the kill switch alone.
        """
        self.demand(
            self.shadow.books.orders[key].cancel_asked,
            f"a cancel of {key} was sent before its row was kept",
        )
        external = self.shadow.books.orders[key].intent.agent == EXTERNAL
        self.demand(
            not external or self.shadow.halting, f"{key}, which is somebody else's, was cancelled"
        )

    def began(self, state: State) -> None:
        self.halts.began()
        self.demand(
            picture(state) == picture(self.shadow), "the fold of the journal is not the state"
        )

    def stepped(self, state: State) -> None:
        """Invariants 2, 3, 7 and 11, at every step."""
        theirs = self._run.host.core.account.orders
        for order in state.books.orders.values():
            filled, leaves = order.filled, order.leaves
            if order.quantity != filled + order.cancelled + leaves or leaves < 0:
                self.demand(False, f"{order!r} does not add up")
            there = theirs.get(order.number or 0)
            if there is not None and filled > there.filled:
                self.demand(False, f"{order!r} has more fills than KIS: {there.filled}")
        books = state.books
        for code, position in books.account.positions.items():
            parts = sum(book.position(code).qty for book in books.agents.values())
            self.demand(
                parts == position.qty, f"agents hold {parts} {code}, the account {position.qty}"
            )
            for name in books.agents.keys() - NOBODY:
                qty = books.agents[name].position(code).qty
                # A protective sell may be told before the buys that it sells.
                if qty < 0:
                    mine = [
                        o for o in books.live.values() if o.intent.agent == name and o.code == code
                    ]
                    buying = sum(o.leaves for o in mine if o.side is Side.BUY)
                    # While its buy was of unknown fate and KIS stated more shares, the exit of an
                    # agent was tried. Then a person said that the buy was never sent, or the buy
                    # was found and ended without a fill.
                    never = sum(
                        o.quantity - o.filled
                        for o in books.agents[name].orders.values()
                        if o.code == code
                        and o.side is Side.BUY
                        and not o.is_open
                        and any(isinstance(f, Resolved) for f in o.facts)
                    )
                    self.demand(qty + buying + never >= 0, f"{name} holds {qty} {code}")

    # when it is over

    def settled(self) -> None:
        """Every fault is over: the books are KIS's, and nothing is unknown that KIS's list could
        tell."""
        state = self._state()
        if state is None:
            return
        self.demand(
            picture(state) == picture(self.shadow), "the fold of the journal is not the state"
        )
        self.demand(not state.halting, "the kill switch has not come to its end")
        asked = [repr(o) for o in state.books.live.values() if o.cancel_asked]
        self.demand(not asked, f"of the cancel nothing was ever heard: {asked}")
        self._known_once(state)
        self._totals(state)
        self._reservations(state)
        self._positions(state)
        self._unknown(state)
        self.halts.settled()
        self._told()
        for subject, drift in state.drifts.items():
            unknown = bool(of_unknown_fate(state))
            fee = drift.what == "cash" and self.fee_is_open()
            self.demand(unknown or fee, f"a difference stands: {subject} {drift}")

    def decided(self) -> None:
        """A person has decided what no evidence could: nothing is of unknown fate any more."""
        state = self._state()
        if state is not None:
            # A flatten goes on to sell: its newest order can still come to light, and nobody may
            # decide yet.
            decidable = self._run.now - WINDOW - 10 * SECOND
            left = [repr(o) for o in of_unknown_fate(state) if o.sent_at < decidable]
            self.demand(not left, f"still of unknown fate: {left}")
            self._known_once(state)

    def undecided(self) -> bool:
        """Return True while the fate of an order is unknown."""
        state = self._state()
        return state is not None and bool(of_unknown_fate(state))

    def over(self) -> None:
        """After the close nothing is open, and all money and shares are accounted for."""
        state = self._state()
        if state is not None:
            # Nextrade's orders live on until 20:00, and so may those of the smart order router.
            there = self._run.host.core.account.orders
            left = [
                repr(o)
                for o in state.books.live.values()
                if not (o.number in there and there[o.number].leaves)
            ]
            self.demand(not left, f"open after the close: {left}")
            self._known_once(state)
            self._totals(state)

    def _state(self) -> State | None:
        desk = self._run.desk
        self.demand(desk is not None, "the desk did not come back")
        return desk.state if desk is not None else None

    def _known_once(self, state: State) -> None:
        """Every order at KIS is one order of the books, with its fills and cancels.

        Ours are ours.
        """
        by_number: dict[int, list[Order]] = {}
        for order in state.books.orders.values():
            if order.number is not None:
                by_number.setdefault(order.number, []).append(order)
        unknown = of_unknown_fate(state)
        rows = {r.ref.number: r for r in self._run.host.day_orders().rows}
        for number, there in self._run.host.core.account.orders.items():
            if is_request(there):
                continue
            found = by_number.get(number, [])
            maybe = any(could_be(o, rows[number], state.books) for o in unknown)
            self.demand(
                len(found) == 1 or (not found and maybe), f"#{number} is {found} in the books"
            )
            if len(found) == 1:
                self._same(found[0], there, self.placed.get(number))
                self._lives_on(found[0], there)

    def _same(self, order: Order, there: AccountOrder, key: str | None) -> None:
        said = f"{order!r} but at KIS {there.filled} filled, {there.leaves} left of {there.qty}"
        self.demand(order.filled == there.filled, said)
        self.demand((order.leaves if order.is_open else 0) == there.leaves, said)
        known = (
            key is not None
            and there.number not in self.adoptions.confused
            and key not in self.adoptions.overtaken
            and key not in self.adoptions.misnamed
            # A wrong list had shown it as another order, and a person has to say that it is ours.
            and not (
                self._run.has_misread
                and order.intent.agent == EXTERNAL
                and self.shadow.books.orders[key].state is OrderState.UNKNOWN
            )
        )
        self.demand(
            not known or order.key == key, f"#{there.number} is {order.key}, and was sent as {key}"
        )

    def _lives_on(self, order: Order, there: AccountOrder) -> None:
        """Row O06: an order that was revised says under which order its shares live on."""
        parent = self.shadow.books.by_number(NUMBER, there.original) if there.original else None
        if parent is not None and order.intent.supersedes == parent.key:
            self.demand(
                order.key in parent.revised_by, f"{parent!r} does not say that {order!r} revises it"
            )

    def _totals(self, state: State) -> None:
        account, books = self._run.host.core.account, state.books
        in_the_air = {o.code for o in books.live.values() if o.state is OrderState.UNKNOWN}
        if in_the_air and state.opened is None:
            # The account is not taken as it is while nobody knows what of it is told already.
            return
        for code in {*account.positions, *books.account.positions}:
            held = account.positions[code].qty if code in account.positions else 0
            ours = books.account.position(code).qty
            self.demand(
                ours == held or code in in_the_air, f"{ours} {code} in the books, {held} at KIS"
            )
        if state.opened is not None and not in_the_air and not self.fee_is_open():
            cash = state.opened + state.flow
            self.demand(
                cash == account.settled_d2,
                f"cash {cash:,} in the books, {account.settled_d2:,} at KIS",
            )
        self.demand(state.opened is not None, "the account was never read")

    def _positions(self, state: State) -> None:
        """Invariant 3: each position is the sum of its fills and of the shares that were handed
        over."""
        handed: dict[tuple[str, str], int] = {}
        for fact in state.books.adoptions.values():
            for source, qty, _, _ in fact.lots:
                handed[source, fact.code] = handed.get((source, fact.code), 0) - qty
                handed[fact.agent, fact.code] = handed.get((fact.agent, fact.code), 0) + qty
        for name in state.books.agents.keys() - {UNASSIGNED}:
            book = state.books.agents[name]
            sums = {code: qty for (owner, code), qty in handed.items() if owner == name}
            for order in book.orders.values():
                sign = 1 if order.side is Side.BUY else -1
                sums[order.code] = sums.get(order.code, 0) + sign * sum(
                    fill.qty for fill in order.fills
                )
            held = {code: p.qty for code, p in book.positions.items() if p.qty}
            self.demand(
                {c: q for c, q in sums.items() if q} == held,
                f"{name} holds {held}, its fills are {sums}",
            )

    def _reservations(self, state: State) -> None:
        """What the desk may still spend is what KIS says is orderable."""
        unknown = bool(of_unknown_fate(state))
        if state.cash is None or unknown or self.fee_is_open():
            return
        probe = Intent("probe", "", "005930", Side.BUY, 1, OrderKind.MARKET)
        free = state.cash - self._gate()._reserved(self._run.now, probe, state)
        there = self._run.host.core.account.orderable
        self.demand(free == there, f"{free:,} won are free by the books, {there:,} at KIS")

    def _told(self) -> None:
        """The notebooks' books are the desk's."""
        for text in self._run.notebooks.differences():
            self.demand(False, text)

    def _unknown(self, state: State) -> None:
        rows = self._run.host.day_orders().rows
        free = [r for r in rows if state.books.by_number(NUMBER, r.ref.number) is None]
        unknown = of_unknown_fate(state)
        could = {
            o.key: [r.ref.number for r in free if could_be(o, r, state.books)] for o in unknown
        }
        for key, numbers in could.items():
            shared = any(
                number in others
                for other, others in could.items()
                if other != key
                for number in numbers
            )
            sure = all(
                likeness(state.books.orders[key], r, state.books) == "like"
                for r in free
                if r.ref.number in numbers
            )
            # A wrong list had shown it in part, as an external order. A person decides.
            taken = self._run.has_misread and any(
                could_be(state.books.orders[key], r, state.books)
                for r in rows
                if (of := state.books.by_number(NUMBER, r.ref.number)) is not None
                and of.intent.agent == EXTERNAL
            )
            self.demand(
                len(numbers) != 1 or shared or not sure or taken,
                f"{key} is unknown, though it must be #{numbers}",
            )
        for number, key in self.placed.items():
            rejected = state.books.orders[key].state in (OrderState.REJECTED, OrderState.DENIED)
            said = f"{key} is {state.books.orders[key].state}, and KIS has it as #{number}"
            self.demand(not rejected or number in self.adoptions.confused, said)


def of_unknown_fate(state: State) -> list[Order]:
    """The live orders of which it is not known whether KIS has them."""
    return [order for order in state.books.live.values() if order.state is OrderState.UNKNOWN]


def is_request(order: AccountOrder) -> bool:
    """A request to cancel is listed under a number of its own, but is not an order."""
    return bool(order.original) and order.state == "confirmed"


def exits_of(state: State) -> list[tuple[object, ...]]:
    """The exits that stand, as far as they have come."""
    return [
        (w.protection, w.stage, w.peak, w.fired, w.blocked) for w in state.exits.watches.values()
    ]


def picture(state: State) -> list[object]:
    """All that a state says, to compare two of them."""
    orders = [
        (
            o.key,
            o.state,
            o.filled,
            o.cancelled,
            o.expired,
            o.ref,
            o.text,
            o.cancel_asked,
            o.listed,
            sorted(o.cancels),
        )
        for o in state.books.orders.values()
    ]
    waiting = [(k, [msgspec.structs.astuple(n) for n in v]) for k, v in sorted(state.early.items())]
    held, adopted = holdings(state.books), sorted(state.books.adoptions)
    return [
        orders,
        waiting,
        held,
        adopted,
        sorted(state.held),
        state.halt,
        state.fills,
        state.flow,
        state.opened,
        sorted(state.drifts),
        exits_of(state),
    ]
