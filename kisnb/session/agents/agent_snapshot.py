"""One agent at a moment: state, parameters, order book, decisions, and why it does nothing.

A snapshot is made of the journal's rows up to that moment. So it can show an agent of this session,
of another session, or of a past moment. For an agent of this session the snapshot adds what only
the running agent knows (``Running``).
"""

from __future__ import annotations

from typing import Any

import msgspec

from kisnb.clock import MINUTE, SECOND, Ns, clock_text
from kisnb.events import DecisionMade
from kisnb.market import sessions
from kisnb.orders import Order
from kisnb.session.agents.decision_columns import inputs_text
from kisnb.terms import Phase, Side, Venue
from kisnb.trading.halt.halt_words import trading
from kisnb.trading.order_books.order_book import OrderBook
from kisnb.trading.state import State

NEWEST = 5
"""The number of decisions, and of orders, that a snapshot shows."""


class Running(msgspec.Struct, frozen=True):
    """Facts of an agent that only its own session knows."""

    state: str
    """The state now. The state in the desk's record may come from an earlier session."""
    note: str = ""
    seen: Ns = 0
    """The time of receipt of the newest price that the agent has seen of its stock.

    0: it has seen no price.
    """
    newest: DecisionMade | None = None
    """Its newest decision, with the count of its repetitions up to now."""
    slow: tuple[str, ...] = ()
    """Handlers that took long, in words."""


