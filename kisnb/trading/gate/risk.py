"""The gate that every order passes before it is sent: the market's rules and our own limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kisnb.clock import Ns, date_text, day_number, kst_day
from kisnb.config import raised
from kisnb.events import Depth, StockDay
from kisnb.market import order_rules, ticks
from kisnb.market.costs import CostModel, added
from kisnb.market.instruments import Instrument
from kisnb.market.reserved_orders import KINDS, reserved_for, why_not_taken
from kisnb.market.routing.router import MarketSnapshot, NotRouted, Routed, Router
from kisnb.market.universe import Universe
from kisnb.orders import Capabilities, Intent, Want
from kisnb.terms import KRX, SELL, Board, Kind, OrderKind, Side, Venue
from kisnb.trading.gate.stock_days import StockDays
from kisnb.trading.order_books import reservations
from kisnb.trading.order_books.ledger import Position
from kisnb.trading.order_books.order_book import NOBODY, is_of_flatten
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State


class No(NamedTuple):
    """The reason why an order may not be sent, and the cure."""

    reason: str
    cure: str
    about: str = ""
    """``cash`` if the account has too little cash. Otherwise empty."""


class Rules:
    """The market's rules as the desk knows them, and what this desk's account may order."""

    def __init__(
        self,
        universe: Universe,
        capabilities: Capabilities,
        costs: CostModel | None = None,
        *,
        by_cost: bool = False,
    ) -> None:
        """Collect the rules. ``costs`` None means the costs of a BanKIS account.

        With ``by_cost`` the router first compares the whole cost of each venue.
        """
        self.days = StockDays(universe)
        self.capabilities = capabilities
        self.costs = costs or CostModel()
        self.router = Router(
            self.costs, venues=capabilities.venues, kinds=capabilities.kinds, by_cost=by_cost
        )

    @property
    def universe(self) -> Universe:
        """The list of stocks."""
        return self.days.universe

    def instrument(self, code: str) -> Instrument | None:
        """Return the instrument of a code. None when the code is not a listed issue.

        At paper and live a code that the list lacks counts as a share of KOSPI (``StockDays``).
        """
        return self.days.instrument(code)

    def stock_day(self, now: Ns, code: str) -> StockDay | None:
        """Return base price, limits and halt of a stock today. None when they are not known."""
        return self.days.of(now, code)

    def _view(self, now: Ns, code: str, depths: tuple[Depth, ...]) -> MarketSnapshot:
        """Return the state of the market that the router gets. Raises UnknownInstrument."""
        item = self.days.today(now, code) or self.universe.get(code)
        return MarketSnapshot(now, item, depths)

    def trade_channels(self, code: str, priority: int = 2) -> list[Want]:
        """Return the subscriptions that show every trade of a stock, one per venue.

        Venues that take no orders from this desk are left out. Empty for a code that is not listed.
        """
        item = self.instrument(code)
        venues = [
            v for v in (Venue.KRX, Venue.NXT) if v is Venue.KRX or v in self.capabilities.venues
        ]
        return [
            Want("ticks", code, v, priority)
            for v in venues
            if item is not None and (v is Venue.KRX or item.nxt)
        ]

    def fee_and_tax(
        self, t: Ns, code: str, side: Side, before: int, value: int, venue: Venue
    ) -> tuple[int, int]:
        """Return the fee and the tax that a fill of ``value`` won adds to its order, won.

        ``before`` is the value of the order's earlier fills at the venue, won.
        """
        (kind, board), day = self._kind_and_board(code), kst_day(t)
        # Fee and tax are rounded down to the won. They are rounded on the order's sum, so that
        # splitting a fill changes nothing.
        fee = added(lambda won: self.costs.fee(won, venue, kind), before, value)
        if side is Side.BUY:
            return fee, 0
        return fee, added(lambda won: self.costs.tax(won, day, kind, board), before, value)

    def break_even(self, t: Ns, code: str, position: Position) -> int:
        """Return the lowest price at which selling all lots of ``position`` loses nothing, won.

        Fee and tax are included.
        """
        return self.even_price(t, code, position.cost_with_fees, position.in_lots)

    def even_price(self, t: Ns, code: str, cost: int, held: int) -> int:
        """Return the lowest price at which selling ``held`` shares loses nothing, won.

        ``cost`` is their cost with the fees of their buys, won. Fee and tax of the sale are
        included.
        """
        return self.costs.break_even(cost, held, kst_day(t), *self._kind_and_board(code))

    def _kind_and_board(self, code: str) -> tuple[Kind, Board]:
        """Return the kind and the board of an issue, which decide its fee and tax.

        A person may hold an issue that is not known here, such as a right or a newly listed share.
        It counts as a stock of KOSPI. KIS's statement of the cash shows its true cost.
        """
        item = self.instrument(code)
        return (Kind.STOCK, Board.KOSPI) if item is None else (item.kind, item.board)

    def kinds_now(self, now: Ns, code: str, venue: Venue | None = None) -> tuple[OrderKind, ...]:
        """Return the kinds of orders that ``venue`` accepts for this issue now.

        ``venue`` None means any venue.

        Kinds that this desk does not accept are left out.
        """
        item, can = self.instrument(code), self.capabilities
        venues = self.router.venues if venue is None else (venue,)
        taken = {k for v in venues if item is not None for k in order_rules.kinds(now, v, item)}
        return tuple(kind for kind in can.kinds if kind in taken)

    def route(self, now: Ns, intent: Intent, depths: tuple[Depth, ...]) -> Routed | NotRouted:
        """Return the venue that accepts this order now, or the reason why no venue does.

        ``depths`` are the newest depths of the stock.
        """
        return self.router.route(intent, self._view(now, intent.code, depths))

    def preview(self, now: Ns, intent: Intent, depths: tuple[Depth, ...]) -> Routed | NotRouted:
        """Return the result that ``route`` would return. No decision is recorded."""
        return self.router.preview(intent, self._view(now, intent.code, depths))

    def depths_missing(self, now: Ns, code: str, depths: tuple[Depth, ...]) -> tuple[Venue, ...]:
        """Return the venues that trade a stock now and show no fresh depth of it."""
        return self.router.depths_missing(self._view(now, code, depths))

    def depths_needed(
        self, now: Ns, intent: Intent, depths: tuple[Depth, ...]
    ) -> tuple[Venue, ...]:
        """Return the venues without a depth, when their depth decides where the order goes."""
        return self.router.depths_needed(intent, self._view(now, intent.code, depths))


# The checks in their order. The first that fails is the answer, so the graver reason comes first,
# and a check may rely on those before it.
#
#     halted or flattening  →  connection  →  quantity  →  listed, not halted  →  price
#         sell: shares held  →  size, unless it only reduces
#         buy:  size  →  armed  →  cash  →  exposure
#
# The gate is asked twice: when an order is taken and, for all that may have changed while it waited
# behind the limiter, in ``may_send``. So a check has no effect and keeps nothing.
class Gate:
    """The checks of an order before it is routed. Prices in won.

    Orders are checked one after another. Each check counts all orders that are in the market or on
    their way to it. An order that has not ended keeps its reservation, so two buys can never spend
    the same won.
    """

    def __init__(self, rules: Rules, limits: Limits) -> None:
        self.rules = rules
        self.limits = limits

    def check(self, now: Ns, intent: Intent, state: State) -> No | None:
        """Return why the order may not be sent at any venue. None when it may.

        ``state`` is the desk's state. ``OrderPath`` checks the age of the price, because it knows
        which prices the desk has received.
        """
        if not self.rules.capabilities.can_order:
            return No("this desk is open for reading only", self.rules.capabilities.why_not)
        reduces = reservations.reduces(state.books, intent)
        # This comes before the checks of the order itself, because a halted desk denies any order.
        if (no := self._halted(intent, state, reduces=reduces)) is not None:
            return no
        if (no := self.connection(now, intent.code, intent.kind, intent.venue)) is not None:
            return no
        if intent.qty < 1:
            return No(f"quantity {intent.qty} is not valid", "give at least 1 share")
        item = self.rules.instrument(intent.code)
        if item is None:
            return No(
                f"{intent.code} is not a listed issue", "look the code up with %kis search NAME"
            )
        # Nextrade applies KRX's halts at once, so no other venue is left to try.
        if self.rules.days.is_halted(now, intent.code):
            return No(
                f"the exchange has halted trading in {item.name} ({item.code})",
                "wait until the exchange lifts the halt",
            )
        if intent.day:
            if (no := self._why_not_reserved(now, intent, item)) is not None:
                return no
        elif (no := self._prices(now, intent, item)) is not None:
            # If no venue accepts this kind now, that reason is given. With another price the order
            # would still be denied.
            return self._not_taken(now, intent) or no
        if intent.side is SELL:
            # A sell that only reduces a position is never too large, because a limit on size must
            # not keep anybody in a position.
            return self._sellable(intent, state) or (None if reduces else self._size(now, intent))
        return (
            self._unvalued(now, intent, state)
            or self._size(now, intent)
            or self._armed(now, intent, state)
            or self._cash(now, intent, state)
            or self._exposure(now, intent, state)
        )

    def _halted(self, intent: Intent, state: State, *, reduces: bool) -> No | None:
        if state.flatten_reason is not None:
            # Even a flatten's own sells pass only up to the held shares: it must never sell short.
            if is_of_flatten(intent) and reduces:
                return None
            return No(
                "all that is held is being sold: no other order passes",
                "end it with %kis halt off REASON",
            )
        if state.halt == "active" or (state.halt == "reducing" and reduces):
            return None
        why, cure = (
            f"the desk is {state.halt}: {state.halt_reason}",
            "lift the halt with %kis halt off REASON",
        )
        if state.halt == "reducing" and intent.side is Side.SELL:
            free = max(reservations.sellable(state.books, intent), 0)
            can = f"{free:,} shares of {intent.code} can be sold"
            why = f"the desk is reducing, and {can}: {state.halt_reason}"
            cure = f"sell {free:,}" if free else cure
        return No(why, cure)

    def stale(self, now: Ns, received: Ns, times: int = 1) -> bool:
        """Return whether a price that was received at ``received`` is too old.

        It may be at most ``times`` × ``max_quote_age`` old.
        """
        age = self.limits.max_quote_age
        return age is not None and now - received > age * times

    def value_or_none(self, now: Ns, code: str, qty: int, price: int | None) -> int | None:
        """Return the value of an order at its price, or else at the upper limit price, won.

        None when the order has no price and the upper limit price is not known.
        """
        if price is not None:
            return qty * price
        # For an order without a price KIS reserves cash at the upper limit price (KIS document
        # 주식주문(현금)).
        today = self.rules.stock_day(now, code)
        return None if today is None or today.limits is None else qty * today.limits[1]

    def _unvalued(self, now: Ns, intent: Intent, state: State) -> No | None:
        """Return why the highest cost of this buy or an open buy is unknown.

        None when all these costs are known.
        """
        code = intent.code
        if code not in self.rules.universe:
            why = self.rules.days.why_not(code) or "KIS has not stated what it is"
            return No(f"{code} is in no list of stocks: {why}", "check the code, and order again")
        if self.value_or_none(now, code, intent.qty, intent.price) is None:
            unbound = "nothing bounds the cost of a buy without a price"
            return No(f"{self._unlimited(now, code)}, so {unbound}", "order with a price")
        for order, qty in reservations.buys(state.books, intent):
            if self.value_or_none(now, order.code, qty, order.intent.price) is None:
                why = f"the cost of {order.intent.text} is not known"
                cure = "cancel that order, or order again in some seconds"
                return No(f"{why}: {self._unlimited(now, order.code)}", cure)
        return None

    def _unlimited(self, now: Ns, code: str) -> str:
        """Return the reason why no upper limit price is known."""
        name, why = self.rules.universe.name(code), self.rules.days.why_not(code)
        if self.rules.stock_day(now, code) is not None:
            return f"{name} has no upper limit price today"
        return f"KIS has not stated the limit prices of {name} today{f' ({why})' if why else ''}"

    def _value(self, now: Ns, code: str, qty: int, price: int | None) -> int:
        """Return the value of a buy, won. ``_unvalued`` must have found that it is known."""
        value = self.value_or_none(now, code, qty, price)
        assert value is not None, f"nobody knows the value of a buy of {code}"
        return value

    def _with_fee(self, now: Ns, intent: Intent, qty: int) -> int:
        value = self._value(now, intent.code, qty, intent.price)
        item = self.rules.instrument(intent.code)
        return value if item is None else value + self.rules.costs.fee(value, KRX, item.kind)

    def _reserved(self, now: Ns, intent: Intent, state: State) -> int:
        """Return the cash that open buys may need, fees included, won."""
        return sum(
            self._with_fee(now, order.intent, qty)
            for order, qty in reservations.buys(state.books, intent)
        )

    def _on_order(self, now: Ns, intent: Intent, state: State, code: str, agent: str | None) -> int:
        """Return the value of open buys, won.

        An empty ``code`` means any stock. ``agent`` None means any agent.
        """
        return sum(
            self._value(now, order.code, qty, order.intent.price)
            for order, qty in reservations.buys(state.books, intent)
            if (not code or order.code == code) and (agent is None or order.intent.agent == agent)
        )

    def _size(self, now: Ns, intent: Intent) -> No | None:
        value = self.value_or_none(now, intent.code, intent.qty, intent.price)
        most = self.limits.max_order_value
        # Only a sell may have no known value here. A limit on size must not keep anybody in a
        # position.
        if value is None or value <= most:
            return None
        counted = " (without a price it counts at the upper limit)" if intent.price is None else ""
        return No(
            f"an order of {value:,} won{counted} is above the limit of {most:,} won",
            f"order less, or {raised('max_order_value')}",
        )

    def _armed(self, now: Ns, intent: Intent, state: State) -> No | None:
        if not self.limits.needs_arming:
            return None
        if state.armed is None or now >= state.armed.until:
            return No(
                "live is not armed: buys are blocked; sells and cancels are allowed",
                "arm it with %kis arm",
            )
        # Orders that have not ended count too, or two buys could spend the same budget.
        left = state.armed.budget - state.armed_spent - self._reserved(now, intent, state)
        value = self._with_fee(now, intent, intent.qty)
        if value <= left:
            return None
        return No(
            f"{value:,} won are more than the {max(left, 0):,} won left of the armed budget",
            "arm it again with %kis arm",
        )

    def _cash(self, now: Ns, intent: Intent, state: State) -> No | None:
        # KIS has not stated the cash yet. At a desk that needs it the order waits in ``OrderPath``
        # and does not get here.
        if state.cash is None:
            return None
        value = self._with_fee(now, intent, intent.qty)
        percent = self.limits.max_cash_percent
        if percent is not None and value * 100 > state.cash * percent:
            part = f"{percent} % of the cash of {state.cash:,} won"
            text = f"a buy of {value:,} won takes more than {part}"
            return No(text, f"order less, or {raised('max_cash_percent')}", "cash")
        free = state.cash - self._reserved(now, intent, state)
        if value > free:
            left = f"the {max(free, 0):,} won that no open order has reserved"
            return No(f"a buy of {value:,} won is above {left}", "order less", "cash")
        return None

    def _exposure(self, now: Ns, intent: Intent, state: State) -> No | None:
        books, limits, code, agent = state.books, self.limits, intent.code, intent.agent
        held = books.account
        mine = books.agents[agent].positions.values() if agent in books.agents else ()
        # An order by hand belongs to no agent, so an agent's limit does not apply.
        most_of_agent = limits.max_agent_value if agent else None
        scopes: tuple[tuple[str, int | None, str, Iterable[Position], str, str | None], ...] = (
            ("max_stock_value", limits.max_stock_value, "you", [held.position(code)], code, None),
            ("max_agent_value", most_of_agent, f"agent {agent}", mine, "", agent),
            (
                "max_account_value", limits.max_account_value, "the account",
                held.positions.values(), "", None,
            ),
        )  # fmt: skip
        for name, most, whose, positions, of_code, of_agent in scopes:
            if most is None:
                continue
            total = (
                sum(p.cost for p in positions)
                + self._on_order(now, intent, state, of_code, of_agent)
                + self._value(now, code, intent.qty, intent.price)
            )
            if total > most:
                of_stock = f" of {of_code}" if of_code else ""
                why = f"with this order {whose} would hold {total:,} won{of_stock}"
                cure = f"order less, or {raised(name)}"
                return No(f"{why}, above the limit of {most:,} won", cure)
        return None

    def _sellable(self, intent: Intent, state: State) -> No | None:
        """Return why fewer than ``intent.qty`` shares can be sold. None when enough can be sold.

        Shares that an open sell has reserved cannot be sold again. An agent's own order book is
        always known, the account's shares only once KIS has stated them. If KIS states more shares
        than our order books, a protective sell is not denied for the difference. But an agent never
        sells more than it can have.
        """
        drift = state.drifts.get((intent.code, "holding"))
        known = state.opened is not None
        free = (
            reservations.sellable(state.books, intent)
            if known
            else reservations.own(state.books, intent)
        )
        if free is None or intent.qty <= free:
            return None
        # KIS states more shares than the order books, and it is not known who is right. An exit is
        # tried, because KIS refuses to sell shares that are not there. An exit is not tried if KIS
        # states fewer shares, or if fills have explained the difference.
        held = state.books.account.position(intent.code).qty
        has_more = drift is not None and drift.theirs > max(drift.ours, held)
        may_own = reservations.may_own(state.books, intent)
        if intent.protective and has_more and intent.qty <= may_own:
            return None
        cure = f"sell {free:,}" if free > 0 else "buy it first, or cancel the open sell order"
        if intent.agent not in NOBODY and state.books.unassigned.get(intent.code, 0) > 0:
            adopt = f"%kis agents adopt {intent.agent} {intent.code}"
            cure += f"; what no agent holds it may take over: {adopt}"
        can = f"the {max(free, 0):,} that can be sold"
        return No(f"{intent.qty:,} shares of {intent.code} are more than {can}", cure)

    def connection(self, now: Ns, code: str, kind: OrderKind, venue: Venue | None) -> No | None:
        """Return why this desk does not accept this kind or this venue.

        None when it accepts both.
        """
        can, item = self.rules.capabilities, self.rules.instrument(code)
        why, cures = [], []
        if kind not in can.kinds:
            why.append(f"this desk takes no {kind} orders")
            cures.append(f"use {' or '.join(self.rules.kinds_now(now, code) or can.kinds)}")
        if venue is not None and venue not in can.venues:
            why.append(f"{venue} takes no orders from this desk")
            able = [
                str(v) for v in can.venues if item is not None and order_rules.kinds(now, v, item)
            ]
            cures.append(
                f"leave the venue out, or name {' or '.join(able)}"
                if able
                else "leave the venue out"
            )
        return No("; ".join(why), ", and ".join(cures)) if why else None

    def _why_not_reserved(self, now: Ns, intent: Intent, item: Instrument) -> No | None:
        """Return why KIS would not reserve the order now. None when it would.

        Price limits and halts of that later day are not known yet, so they are not checked. KIS
        refuses the order on its day. A buy without a price counts at today's upper limit price.
        """
        if not self.rules.capabilities.reserves:
            return No("this desk reserves no orders", "use live or sim for it")
        if (hours := why_not_taken(now)) is not None:
            return No(*hours)
        day = reserved_for(now)
        if day is None or intent.day != day_number(day):
            return No(
                f"KIS reserves orders for {day} now, not for {date_text(intent.day)}",
                "order again: the call takes the day of KIS",
            )
        if intent.kind not in KINDS:
            return No(f"a {intent.kind} order cannot be reserved", f"use {' or '.join(KINDS)}")
        if intent.kind.priced is not (intent.price is not None):
            has = "needs a price" if intent.kind.priced else "has no price"
            return No(f"a {intent.kind} order {has}", "give its price, or leave it out")
        if intent.price is None or ticks.on_grid(intent.price, item.kind, day, item.board):
            return None
        good = ticks.snap(intent.price, intent.side, item.kind, day, item.board)
        return No(f"{intent.price:,} is off the tick grid", f"use {good:,}")

    def _not_taken(self, now: Ns, intent: Intent) -> No | None:
        """Return why no venue accepts an order of this kind now. None when a venue does."""
        # A revise stays at its venue. ``why_not_revised`` checks it there.
        if intent.supersedes is not None:
            return None
        routed = self.rules.preview(now, intent, ())
        return No(routed.reason, routed.cure) if isinstance(routed, NotRouted) else None

    def _prices(self, now: Ns, intent: Intent, item: Instrument) -> No | None:
        kind = intent.kind
        moved = intent.supersedes is not None and intent.price is not None
        if moved and (kind is OrderKind.STOP_LIMIT or not kind.priced):
            return No(f"a {kind} order cannot be revised", "cancel it and place a new order")
        if (intent.stop is not None) != (kind is OrderKind.STOP_LIMIT):
            if intent.stop is None:
                return No(
                    "a stop-limit order needs a stop price",
                    "give it with --stop PRICE (stop=PRICE), in won",
                )
            taken = self.rules.kinds_now(now, intent.code, intent.venue)
            stops = intent.price is not None and OrderKind.STOP_LIMIT in taken
            cure = (
                f"name the kind {OrderKind.STOP_LIMIT}, or leave the stop out"
                if stops
                else "leave the stop out"
            )
            return No(f"a {kind} order has no stop price", cure)
        # The order would be sent with the price "0" (KIS document 주식주문(현금), ORD_UNPR). A
        # person who gives a price expects a limit, but KIS would not get it.
        if not kind.priced:
            return (
                None
                if intent.price is None
                else No(f"a {kind} order has no price", "leave the price out")
            )
        if intent.price is None:
            limits = self._limits(now, intent)
            within = f" within {limits[0]:,} to {limits[1]:,}" if limits is not None else ""
            return No(f"a {kind} order needs a price above 0", f"give a price{within}")
        of_price = self._price(now, intent, item, intent.price, "")
        of_stop = (
            None
            if intent.stop is None
            else self._price(now, intent, item, intent.stop, " as the stop")
        )
        wrong = [no for no in (of_price, of_stop) if no is not None]
        if not wrong:
            return None
        cures = dict.fromkeys(no.cure for no in wrong)
        return No("; ".join(no.reason for no in wrong), ", and ".join(cures))

    def _price(
        self, now: Ns, intent: Intent, item: Instrument, price: int, place: str
    ) -> No | None:
        day, limits = kst_day(now), self._limits(now, intent)
        # This comes before the grid, because the nearest price on the grid may be outside the day's
        # limits. Where the limits are not known, the exchange checks them.
        if limits is not None and not limits[0] <= price <= limits[1]:
            return No(
                f"{price:,} is outside today's limits of {item.name}",
                f"stay within {limits[0]:,} to {limits[1]:,}",
            )
        # The grid depends on the kind of the issue. For an issue that no list has, the kind is not
        # known.
        is_known = item.code in self.rules.universe
        if is_known and not ticks.on_grid(price, item.kind, day, item.board):
            good = ticks.snap(price, intent.side, item.kind, day, item.board)
            size = ticks.tick_size(price, item.kind, day, item.board)
            return No(f"{price:,} is off the tick grid of {size:,} won", f"use {good:,}{place}")
        return None

    def _limits(self, now: Ns, intent: Intent) -> tuple[int, int] | None:
        today = self.rules.stock_day(now, intent.code)
        return None if today is None else today.limits
