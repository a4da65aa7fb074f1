"""The path of an order: it is journaled, checked, routed and sent. Each row precedes its bytes.

    submit ─► IntentTaken ─► NEW ─► checks ─► route ─► SendStarted ─► Send
                              │        │
                              │        └─► Denied
                              └─ waits: for the POST before it, for a depth, for the account,
                                 for the facts of its stock, for the end of a blackout window;
                                 then it is checked again

    Send ─► the limiter ─► may_send ─► sent | rejected | unknown
                              │  └─► turned away by KIS: back to NEW, and from there again
                              └─► stopped: back to NEW for a window or a price, else Denied

KIS may turn a call away for its speed or its token. It does so before it reads the call, so nothing
was placed. Each POST has its own SendStarted row. Between two of them is an OrderHeld row that says
why the first one does not count. If the desk dies in between, the next desk denies the order, like
any order that was not sent.

One POST is in flight per stock and side. ``BuyPrices`` decides how old the price of a buy may be.
"""

from __future__ import annotations

import msgspec

from kisnb.clock import SECOND, Ns, clock_text, day_number, kst_day
from kisnb.events import Denied, IntentRepeated, IntentTaken, OrderHeld, SendStarted
from kisnb.market import order_rules
from kisnb.market.routing.router import NotRouted
from kisnb.orders import (
    ALLOWED,
    Account,
    Intent,
    Naming,
    Order,
    OrderState,
    Permission,
    Route,
    same_wish,
)
from kisnb.terms import Side, Venue
from kisnb.trading.gate.blackout import MOST_HELD, drifted, waits_for_window, window_end
from kisnb.trading.gate.latest_depths import LatestDepths
from kisnb.trading.gate.risk import Gate, No, Rules
from kisnb.trading.order_books import reservations
from kisnb.trading.orders.buy_guards import BuyGuards
from kisnb.trading.orders.buy_prices import AGAIN, BuyPrices
from kisnb.trading.orders.cancels import TRIED
from kisnb.trading.orders.readings import FAILED, Readings
from kisnb.trading.orders.revise import place_lost, why_not_revised
from kisnb.trading.orders.stock_readings import StockReadings
from kisnb.trading.ports.effects import AskDepth, DepthRead, OrdersQuery, Revise, Send, WakeAt
from kisnb.trading.ports.journal_rows import RouteDecided
from kisnb.trading.state import State
from kisnb.trading.turn import Turn


