"""Order books: the orders, fills, positions and PnL of an agent or of the account.

The desk, a session and the back-tester apply the same facts with ``OrderBooks.apply``, so their
order books are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from kisnb import columns
from kisnb.clock import Ns
from kisnb.events import (
    Accepted,
    AccountOpened,
    Cancelled,
    CancelRefused,
    CancelStarted,
    Denied,
    Expired,
    ExternalFound,
    Filled,
    HoldingAdopted,
    IntentTaken,
    OrderFact,
    OrderHeld,
    OrderReserved,
    Rejected,
    Reopened,
    Resolved,
    Revised,
    SendStarted,
    SendUnknown,
    Sent,
)
from kisnb.orders import (
    PENDING,
    Fill,
    Intent,
    Order,
    OrderRef,
    Orders,
    OrderState,
    same_branch,
)
from kisnb.terms import Side
from kisnb.trading.order_books import book_summary, order_columns
from kisnb.trading.order_books.ledger import Position
from kisnb.values import numbered_code

if TYPE_CHECKING:
    import polars as pl

EXTERNAL = "external"
"""The owner of orders that this desk did not send."""
UNASSIGNED = "unassigned"
"""The owner of shares that no order of the journal explains."""
BY_HAND = ""
"""The owner of orders that a person gives in a notebook."""
NOBODY = frozenset({EXTERNAL, UNASSIGNED, BY_HAND})
"""Owners that are not agents. An agent may adopt the shares that they hold."""
FLATTEN = "flatten:"
"""Start of the keys of a flatten's orders. No session may give an order such a key."""
EXIT = "exit:"
"""Start of the keys of the sells of exits. No session may give an order such a key."""
AGENT = "agent:"
"""Start of the keys that an agent makes: ``agent:<id>:<run>:<n>``."""
REQUOTE = "requote:"
"""Start of the keys of orders that a requote sends. No session may give an order such a key."""
_ANNOUNCING = (IntentTaken, ExternalFound)
_SENT, _FILLED = OrderState.SENT, OrderState.FILLED
_BEFORE_SENT = (OrderState.SENDING, OrderState.UNKNOWN, OrderState.RESERVED)
UNDECIDED = frozenset({OrderState.NEW, OrderState.SENDING, OrderState.SENT})
"""States that a caller waits to be over.

UNKNOWN is not one of them, because waiting does not end it.
"""


def agent_of_key(key: str) -> str | None:
    """Return the id of the agent that made a key; None for a key that no agent made."""
    if not key.startswith(AGENT):
        return None
    agent, *parts = key.removeprefix(AGENT).rsplit(":", 2)
    return agent if len(parts) == 2 else None


def is_of_desk(intent: Intent) -> bool:
    """Return whether the desk itself made the order: for a flatten, an exit or a requote.

    The key of the order shows it.
    """
    return intent.key.startswith((FLATTEN, EXIT, REQUOTE))


def is_of_flatten(intent: Intent) -> bool:
    """Return whether a flatten made the order."""
    return intent.key.startswith(FLATTEN)


