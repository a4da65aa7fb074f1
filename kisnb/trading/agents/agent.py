"""The Agent: a strategy with parameters, its order book and its limits.

A subclass declares parameters as annotated class attributes and writes the handlers that it needs.
Handlers may be plain or ``async def``. An async handler may await ``self.done(order)`` and
``self.sleep(seconds)``. The same class runs in the back-tester, the simulator, paper and live.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Protocol,
    Unpack,
    get_origin,
    get_type_hints,
)
from weakref import WeakKeyDictionary

import msgspec

from kisnb import values
from kisnb.clock import SECOND, Ns
from kisnb.errors import BadInput
from kisnb.events import Event
from kisnb.exits import ExitOptions, Protection, needs_atr, read_protection
from kisnb.guards import Guards
from kisnb.market.bars import Bars
from kisnb.market.flows import DayFlow
from kisnb.orders import Intent, Order
from kisnb.requotes import Requote, read_requote
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.agents.agent_figures import AgentFigures
from kisnb.trading.agents.agent_means import AgentMeans
from kisnb.trading.agents.decisions import Decisions
from kisnb.trading.agents.handlers import Handlers
from kisnb.trading.agents.seen_prices import SeenPrices
from kisnb.trading.agents.sizing import Wanted, weight_of
from kisnb.trading.exits.forecasts import read_forecast
from kisnb.trading.order_books.order_book import NOBODY, OrderBook
from kisnb.trading.ports.commands import (
    CancelOrder,
    Command,
    NoteDecision,
    Protect,
    ReviseOrder,
    Submit,
)


class Wait(msgspec.Struct):
    """A wait until an order has ended, or until a moment.

    In a back-test a handler can await only this.
    """

    order: Order | None = None
    until: Ns | None = None

    def __await__(self) -> Generator[Wait, Event, Event]:
        # The runner drives a handler by ``send``, and gets this object as the result. So no event
        # loop is needed, in the back-tester either.
        return (yield self)

    def over(self, now: Ns) -> bool:
        """Return whether the wait ends at ``now``."""
        return (self.order is not None and self.order.is_ended) or (
            self.until is not None and now >= self.until
        )


class Host(Protocol):
    """The interface through which an agent reads and orders, in a session and in a back-test."""

    figures: AgentFigures
    """Flows, ranges and listed shares, as of the event that the agent handles."""
    prices: SeenPrices
    """The newest prices that the agent has seen."""
    means: AgentMeans
    """The account's value and the agent's break-even prices, as of the event."""
    decisions: Decisions
    """The agent's decisions of this run."""

    @property
    def now(self) -> Ns:
        """Return the time of the event that the agent handles."""
        ...

    @property
    def book(self) -> OrderBook:
        """The agent's order book as of the event that it handles."""
        ...

    def emit(self, command: Command) -> Order | None:
        """Keep a command until the handler returns, then submit it. Return the order that it makes.

        None: the command makes no order.
        """
        ...

    def mint(self) -> str:
        """Return a new idempotency key of this agent and this run."""
        ...

    def bars(self, code: str, every: str, n: int) -> Bars:
        """Return the newest ``n`` closed bars of ``code`` up to the current event, oldest first."""
        ...

    def place(self, wanted: Wanted) -> Order | None:
        """Place and return the order that changes the position to ``wanted``.

        None: no order is needed.
        """
        ...


