"""The desk as a pure state machine: ``step(now, said) → effects``.

State is the fold of the journal's rows, always: a row is applied in the same breath in which it is handed out to be
persisted. Hosts run effects strictly in order and sync a Persist before the next effect, so that no bytes of an order
leave before their row. One POST is in flight per stock and side; the next waits in state NEW and passes the gate
again when its turn comes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

import msgspec

from kisnb.clock import Ns, clock_text, kst, kst_day
from kisnb.events import (
    Armed,
    BreakerTripped,
    CancelRefused,
    CancelStarted,
    Denied,
    Depth,
    Disarmed,
    Event,
    HaltSet,
    IntentRepeated,
    IntentTaken,
    LinkUp,
    Notice,
    OrderHeld,
    PhaseChanged,
    Rejected,
    SendStarted,
    SendUnknown,
    Sent,
    Tick,
    Trouble,
)
from kisnb.market import order_rules, sessions
from kisnb.market.router import Refused
from kisnb.orders import Account, Intent, Order, OrderState, Route, SendReply
from kisnb.terms import Side, Venue
from kisnb.trading import reservations
from kisnb.trading.adoption import adopt
from kisnb.trading.blackout import MOST_HELD, drifted, window_end
from kisnb.trading.commands import (
    Adopt,
    Answer,
    Arm,
    AskBooks,
    BooksRead,
    Cancel,
    CancelOrder,
    CancelReply,
    Effect,
    Halt,
    Persist,
    Publish,
    ResolveOrder,
    Revise,
    ReviseOrder,
    Send,
    SetHalt,
    Submit,
    WakeAt,
    Woke,
)
from kisnb.trading.halt import QUERY, KillSwitch
from kisnb.trading.journal_rows import DESK_ONLY, RouteDecided, Row
from kisnb.trading.latest_books import LatestBooks
from kisnb.trading.limits import Limits
from kisnb.trading.notice_intake import NoticeIntake
from kisnb.trading.order_book import EXTERNAL, Books, day_number
from kisnb.trading.reconciliation import AFTER_BOUNDARY, Reconciliation
from kisnb.trading.risk import Gate, No, Rules
from kisnb.trading.state import State

Said: TypeAlias = (
    Submit
    | CancelOrder
    | ReviseOrder
    | ResolveOrder
    | Adopt
    | SetHalt
    | Halt
    | Arm
    | Event
    | SendReply
    | CancelReply
    | Answer
    | BooksRead
    | Woke
)
"""All that a core can be told."""


class DeskCore:
    """Takes commands, replies and events; gives effects. Knows no clock, no socket and no file."""

    def __init__(self, rules: Rules, limits: Limits, state: State) -> None:
        self.rules = rules
        self.gate = Gate(rules, limits)
        self.state = state
        self.market = LatestBooks()
        self._reading: set[str] = set()
        """Stocks whose books are being read; their orders wait in state NEW."""
        self._rows: list[Row] = []
        self._effects: list[Effect] = []
        self._boundary: Ns = 0
        self.reconciliation = Reconciliation(rules, state, self._row, self._then)
        self._notices = NoticeIntake(rules, state, self.reconciliation, self._row, self._tell)
        self._kill_switch = KillSwitch(state, self._row, self._then, self._kill, self._submit)
        self._prices: dict[str, int] = {}
        """The newest price of the stocks that are held, won."""
        self._synced: set[str] = set()
        """Held orders for which KIS was asked after their window."""

    def start(self, now: Ns) -> list[Effect]:
        """After the fold: what was in the air when the desk stopped is named, and the day's clock is set."""
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW and self._stays_held(now, order):
                continue
            if order.state is OrderState.NEW:
                self._row(Denied(now, order.key, "the desk restarted before the order was sent", "send it again"))
            elif order.state is OrderState.SENDING:
                self._row(SendUnknown(now, order.key, "the desk stopped while the order was being sent"))
            if order.cancel_asked:
                # Whether it reached KIS nobody knows; to cancel again does no harm.
                self._row(CancelRefused(now, order.key, "", "the desk stopped while it was being sent; cancel again"))
        if self.state.armed is not None:
            self._row(Disarmed(now, "the desk restarted"))
        self._schedule(now)
        if self.state.halting:
            self._kill_switch.go_on(now)
        if self.state.held:
            self._release(now)
        if self.state.books.live:
            self.reconciliation.look(now, now, "restart", account=True)
        return self._done()

    def step(self, now: Ns, said: Said) -> list[Effect]:
        """One step; the effects are to be run in order."""
        match said:
            case Tick() | Depth():
                self.market.add(said)
                self._effects.append(Publish(said))
                if isinstance(said, Tick) and said.code in self.state.books.account.positions:
                    self._marked(now, said)
            case Submit() | ReviseOrder() | CancelOrder() | ResolveOrder() | Adopt() | SetHalt() | Halt() | Arm():
                self._obey(now, said)
            case SendReply():
                self._replied(now, said)
            case Notice():
                self._notices.take(now, said)
                self._look_at_loss(now)
            case CancelReply(reply=reply):
                self._cancel_replied(now, reply)
            case Woke(t=t) if now < t:
                self._then(WakeAt(t))
            case Woke():
                self._woke(now)
            case Answer():
                self._answered(now, said)
            case BooksRead():
                self._books_read(now, said)
            case LinkUp():
                self._then(Publish(said))
                self.reconciliation.linked = True
                self.reconciliation.look(now, now, "link", account=True)
            case _:
                self._effects.append(Publish(said))
        return self._done()

    def _obey(
        self, now: Ns, command: Submit | ReviseOrder | CancelOrder | ResolveOrder | Adopt | SetHalt | Halt | Arm
    ) -> None:
        match command:
            case Submit(intent=intent) | ReviseOrder(intent=intent):
                self._submit(now, intent)
            case CancelOrder(key=key, qty=qty, kill_switch=kill_switch):
                self._cancel(now, key, qty, kill_switch=kill_switch)
            case ResolveOrder():
                self.reconciliation.decide(now, command)
            case Adopt():
                self._adopt(now, command)
            case SetHalt() if self._kill_switch.busy:
                self._trouble(now, "the kill switch is still at work: its last step, notify, comes first")
            case SetHalt(state=state, reason=reason):
                self._row(HaltSet(now, state, reason))
            case Halt():
                self._kill_switch.pull(now, command)
            case Arm(until=until, budget=budget) if until > now:
                self._row(Armed(now, until, budget))
                self._then(WakeAt(until))
            case Arm():
                self._row(Disarmed(now, "a person disarmed the desk"))

    # rows and effects

    def _row(self, row: Row) -> None:
        self.state.apply(row)
        self._rows.append(row)

    def _flush(self) -> None:
        if self._rows:
            self._effects.append(Persist(tuple(self._rows)))
            self._effects.extend(Publish(row) for row in self._rows if not isinstance(row, DESK_ONLY))
            self._rows.clear()

    def _then(self, effect: Effect) -> None:
        self._flush()
        self._effects.append(effect)

    def _tell(self, event: Event) -> None:
        self._then(Publish(event))

    def _done(self) -> list[Effect]:
        self._flush()
        effects, self._effects = self._effects, []
        return effects

    # orders

    def _submit(self, now: Ns, intent: Intent) -> None:
        known = self.state.books.orders.get(intent.key)
        if known is not None:
            # Looked up before any check: a repeated cell must not be refused for what has changed since.
            self._then(Publish(IntentRepeated(now, intent, same_wish(known.intent, intent))))
            return
        self._row(IntentTaken(now, intent))
        self._send(now, self.state.books.orders[intent.key])

    def _send(self, now: Ns, order: Order, *, may_read: bool = True, account: Account | None = None) -> None:
        """Check, route and send; an order whose venues show no book waits for a question, unless it protects.

        ``account`` is what KIS said of the account after the order was taken: too fresh for a sell to wait for books
        too. A buy spends on a price, so it waits for one.
        """
        intent = order.intent
        if self._held(now, order, account) or self._in_flight(intent) or self._locked(now, intent, account):
            return
        if self._shrunk(now, order, account):
            return
        no = self.gate.check(now, intent, self.state)
        if no is not None:
            self._row(Denied(now, intent.key, no.reason, no.cure))
            return
        if intent.supersedes is not None:
            self._revise(now, intent, intent.supersedes)
            return
        books = self.market.of(intent.code)
        unseen = self.rules.unseen(now, intent, books)
        stale = intent.side is Side.BUY and not intent.seen and self.gate.stale(now, self.market.heard(intent.code))
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
        held = self.state.held.get(intent.key)
        if held is not None and intent.side is Side.BUY and (why := drifted(held, self.market.price(intent.code))):
            self._row(Denied(now, intent.key, why, "decide again on the newest price"))
            return
        self._route(now, intent, books)

    def _route(self, now: Ns, intent: Intent, books: tuple[Depth, ...]) -> None:
        routed = self.rules.route(now, intent, books)
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
        self._row(SendStarted(now, intent.key, route, self.state.highest.get(day_number(now), 0)))
        self.reconciliation.keep_looking(now)

    def _locked(self, now: Ns, intent: Intent, account: Account | None) -> bool:
        """An order of unknown fate locks buys of its stock; a sell goes up to what KIS confirms as sellable."""
        unknown = self.reconciliation.unresolved_in(intent.code)
        if unknown is None:
            return False
        if intent.side is Side.BUY:
            why = f"whether {unknown.intent.text} was sent is not known yet: no buy of {intent.code} until it is"
            self._row(Denied(now, intent.key, why, "wait until it is resolved, or decide it"))
            return True
        if account is None:
            self.reconciliation.look(now, now, "sellable", account=True)
            return True
        sellable = sum(h.sellable for h in account.holdings if h.code == intent.code)
        if intent.qty > sellable:
            why = f"KIS confirms {sellable:,} shares to sell while the fate of {unknown.intent.text} is unknown"
            self._row(Denied(now, intent.key, why, f"sell {sellable:,}" if sellable else "wait until it is resolved"))
        return intent.qty > sellable

    def _revise(self, now: Ns, intent: Intent, old_key: str) -> None:
        old = self.state.books.orders.get(old_key)
        no = why_not_revised(self.state.books, old, intent)
        item = self.rules.instrument(intent.code)
        if no is None and old is not None and old.ref is not None and item is not None:
            verdict = order_rules.legal(now, old.ref.venue, intent.kind, item)
            no = None if verdict else No(verdict.why_not, verdict.cure)
            if no is None:
                self._start(now, intent, Route(old.ref.venue, intent.kind, _loses(old, intent)))
                self._then(Revise(intent, old.ref))
        if no is not None:
            self._row(Denied(now, intent.key, no.reason, no.cure))

    def _books_read(self, now: Ns, read: BooksRead) -> None:
        self._reading.discard(read.code)
        self.market.read(now, read.books)
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW and order.code == read.code:
                self._send(now, order, may_read=False)

    def _usual(self, intent: Intent) -> tuple[Venue, ...]:
        return (intent.venue,) if intent.venue in (Venue.KRX, Venue.NXT) else self.rules.capabilities.venues[:1]

    # what waits for a blackout window, or for the account

    def _held(self, now: Ns, order: Order, account: Account | None) -> bool:
        """In a window nothing is sent; after it, and before KIS has stated the account, not without asking KIS."""
        intent = order.intent
        end = window_end(now, self.gate.limits.windows)
        if end is not None:
            if order.key not in self.state.held:
                self._hold(now, intent, end)
            return True
        if account is not None:
            self._synced.add(order.key)
        if order.key in self.state.held and order.key not in self._synced:
            return True
        if intent.side is Side.BUY and self.gate.limits.needs_account and self.state.opened is None:
            self.reconciliation.look(now, now, "account", account=True)
            return True
        return False

    def _hold(self, now: Ns, intent: Intent, end: Ns) -> None:
        protects = intent.protective and intent.side is Side.SELL
        if len(self.state.held) >= MOST_HELD and not protects:
            why = f"{MOST_HELD} orders wait for the end of the blackout at {clock_text(end)} already"
            self._row(Denied(now, intent.key, why, "order again after it"))
            return
        why = f"blackout until {clock_text(end)}: journaled, not sent"
        self._row(OrderHeld(now, intent.key, end, why, self.market.price(intent.code)))
        self._then(WakeAt(end))

    def _stays_held(self, now: Ns, order: Order) -> bool:
        """Orders of a blackout window outlive the desk; on another day they mean nothing any more."""
        held = self.state.held.get(order.key)
        return held is not None and kst_day(held.until) == kst_day(now)

    def _release(self, now: Ns) -> None:
        """After a window: sync first; what KIS answers lets the held orders go on."""
        end = window_end(now, self.gate.limits.windows)
        if end is None:
            self.reconciliation.look(now, now, "blackout", account=True)
        else:
            self._then(WakeAt(end))

    def _unanswered(self, now: Ns) -> None:
        """KIS does not list the orders: protection does not wait for it, and a buy cannot be weighed."""
        for order in list(self.state.books.live.values()):
            if order.state is not OrderState.NEW or window_end(now, self.gate.limits.windows) is not None:
                continue
            if order.key in self.state.held and order.intent.protective:
                self._synced.add(order.key)
                self._send(now, order)
            elif order.side is Side.BUY and self.state.opened is None and self.gate.limits.needs_account:
                why = "KIS does not state the account, so that nobody knows what cash there is"
                self._row(Denied(now, order.key, why, "try again when KIS answers"))

    def _shrunk(self, now: Ns, order: Order, account: Account | None) -> bool:
        """A protective sell that waited is not lost when fewer shares are left: those that are left are sold."""
        intent = order.intent
        if account is None or order.key not in self.state.held or not intent.protective or intent.side is Side.BUY:
            return False
        left = sum(h.sellable for h in account.holdings if h.code == intent.code)
        if intent.qty <= left:
            return False
        cure = f"{left:,} are sold instead" if left else "nothing is left to protect"
        self._row(Denied(now, order.key, f"KIS confirms {left:,} shares to sell", cure))
        if left:
            self._submit(now, msgspec.structs.replace(intent, key=f"{intent.key}:left", qty=left))
        return True

    # control

    def _adopt(self, now: Ns, wish: Adopt) -> None:
        taken = adopt(now, self.state.books, wish)
        if isinstance(taken, No):
            self._trouble(now, f"{wish.agent} does not adopt {wish.code}: {taken.reason}; {taken.cure}")
        elif wish.key not in self.state.books.adoptions:
            self._row(taken)

    def _kill(self, now: Ns, order: Order) -> None:
        self._cancel(now, order.key, None, kill_switch=True)

    def may_leave(self, now: Ns, key: str) -> No | None:
        """Asked at the last hop, behind the limiter: why the order ``key`` may not leave any more."""
        halt, order = self.state.halt, self.state.books.orders.get(key)
        if order is None:
            return None
        if halt == "halted" or (halt == "reducing" and not reservations.reduces(self.state.books, order.intent)):
            return No(f"the desk is {halt}: {self.state.halt_reason}", "lift the halt with %kis halt off REASON")
        item = self.rules.instrument(order.code)
        if order.route is None or item is None:
            return None
        verdict = order_rules.legal(now, order.route.venue, order.route.kind, item)
        return None if verdict else No(verdict.why_not, verdict.cure)

    def _marked(self, now: Ns, tick: Tick) -> None:
        before, self._prices[tick.code] = self._prices.get(tick.code), tick.price
        if before is None or tick.price < before:
            self._look_at_loss(now)

    def _look_at_loss(self, now: Ns) -> None:
        limit, day = self.gate.limits.max_day_loss, self.state.day
        if limit is None or self.state.halt != "active":
            return
        day.roll(now, self.state.books)
        codes = {*self.state.books.account.positions, *day.opening}
        bases = {code: item.base for code in codes if (item := self.rules.instrument(code)) is not None}
        standing = day.standing(self.state.books, bases, self._prices)
        if standing.breaks(limit * (day.trips + 1)):
            self._row(BreakerTripped(now, -standing.result, standing.stake))
            percent = standing.result * 100 / standing.stake
            why = f"the day lost {-standing.result:,} won of {standing.stake:,} at stake ({percent:.2f} %)"
            self._row(HaltSet(now, "reducing", why))
            self._trouble(now, f"circuit breaker: {why}; only cancels and reducing sells pass")

    def _expire_arming(self, now: Ns) -> None:
        if self.state.armed is not None and now >= self.state.armed.until:
            self._row(Disarmed(now, "its time is over"))

    def _trouble(self, now: Ns, text: str) -> None:
        self._tell(Trouble(now, f"{clock_text(now)} {text}"))

    def _in_flight(self, intent: Intent) -> bool:
        return any(
            o.state is OrderState.SENDING and o.code == intent.code and o.side is intent.side
            for o in self.state.books.live.values()
        )

    def _replied(self, now: Ns, reply: SendReply) -> None:
        order = self.state.books.orders[reply.key]
        if reply.outcome == "sent" and reply.ref is not None:
            early = self.state.early.get((reply.ref.day, reply.ref.number), [])
            self._row(Sent(now, reply.key, reply.ref))
            for notice in early:
                self._notices.take(now, notice)
        elif reply.outcome == "rejected":
            self._row(Rejected(now, reply.key, reply.msg_cd, reply.text))
            if order.intent.supersedes:
                # As a refused cancel does, it says that the order it was to change may be other than the books have it.
                self.reconciliation.look(now, now, "revise refused", account=True)
        else:
            self._row(SendUnknown(now, reply.key, reply.text))
            self.reconciliation.look(now, now, "unknown")
        if order.cancel_asked and order.is_open:
            self._cancel_at_last(now, order)
        self._next(now, order.intent)

    def _cancel_at_last(self, now: Ns, order: Order) -> None:
        """The cancel that was asked for while the order itself was being sent."""
        if order.ref is not None:
            self._then(Cancel(order.key, order.ref, None))
        else:
            self._row(CancelRefused(now, order.key, "", "the order has no number"))

    def _next(self, now: Ns, ended: Intent) -> None:
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW and order.code == ended.code and order.side is ended.side:
                self._send(now, order)
                if self._in_flight(ended):
                    return

    def _cancel(self, now: Ns, key: str, qty: int | None, *, kill_switch: bool) -> None:
        order = self.state.books.orders.get(key)
        if order is None or not order.is_open:
            what = "no order" if order is None else f"the order is {order.state}"
            self._then(Publish(Trouble(now, f"nothing to cancel: {what} ({key})")))
        elif order.intent.agent == EXTERNAL and not kill_switch:
            why = "it was not placed from here: only the kill switch cancels it"
            self._row(CancelRefused(now, key, "", why))
        elif order.state is OrderState.NEW:
            self._row(Denied(now, key, "it was cancelled before it was sent", "order again if it is still wanted"))
        elif order.ref is None and (order.state is not OrderState.SENDING or qty is not None):
            self._row(CancelRefused(now, key, "", "the order has no number yet; cancel again when it has"))
        elif not order.cancel_asked:
            self._row(CancelStarted(now, key, qty))
            if order.ref is not None:
                self._then(Cancel(key, order.ref, qty))

    def _cancel_replied(self, now: Ns, reply: SendReply) -> None:
        order = self.state.books.orders[reply.key]
        if not order.is_open:
            return
        if reply.outcome == "sent":
            self.reconciliation.cancel_taken(now, reply.key)
            return
        text = reply.text or "no answer came; the order may or may not be cancelled"
        self._row(CancelRefused(now, reply.key, reply.msg_cd, text))
        self.reconciliation.look(now, now, "cancel refused")

    # the day

    def _schedule(self, now: Ns) -> None:
        self._boundary = next(
            (t for t in sessions.boundaries(kst_day(now)) if t > now), kst(kst_day(now) + timedelta(days=1), 0)
        )
        self._then(WakeAt(self._boundary))

    def _woke(self, now: Ns) -> None:
        if now >= self._boundary:
            ended = self._boundary
            phase = sessions.phase(Venue.KRX, now)
            self._then(Publish(PhaseChanged(now, str(sessions.session_id(now)), Venue.KRX, str(phase))))
            self._schedule(now)
            sent = [order for order in self.state.books.live.values() if order.sent_at]
            over = any(self.reconciliation.expiry(order) <= now for order in sent)
            if over or (self.reconciliation.linked and self.state.books.live):
                self.reconciliation.look(now, ended + AFTER_BOUNDARY, "end of a session", account=True)
            else:
                self.reconciliation.keep_looking(now)
        self._expire_arming(now)
        if self.state.held and window_end(now, self.gate.limits.windows) is None:
            self._release(now)
        self._kill_switch.woke(now)
        self.reconciliation.woke(now)

    def _answered(self, now: Ns, answer: Answer) -> None:
        if answer.page is None and answer.question.why.startswith(QUERY):
            self._kill_switch.answered(now, answer.question, complete=False)
            return
        account = self.reconciliation.answered(now, answer)
        self._look_at_loss(now)
        self._kill_switch.answered(now, answer.question, complete=answer.page is not None)
        if answer.page is None:
            self._unanswered(now)
        for order in list(self.state.books.live.values()):
            if order.state is OrderState.NEW:
                self._send(now, order, account=account)
        self.reconciliation.woke(now)


def same_wish(a: Intent, b: Intent) -> bool:
    """Whether two intents with one key mean the same order."""
    return msgspec.structs.replace(a, key="", seen=0) == msgspec.structs.replace(b, key="", seen=0)


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
