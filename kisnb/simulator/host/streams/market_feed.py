"""The frames about the market: trades, depth, expected matches, operation, programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kisnb.clock import Ns
from kisnb.events import ExpectedMatch, MarketOperation
from kisnb.exchange.day_segments import SINGLE_PRICE
from kisnb.exchange.happenings import (
    SessionBegan,
    SessionEnded,
    Traded,
    TradingInterrupted,
    TradingResumed,
)
from kisnb.kis.channels import (
    DEPTH_TRS,
    EXPECTED_TRS,
    OPERATION_TRS,
    PROGRAM_TRS,
    TRADE_TRS,
    VENUE_OF_TR,
)
from kisnb.kis.feed import frames
from kisnb.kis.feed.columns import LAYOUTS, WORKBOOK, Columns, columns
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.host.streams.market_records import (
    depth_record,
    expected_record,
    operation_code,
    program_record,
    trade_record,
)
from kisnb.simulator.host.streams.outbox import Outbox
from kisnb.simulator.host.streams.overtime_records import (
    OVERTIME_DEPTH_TR,
    OVERTIME_EXPECTED_TR,
    OVERTIME_TRADE_TR,
    overtime_depth_record,
    overtime_trade_record,
)
from kisnb.simulator.host.streams.sockets import ClientSocket, Sockets
from kisnb.simulator.replies.overtime_session import overtime_of
from kisnb.terms import Phase, Venue

MOST_RECORDS = 999
"""The most records of one data frame, because the frame's count has three digits."""
_VENUES, _KRX_ALONE = tuple(Venue), (Venue.KRX,)
_BOTH = ("KMID_PRC", Venue.KRX), ("NMID_PRC", Venue.NXT)
_MIDDLES = {Venue.KRX: (("MID_PRC", Venue.KRX),), Venue.NXT: _BOTH, Venue.SOR: _BOTH}
"""By the depth channel's venue: the columns of middle prices, and the venue of each price."""