class OrderBook:
    """The orders, fills and positions of one owner. Shares and won."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.orders: dict[str, Order] = {}
        self.positions: dict[str, Position] = {}

    def position(self, code: str) -> Position:
        """Return the position in ``code``. It is empty when the stock was never traded."""
        found = self.positions.get(code)
        if found is not None:
            return found
        # A code that a DataFrame made a number must not look like a stock that was never traded.
        full = numbered_code(code) or code
        # The empty position is not stored, because asking for a stock must not make it a traded
        # one.
        return self.positions.get(full) or Position(full)

    @property
    def holds(self) -> list[str]:
        """Codes of the stocks with a quantity other than 0."""
        return [code for code, position in self.positions.items() if position.qty]

    def ensure_position(self, code: str) -> Position:
        """Return the stored position in ``code``. The first call creates it."""
        position = self.positions.get(code)
        if position is None:
            position = self.positions[code] = Position(code)
        return position

    @property
    def last(self) -> Order | None:
        """The newest order, also if it was denied or rejected. None: there is no order."""
        return next(reversed(self.orders.values()), None)

    @property
    def open_orders(self) -> Orders:
        """The orders that have not ended, oldest first."""
        return Orders(o for o in self.orders.values() if o.is_open)

    @property
    def fills(self) -> Iterator[tuple[Order, Fill]]:
        """Yield each fill with its order."""
        return ((o, f) for o in self.orders.values() for f in o.fills)

    @property
    def turnover(self) -> int:
        """Traded value of both sides, won."""
        return sum(f.qty * f.price for _, f in self.fills)

    @property
    def realised(self) -> int:
        """Realised PnL before cost, won."""
        return sum(p.realised for p in self.positions.values())

    @property
    def realised_net(self) -> int:
        """Realised PnL after cost, won."""
        return sum(p.realised_net for p in self.positions.values())

    def unrealised(self, prices: Mapping[str, int]) -> int | None:
        """Return the PnL of the held shares before cost, won.

        None when a held stock has no price.
        """
        held = [p for p in self.positions.values() if p.lots]
        if any(p.code not in prices for p in held):
            return None
        return sum(p.unrealised(prices[p.code]) for p in held)

    def frame(self) -> pl.DataFrame:
        """Return a DataFrame with one row per order.

        Columns: time (KST), number, agent, code, side, quantity (shares), price (won), filled,
        average, leaves, state, text.
        """
        return columns.frame(order_columns.IN_FRAME, self.orders.values())

    def summary(self) -> pl.DataFrame:
        """Return a DataFrame with a row per stock and a last row over all stocks.

        ``book_summary.summary`` lists the columns.
        """
        return book_summary.summary(self.orders.values(), self.positions)

    def __repr__(self) -> str:
        held = (
            ", ".join(f"{p.qty:,} {p.code}" for p in self.positions.values() if p.qty) or "nothing"
        )
        counts = f"{len(self.orders)} orders, {len(self.open_orders)} open"
        return f"<OrderBook {self.name}: {counts}, holds {held}>"


class OrderBooks:
    """The account's order book and one order book per agent, over the same orders."""

    def __init__(self) -> None:
        self.account = OrderBook("account")
        self.agents: dict[str, OrderBook] = {}
        # Every check of the gate reads the open orders. If it read all orders of the day, it would
        # become slower with each of them.
        self.live: dict[str, Order] = {}
        """Orders that have not ended, by key, oldest first."""
        self.adoptions: dict[str, HoldingAdopted] = {}
        """Adoptions by idempotency key."""
        self._by_number: dict[tuple[int, int], list[str]] = {}
        """Keys of orders by day and order number. KIS's numbers are unique within a branch only."""

    @property
    def orders(self) -> dict[str, Order]:
        """All orders by key."""
        return self.account.orders

    def of(self, agent: str) -> OrderBook:
        """Return the order book of an agent. The first call creates it."""
        book = self.agents.get(agent)
        if book is None:
            book = self.agents[agent] = OrderBook(agent)
        return book

    def by_number(self, day: int, number: int, branch: str = "") -> Order | None:
        """Return the order with this number of a day (YYYYMMDD) and a branch.

        None: there is no such order. None also when no branch is given and several orders have the
        number.
        """
        keys = self._by_number.get((day, number), ())
        if len(keys) < 2:
            only = self.orders[keys[0]] if keys else None
            return only if only is not None and same_branch(_branch(only), branch) else None
        found = [o for o in self.numbered(day, number) if same_branch(_branch(o), branch)]
        exact = [o for o in found if _branch(o) == branch]
        return exact[0] if exact else found[0] if len(found) == 1 else None

    def numbered(self, day: int, number: int) -> list[Order]:
        """Return the orders with this number of a day (YYYYMMDD), of all branches."""
        return [self.orders[key] for key in self._by_number.get((day, number), ())]

    def unknown_in(self, code: str) -> Order | None:
        """Return an order of this stock with unknown outcome. None: no order is unknown.

        While there is such an order, buys of the stock are locked.
        """
        unknown = (
            o for o in self.live.values() if o.code == code and o.state is OrderState.UNKNOWN
        )
        return next(unknown, None)

    def add_pending(self, intent: Intent, t: Ns) -> Order:
        """Add an order in state NEW for an intent.

        Return it. If an order with the same key exists, return the existing order.
        """
        key = intent.key
        order = self.account.orders.get(key)
        if order is None:
            order, own = Order(intent, t), self.of(intent.agent).orders
            # There is no call between these lines, so that an interrupt cannot leave the order in
            # only one order book.
            own[key] = self.account.orders[key] = self.live[key] = order
        return order

    def apply(self, fact: OrderFact) -> Order:
        """Apply one fact to its order and to the positions. Return the order.

        Raises KeyError when no earlier fact announced the order, ValueError for an impossible
        change of state.
        """
        if isinstance(fact, _ANNOUNCING):
            order = self.add_pending(fact.intent, fact.t)
            # Two sessions may use one key at the same time. Then the desk's intent counts.
            order.intent, order.t, order.since = fact.intent, fact.t, fact.t
            if isinstance(fact, ExternalFound):
                self._assign_number(order, fact.ref)
                order.sent_at = fact.t
                order.to(OrderState.ACCEPTED)
                self._keep_live()
        else:
            order = self.orders[fact.key]
            state, text = order.state, order.text
            self._apply_change(order, fact)
            if order.state is not state:
                order.since = fact.t
                if order.is_ended and order.text == text:
                    # The text was about the earlier state, for example a refused cancel or an
                    # unknown outcome.
                    order.text = ""
            if order.is_ended:
                self.live.pop(order.key, None)
            elif isinstance(fact, Reopened):
                self._keep_live()
        # This comes last, so that an impossible fact (``Order.to`` raises) gets into no log.
        order.facts.append(fact)
        return order

    def apply_at_once(
        self, taken: IntentTaken, started: SendStarted, sent: Sent, filled: Filled
    ) -> Order:
        """Apply all facts of an order that was filled completely at one moment. Return the order.

        The result is the same as ``apply`` of each of the four facts, in a third of the time.
        """
        order = self.apply_sent(taken, started, sent)
        self.apply_whole_fill(order, filled)
        return order

    def apply_whole_fill(self, order: Order, filled: Filled) -> None:
        """Apply the fill of a sent order that fills all its shares at once.

        The result is the same as ``apply`` of the fact, in half of the time.
        """
        fill = Fill(
            filled.t, filled.qty, filled.price, filled.fee, filled.tax, filled.venue, filled.stamp
        )
        order.fills.append(fill)
        order.filled, order.listed = fill.qty, not filled.stamp
        order.state, order.since, order.text = _FILLED, filled.t, ""
        intent = order.intent
        self.live.pop(intent.key, None)
        order.facts.append(filled)
        for book in (self.account, self.of(intent.agent)):
            book.ensure_position(intent.code).apply(intent.side, fill)

    def apply_sent(self, taken: IntentTaken, started: SendStarted, sent: Sent) -> Order:
        """Apply the facts of an order that was taken and sent at one moment. Return the order.

        The result is the same as ``apply`` of each of the three facts, in a third of the time. The
        order's number must be new.
        """
        order = self.add_pending(taken.intent, taken.t)
        order.intent, order.t, order.since = taken.intent, taken.t, sent.t
        order.route, order.sent_at, order.after = started.route, started.t, started.after
        order.state, order.text = _SENT, ""
        self._assign_number(order, sent.ref)
        order.facts += (taken, started, sent)
        return order

    def _apply_change(self, order: Order, fact: OrderFact) -> None:
        # The most frequent case comes first, because a restart gets here once for each row.
        match fact:
            case SendStarted(route=route, after=after):
                order.to(OrderState.SENDING)
                order.route, order.sent_at, order.after = route, fact.t, after
                # The reason why it was held is over.
                order.text = ""
            # A notice or KIS's list may have changed the order's state before the reply came. Then
            # the reply adds only its number.
            case Sent() | OrderReserved():
                self._apply_number(order, fact)
            case Accepted(ref=ref):
                self._assign_number(order, ref)
                if order.state in PENDING:
                    order.to(OrderState.ACCEPTED)
            case Filled():
                self._apply_fill(order, fact)
            case CancelStarted():
                order.cancel_asked = True
            case Resolved(ref=ref, evidence=evidence):
                order.text = evidence
                order.to(OrderState.REJECTED if ref is None else OrderState.SENT)
                if ref is not None:
                    self._take_over(order, ref)
                    self._assign_number(order, ref)
            case Cancelled() | Revised() | Expired() | Reopened():
                _apply_removal(order, fact)
            case Denied() | Rejected() | SendUnknown() | CancelRefused() | OrderHeld():
                _apply_refusal(order, fact)

    def _apply_number(self, order: Order, fact: Sent | OrderReserved) -> None:
        if isinstance(fact, OrderReserved):
            order.reserved_as, order.text = fact.number, ""
            order.to(OrderState.RESERVED)
            return
        if order.state in _BEFORE_SENT:
            order.to(OrderState.SENT)
            self._take_over(order, fact.ref)
        self._assign_number(order, fact.ref)

    def _keep_live(self) -> None:
        """Build ``live`` again in the order of age, because an order was opened again."""
        self.live = {key: o for key, o in self.orders.items() if o.is_open}

    def _assign_number(self, order: Order, ref: OrderRef) -> None:
        order.ref = ref
        keys, key = self._by_number.setdefault((ref.day, ref.number), []), order.key
        if key not in keys:
            keys.append(key)

    def _take_over(self, order: Order, ref: OrderRef) -> None:
        """Merge the external order with this number into ``order``: at KIS both are one order."""
        other = self.by_number(ref.day, ref.number, ref.branch)
        if other is None or other.intent.agent != EXTERNAL:
            return
        for orders in (self.orders, self.of(EXTERNAL).orders, self.live):
            orders.pop(other.key, None)
        self._by_number[ref.day, ref.number].remove(other.key)
        order.fills, order.filled = other.fills, other.filled
        order.cancelled, order.expired = other.cancelled, other.expired
        order.cancels, order.listed = other.cancels, other.listed
        order.revised_by = other.revised_by
        order.to(OrderState.ACCEPTED)
        _end_if_complete(order)
        # The account's holding does not change. Only the owner changes.
        own = self.of(order.intent.agent).ensure_position(order.code)
        for fill in order.fills:
            own.apply(order.side, fill)
        self._count_external(order.code)

    def _count_external(self, code: str) -> None:
        """Compute the position of external orders again: their fills minus adopted shares.

        Nothing else changes this position.
        """
        book = self.of(EXTERNAL)
        position = book.positions[code] = Position(code)
        bought = [(f.t, o, f) for o, f in book.fills if o.code == code]
        for _, order, fill in sorted(bought, key=lambda item: item[0]):
            position.apply(order.side, fill)
        for fact in self.adoptions.values():
            if fact.code == code:
                position.give(sum(qty for source, qty, _, _ in fact.lots if source == EXTERNAL))

    def _apply_fill(self, order: Order, fact: Filled) -> None:
        fill = Fill(fact.t, fact.qty, fact.price, fact.fee, fact.tax, fact.venue, fact.stamp)
        order.fills.append(fill)
        order.filled += fill.qty
        order.listed = order.listed or not fact.stamp
        # This comes before the state ACCEPTED, because a last fill leads from SENT directly to
        # FILLED.
        _end_if_complete(order)
        # An order that trades has been accepted, although no notice may have said so.
        if order.state in PENDING:
            order.to(OrderState.ACCEPTED)
        # The two order books have separate positions: for an agent the shares cost what it paid,
        # and the account matches buys and sells over all agents.
        for book in (self.account, self.of(order.intent.agent)):
            book.ensure_position(order.code).apply(order.side, fill)

    def apply_holdings(self, fact: AccountOpened | HoldingAdopted) -> None:
        """Book shares that no fill explains: KIS stated them, or an agent adopted them."""
        if isinstance(fact, HoldingAdopted):
            self._adopt(fact)
            return
        # These shares belong to the account, and to no agent.
        for code, qty, cost in fact.holdings:
            # Both order books get them, so that the positions of all owners still add up to the
            # account's.
            for book in (self.account, self.of(UNASSIGNED)):
                book.ensure_position(code).open(qty, cost)

    def _adopt(self, fact: HoldingAdopted) -> None:
        """Move shares with their cost from owners that are no agents to the agent's order book."""
        self.adoptions[fact.key] = fact
        for source, qty, _, _ in fact.lots:
            # The account's book keeps these shares. Only the owner changes.
            self.of(source).positions[fact.code].give(qty)
        self.of(fact.agent).ensure_position(fact.code).receive(
            (qty, price, fee) for _, qty, price, fee in fact.lots
        )

    @property
    def unassigned(self) -> dict[str, int]:
        """By code: shares that no agent holds.

        They are the account's shares minus the shares of all agents.
        """
        agents = [book for name, book in self.agents.items() if name not in NOBODY]
        rest = {
            code: p.qty - sum(b.position(code).qty for b in agents)
            for code, p in self.account.positions.items()
        }
        return {code: qty for code, qty in rest.items() if qty}

    def selling(self, agent: str, code: str) -> int:
        """Return how many shares of ``code`` the agent's open sell orders may still sell."""
        mine = (o for o in self.live.values() if o.intent.agent == agent)
        return sum(o.leaves for o in mine if o.code == code and o.side is Side.SELL)


