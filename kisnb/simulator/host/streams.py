"""The WebSocket side of the host: sockets, subscriptions, and the frames of what happens in the market.

One connection per appkey: the first socket that subscribes holds it until it closes. Every frame, whatever it carries,
leaves through ``_send``.
"""

from __future__ import annotations

import heapq
import secrets
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from kisnb.clock import SECOND, Ns
from kisnb.errors import ApiError
from kisnb.events import ExpectedMatch, MarketOperation, Notice
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
from kisnb.kis.credentials import Credentials
from kisnb.kis.feed import control_frames, frames, notices
from kisnb.kis.feed.columns import columns
from kisnb.kis.feed.control_frames import Ack, PingPong, SubscriptionRequest
from kisnb.kis.masking import HIDDEN
from kisnb.market import sessions
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.access import Access
from kisnb.simulator.host.account import AccountOrder
from kisnb.simulator.host.faults import Faults, Point
from kisnb.simulator.host.market_records import (
    INDEX_TR,
    book_record,
    expected_record,
    index_record,
    operation_code,
    program_record,
    trade_record,
)
from kisnb.simulator.host.overtime_records import (
    OVERTIME_BOOK_TR,
    OVERTIME_EXPECTED_TR,
    OVERTIME_TRADE_TR,
    OVERTIME_TRS,
    overtime_book_record,
    overtime_trade_record,
)
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.replies.indices import NAMES as INDICES
from kisnb.simulator.replies.overtime import overtime_of
from kisnb.terms import OrderKind, Phase, Venue

QUOTED = OVERTIME_TRS.union(
    *(trs.values() for trs in (TRADE_TRS, DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS))
)
"""Channels by stock; a persona's exec notices come besides."""
INDEX_EVERY: Ns = SECOND
"""How often an index is told while KRX trades."""
CODE_AT = 8
"""Column of an exec notice that names the stock; data frames begin with it."""
MOST_RECORDS = 999
"""The count of a data frame has three digits."""
_VENUES, _KRX_ALONE = tuple(Venue), (Venue.KRX,)


class Outgoing(NamedTuple):
    """A text frame for a socket; None cuts the connection without a handshake, as KIS does."""

    sid: int
    text: str | None


class ClientSocket:
    """One connection; ``port`` is the TCP port of the client's end."""

    __slots__ = (
        "cipher",
        "echoed",
        "frames",
        "indices",
        "pinged",
        "port",
        "sid",
        "subscriptions",
        "unanswered",
    )

    def __init__(self, sid: int, port: int | None) -> None:
        self.sid = sid
        self.port = port
        self.frames = 0
        """Text frames sent."""
        self.pinged: Ns | None = None
        self.echoed: Ns | None = None
        """When the last PINGPONG was sent, and when one last came back."""
        self.unanswered: Ns | None = None
        """When the first PINGPONG was sent that nothing has come back for."""
        self.subscriptions: set[tuple[str, str]] = set()
        self.indices: set[str] = set()
        """Codes of the indices among them."""
        self.cipher: notices.Cipher | None = None
        """Set while exec notices are subscribed."""


class _Frame:
    """A text on its way; ``recorded`` is free of secrets."""

    __slots__ = ("recorded", "sent", "socket", "text", "tr_id")

    def __init__(self, socket: ClientSocket, tr_id: str, text: str, recorded: str) -> None:
        self.socket = socket
        self.tr_id = tr_id
        self.text = text
        self.recorded = recorded
        self.sent = False

    @property
    def code(self) -> str:
        """The stock of a data frame, in its first record."""
        at = CODE_AT if self.tr_id in notices.NOTICE_TRS else 0
        columns = self.recorded.rpartition("|")[2].split("^", at + 1)
        return columns[at] if at < len(columns) else ""