class OrderPath:
    """Leads orders from their intent to their POST."""

    def __init__(
        self,
        rules: Rules,
        gate: Gate,
        state: State,
        depths: LatestDepths,
        readings: Readings,
        stocks: StockReadings,
    ) -> None:
        self._rules = rules
        self.gate = gate
        self._state = state
        self._depths = depths
        self._readings = readings
        self._stocks = stocks
        self._prices = BuyPrices(gate, state, depths)
        self._guards = BuyGuards(rules, state, depths)
        self._reading: dict[str, int] = {}
        """Stocks whose depth is being read, each with its price before the reading, won.

        Their orders wait in state NEW.
        """
        self._turned_away: dict[str, Ns] = {}
        """By key: when KIS first turned an order away for its speed or token.

        These orders wait for nothing else.
        """
        self._waiting: dict[str, int] = {}
        """Keys of orders that wait for KIS's account, each with its number of failed readings."""
        self._synced: set[str] = set()
        """Keys of held orders for which KIS was read after their blackout window."""
        self._sent_back: set[str] = set()
        """Keys of buys that came back from ``may_send`` for a fresh price.

        When ``may_send`` stops such a buy again, it is denied.
        """

    def submit(self, turn: Turn, intent: Intent, naming: Naming | None = None) -> None:
        """Journal an order and start to send it.

        If the key is known already, only publish that the order is repeated.
        """
        known = self._state.books.orders.get(intent.key)
        if known is not None:
            # This comes before any check: a cell that is run again must not be refused because
            # something has changed since.
            turn.publish(IntentRepeated(turn.now, intent, same_wish(known.intent, intent)))
            return
        turn.record(IntentTaken(turn.now, intent, naming))
        # The intent is journaled first, so that a denied order has a row and an end too.
        no = self._prices.outdated(turn.now, intent)
        if no is None:
            self.send(turn, self._state.books.orders[intent.key])
            return
        # The gate's reason comes first, because a newer price would not remove it.
        no = self._refusal(turn.now, intent) or no
        turn.record(Denied(turn.now, intent.key, *no))

    def send(
        self,
        turn: Turn,
        order: Order,
        *,
        may_read: bool = True,
        account: Account | None = None,
        before: int = 0,
    ) -> None:
        """Check, route and send an order. If it may not be sent now, deny it or let it wait.

        While a venue's depth is missing, the order waits until KIS has been asked for it. A
        protective order does not wait. A buy also waits for a current price. ``account`` is KIS's
        statement, read after the order was taken; None when KIS did not state it. With ``account``
        a sell does not wait for depths either, because the account would be out of date after the
        wait. ``before`` is the price that the desk had before it read the depth, won. ``may_read``
        False: the depth was read just now, so the order does not wait for it.
        """
        intent = order.intent
        if self._hold_back(turn, order, account):
            # The order waits for something else now. Afterwards KIS gets the whole time again.
            self._turned_away.pop(order.key, None)
            return
        if self._is_in_flight(intent) or self._hold_back_sell(turn, intent, account):
            return
        # This comes before the gate: a protective sell that waited is reduced to the shares that
        # are left. The gate would deny the whole sell.
        if self._shrink_to_sellable(turn, order, account):
            return
        no = self._refusal(turn.now, intent)
        # The price of a later day is not known, so a reserved order waits for none.
        if no is None and not intent.day:
            if may_read and (venues := self._venues_to_read(turn.now, intent, account)):
                self._ask_depth(turn, intent.code, venues)
                return
            no = self._why_unpriced(turn.now, order, may_read=may_read, before=before)
        if no is not None:
            turn.record(Denied(turn.now, intent.key, *no))
        elif intent.day:
            self._reserve(turn, intent)
        elif intent.supersedes is not None:
            self._revise(turn, intent, self._state.books.orders[intent.supersedes])
        else:
            self._route(turn, intent)

    def resume_waiting(self, turn: Turn, query: OrdersQuery, account: Account | None) -> None:
        """Send the orders that waited until the account was read.

        Deny an order when the account could not be read ``FAILED`` times in a row.
        """
        if self._state.held and (end := self._blackout(turn.now)) is not None:
            turn.emit(WakeAt(end))
        waited, self._waiting = self._waiting, {}
        for order in list(self._state.books.live.values()):
            if order.state is OrderState.NEW:
                held = self._state.held.get(order.key)
                # A reading that began within the window says nothing about the account after it.
                since = account if held is None or query.asked >= held.until else None
                self.send(turn, order, account=since)
        # ``send`` has noted the orders that still wait. A reading without the account did not help
        # them.
        for key in list(self._waiting):
            self._waiting[key] = waited.get(key, 0) + (key in waited and query.account)
            if self._waiting[key] >= FAILED:
                self._give_up(turn, key)

    def _give_up(self, turn: Turn, key: str) -> None:
        """Deny an order that waits for the account, because KIS does not state it."""
        del self._waiting[key]
        why = f"KIS was read {FAILED} times, and the account is not known"
        unknown = (o for o in self._state.books.live.values() if o.state is OrderState.UNKNOWN)
        if missing := self._readings.why_missing:
            why, cure = f"{why}: {missing}", "order again when KIS states the account"
        elif (other := next(unknown, None)) is not None:
            why = f"{why} while the fate of {other.intent.text} is unknown"
            cure = "decide it with %kis resolve NUMBER|never, then order again"
        else:
            cure = "order again in a moment"
        turn.record(Denied(turn.now, key, why, cure))

    # what must hold, at the gate and again at may_send

    def _refusal(self, now: Ns, intent: Intent) -> No | None:
        no = self.gate.check(now, intent, self._state)
        item = self._rules.instrument(intent.code)
        if no is None and intent.supersedes is not None and item is not None:
            no = why_not_revised(now, self._state.books, intent, item)
        return no or self._why_buys_locked(intent) or self._guards.why_not(now, intent)

    def _why_buys_locked(self, intent: Intent) -> No | None:
        unknown = self._state.books.unknown_in(intent.code) if intent.side is Side.BUY else None
        if unknown is None:
            return None
        what = f"whether {unknown.intent.text} was sent is not known yet"
        why = f"{what}: no buy of {intent.code} until it is"
        return No(why, "wait until it is resolved, or decide it with %kis resolve NUMBER|never")

    def may_send(self, now: Ns, key: str) -> Permission:
        """Return whether the order ``key`` may still be sent, after its wait in the rate limiter.

        The table of ``buy_prices`` says how old the price of a buy may be.
        """
        order = self._state.books.orders.get(key)
        no = self._why_not_sent(now, order) if order is not None else None
        return ALLOWED if no is None else Permission(no.reason, no.cure)

    def _why_not_sent(self, now: Ns, order: Order) -> No | None:
        # If a cancel came while the order waited in the limiter, the order is not sent.
        if order.cancel_asked:
            return No("it was cancelled before it was sent", "order again if it is still wanted")
        if (end := self._blackout(now)) is not None:
            return No(f"blackout until {clock_text(end)}", "order again after it")
        if order.intent.day:
            # The gate checks the hours of reserved orders itself.
            return self._refusal(now, order.intent)
        no = (
            self._refusal(now, order.intent)
            or self._prices.waited(now, order)
            or self._prices.missing(now, order.intent)
        )
        item = self._rules.instrument(order.code)
        if no is not None or order.route is None or item is None:
            return no
        verdict = order_rules.legal(now, order.route.venue, order.route.kind, item)
        return None if verdict else No(verdict.why_not, verdict.cure)

    def on_kept(self, turn: Turn, order: Order, why: str) -> None:
        """Handle an order that ``may_send`` stopped.

        In a blackout window the order is held. If it lacks only a fresh price, the desk reads the
        depth and sends it again, once. Otherwise it is denied.
        """
        end = self._blackout(turn.now)
        if end is not None and not order.cancel_asked:
            self._hold_until(turn, order.intent, end)
        # This happens only once. Otherwise a buy of a stock without trades would go back again and
        # again.
        elif self._wants_price(turn.now, order):
            self._sent_back.add(order.key)
            self._synced.add(order.key)
            old = "its price became too old behind the rate limit: the depth is read first"
            turn.record(OrderHeld(turn.now, order.key, turn.now, old, 0))
            self.send(turn, order)
        else:
            turn.record(Denied(turn.now, order.key, why))

    def on_turned_away(self, turn: Turn, order: Order, why: str) -> None:
        """Send an order again that KIS turned away.

        Deny it when KIS has been turning it away for ``TRIED`` or longer.
        """
        since = self._turned_away.setdefault(order.key, turn.now)
        if order.cancel_asked:
            no = "it was cancelled before it was sent"
            turn.record(Denied(turn.now, order.key, no, "order again if it is still wanted"))
        elif turn.now >= since + TRIED and self._blackout(turn.now) is None:
            del self._turned_away[order.key]
            no = f"KIS has turned it away for {(turn.now - since) // SECOND} s: {why}"
            turn.record(Denied(turn.now, order.key, no, "order again when KIS takes calls again"))
        else:
            self._synced.add(order.key)
            back = (
                f"KIS turned it away before it was placed, and it waits for its turn again: {why}"
            )
            turn.record(OrderHeld(turn.now, order.key, turn.now, back, 0))
            self.send(turn, order)

    def _wants_price(self, now: Ns, order: Order) -> bool:
        """Return whether a stopped order lacks only a fresh price, and was not sent back before."""
        if (
            order.key in self._sent_back
            or order.cancel_asked
            or self._prices.missing(now, order.intent) is None
        ):
            return False
        return self._refusal(now, order.intent) is None and self._prices.waited(now, order) is None

    # prices that it is decided on

    def _venues_to_read(
        self, now: Ns, intent: Intent, account: Account | None
    ) -> tuple[Venue, ...]:
        """Return the venues whose depth must be read before the order can be sent."""
        if intent.protective or (account is not None and intent.side is Side.SELL):
            return ()
        routed = intent.supersedes is None
        depths = self._depths.of(intent.code)
        needed = self._rules.depths_needed(now, intent, depths) if routed else ()
        return needed or (self._usual_venues(intent) if self._prices.is_old(now, intent) else ())

    def _usual_venues(self, intent: Intent) -> tuple[Venue, ...]:
        old = self._state.books.orders.get(intent.supersedes or "")
        venue = old.ref.venue if old is not None and old.ref is not None else intent.venue
        return (venue,) if venue in (Venue.KRX, Venue.NXT) else self._rules.capabilities.venues[:1]

    def _ask_depth(self, turn: Turn, code: str, venues: tuple[Venue, ...]) -> None:
        if code not in self._reading:
            self._reading[code] = self._depths.price(code)
            turn.emit(AskDepth(code, venues))

    def on_depth_read(self, turn: Turn, read: DepthRead) -> None:
        """Store the depths that were read, and send the orders that waited for them."""
        before = self._reading.pop(read.code, 0)
        self._depths.add_read(turn.now, read.depths)
        for order in list(self._state.books.live.values()):
            if order.state is OrderState.NEW and order.code == read.code:
                self.send(turn, order, may_read=False, before=before)

    def _why_unpriced(self, now: Ns, order: Order, *, may_read: bool, before: int) -> No | None:
        """Return why a buy may not be sent at the newest price. Otherwise None.

        The price is not known, is too old or has moved too far, or the buy waited too long.
        ``may_read`` and ``before`` are explained in ``send``.
        """
        intent = order.intent
        if not may_read and self._prices.is_old(now, intent):
            why = "the newest price is too old, and KIS gave no newer one"
            return No(why, "order again when the stock has a current price")
        if (no := self._prices.waited(now, order)) is not None or intent.side is not Side.BUY:
            return no
        held = self._state.held.get(intent.key)
        # An agent's buy without a price was decided on the price from before the depth was read. A
        # person's buy was not decided on a price.
        last = before if intent.seen and intent.price is None else 0
        decided = held.price if held is not None and waits_for_window(held) else last
        why = drifted(decided, self._depths.price(intent.code))
        return No(why, AGAIN) if why else None

    # on its way

    def _route(self, turn: Turn, intent: Intent) -> None:
        routed = self._rules.route(turn.now, intent, self._depths.of(intent.code))
        turn.record(RouteDecided(turn.now, intent.key, routed.evidence))
        if isinstance(routed, NotRouted):
            turn.record(Denied(turn.now, intent.key, routed.reason, routed.cure))
            return
        # The row comes before the bytes, so that after a death between the two the next desk finds
        # the order in the journal.
        self._start(turn, intent, routed.plain)
        turn.emit(Send(intent, routed.plain))

    def _reserve(self, turn: Turn, intent: Intent) -> None:
        # KIS sends reserved orders to KRX (workbook: order-resv names no venue).
        route = Route(Venue.KRX, intent.kind, "reserved for its day")
        self._start(turn, intent, route)
        turn.emit(Send(intent, route))

    def _revise(self, turn: Turn, intent: Intent, old: Order) -> None:
        assert old.ref is not None
        self._start(turn, intent, Route(old.ref.venue, intent.kind, place_lost(old, intent)))
        turn.emit(Revise(intent, old.ref))

    def _start(self, turn: Turn, intent: Intent, route: Route) -> None:
        turn.record(
            SendStarted(
                turn.now, intent.key, route, self._state.highest.get(day_number(turn.now), 0)
            )
        )
        self._readings.schedule_regular(turn)

    def _is_in_flight(self, intent: Intent) -> bool:
        return any(
            o.state is OrderState.SENDING and o.code == intent.code and o.side is intent.side
            for o in self._state.books.live.values()
        )

    def send_next(self, turn: Turn, ended: Intent) -> None:
        """Send the next order of this stock and side, because the POST of ``ended`` is over."""
        for order in list(self._state.books.live.values()):
            if (
                order.state is OrderState.NEW
                and order.code == ended.code
                and order.side is ended.side
            ):
                self.send(turn, order)
                if self._is_in_flight(ended):
                    return

    # what waits for the account, or for the end of a blackout window

    def _hold_back_sell(self, turn: Turn, intent: Intent, account: Account | None) -> bool:
        """Hold back a sell while another order of its stock has an unknown outcome.

        The sell waits until KIS confirms the shares. It is denied when KIS confirms fewer. Return
        True when the sell was held back or denied.
        """
        unknown = self._state.books.unknown_in(intent.code)
        if unknown is None or intent.side is Side.BUY:
            return False
        if account is None:
            self._readings.schedule(turn, turn.now, "sellable", account=True)
            self._waiting.setdefault(intent.key, 0)
            return True
        sellable = sum(h.sellable for h in account.holdings if h.code == intent.code)
        if intent.qty > sellable:
            fate = f"the fate of {unknown.intent.text} is unknown"
            why = f"KIS confirms {sellable:,} shares to sell while {fate}"
            turn.record(
                Denied(
                    turn.now,
                    intent.key,
                    why,
                    f"sell {sellable:,}" if sellable else "wait until it is resolved",
                )
            )
        return intent.qty > sellable

    def _blackout(self, now: Ns) -> Ns | None:
        return window_end(now, self.gate.limits.windows)

    def _hold_back(self, turn: Turn, order: Order, account: Account | None) -> bool:
        """Hold back an order in a blackout window, and after the window until KIS has been read.

        A buy also waits until KIS has stated the account. Return True when the order waits.
        """
        intent, held = order.intent, self._state.held.get(order.key)
        end = self._blackout(turn.now)
        if end is not None:
            # After a second window, KIS's statement from after the first one is out of date.
            self._synced.discard(order.key)
            if held is None or held.until < end:
                self._hold_until(turn, intent, end)
            return True
        if account is not None:
            self._synced.add(order.key)
        if held is not None and order.key not in self._synced:
            self._waiting.setdefault(order.key, 0)
            return True
        if (
            intent.side is Side.BUY
            and self.gate.limits.needs_account
            and self._state.opened is None
        ):
            self._readings.schedule(turn, turn.now, "account", account=True)
            self._waiting.setdefault(order.key, 0)
            return True
        return self._hold_back_for_facts(turn, intent)

    def _hold_back_for_facts(self, turn: Turn, intent: Intent) -> bool:
        """Hold back a buy until KIS has stated the price limits that its check needs.

        Return True when the buy waits. It needs the limits of its own stock, and of each open buy
        without a price. A sell does not wait, so that a person can always get out of a position.
        """
        if intent.side is Side.SELL:
            return False
        open_buys = (order.intent for order, _ in reservations.buys(self._state.books, intent))
        codes = [intent.code, *(open_.code for open_ in open_buys if open_.price is None)]
        self._stocks.want(turn, codes, first=True)
        return any(self._stocks.is_waiting(turn.now, code) for code in codes)

    def on_stock_read(self, turn: Turn) -> None:
        """Send the buys that waited for the facts of a stock."""
        for order in list(self._state.books.live.values()):
            if order.state is OrderState.NEW and order.side is Side.BUY:
                self.send(turn, order)

    def _hold_until(self, turn: Turn, intent: Intent, end: Ns) -> None:
        """Record that an order is held until ``end``. Deny it when too many orders are held."""
        protects, held = (
            intent.protective and intent.side is Side.SELL,
            self._state.held.get(intent.key),
        )
        if held is None and len(self._state.held) >= MOST_HELD and not protects:
            why = (
                f"{MOST_HELD} orders wait for the end of the blackout at {clock_text(end)} already"
            )
            turn.record(Denied(turn.now, intent.key, why, "order again after it"))
            return
        why = f"blackout until {clock_text(end)}: journaled, not sent"
        # The order was decided on the price at the first window.
        price = held.price if held is not None else self._depths.price(intent.code)
        turn.record(OrderHeld(turn.now, intent.key, end, why, price))
        turn.emit(WakeAt(end))

    def stays_held(self, now: Ns, order: Order) -> bool:
        """Return whether a held order stays held after a restart on the day of its window.

        An order that waits only for a price does not stay, because the desk may have been away for
        long.
        """
        held = self._state.held.get(order.key)
        return held is not None and waits_for_window(held) and kst_day(held.until) == kst_day(now)

    def sync_after_blackout(self, turn: Turn) -> None:
        """Schedule a reading of KIS after a blackout window.

        When the reading ends, the held orders go on.
        """
        if not any(waits_for_window(held) for held in self._state.held.values()):
            return
        end = self._blackout(turn.now)
        if end is None:
            self._readings.schedule(turn, turn.now, "blackout", account=True)
        else:
            turn.emit(WakeAt(end))

    def on_orders_unread(self, turn: Turn) -> None:
        """Send held protective sells and deny waiting buys, because KIS does not list the orders.

        Without the account it is not known how much a buy may spend.
        """
        for order in list(self._state.books.live.values()):
            if order.state is not OrderState.NEW or self._blackout(turn.now) is not None:
                continue
            if order.key in self._state.held and order.intent.protective:
                self._synced.add(order.key)
                self.send(turn, order)
            elif (
                order.side is Side.BUY
                and self._state.opened is None
                and self.gate.limits.needs_account
            ):
                why = "KIS does not state the account, so that nobody knows what cash there is"
                missing = self._readings.why_missing
                why = f"{why} ({missing})" if missing else why
                turn.record(Denied(turn.now, order.key, why, "try again when KIS answers"))

    def _shrink_to_sellable(self, turn: Turn, order: Order, account: Account | None) -> bool:
        """Replace a held protective sell by a sell of the shares that KIS still confirms.

        Return True when it was replaced, or denied because no share is left.
        """
        intent = order.intent
        if (
            account is None
            or order.key not in self._state.held
            or not intent.protective
            or intent.side is Side.BUY
        ):
            return False
        sellable = sum(h.sellable for h in account.holdings if h.code == intent.code)
        if intent.qty <= sellable:
            return False
        cure = f"{sellable:,} are sold instead" if sellable else "nothing is left to protect"
        turn.record(Denied(turn.now, order.key, f"KIS confirms {sellable:,} shares to sell", cure))
        if sellable:
            self.submit(
                turn, msgspec.structs.replace(intent, key=f"{intent.key}:left", qty=sellable)
            )
        return True
