"""The way of an order: taken → checked → routed → sent, with its row before its bytes.

One POST is in flight per stock and side; the next waits in state NEW and is checked again when its turn comes, as is
one that waits for a book, for the account or for the end of a blackout window.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from kisnb.clock import Ns, clock_text, kst_day
from kisnb.events import Denied, Depth, IntentRepeated, IntentTaken, OrderHeld, SendStarted
from kisnb.market import order_rules
from kisnb.market.router import Refused
from kisnb.orders import Account, Intent, Order, OrderState, Route, same_wish
from kisnb.terms import Side, Venue
from kisnb.trading import reservations
from kisnb.trading.blackout import MOST_HELD, drifted, window_end
from kisnb.trading.commands import AskBooks, BooksRead, Effect, Publish, Revise, Send, WakeAt
from kisnb.trading.journal_rows import RouteDecided, Row
from kisnb.trading.latest_books import LatestBooks
from kisnb.trading.order_book import EXTERNAL, Books, day_number
from kisnb.trading.reconciliation import Reconciliation
from kisnb.trading.risk import Gate, No, Rules
from kisnb.trading.state import State


class OrderPath:
    """Brings orders from their intent to their POST. Pure: rows and effects go out."""

    def __init__(
        self,
        rules: Rules,
        gate: Gate,
        state: State,
        market: LatestBooks,
        reconciliation: Reconciliation,
        row: Callable[[Row], None],
        then: Callable[[Effect], None],
    ) -> None:
        self._rules = rules
        self.gate = gate
        self._state = state
        self._market = market
        self._reconciliation = reconciliation
        self._row = row
        self._then = then
        self._reading: set[str] = set()
        """Stocks whose books are being read; their orders wait in state NEW."""
        self._synced: set[str] = set()
        """Held orders for which KIS was asked after their window."""

    def take(self, now: Ns, intent: Intent) -> None:
        known = self._state.books.orders.get(intent.key)
        if known is not None:
            # Looked up before any check: a repeated cell must not be refused for what has changed since.
            self._then(Publish(IntentRepeated(now, intent, same_wish(known.intent, intent))))
            return
        self._row(IntentTaken(now, intent))
        self.send(now, self._state.books.orders[intent.key])

    def send(self, now: Ns, order: Order, *, may_read: bool = True, account: Account | None = None) -> None:
        """Check, route and send; an order whose venues show no book waits for a question, unless it protects.

        ``account`` is what KIS said of the account after the order was taken: too fresh for a sell to wait for books
        too. A buy spends on a price, so it waits for one.
        """
        intent = order.intent
        if self._held(now, order, account) or self._in_flight(intent) or self._locked(now, intent, account):
            return
        if self._shrunk(now, order, account):
            return
        no = self.gate.check(now, intent, self._state)
        if no is not None:
            self._row(Denied(now, intent.key, no.reason, no.cure))
            return
        if intent.supersedes is not None:
            self._revise(now, intent, intent.supersedes)
            return
        books = self._market.of(intent.code)
        unseen = self._rules.unseen(now, intent, books)
        stale = intent.side is Side.BUY and not intent.seen and self.gate.stale(now, self._market.heard(intent.code))
        if stale and not may_read:
            why = "there is no price of the last seconds to buy on, and KIS gave none"
            self._row(Denied(now, intent.key, why, "try again when the stock has a price"))
            return
        asks = may_read and not intent.protective and (account is None or intent.side is Side.BUY)
        if asks and (venues := unseen or (self._usual(intent) if stale else ())):
            if intent.code not in self._reading:
                self._reading.add(intent.code)
                self._then(AskBooks(intent.code, venues))
            return
        held = self._state.held.get(intent.key)
        if held is not None and intent.side is Side.BUY and (why := drifted(held, self._market.price(intent.code))):
            self._row(Denied(now, intent.key, why, "decide again on the newest price"))
            return
        self._route(now, intent, books)

    def _route(self, now: Ns, intent: Intent, books: tuple[Depth, ...]) -> None:
        routed = self._rules.route(now, intent, books)
        self._row(RouteDecided(now, intent.key, routed.evidence))
        if isinstance(routed, Refused):
            self._row(Denied(now, intent.key, routed.reason, routed.cure))
            return
        no = self.gate.connection(routed.kind, routed.venue)
        if no is not None:
            self._row(Denied(now, intent.key, no.reason, no.cure))
            return
        self._start(now, intent, routed.plain)
        self._then(Send(intent, routed.plain))

    def _start(self, now: Ns, intent: Intent, route: Route) -> None:
        self._row(SendStarted(now, intent.key, route, self._state.highest.get(day_number(now), 0)))
        self._reconciliation.keep_looking(now)

    def _locked(self, now: Ns, intent: Intent, account: Account | None) -> bool:
        """An order of unknown fate locks buys of its stock; a sell goes up to what KIS confirms as sellable."""
        unknown = self._reconciliation.unresolved_in(intent.code)
        if unknown is None:
            return False
        if intent.side is Side.BUY:
            why = f"whether {unknown.intent.text} was sent is not known yet: no buy of {intent.code} until it is"
            self._row(Denied(now, intent.key, why, "wait until it is resolved, or decide it"))
            return True
        if account is None:
            self._reconciliation.look(now, now, "sellable", account=True)
            return True
        sellable = sum(h.sellable for h in account.holdings if h.code == intent.code)
        if intent.qty > sellable:
            why = f"KIS confirms {sellable:,} shares to sell while the fate of {unknown.intent.text} is unknown"
            self._row(Denied(now, intent.key, why, f"sell {sellable:,}" if sellable else "wait until it is resolved"))
        return intent.qty > sellable

    def _revise(self, now: Ns, intent: Intent, old_key: str) -> None:
        old = self._state.books.orders.get(old_key)
        no = why_not_revised(self._state.books, old, intent)
        item = self._rules.instrument(intent.code)
        if no is None and old is not None and old.ref is not None and item is not None:
            verdict = order_rules.legal(now, old.ref.venue, intent.kind, item)
            no = None if verdict else No(verdict.why_not, verdict.cure)
            if no is None:
                self._start(now, intent, Route(old.ref.venue, intent.kind, _loses(old, intent)))
                self._then(Revise(intent, old.ref))
        if no is not None:
            self._row(Denied(now, intent.key, no.reason, no.cure))

    def books_read(self, now: Ns, read: BooksRead) -> None:
        self._reading.discard(read.code)
        self._market.read(now, read.books)
        for order in list(self._state.books.live.values()):
            if order.state is OrderState.NEW and order.code == read.code:
                self.send(now, order, may_read=False)

    def _usual(self, intent: Intent) -> tuple[Venue, ...]:
        return (intent.venue,) if intent.venue in (Venue.KRX, Venue.NXT) else self._rules.capabilities.venues[:1]

    # what waits for a blackout window, or for the account

    def _held(self, now: Ns, order: Order, account: Account | None) -> bool:
        """In a window nothing is sent; after it, and before KIS has stated the account, not without asking KIS."""
        intent = order.intent
        end = window_end(now, self.gate.limits.windows)
        if end is not None:
            if order.key not in self._state.held:
                self._hold(now, intent, end)
            return True
        if account is not None:
            self._synced.add(order.key)
        if order.key in self._state.held and order.key not in self._synced:
            return True
        if intent.side is Side.BUY and self.gate.limits.needs_account and self._state.opened is None:
            self._reconciliation.look(now, now, "account", account=True)
            return True
        return False

    def _hold(self, now: Ns, intent: Intent, end: Ns) -> None:
        protects = intent.protective and intent.side is Side.SELL
        if len(self._state.held) >= MOST_HELD and not protects:
            why = f"{MOST_HELD} orders wait for the end of the blackout at {clock_text(end)} already"
            self._row(Denied(now, intent.key, why, "order again after it"))
            return
        why = f"blackout until {clock_text(end)}: journaled, not sent"
        self._row(OrderHeld(now, intent.key, end, why, self._market.price(intent.code)))
        self._then(WakeAt(end))

    def stays_held(self, now: Ns, order: Order) -> bool:
        """Orders of a blackout window outlive the desk; on another day they mean nothing any more."""
        held = self._state.held.get(order.key)
        return held is not None and kst_day(held.until) == kst_day(now)

    def release(self, now: Ns) -> None:
        """After a window: sync first; what KIS answers lets the held orders go on."""
        end = window_end(now, self.gate.limits.windows)
        if end is None:
            self._reconciliation.look(now, now, "blackout", account=True)
        else:
            self._then(WakeAt(end))

    def unanswered(self, now: Ns) -> None:
        """KIS does not list the orders: protection does not wait for it, and a buy cannot be weighed."""
        for order in list(self._state.books.live.values()):
            if order.state is not OrderState.NEW or window_end(now, self.gate.limits.windows) is not None:
                continue
            if order.key in self._state.held and order.intent.protective:
                self._synced.add(order.key)
                self.send(now, order)
            elif order.side is Side.BUY and self._state.opened is None and self.gate.limits.needs_account:
                why = "KIS does not state the account, so that nobody knows what cash there is"
                self._row(Denied(now, order.key, why, "try again when KIS answers"))

    def _shrunk(self, now: Ns, order: Order, account: Account | None) -> bool:
        """A protective sell that waited is not lost when fewer shares are left: those that are left are sold."""
        intent = order.intent
        if account is None or order.key not in self._state.held or not intent.protective or intent.side is Side.BUY:
            return False
        left = sum(h.sellable for h in account.holdings if h.code == intent.code)
        if intent.qty <= left:
            return False
        cure = f"{left:,} are sold instead" if left else "nothing is left to protect"
        self._row(Denied(now, order.key, f"KIS confirms {left:,} shares to sell", cure))
        if left:
            self.take(now, msgspec.structs.replace(intent, key=f"{intent.key}:left", qty=left))
        return True

    def may_leave(self, now: Ns, key: str) -> No | None:
        """Asked at the last hop, behind the limiter: why the order ``key`` may not leave any more."""
        halt, order = self._state.halt, self._state.books.orders.get(key)
        if order is None:
            return None
        if halt == "halted" or (halt == "reducing" and not reservations.reduces(self._state.books, order.intent)):
            return No(f"the desk is {halt}: {self._state.halt_reason}", "lift the halt with %kis halt off REASON")
        item = self._rules.instrument(order.code)
        if order.route is None or item is None:
            return None
        verdict = order_rules.legal(now, order.route.venue, order.route.kind, item)
        return None if verdict else No(verdict.why_not, verdict.cure)

    def _in_flight(self, intent: Intent) -> bool:
        return any(
            o.state is OrderState.SENDING and o.code == intent.code and o.side is intent.side
            for o in self._state.books.live.values()
        )

    def next_of(self, now: Ns, ended: Intent) -> None:
        for order in list(self._state.books.live.values()):
            if order.state is OrderState.NEW and order.code == ended.code and order.side is ended.side:
                self.send(now, order)
                if self._in_flight(ended):
                    return


def why_not_revised(books: Books, old: Order | None, intent: Intent) -> No | None:
    """Why an order cannot be revised so; None when it can."""
    if old is None or old.ref is None or not old.is_open:
        what = "no order has this key" if old is None else f"the order is {old.state}"
        return No(f"nothing to revise: {what} ({intent.supersedes})", "order anew if it is still wanted")
    if old.intent.agent == EXTERNAL:
        return No("the order was not placed from here", "revise it where it was placed")
    if (intent.code, intent.side) != (old.code, old.side) or not intent.kind.priced:
        return No(f"a revise moves {old.intent.text} to another price", "keep stock and side, and give a price")
    if intent.qty > old.leaves:
        return No(f"{intent.qty:,} shares are more than the {old.leaves:,} left", f"revise {old.leaves:,} or less")
    in_the_air = (OrderState.NEW, OrderState.SENDING, OrderState.UNKNOWN, OrderState.SENT)
    others = (o for o in books.live.values() if o.intent.supersedes == old.key and o.key != intent.key)
    if old.cancel_asked or any(o.state in in_the_air for o in others):
        return No("another change of the order is under way", "wait until it is confirmed")
    return None


def _loses(old: Order, intent: Intent) -> str:
    """A revise as a route's reason. Its place in the queue is lost with a new price. (KRX: price–time priority)"""
    place = "keeps its place" if intent.price == old.intent.price else "loses its place: the price changes"
    return f"revises #{old.number}, {place}"
