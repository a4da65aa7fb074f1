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
from kisnb.exchange.happenings import DepthChanged, Happening, Traded
from kisnb.kis import catalogue
from kisnb.kis.catalogue import OAUTH, Api
from kisnb.kis.credentials import Credentials
from kisnb.kis.messages import decode_params, encode_error, encode_reply
from kisnb.simulator.access import Access, GatewayRefusal
from kisnb.simulator.account import Account, Rejected
from kisnb.simulator.brokerage import Brokerage, Page, Placed
from kisnb.simulator.faults import Faults
from kisnb.simulator.market import Market
from kisnb.simulator.personas import LIVE, Persona
from kisnb.simulator.quotations import Blocks, Quotations
from kisnb.simulator.record import Recorder
from kisnb.simulator.streams import Outgoing, Socket, Streams, by_stock
from kisnb.terms import Mode, OrderKind, Side

PING_EVERY: Ns = 10 * SECOND


class Reply(msgspec.Struct, frozen=True):
    """An HTTP reply, and the frames that follow it."""

    status: int
    headers: dict[str, str]
    body: bytes
    frames: list[Outgoing]


class Answer(msgspec.Struct, frozen=True):
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
        account: Account | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.persona = persona
        self.account = account or Account(market.day)
        self.pings = False
        """PINGPONG every ten simulated seconds; off in lockstep, where it would only stop the clock."""
        self._market = market
        self._keys = keys
        self._recorder = recorder or Recorder()
        for secret in (keys.appkey, keys.appsecret, keys.account, keys.hts_id):
            self._recorder.mask.keep(secret.reveal())
        self.faults = Faults()
        self._access = Access(keys, persona.rate(market.day), self.faults)
        self._quotations = Quotations(market)
        self._brokerage = Brokerage(market, self.account, persona)
        self._streams = Streams(market, self._access, keys, persona, self._recorder, self.faults)
        self._next_ping = market.now + PING_EVERY

    # time

    @property
    def now(self) -> Ns:
        return self._market.now

    @property
    def sockets(self) -> list[Socket]:
        return list(self._streams.sockets.values())

    @property
    def closed(self) -> bool:
        """Nothing trades any more on this day."""
        return self._market.next_event() is None

    def next_event(self) -> Ns | None:
        """When something happens next of itself; None after the day's last event."""
        due = self._market.next_event()
        if self.pings and self._streams.sockets:
            return self._next_ping if due is None else min(due, self._next_ping)
        return due

    def advance(self, until: Ns) -> list[Outgoing]:
        """Run everything up to ``until``; a moment that has passed already changes nothing."""
        while (t := self.next_event()) is not None and t <= until:
            self._run(t)
        if until > self.now:
            self._market.advance(until)
        return self._streams.taken()

    def step(self, until: Ns) -> list[Outgoing]:
        """Move to the earliest of ``until`` and the next event that sends a frame."""
        while (t := self.next_event()) is not None and t <= until:
            self._run(t)
            if out := self._streams.taken():
                return out
        if until > self.now:
            self._market.advance(until)
        return []

    def _run(self, t: Ns) -> None:
        t = max(t, self.now)
        self._tell(self._market.advance(t))
        if self.pings and t >= self._next_ping:
            self._streams.ping(t)
        self._next_ping = max(self._next_ping, t // PING_EVERY * PING_EVERY + PING_EVERY)

    def _tell(self, said: list[Happening]) -> None:
        """Frames of one moment: notices of own orders first, then trades, then depth."""
        now = self.now
        for happening in said:
            told = self._brokerage.told(happening)
            if told is None:
                continue
            self._recorder.order(now, told.order)
            if told.notice is not None:
                self._streams.notice(now, told.notice, told.order)
        for code, trades in by_stock(h for h in said if isinstance(h, Traded)).items():
            self._streams.trades(now, code, trades)
        for code in dict.fromkeys(h.code for h in said if isinstance(h, DepthChanged)):
            self._streams.depth(now, code)

    # sockets

    def socket_opened(self, now: Ns, sid: int, port: int | None = None) -> list[Outgoing]:
        out = self.advance(now)
        self._streams.opened(sid, port)
        return out

    def socket_text(self, now: Ns, sid: int, text: str) -> list[Outgoing]:
        out = self.advance(now)
        self._streams.said(self.now, sid, text)
        return out + self._streams.taken()

    def socket_closed(self, now: Ns, sid: int) -> list[Outgoing]:
        out = self.advance(now)
        self._streams.closed(sid)
        return out

    def cut(self, port: int | None = None) -> list[Outgoing]:
        """End the connection from this port of the client, or all, without a handshake."""
        return [Outgoing(s.sid, None) for s in self.sockets if port in (None, s.port)]

    def expire_tokens(self) -> int:
        """End all access tokens now; how many there were."""
        return self._access.expire_tokens(self.now)

    # trading by hand, as from the phone app

    def trade(self, code: str, side: Side, qty: int, price: int | None) -> tuple[int, list[Outgoing]]:
        """An order on the same account, a market order without a price. Raises Rejected."""
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        placed = self._brokerage.place(code, side, kind, qty, price or 0)
        self._tell(placed.said)
        return placed.number, self._streams.taken()

    def cancel(self, number: int, qty: int | None = None) -> tuple[int, list[Outgoing]]:
        """Raises Rejected."""
        placed = self._brokerage.cancel(number, qty)
        self._tell(placed.said)
        return placed.number, self._streams.taken()

    def refusal_text(self, rejected: Rejected) -> str:
        """The host's words for a refused order."""
        return self._brokerage.refusal(rejected).msg1

    # REST

    def request(
        self, now: Ns, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
    ) -> Reply:
        """Answer one HTTP request; header names in lower case."""
        out = self.advance(now)
        tr_id = headers.get("tr_id", "")
        given, readable = (query, True) if method == "GET" else _object(body)
        number = self._recorder.request(self.now, method, path, tr_id, given)
        placed: list[Placed] = []
        try:
            if not readable:
                raise ApiError("json 형식이 아닙니다.", msg_cd="OPSQ9997")
            answer = self._answer(method, path, headers, given, placed)
        except GatewayRefusal as e:
            answer = Answer(_gateway_body(e), e.status)
        except Rejected as e:
            refusal = self._brokerage.refusal(e)
            answer = Answer(encode_error(refusal.msg_cd, refusal.msg1, refusal.rt_cd))
        except ApiError as e:
            answer = Answer(encode_error(e.msg_cd, e.text))
        self._recorder.reply(self.now, number, answer.status, answer.tr_cont, answer.body)
        for order in placed:
            self._tell(order.said)
        said = {
            "content-type": "application/json; charset=utf-8",
            "tr_id": tr_id,
            "tr_cont": answer.tr_cont,
            "gt_uid": f"{number:032d}",
        }
        return Reply(answer.status, said, msgspec.json.encode(answer.body), out + self._streams.taken())

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], given: Mapping[str, object], placed: list[Placed]
    ) -> Answer:
        if path.startswith(OAUTH):
            return self._oauth(method, path, given)
        self._access.check(self.now, headers)
        api = self._api(method, path, headers.get("tr_id", ""))
        if api.is_order and headers.get("custtype") not in ("P", "B"):
            raise GatewayRefusal("EGW00208")
        params = decode_params(api, given)
        if "CANO" in params and (params["CANO"], params["ACNT_PRDT_CD"]) != tuple(self._keys.account_params.values()):
            raise ApiError("ERROR : INPUT INVALID_CHECK_ACNO", msg_cd="OPSQ2000")
        if api.paged:
            return self._paged(api, params, headers.get("tr_cont", ""))
        return Answer(encode_reply(api, self._blocks(api, params, placed)))

    def _api(self, method: str, path: str, tr_id: str) -> Api:
        """Raises GatewayRefusal when this host knows no such call."""
        api = catalogue.find(method, path, tr_id)
        if api is not None and api.tr_id(self.persona.mode) == tr_id:
            return api
        if api is not None:
            raise GatewayRefusal("EGW02006" if self.persona.mode is Mode.PAPER else "EGW02004")
        known = catalogue.known_path(method, path)
        raise GatewayRefusal("OPSQ9999" if known and not tr_id else "OPSQ0002", 500 if known else 404)

    def _oauth(self, method: str, path: str, given: Mapping[str, object]) -> Answer:
        api = catalogue.find(method, path, "")
        if api is None:
            raise GatewayRefusal("OPSQ0002", 404)
        params = {name: str(given.get(name, "")) for name in api.params}
        match api.name:
            case "token":
                return Answer(self._access.issue_token(self.now, params))
            case "revoke_token":
                return Answer(self._access.revoke_token(params))
            case _:
                return Answer(self._access.issue_approval(params))

    def _blocks(self, api: Api, params: Mapping[str, str], placed: list[Placed]) -> Blocks:
        match api.name:
            case "inquire_price":
                return self._quotations.inquire_price(params)
            case "inquire_asking_price_exp_ccn":
                return self._quotations.inquire_asking_price_exp_ccn(params)
            case "inquire_ccnl":
                return self._quotations.inquire_ccnl(params)
            case "volume_rank":
                return self._quotations.volume_rank(params)
            case "inquire_psbl_order":
                return self._brokerage.inquire_psbl_order(params)
            case "order_rvsecncl":
                blocks, one = self._brokerage.order_rvsecncl(params)
            case _:
                side = Side.BUY if api.name == "order_cash_buy" else Side.SELL
                blocks, one = self._brokerage.order_cash(side, params)
        placed.append(one)
        return blocks

    def _paged(self, api: Api, params: Mapping[str, str], tr_cont: str) -> Answer:
        """The first page, or with ``tr_cont`` N the one that the keys of the last reply point to."""
        given = params["CTX_AREA_NK100"].strip()
        first = int(given) if tr_cont == "N" and given.isascii() and given.isdecimal() else 0
        page: Page = (
            self._brokerage.inquire_balance(first)
            if api.name == "inquire_balance"
            else self._brokerage.inquire_daily_ccld(params, first)
        )
        following = str(page.next_row) if page.next_row else ""
        body = encode_reply(api, page.blocks, ctx=(following, following))
        return Answer(body, tr_cont="M" if following else "D")


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