def _branch(order: Order) -> str:
    return order.ref.branch if order.ref is not None else ""


def _apply_removal(order: Order, fact: Cancelled | Revised | Expired | Reopened) -> None:
    """Remove shares from an order after a cancel, a revise or its expiry, or put them back.

    ``fact.number`` is the number of the cancel or the revise. 0: KIS's list reported the change.
    """
    if isinstance(fact, Reopened):
        order.cancelled -= fact.qty
        # Expired shares were only read from KIS's list, so the list takes these back first.
        order.expired = max(order.expired - fact.qty, 0)
        order.listed = True
        order.to(OrderState.ACCEPTED)
        order.text = fact.why
        return
    number = 0 if isinstance(fact, Expired) else fact.number
    if isinstance(fact, Revised):
        order.revised_by.append(fact.by)
        order.text = f"{fact.qty:,} shares live on as #{number}"
    elif isinstance(fact, Expired):
        order.expired += fact.qty
    elif not order.cancel_asked:
        order.text = _cancelled_elsewhere(order, fact.qty)
    if not (isinstance(fact, Revised) and fact.counted):
        order.cancelled += fact.qty
    # Any removal ends the cancel. If shares are left, a person may cancel again.
    order.cancel_asked = False
    if number:
        order.cancels.add(number)
    # Without a number the figure is a total of KIS's list. From now on a late notice of the same
    # cancel must not count.
    else:
        order.listed = True
    _end_if_complete(order)


