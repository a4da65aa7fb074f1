"""The Session: what a notebook opens. Lives in the notebook's event loop; its desk is a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Unpack

import msgspec

from kisnb.clock import Ns, kst
from kisnb.errors import BadInput, DeskLost
from kisnb.events import (
    CancelRefused,
    Depth,
    HaltStep,
    Quote,
)
from kisnb.kis.ranking_messages import MOST_ROWS, RankingKind, ranking_call, read_ranking
from kisnb.market import sessions
from kisnb.market.instruments import Universe
from kisnb.market.router import Router
from kisnb.market.routing_evidence import Evidence
from kisnb.orders import Account, Intent, Order, Orders, OrderState, Want, same_wish
from kisnb.session import order_keys
from kisnb.session.attachment import Attachment
from kisnb.session.backfill import Backfill
from kisnb.session.blocking import Blocking
from kisnb.session.desk_line import Find
from kisnb.session.roster import Roster
from kisnb.session.simulator import Simulator
from kisnb.session.typed import (
    Line,
    OrderOptions,
    check_leaves,
    check_same,
    line_of,
    orders_named,
    seconds_of_day,
    spelt_out,
    typed_intent,
    verdict,
)
from kisnb.terms import Mode, Side, Venue
from kisnb.trading.commands import (
    AccountIs,
    AccountNow,
    ArmDesk,
    CallApi,
    CancelOrder,
    DepthOf,
    FastForward,
    Halt,
    JournalIs,
    JournalOf,
    LiftHalt,
    QuoteOf,
    Reply,
    ResolveOrder,
    RouteOf,
    RoutesAre,
    RoutesOf,
    RowsAre,
    Submit,
    TasksNow,
    Told,
    WatchCodes,
)
from kisnb.trading.desk_port import Desk, Snapshot
from kisnb.trading.order_book import UNDECIDED, OrderBook
from kisnb.trading.order_words import named_order
from kisnb.trading.risk import Rules

if TYPE_CHECKING:
    import polars as pl


def told(reply: Reply) -> str:
    """The desk's answer for people."""
    assert isinstance(reply, Told)
    return reply.text