class MarketFeed:
    """Makes frames of the market's events for the clients that follow a stock."""

    def __init__(self, sockets: Sockets, outbox: Outbox, market: Market, persona: Persona) -> None:
        self._sockets = sockets
        self._outbox = outbox
        self._market = market
        self._persona = persona

    def send_trades(self, now: Ns, code: str, trades: list[Traded]) -> None:
        """Send the trades of one stock at one moment, and then the programs' part in them.

        KIS joins the trades of a moment in one frame of each channel.
        """
        for socket, venue in self._followers(TRADE_TRS, code):
            quote, tr_id = self._market.quote(code, venue), TRADE_TRS[venue]
            tally = self._market.tally(code, venue)
            shown = [
                trade
                for trade in trades
                if venue in (trade.venue, Venue.SOR) and trade.segment != SINGLE_PRICE
            ]
            names = self._columns(tr_id)
            records = [
                trade_record(trade, quote, tally, self._market.stretch(trade.venue), names)
                for trade in shown
            ]
            # An auction can match more orders at once than one frame can count.
            for i in range(0, len(records), MOST_RECORDS):
                self._send(now, socket, tr_id, records[i : i + MOST_RECORDS])
        for trade in trades:
            if trade.segment == SINGLE_PRICE:
                self._send_overtime(now, code, OVERTIME_TRADE_TR, trade)
        for socket, venue in self._followers(PROGRAM_TRS, code):
            # A program record follows the trades of its venue, since its figures change with them.
            if venue is Venue.SOR or any(trade.venue is venue for trade in trades):
                record = program_record(self._market.facts.program(code, now), code, venue)
                self._send(now, socket, PROGRAM_TRS[venue], [record])

    def send_depth(self, now: Ns, code: str, changed: Collection[Venue]) -> None:
        """Send the depth of one stock on the ``changed`` venues.

        During a call auction, the expected match is sent before the depth.
        """
        for socket, venue in self._followers(EXPECTED_TRS, code):
            expected = self._expected(code, venue)
            if (venue in changed or venue is Venue.SOR) and expected is not None:
                record = expected_record(
                    expected, self._market.quote(code, venue), self._stretch(venue)
                )
                self._send(now, socket, EXPECTED_TRS[venue], [record])
        if Venue.KRX in changed and self._stretch(Venue.KRX) == SINGLE_PRICE:
            self._send_overtime(now, code, OVERTIME_EXPECTED_TR)
            self._send_overtime(now, code, OVERTIME_DEPTH_TR)
        for socket, venue in self._followers(DEPTH_TRS, code):
            if venue in changed or venue is Venue.SOR:
                self._send(now, socket, DEPTH_TRS[venue], [self._depth_record(code, venue)])

    def send_operation(
        self, now: Ns, step: TradingInterrupted | TradingResumed | SessionBegan | SessionEnded
    ) -> None:
        """Send a step of the market sessions, or a halt or VI of one stock."""
        code = operation_code(step)
        socket = self._sockets.holder
        if socket is None or not code:
            return
        for tr_id, stock in sorted(socket.subscriptions):
            venue = VENUE_OF_TR.get(tr_id)
            if tr_id != OPERATION_TRS.get(venue or Venue.KRX) or venue not in (
                step.venue,
                Venue.SOR,
            ):
                continue
            if isinstance(step, TradingInterrupted | TradingResumed) and step.code != stock:
                continue
            # NXT's channel and the unified channel send nothing about a stock that NXT does not
            # list.
            if venue is not Venue.KRX and not self._market.universe.get(stock).nxt:
                continue
            listing = self._market.exchange.listing(stock, step.venue)
            halted = listing.state == "halted" or listing.item.halted
            vi = listing.state == "call" and listing.why.endswith("VI")
            # A VI is shown by its own field, not as a halt.
            reason = listing.why if halted else ""
            operation = MarketOperation(now, stock, venue, code, halted, reason, vi)
            self._send(now, socket, tr_id, [frames.encode_operation(operation)])

    def _send_overtime(self, now: Ns, code: str, tr_id: str, match: Traded | None = None) -> None:
        """Send a record of one of the three channels of the single-price session after hours.

        ``match`` is a trade of the session. None: the match that the running call auction expects.
        """
        socket, market = self._sockets.holder, self._market
        if socket is None or (tr_id, code) not in socket.subscriptions:
            return
        session = overtime_of(market.trades(code), market.universe.get(code), market.day)
        shown = match or self._expected(code, Venue.KRX)
        if shown is None:
            return
        if tr_id == OVERTIME_DEPTH_TR and isinstance(shown, ExpectedMatch):
            record = overtime_depth_record(market.depth(code), shown, session)
        else:
            record = overtime_trade_record(shown, market.universe.get(code), session)
        self._send(now, socket, tr_id, [record])

    def _send(self, now: Ns, socket: ClientSocket, tr_id: str, records: list[list[str]]) -> None:
        self._outbox.send(now, socket, tr_id, frames.encode(tr_id, records))

    def _expected(self, code: str, venue: Venue) -> ExpectedMatch | None:
        """Return the match that a running call auction expects; None while no auction runs.

        The unified channel shows KRX's auction, and NXT's when KRX holds none.
        """
        for at in (Venue.KRX, Venue.NXT) if venue is Venue.SOR else (venue,):
            if self._market.exchange.phase(code, at) is Phase.AUCTION:
                price, qty = self._market.exchange.listing(code, at).expected()
                asks, bids = self._market.exchange.depth(code, 1, at)
                ask, bid = asks[0][0] if asks else 0, bids[0][0] if bids else 0
                return ExpectedMatch(self._market.now, code, venue, price, qty, ask, bid)
        return None

    def _stretch(self, venue: Venue) -> str:
        return self._market.stretch(Venue.KRX if venue is Venue.SOR else venue)

    def _depth_record(self, code: str, venue: Venue) -> list[str]:
        expected = self._expected(code, venue)
        # The middle price is that at which mid-price orders match; 0 while a venue has none.
        middles = {
            name: self._market.exchange.listing(code, at).current.middle or 0
            for name, at in _MIDDLES[venue]
        }
        return depth_record(
            self._market.depth(code, venue),
            self._market.quote(code, venue),
            expected,
            self._stretch(venue),
            middles,
            self._columns(DEPTH_TRS[venue]),
        )

    def _columns(self, tr_id: str) -> Columns:
        """Return the columns that this host sends on a channel."""
        persona = self._persona
        layouts = WORKBOOK if persona.workbook_columns else LAYOUTS
        return columns(tr_id, persona.columns_of or self._market.day, layouts)

    def _followers(
        self, channels: Mapping[Venue, str], code: str
    ) -> list[tuple[ClientSocket, Venue]]:
        """Return the socket that follows a stock, once for each venue whose channel it follows."""
        socket = self._sockets.holder
        if socket is None:
            return []
        # At KIS, NXT's channel and the unified one send nothing about a stock that NXT does not
        # list.
        venues = _VENUES if self._market.universe.get(code).nxt else _KRX_ALONE
        return [
            (socket, venue) for venue in venues if (channels[venue], code) in socket.subscriptions
        ]
