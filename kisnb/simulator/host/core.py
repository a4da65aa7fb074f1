"""The simulated KIS host without I/O: requests and socket texts in, replies and frames out, time passed in.

Everything is deterministic but the made-up keys and tokens, which no recording shows: the same seed and the same
requests at the same simulated times give the same recording, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kisnb.clock import SECOND, Ns
from kisnb.errors import ApiError
from kisnb.exchange.halts import Level
from kisnb.exchange.happenings import (
    DepthChanged,
    Happening,
    SessionBegan,
    SessionEnded,
    Traded,
    TradingInterrupted,
    TradingResumed,
)
from kisnb.kis import catalogue
from kisnb.kis.calls.messages import decode_params, encode_error, encode_reply
from kisnb.kis.catalogue import OAUTH, Api
from kisnb.kis.credentials import Credentials
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.access import Access, GatewayRefusal, Sort
from kisnb.simulator.host.account import AccountRejected, SimulatedAccount
from kisnb.simulator.host.brokerage import Brokerage, PlacedNumber
from kisnb.simulator.host.faults import Fault, Faults, Point
from kisnb.simulator.host.personas import LIVE, OLD_TRS, Persona
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.host.repliers import order_repliers, repliers
from kisnb.simulator.host.streams import ClientSocket, Outgoing, Streams
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import Params
from kisnb.terms import Board, Mode, OrderKind, Side, Venue

PING_EVERY: Ns = 10 * SECOND
INSTEAD = frozenset({"refuse", "error", "cut"})
"""Faults that take the place of an answer."""
JSON = "application/json; charset=utf-8"
ACCOUNT_PATHS = "/uapi/domestic-stock/v1/trading/"
"""Calls of the ledger; all others are quotations."""
HASHKEY = ("POST", "/uapi/hashkey")
"""Digests a body; no call needs it, and older clients ask for it before each order."""
BAD_GATEWAY = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
STOCK_FIELDS = ("PDNO", "FID_INPUT_ISCD")
"""Where a call names its stock."""


class ServedReply(msgspec.Struct, frozen=True):
    """An HTTP reply, and the frames that follow it."""

    status: int
    headers: dict[str, str]
    body: bytes
    frames: list[Outgoing]
    lost: bool = False
    """It never reaches the client: the connection ends instead, whether or not the call was carried out."""
    delay: Ns = 0
    """Wall time for which it is held back; the frames go ahead."""


class JsonAnswer(msgspec.Struct, frozen=True):
    """The JSON of a reply before it is sent."""

    body: Mapping[str, object]
    status: int = 200
    tr_cont: str = ""


class Core:
    """One host, one customer, one day of a market."""

    def __init__(
        self,
        market: Market,
        keys: Credentials,
        *,
        persona: Persona = LIVE,
        account: SimulatedAccount | None = None,
        recorder: DayRecorder | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.persona = persona
        self.account = account or SimulatedAccount(market.day)
        self.free_running = False
        """PINGPONG every ten simulated seconds, one approval key a second; off in lockstep, where pings would only stop
        the clock, and no time passes between what clients do."""
        self._market = market
        self._keys = keys
        self._recorder = recorder or DayRecorder()
        for secret in (keys.appkey, keys.appsecret, keys.account, keys.hts_id):
            self._recorder.mask.keep(secret.reveal())
        self.faults = faults or Faults(market.day)
        self._access = Access(keys, persona, market.day)
        self._brokerage = Brokerage(market, self.account, persona)
        self._orders = order_repliers(self._brokerage)
        self._answers, self._pages = repliers(MarketView(market), self._brokerage, persona)
        self._streams = Streams(market, self._access, keys, persona, self._recorder, self.faults)
        self._next_ping = market.now + PING_EVERY

    # time

    @property
    def now(self) -> Ns:
        return self._market.now

    @property
    def sockets(self) -> list[ClientSocket]:
        return list(self._streams.sockets.values())

    @property
    def closed(self) -> bool:
        """Nothing trades any more on this day."""
        return self._market.next_event() is None

    def next_event(self) -> Ns | None:
        """When something happens next of itself; None after the day's last event."""
        ping = self._next_ping if self.free_running and self._streams.sockets else None
        dues = (self._market.next_event(), ping, self._streams.next_due(), self.faults.due())
        return min((due for due in dues if due is not None), default=None)

    def advance(self, until: Ns) -> list[Outgoing]:
        """Run everything up to ``until``; a moment that has passed already changes nothing."""
        while (t := self.next_event()) is not None and t <= until:
            self._run(t)
        if until > self.now:
            self._market.advance(until)
        return self._streams.take_frames()

    def step(self, until: Ns) -> list[Outgoing]:
        """Move to the earliest of ``until`` and the next event that sends a frame."""
        while (t := self.next_event()) is not None and t <= until:
            self._run(t)
            if out := self._streams.take_frames():
                return out
        if until > self.now:
            self._market.advance(until)
        return []

    def _run(self, t: Ns) -> None:
        t = max(t, self.now)
        self._push(self._market.advance(t))
        self._streams.release(t)
        for fault in self.faults.timed(t):
            self._strike(t, fault)
        if self.free_running and t >= self._next_ping:
            self._streams.ping(t)
        self._next_ping = max(self._next_ping, t // PING_EVERY * PING_EVERY + PING_EVERY)

    def _push(self, happenings: list[Happening]) -> None:
        """Frames of one moment: notices of own orders first, then trades, then the market's operation, then depth."""
        now = self.now
        traded: dict[str, list[Traded]] = {}
        steps: list[TradingInterrupted | TradingResumed | SessionBegan | SessionEnded] = []
        changed: dict[str, list[Venue]] = {}
        for happening in happenings:
            if isinstance(happening, DepthChanged):
                changed.setdefault(happening.code, []).append(happening.venue)
            elif isinstance(happening, Traded):
                traded.setdefault(happening.code, []).append(happening)
            elif isinstance(
                happening, TradingInterrupted | TradingResumed | SessionBegan | SessionEnded
            ):
                steps.append(happening)
            elif (told := self._brokerage.apply(happening)) is not None:
                self._recorder.order(now, told.order)
                if told.notice is not None:
                    self._streams.notice(now, told.notice, told.order)
        for code, trades in traded.items():
            self._streams.trades(now, code, trades)
        for step in steps:
            self._streams.operation(now, step)
        for code, venues in changed.items():
            self._streams.depth(now, code, venues)

    # sockets

    def socket_opened(self, now: Ns, sid: int, port: int | None = None) -> list[Outgoing]:
        out = self.advance(now)
        self._streams.opened(sid, port)
        return out

    def socket_text(self, now: Ns, sid: int, text: str) -> list[Outgoing]:
        out = self.advance(now)
        self._streams.receive(self.now, sid, text)
        return out + self._streams.take_frames()

    def socket_closed(self, now: Ns, sid: int) -> list[Outgoing]:
        out = self.advance(now)
        self._streams.closed(self.now, sid)
        return out

    def cut(self, port: int | None = None) -> list[Outgoing]:
        """End the connection from this port of the client, or all, without a handshake."""
        for socket in self.sockets:
            if port in (None, socket.port):
                self._streams.kill(self.now, socket)
        return self._streams.take_frames()

    def expire_tokens(self) -> int:
        """End all access tokens now; how many there were."""
        return self._access.expire_tokens(self.now)

    def revoke_tokens(self) -> int:
        """Forget all access tokens now; how many there were."""
        return self._access.revoke_tokens()

    def print_tokens_ahead(self, wall: Ns) -> None:
        """Print the ends of tokens as if the day were that of the clock on the wall, when that is the later one."""
        self._access.wall_ahead = max(0, wall - self.now)

    @property
    def tokens(self) -> Mapping[str, Ns]:
        """When each access token ends."""
        return self._access.tokens

    def _strike(self, now: Ns, fault: Fault) -> None:
        """What a fault does beside what it does to the thing that it strikes."""
        self._recorder.fault(now, fault)
        match fault.what:
            case "expire":
                self.expire_tokens()
            case "revoke":
                self.revoke_tokens()
            case "kill":
                for socket in self.sockets:
                    self._streams.kill(now, socket)

    # trading by hand, as from the phone app

    def trade(
        self, code: str, side: Side, qty: int, price: int | None, venue: Venue = Venue.KRX
    ) -> tuple[int, list[Outgoing]]:
        """An order on the same account, a market order without a price. Raises Rejected."""
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        placed = self._brokerage.place(code, side, kind, qty, price or 0, venue)
        self._push(placed.said)
        return placed.number, self._streams.take_frames()

    def cancel(self, number: int, qty: int | None = None) -> tuple[int, list[Outgoing]]:
        """Raises Rejected."""
        placed = self._brokerage.cancel(number, qty)
        self._push(placed.said)
        return placed.number, self._streams.take_frames()

    # interruptions by hand

    def halt(self, code: str) -> list[Outgoing]:
        """Stop a stock on both venues. Raises UnknownInstrument."""
        self._push(self._market.halt(code))
        return self._streams.take_frames()

    def resume(self, code: str) -> list[Outgoing]:
        """End a halt, by a call auction. Raises UnknownInstrument."""
        self._push(self._market.resume_trading(code))
        return self._streams.take_frames()

    def break_circuit(self, board: Board, level: Level) -> list[Outgoing]:
        """Set off a board's circuit breaker."""
        self._push(self._market.break_circuit(board, level))
        return self._streams.take_frames()

    def refusal_text(self, rejected: AccountRejected) -> str:
        """The host's words for a refused order."""
        return self._brokerage.refusal(rejected).msg1

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
        """Answer one HTTP request; header names in lower case."""
        out = self.advance(now)
        path = "/" + path.lstrip("/")  # clients join addresses and paths with one slash too many
        tr_id = headers.get("tr_id", "")
        given, readable = (query, True) if method == "GET" else _object(body)
        number = self._recorder.request(self.now, method, path, tr_id, given)
        fault = self.faults.strike(
            self.now, self._points(method, path, tr_id), tr_id, _stock_of(given)
        )
        what = fault.what if fault is not None else ""
        placed: list[PlacedNumber] = []
        answer = JsonAnswer({})
        if fault is not None:
            self._strike(self.now, fault)
        self._brokerage.exchange_refuses = what == "reject"
        if fault is None or fault.done or what not in INSTEAD:
            answer = self._answered(method, path, headers, given, readable, placed)
        if fault is not None and what in INSTEAD:
            answer = self._failed(fault, oauth=path.startswith(OAUTH))
        if what != "cut":
            self._recorder.reply(self.now, number, answer.status, answer.tr_cont, answer.body)
        for order in placed:
            self._push(order.said)
        # Capitals as KIS sends them: its own samples turn every header in lower case into an attribute.
        said = {
            "Content-Type": "text/html" if what == "error" else JSON,
            "tr_id": tr_id if tr_id.isascii() else "",
            "tr_cont": answer.tr_cont,
            "gt_uid": f"{number:032d}",
        }
        text = BAD_GATEWAY if what == "error" else msgspec.json.encode(answer.body)
        delay = round(fault.seconds * SECOND) if fault is not None and what == "slow" else 0
        return ServedReply(
            answer.status,
            said,
            text,
            out + self._streams.take_frames(),
            lost=what == "cut",
            delay=delay,
        )

    def unreadable(self, now: Ns) -> ServedReply:
        """The answer to a request that is too large, broken off or badly packed."""
        out = self.advance(now)
        return self._gateway(GatewayRefusal("EGW00101", 400), out)

    def failed(self) -> ServedReply:
        """The answer when the host itself has failed; the order of a call that got it may live."""
        return self._gateway(GatewayRefusal("IGW00009"), [])

    def _gateway(self, refusal: GatewayRefusal, out: list[Outgoing]) -> ServedReply:
        body = self.persona.word(_gateway_body(refusal))
        return ServedReply(
            refusal.status,
            {"Content-Type": JSON},
            msgspec.json.encode(body),
            out + self._streams.take_frames(),
        )

    def _points(self, method: str, path: str, tr_id: str) -> tuple[Point, ...]:
        """What a fault may call this request."""
        if path.startswith(OAUTH):
            return ("oauth",)
        api = self._known(method, path, tr_id)
        return ("call", "order" if api is not None and api.is_order else "read")

    def _failed(self, fault: Fault, *, oauth: bool) -> JsonAnswer:
        """The answer of a call that a fault struck down; no body is that of a lost or unreadable one."""
        if fault.what != "refuse":
            return JsonAnswer({}, fault.status or 502)
        refusal = GatewayRefusal(fault.msg_cd, oauth=oauth)
        status = fault.status or (403 if oauth else self._access.status_of(fault.msg_cd))
        return JsonAnswer(self.persona.word(_gateway_body(refusal)), status)

    def _answered(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        given: Mapping[str, object],
        readable: bool,
        placed: list[PlacedNumber],
    ) -> JsonAnswer:
        try:
            if not readable:
                raise ApiError("json 형식이 아닙니다.", msg_cd="OPSQ9997")
            answer = self._answer(method, path, headers, given, placed)
            api = self._known(method, path, headers.get("tr_id", ""))
            if api is not None:
                answer = JsonAnswer(
                    self.persona.shape(api, given, answer.body, answer.tr_cont), 200, answer.tr_cont
                )
        except GatewayRefusal as e:
            answer = JsonAnswer(_gateway_body(e), e.status)
        except AccountRejected as e:
            refusal = self._brokerage.refusal(e)
            answer = JsonAnswer(encode_error(refusal.msg_cd, refusal.msg1, refusal.rt_cd))
        except ApiError as e:
            answer = JsonAnswer(encode_error(e.msg_cd, e.text))
        return JsonAnswer(self.persona.word(answer.body), answer.status, answer.tr_cont)

    def _answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        given: Mapping[str, object],
        placed: list[PlacedNumber],
    ) -> JsonAnswer:
        if path.startswith(OAUTH):
            return self._oauth(method, path, given)
        if (method, path) == HASHKEY:
            return JsonAnswer(self._access.hash_key(headers, given))
        sort: Sort = "account" if path.startswith(ACCOUNT_PATHS) else "quote"
        self._access.check(self.now, headers, sort)
        api = self._api(method, path, headers.get("tr_id", ""))
        if api.is_order and headers.get("custtype", "P") not in ("P", "B"):
            raise GatewayRefusal("EGW00208")
        if headers.get("tr_id") in OLD_TRS:
            given = dict.fromkeys(api.params, "") | dict(given)
        params = {name.upper(): value for name, value in decode_params(api, given).items()}
        if "CANO" in params and (params["CANO"], params["ACNT_PRDT_CD"]) != tuple(
            self._keys.account_params.values()
        ):
            raise ApiError("ERROR : INPUT INVALID_CHECK_ACNO", msg_cd="OPSQ2000")
        return self._reply_to(api, params, headers.get("tr_cont", ""), placed)

    def _api(self, method: str, path: str, tr_id: str) -> Api:
        """Raises GatewayRefusal when this host knows no such call."""
        api = self._known(method, path, tr_id)
        if api is not None and api.tr_id(self.persona.mode) == self._of_today(tr_id):
            return api
        if api is not None:
            raise GatewayRefusal("EGW02006" if self.persona.mode is Mode.PAPER else "EGW02004")
        known = catalogue.known_path(method, path)
        raise GatewayRefusal(
            "OPSQ9999" if known and not tr_id else "OPSQ0002", 500 if known else 404
        )

    def _known(self, method: str, path: str, tr_id: str) -> Api | None:
        return catalogue.find(method, path, self._of_today(tr_id))

    def _of_today(self, tr_id: str) -> str:
        return OLD_TRS.get(tr_id, tr_id) if self.persona.old_trs else tr_id

    def _oauth(self, method: str, path: str, given: Mapping[str, object]) -> JsonAnswer:
        api = catalogue.find(method, path, "")
        if api is None:
            raise GatewayRefusal("OPSQ0002", 404)
        params = {name: str(given.get(name, "")) for name in api.params}
        match api.name:
            case "token":
                return JsonAnswer(self._access.issue_token(self.now, params))
            case "revoke_token":
                return JsonAnswer(self._access.revoke_token(params))
            case _:
                if self.persona.one_approval:
                    self._streams.kill_holder(self.now)
                return JsonAnswer(
                    self._access.issue_approval(self.now, params, paced=self.free_running)
                )

    def _reply_to(
        self, api: Api, params: Params, tr_cont: str, placed: list[PlacedNumber]
    ) -> JsonAnswer:
        """Raises GatewayRefusal, as for an unknown service, for what no fact of the simulated market answers."""
        if api.name in self._orders:
            blocks, one = self._orders[api.name](params)
            placed.append(one)
            return JsonAnswer(encode_reply(api, blocks))
        if api.name in self._answers:
            return JsonAnswer(encode_reply(api, self._answers[api.name](params)))
        if api.name in self._pages:
            return self._page(api, params, tr_cont)
        self._recorder.unserved(self.now, api.name, api.title)
        raise GatewayRefusal("OPSQ0002")

    def _page(self, api: Api, params: Params, tr_cont: str) -> JsonAnswer:
        """The first page, or with ``tr_cont`` N the one that the keys of the last reply point to."""
        given = params[api.ctx[1]].strip()
        first = int(given) if tr_cont == "N" and given.isascii() and given.isdecimal() else 0
        page = self._pages[api.name](params, first)
        following = str(page.next_row) if page.next_row else ""
        more = ("M" if following else "D") if api.tr_cont else ""
        return JsonAnswer(encode_reply(api, page.blocks, ctx=(following, following)), tr_cont=more)


def _gateway_body(refusal: GatewayRefusal) -> dict[str, Any]:
    if refusal.oauth:
        return {"error_code": refusal.msg_cd, "error_description": refusal.msg1}
    return encode_error(refusal.msg_cd, refusal.msg1)


def _object(body: bytes) -> tuple[Mapping[str, object], bool]:
    """The JSON object of a body, and whether it is one."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any]), True
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}, False


def _stock_of(given: Mapping[str, object]) -> str:
    return next((str(given[name]) for name in STOCK_FIELDS if name in given), "")
