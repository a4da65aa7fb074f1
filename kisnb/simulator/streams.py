"""The WebSocket side of the host: sockets, subscriptions, and the frames of what happens in the market.

One connection per appkey: the first socket that subscribes holds it until it closes. Every frame, whatever it carries,
leaves through ``_send``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from kisnb.clock import Ns
from kisnb.errors import ApiError
from kisnb.events import Notice, Tick
from kisnb.exchange.happenings import Traded
from kisnb.kis import control_frames, frames, notices
from kisnb.kis.channels import BOOK_TRS, BOOKS_OF, TRADE_TRS, TRADES_OF
from kisnb.kis.control_frames import Ack, Ping, Request
from kisnb.kis.credentials import Credentials
from kisnb.kis.masking import HIDDEN
from kisnb.kis.quote_messages import change_sign
from kisnb.simulator.access import Access
from kisnb.simulator.account import AccountOrder
from kisnb.simulator.faults import Faults
from kisnb.simulator.market import Market
from kisnb.simulator.personas import Persona
from kisnb.simulator.record import Recorder
from kisnb.terms import Venue

QUOTED = TRADES_OF.keys() | BOOKS_OF.keys()
"""Channels by stock; a persona's exec notices come besides."""
MOST_RECORDS = 999
"""The count of a data frame has three digits."""


class Outgoing(NamedTuple):
    """A text frame for a socket; None cuts the connection without a handshake, as KIS does."""

    sid: int
    text: str | None


class Socket:
    """One connection; ``port`` is the TCP port of the client's end."""

    __slots__ = ("cipher", "echoed", "frames", "pinged", "port", "sid", "subscriptions")

    def __init__(self, sid: int, port: int | None) -> None:
        self.sid = sid
        self.port = port
        self.frames = 0
        """Text frames sent."""
        self.pinged: Ns | None = None
        self.echoed: Ns | None = None
        """When the last PINGPONG was sent, and when one last came back."""
        self.subscriptions: set[tuple[str, str]] = set()
        self.cipher: notices.Cipher | None = None
        """Set while exec notices are subscribed."""