class Session(Attachment):
    """A trading desk in a notebook: quotes, depth and ticks, orders, agents. Prices in won, quantities in shares.

    Open it with ``kisnb.connect``; ``async with`` closes it. The desk goes on when a session closes.
    """

    def __init__(self, desk: Desk, snapshot: Snapshot, universe: Universe, find: Find | None = None) -> None:
        """``find`` gives the next desk when this one has died."""
        super().__init__(desk, snapshot, find)
        self.universe = universe
        self.rules = Rules(universe, snapshot.capabilities)
        self.limits = snapshot.limits
        self.agents = Roster(self)
        self.backfill = Backfill(self)
        self.blocking = Blocking(self)
        self.simulator = Simulator(self.mode)
        """The phone beside, and what goes wrong, in a simulated day."""
        self.blocked_by = ""
        """The line of a cell that keeps the notebook's loop from turning, while it does."""
        self.agents.leased(snapshot.leases)
        self._listen()

    # looking

    @property
    def book(self) -> OrderBook:
        """The account's order book."""
        return self._state.books.account

    def capabilities(self) -> pl.DataFrame:
        """Which mode's host serves each call and channel here: what (str), host (str), offered (bool)."""
        import polars as pl

        from kisnb.kis.modes import capability_table

        quotes = self.rules.capabilities.quotes or self.mode
        return pl.DataFrame(capability_table(self.mode, quotes), schema=["what", "host", "offered"], orient="row")

    def orders(self) -> OrderBook:
        """All orders of the day with their states; ``.frame()`` gives them as polars."""
        return self.book

    async def journal(self) -> pl.DataFrame:
        """Everything that the desk has written down today, a row per fact; columns as ``journal_frame`` says."""
        from kisnb.desk.journal_frame import journal_frame

        reply = await self.ask(JournalOf())
        assert isinstance(reply, JournalIs)
        return await asyncio.to_thread(journal_frame, Path(reply.path))

    async def quote(self, code: str) -> Quote:
        """The current price, asked from KIS. Raises UnknownInstrument, ApiError, DeskLost."""
        return self.named(await self.ask(QuoteOf(self._code(code))))

    async def depth(self, code: str) -> Depth:
        """Bids and asks now, asked from KIS."""
        reply = await self.ask(DepthOf(self._code(code)))
        assert isinstance(reply, Depth)
        return reply

    async def ranking(self, kind: RankingKind = "volume", n: int = MOST_ROWS) -> pl.DataFrame:
        """The stocks of the largest traded value (``"volume"``) or rise (``"fluctuation"``), 30 at most, of the venue
        that is on: Nextrade's in its sessions before and after the regular one, else KRX's.

        Columns: rank, code, name, price and change (won), change_pct, volume (shares), value (won; null for
        fluctuation). Raises BadInput, NotOffered (paper has no rankings), KisError.
        """
        where = Router.resolve_for_ranking(sessions.session_id(self.now))
        reply = await self.ask(CallApi(*ranking_call(kind, where)))
        assert isinstance(reply, RowsAre)
        return read_ranking(reply.blocks["output"], n)

    async def balance(self) -> Account:
        """Cash and holdings as the broker states them, won and shares."""
        reply = await self.ask(AccountNow())
        assert isinstance(reply, AccountIs)
        return reply.account

    async def watch(self, *codes: str, channels: Sequence[Literal["expected", "operation", "programs"]] = ()) -> None:
        """Subscribe to trades and depth of these stocks; a stock that is traded is watched anyway.

        ``channels`` adds expected matches of call auctions, market operation (halts, VI) and program trades, a
        subscription of the 41 each; the newest stand in ``data.expected``, ``data.operations``, ``data.programs``.
        """
        self._watch(*codes)
        self._want([Want(channel, self._code(code), None) for code in codes for channel in channels])

    def _watch(self, *codes: str) -> None:
        """Trades of every venue that lists the stock, for the router too; depth of the session's venue."""
        known = [self._code(code) for code in codes]
        self._want([w for code in known for w in (*self.rules.trade_channels(code), Want("depth", code, None))])

    def _want(self, wants: Sequence[Want]) -> None:
        if any(w not in self._wants for w in wants):
            self._wants.update(dict.fromkeys(wants))
            self.tell([WatchCodes(tuple(self._wants))])

    def ticks(self, code: str, venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Trades of a venue since the stock was watched: t (KST), price (won), qty (shares), side, volume (accumulated
        shares)."""
        return self.data.ticks(self._code(code), Venue(venue))

    def bars(self, code: str, every: str = "1m", venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Closed bars of a venue since the stock was watched: t (start, KST), open, high, low, close (won), volume
        (shares), count (trades)."""
        return self.data.bars(self._code(code), every, self.now, Venue(venue))

    def gaps(self, code: str = "") -> pl.DataFrame:
        """Where trades were not heard: code, venue, since and until (KST), missing (shares; 0 when it cannot be told),
        filled (the bars of those minutes are KIS's own)."""
        return self.data.gap_frame(self._code(code) if code else "")

    # trading

    @spelt_out
    def buy(
        self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Coroutine[Any, Any, Order]:
        """Buy ``qty`` shares; no price is a market order. Returns when the exchange has accepted it.

        Without a venue the router chooses one; ``stop`` makes it a stop-limit order. The same call in the same cell
        is the same order: run again it sends nothing and returns the order that there is. ``again=True`` means a new
        one. Raises OrderDenied (by us), OrderRejected (by KIS), OrderUnknown.
        """
        # What was typed is read, and its key minted, in the calling cell's own turn.
        return self._submit(self.intent(Side.BUY, code, qty, price, **options))

    @spelt_out
    def sell(
        self, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Coroutine[Any, Any, Order]:
        """As ``buy``."""
        return self._submit(self.intent(Side.SELL, code, qty, price, **options))

    def batch(
        self, lines: Sequence[Line], *, key: str | None = None, again: bool = False
    ) -> Coroutine[Any, Any, OrderBook]:
        """Hand over several orders at once, each ``(side, code, qty)`` or ``(side, code, qty, price)``.

        They go to KIS one at a time. Returns a book of them, in their order, when each is accepted, filled, refused or
        unknown: a refused one raises nothing and stops none, its state and text say what became of it. The same call
        in the same cell is the same batch, as in ``buy``; ``key`` names it instead. Raises BadInput for a line that
        cannot be read, and OrderDenied when the cell sent other orders before; then nothing is sent.
        """
        keys = [{"again": again} if key is None else {"key": f"{key}:{n}"} for n in range(1, len(lines) + 1)]
        return self._batch([self.intent(*line_of(line), **k) for line, k in zip(lines, keys, strict=True)])

    def revise(
        self, what: Order | int | str, price: int, qty: int | None = None, *, key: str | None = None,
        again: bool = False,
    ) -> Coroutine[Any, Any, Order]:  # fmt: skip
        """Move ``qty`` shares (None: all that is left) of an open order to another price, won.

        Returns the order that they become; it goes to the end of the queue, and its log says so. Raises OrderDenied,
        OrderRejected, OrderUnknown, as ``buy`` does.
        """
        old = orders_named(self.books, what)[-1]
        shares = old.leaves or old.intent.qty if qty is None else qty
        intent = self.intent(old.side, old.code, shares, price, kind=old.intent.kind, key=key, again=again)
        if (known := self.books.orders.get(intent.key)) is None:
            check_leaves(old)
        elif qty is None:
            # A cell that is run again: what was left then, not what is left now.
            intent = msgspec.structs.replace(intent, qty=known.intent.qty)
        return self._submit(msgspec.structs.replace(intent, agent=old.intent.agent, supersedes=old.key))

    async def resolve(self, adopt: int | None, what: Order | str | None = None) -> Order:
        """Say what became of an order of unknown fate: it is KIS's order number ``adopt``, or (None) was never sent.

        ``what`` may be left out when there is just one. Raises BadInput while KIS's list of orders contradicts it.
        """
        await self._returned()
        unknown = [o for o in self.books.live.values() if o.state is OrderState.UNKNOWN]
        chosen = orders_named(self.books, what)[-1:] if what is not None else unknown
        if what is not None and chosen[0].state is not OrderState.UNKNOWN:
            raise BadInput(f"the fate of {named_order(chosen[0])} is known: it is {chosen[0].state}")
        if len(chosen) != 1:
            named = ", ".join(f"{o.key} ({o.intent.text})" for o in unknown)
            raise BadInput(f"there are {len(unknown)} orders of unknown fate", f"name one: {named}" if named else "")
        (order,) = chosen
        self.decisions_refused.pop(order.key, None)
        await self._carried_out(
            lambda: [ResolveOrder(order.key, adopt)],
            lambda: order.state is not OrderState.UNKNOWN or order.key in self.decisions_refused,
        )
        if order.state is OrderState.UNKNOWN:
            raise BadInput(f"{order.intent.text} stays unknown: {self.decisions_refused[order.key]}")
        return order

    async def route(self, what: Order | int | str) -> Evidence:
        """Why an order (itself, its number or its key) went where it went; ``.score(order.fills)`` says what it was
        worth. Raises BadInput when the desk has decided nothing about it."""
        order = orders_named(self.books, what)[-1]
        return self.decision(await self.ask(RoutesOf(order.key)), what)

    async def routes(self, code: str = "") -> list[Evidence]:
        """The desk's newest routing decisions, of one stock or of all, oldest first."""
        reply = await self.ask(RoutesOf(code=self._code(code) if code else ""))
        assert isinstance(reply, RoutesAre)
        return list(reply.decisions)

    @spelt_out
    async def route_of(
        self, side: Side | str, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> Evidence:
        """Where such an order would go now, and what it may cost on each venue, won; nothing is sent."""
        return self.decision(await self.ask(self.preview(side, code, qty, price, **options)), code)

    async def cancel(self, what: Order | int | str) -> Orders:
        """Cancel an order (itself, its number or its key) or ``"all"``; returns when each is ended or refused."""
        await self._returned()
        orders = orders_named(self.books, what)
        # The desk sends one cancel of an order at a time; the one on its way may be for a part only.
        await self._until(lambda: not any(o.is_open and o.cancel_asked for o in orders), None)
        before = {o.key: len(o.facts) for o in orders}
        await self._carried_out(
            lambda: [CancelOrder(o.key) for o in orders if o.is_open],
            lambda: all(o.is_ended or _cancel_refused(o, before[o.key]) for o in orders),
        )
        return orders

    async def halt(
        self, reason: str, *, state: Literal["reducing", "halted"] = "halted", flatten: bool = False
    ) -> list[HaltStep]:
        """Pull the kill switch; returns its steps when it has ended.

        It blocks new orders, cancels all that is open, asks KIS until nothing is, and sets the state: halted lets
        cancels pass, reducing also sells up to the position. ``flatten`` sells all that is held.
        """
        await self._returned()
        before = len(self.halt_steps)
        await self._carried_out(
            lambda: [Halt(reason, state, flatten)], lambda: any(s.step == "notify" for s in self.halt_steps[before:])
        )
        return self.halt_steps[before:]

    async def resume(self, reason: str) -> str:
        """Lift a halt: new orders pass again. Returns what was lifted; raises BadInput without a reason."""
        return told(await self.ask(LiftHalt(reason)))

    async def arm(self, tail: str, minutes: int, budget: int) -> str:
        """Let buys pass at live for so many minutes and won; ``tail`` are the last four digits of the account, typed.

        0 minutes disarm; a restart of the desk does too. Sim and paper need none. Raises BadInput.
        """
        return told(await self.ask(ArmDesk(tail, minutes, budget)))

    async def tasks(self) -> str:
        """The tasks of the desk and of this session under their owners, as text."""
        mine = [task.get_name() for task in self._own_tasks if not task.done()]
        mine += [f"agent task of {runner.id}" for runner in self.agents if runner.state == "running"]
        return "\n".join([told(await self.ask(TasksNow())), "session", *(f"  {name}" for name in sorted(mine))])

    # time

    def moment(self, when: str) -> Ns:
        """``"09:10"`` or ``"close"`` of today, KST. Raises BadInput."""
        return sessions.regular_close(self.today) if when == "close" else kst(self.today, seconds_of_day(when))

    async def until(self, when: str) -> None:
        """Wait until ``"09:10"`` or ``"close"`` (KST, today); a simulated day goes there as fast as all follow.

        A moment that is past ends the wait at once.
        """
        t = self.moment(when)
        if self.mode is not Mode.SIM or self.now >= t:
            await self._wait_for(t)
            return
        await self._returned()
        self._hurrying += 1
        try:
            self.tell([FastForward(on=True)])
            await self._wait_for(t)
        finally:
            self._hurrying -= 1
            with suppress(DeskLost):
                self.tell([FastForward(on=False)])

    async def sleep(self, seconds: float) -> None:
        """So many seconds of the session's clock."""
        await self._wait_for(self.now + int(seconds * 1_000_000_000))

    async def settle(self) -> None:
        """Return when everything that has been sent is decided: the last line of a notebook that nobody watches."""
        await self._until(lambda: not any(o.state in UNDECIDED for o in self.books.live.values()), None)

    # end

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = (
            "closed"
            if self._closed
            else f"{self.clock_text()} KST, {len(self.book.orders)} orders, {len(self.agents)} agents"
        )
        return f"<Session {self.label}: {state}>"

    # inside

    def intent(
        self, side: Side, code: str, qty: int, price: int | str | None = None, **options: Unpack[OrderOptions]
    ) -> Intent:
        """An Intent from what was typed; raises BadInput with the cure."""
        given = options.get("key")
        intent = typed_intent(
            side, self._code(code), qty, price, venue=options.get("venue"), kind=options.get("kind"),
            stop=options.get("stop"), key=given,
        )  # fmt: skip
        again = options.get("again", False)
        minted = order_keys.source(self, again) if given is None and order_keys.source is not None else None
        return msgspec.structs.replace(intent, key=minted) if minted else intent

    def preview(
        self, side: Side | str, code: str, qty: int, price: int | None = None, **options: Unpack[OrderOptions]
    ) -> RouteOf:
        """The question where such an order would go."""
        options["key"] = "preview"
        return RouteOf(self.intent(Side(side), code, qty, price, **options))

    @staticmethod
    def decision(reply: Reply, what: object) -> Evidence:
        """The newest decision of an answer; raises BadInput when there is none."""
        assert isinstance(reply, RoutesAre)
        if not reply.decisions:
            raise BadInput(f"no venue was chosen for {what}", "the order was refused before; see %kis orders")
        return reply.decisions[-1]

    def named(self, reply: Reply) -> Quote:
        """A quote with the name of the stock, which KIS's reply lacks."""
        assert isinstance(reply, Quote)
        return msgspec.structs.replace(reply, name=self.universe.get(reply.code).name)

    def begin(self, intent: Intent) -> Order:
        """Hand an intent to the desk, once: a known key sends nothing, or raises OrderDenied when it meant another."""
        known = self.books.orders.get(intent.key)
        if known is not None:
            check_same(known, intent)
            known.repeats += 1
            return known
        self.check_answers(intent.key)
        self._watch(intent.code)
        self.tell([Submit(intent)])
        return self.books.expect(intent, self.now)

    async def _submit(self, intent: Intent) -> Order:
        await self._returned()
        order = self.begin(intent)
        # Another session may have used the key a moment before: then desk and book have the other intent.
        await self._until(lambda: order.state not in UNDECIDED or not same_wish(order.intent, intent), None)
        check_same(order, intent)
        return verdict(order, order.state, order.text, order.msg_cd)

    async def _batch(self, intents: Sequence[Intent]) -> OrderBook:
        await self._returned()
        for intent in intents:
            if (known := self.books.orders.get(intent.key)) is not None:
                check_same(known, intent)
        self._watch(*(intent.code for intent in intents))
        self.tell([Submit(intent) for intent in intents if intent.key not in self.books.orders])
        book = OrderBook("batch")
        for intent in intents:
            order = book.orders[intent.key] = self.books.expect(intent, self.now)
            order.repeats += bool(order.facts)
        await self._until(lambda: not any(o.state in UNDECIDED for o in book.orders.values()), None)
        return book

    def _code(self, code: str) -> str:
        return self.universe.get(code).code


def _cancel_refused(order: Order, since: int) -> bool:
    return any(isinstance(fact, CancelRefused) for fact in order.facts[since:])
