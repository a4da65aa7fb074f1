"""The Session: what a notebook opens. Lives in the notebook's event loop; its desk is a process of its own.

It is a thin face over its parts:

    Link      the desk of the moment: commands, queries, silence, the next desk after a death
    State     order books, market data, the desk's state, folded from its events
    Pump      brings events from the link into the state, then to the agents and to those who wait
    Pace      waits, alarms, and the report that this session rests
    Placing   orders that a person types
    Roster    the agents
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, Unpack

from kisnb.clock import SECOND, Ns, clock_text, kst, kst_day
from kisnb.errors import BadInput, DeskLost, Interrupted, NotOpen
from kisnb.events import Armed, Cancelled, CancelRefused, HaltStep
from kisnb.kis.calls.ranking_messages import MOST_ROWS, RankingKind, ranking_call, read_ranking
from kisnb.market import sessions
from kisnb.market.router import Router
from kisnb.market.routing_evidence import Evidence
from kisnb.market.universe import Universe
from kisnb.orders import Order, Orders, OrderState, Want
from kisnb.session.agents.roster import Doors, Roster
from kisnb.session.blocking import Blocking
from kisnb.session.feed.backfill import Backfill
from kisnb.session.feed.link import OPEN_HERE, Find, Link
from kisnb.session.feed.market_data import MarketData
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.pump import Pump
from kisnb.session.feed.state import SessionState
from kisnb.session.questions import Questions, R, T, TypedQuery, awaited
from kisnb.session.simulator import Simulator
from kisnb.session.typed_orders.cells import Cells
from kisnb.session.typed_orders.named_orders import names_all, orders_named
from kisnb.session.typed_orders.pending import Pending, pending
from kisnb.session.typed_orders.placing import Placing
from kisnb.session.typed_orders.typed_order import (
    Line,
    OrderOptions,
    TypedOrder,
    TypedRevise,
    read_batch,
    read_order,
    read_revise,
    spelt_out,
)
from kisnb.terms import Mode, Side, Venue
from kisnb.trading.gate.risk import Rules
from kisnb.trading.halt.halt_words import Trading
from kisnb.trading.order_books.order_book import UNDECIDED, OrderBook, OrderBooks
from kisnb.trading.order_books.order_words import named_order
from kisnb.trading.orders.revise import may_be_revised
from kisnb.trading.ports.commands import CancelOrder, FastForward, Halt, ResolveOrder, WatchCodes
from kisnb.trading.ports.desk_port import Back, Desk, Snapshot
from kisnb.trading.ports.queries import (
    ArmDesk,
    CallApi,
    JournalOf,
    LiftHalt,
    Query,
    RoutesOf,
    TasksNow,
)
from kisnb.values import one_of, text, time_of_day, whole
from kisnb.values import seconds as read_seconds

if TYPE_CHECKING:
    import polars as pl

Channel = Literal["expected", "operation", "programs"]
CHANNELS: tuple[Channel, ...] = ("expected", "operation", "programs")


class Session:
    """A trading desk in a notebook: quotes, depth and ticks, orders, agents. Prices in won, quantities in shares.

    Open it with ``kisnb.connect``; ``async with`` closes it. The desk goes on when a session closes.
    """

    def __init__(
        self, desk: Desk, snapshot: Snapshot, universe: Universe, find: Find | None = None,
        cells: Cells | None = None,
    ) -> None:  # fmt: skip
        """``find`` gives the next desk when this one has died; ``cells`` tells in which cell a call is typed."""
        self.mode = snapshot.mode
        self.label = snapshot.label
        """For people: ``"sim 2026-11-20 seed 1"``."""
        self.universe = universe
        self.rules = Rules(universe, snapshot.capabilities)
        self.limits = snapshot.limits
        self.blocked_by = ""
        """The line of a cell that keeps the notebook's loop from turning, while it does."""
        self.on_close: Callable[[tuple[str, ...]], object] = lambda _agents: None
        """Called when the session was closed, with the agents that stopped."""
        self.questions = Questions(universe, lambda: self.books)
        self.simulator = Simulator(self.mode)
        """The phone beside, and what goes wrong, in a simulated day."""
        self._link = Link(desk, find)
        self._state = SessionState(snapshot)
        self._pace = Pace(self._link, self._state)
        self.agents = Roster(self._link, self._state, self._pace, self.rules)
        self.backfill = Backfill(self._link, self._state, self._pace)
        self._pump = Pump(self._link, self._state, self._pace, self.agents, self.backfill)
        self._placing = Placing(self._link, self._state, self._pace, cells)
        self.blocking = Blocking(
            self._link, self._pump, self._placing, self.questions, lambda: self.books, universe
        )
        self._connect_parts()
        self._link.listen()

    def _connect_parts(self) -> None:
        link, pump = self._link, self._pump
        link.back = lambda: Back(
            link.name, self._state.run, self._state.published, self.agents.claimed
        )
        link.on_ready, link.on_return, link.on_death = pump.run, pump.desk_returned, pump.desk_died
        link.on_change, link.on_end = self._link_changed, self._given_up
        self._placing.follow, self._placing.catch_up = self._follow, pump.catch_up
        self.agents.doors = Doors(
            follow=self._follow, cancel=self.cancel, adopt=self._placing.adopt, drop=pump.drop,
            changed=pump.changed,
        )  # fmt: skip

    # what is known

    @property
    def now(self) -> Ns:
        """The session's clock, UTC nanoseconds: simulated time in sim."""
        return self._state.now

    @property
    def today(self) -> date:
        """The Korean day of the session's clock."""
        return kst_day(self.now)

    def clock_text(self) -> str:
        """``"09:10:00"``, KST."""
        return clock_text(self.now)

    @property
    def books(self) -> OrderBooks:
        """The order books of the account and of the agents."""
        return self._state.books

    @property
    def book(self) -> OrderBook:
        """The account's order book."""
        return self._state.books.account

    def orders(self) -> OrderBook:
        """All orders of the day with their states; ``.frame()`` gives them as polars."""
        return self.book

    def orders_of_cell(self) -> list[Order]:
        """The orders of the cell that runs now which live or were filled, oldest first; outside IPython none."""
        self._pump.catch_up()
        return self._placing.orders_of_cell()

    def may_be_revised(self, order: Order) -> bool:
        """Whether all that is left of an order could move to another price now."""
        item = self.rules.instrument(order.code)
        if item is None or self.halt_state != "active":
            return False
        return may_be_revised(self.now, self.books, order, item)

    @property
    def data(self) -> MarketData:
        """What the session has seen of the market."""
        return self._state.data

    @property
    def troubles(self) -> list[str]:
        """What the desk wants a person to read, oldest first."""
        return self._state.troubles

    @property
    def halt_state(self) -> str:
        """What the desk lets pass: active, reducing or halted."""
        return self._state.halt_state

    @property
    def trading(self) -> Trading:
        """What the desk lets pass, in a sentence; of a desk that cannot be heard, what it let pass before."""
        return self._link.confirmed(self._state.trading)

    @property
    def halt_run(self) -> list[HaltStep]:
        """The steps of the newest run of the kill switch; none once a person has lifted its halt."""
        return self._state.halt_run

    @property
    def halt_steps(self) -> list[HaltStep]:
        """What the kill switch did since this session was opened, oldest first."""
        return self._state.halt_steps

    @property
    def armed(self) -> Armed | None:
        """Until when, and for how many won, buys pass at live."""
        return self._state.armed

    @property
    def link(self) -> str:
        """``"up"``, or in two words what is wrong between here and KIS."""
        return self._link.text

    @property
    def silence(self) -> str:
        """That the desk does not answer, since when, and what to do; empty while it answers."""
        return self._link.silence

    @property
    def doubt(self) -> str:
        """Why orders and positions may differ from what is shown, since when; empty while they are known."""
        return self._link.doubt

    @property
    def name(self) -> str:
        """What the desk calls this session."""
        return self._link.name

    @property
    def run(self) -> str:
        """The simulated day, or a digest of the account."""
        return self._state.run

    @property
    def closed(self) -> bool:
        """Whether the session has left its desk."""
        return self._link.closed

    # what a notebook puts into a session

    @property
    def alert(self) -> Callable[[str], object]:
        """Tells a person at once, from any thread: the desk has fallen silent, or answers again."""
        return self._link.alert

    @alert.setter
    def alert(self, tell: Callable[[str], object]) -> None:
        self._link.alert = tell

    @property
    def say(self) -> Callable[[str], object] | None:
        """Prints the line that an order leaves below its cell; None where nobody reads along."""
        return self._placing.say

    @say.setter
    def say(self, tell: Callable[[str], object] | None) -> None:
        self._placing.say = tell

    def on_interrupt(self, readable: Callable[[asyncio.CancelledError], BaseException]) -> None:
        """Let waits raise what ``readable`` makes of a cancellation."""
        self._link.readable = readable

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` in the notebook's loop after each batch of events; returns what ends that."""
        return self._pump.on_change(callback)

    def changed(self) -> None:
        """Draw the panels anew."""
        self._pump.changed()

    # looking

    def capabilities(self) -> pl.DataFrame:
        """Which mode's host serves each call and channel here: what (str), host (str), offered (bool)."""
        import polars as pl

        from kisnb.kis.modes import capability_table

        quotes = self.rules.capabilities.quotes or self.mode
        return pl.DataFrame(
            capability_table(self.mode, quotes), schema=["what", "host", "offered"], orient="row"
        )

    @pending
    async def journal(self) -> pl.DataFrame:
        """Everything that the desk has written down today, a row per fact; columns as ``journal_frame`` says."""
        from kisnb.desk.record.journal_frame import journal_frame

        reply = await self.ask(JournalOf())
        return await asyncio.to_thread(journal_frame, Path(reply.path))

    quote = awaited(Questions.quote)
    depth = awaited(Questions.depth)
    balance = awaited(Questions.balance)

    @pending
    async def ranking(self, kind: RankingKind = "volume", n: int = MOST_ROWS) -> pl.DataFrame:
        """The stocks of the largest traded value (``"volume"``) or rise (``"fluctuation"``), 30 at most, of the venue
        that is on: Nextrade's in its sessions before and after the regular one, else KRX's.

        Columns: rank, code, name, price and change (won), change_pct, volume (shares), value (won; null for
        fluctuation). Raises BadInput, NotOffered (paper has no rankings), KisError.
        """
        where = Router.resolve_for_ranking(sessions.session_id(self.now))
        reply = await self.ask(CallApi(*ranking_call(kind, where)))
        return read_ranking(reply.blocks["output"], n)

    @pending
    async def watch(self, *codes: str, channels: Sequence[Channel] = ()) -> None:
        """Subscribe to trades and depth of these stocks; a stock that is traded is watched anyway.

        ``channels`` adds expected matches of call auctions, market operation (halts, VI) and program trades, a
        subscription of the 41 each; the newest stand in ``data.expected``, ``data.operations``, ``data.programs``.
        Raises BadInput.
        """
        if isinstance(channels, str):
            raise BadInput(
                f"channels={channels!r} is one text", f"write a list: channels=[{channels!r}]"
            )
        named = [one_of(channel, CHANNELS, "channel") for channel in channels]
        self._follow(*codes)
        self._want([Want(channel, self._code(code), None) for code in codes for channel in named])

    def _follow(self, *codes: str) -> None:
        """Trades of every venue that lists the stock, for the router too; depth of the session's venue."""
        known = [self._code(code) for code in codes]
        self._want(
            [
                w
                for code in known
                for w in (*self.rules.trade_channels(code), Want("depth", code, None))
            ]
        )

    def _want(self, wants: Sequence[Want]) -> None:
        if any(w not in self._pump.wants for w in wants):
            self._pump.wants.update(dict.fromkeys(wants))
            self._link.submit([WatchCodes(tuple(self._pump.wants))])

    def ticks(self, code: str, venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Trades of a venue since the stock was watched.

        Columns: t (KST), price (won), qty (shares), side, volume (accumulated shares). Raises BadInput.
        """
        return self.data.ticks(self._code(code), one_of(venue, tuple(Venue), "venue"))

    def bars(self, code: str, every: str = "1m", venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Closed bars of a venue since the stock was watched.

        Columns: t (start, KST), open, high, low, close (won), volume (shares), count (trades). Raises BadInput.
        """
        return self.data.bars(
            self._code(code), every, self.now, one_of(venue, tuple(Venue), "venue")
        )

    def gaps(self, code: str = "") -> pl.DataFrame:
        """Where trades were not received: code, venue, since and until (KST), missing (shares; 0 when it cannot be
        told), filled (the bars of those minutes are KIS's own)."""
        return self.data.gap_frame(self._code(code) if code else "")

    # trading

    @spelt_out
    def buy(
        self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Pending[Order]:
        """Buy ``qty`` shares; no price is a market order. Await it: it returns when the exchange has accepted it.

        Without a venue the router chooses one; ``stop`` makes it a stop-limit order. The same wish in the same cell
        is the same order: run again it sends nothing and returns the order that there is. ``again=1`` is one order
        more, and a name for it. Raises OrderDenied (by us), OrderRejected (by KIS), OrderUnknown.
        """
        return self._order(Side.BUY, code, qty, price, **options)

    @spelt_out
    def sell(
        self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Pending[Order]:
        """Sell ``qty`` shares, as ``buy``."""
        return self._order(Side.SELL, code, qty, price, **options)

    def _order(
        self, side: Side, code: str, qty: int, price: int | None, **options: Unpack[OrderOptions]
    ) -> Pending[Order]:
        return self.place(read_order(self.universe, side, code, qty, price, **options))

    def place(self, typed: TypedOrder | TypedRevise) -> Pending[Order]:
        """Hand over an order or a revise whose values are read: what ``buy`` and ``%kis`` call."""
        # The call is named by where it is typed, so this is done in the calling cell's own turn.
        call = self._placing.call(typed)
        return Pending(call.what, lambda: self._placing.submit(call))

    def batch(
        self, lines: Sequence[Line], *, key: str | None = None, again: int | bool = False
    ) -> Pending[OrderBook]:
        """Hand over several orders at once, each ``(side, code, qty)`` or ``(side, code, qty, price)``.

        They go to KIS one at a time. Returns an order book of them, in their order, when each is accepted, filled,
        refused or unknown: a refused one raises nothing and stops none, its state and text say what became of it.
        Each line is an order as in ``buy``; ``key`` names the batch instead. Raises BadInput for a line that
        cannot be read, and OrderDenied when a line is a repetition that has to be confirmed; then nothing is sent.
        """
        calls = self._placing.batch(read_batch(self.universe, lines, key, again))
        return Pending(f"batch of {len(calls)} orders", lambda: self._placing.submit_batch(calls))

    def revise(
        self, what: Order | int | str, price: int, qty: int | None = None, *, key: str | None = None,
        again: int | bool = False,
    ) -> Pending[Order]:  # fmt: skip
        """Move ``qty`` shares (None: all that is left) of an open order to another price, won.

        Returns the order that they become; it goes to the end of the queue, and its log says so. Raises OrderDenied,
        OrderRejected, OrderUnknown, as ``buy`` does.
        """
        return self.place(read_revise(what, price, qty, key, again))

    @pending
    async def resolve(self, adopt: int | None, what: Order | str | None = None) -> Order:
        """Say what became of an order of unknown fate: it is KIS's order number ``adopt``, or (None) was never sent.

        ``what`` may be left out when there is just one. Raises BadInput while KIS's list of orders contradicts it.
        """
        await self._link.wait_for_return()
        number = None if adopt is None else whole(adopt, "the order number")
        unknown = [o for o in self.books.live.values() if o.state is OrderState.UNKNOWN]
        chosen = orders_named(self.books, what)[-1:] if what is not None else unknown
        if what is not None and chosen[0].state is not OrderState.UNKNOWN:
            raise BadInput(
                f"the fate of {named_order(chosen[0])} is known: it is {chosen[0].state}"
            )
        if len(chosen) != 1:
            named = ", ".join(f"{o.key} ({o.intent.text})" for o in unknown)
            raise BadInput(
                f"there are {len(unknown)} orders of unknown fate",
                f"name one: {named}" if named else "",
            )
        (order,), refused = chosen, self._state.decisions_refused
        refused.pop(order.key, None)
        await self._pace.carry_out(
            lambda: [ResolveOrder(order.key, number)],
            lambda: order.state is not OrderState.UNKNOWN or order.key in refused,
        )
        if order.state is OrderState.UNKNOWN:
            raise BadInput(f"{order.intent.text} stays unknown: {refused[order.key]}")
        return order

    route = awaited(Questions.route)
    route_of = awaited(Questions.route_of)
    preview = awaited(Questions.preview)

    @pending
    async def routes(self, code: str = "") -> list[Evidence]:
        """The desk's newest routing decisions, of one stock or of all, oldest first."""
        reply = await self.ask(RoutesOf(code=self._code(code) if code else ""))
        return list(reply.decisions)

    @pending
    async def cancel(self, what: Order | int | str) -> Orders:
        """Cancel an order (itself, its number or its key) or ``"all"``; returns when each is ended or refused."""
        await self._link.wait_for_return()
        if names_all(what):
            # Orders whose key the desk has not told yet are meant, too.
            await self._pace.until(lambda: not self._placing.on_the_way)
        orders = orders_named(self.books, what)
        before = {o.key: len(o.facts) for o in orders}

        def is_over(order: Order) -> bool:
            return order.is_ended or _is_cancel_refused(order, before[order.key])

        # The desk sends one cancel of an order at a time. One that somebody else asked for may be for a
        # part only, and ours is lost behind it: then it is asked for once more.
        while left := [o for o in orders if not is_over(o)]:
            await self._pace.until(lambda: not any(o.is_open and o.cancel_asked for o in left))
            before |= {o.key: len(o.facts) for o in left}
            await self._pace.carry_out(
                lambda: [CancelOrder(o.key) for o in left if o.is_open],
                lambda: all(is_over(o) or _is_partly_cancelled(o, before[o.key]) for o in left),  # noqa: B023
            )
        return orders

    @pending
    async def halt(
        self, reason: str, *, state: Literal["reducing", "halted"] = "halted", flatten: bool = False
    ) -> list[HaltStep]:
        """Pull the kill switch; returns its steps when it has ended.

        It blocks new orders, cancels all that is open, asks KIS until nothing is, and sets the state: halted lets
        cancels pass, reducing also sells up to the position. A pull never lowers the state. ``flatten`` sells all
        that is held, in any state, until KIS confirms that nothing is; the steps say what remains after ten seconds,
        and it goes on. ``resume`` ends it. Raises BadInput. An interrupt ends the wait and not the halt: it reaches
        the desk even when that is just being started again.
        """
        end: Literal["reducing", "halted"] = one_of(
            state, ("reducing", "halted"), "state of a halt"
        )
        pull = Halt(text(reason, "the reason"), end, bool(flatten))
        self._link.check_home()
        before = len(self.halt_steps)
        work = self._pace.carry_out(
            lambda: [pull], lambda: any(s.step == "notify" for s in self.halt_steps[before:])
        )
        pulling = self._pace.task(work, "halt")
        try:
            await asyncio.shield(pulling)
        except asyncio.CancelledError:
            if pulling.done():
                raise
            why, cure = (
                "the wait was interrupted; the halt goes on",
                "see how it ends with: kisnb desk status",
            )
            raise Interrupted(why, cure) from None
        return self.halt_steps[before:]

    @pending
    async def resume(self, reason: str, *, state: Literal["active", "reducing"] = "active") -> str:
        """Lift a halt: new orders pass again, or with ``reducing`` sells up to the position.

        A flatten that runs is ended first, and then the halt stays: resume once more lifts it. Returns what was
        lifted or ended. Raises BadInput without a reason, ConfigError while the HALT file stands, and DeskError
        while the desk cannot write its journal.
        """
        to: Literal["active", "reducing"] = one_of(
            state, ("active", "reducing"), "state after a halt"
        )
        return (await self.ask(LiftHalt(text(reason, "the reason"), to))).text

    @pending
    async def arm(self, tail: str, minutes: int, budget: int) -> str:
        """Let buys pass at live for so many minutes and won; ``tail`` are the last four digits of the account, typed.

        0 minutes disarm; a restart of the desk does too. Sim and paper need none. Raises BadInput.
        """
        tail, minutes = text(tail, "the tail of the account"), whole(minutes, "the minutes")
        return (await self.ask(ArmDesk(tail, minutes, whole(budget, "the budget in won")))).text

    @pending
    async def tasks(self) -> str:
        """The tasks of the desk and of this session under their owners, as text."""
        mine = [
            *self._pace.task_names(),
            *(f"agent task of {a.id}" for a in self.agents if a.state == "running"),
        ]
        desk = (await self.ask(TasksNow())).text
        return "\n".join([desk, "session", *(f"  {name}" for name in sorted(mine))])

    # time

    def moment(self, when: str) -> Ns:
        """``"09:10"`` or ``"close"`` of today, KST. Raises BadInput."""
        when = text(when, "the time of day")
        return (
            sessions.regular_close(self.today)
            if when == "close"
            else kst(self.today, time_of_day(when, "or write close"))
        )

    @pending
    async def until(self, when: str) -> None:
        """Wait until ``"09:10"`` or ``"close"`` (KST, today); a simulated day goes there as fast as all follow.

        A moment that is past ends the wait at once. Raises BadInput.
        """
        t = self.moment(when)
        if self.mode is not Mode.SIM or self.now >= t:
            await self._pace.until_time(t)
            return
        await self._link.wait_for_return()
        self._pump.hurrying += 1
        try:
            self._link.submit([FastForward(on=True)])
            await self._pace.until_time(t)
        finally:
            self._pump.hurrying -= 1
            with suppress(DeskLost):
                self._link.submit([FastForward(on=False)])

    @pending
    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds`` of the session's clock. Raises BadInput."""
        await self._pace.until_time(
            self.now + int(read_seconds(seconds, "the time to sleep") * SECOND)
        )

    @pending
    async def settle(self) -> None:
        """Return when everything that has been sent is decided: the last line of a notebook that nobody watches."""
        await self._pace.until(
            lambda: (
                not self._placing.on_the_way
                and not any(o.state in UNDECIDED for o in self.books.live.values())
            )
        )

    # end

    @pending
    async def close(self) -> None:
        """Leave the desk; agents of this session stop, their orders stay in the market."""
        self.leave()

    def leave(self) -> None:
        """As ``close``, where await cannot be; to be called in the session's own thread."""
        if self._link.closed:
            return
        self._link.check_process()
        stopped = self.agents.running
        self.agents.close()
        self._link.close()
        self._pace.fail(NotOpen("the session was closed", "open it again with %kis open"))
        self._pace.close()
        self.changed()
        self.on_close(stopped)

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = (
            "closed"
            if self.closed
            else f"{self.clock_text()} KST, {len(self.book.orders)} orders, {len(self.agents)} agents"
        )
        halted = f"; {self.trading.halted}" if self.trading.halted and not self.closed else ""
        return f"<Session {self.label}: {state}{halted}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise BadInput("a session does not cross a process and cannot be copied", OPEN_HERE)

    # inside

    async def ask(self, query: Query[R]) -> R:
        """The desk's reply. Raises BadInput in another loop or process, DeskLost, and the error that the desk names."""
        return await self._link.ask(query)

    async def answer(self, question: TypedQuery[R, T]) -> T:
        """Ask a question and read the reply."""
        return question.read(await self._link.ask(question.query))

    def _link_changed(self, trouble: str) -> None:
        self.troubles.append(trouble)
        self.changed()

    def _given_up(self, why: DeskLost) -> None:
        self._pace.fail(why)
        self.changed()

    def _code(self, code: str) -> str:
        return self.universe.get(code).code


def _is_cancel_refused(order: Order, since: int) -> bool:
    return any(isinstance(fact, CancelRefused) for fact in order.facts[since:])


def _is_partly_cancelled(order: Order, since: int) -> bool:
    """Somebody else's cancel of a part came first; what is left is still in the market."""
    cancelled = any(isinstance(fact, Cancelled) for fact in order.facts[since:])
    return cancelled and order.is_open and not order.cancel_asked
