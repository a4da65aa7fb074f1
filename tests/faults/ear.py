"""Hears what a session books and delivers, and compares it with the desk's journal whenever it has
caught up.

Invariants 2, 3, 7 and 11 at the notebook; row A03. It stands where the pump hands events to the
agents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.clock import Ns
from kisnb.events import (
    AccountOpened,
    Event,
    ExternalFound,
    Filled,
    GapFound,
    HoldingAdopted,
    IntentTaken,
    OrderFact,
    PhaseChanged,
    Tick,
    is_order_fact,
)
from kisnb.orders import Order, OrderState
from kisnb.session.session import Session
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.desk_port import Batch, Snapshot
from kisnb.trading.ports.journal_rows import is_published

from .actors import Actor

if TYPE_CHECKING:
    from .kernel import Kernel

ALL = "all"
LOCAL = (OrderState.NEW, OrderState.DENIED)
"""States of an order that the desk was never told: it waits, or the session denied it."""


class Ear:
    """The audience of a session's pump: hands events on to the roster, and knows what each agent
    must hear."""

    def __init__(self, kernel: Kernel, session: Session, snapshot: Snapshot) -> None:
        self._kernel = kernel
        self._run = kernel.notebooks.run
        self._session = session
        self._roster = session.agents
        self._next = snapshot.published
        """How many rows were delivered, or booked before the session was opened."""
        self._touched: set[str] = set()
        """Keys of orders that changed since the last comparison.

        ``ALL``: of all of them, and holdings.
        """
        self._last: OrderFact | None = None
        """The last of the orders' events that came from the desk."""
        self._drained, session._parts.link.drain = session._parts.link.drain, self._drain  # type: ignore[method-assign]
        session._parts.pump._agents = self
        self._touched.add(ALL)

    # as the pump sees the agents

    @property
    def busy(self) -> bool:
        return self._roster.busy

    def next_wake(self) -> Ns | None:
        return self._roster.next_wake()

    def settle_leases(self) -> None:
        self._touched.add(ALL)
        self._roster.settle_leases()

    def deliver(self, event: Event, now: Ns) -> None:
        """Hand an event to the agents: each that runs hears it, and hears it once."""
        self._demand(
            not self._kernel.in_a_cell, f"an agent hears {event} while a cell keeps the loop"
        )
        self._in_order(event)
        self._demand(self._is_booked(), f"{event} was delivered before its batch was booked")
        takers = [(r, len(_heard(r))) for r in self._takers(event)]
        try:
            self._roster.deliver(event, now)
        except BaseException as e:
            self._demand(False, f"an agent's {e!r} came out of the roster")
            raise
        for runner, before in takers:
            if runner.state is AgentState.RUNNING:
                told = _heard(runner)[before:]
                self._demand(told == [event], f"{runner.id} was told {told} of {event}")
        for runner in self._roster._runners.values():
            self._as_it_raised(runner)

    def _takers(self, event: Event) -> list[AgentRunner]:
        """The agents that run, and that an event is for."""
        running = [r for r in self._roster._runners.values() if r.state is AgentState.RUNNING]
        if isinstance(event, Tick | GapFound):
            return [r for r in running if r.agent.code == event.code]
        if not is_order_fact(event):
            return running if isinstance(event, PhaseChanged) else []
        key = event.intent.key if isinstance(event, IntentTaken | ExternalFound) else event.key
        order = self._session.books.orders.get(key)
        self._touched.add(key)
        if isinstance(event, Filled):
            self._touched.add(ALL)
        if order is None or isinstance(event, IntentTaken | ExternalFound):
            return []
        return [r for r in running if r.id == order.intent.agent]

    def _in_order(self, event: Event) -> None:
        """Every row of the journal comes once, and in order.

        What the session itself found out is not a row.
        """
        if not is_published(event):
            return
        if isinstance(event, AccountOpened | HoldingAdopted):
            self._touched.add(ALL)
        rows = self._run._to_tell
        if self._next < len(rows) and rows[self._next] == event:
            self._next += 1
        else:
            key = getattr(event, "key", "")
            local = bool(key) and key not in self._run.watch.shadow.books.orders
            self._demand(
                local, f"{self._kernel.name} delivers {event}, which is not the journal's next row"
            )

    def _drain(self) -> Batch | None:
        """As the link does it; the last order of a batch tells whether the batch is booked."""
        batch = self._drained()
        if batch is not None:
            self._last = next((e for e in reversed(batch.events) if is_order_fact(e)), self._last)
        return batch

    def _is_booked(self) -> bool:
        last, orders = self._last, self._session.books.orders
        if last is None:
            return True
        key = last.intent.key if isinstance(last, IntentTaken | ExternalFound) else last.key
        if key not in orders:
            # The snapshot of the next desk may say that an order from elsewhere is ours. It has no
            # key of its own any more, although events of it may still wait for their delivery.
            return key not in self._run.watch.shadow.books.orders
        return last in orders[key].facts

    def _as_it_raised(self, runner: AgentRunner) -> None:
        agent = runner.agent
        if not isinstance(agent, Actor) or not agent.raised:
            return
        paused = agent.raised == "KeyboardInterrupt"
        fits = (
            (AgentState.PAUSED, AgentState.STOPPED, AgentState.FAILED)
            if paused
            else (AgentState.FAILED,)
        )
        self._demand(
            runner.state in fits, f"{runner.id} raised {agent.raised} and is {runner.state}"
        )

    # comparisons

    @property
    def caught_up(self) -> bool:
        """All rows that the desk has written are booked here."""
        kernel, session = self._kernel, self._session
        return kernel.attached and session._parts.state.published == len(self._run._to_tell)

    def check(self) -> None:
        """After a turn of the notebook: what has changed is as the journal says."""
        if not self._touched or not self.caught_up:
            return
        touched, self._touched = self._touched, set()
        for text in self._differences(None if ALL in touched else touched):
            self._demand(False, text)

    def at_the_end(self) -> list[str]:
        """What differs when everything is over."""
        name, session, run = self._kernel.name, self._session, self._run
        if not self.caught_up:
            return [
                (
                    f"{name} has {session._parts.state.published} of {len(run._to_tell)} rows, "
                    f"and is {session.status.link}"
                )
            ]
        found = self._differences(None)
        if self._next != len(run._to_tell):
            found.append(f"{name} delivered {self._next} of {len(run._to_tell)} rows")
        found += [f"{name}: {text}" for text in session.troubles if "could not be booked" in text]
        waiting = [
            o for o in session.books.live.values() if o.key not in run.watch.shadow.books.orders
        ]
        found += [f"{name} waits for {o!r}, which no desk has taken" for o in waiting]
        if not all(cell.done() for cell in self._kernel.cells):
            found.append(f"a cell of {name} waits for ever")
        if session.agents.busy is False and session._parts.pump._undelivered:
            found.append(f"{name} has not delivered {len(session._parts.pump._undelivered)} events")
        return found

    def _differences(self, keys: set[str] | None) -> list[str]:
        """Between the session's order books and the fold of the journal.

        Of all orders when ``keys`` is None.
        """
        name, here = self._kernel.name, self._session._parts.state.desk
        there = self._run.watch.shadow
        found = []
        for key in (
            keys if keys is not None else here.books.orders.keys() | there.books.orders.keys()
        ):
            mine, desks = here.books.orders.get(key), there.books.orders.get(key)
            if desks is None and mine is not None and mine.state in LOCAL:
                continue
            # An external order that turned out to be one of ours has gone from both.
            if desks is None and mine is None:
                continue
            if mine is None or desks is None or _picture(mine) != _picture(desks):
                found.append(f"{name} has {mine!r}, the journal {desks!r}")
        if (here.fills, here.cash, here.halt, here.armed) != (
            there.fills,
            there.cash,
            there.halt,
            there.armed,
        ):
            found.append(
                f"{name} has {here.fills} fills and {here.cash} won, the journal {there.fills} "
                f"and {there.cash}"
            )
        if keys is None:
            if holdings(here.books) != holdings(there.books):
                found.append(
                    f"{name} holds {holdings(here.books)}, by the journal {holdings(there.books)}"
                )
            if list(_live(here.books)) != list(_live(there.books)):
                found.append(f"{name} has other open orders than the journal")
        return found

    def _demand(self, holds: bool, text: str) -> None:
        self._run.watch.demand(holds, text)


def _heard(runner: AgentRunner) -> list[object]:
    return getattr(runner.agent, "heard", [])


def _picture(order: Order) -> tuple[object, ...]:
    return (
        order.state,
        order.quantity,
        order.filled,
        order.cancelled,
        order.leaves,
        order.number,
        order.text,
        order.fills,
    )


def _live(books: OrderBooks) -> list[str]:
    return sorted(o.key for o in books.live.values() if o.state is not OrderState.NEW)


def holdings(books: OrderBooks) -> list[tuple[str, str, int, int]]:
    """(owner, code, shares, cost with fees) of every position, the account's too."""
    every = [("account", books.account), *books.agents.items()]
    return sorted(
        (name, c, p.qty, p.cost_with_fees) for name, b in every for c, p in b.positions.items()
    )