class Agent(Handlers):
    """Base class of strategies. ``Handlers`` has its handlers, this class has its actions.

    ``code`` is the stock. ``every`` names the bars that ``on_bar`` gets; "" means none. An agent
    that buys above the mean of twenty minutes::

        class AboveMean(kisnb.Agent):
            every = "1m"

            def on_start(self):
                self.mean = kisnb.indicators.Sma(20)

            def on_bar(self, bar):
                mean = self.mean.update(bar.close)  # None for the first 19 bars
                if mean is not None and bar.close > mean and not self.book.orders:
                    self.buy(1)
    """

    every: ClassVar[str] = ""
    keep: ClassVar[tuple[str, ...]] = ()
    most_orders: ClassVar[int] = 300
    """Orders within a minute above which a session stops the agent. A back-test does not count."""
    when_lost: ClassVar[Literal["hold", "cancel", "flatten"]] = "hold"
    """The desk's action when the agent's session is lost, for example when its kernel died.

    ``hold``: nothing. ``cancel``: it cancels the agent's orders. ``flatten``: it also sells all
    that the agent holds.
    """
    guards: ClassVar[Guards | None] = None
    """The desk's checks of each buy. ``guards = kisnb.Guards()`` uses the usual values."""
    requote: ClassVar[Requote | None] = None
    """The desk's action for a limit order that does not fill: ``requote = kisnb.Requote()``.

    A buy moves to the best ask once, and is then cancelled. A sell moves to the best bid once, and
    is then sent as a market order. None: the order stays.
    """
    # The runner sets this. Without it every action raises an error that says how to start the
    # agent.
    host: Host
    id: str = ""
    note: str = ""
    """The agent's newest note to a person. Panels show it."""

    def __init__(self, **parameters: object) -> None:
        # A subclass may set its own id. Ids that the order books reserve for owners that are not
        # agents are refused.
        if self.id:
            checked_id(self.id)
        known = self.parameters()
        for name, value in parameters.items():
            if name not in known:
                close = values.near_names(name, known)
                raise BadInput(
                    f"{type(self).__name__} has no parameter {name!r}",
                    f"did you mean {close[0]!r}"
                    if close
                    else f"its parameters are {', '.join(known)}",
                )
            setattr(self, name, self._in_range(name, _as(known[name], name, value)))

    @classmethod
    def _in_range(cls, name: str, value: object) -> object:
        """Return a parameter's value. Raises BadInput for NaN, and outside of its range.

        A range is declared with the type: ``days: Annotated[int, msgspec.Meta(ge=1)] = 3``.
        """
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"{name}={value!r} is no number", f"give {name} as a number")
        kind = _ranges_of(cls).get(name)
        if kind is None:
            return value
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as e:
            wanted = (
                str(e)
                .replace("Expected `int`", "a whole number")
                .replace("Expected `float`", "a number")
            )
            raise BadInput(f"{name}={value!r} is out of range", f"give {wanted}") from None

    @classmethod
    def parameters(cls) -> dict[str, type]:
        """Names and types of the parameters: annotated public class attributes with a value."""
        known = _PARAMETERS.get(cls)
        if known is not None:
            return dict(known)
        hints = _hints_of(cls)
        # ``code`` is not in this set, because it is a parameter, the most usual one.
        own = {
            "host", "id", "note", "every", "keep", "guards", "when_lost", "requote", "most_orders",
        }  # fmt: skip
        found = {
            n: t
            for n, t in hints.items()
            if n not in own and not n.startswith("_") and hasattr(cls, n)
        }
        _PARAMETERS[cls] = found
        return dict(found)

    def __getstate__(self) -> object:
        """Return the values that ``copy`` and ``pickle`` copy: all but the host.

        So a copy is an agent that was not started.
        """
        state = super().__getstate__()
        # With ``__slots__`` in a subclass the state is a pair: the dictionary, then the slots.
        own, *slots = state if isinstance(state, tuple) else (state,)
        if own:
            own = {name: value for name, value in own.items() if name != "host"}
        return (own, *slots) if slots else own

    # actions

    @property
    def now(self) -> Ns:
        """The time of the event that the agent handles, UTC nanoseconds."""
        return self._started.now

    @property
    def book(self) -> OrderBook:
        """The agent's orders, fills and positions up to the event that it handles."""
        return self._started.book

    def held(self, code: str = "") -> int:
        """Return how many shares of ``code`` (default: the agent's own stock) this agent holds.

        Open orders do not count. ``self.book.open_orders`` has them.
        """
        return self._started.book.position(code or self.code).qty

    def buy(
        self,
        qty: int,
        price: int | None = None,
        *,
        code: str = "",
        venue: Venue | None = None,
        kind: OrderKind | str | None = None,
        stop: int | None = None,
        requote: Requote | bool | None = None,
    ) -> Order:
        """Buy ``qty`` shares at ``price`` won (None: at the market). Return the order, still NEW.

        ``stop`` makes it a stop-limit order. Without ``kind`` and ``stop`` it is a limit order if
        it has a price, else a market order. ``requote`` is the desk's action when a limit order
        does not fill: None uses the setting of the agent's class, True uses ``Requote()``, and
        False does nothing.

        The order is sent after the handler returns. The desk denies a buy when two things are true:
        the desk has a newer price than the agent has seen, and the price that the agent has seen is
        older than ``max_quote_age``. ``3.0`` and whole numbers of numpy are accepted. Raises
        BadInput for other values, and outside the agent's handlers.
        """
        return self._order(Side.BUY, qty, price, code, venue, kind, stop, requote)

    def sell(
        self,
        qty: int,
        price: int | None = None,
        *,
        code: str = "",
        venue: Venue | None = None,
        kind: OrderKind | str | None = None,
        stop: int | None = None,
        requote: Requote | bool | None = None,
    ) -> Order:
        """Sell ``qty`` shares and return the order.

        Parameters and errors are the same as in ``buy``. A sell never waits for a price, and is
        never denied for an old one.
        """
        return self._order(Side.SELL, qty, price, code, venue, kind, stop, requote)

    def buy_value(self, won: int, *, code: str = "") -> Order | None:
        """Buy at the market as many whole shares as ``won`` pays for, fee included.

        Return the order; None when not even one share can be bought. The number of shares is
        computed from the newest price that the agent has seen. KIS reserves a market buy at the
        day's upper limit price, so at most about 77 % of the free cash can be spent. Raises
        BadInput, also while no price or no cash is known.
        """
        return self._started.place(Wanted(self._stock(code), won=values.price(won, "the amount")))

    def target(self, weight: float, *, code: str = "") -> Order | None:
        """Buy or sell at the market, so that the stock is ``weight`` of the account's equity.

        Return the order; None when no share needs to be ordered. 0 sells all that this agent holds.
        With 0.5 the holding is worth half of the equity. Open orders of this agent count as filled.
        The number of shares is computed from the same prices as in ``buy_value``. Raises BadInput,
        also for NaN, and while no price or no cash is known.
        """
        return self._started.place(Wanted(self._stock(code), weight=weight_of(weight)))

    def revise(self, order: Order, price: int, qty: int | None = None) -> Order:
        """Move ``qty`` shares (None: all its leaves) of an open order to ``price``, won.

        Return the new order for these shares. With another price it is last in the exchange's
        queue. Raises BadInput.
        """
        host, old = self._started, _known(order)
        moved = old.leaves if qty is None else values.shares(qty)
        intent = msgspec.structs.replace(
            old.intent,
            key=host.mint(),
            qty=moved,
            kind=OrderKind.LIMIT if not old.intent.kind.priced else old.intent.kind,
            price=values.price(price),
            supersedes=old.key,
            seen=host.prices.seen(old.code),
            # An agent that moves an order takes it over from the desk's requote.
            requote=None,
        )
        revised = host.emit(ReviseOrder(intent))
        assert revised is not None
        return revised

    def cancel(self, order: Order, qty: int | None = None) -> None:
        """Cancel ``qty`` shares (None: all its leaves) of an order.

        Raises BadInput.
        """
        # The values are checked here, so that an error is raised in the handler, at the line of the
        # agent's code. The desk could only report it to every session.
        part = None if qty is None else values.shares(qty)
        self._started.emit(CancelOrder(_known(order).key, part))

    def protect(self, *, code: str = "", **options: Unpack[ExitOptions]) -> Protection:
        """Let the desk sell all that this agent holds of a stock when a condition is met.

        The exit works while a cell blocks the notebook, and after restarts. ``stop`` and ``take``
        are a percentage of the entry price (``"3%"``) or a price in won. ``trail`` is a percentage
        below the highest price since the exit was set. ``Session.protect`` explains all options.
        Order first: if the stock is neither held nor on order, the desk refuses the exit, and says
        so in the session's troubles. A new exit replaces the agent's earlier exit of the stock; the
        same one said again changes nothing. When the price is beyond a stop or a target already,
        the next trade sells. Without ``atr`` the average true range of the days before today is
        used; when that is not known, the exit has none. Raises BadInput.

        ::

            def on_start(self):
                self.buy(10)
                self.protect(stop="3%", take="5%")
        """
        host, stock = self._started, self._stock(code)
        if needs_atr(options):
            options["atr"] = host.figures.atr(stock)
        protection = read_protection(host.mint(), self.id, stock, options)
        host.emit(Protect(protection))
        return protection

    def forecast(self, down: object, *, usual_value: object = None, code: str = "") -> None:
        """Give the desk this agent's probability that the price falls, from 0 to 1.

        Staged exits of the stock use it for two bars of ``every`` (``kisnb.Staged.assist``). It is
        named after this agent, and has the time of the event that the handler got. ``down=None``
        says that the model has no forecast now. ``usual_value`` are the won that are usually traded
        in the last five minutes at this time of the day; without it no exit acts on the forecast.
        Raises BadInput.

        ::

            def on_bar(self, bar):
                down = self.model.pred_down_prob(self.bars("1m", 60))
                self.forecast(down, usual_value=self.usual)
        """
        host = self._started
        forecast = read_forecast(
            self._stock(code), down, provider=self.id, made_at=host.now, every=self.every,
            usual_value=usual_value, now=host.now,
        )  # fmt: skip
        host.emit(forecast)

    def decide(
        self,
        action: str,
        why: str = "",
        *,
        order: Order | None = None,
        code: str = "",
        **inputs: object,
    ) -> None:
        """Note a decision of this agent, its reason and its numbers.

        ``%kis agents why ID`` shows it. Equal decisions that follow each other are one row with a
        count. ``order`` is the order that the decision led to. A missing number is None, and NaN
        counts as missing. Raises BadInput.

        ::

            def on_bar(self, bar):
                mean = self.mean.update(bar.close)
                if mean is None or bar.close <= mean:
                    return self.decide("HOLD", "not above the mean", mean=mean, close=bar.close)
                self.decide("BUY", "above the mean", order=self.buy(1), mean=mean, close=bar.close)
        """
        host, stock = self._started, self._stock(code)
        key = "" if order is None else _known(order).key
        said, reason = values.text(action, "the action"), values.text(why, "the reason")
        for made in host.decisions.note(host.now, stock, said, reason, inputs, key):
            host.emit(NoteDecision(made))

    def working(self, code: str = "") -> int:
        """Return by how many shares ``held(code)`` would change if all open orders filled.

        Buys count as positive, sells as negative. So ``held() + working()`` is the holding after
        that. Without ``code`` it is the agent's own stock.
        """
        stock = self._stock(code)
        return sum(
            order.leaves if order.side is Side.BUY else -order.leaves
            for order in self._started.book.open_orders
            if order.code == stock
        )

    def done(self, order: Order) -> Wait:
        """Return a wait for the end of an order: ``await self.done(order)``. Raises BadInput."""
        return Wait(order=_known(order))

    def sleep(self, seconds: float) -> Wait:
        """Return a wait of ``seconds`` on the session's clock: ``await self.sleep(20)``.

        Raises BadInput.
        """
        return Wait(until=self._started.now + int(values.seconds(seconds, "sleep") * SECOND))

    def bars(self, every: str, n: int, code: str = "") -> Bars:
        """Return the newest ``n`` closed bars of a stock, oldest first; fewer when there are fewer.

        ``every`` is their length, such as ``"20s"``, ``"1m"``, ``"1h"`` or ``"1d"``. In a session
        they are there from the start: this day's from 08:00 on, daily bars of two years. ``code``
        left out is the agent's own stock. ``.close`` and the other columns are lists of numbers.
        Raises BadInput.
        """
        length, newest = values.text(every, "the bar length"), values.whole(n, "the number of bars")
        return self._started.bars(self._stock(code), length, newest)

    def flows(self, n: int, code: str = "") -> Sequence[DayFlow | None]:
        """Return the net purchases of investor groups on the newest ``n`` days, oldest first.

        These are trading days that are over: up to the day before this one. In a back-test over
        bars, the handler of a day's last bar also gets that day's flow, because its order trades on
        the next day. None in the list is a day whose flow is not known. KIS has no flows at paper.
        A session has the flows of the last six weeks. A back-test gets flows by
        ``kisnb.backtest(..., flows=frame)``. Raises BadInput.
        """
        return self._started.figures.flows(self._stock(code), values.whole(n, "the number of days"))

    def equity(self) -> int | None:
        """Return the value of the account's cash and holdings at the newest prices, won.

        None while the cash, or the price of a holding, is not known.
        """
        return self._started.means.equity()

    def listed_shares(self, code: str = "") -> int | None:
        """Return the number of a stock's listed shares today. None when it is not known."""
        return self._started.figures.listed_shares(self._stock(code))

    @property
    def _started(self) -> Host:
        """The agent's host. Raises BadInput if the agent has not been started."""
        host: Host | None = getattr(self, "host", None)
        if host is None:
            cure = "start it: await session.agents.start(agent)"
            raise BadInput(f"{self!r} has not been started", cure)
        return host

    def _order(
        self,
        side: Side,
        qty: object,
        price: object,
        code: object,
        venue: object,
        kind: object = None,
        stop: object = None,
        requote: object = None,
    ) -> Order:
        """Submit and return an order made from a handler's values.

        Raises BadInput for a wrong value.
        """
        host = self._started
        shares, stock = values.shares(qty), self._stock(code)
        won = None if price is None else values.whole(price, "the price")
        where = None if venue is None else values.member(Venue, venue, "venue")
        at = None if stop is None else values.price(stop, "the stop price")
        if kind is not None:
            named = values.member(OrderKind, kind, "kind")
        elif at is not None:
            named = OrderKind.STOP_LIMIT
        else:
            named = OrderKind.MARKET if won is None else OrderKind.LIMIT
        budget = read_requote(requote, named, self.requote)
        intent = Intent(
            host.mint(), self.id, stock, side, shares, named, won, where, stop=at,
            seen=host.prices.seen(stock), requote=budget,
        )  # fmt: skip
        order = host.emit(Submit(intent))
        assert order is not None
        return order

    def _stock(self, code: object) -> str:
        """Return ``code``, or the code of the agent's own stock if it is empty.

        Raises BadInput if both are empty.
        """
        given = "" if code is None else values.text(code, "the code")
        stock = given or values.text(self.code, "the agent's code")
        if not stock:
            raise BadInput(f"{type(self).__name__} has no stock", "give it one: code='005930'")
        return stock

    def __repr__(self) -> str:
        changed = (n for n in self.parameters() if getattr(self, n) != getattr(type(self), n))
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in changed)})"


