"""The state of a session: its desk's state, computed from rows, and the market data received.

Applying an event calls no handler. Agents, panels and waits are called after the whole batch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kisnb.clock import Ns, SimulatedClock, WallClock, clock_text
from kisnb.events import (
    AgentLeased,
    AgentReleased,
    Armed,
    CancelRefused,
    CommandDropped,
    DecisionRefused,
    Denied,
    Depth,
    Event,
    ExpectedMatch,
    FlattenSet,
    HaltSet,
    HaltStep,
    MarketOperation,
    OrderFact,
    ProgramTrades,
    ProtectionRefused,
    ReadingsFailed,
    ReadingsGood,
    SpeedSet,
    StockDay,
    SubscriptionChanged,
    Tick,
    Trouble,
    Unresolved,
)
from kisnb.market import sessions
from kisnb.orders import OrderState
from kisnb.session.feed.market_data import MarketData
from kisnb.terms import Mode
from kisnb.trading.gate.stock_days import StockDays
from kisnb.trading.halt.halt_words import Trading, trading
from kisnb.trading.order_books.order_book import OrderBooks, agent_of_key
from kisnb.trading.ports.desk_port import Batch, Lease, Snapshot
from kisnb.trading.ports.journal_rows import Row, is_published
from kisnb.trading.state import State

_OF_THE_MARKET = (Tick, Depth, ExpectedMatch, MarketOperation, ProgramTrades)

log = logging.getLogger(__name__)


class SessionState:
    """Order books, market data and the desk's state, up to the newest event. Shares and won."""

    def __init__(self, snapshot: Snapshot, stocks: StockDays) -> None:
        self.mode = snapshot.mode
        self.run = snapshot.run
        """The simulated day; at paper and live a digest of the account."""
        self.clock = (
            # At paper and live the kernel reads its own clock: it runs on the machine of the desk.
            SimulatedClock(snapshot.now, snapshot.speed)
            if snapshot.mode is Mode.SIM
            else WallClock()
        )
        self.data = MarketData()
        self.stocks = stocks
        """The list of stocks, and what KIS has stated of them."""
        self._learn(snapshot)
        self.published = snapshot.published
        """The number of the newest journal row that was applied."""
        self.halt_steps: list[HaltStep] = []
        """All steps of the kill switch since this session was opened, oldest first."""
        self.halt_run: list[HaltStep] = []
        """The steps of the newest run of the kill switch. Empty once its halt is lifted."""
        self.troubles: list[str] = []
        """The sentences of the desk that a person should read, oldest first."""
        self.readings_failed: ReadingsFailed | None = None
        """The failed readings of KIS's orders and account. None while they can be read."""
        self.decisions_refused: dict[str, str] = {}
        """The newest refusal of a decision about an order with unknown outcome, by order key."""
        self.exits_refused: dict[str, ProtectionRefused] = {}
        """Exits and price alerts that the desk refused, by key."""
        self._agent_refusals: dict[str, str] = {}
        """The newest trouble about a refused exit, by agent."""
        self.leases: dict[str, Lease] = {}
        """The lease of each agent of the desk, by the agent's id."""
        self.desk = State()
        for row in snapshot.rows():
            self.desk.apply(row)
            self._keep_run(row)
        self.lease(snapshot.leases)

    @property
    def halt_state(self) -> str:
        """The trading state of the desk: active, reducing or halted."""
        return self.desk.halt

    @property
    def armed(self) -> Armed | None:
        """The end of the arming, and the won for which a live desk accepts buys until then.

        None: the desk is not armed.
        """
        return self.desk.armed

    @property
    def trading(self) -> Trading:
        """The trading state in a sentence, as of the newest event."""
        return trading(self.desk)

    @property
    def books(self) -> OrderBooks:
        """The order books of the account and of the agents."""
        return self.desk.books

    @property
    def now(self) -> Ns:
        """The session's clock, UTC nanoseconds: simulated time in sim."""
        return self.clock.now()

    @property
    def runs_free(self) -> bool:
        """True when the clock runs with real time, and False in lockstep.

        In lockstep every move of the clock comes as an event.
        """
        return not isinstance(self.clock, SimulatedClock) or self.clock.speed > 0

    def lease(self, leases: Sequence[Lease]) -> None:
        """Replace all leases by those of a snapshot."""
        self.leases = {lease.agent: lease for lease in leases}

    def _learn(self, snapshot: Snapshot) -> None:
        for stated in snapshot.stocks:
            self.stocks.learn(stated)

    def apply_batch(self, batch: Batch) -> list[Event]:
        """Apply all events of a batch. Return the events that agents get, in order."""
        # In lockstep time moves with the batches alone. A clock that runs free is set only when its
        # speed changes.
        if isinstance(self.clock, SimulatedClock) and not self.clock.speed:
            self.clock.set(batch.now)
        applied = [fact for event in batch.events for fact in self.apply(event)]
        self.published = batch.published
        return applied

    def apply_rows(self, snapshot: Snapshot) -> list[Event]:
        """Apply the rows of the next desk that this session has not applied yet.

        Return the events that agents get.
        """
        if isinstance(self.clock, SimulatedClock):
            self.clock.set(snapshot.now, snapshot.speed)
        self.lease(snapshot.leases)
        self._learn(snapshot)
        # The next desk counts its own failed readings.
        self.readings_failed = None
        # A snapshot has no DESK_ONLY rows, so every row in it is also an event.
        applied = [
            fact
            for row in snapshot.rows()
            for fact in self.apply(row)  # type: ignore[arg-type]
        ]
        self.published = snapshot.published
        return applied

    def apply(self, event: Event) -> tuple[Event, ...]:
        """Apply one event. Return the events that agents get.

        It never raises: an event that cannot be applied becomes a trouble, and the next one is
        applied all the same.
        """
        try:
            return self._apply(event)
        except Exception as e:
            log.exception("an event could not be applied: %r", event)
            self.troubles.append(
                f"{clock_text(event.t)} {type(event).__name__} could not be booked here: {e!r}"
            )
            return ()

    def _apply(self, event: Event) -> tuple[Event, ...]:
        if isinstance(event, _OF_THE_MARKET):
            # In KRX's regular session an agent follows KRX's price.
            counts = sessions.gives_price(event.venue, event.t)
            self.data.add(event, counts=counts)
            return (event,) if counts else ()
        if isinstance(event, CommandDropped):
            return self._apply_dropped(event)
        if isinstance(event, StockDay):
            # These events are for people and for the desk, not for agents.
            self.stocks.learn(event)
            return ()
        if is_published(event):
            self.desk.apply(event)
            self._keep_run(event)
        self._apply_to_session(event)
        return (event,)

    def _apply_to_session(self, event: Event) -> None:
        match event:
            case HaltStep():
                self.halt_steps.append(event)
            case SpeedSet(t=t, speed=speed) if isinstance(self.clock, SimulatedClock):
                self.clock.set(t, speed)
            case AgentLeased(agent=agent, session=session, where=where):
                self.leases[agent] = Lease(agent, session, where)
            case AgentReleased(agent=agent):
                self.leases.pop(agent, None)
            case Trouble(t=t, text=text) | Unresolved(t=t, text=text):
                self.troubles.append(_dated(t, text))
            case ReadingsFailed():
                if self.readings_failed is None:
                    self.troubles.append(_dated(event.t, event.text))
                self.readings_failed = event
            case ReadingsGood(t=t):
                self.readings_failed = None
                self.troubles.append(_dated(t, "KIS's orders and account can be read again"))
            case ProtectionRefused():
                self._keep_refusal(event)
            case DecisionRefused(key=key, text=text):
                self.decisions_refused[key] = text
            case SubscriptionChanged(state="refused", channel=channel, code=code, text=text):
                refused = f"subscription to {channel} {code} refused: {text}"
                self.troubles.append(_dated(event.t, refused))

    def _keep_refusal(self, refused: ProtectionRefused) -> None:
        """Keep the refusal of a person's exit for the call.

        Report that of an agent's exit as a trouble.
        """
        owner = agent_of_key(refused.key)
        if owner is None:
            self.exits_refused[refused.key] = refused
            return
        text = f"agent {owner}: its exit was not set: {refused.reason}; {refused.cure}"
        # An agent may try again at each bar.
        if self._agent_refusals.get(owner) != text:
            self._agent_refusals[owner] = text
            self.troubles.append(_dated(refused.t, text))

    def _keep_run(self, row: Row) -> None:
        match row:
            # ``block`` is the first step of each pull of the kill switch, so it clears the list.
            case HaltStep(step="block"):
                self.halt_run = [row]
            case HaltStep(step="flatten"):
                self._keep_flatten(row)
            case HaltStep():
                self.halt_run.append(row)
            case FlattenSet(t=t, on=False, reason=reason):
                self._keep_flatten(HaltStep(t, "flatten", True, f"ended: {reason}"))
            case HaltSet(state="active"):
                self.halt_run = []

    def _keep_flatten(self, step: HaltStep) -> None:
        """Keep only the newest step of a flatten, because a flatten reports again and again."""
        self.halt_run = [*(s for s in self.halt_run if s.step != "flatten"), step]

    def _apply_dropped(self, dropped: CommandDropped) -> tuple[Event, ...]:
        """Apply the fact that no desk got a command, and return that fact for the agents."""
        # The journal has no such row, because no desk knows of the order. So other sessions never
        # learn of it.
        order = self.books.orders.get(dropped.key)
        if order is None or order.is_ended:
            return ()
        fact: OrderFact
        if order.state is OrderState.NEW:
            # If no desk has the order, it was not sent. If a desk has it, only the cancel or the
            # revise was dropped.
            fact = Denied(dropped.t, dropped.key, dropped.reason, dropped.cure)
        else:
            fact = CancelRefused(dropped.t, dropped.key, "", f"{dropped.reason}; {dropped.cure}")
        self.books.apply(fact)
        return (fact,)


def _dated(t: Ns, text: str) -> str:
    """Return a text with its time of day in front, so that an old text does not look new."""
    time = clock_text(t)
    return text if text.startswith(time) else f"{time} {text}"
