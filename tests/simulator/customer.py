"""A KIS customer without sockets: speaks to a simulated host's core in plain calls."""

from __future__ import annotations

import json
from datetime import date, time
from typing import Any

from kisnb.clock import Ns, kst
from kisnb.kis.catalogue import APIS
from kisnb.kis.credentials import Credentials, Secret
from kisnb.kis.feed import control_frames, frames, notices
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.day.market_day import ScriptedDay
from kisnb.simulator.host.core import Core, ServedReply
from kisnb.simulator.host.personas import LIVE, Persona
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.host.streams.sockets import Outgoing

DAY = date(2026, 11, 20)
SAMSUNG, HYNIX = "005930", "000660"
KEYS = Credentials(
    Secret("PSSIMULATED" + "a" * 25),
    Secret("SIMULATED/" + "b" * 170),
    Secret("59876543"),
    "01",
    Secret("simuser1234567"),
)
SCRIPT = ScriptedDay(
    [
        (time(9), 71_000, 500),
        (time(9, 1), 71_100, 10),
        (time(9, 2), 71_000, 30),
        (time(9, 3), 70_900, 2_500),
        (time(9, 4), 71_200, 10),
        (time(15, 30), 71_300, 700),
    ],
    size=1_000,
)
ACCOUNT = {"CANO": "59876543", "ACNT_PRDT_CD": "01"}
BALANCE = ACCOUNT | {
    "AFHR_FLPR_YN": "N",
    "OFL_YN": "",
    "INQR_DVSN": "02",
    "UNPR_DVSN": "01",
    "FUND_STTL_ICLD_YN": "N",
    "FNCG_AMT_AUTO_RDPT_YN": "N",
    "PRCS_DVSN": "00",
    "CTX_AREA_FK100": "",
    "CTX_AREA_NK100": "",
}
DAY_ORDERS = ACCOUNT | {
    "INQR_STRT_DT": "20261120",
    "INQR_END_DT": "20261120",
    "SLL_BUY_DVSN_CD": "00",
    "PDNO": "",
    "ORD_GNO_BRNO": "",
    "ODNO": "",
    "CCLD_DVSN": "00",
    "INQR_DVSN": "00",
    "INQR_DVSN_1": "",
    "INQR_DVSN_3": "00",
    "EXCG_ID_DVSN_CD": "ALL",
    "CTX_AREA_FK100": "",
    "CTX_AREA_NK100": "",
}


def at(text: str) -> Ns:
    return kst(DAY, time.fromisoformat(text))


def host(
    start: str = "09:00:30",
    *,
    recorder: DayRecorder | None = None,
    scripted: bool = True,
    persona: Persona = LIVE,
) -> Core:
    """A host on the scripted day of one stock, or on the seeded day of all."""
    market = Market(Universe.packaged(), DAY, 1, at(start), {SAMSUNG: SCRIPT} if scripted else {})
    return Core(market, KEYS, recorder=recorder, persona=persona)


