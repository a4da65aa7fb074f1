"""The answers to REST calls: who may call, which call it is, and what its reply says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kisnb.errors import ApiError
from kisnb.kis import catalogue
from kisnb.kis.calls.messages import decode_params, encode_error, encode_reply
from kisnb.kis.catalogue import OAUTH, Api
from kisnb.kis.credentials import Credentials
from kisnb.kis.error_codes import CODES, ROWS_CHANGED
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.access import Access, GatewayRefusal, Sort
from kisnb.simulator.host.account.account import AccountRejected
from kisnb.simulator.host.account.brokerage import Brokerage, PlacedNumber
from kisnb.simulator.host.account.reservations import Reservations
from kisnb.simulator.host.account.trading_replies import TradingReplies
from kisnb.simulator.host.faults import Fault, Point
from kisnb.simulator.host.personas import OLD_TRS, Persona
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.host.repliers import order_repliers, repliers
from kisnb.simulator.host.streams.streams import Streams
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import Page, Params
from kisnb.terms import Mode

ACCOUNT_PATHS = "/uapi/domestic-stock/v1/trading/"
"""Start of the paths of account calls. All other calls are quotations."""
HASHKEY = ("POST", "/uapi/hashkey")
"""Method and path of the call that digests a body.

No call needs the digest. Older clients ask for it before each order.
"""


class RestCall(msgspec.Struct, frozen=True):
    """One HTTP request as the host has read it."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    given: Mapping[str, object]
    """The query of a GET, the JSON object of another method."""
    readable: bool = True
    """False when the body is not a JSON object; ``given`` is empty then."""

    @property
    def tr_id(self) -> str:
        """The TR id of the header; empty when the call has none."""
        return self.headers.get("tr_id", "")

    @property
    def oauth(self) -> bool:
        """True when the call asks for a token or an approval key."""
        return self.path.startswith(OAUTH)


class JsonReply(msgspec.Struct, frozen=True):
    """The JSON of a reply before it is sent."""

    body: Mapping[str, object]
    status: int = 200
    tr_cont: str = ""


