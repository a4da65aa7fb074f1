"""The simulated KIS host without input or output: requests and time in, replies and frames out.

The server process calls it with requests, socket texts and time, and sends the replies and frames.
Everything is deterministic except the made-up keys and tokens, which no recording shows. The same
seed and the same requests at the same simulated times give the same recording, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kisnb.clock import SECOND, Ns
from kisnb.kis.credentials import Credentials
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.access import Access, GatewayRefusal
from kisnb.simulator.host.account.account import SimulatedAccount
from kisnb.simulator.host.account.brokerage import Brokerage, PlacedNumber
from kisnb.simulator.host.by_hand import ByHand
from kisnb.simulator.host.faults import REWRITING, Fault, Faults
from kisnb.simulator.host.gateway import Gateway, JsonReply, RestCall, refusal_body
from kisnb.simulator.host.market_tape import MarketTape
from kisnb.simulator.host.personas import LIVE, Persona
from kisnb.simulator.host.publisher import Publisher
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.host.rewriting import rewritten
from kisnb.simulator.host.streams.sockets import ClientSocket, Outgoing
from kisnb.simulator.host.streams.streams import Streams
from kisnb.simulator.replies.master_archives import master_archive

PING_EVERY: Ns = 10 * SECOND
"""Simulated time between two PINGPONGs. KIS does not document its own interval."""
INSTEAD = frozenset({"refuse", "error", "cut"})
"""Faults that replace a reply."""
JSON = "application/json; charset=utf-8"
BAD_GATEWAY = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
STOCK_FIELDS = ("PDNO", "FID_INPUT_ISCD")
"""Parameters in which calls name their stock."""


class ServedReply(msgspec.Struct, frozen=True):
    """An HTTP reply, and the frames that follow it."""

    status: int
    headers: dict[str, str]
    body: bytes
    frames: list[Outgoing]
    lost: bool = False
    """True when the connection ends before the reply. The call may have been carried out."""
    delay: Ns = 0
    """Wall time by which the process delays the reply. The frames are sent before."""


class Core:
    """The simulated KIS: one host with one customer on one day of a market."""

    def __init__(
        self,
        market: Market,
        keys: Credentials,
        *,
        persona: Persona = LIVE,
        account: SimulatedAccount | None = None,
        recorder: DayRecorder | None = None,
        faults: Faults | None = None,
        tape: MarketTape | None = None,
    ) -> None:
        self.persona = persona
        self.account = account or SimulatedAccount(market.day)
        self.free_running = False
        """True while simulated time runs without steps.

        Then the host sends PINGPONG and limits approval keys to one a second. In lockstep a
        PINGPONG would only stop the clock, and no time passes between two calls of a client.
        """
        self._market = market
        self._recorder = recorder or DayRecorder()
        # A recording shows no secret, in whatever text it appears.
        for secret in (keys.appkey, keys.appsecret, keys.account, keys.hts_id):
            self._recorder.mask.keep(secret.reveal())
        self.faults = faults or Faults(market.day)
        self._access = Access(keys, persona, market.day)
        self._brokerage = Brokerage(market, self.account, persona)
        self._streams = Streams(market, self._access, keys, persona, self._recorder, self.faults)
        self._publisher = Publisher(market, self._brokerage, self._streams, self._recorder, tape)
        self._gateway = Gateway(
            market, keys, persona, self._access, self._brokerage, self._streams, self._recorder
        )
        self.by_hand = ByHand(market, self._brokerage, self._access, self._streams, self._publisher)
        """A person's actions beside the API."""
        self._next_ping = market.now + PING_EVERY

    # time

    @property
    def now(self) -> Ns:
        """The simulated moment, in UTC nanoseconds."""
        return self._market.now

    @property
    def closed(self) -> bool:
        """True when trading on this day is over."""
        return self._market.next_event() is None

    def next_event(self) -> Ns | None:
        """Return the moment of the next event that needs no request. None: no event is left."""
        # Without a socket a PINGPONG would only wake the process.
        ping = self._next_ping if self.free_running and self._streams.sockets.open else None
        first = self._market.next_event()
        # This is called before and after every event, so no list of the other moments is made.
        for due in (
            self._gateway.reservations.due(),
            ping,
            self._streams.next_due(),
            self.faults.due(),
        ):
            if due is not None and (first is None or due < first):
                first = due
        return first

    def advance(self, until: Ns) -> list[Outgoing]:
        """Run all events up to ``until`` and return the frames.

        If ``until`` is in the past, nothing changes.
        """
        while (t := self.next_event()) is not None and t <= until:
            self._run(t)
        if until > self.now:
            self._market.advance(until)
        return self._streams.sockets.drain_frames()

    def step(self, until: Ns) -> list[Outgoing]:
        """Move to the next event that sends a frame, but not past ``until``; return its frames."""
        while (t := self.next_event()) is not None and t <= until:
            self._run(t)
            if out := self._streams.sockets.drain_frames():
                return out
        if until > self.now:
            self._market.advance(until)
        return []

    def _run(self, t: Ns) -> None:
        t = max(t, self.now)
        self._publisher.publish(self._market.advance(t))
        reserved = self._gateway.reservations.due()
        if reserved is not None and reserved <= t:
            for order in self._gateway.reservations.send():
                self._publisher.publish(order.happenings)
        self._streams.release(t)
        # Frames of a moment are sent before a fault of the same moment ends the socket.
        for fault in self.faults.timed(t):
            self._strike(t, fault)
        if self.free_running and t >= self._next_ping:
            self._streams.requests.ping(t)
        # PINGPONGs come at whole tens of seconds, so that their times do not depend on the
        # requests.
        self._next_ping = max(self._next_ping, t // PING_EVERY * PING_EVERY + PING_EVERY)

    def _strike(self, now: Ns, fault: Fault) -> None:
        """Record a fault, and apply it to the tokens or to all sockets."""
        self._recorder.fault(now, fault)
        match fault.what:
            case "expire":
                self._access.expire_tokens(now)
            case "revoke":
                self._access.revoke_tokens()
            case "kill":
                for socket in self.sockets:
                    self._streams.sockets.kill(now, socket)

    # sockets and tokens

    @property
    def sockets(self) -> list[ClientSocket]:
        """The open connections, oldest first."""
        return list(self._streams.sockets.open.values())

    def socket_opened(self, now: Ns, sid: int, port: int | None = None) -> list[Outgoing]:
        """Add the connection of a client, and return the frames that are due up to ``now``.

        ``sid`` is the number that the server process gave the connection. ``port`` is the client's
        TCP port.
        """
        out = self.advance(now)
        self._streams.sockets.add(sid, port)
        return out

    def socket_text(self, now: Ns, sid: int, text: str) -> list[Outgoing]:
        """Handle a text frame of a client. Return the frames that are due, then the reply."""
        out = self.advance(now)
        self._streams.requests.receive(self.now, sid, text)
        return out + self._streams.sockets.drain_frames()

    def socket_closed(self, now: Ns, sid: int) -> list[Outgoing]:
        """Remove a connection that has ended, and return the frames that are due up to ``now``."""
        out = self.advance(now)
        self._streams.sockets.remove(self.now, sid)
        return out

    @property
    def tokens(self) -> Mapping[str, Ns]:
        """The end of each access token."""
        return self._access.tokens

    def print_tokens_ahead(self, wall: Ns) -> None:
        """Print later ends of tokens if the wall clock is ahead of simulated time.

        ``wall`` is the wall clock's moment. Clients compare a token's printed end with the wall
        clock, so the end is moved by the difference.
        """
        self._access.wall_ahead = max(0, wall - self.now)

    # REST

    def request(
        self,
        now: Ns,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        body: bytes,
    ) -> ServedReply:
        """Answer one HTTP request. Names of ``headers`` are in lower case."""
        out = self.advance(now)
        call = _read(method, path, headers, query, body)
        number = self._recorder.request(self.now, method, call.path, call.tr_id, call.given)
        fault = self.faults.strike(
            self.now, self._gateway.points(call), call.tr_id, _stock_of(call.given)
        )
        what = fault.what if fault is not None else ""
        placed: list[PlacedNumber] = []
        reply = JsonReply({})
        if fault is not None:
            # A fault on the tokens or sockets takes effect before the call is carried out.
            self._strike(self.now, fault)
        self._brokerage.exchange_refuses = what == "reject"
        # With ``done`` the call is carried out and only the reply is replaced. Then there is an
        # order that the client does not know.
        if fault is None or fault.done or what not in INSTEAD:
            reply = self._gateway.reply(call, placed, paced=self.free_running)
        if fault is not None and what in INSTEAD:
            reply = self._gateway.failed(fault, oauth=call.oauth)
        if fault is not None and what in REWRITING:
            reply = JsonReply(rewritten(fault, reply.body), reply.status, reply.tr_cont)
        # A reply that never arrives is not recorded, because no client has received it.
        if what != "cut":
            self._recorder.reply(self.now, number, reply.status, reply.tr_cont, reply.body)
        # The recording has the reply of a call before its notices. It is so on the network too,
        # unless a fault delays the reply.
        for order in placed:
            self._publisher.publish(order.happenings)
        # Capitals as KIS sends them: its own samples make an attribute of every header in lower
        # case.
        reply_headers = {
            "Content-Type": "text/html" if what == "error" else JSON,
            "tr_id": call.tr_id if call.tr_id.isascii() else "",
            "tr_cont": reply.tr_cont,
            "gt_uid": f"{number:032d}",
        }
        text = BAD_GATEWAY if what == "error" else msgspec.json.encode(reply.body)
        delay = round(fault.seconds * SECOND) if fault is not None and what == "slow" else 0
        return ServedReply(
            reply.status,
            reply_headers,
            text,
            out + self._streams.sockets.drain_frames(),
            lost=what == "cut",
            delay=delay,
        )

    def master_archive(self, path: str) -> bytes | None:
        """Return an archive of a master file; None when KIS has none at ``path``."""
        return master_archive(self._market.universe, path)

    def unreadable(self, now: Ns) -> ServedReply:
        """Answer a request that is too large, is incomplete, or cannot be decompressed."""
        out = self.advance(now)
        return self._refused(GatewayRefusal("EGW00101", 400), out)

    def failed(self) -> ServedReply:
        """Answer a call in which the host itself has failed.

        The call's order may exist all the same.
        """
        return self._refused(GatewayRefusal("IGW00009"), [])

    def _refused(self, refusal: GatewayRefusal, out: list[Outgoing]) -> ServedReply:
        body = self.persona.word(refusal_body(refusal))
        return ServedReply(
            refusal.status,
            {"Content-Type": JSON},
            msgspec.json.encode(body),
            out + self._streams.sockets.drain_frames(),
        )


def _read(
    method: str,
    path: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
) -> RestCall:
    # Some clients join addresses and paths with one slash too many.
    path = "/" + path.lstrip("/")
    if method == "GET":
        return RestCall(method, path, headers, query)
    try:
        given = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return RestCall(method, path, headers, {}, readable=False)
    return RestCall(method, path, headers, given)


def _stock_of(given: Mapping[str, object]) -> str:
    return next((str(given[name]) for name in STOCK_FIELDS if name in given), "")