class Streams:
    """All sockets of a host; answers what they say and turns happenings into their frames."""

    def __init__(
        self,
        market: Market,
        access: Access,
        keys: Credentials,
        persona: Persona,
        recorder: DayRecorder,
        faults: Faults,
    ) -> None:
        self.sockets: dict[int, ClientSocket] = {}
        self._market = market
        self._access = access
        self._keys = keys
        self._persona = persona
        self._recorder = recorder
        self._faults = faults
        self._holder: ClientSocket | None = None
        """The socket that holds the appkey."""
        self._held_until: Ns = 0
        """Until when a lost connection still holds the appkey."""
        self._out: list[Outgoing] = []
        self._late: list[tuple[Ns, int, _Frame]] = []
        self._behind: dict[tuple[int, Point], _Frame] = {}
        """Frames that wait for the next of their kind, by socket."""
        self._delayed = 0
        self._indices_told: Ns = 0
        """When the indices were last told."""

    def opened(self, sid: int, port: int | None) -> None:
        self.sockets[sid] = ClientSocket(sid, port)

    def closed(self, now: Ns, sid: int) -> None:
        """Subscriptions and keys die with the socket; the appkey may be held a while longer."""
        gone = self.sockets.pop(sid, None)
        if gone is not None and gone is self._holder:
            self._holder = None
            self._held_until = now + self._persona.lingers * SECOND

    def kill(self, now: Ns, socket: ClientSocket) -> None:
        """End a connection without a handshake; what was to be sent on it later is lost."""
        self._out.append(Outgoing(socket.sid, None))
        self.closed(now, socket.sid)

    def kill_holder(self, now: Ns) -> None:
        """End the connection that holds the appkey."""
        if self._holder is not None:
            self.kill(now, self._holder)

    def take_frames(self) -> list[Outgoing]:
        """The frames since the last call, in the order in which they are to be sent."""
        out, self._out = self._out, []
        return out

    # what a client says

    def receive(self, now: Ns, sid: int, text: str) -> None:
        """Answer a text frame of a client."""
        socket = self.sockets.get(sid)
        if socket is None:
            return
        try:
            request = control_frames.decode_request(text)
        except ApiError as e:
            self._recorder.request(now, "WS", "", "", {})
            self._acknowledge(now, socket, control_frames.ack(e.msg_cd, "", ""))
            return
        if isinstance(request, PingPong):
            socket.echoed, socket.unanswered = now, None
            return
        secret = request.tr_id in notices.NOTICE_TRS
        params = {"tr_type": request.tr_type, "tr_key": HIDDEN if secret else request.tr_key}
        self._recorder.request(now, "WS", "", request.tr_id, params)
        if (
            request.tr_id == self._persona.notice_tr
            and request.tr_key != self._keys.hts_id.reveal()
        ):
            self.kill(now, socket)
            return
        fault = self._faults.strike(
            now, ("request",), request.tr_id, "" if secret else request.tr_key
        )
        if fault is None:
            self._acknowledge(now, socket, self._answer(now, socket, request))
            return
        self._recorder.fault(now, fault)
        if fault.what == "kill":
            self.kill(now, socket)
        elif fault.what == "refuse":
            self._acknowledge(
                now, socket, control_frames.ack(fault.msg_cd, request.tr_id, request.tr_key)
            )

    def ping(self, now: Ns) -> None:
        """PINGPONG to everybody; who has left the last ones unanswered for too long is cut."""
        text = control_frames.encode_ping(now)
        within = self._persona.answer_ping_within
        for socket in list(self.sockets.values()):
            if (
                within is not None
                and socket.unanswered is not None
                and now - socket.unanswered >= within * SECOND
            ):
                self.kill(now, socket)
                continue
            socket.pinged = now
            if socket.unanswered is None:
                socket.unanswered = now
            self._send(now, socket, control_frames.PINGPONG, text)

    def _answer(self, now: Ns, socket: ClientSocket, request: SubscriptionRequest) -> Ack:
        tr_id, tr_key = request.tr_id, request.tr_key
        if not self._access.approves(now, request.approval_key, set_up=self._holder is socket):
            return control_frames.ack(control_frames.BAD_APPROVAL, tr_id, tr_key)
        if self._holder is not socket and (self._holder is not None or now < self._held_until):
            in_use = control_frames.ack(control_frames.APPKEY_IN_USE, "(null)", tr_key)
            return msgspec.structs.replace(in_use, rt_cd=self._persona.in_use_rt_cd)
        self._holder = socket
        if request.tr_type == control_frames.RELEASE:
            return self._release(socket, tr_id, tr_key)
        return self._subscribe(socket, tr_id, tr_key)

    def _subscribe(self, socket: ClientSocket, tr_id: str, tr_key: str) -> Ack:
        quoted = tr_id in QUOTED
        index = tr_id == INDEX_TR
        if tr_id != self._persona.notice_tr and not (
            (quoted or index) and self._persona.has_channel(tr_id)
        ):
            return control_frames.ack("OPSP8991", tr_id, tr_key)
        if (quoted and tr_key not in self._market.universe) or (index and tr_key not in INDICES):
            return control_frames.ack("OPSP8992", tr_id, tr_key)
        if (tr_id, tr_key) in socket.subscriptions:
            return control_frames.ack(control_frames.ALREADY, tr_id, tr_key)
        if len(socket.subscriptions) >= self._persona.registrations:
            return control_frames.ack(control_frames.TOO_MANY, tr_id, tr_key)
        socket.subscriptions.add((tr_id, tr_key))
        key, iv = secrets.token_hex(16), secrets.token_hex(8)
        ack = control_frames.ack(control_frames.SUBSCRIBED, tr_id, tr_key, key=key, iv=iv)
        if quoted:
            self._market.activate(tr_key)
            return ack
        if index:
            socket.indices.add(tr_key)
            return ack
        socket.cipher = notices.Cipher(key, iv)
        return msgspec.structs.replace(ack, encrypt=self._persona.notice_encrypt)

    def _release(self, socket: ClientSocket, tr_id: str, tr_key: str) -> Ack:
        if (tr_id, tr_key) not in socket.subscriptions:
            return control_frames.ack(control_frames.NOT_FOUND, tr_id, tr_key)
        socket.subscriptions.remove((tr_id, tr_key))
        if tr_id == INDEX_TR:
            socket.indices.remove(tr_key)
        if tr_id == self._persona.notice_tr:
            socket.cipher = None
        return control_frames.ack(control_frames.RELEASED, tr_id, tr_key)

    def _acknowledge(self, now: Ns, socket: ClientSocket, ack: Ack) -> None:
        secret = ack.tr_id in notices.NOTICE_TRS or ack.tr_key == self._keys.hts_id.reveal()
        tr_key = HIDDEN if secret else ack.tr_key
        safe = Ack(ack.tr_id, tr_key, ack.msg_cd, ack.msg1, ack.rt_cd, encrypt=ack.encrypt)
        # Recorded without TR: the frames of a TR in a recording are its data.
        self._send(now, socket, "", control_frames.encode_ack(ack), control_frames.encode_ack(safe))

    # what happens in the market

    def notice(self, now: Ns, notice: Notice, order: AccountOrder) -> None:
        """Push an exec notice to who subscribed to them."""
        socket = self._holder
        if socket is None or socket.cipher is None:
            return
        hides_kind = notice.kind == "filled" and self._persona.notice_limit_always
        kind = OrderKind.LIMIT if hides_kind else order.kind
        more = notices.NoticeMore(
            self._keys.hts_id.reveal(),
            self._keys.full_account,
            order.qty,
            order.price,
            kind,
            order.item.name,
            by_router=order.venue is Venue.SOR,
        )
        columns = notices.encode_notice(notice, more, self._persona.notice_layout)
        tr_id = self._persona.notice_tr
        text = frames.encode(tr_id, [[socket.cipher.encrypt("^".join(columns))]], encrypted=True)
        self._send(
            now,
            socket,
            tr_id,
            text,
            frames.encode(tr_id, [[HIDDEN, HIDDEN, *columns[2:]]], encrypted=True),
        )

    def trades(self, now: Ns, code: str, trades: list[Traded]) -> None:
        """Push the trades of one stock at one moment, in one frame of each channel, and then programs' part in them."""
        for socket, venue in self._followers(TRADE_TRS, code):
            quote, tr_id = self._market.quote(code, venue), TRADE_TRS[venue]
            tally = self._market.tally(code, venue)
            shown = [
                trade
                for trade in trades
                if venue in (trade.venue, Venue.SOR) and trade.segment != SINGLE_PRICE
            ]
            records = self._fitting(
                tr_id,
                [
                    trade_record(trade, quote, tally, self._market.stretch(trade.venue))
                    for trade in shown
                ],
            )
            for i in range(0, len(records), MOST_RECORDS):
                self._send(now, socket, tr_id, frames.encode(tr_id, records[i : i + MOST_RECORDS]))
        for trade in trades:
            if trade.segment == SINGLE_PRICE:
                self._overtime(now, code, OVERTIME_TRADE_TR, trade)
        for socket, venue in self._followers(PROGRAM_TRS, code):
            if venue is Venue.SOR or any(trade.venue is venue for trade in trades):
                record = program_record(self._market.facts.program(code, now), code, venue)
                self._send(
                    now, socket, PROGRAM_TRS[venue], frames.encode(PROGRAM_TRS[venue], [record])
                )

    def depth(self, now: Ns, code: str, changed: Collection[Venue]) -> None:
        """Push the books of one stock as they stand, and what a running call would match, of the ``changed`` venues."""
        for socket, venue in self._followers(EXPECTED_TRS, code):
            expected = self._expected(code, venue)
            if (venue in changed or venue is Venue.SOR) and expected is not None:
                tr_id = EXPECTED_TRS[venue]
                record = expected_record(
                    expected, self._market.quote(code, venue), self._stretch(venue)
                )
                self._send(now, socket, tr_id, frames.encode(tr_id, [record]))
        if Venue.KRX in changed and self._stretch(Venue.KRX) == SINGLE_PRICE:
            self._overtime(now, code, OVERTIME_EXPECTED_TR)
            self._overtime(now, code, OVERTIME_BOOK_TR)
        for socket, venue in self._followers(DEPTH_TRS, code):
            if venue in changed or venue is Venue.SOR:
                records = self._fitting(DEPTH_TRS[venue], [self._book_record(code, venue)])
                self._send(now, socket, DEPTH_TRS[venue], frames.encode(DEPTH_TRS[venue], records))

    def _overtime(self, now: Ns, code: str, tr_id: str, match: Traded | None = None) -> None:
        """Push a match of the single-price session after hours, or its book, or what that would match."""
        socket, market = self._holder, self._market
        if socket is None or (tr_id, code) not in socket.subscriptions:
            return
        session = overtime_of(market.trades(code), market.universe.get(code), market.day)
        told = match or self._expected(code, Venue.KRX)
        if told is None:
            return
        if tr_id == OVERTIME_BOOK_TR and isinstance(told, ExpectedMatch):
            record = overtime_book_record(market.depth(code), told, session)
        else:
            record = overtime_trade_record(told, market.universe.get(code), session)
        self._send(now, socket, tr_id, frames.encode(tr_id, [record]))

    def operation(
        self, now: Ns, said: TradingInterrupted | TradingResumed | SessionBegan | SessionEnded
    ) -> None:
        """Push a step of the sessions, or a halt or VI of one stock, to who follows the market's operation."""
        code = operation_code(said)
        socket = self._holder
        if socket is None or not code:
            return
        for tr_id, stock in sorted(socket.subscriptions):
            venue = VENUE_OF_TR.get(tr_id)
            if tr_id != OPERATION_TRS.get(venue or Venue.KRX) or venue not in (
                said.venue,
                Venue.SOR,
            ):
                continue
            if isinstance(said, TradingInterrupted | TradingResumed) and said.code != stock:
                continue
            if venue is not Venue.KRX and not self._market.universe.get(stock).nxt:
                continue
            listing = self._market.exchange.listing(stock, said.venue)
            halted = listing.state == "halted" or listing.item.halted
            vi = listing.state == "call" and listing.why.endswith("VI")
            reason = listing.why if halted else ""
            record = frames.encode_operation(
                MarketOperation(now, stock, venue, code, halted, reason, vi)
            )
            self._send(now, socket, tr_id, frames.encode(tr_id, [record]))

    def _expected(self, code: str, venue: Venue) -> ExpectedMatch | None:
        """What the call that runs at a venue would match; on the unified channel KRX's, else NXT's."""
        for at in (Venue.KRX, Venue.NXT) if venue is Venue.SOR else (venue,):
            if self._market.exchange.phase(code, at) is Phase.AUCTION:
                price, qty = self._market.exchange.listing(code, at).expected()
                asks, bids = self._market.exchange.depth(code, 1, at)
                ask, bid = asks[0][0] if asks else 0, bids[0][0] if bids else 0
                return ExpectedMatch(self._market.now, code, venue, price, qty, ask, bid)
        return None

    def _stretch(self, venue: Venue) -> str:
        return self._market.stretch(Venue.KRX if venue is Venue.SOR else venue)

    def _book_record(self, code: str, venue: Venue) -> list[str]:
        expected = self._expected(code, venue)
        middles = {
            name: self._market.exchange.listing(code, at).current.middle or 0
            for name, at in (("KMID_PRC", Venue.KRX), ("NMID_PRC", Venue.NXT))
            if venue is not Venue.KRX
        }
        return book_record(
            self._market.depth(code, venue),
            self._market.quote(code, venue),
            expected,
            self._stretch(venue),
            middles,
        )

    def _fitting(self, tr_id: str, rows: list[list[str]]) -> list[list[str]]:
        """Records with the columns that this host sends, whatever the day."""
        day = self._persona.columns_of
        if day is None:
            return rows
        width = len(columns(tr_id, day))
        return [row[:width] for row in rows]

    def _followers(
        self, channels: Mapping[Venue, str], code: str
    ) -> list[tuple[ClientSocket, Venue]]:
        """Who follows a stock, and on which venue's channel.

        Of a stock that NXT does not list its channel and the unified one carry nothing, as at KIS.
        """
        socket = self._holder
        if socket is None:
            return []
        venues = _VENUES if self._market.universe.get(code).nxt else _KRX_ALONE
        return [
            (socket, venue) for venue in venues if (channels[venue], code) in socket.subscriptions
        ]

    def _send(
        self, now: Ns, socket: ClientSocket, tr_id: str, text: str, recorded: str | None = None
    ) -> None:
        frame = _Frame(socket, tr_id, text, text if recorded is None else recorded)
        point = _point(tr_id)
        fault = (
            self._faults.strike(now, (point,), tr_id, frame.code) if self._faults.armed else None
        )
        match fault.what if fault is not None else "":
            case "drop":
                pass
            case "kill":
                self.kill(now, socket)
            case "delay":
                assert fault is not None
                self._later(now + round(fault.seconds * SECOND), frame)
            case "reorder":
                self._behind[socket.sid, point] = frame
                self._later(now + SECOND, frame)
                return
            case "duplicate":
                self._put(now, frame)
                self._put(now, _Frame(socket, tr_id, text, frame.recorded))
            case _:
                self._put(now, frame)
        if fault is not None:
            self._recorder.fault(now, fault)
        if waiting := self._behind.pop((socket.sid, point), None):
            self._put(now, waiting)

    def _put(self, now: Ns, frame: _Frame) -> None:
        """Hand a frame to its socket, once, if that still lives."""
        if frame.sent or frame.socket.sid not in self.sockets:
            return
        frame.sent = True
        frame.socket.frames += 1
        self._out.append(Outgoing(frame.socket.sid, frame.text))
        self._recorder.frame(now, frame.tr_id, frame.recorded)

    def _later(self, due: Ns, frame: _Frame) -> None:
        self._delayed += 1
        heapq.heappush(self._late, (due, self._delayed, frame))

    def next_due(self) -> Ns | None:
        """When the next delayed frame leaves, or the next one of an index."""
        dues = (self._late[0][0] if self._late else None, self._next_index())
        return min((due for due in dues if due is not None), default=None)

    def release(self, now: Ns) -> None:
        """Send the frames whose delay is over, and those of the indices."""
        while self._late and self._late[0][0] <= now:
            self._put(now, heapq.heappop(self._late)[2])
        due = self._next_index()
        if due is not None and due <= now:
            self._indices_told = now
            self._tell_indices(now)

    def _next_index(self) -> Ns | None:
        """The next whole second of the regular session; None when nobody follows an index."""
        if self._holder is None or not self._holder.indices:
            return None
        day, since = self._market.day, max(self._indices_told, self._market.now - INDEX_EVERY)
        due = max(since // INDEX_EVERY * INDEX_EVERY + INDEX_EVERY, sessions.regular_open(day))
        return due if due <= sessions.regular_close(day) else None

    def _tell_indices(self, now: Ns) -> None:
        socket = self._holder
        if socket is None:
            return
        for code in sorted(socket.indices):
            point, before = (
                self._market.facts.index(INDICES[code], t) for t in (now, now - INDEX_EVERY)
            )
            self._send(
                now, socket, INDEX_TR, frames.encode(INDEX_TR, [index_record(point, before, code)])
            )


def _point(tr_id: str) -> Point:
    """What a fault calls this frame."""
    if tr_id in notices.NOTICE_TRS:
        return "notice"
    return "ping" if tr_id == control_frames.PINGPONG else "frame" if tr_id else "ack"
