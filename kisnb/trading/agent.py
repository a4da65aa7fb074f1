"""The Agent: a strategy with parameters, its order book and its limits.

A subclass declares parameters as annotated class attributes and writes the handlers that it needs. Handlers may be
plain or ``async def``; an async one may await ``self.done(order)`` and ``self.sleep(seconds)``. The same class runs in
the back-tester, the simulator, paper and live.
"""

from __future__ import annotations

import difflib
from collections.abc import Coroutine, Generator, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias, get_type_hints

import msgspec

from kisnb.clock import SECOND, Ns
from kisnb.errors import BadInput
from kisnb.events import Bar, Depth, Event, Filled, GapFound, OrderFact, PhaseChanged, Tick
from kisnb.orders import Intent, Order
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.commands import CancelOrder, Command, Submit
from kisnb.trading.order_book import OrderBook


class Wait(msgspec.Struct):
    """The only awaitable that runs everywhere: until an order has ended, or until a moment."""

    order: Order | None = None
    until: Ns | None = None

    def __await__(self) -> Generator[Wait, Event, Event]:
        return (yield self)

    def over(self, now: Ns) -> bool:
        return (self.order is not None and self.order.is_ended) or (self.until is not None and now >= self.until)


Handled: TypeAlias = Coroutine[Any, Any, None] | None


class Host(Protocol):
    """An agent's one door; implemented over a session and over the back-tester."""

    @property
    def now(self) -> Ns: ...

    @property
    def seen(self) -> Ns:
        """When the event in hand was received."""
        ...

    @property
    def book(self) -> OrderBook:
        """The agent's book as of the event in hand."""
        ...

    def emit(self, command: Command) -> Order | None:
        """Hand a command over; it leaves after the handler returns."""
        ...

    def mint(self) -> str:
        """A fresh idempotency key of this agent and this run."""
        ...

    def bars(self, code: str, every: str, n: int) -> Sequence[Bar]:
        """The newest ``n`` bars of ``code`` that were closed by the event in hand, oldest first."""
        ...

    def break_even(self, code: str) -> int | None:
        """The lowest price, won, at which selling all that the agent holds loses nothing; None when it holds none."""
        ...


class Agent:
    """Base class of strategies. ``code`` is the stock; ``every`` the bars that ``on_bar`` gets ("" for none)."""

    code: str = ""
    every: ClassVar[str] = ""
    keep: ClassVar[tuple[str, ...]] = ()
    host: Host
    id: str = ""
    note: str = ""
    """What the agent thought last, shown in panels."""

    def __init__(self, **parameters: object) -> None:
        known = self.parameters()
        for name, value in parameters.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                raise BadInput(
                    f"{type(self).__name__} has no parameter {name!r}",
                    f"did you mean {close[0]!r}" if close else f"its parameters are {', '.join(known)}",
                )
            setattr(self, name, _as(known[name], name, value))

    @classmethod
    def parameters(cls) -> dict[str, type]:
        """Names and types of the parameters: annotated public class attributes with a value."""
        hints = get_type_hints(cls)
        own = {"host", "id", "note", "every", "keep"}
        return {n: t for n, t in hints.items() if n not in own and not n.startswith("_") and hasattr(cls, n)}

    # handlers

    def on_start(self) -> Handled: ...

    def on_tick(self, tick: Tick) -> Handled: ...

    def on_depth(self, depth: Depth) -> Handled: ...

    def on_bar(self, bar: Bar) -> Handled: ...

    def on_fill(self, order: Order, fill: Filled) -> Handled: ...

    def on_order(self, order: Order, fact: OrderFact) -> Handled: ...

    def on_session(self, session: PhaseChanged) -> Handled: ...

    def on_gap(self, gap: GapFound) -> Handled: ...

    # actions

    @property
    def now(self) -> Ns:
        return self.host.now

    @property
    def book(self) -> OrderBook:
        return self.host.book

    def held(self, code: str = "") -> int:
        """Shares of ``code`` (the agent's own stock by default) held by this agent."""
        return self.host.book.position(code or self.code).qty

    def buy(self, qty: int, price: int | None = None, *, code: str = "", venue: Venue | None = None) -> Order:
        """An order in state NEW at once; it leaves after the handler returns. No price: a market order."""
        return self._order(Side.BUY, qty, price, code, venue)

    def sell(self, qty: int, price: int | None = None, *, code: str = "", venue: Venue | None = None) -> Order:
        """As ``buy``."""
        return self._order(Side.SELL, qty, price, code, venue)

    def cancel(self, order: Order, qty: int | None = None) -> None:
        self.host.emit(CancelOrder(order.key, qty))

    def done(self, order: Order) -> Wait:
        """``await self.done(order)``: until the order has ended."""
        return Wait(order=order)

    def sleep(self, seconds: float) -> Wait:
        """``await self.sleep(20)``: so many seconds of the session's clock."""
        return Wait(until=self.host.now + int(seconds * SECOND))

    def bars(self, every: str, n: int, code: str = "") -> Sequence[Bar]:
        return self.host.bars(code or self.code, every, n)

    def _order(self, side: Side, qty: int, price: int | None, code: str, venue: Venue | None) -> Order:
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        intent = Intent(
            self.host.mint(), self.id, code or self.code, side, qty, kind, price, venue, seen=self.host.seen
        )
        order = self.host.emit(Submit(intent))
        assert order is not None
        return order

    def __repr__(self) -> str:
        changed = (n for n in self.parameters() if getattr(self, n) != getattr(type(self), n))
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in changed)})"


def _as(kind: type, name: str, value: object) -> object:
    """A parameter's value; texts, as magics give them, are read as the declared type."""
    if isinstance(value, str) and kind in (int, float, bool):
        try:
            return value.lower() in ("1", "true", "yes", "on") if kind is bool else kind(value.replace(",", ""))
        except ValueError as e:
            raise BadInput(f"{name}={value!r} is no {kind.__name__}", f"give {name} as a number") from e
    if kind is float and isinstance(value, int):
        return float(value)
    if isinstance(kind, type) and not isinstance(value, kind):
        raise BadInput(f"{name}={value!r} is no {kind.__name__}", f"give {name} as {kind.__name__}")
    return value
