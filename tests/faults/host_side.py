"""The simulated host, in process: requests and frames of the real wire, no socket and no
waiting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from kisnb.clock import SECOND
from kisnb.errors import ApiError
from kisnb.events import Notice
from kisnb.kis.calls import account_messages
from kisnb.kis.calls.messages import ApiReply, decode_reply
from kisnb.kis.calls.order_messages import (
    cancel_body,
    day_orders_params,
    order_api,
    order_body,
    read_order,
    read_ref,
    revise_body,
)
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.credentials import Credentials, Secret
from kisnb.kis.error_codes import outcome_of
from kisnb.kis.feed import control_frames, frames, notices
from kisnb.market.universe import Universe
from kisnb.orders import Account, Intent, OrderPage, OrderRef, OrderRow, Route, SendReply
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.account.orders import AccountOrder, AccountPosition
from kisnb.simulator.host.core import Core
from kisnb.simulator.host.faults import Fault
from kisnb.simulator.host.personas import LIVE
from kisnb.simulator.host.quirks import with_quirks
from kisnb.simulator.host.streams.sockets import Outgoing
from kisnb.terms import OrderKind, Side, Venue

from .misreadings import has_unordered_numbers
from .schedule import BEGIN, DAY, TICKS, scripts, setting, stocks

KEYS = Credentials(
    Secret("PSSIMULATED" + "a" * 25),
    Secret("SIMULATED/" + "b" * 170),
    Secret("59876543"),
    "01",
    Secret("simuser1234567"),
)
"""Made up."""
DAY_ORDERS = day_orders_params(DAY, KEYS.account_params)
BALANCE = account_messages.balance_params(KEYS.account_params)
ORDERABLE = account_messages.orderable_params(KEYS.account_params)
NOTICES = notices.NOTICE_TR[notices.Mode.LIVE]
HELD = 40
"""Shares of each stock in the account before the day."""


@cache
def universe() -> Universe:
    return Universe.packaged()


class HostSide:
    """One simulated host with scripted stocks, and the one customer's side of its wire."""

    def __init__(self, seed: int) -> None:
        market = Market(universe(), DAY, seed, BEGIN, scripts(seed))
        quirks = ("unordered-numbers",) if has_unordered_numbers(seed) else ()
        self.core = Core(market, KEYS, persona=with_quirks(LIVE, quirks))
        given = setting(seed)
        self.core.account.deposit = given.cash
        self._lists_trader = given.lists_trader
        for code in stocks(seed):
            market.activate(code)
            position = self.core.account.positions[code] = AccountPosition(universe().get(code))
            position.qty, position.cost = HELD, HELD * TICKS[code][0]
        self._refused: list[OrderRow] = []
        self._sid = 0
        self._cipher: notices.Cipher | None = None
        keys = {"appkey": KEYS.appkey.reveal(), "grant_type": "client_credentials"}
        token = self._oauth("token", keys | {"appsecret": KEYS.appsecret.reveal()})["access_token"]
        self._approval = self._oauth("approval", keys | {"secretkey": KEYS.appsecret.reveal()})[
            "approval_key"
        ]
        self._headers = {
            "authorization": f"Bearer {token}",
            "appkey": KEYS.appkey.reveal(),
            "appsecret": KEYS.appsecret.reveal(),
            "custtype": "P",
        }
        self.outgoing: list[Outgoing] = []
        """Frames that calls caused and that nobody has taken yet."""

    def _oauth(self, name: str, body: dict[str, str]) -> dict[str, str]:
        api = APIS[name]
        reply = self.core.request(
            self.core.now, api.method, api.path, {}, {}, msgspec.json.encode(body)
        )
        said: dict[str, str] = msgspec.json.decode(reply.body)
        return said

    # calls

    def submit(self, intent: Intent, route: Route) -> SendReply:
        body = order_body(intent, route, KEYS.account_params)
        return self._post(intent.key, order_api(intent.side), body, route.venue)

    def refuse_later(self, intent: Intent, route: Route) -> tuple[SendReply, Notice]:
        """KIS takes the order and numbers it, and the exchange refuses it: the reply, and the
        notice that follows."""
        number, now = self.core._brokerage.take_number(), self.core.now
        ref = OrderRef(int(f"{DAY:%Y%m%d}"), self.core.persona.branch, number, route.venue)
        code, side, qty, price = intent.code, intent.side, intent.qty, intent.price or 0
        self._refused.append(
            OrderRow(ref, 0, code, side, route.kind, qty, price, 0, 0, 0, 0, qty, now, 0)
        )
        t = now // SECOND * SECOND
        return SendReply(intent.key, "sent", ref), Notice(
            t, "refused", number, 0, code, side, qty, price, ref.branch, route.venue
        )

    def cancel(self, key: str, ref: OrderRef, qty: int | None) -> SendReply:
        return self._post(
            key, APIS["order_rvsecncl"], cancel_body(ref, qty, KEYS.account_params), ref.venue
        )

    def revise(self, intent: Intent, ref: OrderRef) -> SendReply:
        body = revise_body(ref, intent.qty, intent.price or 0, KEYS.account_params)
        return self._post(intent.key, APIS["order_rvsecncl"], body, ref.venue)

    def strike(self, name: str, wrong: str) -> None:
        """Let the next reply of a call be wrong."""
        self.core.faults.clear()
        if wrong in ("empty", "miss", "part"):
            self.core.faults.add(Fault("read", wrong, tr_id=APIS[name].tr_live))  # type: ignore[arg-type]

    def day_orders(self) -> OrderPage:
        """Raises ApiError."""
        pages = self._pages(APIS["inquire_daily_ccld"], DAY_ORDERS)
        rows = [self._listed(read_order(row)) for page in pages for row in page.rows("output1")]
        return OrderPage(
            tuple(sorted(rows + self._refused, key=lambda r: -r.ref.number)), complete=True
        )

    def listed_venue(self, order: AccountOrder) -> Venue:
        """The venue with which this host lists an order."""
        return order.at if self._lists_trader and order.venue is Venue.SOR else order.venue

    def _listed(self, row: OrderRow) -> OrderRow:
        if not self._lists_trader or row.ref.venue is not Venue.SOR:
            return row
        venue = self.listed_venue(self.core.account.orders[row.ref.number])
        return msgspec.structs.replace(row, ref=msgspec.structs.replace(row.ref, venue=venue))

    def account(self) -> Account:
        """Raises ApiError."""
        pages = self._pages(APIS["inquire_balance"], BALANCE)
        orderable = self._call(APIS["inquire_psbl_order"], ORDERABLE)
        return account_messages.read_account(pages, orderable, complete=True)

    def phone(
        self, code: str, side: Side, kind: OrderKind, qty: int, price: int, venue: Venue
    ) -> tuple[int, list[Outgoing]]:
        """An order that the customer places elsewhere: its number, and the frames that it caused.

        Raises Rejected.
        """
        placed = self.core._brokerage.place(code, side, kind, qty, price, venue)
        self.core._publisher.publish(placed.happenings)
        return placed.number, self.core._streams.sockets.drain_frames()

    def _post(self, key: str, api: Api, body: dict[str, str], venue: Venue) -> SendReply:
        try:
            return SendReply(key, "sent", read_ref(self._call(api, body), venue, self.core.now))
        except ApiError as e:
            return SendReply(key, outcome_of(e.msg_cd, e.status), msg_cd=e.msg_cd, text=str(e))

    def _pages(self, api: Api, params: Mapping[str, str]) -> list[ApiReply]:
        pages = [self._call(api, params)]
        while pages[-1].has_more:
            keys = {
                "CTX_AREA_FK100": pages[-1].ctx_fk.strip(),
                "CTX_AREA_NK100": pages[-1].ctx_nk.strip(),
            }
            pages.append(self._call(api, dict(params) | keys, tr_cont="N"))
        return pages

    def _call(self, api: Api, params: Mapping[str, str], tr_cont: str = "") -> ApiReply:
        headers = self._headers | {"tr_id": api.tr_live, "tr_cont": tr_cont}
        query, body = (params, b"") if api.method == "GET" else ({}, msgspec.json.encode(params))
        reply = self.core.request(self.core.now, api.method, api.path, headers, query, body)
        self.outgoing += reply.frames
        return decode_reply(
            api, reply.body, status=reply.status, tr_cont=reply.headers.get("tr_cont", "")
        )

    # the stream

    @property
    def sid(self) -> int:
        """The connection that stands; 0 when there is none."""
        return self._sid

    def connect(self, sid: int) -> None:
        """Open a connection and subscribe to the execution notices."""
        self._sid = sid
        now = self.core.now
        self.outgoing += self.core.socket_opened(now, sid, 40_000 + sid)
        request = control_frames.SubscriptionRequest(
            self._approval, "1", NOTICES, KEYS.hts_id.reveal()
        )
        for _, text in self.core.socket_text(now, sid, control_frames.encode_request(request)):
            assert text is not None
            ack = control_frames.decode_control(text)
            assert isinstance(ack, control_frames.Ack)
            assert ack.msg_cd == "OPSP0000", ack
            self._cipher = notices.Cipher(ack.key, ack.iv)

    def disconnect(self) -> None:
        if self._sid:
            self.outgoing += self.core.socket_closed(self.core.now, self._sid)
            self._sid = 0

    def taken(self) -> list[Notice]:
        """The notices on the standing connection since the last call."""
        out, self.outgoing = self.outgoing, []
        return self.read(out)

    def read(self, out: list[Outgoing]) -> list[Notice]:
        texts = [
            text for sid, text in out if sid == self._sid and text is not None and text[0] in "01"
        ]
        return [n for text in texts for n in self._notices(text)]

    def _notices(self, text: str) -> list[Notice]:
        assert self._cipher is not None
        frame = frames.parse(text)
        fields = self._cipher.decrypt(frame.payload).split("^")
        size = len(fields) // frame.count
        account = KEYS.account.reveal() + KEYS.product
        records = [fields[i : i + size] for i in range(0, len(fields), size)]
        read = [notices.decode_notice(record, account, self.core.now) for record in records]
        return [notice for notice in read if notice is not None]