_HINTS: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()
_PARAMETERS: WeakKeyDictionary[type, dict[str, type]] = WeakKeyDictionary()
_RANGES: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()


def _hints_of(kind: type) -> dict[str, Any]:
    """Return the type hints of a class.

    They are cached, because reading them takes 200 µs, too long for each event.
    """
    hints = _HINTS.get(kind)
    if hints is None:
        hints = _HINTS[kind] = get_type_hints(kind)
    return hints


def _ranges_of(kind: type) -> dict[str, Any]:
    """Return the parameters of a class whose type declares a range, with these types."""
    ranges = _RANGES.get(kind)
    if ranges is None:
        hints = get_type_hints(kind, include_extras=True)
        ranges = {n: t for n, t in hints.items() if get_origin(t) is Annotated}
        _RANGES[kind] = ranges
    return ranges


def checked_id(agent_id: object) -> str:
    """Return ``agent_id`` as a text. Raises BadInput for an id that the order books reserve."""
    name = values.text(agent_id, "the agent's id")
    # An agent with such an id would share an order book with a person, or with orders from the
    # phone.
    if name.strip().lower() in NOBODY:
        raise BadInput(
            f"{agent_id!r} names no agent", "give the agent an id of its own, such as 'Dip-005930'"
        )
    return name


def _known(order: object) -> Order:
    """Return ``order``. Raises BadInput if it is not an Order."""
    if not isinstance(order, Order):
        cure = "give what self.buy or self.sell returned"
        raise BadInput(f"{values.shown(order)} is not an order", cure)
    return order


def _as(kind: type, name: str, value: object) -> object:
    """Return a parameter's value. A text, as magics pass it, is converted to the declared type."""
    if isinstance(value, str) and kind in (int, float, bool):
        try:
            return (
                value.lower() in ("1", "true", "yes", "on")
                if kind is bool
                else kind(value.replace(",", ""))
            )
        except ValueError as e:
            raise BadInput(
                f"{name}={value!r} is not of type {kind.__name__}", f"give {name} as a number"
            ) from e
    # Codes from a DataFrame may be numbers.
    if name == "code" and (numbered := values.numbered_code(value)) is not None:
        return numbered
    # ``3`` is a good value for a ``float`` parameter, although its Python type is int.
    if kind is float and isinstance(value, int):
        return float(value)
    if isinstance(kind, type) and not isinstance(value, kind):
        raise BadInput(
            f"{name}={value!r} is not of type {kind.__name__}", f"give {name} as {kind.__name__}"
        )
    return value
