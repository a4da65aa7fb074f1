"""The behaviour of a KIS host: TR ids, page sizes, rate limits, hours, and reply codes.

Where reports about KIS differ, the persona has a field, and ``quirks`` has the other variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import Ns, kst_datetime
from kisnb.kis.catalogue import Api
from kisnb.kis.channels import DEPTH_TRS, TRADE_TRS
from kisnb.kis.error_codes import CODES
from kisnb.kis.feed.control_frames import MAX_SUBSCRIPTIONS, RT_CD_IN_USE
from kisnb.kis.feed.notices import NOTICE_TR, WIDE, Layout
from kisnb.kis.modes import HOST_RULES, HostRules
from kisnb.kis.order_codes import CANCEL
from kisnb.terms import Mode, OrderKind, Venue

Reason: TypeAlias = Literal[
    "cash",
    "holdings",
    "quantity",
    "early",
    "closed",
    "unknown",
    "tick",
    "limit",
    "halted",
    "kind",
    "venue",
    "no price",
    "low price",
    "no price",
    "no order",
    "no leaves",
    "revise",
]
"""Reasons for which a host refuses an order."""

OLD_TRS = {
    "TTTC0801U": "TTTC0011U",
    "TTTC0802U": "TTTC0012U",
    "TTTC0803U": "TTTC0013U",
    "TTTC8001R": "TTTC0081R",
    "VTTC0801U": "VTTC0011U",
    "VTTC0802U": "VTTC0012U",
    "VTTC0803U": "VTTC0013U",
    "VTTC8001R": "VTTC0081R",
}
"""TR ids of before 2025, and those of today. KIS takes both, and may stop to do so without notice
(workbook: order-cash, order-rvsecncl). The old calls have fewer parameters; the host reads
the missing ones as empty."""


class Refusal(msgspec.Struct, frozen=True):
    """The words with which a host refuses an order."""

    msg_cd: str
    msg1: str
    rt_cd: str = "1"


NUMBER_GAP = 900_000
"""Distance between the two series of order numbers of a host whose numbers do not rise."""


class Persona(msgspec.Struct, frozen=True):
    """One host. Rates are calls per second and appkey; a dated rate holds from its day on."""

    mode: Mode
    balance_page: int
    """Rows of a page of inquire-balance."""
    orders_page: int
    """Rows of a page of inquire-daily-ccld."""
    rates: tuple[tuple[date, int], ...]
    """Calls per second, each with the first day on which it holds."""
    refusals: Mapping[Reason, Refusal]
    """Code and text by the reason."""
    branch: str = "00950"
    """KRX_FWDG_ORD_ORGNO of every order."""
    numbers_rise: bool = True
    """False when every second order number is ``NUMBER_GAP`` higher."""
    done: Mapping[str, str] = {}
    """``msg_cd`` of a successful call by the call's name, where it differs from the catalogue's.

    ``name/02`` is for a cancel. ``name+`` is for a page after which more pages follow.
    """
    rules: HostRules | None = None
    """Venues, kinds and prices that this host accepts.

    None: it accepts all that the exchange accepts.
    """
    hours: tuple[time, time] | None = None
    """Times of day, KST, between which orders are accepted. None: the exchange decides."""
    channels: frozenset[str] | None = None
    """TR ids of the quote channels that this host has. None means all."""

    full_page_says_more: bool = False
    """True when a last page of holdings that is just full says that more pages follow."""
    old_trs: bool = True
    """True when the host takes the TR ids of before 2025 too."""
    ledger_rate: int | None = None
    """Calls per second that the account's back end takes, balance and orders together. None sets no
    limit."""
    approval_rate: int = 1
    """Approval keys per second (KIS's notice of 2026-04-20)."""
    token_ends_at_midnight: bool = False
    """True when tokens end at midnight KST, before their printed end."""
    one_token: bool = False
    """True when a new token ends the one before it."""
    token_status: int = 500
    """HTTP status of a refused token."""
    one_approval: bool = False
    """True when a new approval key ends the connection that was set up with the one before it."""
    registrations: int = MAX_SUBSCRIPTIONS
    """Subscriptions that one connection may have, execution notices included."""
    lingers: int = 0
    """Seconds for which a lost connection still blocks the appkey."""
    in_use_rt_cd: str = RT_CD_IN_USE
    """``rt_cd`` of the reply to a client whose appkey is used by another connection."""
    answer_ping_within: int | None = None
    """Seconds after which the host cuts a connection that does not answer PINGPONG. None waits for
    ever."""
    notice_encrypt: str = "Y"
    """``encrypt`` in the reply to a subscription of execution notices."""
    notice_layout: Layout = WIDE
    """Columns of an execution notice: 26 or 23."""
    notice_limit_always: bool = False
    """True when ODER_KIND of a fill reads 00 whatever the order's kind."""
    columns_of: date | None = None
    """The day whose columns the channels have. None: the simulated day."""
    workbook_columns: bool = False
    """True when depths have the columns of KIS's workbook, not those that clients recorded."""
    pads_msg1: bool = True
    """True when ``msg1`` ends in blanks."""
    pads_numbers: bool = True
    """True when ODNO in the reply to an order has ten digits, as in lists of orders."""
    order_keys_lower: bool = False
    """True when the keys in the reply to an order are in lower case."""

    @property
    def notice_tr(self) -> str:
        """TR id of the execution notices."""
        return NOTICE_TR[self.mode]

    def rate(self, day: date) -> int:
        """Return the calls per second that the host takes on a day."""
        return next(rate for since, rate in reversed(self.rates) if since <= day)

    def has_channel(self, tr_id: str) -> bool:
        """Return whether the host sends quotes on this channel."""
        return self.channels is None or tr_id in self.channels

    def refuses(self, venue: Venue, kind: OrderKind, price: int, now: Ns) -> Reason | None:
        """Return why this host refuses an order that the exchange might accept. None: it does not.

        ``price`` is the order's price in won. For a kind without a price, it is the stock's price.
        """
        if self.hours is not None and not self.hours[0] <= kst_datetime(now).time() < self.hours[1]:
            return "closed"
        if self.rules is None:
            return None
        if venue not in self.rules.venues:
            return "venue"
        if kind not in self.rules.kinds:
            return "kind"
        return "low price" if price < self.rules.lowest_price else None

    def refusal(self, reason: Reason, now: Ns) -> Refusal:
        """Return the code and the text with which this host refuses an order.

        Before the host's hours a closed market has a code and a text of its own.
        """
        # KIS's paper host words "not yet open" and "closed" differently (40570000 and 40580000).
        early = (
            reason == "closed"
            and self.hours is not None
            and kst_datetime(now).time() < self.hours[0]
        )
        return self.refusals["early" if early else reason]

    def shape(
        self, api: Api, given: Mapping[str, object], body: Mapping[str, object], tr_cont: str
    ) -> dict[str, object]:
        """Return the body of a successful reply in this host's manner."""
        shaped = dict(body)
        # order-rvsecncl revises and cancels under one name, with a code of success for each.
        kind = f"{api.name}/{CANCEL}" if given.get("RVSE_CNCL_DVSN_CD") == CANCEL else api.name
        msg_cd = self.done.get(kind + "+" * (tr_cont == "M"))
        if msg_cd is not None:
            shaped |= {"msg_cd": msg_cd, "msg1": CODES[msg_cd].korean.ljust(len(str(body["msg1"])))}
        output = shaped.get("output")
        if api.is_order and isinstance(output, dict):
            # A public client has seen order numbers without zeros in replies of the paper host.
            if not self.pads_numbers and "ODNO" in output:
                output = output | {"ODNO": str(output["ODNO"]).lstrip("0")}
            shaped["output"] = (
                {k.lower(): v for k, v in output.items()} if self.order_keys_lower else output
            )
        return shaped

    def word(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """Return a body whose ``msg1`` is padded as this host pads it."""
        return (
            body
            if self.pads_msg1 or "msg1" not in body
            else {**body, "msg1": str(body["msg1"]).rstrip()}
        )


# KIS gives APBK0918 for several causes; msg1 distinguishes them.
_CLOSED = Refusal("APBK0918", "장운영시간이 아닙니다.")
LIVE = Persona(
    mode=Mode.LIVE,
    balance_page=50,
    orders_page=100,
    rates=((date.min, 20), (date(2026, 4, 20), 18)),
    refusals={
        "cash": Refusal("APBK0952", "주문가능금액을 초과 했습니다", "7"),
        "holdings": Refusal("APBK0400", "주문 가능한 수량을 초과했습니다."),
        "quantity": Refusal("APBK0400", "주문 수량을 확인해주세요."),
        "early": _CLOSED,
        "closed": _CLOSED,
        "unknown": Refusal("APBK0656", "해당 종목 정보가 없습니다."),
        "tick": Refusal("APBK0506", "주식주문호가단위 오류입니다."),
        "limit": Refusal("APBK0506", "주문단가가 상한가와 하한가 사이에 있지 않습니다."),
        "halted": Refusal("APBK0918", "거래정지 종목입니다."),
        "kind": Refusal("APBK3013", "현재 가능하지 않은 주문구분입니다."),
        "venue": Refusal("APBK3009", "KRX에서만 거래가 가능한 종목입니다"),
        "low price": Refusal("APBK0400", "주문단가를 확인해주세요."),
        "no price": Refusal("APBK1943", "시장가호가불가"),
        "revise": Refusal("APBK3013", "정정할 수 없는 주문입니다."),
        "no order": Refusal("APBK0344", "원주문정보가 존재하지 않습니다."),
        "no leaves": Refusal("APBK0927", "정정취소 가능수량이 없습니다."),
    },
)
"""The live host. Rates: KIS's notice of 2026-04-20. Codes: as public clients have seen them.

Several causes share a code. Then ``msg1`` tells them apart.
"""


def _paper(msg_cd: str, words: str = "") -> Refusal:
    return Refusal(
        msg_cd, f"모의투자 주문처리가 안되었습니다({words})" if words else CODES[msg_cd].korean
    )


PAPER = Persona(
    mode=Mode.PAPER,
    balance_page=20,
    orders_page=15,
    rates=((date.min, 2), (date(2026, 4, 20), 1)),
    refusals={
        "cash": _paper("40310000"),
        "holdings": _paper("40240000"),
        "quantity": _paper("40310000", "주문수량 오류"),
        "early": _paper("40570000"),
        "closed": _paper("40580000"),
        "unknown": _paper("40070000"),
        "tick": _paper("40030000"),
        "limit": _paper("40030000", "상하한가 오류"),
        "halted": _paper("40070000"),
        "kind": _paper("90000000"),
        "venue": _paper("90000000"),
        "low price": _paper("40070000"),
        "no price": _paper("40310000", "주문단가 오류"),
        "revise": _paper("90000000"),
        "no order": _paper("40330000"),
        "no leaves": _paper("40330000"),
    },
    done={
        "order_cash_buy": "40600000",
        "order_cash_sell": "40610000",
        "order_rvsecncl": "40620000",
        "order_rvsecncl/02": "40630000",
        "inquire_balance": "20310000",
        "inquire_balance+": "20312000",
        "inquire_daily_ccld": "20310000",
        "inquire_daily_ccld+": "20312000",
        "inquire_psbl_order": "20310000",
    },
    rules=HOST_RULES[Mode.PAPER],
    # The paper host offers no session outside of these hours, and no Nextrade.
    hours=(time(9), time(15, 30)),
    channels=frozenset({TRADE_TRS[Venue.KRX], DEPTH_TRS[Venue.KRX]}),
)
"""The paper host. Public clients have seen 40030000, 40070000, 40240000, 40330000, 40570000,
40580000, 40600000 and 40630000. The other codes follow by analogy; 40310000 is reported with
several texts. Page sizes: KIS's workbook."""
PERSONAS = {Mode.LIVE: LIVE, Mode.PAPER: PAPER}
"""The personas of the two hosts."""
