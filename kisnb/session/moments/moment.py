"""One moment of a taped day: the market and the order books as a session knew them then."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from kisnb.clock import Ns, clock_text, kst_day
from kisnb.errors import BadInput
from kisnb.events import (
    Depth,
    ExpectedMatch,
    GapFound,
    LinkDown,
    LinkUp,
    MarketOperation,
    PhaseChanged,
    ProgramTrades,
    Quote,
    StockDay,
    Tick,
)
from kisnb.history.tape.blocks import TapeEvent
from kisnb.history.tape.reader import TapeFile, TapeGap
from kisnb.market.bars import span_of
from kisnb.market.price_venue import price_venue
from kisnb.market.universe import Universe
from kisnb.session.agents.agent_snapshot import AgentSnapshot, snapshot_at
from kisnb.session.agents.schedule import schedule_of
from kisnb.session.feed.market_data import Gap, MarketData, closed_bars
from kisnb.session.moments.past_quote import PastQuote, QuoteFold
from kisnb.terms import Venue
from kisnb.trading.order_books.order_book import NOBODY, OrderBook, OrderBooks
from kisnb.trading.state import State
from kisnb.values import one_of

if TYPE_CHECKING:
    import polars as pl

_NAMED = 3
"""The largest number of stocks that a text names."""


class TapeView(NamedTuple):
    """The state of the market that a tape shows at a moment."""

    data: MarketData
    quotes: dict[tuple[str, Venue], QuoteFold]
    depths: dict[tuple[str, Venue], Depth]
    stocks: dict[str, StockDay]
    phase: PhaseChanged | None
    gap: TapeGap | None


class Moment:
    """The market and the order books as of ``t`` (UTC nanoseconds). Won and shares.

    ``book``, ``books`` and ``cash`` are None for a tape without a journal, such as that of
    ``kisnb sim --record``.
    """

    def __init__(self, t: Ns, source: str, view: TapeView, universe: Universe) -> None:
        self.t = t
        self.source = source
        """The desk or simulated day of the tape."""
        self.gap = view.gap
        """The gap of the tape at the moment, with its reason.

        None: the desk received the market.
        """
        self.phase = view.phase
        """KRX's phase at the moment. None: no phase has begun since the tape began."""
        self.data = view.data
        """Ticks, bars, expected matches and operations up to then."""
        self.state: State | None = None
        """The desk's state at the moment. None for a tape without a journal."""
        self._view = view
        self._universe = universe

    # the market

    @property
    def codes(self) -> list[str]:
        """Codes of the stocks of which the tape has a price or a depth at or before the moment."""
        return sorted({code for code, _ in (*self._view.quotes, *self._view.depths)})

    def quote(self, code: str, venue: Venue | str | None = None) -> PastQuote:
        """Return the quote at the moment. Without ``venue``: the quote of the venue that was open.

        Raises BadInput when the tape has no price of the stock by then. Raises UnknownInstrument.
        """
        code, where = self._named(code, venue, self._view.quotes)
        fold = self._view.quotes.get((code, where))
        item = self._universe.get(code) if code in self._universe else None
        day = self._view.stocks.get(code)
        quote = fold.quote(self._universe.name(code), item, day) if fold is not None else None
        if quote is None:
            raise self._unseen("price", code, where)
        return quote

    def depth(self, code: str, venue: Venue | str | None = None) -> Depth:
        """Return the depth at the moment. Without ``venue``: the depth of the venue that was open.

        Raises BadInput when the tape has no depth of the stock by then. Raises UnknownInstrument.
        """
        code, where = self._named(code, venue, self._view.depths)
        depth = self._view.depths.get((code, where))
        if depth is None:
            raise self._unseen("depth", code, where)
        return depth

    def ticks(self, code: str, venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Return the trades up to the moment. ``Session.ticks`` lists the columns.

        Raises BadInput.
        """
        return self.data.ticks(self._universe.spell(code), one_of(venue, tuple(Venue), "venue"))

    def bars(self, code: str, every: str = "1m", venue: Venue | str = Venue.KRX) -> pl.DataFrame:
        """Return the bars that were closed at the moment, made of the tape's trades.

        ``Session.bars`` lists the columns. Raises BadInput.
        """
        code, where, span = (
            self._universe.spell(code),
            one_of(venue, tuple(Venue), "venue"),
            span_of(every),
        )
        return closed_bars(self.data.received(code, where, span), span, self.t)

    # the order books

    @property
    def books(self) -> OrderBooks | None:
        """The order books of the account and of the agents. None without a journal."""
        return None if self.state is None else self.state.books

    @property
    def book(self) -> OrderBook | None:
        """The account's order book: orders, fills, positions. None without a journal."""
        return None if self.state is None else self.state.books.account

    @property
    def agents(self) -> dict[str, OrderBook]:
        """The order book of each agent, by its id. ``agent(id)`` returns all about one agent."""
        return {} if self.state is None else self.state.books.agents

    def agent(self, agent_id: str) -> AgentSnapshot:
        """Return an agent at the moment: state, parameters, order book, decisions, why it was idle.

        Raises BadInput for an agent that the desk did not know then, and without a journal.
        """
        known = () if self.state is None else (*self.state.agents, *self.state.books.agents)
        if self.state is None or agent_id not in known:
            named = ", ".join(dict.fromkeys(a for a in known if a not in NOBODY)) or "none"
            raise BadInput(
                f"the desk knew no agent {agent_id!r} at {clock_text(self.t)}",
                f"it knew {named}",
            )
        noted = self.state.agents.get(agent_id)
        plan = None if noted is None else schedule_of(noted.record)
        return snapshot_at(self.t, self.state, agent_id, "" if plan is None else plan.text)

    @property
    def cash(self) -> int | None:
        """The cash (D+2) in the desk's order books, won. None before KIS had stated it."""
        return None if self.state is None else self.state.cash

    @property
    def text(self) -> str:
        """The moment in sentences."""
        lines = [f"{kst_day(self.t)} {clock_text(self.t)} KST, {self.source}"]
        if self.gap is not None:
            lines.append(f"in a gap: nothing was seen after {clock_text(self.gap.since)}: "
                         f"{self.gap.why}. Prices are the last ones before it.")  # fmt: skip
        lines += [self._line(code) for code in self.codes[:_NAMED]]
        if len(self.codes) > _NAMED:
            lines.append(f"and {len(self.codes) - _NAMED} more stocks: .codes")
        if self.book is not None:
            cash = "not known" if self.cash is None else f"{self.cash:,} won"
            lines.append(f"{self.book!r}, cash {cash}")
        lines += [self._agent_line(agent_id) for agent_id in self._noted]
        return "\n".join(lines)

    @property
    def _noted(self) -> list[str]:
        return [] if self.state is None else list(self.state.agents)

    def _agent_line(self, agent_id: str) -> str:
        snapshot = self.agent(agent_id)
        held = ", ".join(f"{p.qty:,} {p.code}" for p in snapshot.book.positions.values() if p.qty)
        counts = f"{len(snapshot.book.orders)} orders, {len(snapshot.book.open_orders)} open"
        return f"agent {agent_id}: {snapshot.state}, {counts}, holds {held or 'nothing'}"

    def __repr__(self) -> str:
        return f"<Moment {self.text}>"

    def _line(self, code: str) -> str:
        try:
            quote = self.quote(code)
        except BadInput:
            return f"{code} {self._universe.name(code)}: depth only"
        change = "" if quote.change is None else f" ({quote.change:+,})"
        at = f"{quote.venue} {clock_text(quote.t)}"
        return f"{code} {quote.name}  {quote.price:,}{change}  {at}  volume {quote.volume:,}"

    def _named(
        self, code: str, venue: Venue | str | None, seen: Collection[tuple[str, Venue]]
    ) -> tuple[str, Venue]:
        """Return the full code and the venue. Without ``venue``: the venue that was open then."""
        code = self._universe.spell(code)
        if venue is not None:
            return code, one_of(venue, tuple(Venue), "venue")
        item = self._universe.get(code) if code in self._universe else None
        open_one = Venue.KRX if item is None else price_venue(self.t, item, (Venue.KRX, Venue.NXT))
        known = [where for of, where in seen if of == code]
        return code, open_one if open_one in known or not known else known[0]

    def _unseen(self, what: str, code: str, venue: Venue) -> BadInput:
        others = ", ".join(c for c in self.codes if c != code) or "none"
        return BadInput(
            f"the tape has no {what} of {code} at {venue} up to {clock_text(self.t)}: the desk did "
            f"not watch it",
            f"watch a stock to have it on the tape; it has {others}",
        )


def view_of(tape: TapeFile, t: Ns, codes: Collection[str] | None) -> TapeView:
    """Read a tape up to ``t``, and return the market at ``t``. ``codes`` None: all stocks."""
    data, phase = MarketData(), None
    quotes: dict[tuple[str, Venue], QuoteFold] = {}
    depths: dict[tuple[str, Venue], Depth] = {}
    stocks: dict[str, StockDay] = {}
    gap: TapeGap | None = None
    for at, events in tape.batches(codes, None, t):
        for event in events:
            match event:
                case Tick(code=code, venue=venue):
                    data.add(event)
                    _fold(quotes, code, venue).add_tick(event)
                case Depth(code=code, venue=venue):
                    data.add(event)
                    depths[code, venue] = event
                case Quote(code=code, venue=venue):
                    _fold(quotes, code, venue).add_quote(event)
                case StockDay(code=code):
                    stocks[code] = event
                case ExpectedMatch() | MarketOperation() | ProgramTrades():
                    data.add(event)
                case PhaseChanged():
                    phase = event
                case _:
                    gap = _gap_after(gap, at, event, data)
    return TapeView(data, quotes, depths, stocks, phase, gap)


def _gap_after(gap: TapeGap | None, at: Ns, event: TapeEvent, data: MarketData) -> TapeGap | None:
    """Return the gap that is open after an event; None when there is none."""
    match event:
        case LinkDown(t=since, text=why):
            return gap or TapeGap(min(since, at), None, why)
        case LinkUp():
            return None
        case GapFound(code=code, venue=venue, since=since, missing=missing):
            data.gaps.append(Gap(code, venue, since, event.t, missing))
    return gap


def _fold(quotes: dict[tuple[str, Venue], QuoteFold], code: str, venue: Venue) -> QuoteFold:
    fold = quotes.get((code, venue))
    if fold is None:
        fold = quotes[code, venue] = QuoteFold(code, venue)
    return fold