class Customer:
    """One client with a token and at most one socket; keeps the frames that it was sent."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.token = ""
        self.approval = ""
        self.inbox: list[str] = []
        self.cut = False
        self.cipher: notices.Cipher | None = None

    def log_in(self) -> None:
        self.token = self.said(self.oauth("token"))["access_token"]
        self.approval = self.said(self.oauth("approval"))["approval_key"]

    def oauth(self, name: str, **changed: str) -> ServedReply:
        api = APIS[name]
        secret = "secretkey" if name == "approval" else "appsecret"
        keys = {"appkey": KEYS.appkey.reveal(), secret: KEYS.appsecret.reveal()}
        return self.call(
            api.method, api.path, {}, {"grant_type": "client_credentials", **keys, **changed}
        )

    def ask(self, name: str, params: dict[str, str], **headers: str) -> ServedReply:
        """One call of the catalogue."""
        api = APIS[name]
        return self.call(
            api.method, api.path, self.headers(api.tr_id(self.core.persona.mode)) | headers, params
        )

    def headers(self, tr_id: str) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.token}",
            "appkey": KEYS.appkey.reveal(),
            "appsecret": KEYS.appsecret.reveal(),
            "tr_id": tr_id,
            "custtype": "P",
        }

    def call(
        self, method: str, path: str, headers: dict[str, str], params: dict[str, str]
    ) -> ServedReply:
        query, body = (params, b"") if method == "GET" else ({}, json.dumps(params).encode())
        reply = self.core.request(self.core.now, method, path, headers, query, body)
        self.receive(reply.frames)
        return reply

    def order(self, side: str, qty: int, price: int | None, code: str = SAMSUNG) -> dict[str, Any]:
        body = ACCOUNT | {
            "PDNO": code,
            "ORD_DVSN": "01" if price is None else "00",
            "ORD_QTY": str(qty),
            "ORD_UNPR": str(price or 0),
            "EXCG_ID_DVSN_CD": "KRX",
        }
        return self.said(self.ask(f"order_cash_{side}", body))

    def cancel(self, number: int, qty: int | None = None) -> dict[str, Any]:
        body = ACCOUNT | {
            "KRX_FWDG_ORD_ORGNO": "",
            "ORGN_ODNO": str(number),
            "ORD_DVSN": "00",
            "RVSE_CNCL_DVSN_CD": "02",
            "ORD_QTY": str(qty or 0),
            "ORD_UNPR": "0",
            "QTY_ALL_ORD_YN": "N" if qty else "Y",
            "EXCG_ID_DVSN_CD": "KRX",
        }
        return self.said(self.ask("order_rvsecncl", body))

    def connect(self, sid: int = 1) -> None:
        self.receive(self.core.socket_opened(self.core.now, sid, 40_000 + sid))

    def subscribe(
        self, tr_id: str, tr_key: str, *, tr_type: str = "1", sid: int = 1
    ) -> control_frames.Ack:
        """The host's answer, which is not left in the inbox.

        Raises when the connection is cut instead.
        """
        request = control_frames.SubscriptionRequest(self.approval, tr_type, tr_id, tr_key)
        self.receive(
            self.core.socket_text(self.core.now, sid, control_frames.encode_request(request))
        )
        ack = control_frames.decode_control(self.inbox.pop())
        assert isinstance(ack, control_frames.Ack)
        if ack.key and tr_id in notices.NOTICE_TRS:
            self.cipher = notices.Cipher(ack.key, ack.iv)
        return ack

    def receive(self, out: list[Outgoing]) -> None:
        for _, text in out:
            self.cut = self.cut or text is None
            if text is not None:
                self.inbox.append(text)

    def step(self, until: str) -> None:
        self.receive(self.core.step(at(until)))

    def advance(self, until: str) -> None:
        self.receive(self.core.advance(at(until)))

    def taken(self) -> list[str]:
        texts, self.inbox = self.inbox, []
        return texts

    def kinds(self) -> list[str]:
        """TR ids of the frames in the inbox, which stay in it."""
        return [text.split("|", 2)[1] for text in self.inbox]

    def notices(self) -> list[list[str]]:
        """Columns of the notices in the inbox, decrypted; the inbox is empty afterwards."""
        assert self.cipher is not None
        read = [frames.parse(text) for text in self.taken() if text[0] in "01"]
        return [self.cipher.decrypt(f.payload).split("^") for f in read if f.encrypted]

    @staticmethod
    def said(reply: ServedReply) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(reply.body)
        return body


def trader(start: str = "09:00:30", **more: Any) -> Customer:
    """A customer who is logged in and gets notices, trades and depth of one stock."""
    customer = Customer(host(start, **more))
    customer.log_in()
    customer.connect()
    for tr_id, key in (
        (customer.core.persona.notice_tr, KEYS.hts_id.reveal()),
        ("H0STCNT0", SAMSUNG),
        ("H0STASP0", SAMSUNG),
    ):
        assert customer.subscribe(tr_id, key).msg_cd == "OPSP0000"
    customer.taken()
    return customer