class AgentSnapshot(msgspec.Struct, frozen=True):
    """One agent at the moment ``t``. Shares and won."""

    t: Ns
    id: str
    name: str
    """The name of its class; empty when the desk has no record of it."""
    code: str
    state: str
    """running, waiting, paused, stopped, failed, lost or elsewhere; empty when not known."""
    note: str
    parameters: dict[str, Any]
    kept: dict[str, Any]
    """The values of its ``keep`` fields."""
    schedule: str
    """When it runs, in words; empty when a person starts and stops it."""
    book: OrderBook
    """Its orders, fills and positions."""
    decisions: tuple[DecisionMade, ...]
    """The newest decisions, oldest first."""
    slow: tuple[str, ...]
    """Handlers that took long, in words."""
    idle: tuple[str, ...]
    """The reasons why it does nothing, the strongest first."""

    @property
    def text(self) -> str:
        """The snapshot as text of several lines."""
        named = f"{self.id} ({self.name})" if self.name and self.name != self.id else self.id
        state = self.state or "not known"
        held = ", ".join(f"{p.qty:,} {p.code}" for p in self.book.positions.values() if p.qty)
        counts = f"{len(self.book.orders)} orders, {len(self.book.open_orders)} open"
        lines = [
            f"agent {named} at {clock_text(self.t)}: {state}",
            f"parameters: {_pairs(self.parameters) or 'none'}",
            *([f"kept: {_pairs(self.kept)}"] if self.kept else []),
            *([f"schedule: {self.schedule}"] if self.schedule else []),
            f"holds {held or 'nothing'}; {counts}, realised {self.book.realised_net:+,} won",
            *(f"  {_order_line(order)}" for order in list(self.book.orders.values())[-NEWEST:]),
            *(["decisions:"] if self.decisions else []),
            *(f"  {_decision_line(made)}" for made in self.decisions),
            *(f"slow: {words}" for words in self.slow),
            "why it does nothing:" if self.idle else "nothing stands in its way",
            *(f"  {reason}" for reason in self.idle),
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<AgentSnapshot {self.text}>"


def snapshot_at(
    t: Ns, state: State, agent_id: str, schedule: str = "", running: Running | None = None
) -> AgentSnapshot:
    """Return the snapshot of an agent at ``t``, made of ``state``, which has the rows up to ``t``.

    ``running`` is what only the agent's own session knows. It is None when the agent does not run
    in this session, and for a past moment.
    """
    noted = state.agents.get(agent_id)
    record = None if noted is None else noted.record
    parameters = {} if record is None else msgspec.json.decode(record.parameters)
    now = running or Running("" if record is None else record.state, record.note if record else "")
    book = state.books.agents.get(agent_id) or OrderBook(agent_id)
    made = {k: d for k, d in state.decisions.items() if d.agent == agent_id}
    if now.newest is not None:
        made[now.newest.key] = now.newest
    decisions = tuple(made.values())[-NEWEST:]
    code = str(parameters.get("code", "")) or next(iter(book.positions), "")
    return AgentSnapshot(
        t,
        agent_id,
        "" if record is None else record.kind,
        code,
        now.state,
        now.note,
        parameters,
        {} if record is None else msgspec.json.decode(record.kept),
        schedule,
        book,
        decisions,
        now.slow,
        tuple(_why_idle(t, state, agent_id, code, now, running is not None, book, decisions)),
    )


def _why_idle(
    t: Ns, state: State, agent_id: str, code: str, now: Running, is_here: bool, book: OrderBook,
    decisions: tuple[DecisionMade, ...],
) -> list[str]:  # fmt: skip
    found: list[str] = []
    desk = trading(state)
    if desk.name != "active":
        found.append(f"the desk is {desk.text}")
    if now.state != "running":
        found.append(f"it is {now.state or 'not known'}{f': {now.note}' if now.note else ''}")
    if all(sessions.phase(venue, t) is Phase.CLOSED for venue in (Venue.KRX, Venue.NXT)):
        found.append("no venue is open")
    elif now.state == "running" and is_here and t - now.seen > MINUTE:
        since = f"since {clock_text(now.seen)}" if now.seen else "since it was started"
        found.append(f"it has received no price of {code} {since}")
    found += _why_no_buys(t, state, agent_id, code)
    for order in book.open_orders:
        found.append(f"it has an order on its way: {_order_line(order)}")
    last = book.last
    if last is not None and last.is_dead:
        found.append(f"its newest order was refused: {_order_line(last)}")
    if decisions and not decisions[-1].order:
        found.append(f"it decided so itself: {_decision_line(decisions[-1])}")
    elif not decisions:
        found.append("it notes no decisions; self.decide('HOLD', 'why') in a handler tells more")
    return found


def _why_no_buys(t: Ns, state: State, agent_id: str, code: str) -> list[str]:
    """Return the guards by which the desk denies a buy of the agent's stock now."""
    found: list[str] = []
    _, cooled = state.requotes.cooled.get((agent_id, code), (0, 0))
    if t < cooled:
        found.append(f"a buy was given up unfilled: no buy of {code} before {clock_text(cooled)}")
    guards = state.guards.get(agent_id)
    if guards is not None:
        for what, begun, seconds in (
            ("a stop sold the stock", state.exits.stopped.get((agent_id, code)), guards.reentry),
            ("a buy lacked cash", state.short_of_cash.get(agent_id), guards.cash_retry),
        ):
            if begun is not None and t < (end := begun + seconds * SECOND):
                found.append(f"{what}: no buy before {clock_text(end)}")
    unknown = state.books.unknown_in(code)
    if unknown is not None:
        found.append(f"no buy of {code} while it is not known what became of {unknown!r}")
    return found


def _order_line(order: Order) -> str:
    side = "bought" if order.side is Side.BUY else "sold"
    filled = f", {side} {order.filled:,}" if order.filled else ""
    text = f"; {order.text}" if order.text else ""
    return f"{clock_text(order.t)} {order.intent.text}: {order.state}{filled}{text}"


def _decision_line(made: DecisionMade) -> str:
    times = f" ({made.times:,} times, until {clock_text(made.last)})" if made.times > 1 else ""
    why = f", {made.why}" if made.why else ""
    numbers = inputs_text(made)
    return f"{clock_text(made.t)} {made.action}{why}{times}{f': {numbers}' if numbers else ''}"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
