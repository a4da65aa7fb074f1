"""What a KIS host is like: its TR ids, page sizes, rate limits and the codes of its refusals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal, TypeAlias

import msgspec

from kisnb.kis.notices import NOTICE_TR
from kisnb.terms import Mode

Reason: TypeAlias = Literal[
    "cash",
    "holdings",
    "quantity",
    "closed",
    "unknown",
    "tick",
    "limit",
    "halted",
    "kind",
    "venue",
    "no order",
    "no leaves",
    "revise",
]


class Refusal(msgspec.Struct, frozen=True):
    """How a host words a refused order."""

    msg_cd: str
    msg1: str
    rt_cd: str = "1"


class Persona(msgspec.Struct, frozen=True):
    """One host. Rates are REST calls per second and appkey, by the first day on which they hold."""

    mode: Mode
    balance_page: int
    """Rows of a page of inquire-balance."""
    orders_page: int
    """Rows of a page of inquire-daily-ccld."""
    rates: tuple[tuple[date, int], ...]
    refusals: Mapping[Reason, Refusal]
    branch: str = "00950"
    """KRX_FWDG_ORD_ORGNO of every order."""

    @property
    def notice_tr(self) -> str:
        return NOTICE_TR[self.mode]

    def rate(self, day: date) -> int:
        """Calls per second on a day."""
        return next(rate for since, rate in reversed(self.rates) if since <= day)


LIVE = Persona(
    mode=Mode.LIVE,
    balance_page=50,
    orders_page=100,
    rates=((date.min, 20), (date(2026, 4, 20), 18)),
    refusals={
        "cash": Refusal("APBK0952", "주문가능금액을 초과 했습니다", "7"),
        "holdings": Refusal("APBK0400", "주문 가능한 수량을 초과했습니다."),
        "quantity": Refusal("APBK0400", "주문 수량을 확인해주세요."),
        "closed": Refusal("APBK0918", "장운영시간이 아닙니다."),
        "unknown": Refusal("APBK0656", "해당 종목 정보가 없습니다."),
        "tick": Refusal("APBK0506", "주식주문호가단위 오류입니다."),
        "limit": Refusal("APBK0506", "주문단가가 상한가와 하한가 사이에 있지 않습니다."),
        "halted": Refusal("APBK0918", "거래정지 종목입니다."),
        "kind": Refusal("APBK3013", "지정가(00)와 시장가(01) 주문만 가능합니다."),
        "venue": Refusal("APBK3009", "KRX에서만 거래가 가능한 종목입니다"),
        "revise": Refusal("APBK3013", "정정주문은 제공되지 않습니다. 취소 후 다시 주문하세요."),
        "no order": Refusal("APBK0344", "원주문정보가 존재하지 않습니다."),
        "no leaves": Refusal("APBK0927", "정정취소 가능수량이 없습니다."),
    },
)
"""The live host. Codes as public clients have observed them; where a cause shares a code, ``msg1`` tells it."""