class Gateway:
    """Answers the REST calls of one host, as KIS's gateway and the servers behind it do."""

    def __init__(
        self,
        market: Market,
        keys: Credentials,
        persona: Persona,
        access: Access,
        brokerage: Brokerage,
        streams: Streams,
        recorder: DayRecorder,
    ) -> None:
        self._market = market
        self._keys = keys
        self._persona = persona
        self._access = access
        self._brokerage = brokerage
        self._streams = streams
        self._recorder = recorder
        trading = TradingReplies(market, brokerage, persona)
        self._orders = order_repliers(trading)
        view = MarketView(market)
        self.reservations = Reservations(view, brokerage)
        """The reserved orders. The core sends them to the exchange when they are due."""
        self._repliers, self._pages = repliers(view, trading, brokerage, self.reservations, persona)

    def points(self, call: RestCall) -> tuple[Point, ...]:
        """Return the points at which a fault can strike this call."""
        if call.oauth:
            return ("oauth",)
        api = self._known(call)
        return ("call", "order" if api is not None and api.is_order else "read")

    def failed(self, fault: Fault, *, oauth: bool) -> JsonReply:
        """Return the reply to a call that a fault has struck.

        The body is empty when the reply never arrives or is not JSON. ``oauth`` True: the call asks
        for a token or an approval key.
        """
        if fault.what != "refuse":
            return JsonReply({}, fault.status or 502)
        refusal = GatewayRefusal(fault.msg_cd, oauth=oauth)
        status = fault.status or (403 if oauth else self._access.status_of(fault.msg_cd))
        return JsonReply(self._persona.word(refusal_body(refusal)), status)

    def reply(self, call: RestCall, placed: list[PlacedNumber], *, paced: bool) -> JsonReply:
        """Carry the call out and return its reply, which may be a refusal.

        An order that the call has placed is appended to ``placed``. ``paced`` limits the approval
        keys that the host gives out in a second.
        """
        try:
            if not call.readable:
                # OPSQ9997 is the query server's refusal of a body that is not JSON.
                raise ApiError("json 형식이 아닙니다.", msg_cd="OPSQ9997")
            reply = self._carry_out(call, placed, paced=paced)
            api = self._known(call)
            if api is not None:
                shaped = self._persona.shape(api, call.given, reply.body, reply.tr_cont)
                reply = JsonReply(shaped, 200, reply.tr_cont)
        except GatewayRefusal as e:
            reply = JsonReply(refusal_body(e), e.status)
        except AccountRejected as e:
            # KIS refuses an order with HTTP 200; only rt_cd says that it failed.
            refusal = self._brokerage.refusal(e)
            reply = JsonReply(encode_error(refusal.msg_cd, refusal.msg1, refusal.rt_cd))
        except ApiError as e:
            reply = JsonReply(encode_error(e.msg_cd, e.text))
        return JsonReply(self._persona.word(reply.body), reply.status, reply.tr_cont)

    def _carry_out(self, call: RestCall, placed: list[PlacedNumber], *, paced: bool) -> JsonReply:
        """Carry out a call, and return the reply.

        Raises GatewayRefusal, AccountRejected or ApiError.
        """
        if call.oauth:
            return self._oauth(call, paced=paced)
        # The hashkey call needs no token, so it comes before the check of the token.
        if (call.method, call.path) == HASHKEY:
            return JsonReply(self._access.hash_key(call.headers, call.given))
        sort: Sort = "account" if call.path.startswith(ACCOUNT_PATHS) else "quote"
        self._access.check(self._market.now, call.headers, sort)
        api = self._served(call)
        # Only orders need the header custtype; reads may leave it out (workbook: headers of each
        # call).
        if api.is_order and call.headers.get("custtype", "P") not in ("P", "B"):
            raise GatewayRefusal("EGW00208")
        given = call.given
        # The old calls had fewer parameters than those of today.
        if call.headers.get("tr_id") in OLD_TRS:
            given = dict.fromkeys(api.params, "") | dict(given)
        params = {name.upper(): value for name, value in decode_params(api, given).items()}
        # KIS answers a foreign account number with OPSQ2000.
        if "CANO" in params and (params["CANO"], params["ACNT_PRDT_CD"]) != tuple(
            self._keys.account_params.values()
        ):
            raise ApiError("ERROR : INPUT INVALID_CHECK_ACNO", msg_cd="OPSQ2000")
        return self._reply_to(api, params, call.headers.get("tr_cont", ""), placed)

    def _served(self, call: RestCall) -> Api:
        """Return the call's entry in the catalogue.

        Raises GatewayRefusal when this host knows no such call, or only the other host does.
        """
        api = self._known(call)
        if api is not None and api.tr_id(self._persona.mode) == self._of_today(call.tr_id):
            return api
        if api is not None:
            # The TR exists at the other host only. Each host has a code of its own for that.
            raise GatewayRefusal("EGW02006" if self._persona.mode is Mode.PAPER else "EGW02004")
        # A known path without a TR id gets OPSQ9999; an unknown service gets OPSQ0002.
        known = catalogue.known_path(call.method, call.path)
        raise GatewayRefusal(
            "OPSQ9999" if known and not call.tr_id else "OPSQ0002", 500 if known else 404
        )

    def _known(self, call: RestCall) -> Api | None:
        return catalogue.find(call.method, call.path, self._of_today(call.tr_id))

    def _of_today(self, tr_id: str) -> str:
        return OLD_TRS.get(tr_id, tr_id) if self._persona.old_trs else tr_id

    def _oauth(self, call: RestCall, *, paced: bool) -> JsonReply:
        api = catalogue.find(call.method, call.path, "")
        if api is None:
            raise GatewayRefusal("OPSQ0002", 404)
        now = self._market.now
        params = {name: str(call.given.get(name, "")) for name in api.params}
        match api.name:
            case "token":
                return JsonReply(self._access.issue_token(now, params))
            case "revoke_token":
                return JsonReply(self._access.revoke_token(params))
            case _:
                # Some clients report that a new approval key ends the session of the key before it.
                if self._persona.one_approval:
                    self._streams.sockets.kill_holder(now)
                return JsonReply(self._access.issue_approval(now, params, paced=paced))

    def _reply_to(
        self, api: Api, params: Params, tr_cont: str, placed: list[PlacedNumber]
    ) -> JsonReply:
        """Return the reply of a call that may pass.

        Raises GatewayRefusal, as for an unknown service, when no simulated fact answers it.
        """
        if api.name in self._orders:
            blocks, one = self._orders[api.name](params)
            placed.append(one)
            return JsonReply(encode_reply(api, blocks))
        if api.name in self._repliers:
            return JsonReply(encode_reply(api, self._repliers[api.name](params)))
        if api.name in self._pages:
            return self._page(api, params, tr_cont)
        # Such calls stay visible in the recording, so that a client's author sees why a call
        # failed.
        self._recorder.unserved(self._market.now, api.name, api.title)
        raise GatewayRefusal("OPSQ0002")

    def _page(self, api: Api, params: Params, tr_cont: str) -> JsonReply:
        """Return the first page. With ``tr_cont`` N: the page to which the ctx keys point."""
        # KIS fills the ctx keys with blanks. Clients send them back trimmed or as they are.
        given = params[api.ctx[1]].strip()
        first = int(given) if tr_cont == "N" and given.isascii() and given.isdecimal() else 0
        page = self._pages[api.name](params, first)
        following = str(page.next_row) if page.next_row else ""
        if self._persona.full_page_says_more and api.name == "inquire_balance" and not following:
            return self._last_holdings(api, page, asked_on=tr_cont == "N" and not given)
        # Clients have seen M on all pages but the last, and D or E on the last.
        more = ("M" if following else "D") if api.tr_cont else ""
        return JsonReply(encode_reply(api, page.blocks, ctx=(following, following)), tr_cont=more)

    def _last_holdings(self, api: Api, page: Page, *, asked_on: bool) -> JsonReply:
        """Return the last page of holdings, for a host that says M when this page is just full.

        M means that more pages follow. ``asked_on`` is True when the client asks for the page after
        it. That is refused.
        """
        if asked_on:
            raise ApiError(CODES[ROWS_CHANGED].korean, msg_cd=ROWS_CHANGED)
        rows = page.blocks[api.row_block]
        full = len(rows) == self._persona.balance_page
        return JsonReply(encode_reply(api, page.blocks), tr_cont="M" if full else "D")


def refusal_body(refusal: GatewayRefusal) -> dict[str, Any]:
    """Return the body of a refusal. For tokens and approval keys its fields have other names."""
    if refusal.oauth:
        return {"error_code": refusal.msg_cd, "error_description": refusal.msg1}
    return encode_error(refusal.msg_cd, refusal.msg1)