class Streams:
    """All sockets of a host; answers what they say and turns happenings into their frames."""

    def __init__(
        self, market: Market, access: Access, keys: Credentials, persona: Persona, recorder: Recorder, faults: Faults
    ) -> None:
        self.sockets: dict[int, Socket] = {}
        self._market = market
        self._access = access
        self._keys = keys
        self._persona = persona
        self._recorder = recorder
        self._faults = faults
        self._holder: Socket | None = None
        """The socket that holds the appkey."""
        self._out: list[Outgoing] = []

    def opened(self, sid: int, port: int | None) -> None:
        self.sockets[sid] = Socket(sid, port)

    def closed(self, sid: int) -> None:
        """Subscriptions and keys die with the socket."""
        gone = self.sockets.pop(sid, None)
        if gone is self._holder:
            self._holder = None

    def taken(self) -> list[Outgoing]:
        """The frames since the last call, in the order in which they are to be sent."""
        out, self._out = self._out, []
        return out

    # what a client says

    def said(self, now: Ns, sid: int, text: str) -> None:
        """Answer a text frame of a client."""
        socket = self.sockets[sid]
        try:
            request = control_frames.decode_request(text)
        except ApiError as e:
            self._recorder.request(now, "WS", "", "", {})
            self._acknowledge(now, socket, control_frames.ack(e.msg_cd, "", ""))
            return
        if isinstance(request, Ping):
            socket.echoed = now
            return
        secret = request.tr_id in notices.NOTICE_TRS
        params = {"tr_type": request.tr_type, "tr_key": HIDDEN if secret else request.tr_key}
        self._recorder.request(now, "WS", "", request.tr_id, params)
        if request.tr_id == self._persona.notice_tr and request.tr_key != self._keys.hts_id.reveal():
            self._out.append(Outgoing(sid, None))
            return
        fault = self._faults.of_request()
        if fault is None:
            return
        refusal = control_frames.ack(fault, request.tr_id, request.tr_key) if fault else None
        self._acknowledge(now, socket, refusal or self._answer(socket, request))

    def ping(self, now: Ns) -> None:
        """PINGPONG to everybody."""
        text = control_frames.encode_ping(now)
        for socket in self.sockets.values():
            socket.pinged = now
            self._send(now, socket, control_frames.PINGPONG, text)

    def _answer(self, socket: Socket, request: Request) -> Ack:
        tr_id, tr_key = request.tr_id, request.tr_key
        if not self._access.approves(request.approval_key):
            return control_frames.ack(control_frames.BAD_APPROVAL, tr_id, tr_key)
        if self._holder is not None and self._holder is not socket:
            return control_frames.ack(control_frames.APPKEY_IN_USE, "(null)", tr_key)
        self._holder = socket
        if request.tr_type == control_frames.RELEASE:
            return self._release(socket, tr_id, tr_key)
        return self._subscribe(socket, tr_id, tr_key)

    def _subscribe(self, socket: Socket, tr_id: str, tr_key: str) -> Ack:
        quoted = tr_id in QUOTED
        if not quoted and tr_id != self._persona.notice_tr:
            return control_frames.ack("OPSP8991", tr_id, tr_key)
        if quoted and tr_key not in self._market.universe:
            return control_frames.ack("OPSP8992", tr_id, tr_key)
        if (tr_id, tr_key) in socket.subscriptions:
            return control_frames.ack(control_frames.ALREADY, tr_id, tr_key)
        if len(socket.subscriptions) >= control_frames.MAX_SUBSCRIPTIONS:
            return control_frames.ack(control_frames.TOO_MANY, tr_id, tr_key)
        socket.subscriptions.add((tr_id, tr_key))
        key, iv = secrets.token_hex(16), secrets.token_hex(8)
        if quoted:
            self._market.activate(tr_key)
        else:
            socket.cipher = notices.Cipher(key, iv)
        return control_frames.ack(control_frames.SUBSCRIBED, tr_id, tr_key, key=key, iv=iv)

    def _release(self, socket: Socket, tr_id: str, tr_key: str) -> Ack:
        if (tr_id, tr_key) not in socket.subscriptions:
            return control_frames.ack(control_frames.NOT_FOUND, tr_id, tr_key)
        socket.subscriptions.remove((tr_id, tr_key))
        if tr_id == self._persona.notice_tr:
            socket.cipher = None
        return control_frames.ack(control_frames.RELEASED, tr_id, tr_key)

    def _acknowledge(self, now: Ns, socket: Socket, ack: Ack) -> None:
        secret = ack.tr_id in notices.NOTICE_TRS or ack.tr_key == self._keys.hts_id.reveal()
        safe = Ack(ack.tr_id, HIDDEN if secret else ack.tr_key, ack.msg_cd, ack.msg1, ack.rt_cd)
        # Recorded without TR: the frames of a TR in a recording are its data.
        self._send(now, socket, "", control_frames.encode_ack(ack), control_frames.encode_ack(safe))

    # what happens in the market

    def notice(self, now: Ns, notice: Notice, order: AccountOrder) -> None:
        """Push an exec notice to who subscribed to them."""
        socket = self._holder
        if socket is None or socket.cipher is None:
            return
        more = notices.NoticeMore(
            self._keys.hts_id.reveal(), self._keys.full_account, order.qty, order.price, order.kind, order.item.name
        )
        columns = notices.encode_notice(notice, more)
        tr_id = self._persona.notice_tr
        text = frames.encode(tr_id, [[socket.cipher.encrypt("^".join(columns))]], encrypted=True)
        self._send(now, socket, tr_id, text, frames.encode(tr_id, [[HIDDEN, HIDDEN, *columns[2:]]], encrypted=True))

    def trades(self, now: Ns, code: str, trades: list[Traded]) -> None:
        """Push the trades of one stock at one moment, in one frame of each channel that follows it."""
        for socket, venue in self._followers(TRADE_TRS, code):
            quote, tr_id = self._market.quote(code), TRADE_TRS[venue]
            records = [_tick_record(trade, venue, quote.base, quote.upper, quote.lower) for trade in trades]
            for i in range(0, len(records), MOST_RECORDS):
                self._send(now, socket, tr_id, frames.encode(tr_id, records[i : i + MOST_RECORDS]))

    def depth(self, now: Ns, code: str) -> None:
        """Push the book of one stock as it stands."""
        for socket, venue in self._followers(BOOK_TRS, code):
            more = {"ACML_VOL": self._market.exchange.tally(code).volume}
            book = msgspec.structs.replace(self._market.depth(code), venue=venue)
            self._send(now, socket, BOOK_TRS[venue], frames.encode(BOOK_TRS[venue], [frames.encode_depth(book, more)]))

    def _followers(self, channels: Mapping[Venue, str], code: str) -> list[tuple[Socket, Venue]]:
        """Who follows a stock, and on which venue's channel.

        KRX alone trades here, so that the unified channel carries the same; of a stock that NXT does not list it
        carries nothing, as at KIS.
        """
        socket = self._holder
        if socket is None:
            return []
        venues = (Venue.KRX, Venue.SOR) if self._market.universe.get(code).nxt else (Venue.KRX,)
        return [(socket, venue) for venue in venues if (channels[venue], code) in socket.subscriptions]

    def _send(self, now: Ns, socket: Socket, tr_id: str, text: str, recorded: str | None = None) -> None:
        socket.frames += 1
        self._out.append(Outgoing(socket.sid, text))
        self._recorder.frame(now, tr_id, text if recorded is None else recorded)


def by_stock(trades: Iterable[Traded]) -> dict[str, list[Traded]]:
    """Trades by code, in the order in which each code first traded."""
    grouped: dict[str, list[Traded]] = {}
    for trade in trades:
        grouped.setdefault(trade.code, []).append(trade)
    return grouped


def _tick_record(trade: Traded, venue: Venue, base: int, upper: int, lower: int) -> list[str]:
    tick = Tick(
        trade.t,
        trade.code,
        venue,
        trade.price,
        trade.qty,
        trade.taker,
        trade.volume,
        trade.value,
        trade.ask,
        trade.bid,
    )
    change = trade.price - base
    return frames.encode_tick(
        tick,
        {
            "PRDY_VRSS": change,
            "PRDY_VRSS_SIGN": change_sign(trade.price, base, upper, lower),
            "PRDY_CTRT": f"{change / base * 100:.2f}",
            "WGHN_AVRG_STCK_PRC": f"{trade.value / trade.volume:.2f}",
            "STCK_OPRC": trade.open,
            "STCK_HGPR": trade.high,
            "STCK_LWPR": trade.low,
        },
    )