def _cancelled_elsewhere(order: Order, qty: int) -> str:
    if order.sent_kind.immediate:
        return f"{qty:,} shares found no match at once, and an order of this kind does not wait"
    return f"{qty:,} shares cancelled, not asked for at this desk: the phone, or KIS"


def _end_if_complete(order: Order) -> None:
    if order.leaves:
        return
    if order.filled == order.quantity:
        order.to(OrderState.FILLED)
    else:
        # If a share expired, the state is EXPIRED, whichever fact came last, because notices and
        # the list come in any sequence.
        order.to(OrderState.EXPIRED if order.expired else OrderState.CANCELLED)


def _apply_refusal(
    order: Order, fact: Denied | Rejected | SendUnknown | CancelRefused | OrderHeld
) -> None:
    match fact:
        case Denied(reason=reason, cure=cure):
            order.to(OrderState.DENIED)
            order.text = f"{reason}; {cure}" if cure else reason
        case Rejected(msg_cd=msg_cd, text=text):
            order.to(OrderState.REJECTED)
            order.msg_cd, order.text = msg_cd, text
        case SendUnknown(text=text):
            order.to(OrderState.UNKNOWN)
            order.text = text
        case OrderHeld(why=why):
            # The order may also be denied at may_send: then its POST never began.
            order.to(OrderState.NEW)
            order.route, order.sent_at, order.after = None, 0, 0
            order.text = why
        case CancelRefused(text=text):
            # The order has not changed, so the next cancel must pass.
            order.cancel_asked = False
            order.text = f"cancel refused: {text}"
